//! Linking: when a DAG is whole in a core.
//!
//! A DAG is whole in a core when that core possesses every block of it. Only then may a path of the core
//! open it; the store then notes for each block by which root of the core it is reached, so that a request for any
//! inner block is answered by looking up, never by walking. Before a path shows a root to everybody its blocks are
//! noted a second time, in an index of public roots alone: what strangers ask for costs the same however many private
//! roots reach it.

use std::fmt;

use bytes::Bytes;
use cid::Cid;
use kubelt_content::read::{ReadError, Walk, WalkError, WalkLimits};
use kubelt_core::CoreId;
use kubelt_store::{CommitError, QuotaExceeded, Store, Tx, TxError};

use super::Content;
use crate::{
    StoreError,
    blocks::{BlockError, PossessedBlocks},
    collect::lease,
    limits::{DAG_BLOCKS_MAX, LINK_TRIES_MAX, LINKS_PER_COMMIT, MISSING_TOLD_MAX, SHOW_TRIES_MAX},
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
    /// Ten at most.
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

/// Marks of DAGs that are whole, or partial, by core and root: which of the two, the stamp of their linking, and how many
/// blocks they reach.
const WHOLE: &str = "whole";
/// Roots whose blocks are in the public index: 1, or the stamp of whoever puts them there.
const SHOWN: &str = "shown";
/// The mark of a root whose blocks are all in the public index.
const DONE: u8 = 1;

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
        // Before anything is looked at: from here on the collector leaves the root alone.
        let mut tx = self.store.begin();
        lease(&mut tx, core, root, self.stamps.next())?;
        tx.commit().await?;
        if how_whole(&self.store, core, root)? == Some(Wholeness::Whole) {
            return Ok(0);
        }
        let mut tries = 0;
        loop {
            let (store, core, root) = (self.store.clone(), *core, *root);
            let walked = tokio::task::spawn_blocking(move || walk(&store, core, root, at_least)).await;
            let (blocks, missing) = walked.expect("walking does not panic")?;
            let found = if missing == 0 { Wholeness::Whole } else { Wholeness::Partial };
            tries += 1;
            match self.link_blocks(&core, &root, &blocks, found).await {
                Ok(()) => return Ok(missing),
                // A block was taken away since the walk: another walk says whether it is back.
                Err(Incomplete::Commit(CommitError::BlockForgotten)) if tries < LINK_TRIES_MAX => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Notes that `root` reaches `blocks`, and how much of it `core` has.
    pub(super) async fn link_blocks(
        &self,
        core: &CoreId,
        root: &Cid,
        blocks: &[Cid],
        wholeness: Wholeness,
    ) -> Result<(), Incomplete> {
        self.check_notes(core, root, blocks.len())?;
        for (i, piece) in blocks.chunks(LINKS_PER_COMMIT).enumerate() {
            let mut tx = self.store.begin();
            if i == 0 {
                lease(&mut tx, core, root, self.stamps.next())?;
            }
            tx.reach(core, root, piece)?;
            tx.commit().await?;
        }
        let (key, kind) = (
            whole_key(core, root),
            match wholeness {
                Wholeness::Whole => 1,
                Wholeness::Partial => 2,
            },
        );
        let notes = blocks.len() as u64;
        loop {
            let before = self.store.meta(WHOLE, &key)?;
            let mut tx = self.store.begin();
            tx.expect_meta(WHOLE, &key, before.as_deref());
            let at = self.stamps.next().to_be_bytes();
            let mark = [&[kind], at.as_slice(), notes.to_be_bytes().as_slice()].concat();
            let before = before.as_deref().map_or(0, notes_of);
            tx.put_reach_mark(WHOLE, &key, core, before, Some((&mark, notes)))?;
            match tx.commit().await {
                // Somebody else linked the same root meanwhile, or the collector took it.
                Err(CommitError::Conflict) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Whether the core's quota of bytes has room for the notes of what `root` reaches: by roots that share their
    /// blocks a core could fill the index with what is none of its bytes.
    fn check_notes(&self, core: &CoreId, root: &Cid, blocks: usize) -> Result<(), Incomplete> {
        let there = self.store.meta(WHOLE, &whole_key(core, root))?.as_deref().map_or(0, notes_of);
        let mut used = self.used(core)?;
        used.reach_notes = used.reach_notes.saturating_sub(there).saturating_add(blocks as u64);
        let (limit, usage) = (used.quota.block_bytes, used.usage.block_bytes);
        let usage = usage.saturating_add(used.reach_note_bytes());
        if usage <= limit {
            return Ok(());
        }
        let what = "bytes of blocks and of notes which root reaches which";
        Err(CommitError::Quota(QuotaExceeded { core: *core, what, limit, usage }).into())
    }

    /// Lets anybody find the blocks of `root` by their CIDs, once a public path names it.
    ///
    /// # Errors
    /// [`Incomplete`] when the root is missing in the core or something cannot be read or written.
    pub(crate) async fn show(&self, core: &CoreId, root: &Cid) -> Result<(), Incomplete> {
        if self.store.meta(SHOWN, &root.to_bytes())?.is_some_and(|mark| *mark == [DONE]) {
            return Ok(());
        }
        let (store, core, root) = (self.store.clone(), *core, *root);
        let walk = move || walk(&store, core, root, Wholeness::Partial);
        let walked = tokio::task::spawn_blocking(walk).await;
        let (blocks, _missing) = walked.expect("walking does not panic")?;
        self.show_blocks(&root, &blocks).await
    }

    pub(super) async fn show_blocks(&self, root: &Cid, blocks: &[Cid]) -> Result<(), Incomplete> {
        let key = root.to_bytes();
        for _ in 0..SHOW_TRIES_MAX {
            // Who finds the mark of somebody else who is at it shares it.
            let mark = match self.store.meta(SHOWN, &key)? {
                Some(mark) if *mark == [DONE] => return Ok(()),
                Some(mark) => mark,
                None => {
                    let mark = Bytes::copy_from_slice(&self.stamps.next().to_be_bytes());
                    let mut tx = self.store.begin();
                    tx.expect_meta(SHOWN, &key, None);
                    tx.put_meta(SHOWN, &key, Some(&mark))?;
                    match tx.commit().await {
                        Err(CommitError::Conflict) => continue,
                        other => other?,
                    }
                    mark
                }
            };
            for piece in blocks.chunks(LINKS_PER_COMMIT) {
                let mut tx = self.store.begin();
                tx.link(root, piece)?;
                tx.commit().await?;
            }
            let mut tx = self.store.begin();
            tx.expect_meta(SHOWN, &key, Some(&mark));
            tx.put_meta(SHOWN, &key, Some(&[DONE]))?;
            match tx.commit().await {
                // Ended by whoever shares the mark, or taken back by the collector.
                Err(CommitError::Conflict) => {}
                other => {
                    self.cores.note_opening();
                    return Ok(other?);
                }
            }
        }
        Err(CommitError::Conflict.into())
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

/// When the DAG of `root` was linked in `core`, as a stamp; none where it is not, or not any more.
pub(crate) fn linked_at(store: &Store, core: &CoreId, root: &Cid) -> Result<Option<u64>, StoreError> {
    let mark = store.meta(WHOLE, &whole_key(core, root))?;
    Ok(mark.map(|mark| number_at(&mark, 1)))
}

/// How many notes of what its root reaches a mark stands for.
fn notes_of(mark: &[u8]) -> u64 {
    number_at(mark, 1 + size_of::<u64>())
}

fn number_at(mark: &[u8], at: usize) -> u64 {
    mark.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |number| u64::from_be_bytes(*number))
}

/// The DAG of `root` is not whole in `core` any more.
pub(crate) fn unmark_whole(tx: &mut Tx, core: &CoreId, root: &Cid) -> Result<(), TxError> {
    let key = whole_key(core, root);
    let before = tx.meta(WHOLE, &key)?.as_deref().map_or(0, notes_of);
    tx.put_reach_mark(WHOLE, &key, core, before, None)
}

/// The transaction happens only if the DAG of `root` is not marked as whole in `core`.
pub(crate) fn expect_not_whole(tx: &mut Tx, core: &CoreId, root: &Cid) {
    tx.expect_meta(WHOLE, &whole_key(core, root), None);
}

/// Whether the blocks of `root` are in the public index, or on their way into it.
pub(crate) fn is_shown(store: &Store, root: &Cid) -> Result<bool, StoreError> {
    Ok(store.meta(SHOWN, &root.to_bytes())?.is_some())
}

/// The blocks of `root` are about to leave the public index.
pub(crate) fn hide(tx: &mut Tx, root: &Cid) -> Result<(), TxError> {
    tx.put_meta(SHOWN, &root.to_bytes(), None)
}

/// The transaction happens only if nobody puts the blocks of `root` into the public index.
pub(crate) fn expect_hidden(tx: &mut Tx, root: &Cid) {
    tx.expect_meta(SHOWN, &root.to_bytes(), None);
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
