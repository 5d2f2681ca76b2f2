//! Linking: when a DAG is whole in a core.
//!
//! A DAG is whole in a core when that core possesses every block of it. Only then may a path of the core
//! open it; the store then notes for each block by which root it is reached, so that a request for any
//! inner block is answered by looking up, never by walking.

use std::fmt;

use cid::Cid;
use kubelt_content::read::{ReadError, Walk, WalkError, WalkLimits};
use kubelt_core::CoreId;
use kubelt_store::{CommitError, Store, TxError};

use super::Content;
use crate::{
    StoreError,
    blocks::{BlockError, PossessedBlocks},
    limits::{DAG_BLOCKS_MAX, LINKS_PER_COMMIT, MISSING_TOLD_MAX},
};

/// Why a DAG is not whole in a core.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete {
    /// Blocks were never uploaded by this core.
    #[error("the content lacks blocks in this core: {0}; upload them first")]
    Missing(MissingBlocks),
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

/// The first blocks that a DAG lacks, and whether there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingBlocks {
    /// [`MISSING_TOLD_MAX`] at most.
    pub cids: Vec<Cid>,
    /// Whether others were not named.
    pub more: bool,
}

impl fmt::Display for MissingBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cids: Vec<String> = self.cids.iter().map(|cid| format!("`{cid}`")).collect();
        f.write_str(&cids.join(", "))?;
        if self.more { f.write_str(" and more") } else { Ok(()) }
    }
}

/// How much of a DAG a core has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wholeness {
    /// Every block.
    Whole,
    /// As much as was noted, and it is to be opened all the same.
    Partial,
}

/// Marks of DAGs that are whole, or partial, by core and root.
const WHOLE: &str = "whole";

impl Content {
    /// Walks the DAG of `root` and, where it is whole, notes what it reaches. Durable when it returns.
    ///
    /// # Errors
    /// [`Incomplete`] names a block that is missing.
    pub(crate) async fn make_whole(&self, core: &CoreId, root: &Cid) -> Result<(), Incomplete> {
        self.note_reach(core, root, Wholeness::Whole).await.map(|_missing| ())
    }

    /// The same, but where blocks are missing, what is there is noted and the DAG is marked as partial; gives how
    /// many are missing. The root itself must be there.
    ///
    /// # Errors
    /// [`Incomplete`] when the root is missing or the DAG is malformed.
    pub(crate) async fn make_partial(&self, core: &CoreId, root: &Cid) -> Result<u64, Incomplete> {
        self.note_reach(core, root, Wholeness::Partial).await
    }

    async fn note_reach(&self, core: &CoreId, root: &Cid, at_least: Wholeness) -> Result<u64, Incomplete> {
        if how_whole(&self.store, core, root)? == Some(Wholeness::Whole) {
            return Ok(0);
        }
        let (store, core, root) = (self.store.clone(), *core, *root);
        let walked = tokio::task::spawn_blocking(move || walk(&store, core, root, at_least)).await;
        let (blocks, missing) = walked.expect("walking does not panic")?;
        let found = if missing == 0 { Wholeness::Whole } else { Wholeness::Partial };
        link(&self.store, &core, &root, &blocks, found).await?;
        Ok(missing)
    }
}

/// How much of the DAG of `root` was found in `core`; none where it was not looked at or lacked blocks.
pub(crate) fn how_whole(store: &Store, core: &CoreId, root: &Cid) -> Result<Option<Wholeness>, StoreError> {
    let mark = store.meta(WHOLE, &whole_key(core, root))?;
    Ok(mark.and_then(|mark| match mark.first() {
        Some(1) => Some(Wholeness::Whole),
        Some(2) => Some(Wholeness::Partial),
        _ => None,
    }))
}

/// Notes that `root` reaches `blocks`, and how much of it `core` has.
pub(crate) async fn link(
    store: &Store,
    core: &CoreId,
    root: &Cid,
    blocks: &[Cid],
    wholeness: Wholeness,
) -> Result<(), Incomplete> {
    let pieces = blocks.chunks(LINKS_PER_COMMIT);
    for piece in pieces {
        let mut tx = store.begin();
        tx.link(root, piece)?;
        tx.commit().await?;
    }
    let mut tx = store.begin();
    let mark = match wholeness {
        Wholeness::Whole => 1,
        Wholeness::Partial => 2,
    };
    tx.set_linked(root)?;
    tx.put_meta(WHOLE, &whole_key(core, root), Some(&[mark]))?;
    tx.commit().await?;
    Ok(())
}

/// The blocks of a DAG that the core has, and how many it lacks.
fn walk(store: &Store, core: CoreId, root: Cid, at_least: Wholeness) -> Result<(Vec<Cid>, u64), Incomplete> {
    let blocks = PossessedBlocks { store, core };
    let limits = WalkLimits { blocks_max: DAG_BLOCKS_MAX, ..WalkLimits::default() };
    let mut walk = Walk::new([root], limits);
    let mut reached = Vec::new();
    let mut missing = Vec::new();
    let mut missing_count = 0;
    loop {
        match walk.next(&blocks) {
            Ok(Some(visit)) => reached.push(visit.cid),
            Ok(None) => break,
            Err(WalkError::Read(ReadError::Source(BlockError::Missing(cid)))) => {
                missing_count += 1;
                if missing.len() < MISSING_TOLD_MAX {
                    missing.push(*cid);
                } else if at_least == Wholeness::Whole {
                    break;
                }
            }
            Err(WalkError::Read(ReadError::Source(BlockError::Store(error)))) => {
                return Err(Incomplete::Store(error));
            }
            Err(error) => return Err(Incomplete::Malformed(Box::new(error))),
        }
    }
    let refused = at_least == Wholeness::Whole || missing.contains(&root);
    if refused && !missing.is_empty() {
        let more = missing_count > missing.len() as u64;
        return Err(Incomplete::Missing(MissingBlocks { cids: missing, more }));
    }
    Ok((reached, missing_count))
}

fn whole_key(core: &CoreId, root: &Cid) -> Vec<u8> {
    let mut key = core.digest().to_vec();
    key.extend_from_slice(&root.to_bytes());
    key
}
