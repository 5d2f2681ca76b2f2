//! Who asks, and what they may see.

use std::sync::Arc;

use kubelt_core::{
    CoreId, MapPath, Verb,
    schema::{Exit, Visibility},
};

use crate::{
    StoreError,
    cores::{Cores, LoadError},
    doors::{Door, Doors, Way},
    gates::Trials,
    ipns::OWN_ROOT,
    session::Session,
};

/// Who asks.
#[derive(Debug, Clone, Default)]
pub enum Reader {
    /// Anybody.
    #[default]
    Anonymous,
    /// Somebody who signed in.
    Session(Arc<Session>),
}

impl Reader {
    /// The session, if any.
    pub fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Anonymous => None,
            Self::Session(session) => Some(session),
        }
    }
}

/// Decides what readers may see of cores.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    cores: Cores,
    doors: Doors,
    gates: Trials,
}

impl Access {
    pub(crate) fn new(cores: Cores, doors: Doors, gates: Trials) -> Self {
        Self { cores, doors, gates }
    }

    /// An exit of a core for strangers, as its settings and those of the cores above have it now.
    pub(crate) fn door(&self, core: &CoreId, exit: Exit) -> Result<Door, StoreError> {
        self.doors.of(core, exit)
    }

    /// The same for `reader`, who may pass a core above where strangers may not.
    pub(crate) async fn door_for(
        &self,
        reader: &Reader,
        core: &CoreId,
        exit: Exit,
    ) -> Result<Door, LoadError> {
        let door = self.doors.of(core, exit)?;
        if door.is_barred() && self.passes(reader, core, exit).await? { Ok(door.reached()) } else { Ok(door) }
    }

    /// Whether `reader` comes down to a core from the cores above it. Whoever may read, as one of a parent's own people,
    /// the path that names the child, is past that parent and all above: its own people need no leave from there.
    async fn passes(&self, reader: &Reader, core: &CoreId, exit: Exit) -> Result<bool, LoadError> {
        for step in self.doors.kin.above(core)?.iter() {
            let mut is_gated = false;
            for (path, visibility) in &step.names {
                if self.sees_within(reader, &step.parent, path, *visibility).await?.is_some() {
                    return Ok(true);
                }
                is_gated |= *visibility != Visibility::Private
                    && self.doors.exposes(&step.parent, path, exit)?
                    && self.gates.lets_in(reader, &step.parent, path).await?;
            }
            if !is_gated && !self.doors.passes(step, exit)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether every core that the core wants to lie in names the one below it.
    pub(crate) fn is_child(&self, core: &CoreId) -> Result<bool, StoreError> {
        Ok(self.doors.kin.depth(core)?.is_some_and(|depth| depth > 0))
    }

    /// The setting that closes an exit of the core for a path, and the core that has it, where there is one.
    pub(crate) fn closed_by(
        &self,
        core: &CoreId,
        path: &MapPath,
        exit: Exit,
    ) -> Result<Option<(CoreId, String)>, StoreError> {
        self.doors.closed_by(core, path, exit)
    }

    /// How often the settings of any core have changed.
    pub(crate) fn changes(&self) -> u64 {
        self.doors.changes()
    }

    /// By which visibility `reader` may see, through `exit`, what lies at `path` with this visibility; none
    /// where the reader may not. What is public but closed at this exit is for the core's members there.
    pub(crate) async fn sees(
        &self,
        reader: &Reader,
        core: &CoreId,
        path: &MapPath,
        visibility: Visibility,
        exit: Exit,
    ) -> Result<Option<Visibility>, LoadError> {
        if path.as_str() == OWN_ROOT {
            // It holds nothing but what is open there, and is named for as long as that is so in the core itself.
            let is_open = exit == Exit::Ipfs && !self.door(core, exit)?.is_barred();
            return Ok(is_open.then_some(Visibility::Public));
        }
        if visibility == Visibility::Public {
            let door = self.door_for(reader, core, exit).await?;
            if door.is_open(path) {
                let is_for_all = door.way() == Way::Everybody;
                return Ok(Some(if is_for_all { Visibility::Public } else { Visibility::Members }));
            }
        }
        if let Some(visibility) = self.sees_within(reader, core, path, visibility).await? {
            return Ok(Some(visibility));
        }
        let is_gated = visibility == Visibility::Members
            && self.gates.lets_in(reader, core, path).await?
            && self.door_for(reader, core, exit).await?.is_open(path);
        Ok(is_gated.then_some(Visibility::Members))
    }

    /// Whether what chains say lets `reader` in somewhere in the core.
    pub(crate) async fn is_gated_in(&self, reader: &Reader, core: &CoreId) -> Result<bool, StoreError> {
        self.gates.lets_in_anywhere(reader, core).await
    }

    /// By which visibility `reader` may see, as one of the core's own people, what lies at `path` with this visibility.
    pub(crate) async fn sees_within(
        &self,
        reader: &Reader,
        core: &CoreId,
        path: &MapPath,
        visibility: Visibility,
    ) -> Result<Option<Visibility>, LoadError> {
        let visibility = match visibility {
            Visibility::Public | Visibility::Members => Visibility::Members,
            Visibility::Private => Visibility::Private,
        };
        let Reader::Session(session) = reader else { return Ok(None) };
        if !session.covers(core, Verb::Read, Some(path)) {
            return Ok(None);
        }
        let may = match visibility {
            Visibility::Private => self.cores.reads_private(core, session.account()).await?,
            _ => self.cores.may(core, session.account(), Verb::Read, Some(path)).await?,
        };
        Ok(may.then_some(visibility))
    }

    /// Whether `reader` signed in to the core as a whole, and has a part in it.
    pub(crate) async fn has_part(&self, reader: &Reader, core: &CoreId) -> Result<bool, LoadError> {
        let Reader::Session(session) = reader else { return Ok(false) };
        Ok(session.is_whole_in(core) && self.cores.has_part(core, session.account()).await?)
    }

    /// Whether `reader` may have the whole log of a core, private bodies included.
    pub(crate) async fn replicates(&self, reader: &Reader, core: &CoreId) -> Result<bool, LoadError> {
        let Reader::Session(session) = reader else { return Ok(false) };
        Ok(session.covers(core, Verb::Replicate, None)
            && self.cores.may(core, session.account(), Verb::Replicate, None).await?)
    }
}
