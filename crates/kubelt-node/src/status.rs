//! How the node is.

use kubelt_store::{Mode, Stats, Store};

use crate::{
    StoreError,
    worker::{WorkerStatus, Workers},
};

/// Answers how the node is; cheap to clone.
#[derive(Debug, Clone)]
pub struct Status {
    store: Store,
    workers: Workers,
}

impl Status {
    pub(crate) fn new(store: Store, workers: Workers) -> Self {
        Self { store, workers }
    }

    /// Whether the store takes writes.
    pub fn mode(&self) -> Mode {
        self.store.mode()
    }

    /// How each worker is.
    pub fn workers(&self) -> Vec<WorkerStatus> {
        self.workers.statuses()
    }

    /// The store's figures.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        self.store.stats()
    }

    /// Whether the store can be read at all: one look-up.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self) -> Result<(), StoreError> {
        self.store.core_count().map(drop)
    }
}
