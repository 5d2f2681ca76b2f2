//! Which blocks of a core are on their way here, so that a node with several hosts is sent each of them once.
//!
//! Each fetch claims what it asks its peer for; others leave that alone, ask for something else, and look again in a
//! moment. A claim on a block that does not come is taken over, so nobody waits long for a peer that is slow or gone.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use cid::Cid;
use kubelt_core::CoreId;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::CLAIM_TIME_MAX;

/// The claims on blocks of all cores; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<CoreId, Weak<OfCore>>>>);

#[derive(Debug, Default)]
struct OfCore {
    taken: Mutex<HashMap<Cid, Claim>>,
    next: AtomicU64,
    /// Whether somebody was refused since blocks were last stored.
    awaited: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    by: u64,
    /// Until when the block must come; none once it has, and is on its way into the store.
    until: Option<Instant>,
}

/// One fetch among those of a core. Its claims end with it.
#[derive(Debug)]
pub(super) struct Claimant {
    of: Arc<OfCore>,
    id: u64,
}

impl Claims {
    /// One more fetch of a core.
    pub(super) fn join(&self, core: CoreId) -> Claimant {
        let mut cores = self.0.lock();
        let known = cores.get(&core).and_then(Weak::upgrade);
        let of = known.unwrap_or_else(|| {
            cores.retain(|_, of| of.strong_count() > 0);
            let of = Arc::new(OfCore::default());
            cores.insert(core, Arc::downgrade(&of));
            of
        });
        let id = of.next.fetch_add(1, Ordering::Relaxed);
        Claimant { of, id }
    }
}

impl Claimant {
    /// Whether it walks DAGs from their end: of several fetches some do, so that they meet in the middle.
    pub(super) const fn is_backward(&self) -> bool {
        self.id % 2 == 1
    }

    /// Claims a block; false where another fetch has asked for it, and may still get it.
    pub(super) fn take(&self, cid: &Cid) -> bool {
        let now = Instant::now();
        let claim = Claim { by: self.id, until: Some(now + CLAIM_TIME_MAX) };
        match self.of.taken.lock().entry(*cid) {
            Entry::Vacant(free) => {
                free.insert(claim);
            }
            Entry::Occupied(mut taken) => {
                let Claim { by, until } = *taken.get();
                if by != self.id && until.is_none_or(|until| now < until) {
                    self.of.awaited.store(true, Ordering::Relaxed);
                    return false;
                }
                taken.insert(claim);
            }
        }
        true
    }

    /// A block has come that is not in the store yet.
    pub(super) fn came(&self, cid: &Cid) {
        if let Some(claim) = self.of.taken.lock().get_mut(cid).filter(|claim| claim.by == self.id) {
            claim.until = None;
        }
    }

    /// Gives claims back: the blocks are in the store, or not to be had.
    pub(super) fn free<'a>(&self, cids: impl IntoIterator<Item = &'a Cid>) {
        let mut taken = self.of.taken.lock();
        for cid in cids {
            if taken.get(cid).is_some_and(|claim| claim.by == self.id) {
                taken.remove(cid);
            }
        }
    }

    /// Whether another fetch waits for something since this was last asked.
    pub(super) fn is_awaited(&self) -> bool {
        self.of.awaited.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Claimant {
    fn drop(&mut self) {
        self.of.taken.lock().retain(|_, claim| claim.by != self.id);
    }
}

#[cfg(test)]
mod tests {
    use cid::Cid;
    use kubelt_core::CoreId;
    use tokio::time::advance;

    use super::Claims;
    use crate::limits::CLAIM_TIME_MAX;

    fn cid(n: u8) -> Cid {
        let hash = cid::multihash::Multihash::wrap(0x12, &[n; 32]).expect("a hash");
        Cid::new_v1(0x55, hash)
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_is_claimed_once_until_it_is_late() {
        let claims = Claims::default();
        let core = CoreId::from_digest([1; 32]);
        let (first, second) = (claims.join(core), claims.join(core));
        let elsewhere = claims.join(CoreId::from_digest([2; 32]));
        assert!(!first.is_backward() && second.is_backward());
        assert!(first.take(&cid(1)) && first.take(&cid(1)) && elsewhere.take(&cid(1)));
        assert!(!first.is_awaited());
        assert!(!second.take(&cid(1)) && second.take(&cid(2)));
        assert!(first.is_awaited() && !first.is_awaited());
        // Nobody gives back what is another's.
        second.free([&cid(1)]);
        assert!(!second.take(&cid(1)));
        first.free([&cid(1)]);
        assert!(second.take(&cid(1)) && !first.take(&cid(1)));

        // A block that does not come is asked for elsewhere; one that came is not.
        second.came(&cid(2));
        advance(CLAIM_TIME_MAX).await;
        assert!(first.take(&cid(1)) && !first.take(&cid(2)));
        drop(second);
        assert!(first.take(&cid(2)), "the claims of a fetch end with it");
    }
}
