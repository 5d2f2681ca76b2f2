//! What a reader may have of a core's log.
//!
//! The core's own people (and hosts it named) get everything. Anybody else gets what proves the public
//! paths: of a shared core all headers, all authority, and the bodies of public puts; of a private or user
//! core only the puts of public paths, which one signature proves, and nothing that tells when or how often
//! its owner does anything else. A core with no public path shows nothing at all.

use kubelt_core::{CoreId, Genesis, MapPath, OpId, Verb, schema::Visibility};
use kubelt_store::OpRecord;

use crate::{
    StoreError,
    access::Reader,
    content::PREFIX,
    cores::LoadError,
    exchange::Exchange,
    names::{is_open, named},
};

/// How much of a core's log a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclosure {
    /// Nothing: the core is not here, as far as this reader can tell.
    Nothing,
    /// What proves the public paths.
    Public {
        /// Whether headers of what is not public are among it.
        headers: bool,
    },
    /// Everything.
    Everything,
}

/// How much of one operation a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Hidden,
    /// Header and signature.
    Header,
    /// The body too.
    Whole,
}

impl Exchange {
    /// How much of the core's log `reader` gets.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn disclosure(&self, reader: &Reader, core: &CoreId) -> Result<Disclosure, LoadError> {
        let genesis = match self.cores.genesis(core) {
            Ok(genesis) => genesis,
            Err(LoadError::Unknown) => return Ok(Disclosure::Nothing),
            Err(error) => return Err(error),
        };
        if self.access.replicates(reader, core).await? {
            return Ok(Disclosure::Everything);
        }
        if is_open(&self.store, core)? {
            return Ok(Disclosure::Public { headers: matches!(genesis, Genesis::Shared { .. }) });
        }
        Ok(Disclosure::Nothing)
    }

    /// How much of one operation such a reader gets.
    ///
    /// # Errors
    /// Only when the store fails.
    pub fn shown(&self, disclosure: Disclosure, core: &CoreId, op: &OpRecord) -> Result<Shown, StoreError> {
        let headers = match disclosure {
            Disclosure::Nothing => return Ok(Shown::Hidden),
            Disclosure::Everything => return Ok(Shown::Whole),
            Disclosure::Public { headers } => headers,
        };
        if self.is_public(core, op)? || (headers && op.verb != Verb::Put) {
            return Ok(Shown::Whole);
        }
        Ok(if headers { Shown::Header } else { Shown::Hidden })
    }

    /// Whether an operation decides a public path now.
    fn is_public(&self, core: &CoreId, op: &OpRecord) -> Result<bool, StoreError> {
        match &op.path {
            Some(path) => self.decides_public(core, path, &op.id),
            None => Ok(false),
        }
    }

    pub(crate) fn decides_public(
        &self,
        core: &CoreId,
        path: &MapPath,
        op: &OpId,
    ) -> Result<bool, StoreError> {
        if path.prefix() != PREFIX {
            return Ok(false);
        }
        let public =
            named(&self.store, core, path)?.is_some_and(|named| named.visibility == Visibility::Public);
        Ok(public && self.store.state(core, path)?.is_some_and(|state| state.id == *op))
    }
}
