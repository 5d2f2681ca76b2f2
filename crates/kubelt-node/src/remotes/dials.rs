//! How many nodes are being connected to at once because maps of cores name them.
//!
//! Whoever may write a core's settings chooses where its hosts are, and so whom this node calls. What that costs
//! others is bounded: a few calls at a time for each core, and for the node a number of which hosts that were never
//! reached have a part only. How often one is called is the keeper's.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use kubelt_core::CoreId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{REMOTE_DIALS_MAX, REMOTE_DIALS_OF_CORE_MAX, REMOTE_DIALS_UNPROVEN_MAX};

/// The places for calls.
#[derive(Debug)]
pub(super) struct Dials {
    all: Arc<Semaphore>,
    /// Of them, for hosts that were never reached.
    unproven: Arc<Semaphore>,
    of_core: Mutex<HashMap<CoreId, Weak<Semaphore>>>,
    made: AtomicU64,
    failed: AtomicU64,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _places: [Option<OwnedSemaphorePermit>; 3],
    _core: Arc<Semaphore>,
}

impl Default for Dials {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            all: places(REMOTE_DIALS_MAX),
            unproven: places(REMOTE_DIALS_UNPROVEN_MAX),
            of_core: Mutex::default(),
            made: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

impl Dials {
    /// Waits until a host of a core may be called.
    pub(super) async fn turn(&self, core: &CoreId, is_proven: bool) -> Turn {
        let core = self.places_of(core);
        // Who has less goes first, so that those of one core do not wait on the places of others.
        let of_core = take(&core).await;
        let unproven = if is_proven { None } else { take(&self.unproven).await };
        let all = take(&self.all).await;
        self.made.fetch_add(1, Ordering::Relaxed);
        Turn { _places: [of_core, unproven, all], _core: core }
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that were made, and those of them that nobody answered.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.made.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    fn places_of(&self, core: &CoreId) -> Arc<Semaphore> {
        let mut all = self.of_core.lock();
        if let Some(places) = all.get(core).and_then(Weak::upgrade) {
            return places;
        }
        all.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(REMOTE_DIALS_OF_CORE_MAX));
        all.insert(*core, Arc::downgrade(&places));
        places
    }
}

async fn take(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // It is never closed.
    Arc::clone(places).acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use kubelt_core::CoreId;

    use super::{Dials, Turn};
    use crate::limits::{REMOTE_DIALS_MAX, REMOTE_DIALS_OF_CORE_MAX, REMOTE_DIALS_UNPROVEN_MAX};

    /// What is ready at once.
    fn now(turn: impl Future<Output = Turn>) -> Option<Turn> {
        match pin!(turn).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_core_has_a_few_calls_and_hosts_that_nobody_reached_leave_room() {
        let dials = Dials::default();
        let core = |n: usize| CoreId::of(&n.to_be_bytes());
        let call = |n: usize, is_proven| now(dials.turn(&core(n), is_proven));
        let mut held: Vec<_> =
            (0..REMOTE_DIALS_OF_CORE_MAX).map(|_| call(0, true).expect("a place")).collect();
        assert!(call(0, true).is_none(), "one core has no more");
        held.pop();
        assert!(call(0, false).is_some());
        held.clear();
        for n in 0..REMOTE_DIALS_UNPROVEN_MAX {
            held.push(call(n, false).expect("a place"));
        }
        assert!(call(1_000, false).is_none(), "hosts that were never reached have no more");
        for n in REMOTE_DIALS_UNPROVEN_MAX..REMOTE_DIALS_MAX {
            held.push(call(n, true).expect("the others are for those that were"));
        }
        assert!(call(1_000, true).is_none());
        drop(held);
        assert!(call(1_000, true).is_some());
        assert_eq!(dials.of_core.lock().len(), 1, "what nobody uses is forgotten");
    }
}
