//! The doors of cores: by which exits strangers come in, and whether they pass every core on the way.
//!
//! This is the one place where that is judged. Every route asks for a [`Door`] before it shows anything to somebody who
//! is not of the core, and a child's door is open only where each step down to it is ([`Doors::passes`]): the core above
//! names the child to everyone, and its own exit is open. So a parent that closes closes all below it, by path, by CID,
//! to peers and in archives, with one row. A core's own people come in by its log and pass no doors; whoever is of a
//! core above may pass as far as that core's map lets them (`Access::door_for`).

use std::sync::Arc;

use kubelt_core::{
    CoreId, Genesis, MapPath,
    schema::{Exit, Exposure, Visibility},
};
use kubelt_store::Store;

use crate::{
    StoreError,
    exposures::Exposures,
    gates::GateTable,
    host_names::HostTable,
    kin::{Kin, Step},
};

/// The doors of every core; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    store: Store,
    exposures: Exposures,
    pub(crate) kin: Kin,
    pub(crate) gates: GateTable,
    pub(crate) hosts: HostTable,
}

/// Who comes as far as a core's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Everybody.
    Everybody,
    /// This reader, for what it is in a core above.
    Reader,
    /// Nobody: a core above is closed, or does not name the one below it.
    Nobody,
}

/// One exit of a core, as its settings and those of the cores above have it now.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    exposure: Arc<Exposure>,
    exit: Exit,
    way: Way,
}

impl Door {
    /// The same door, for a reader who comes as far as it.
    pub(crate) fn reached(self) -> Self {
        Self { way: Way::Reader, ..self }
    }

    /// Who comes as far as the door.
    pub(crate) const fn way(&self) -> Way {
        self.way
    }

    /// Whether nobody comes as far as the door.
    pub(crate) fn is_barred(&self) -> bool {
        self.way == Way::Nobody
    }

    /// Whether those who come as far as the door may reach `path`, if it is public.
    pub(crate) fn is_open(&self, path: &MapPath) -> bool {
        !self.is_barred() && self.exposure.is_open(path, self.exit)
    }

    /// Whether they may reach nothing at all.
    pub(crate) fn is_shut(&self) -> bool {
        self.is_barred() || self.exposure.is_shut(self.exit)
    }
}

impl Doors {
    pub(crate) fn new(store: Store, hosts: HostTable) -> Self {
        let (kin, gates) = (Kin::new(store.clone()), GateTable::new(store.clone()));
        Self { exposures: Exposures::new(store.clone()), kin, gates, hosts, store }
    }

    /// The door to a core for strangers.
    pub(crate) fn of(&self, core: &CoreId, exit: Exit) -> Result<Door, StoreError> {
        let way = self.way(&self.kin.above(core)?, exit, |core| self.exposures.of(core))?;
        Ok(Door { exposure: self.exposures.of(core)?, exit, way })
    }

    /// The same, past what is kept in memory: that is told of a change only after it was committed.
    pub(crate) fn read(&self, core: &CoreId, exit: Exit) -> Result<Door, StoreError> {
        let read = |core: &CoreId| self.exposures.read(core).map(Arc::new);
        let genesis = self.store.genesis(core)?.and_then(|block| Genesis::decode(&block).ok());
        let steps = genesis.map(|genesis| self.kin.read_above(core, &genesis)).transpose()?;
        let way = self.way(&steps.unwrap_or_default(), exit, read)?;
        Ok(Door { exposure: read(core)?, exit, way })
    }

    fn way(
        &self,
        steps: &[Step],
        exit: Exit,
        exposure_of: impl Fn(&CoreId) -> Result<Arc<Exposure>, StoreError>,
    ) -> Result<Way, StoreError> {
        for step in steps {
            if !passes(step, exit, &*exposure_of(&step.parent)?) {
                return Ok(Way::Nobody);
            }
        }
        Ok(Way::Everybody)
    }

    /// Whether everybody passes one step through `exit`.
    pub(crate) fn passes(&self, step: &Step, exit: Exit) -> Result<bool, StoreError> {
        Ok(passes(step, exit, &*self.exposures.of(&step.parent)?))
    }

    /// Whether a core's own settings leave an exit open for one of its paths.
    pub(crate) fn exposes(&self, core: &CoreId, path: &MapPath, exit: Exit) -> Result<bool, StoreError> {
        Ok(self.exposures.of(core)?.is_open(path, exit))
    }

    /// The setting that closes an exit of the core for a path, and the core that has it, where there is one.
    pub(crate) fn closed_by(
        &self,
        core: &CoreId,
        path: &MapPath,
        exit: Exit,
    ) -> Result<Option<(CoreId, String)>, StoreError> {
        for step in self.kin.above(core)?.iter() {
            let exposure = self.exposures.of(&step.parent)?;
            if !passes(step, exit, &exposure) {
                let named = step.names.iter().find(|(_, visibility)| *visibility == Visibility::Public);
                let closed =
                    named.or(step.names.first()).map(|(path, _)| match exposure.closed_by(path, exit) {
                        Some(rule) if named.is_some() => rule,
                        _ => path.to_string(),
                    });
                return Ok(Some((step.parent, closed.unwrap_or_else(|| "cores".to_owned()))));
            }
        }
        Ok(self.exposures.of(core)?.closed_by(path, exit).map(|rule| (*core, rule)))
    }

    /// Whether a change at `path` changes what a core's exits are, or those of the cores below it.
    pub(crate) fn concern(path: &MapPath) -> bool {
        Exposures::concerns(path) || Kin::concerns(path) || GateTable::concerns(path)
    }

    /// Forgets what was read of a core. To be called once its change is durable, before that is told.
    pub(crate) fn changed(&self, core: &CoreId) {
        self.exposures.changed(core);
        self.kin.changed(core);
        self.gates.changed(core);
    }

    /// Grows with every change that was forgotten, before that is told.
    pub(crate) fn changes(&self) -> u64 {
        self.exposures.changes() + self.kin.changes() + self.hosts.changes()
    }
}

/// The parent names the child to everyone, and lets strangers out by this exit itself.
fn passes(step: &Step, exit: Exit, exposure: &Exposure) -> bool {
    step.names
        .iter()
        .any(|(path, visibility)| *visibility == Visibility::Public && exposure.is_open(path, exit))
}
