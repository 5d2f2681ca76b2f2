//! Who asks, and what they may see.

use std::sync::Arc;

use kubelt_core::{
    CoreId, MapPath, Verb,
    schema::{Exit, Visibility},
};

use crate::{
    StoreError,
    cores::{Cores, LoadError},
    exposures::Exposures,
    ipns::OWN_ROOT,
    names::Door,
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
    exposures: Exposures,
}

impl Access {
    pub(crate) fn new(cores: Cores, exposures: Exposures) -> Self {
        Self { cores, exposures }
    }

    /// An exit of a core, as its settings have it now.
    pub(crate) fn door(&self, core: &CoreId, exit: Exit) -> Result<Door, StoreError> {
        Ok(Door::new(self.exposures.of(core)?, exit))
    }

    /// The setting that closes an exit of the core for a path, where one does.
    pub(crate) fn closed_by(
        &self,
        core: &CoreId,
        path: &MapPath,
        exit: Exit,
    ) -> Result<Option<String>, StoreError> {
        Ok(self.exposures.of(core)?.closed_by(path, exit))
    }

    /// How often the settings of any core have changed.
    pub(crate) fn changes(&self) -> u64 {
        self.exposures.changes()
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
            // It holds nothing but what is open there, and is named for as long as that is so.
            return Ok((exit == Exit::Ipfs).then_some(Visibility::Public));
        }
        if visibility == Visibility::Public && self.door(core, exit)?.is_open(path) {
            return Ok(Some(Visibility::Public));
        }
        self.sees_within(reader, core, path, visibility).await
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
