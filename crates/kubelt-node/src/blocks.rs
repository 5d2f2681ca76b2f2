//! The store as a source of blocks.

use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{denylist::Denylist, read::Blocks};
use kubelt_core::CoreId;
use kubelt_store::Store;

use crate::{
    StoreError,
    fetch::{Away, Retrieval},
};

/// Why a block could not be had from the store.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The store has none, or the core that asks never uploaded it.
    #[error("block `{0}` is not here")]
    Missing(Box<Cid>),
    /// The operator does not serve it.
    #[error("block `{0}` is on a denylist of this node")]
    Denied(Box<Cid>),
    /// It is elsewhere, and may come.
    #[error("a block is on its way here")]
    Away(Away),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// Which blocks somebody may have who was let in by a root: all that lie below it. Where the root is whole in
/// its core these need no further look; where it is partial they are those that the core possesses, though the
/// store may hold the others, for cores that keep them private. What is not among them may be fetched from elsewhere.
#[derive(Debug, Clone)]
pub struct Within {
    whose: Whose,
    elsewhere: Option<Retrieval>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Anybodys,
    Of(CoreId),
    Nobodys,
}

impl Within {
    /// Let in by a root that is whole.
    pub(crate) const WHOLE: Self = Self { whose: Whose::Anybodys, elsewhere: None };

    /// Let in by a CID that holds its content: that names no root, and opens nothing of the store.
    pub(crate) const NOTHING: Self = Self { whose: Whose::Nobodys, elsewhere: None };

    /// Let in by a root of which `core` lacks blocks.
    pub(crate) const fn partial(core: CoreId) -> Self {
        Self { whose: Whose::Of(core), elsewhere: None }
    }

    /// The same, and what it lacks is fetched; that changes nothing where it lacks nothing.
    pub(crate) fn or_elsewhere(mut self, elsewhere: &Retrieval) -> Self {
        if !matches!(self.whose, Whose::Anybodys) {
            self.elsewhere = Some(elsewhere.clone());
        }
        self
    }

    /// Whether anything of it may have to be fetched.
    pub const fn is_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
    }
}

/// The blocks below a root by which the reader was let in, without those that the operator denies.
#[derive(Debug, Clone)]
pub struct ReachedBlocks {
    store: Store,
    within: Within,
    denied: Arc<Denylist>,
}

impl ReachedBlocks {
    pub(crate) const fn new(store: Store, within: Within, denied: Arc<Denylist>) -> Self {
        Self { store, within, denied }
    }
}

impl Blocks for ReachedBlocks {
    type Error = BlockError;

    fn block(&self, cid: &Cid) -> Result<Bytes, BlockError> {
        if self.denied.denies_cid(cid) {
            return Err(BlockError::Denied(Box::new(*cid)));
        }
        let missing = || BlockError::Missing(Box::new(*cid));
        let here = match self.within.whose {
            Whose::Of(core) => PossessedBlocks { store: &self.store, core }.block(cid),
            Whose::Nobodys => Err(missing()),
            Whose::Anybodys => self.store.block(cid)?.ok_or_else(missing),
        };
        match (here, &self.within.elsewhere) {
            (Err(BlockError::Missing(_)), Some(elsewhere)) => elsewhere.block(cid).map_err(BlockError::Away),
            (here, _) => here,
        }
    }
}

/// The blocks that one core has uploaded or got by a read it was allowed. A block that only other cores
/// have is as missing as one that nobody has.
#[derive(Debug, Clone)]
pub(crate) struct PossessedBlocks<'a> {
    pub(crate) store: &'a Store,
    pub(crate) core: CoreId,
}

impl Blocks for PossessedBlocks<'_> {
    type Error = BlockError;

    fn block(&self, cid: &Cid) -> Result<Bytes, BlockError> {
        if !self.store.possesses(&self.core, cid)? {
            return Err(BlockError::Missing(Box::new(*cid)));
        }
        self.store.block(cid)?.ok_or_else(|| BlockError::Missing(Box::new(*cid)))
    }
}
