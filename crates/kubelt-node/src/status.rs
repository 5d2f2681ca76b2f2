//! How the node is.

use kubelt_store::{Mode, Stats, Store};

use crate::StoreError;

/// Answers how the node is; cheap to clone.
#[derive(Debug, Clone)]
pub struct Status {
    store: Store,
}

impl Status {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Whether the store takes writes.
    pub fn mode(&self) -> Mode {
        self.store.mode()
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
