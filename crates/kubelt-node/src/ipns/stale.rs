//! Cores of which the public root has changed.

use std::collections::BTreeSet;

use kubelt_core::CoreId;
use parking_lot::Mutex;

use crate::worker::Waker;

/// The cores whose names are to be rebuilt. The store knows them, too; this only spares looking for them.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    cores: Mutex<BTreeSet<CoreId>>,
    waker: Waker,
}

impl Stale {
    pub(crate) fn mark(&self, core: CoreId) {
        self.cores.lock().insert(core);
        self.waker.wake();
    }

    pub(super) fn take(&self) -> BTreeSet<CoreId> {
        std::mem::take(&mut *self.cores.lock())
    }

    pub(super) const fn waker(&self) -> &Waker {
        &self.waker
    }
}
