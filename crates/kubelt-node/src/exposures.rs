//! What each core's settings let strangers reach, read from its map and kept in memory.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kubelt_core::{
    CoreId, MapPath, codec,
    limits::VALUE_BYTES_MAX,
    schema::{EXPOSURE, Exposure},
};
use kubelt_store::Store;
use parking_lot::Mutex;

use crate::{StoreError, limits::EXPOSURES_CACHED_MAX};

/// Rules read at once.
const SCAN_PAGE: usize = 1_000;

/// The exposure of every core; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Exposures {
    store: Store,
    cached: Arc<Mutex<HashMap<CoreId, Arc<Exposure>>>>,
    /// Grows with every change, so that what was read before one is not kept after it.
    changes: Arc<AtomicU64>,
}

impl Exposures {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, cached: Arc::default(), changes: Arc::default() }
    }

    /// The exposure of a core as its map has it now.
    pub(crate) fn of(&self, core: &CoreId) -> Result<Arc<Exposure>, StoreError> {
        if let Some(exposure) = self.cached.lock().get(core) {
            return Ok(Arc::clone(exposure));
        }
        let before = self.changes.load(Ordering::Acquire);
        let exposure = Arc::new(self.read(core)?);
        let mut cached = self.cached.lock();
        if self.changes.load(Ordering::Acquire) == before {
            if cached.len() >= EXPOSURES_CACHED_MAX {
                cached.clear();
            }
            cached.insert(*core, Arc::clone(&exposure));
        }
        Ok(exposure)
    }

    /// Whether a change at `path` changes a core's exposure.
    pub(crate) fn concerns(path: &MapPath) -> bool {
        Exposure::rule_path(path).is_some()
    }

    /// Forgets what was read of a core. To be called once its change is durable, before that is told.
    pub(crate) fn changed(&self, core: &CoreId) {
        let mut cached = self.cached.lock();
        self.changes.fetch_add(1, Ordering::AcqRel);
        cached.remove(core);
    }

    /// Grows with every change that was forgotten, before that is told.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The same, past what is kept in memory.
    pub(crate) fn read(&self, core: &CoreId) -> Result<Exposure, StoreError> {
        let base: MapPath = EXPOSURE.parse().expect("a constant path");
        let mut exposure = Exposure::default();
        let mut after = None;
        loop {
            let rows = self.store.state_scan(core, Some(&base), after.as_ref(), SCAN_PAGE)?;
            for (path, entry) in &rows {
                if let Ok(value) = codec::decode(&entry.value, VALUE_BYTES_MAX, "value") {
                    exposure.insert(path, &value);
                }
            }
            if rows.len() < SCAN_PAGE {
                return Ok(exposure);
            }
            after = rows.into_iter().next_back().map(|(path, _)| path);
        }
    }
}
