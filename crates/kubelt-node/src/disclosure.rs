//! What a reader may have of a core's log.
//!
//! The core's own people (and hosts it named) get everything. Anybody else gets what proves the public
//! paths: of a shared core all headers, all authority, and the bodies of public puts; of a private or user
//! core only the puts of public paths, which one signature proves, and nothing that tells when or how often
//! its owner does anything else. A core with no public path shows nothing at all.

use std::fmt;

use kubelt_core::{
    CoreId, Genesis, Hlc, OpId, Verb,
    schema::{Exit, Visibility},
};
use kubelt_store::{OpRecord, OpsOrder};

use crate::{
    StoreError,
    access::Reader,
    cores::LoadError,
    exchange::Exchange,
    names::{Named, is_open, named, public},
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
        if is_open(&self.store, core, self.access.door(core, Exit::Network)?)? {
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
        let Some(path) = &op.path else { return Ok(false) };
        let named = named(&self.store, core, path)?;
        let decides = named.is_some_and(|named| named.visibility == Visibility::Public && named.op == op.id);
        Ok(decides && self.access.door(core, Exit::Network)?.is_open(path))
    }

    /// The operations of which such a reader gets anything, in the given order, behind `after`. What is hidden
    /// is not even looked at.
    pub(crate) fn visible_ops(
        &self,
        disclosure: Disclosure,
        core: &CoreId,
        after: Option<(Hlc, OpId)>,
        order: OpsOrder,
    ) -> Result<VisibleOps, StoreError> {
        if disclosure != (Disclosure::Public { headers: false }) {
            return Ok(VisibleOps(Box::new(self.store.ops(core, after, order))));
        }
        let read = |row: Result<(_, Named), _>| row.map(|(_, named)| (named.at, named.op));
        let door = self.access.door(core, Exit::Network)?;
        let mut ops = public(&self.store, core, door, None, None).map(read).collect::<Result<Vec<_>, _>>()?;
        ops.sort_unstable();
        if order == OpsOrder::Backward {
            ops.reverse();
        }
        let behind = move |op: &(Hlc, OpId)| {
            after.is_none_or(|after| if order == OpsOrder::Forward { *op > after } else { *op < after })
        };
        let (store, core) = (self.store.clone(), *core);
        let records =
            ops.into_iter().filter(behind).filter_map(move |(_, id)| store.op(&core, &id).transpose());
        Ok(VisibleOps(Box::new(records)))
    }
}

/// Operations, one after the other.
pub(crate) struct VisibleOps(Box<dyn Iterator<Item = Result<OpRecord, StoreError>> + Send>);

impl Iterator for VisibleOps {
    type Item = Result<OpRecord, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl fmt::Debug for VisibleOps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisibleOps(…)")
    }
}
