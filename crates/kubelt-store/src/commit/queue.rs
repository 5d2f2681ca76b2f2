//! Transactions that wait for the committer.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Request, ticket::CommitTicket};
use crate::{
    error::CommitError,
    limits::{GROUP_BYTES_MAX, GROUP_TXS_MAX, GROUPS_PER_BACKGROUND_TX},
};

/// A queue bounded by bytes.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    room: Arc<Semaphore>,
    room_units: u32,
}

#[derive(Default)]
struct State {
    pending: VecDeque<Pending>,
    /// What waits until no writer does.
    background: VecDeque<Pending>,
    /// Groups since something of the background was taken.
    groups: usize,
    closed: bool,
}

/// A transaction in the queue.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) request: Request,
    answer: oneshot::Sender<Result<(), CommitError>>,
    _room: OwnedSemaphorePermit,
}

impl Pending {
    pub(crate) fn answer(self, result: Result<(), CommitError>) {
        // Nobody waits any more: the transaction stands all the same.
        let _unheard = self.answer.send(result);
    }
}

/// Room is counted in units of this many bytes.
const UNIT_BYTES: u64 = 1_024;

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let units =
            (bytes_max as u64 / UNIT_BYTES).clamp(1, (Semaphore::MAX_PERMITS as u64).min(u32::MAX.into()));
        let room_units = u32::try_from(units).expect("clamped to 32 bits");
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            room: Arc::new(Semaphore::new(room_units as usize)),
            room_units,
        }
    }

    /// Hands a transaction in, at once if there is room; otherwise its ticket does so when it is awaited.
    pub(crate) fn submit(self: &Arc<Self>, request: Request) -> CommitTicket {
        let units = request.stride().div_ceil(UNIT_BYTES);
        let units = u32::try_from(units).unwrap_or(u32::MAX).clamp(1, self.room_units);
        match self.room.clone().try_acquire_many_owned(units) {
            Ok(room) => CommitTicket::queued(self.push(request, room)),
            Err(_no_room) => {
                let queue = self.clone();
                CommitTicket::waiting(async move {
                    let room = queue.room.clone().acquire_many_owned(units).await;
                    let Ok(room) = room else { return Err(CommitError::Closed) };
                    let answer = queue.push(request, room);
                    drop(queue);
                    answer.await.unwrap_or(Err(CommitError::Closed))
                })
            }
        }
    }

    /// The next group; waits for one, `None` once the queue is closed and empty. Of the background it takes one
    /// transaction when no writer waits, and when it has waited for so many groups of theirs that it would starve.
    pub(crate) fn next_group(&self) -> Option<Vec<Pending>> {
        self.next_group_until(|| false)
    }

    /// The same, and `None` as soon as nothing waits and `done` says so; who makes that true must call
    /// [`Queue::wake`].
    pub(crate) fn next_group_until(&self, done: impl Fn() -> bool) -> Option<Vec<Pending>> {
        let mut state = self.state.lock();
        while state.pending.is_empty() && state.background.is_empty() {
            if state.closed || done() {
                return None;
            }
            self.filled.wait(&mut state);
        }
        if state.pending.is_empty() || state.groups >= GROUPS_PER_BACKGROUND_TX {
            state.groups = 0;
            if let Some(one) = state.background.pop_front() {
                return Some(vec![one]);
            }
        }
        state.groups += 1;
        let mut bytes = 0;
        let mut group = Vec::new();
        while let Some(next) = state.pending.front() {
            bytes += next.request.stride();
            if !group.is_empty() && (bytes > GROUP_BYTES_MAX as u64 || group.len() == GROUP_TXS_MAX) {
                break;
            }
            group.extend(state.pending.pop_front());
        }
        Some(group)
    }

    /// Has the committer look again at what it waits for.
    pub(crate) fn wake(&self) {
        // Under the lock: who has looked already, and not begun to wait yet, would miss it.
        let _state = self.state.lock();
        self.filled.notify_all();
    }

    /// No more transactions are taken; those in the queue are still committed.
    pub(crate) fn close(&self) {
        self.room.close();
        self.state.lock().closed = true;
        self.filled.notify_all();
    }

    /// Closes and empties the queue when the committer is gone, so that nobody waits for it.
    pub(crate) fn close_on_drop(self: &Arc<Self>) -> impl Drop + use<> {
        struct Closer(Arc<Queue>);
        impl Drop for Closer {
            fn drop(&mut self) {
                self.0.close();
                let mut state = self.0.state.lock();
                state.pending.clear();
                state.background.clear();
            }
        }
        Closer(self.clone())
    }

    fn push(
        &self,
        request: Request,
        room: OwnedSemaphorePermit,
    ) -> oneshot::Receiver<Result<(), CommitError>> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if !state.closed {
            let waiting = if request.is_background { &mut state.background } else { &mut state.pending };
            waiting.push_back(Pending { request, answer, _room: room });
            self.filled.notify_one();
        }
        receiver
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Queue, Request};
    use crate::{commit::Expects, limits::GROUPS_PER_BACKGROUND_TX};

    fn request(is_background: bool) -> Request {
        Request {
            records: Vec::new(),
            needs: Vec::new(),
            expects: Expects::default(),
            rests_on: None,
            is_background,
            errand: None,
            quotas: Vec::new(),
        }
    }

    #[test]
    fn writers_go_first_and_the_background_does_not_starve() {
        let queue = Arc::new(Queue::new(1_024 * 1_024));
        let _tickets: Vec<_> = (0..3).map(|_| queue.submit(request(true))).collect();
        let mut order = Vec::new();
        for _ in 0..2 * GROUPS_PER_BACKGROUND_TX {
            // Another writer comes before each group.
            let _ticket = queue.submit(request(false));
            let group = queue.next_group().expect("something waits");
            order.push(group.iter().any(|one| one.request.is_background));
        }
        assert_eq!(order.iter().filter(|is_background| **is_background).count(), 1, "{order:?}");
        assert!(order[GROUPS_PER_BACKGROUND_TX], "{order:?}");
        // With no writers left it gets its turn at once.
        assert!(queue.next_group().expect("the background waits")[0].request.is_background);
        queue.close();
        assert!(queue.next_group().is_some(), "what was handed in is committed");
        assert!(queue.next_group().is_none());
    }
}
