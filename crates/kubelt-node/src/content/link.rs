//! Linking: when a DAG is whole in a core.
//!
//! A DAG is whole in a core when that core possesses every block of it. Only then may a path of the core
//! open it; the store then notes for each block by which root it is reached, so that a request for any
//! inner block is answered by looking up, never by walking.

use cid::Cid;
use kubelt_content::read::{ReadError, Walk, WalkError, WalkLimits};
use kubelt_core::CoreId;
use kubelt_store::{CommitError, Store, TxError};

use super::Content;
use crate::{
    StoreError,
    blocks::{BlockError, PossessedBlocks},
    limits::{DAG_BLOCKS_MAX, LINKS_PER_COMMIT},
};

/// Why a DAG is not whole in a core.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete {
    /// A block was never uploaded by this core.
    #[error("block `{0}` of the content has not been uploaded to this core; upload it first")]
    Missing(Box<Cid>),
    /// A block cannot be read, or the DAG is too large or too deep.
    #[error("the content cannot be linked")]
    Malformed(#[source] Box<WalkError<BlockError>>),
    /// The store could not be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// A transaction was refused.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Marks of DAGs that are whole, by core and root.
const WHOLE: &str = "whole";

impl Content {
    /// Walks the DAG of `root` and, where it is whole, notes what it reaches. Durable when it returns.
    ///
    /// # Errors
    /// [`Incomplete`] names a block that is missing.
    pub(crate) async fn make_whole(&self, core: &CoreId, root: &Cid) -> Result<(), Incomplete> {
        if is_whole(&self.store, core, root)? {
            return Ok(());
        }
        let (store, core, root) = (self.store.clone(), *core, *root);
        let walked = tokio::task::spawn_blocking(move || walk(&store, core, root)).await;
        let blocks = walked.expect("walking does not panic")?;
        link(&self.store, &core, &root, &blocks).await
    }
}

/// Whether the DAG of `root` was found whole in `core`.
pub(crate) fn is_whole(store: &Store, core: &CoreId, root: &Cid) -> Result<bool, StoreError> {
    Ok(store.meta(WHOLE, &whole_key(core, root))?.is_some())
}

/// Notes that `root` reaches `blocks` and is whole in `core`.
pub(crate) async fn link(store: &Store, core: &CoreId, root: &Cid, blocks: &[Cid]) -> Result<(), Incomplete> {
    let pieces = blocks.chunks(LINKS_PER_COMMIT);
    for piece in pieces {
        let mut tx = store.begin();
        tx.link(root, piece)?;
        tx.commit().await?;
    }
    let mut tx = store.begin();
    tx.set_linked(root)?;
    tx.put_meta(WHOLE, &whole_key(core, root), Some(&[1]))?;
    tx.commit().await?;
    Ok(())
}

fn walk(store: &Store, core: CoreId, root: Cid) -> Result<Vec<Cid>, Incomplete> {
    let blocks = PossessedBlocks { store, core };
    let limits = WalkLimits { blocks_max: DAG_BLOCKS_MAX, ..WalkLimits::default() };
    let mut walk = Walk::new([root], limits);
    let mut reached = Vec::new();
    loop {
        match walk.next(&blocks) {
            Ok(Some(visit)) => reached.push(visit.cid),
            Ok(None) => return Ok(reached),
            Err(WalkError::Read(ReadError::Source(BlockError::Missing(cid)))) => {
                return Err(Incomplete::Missing(cid));
            }
            Err(WalkError::Read(ReadError::Source(BlockError::Store(error)))) => {
                return Err(Incomplete::Store(error));
            }
            Err(error) => return Err(Incomplete::Malformed(Box::new(error))),
        }
    }
}

fn whole_key(core: &CoreId, root: &Cid) -> Vec<u8> {
    let mut key = core.digest().to_vec();
    key.extend_from_slice(&root.to_bytes());
    key
}
