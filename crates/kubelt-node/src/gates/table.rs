//! The gates of cores as their maps have them, kept in memory.

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
    schema::{GATES, Gate},
};
use kubelt_store::Store;
use parking_lot::Mutex;

use super::NamedGate;
use crate::{
    StoreError,
    limits::{GATES_CACHED_MAX, GATES_PER_CORE_MAX},
};

/// The gates of every core; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct GateTable {
    store: Store,
    cached: Arc<Mutex<HashMap<CoreId, Arc<[NamedGate]>>>>,
    /// Grows with every change, so that what was read before one is not kept after it.
    changes: Arc<AtomicU64>,
}

impl GateTable {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, cached: Arc::default(), changes: Arc::default() }
    }

    /// The gates of a core as its map has them now, in the order of their names; so many at most.
    pub(crate) fn of(&self, core: &CoreId) -> Result<Arc<[NamedGate]>, StoreError> {
        if let Some(gates) = self.cached.lock().get(core) {
            return Ok(Arc::clone(gates));
        }
        let before = self.changes.load(Ordering::Acquire);
        let gates: Arc<[_]> = self.read(core)?.into();
        let mut cached = self.cached.lock();
        if self.changes.load(Ordering::Acquire) == before {
            if cached.len() >= GATES_CACHED_MAX {
                cached.clear();
            }
            cached.insert(*core, Arc::clone(&gates));
        }
        Ok(gates)
    }

    fn read(&self, core: &CoreId) -> Result<Vec<NamedGate>, StoreError> {
        let base: MapPath = GATES.parse().expect("a constant path");
        let rows = self.store.state_scan(core, Some(&base), None, GATES_PER_CORE_MAX)?;
        let gate = |(path, entry): &(MapPath, kubelt_store::StateEntry)| {
            let value = codec::decode(&entry.value, VALUE_BYTES_MAX, "value").ok()?;
            let name = path.below(GATES)?.to_owned();
            // What does not fit opens nothing.
            Gate::from_ipld(&value).ok().map(|gate| NamedGate { name, gate: Arc::new(gate) })
        };
        Ok(rows.iter().filter_map(gate).collect())
    }

    /// Whether a change at `path` changes a core's gates.
    pub(crate) fn concerns(path: &MapPath) -> bool {
        path.prefix() == GATES
    }

    /// Forgets what was read of a core. To be called once its change is durable, before that is told.
    pub(crate) fn changed(&self, core: &CoreId) {
        let mut cached = self.cached.lock();
        self.changes.fetch_add(1, Ordering::AcqRel);
        cached.remove(core);
    }
}
