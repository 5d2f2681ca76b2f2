//! Who asks, and what they may see.

use std::sync::Arc;

use kubelt_core::{CoreId, MapPath, Verb, schema::Visibility};

use crate::{
    cores::{Cores, LoadError},
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
}

impl Access {
    pub(crate) fn new(cores: Cores) -> Self {
        Self { cores }
    }

    /// Whether `reader` may see what lies at `path` with this visibility.
    pub(crate) async fn sees(
        &self,
        reader: &Reader,
        core: &CoreId,
        path: &MapPath,
        visibility: Visibility,
    ) -> Result<bool, LoadError> {
        let session = match (visibility, reader) {
            (Visibility::Public, _) => return Ok(true),
            (_, Reader::Anonymous) => return Ok(false),
            (_, Reader::Session(session)) => session,
        };
        if !session.covers(core, Verb::Read, Some(path)) {
            return Ok(false);
        }
        match visibility {
            Visibility::Private => self.cores.is_root(core, session.account()).await,
            _ => self.cores.may(core, session.account(), Verb::Read, Some(path)).await,
        }
    }

    /// Whether `reader` may have the whole log of a core, private bodies included.
    pub(crate) async fn replicates(&self, reader: &Reader, core: &CoreId) -> Result<bool, LoadError> {
        let Reader::Session(session) = reader else { return Ok(false) };
        Ok(session.covers(core, Verb::Replicate, None)
            && self.cores.may(core, session.account(), Verb::Replicate, None).await?)
    }
}
