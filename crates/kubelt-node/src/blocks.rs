//! The store as a source of blocks.

use bytes::Bytes;
use cid::Cid;
use kubelt_content::read::Blocks;
use kubelt_core::CoreId;
use kubelt_store::Store;

use crate::StoreError;

/// Why a block could not be had from the store.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The store has none, or the core that asks never uploaded it.
    #[error("block `{0}` is not here")]
    Missing(Box<Cid>),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// Every block of the store, for DAGs that the reader was already found to be allowed.
#[derive(Debug, Clone)]
pub(crate) struct StoredBlocks(pub(crate) Store);

impl Blocks for StoredBlocks {
    type Error = BlockError;

    fn block(&self, cid: &Cid) -> Result<Bytes, BlockError> {
        self.0.block(cid)?.ok_or_else(|| BlockError::Missing(Box::new(*cid)))
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
