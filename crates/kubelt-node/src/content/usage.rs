//! What a core's content costs, and what becomes of content that is let go.

use std::collections::HashMap;

use cid::Cid;
use kubelt_content::{
    inline_content,
    read::{ReadError, Walk, WalkError, WalkLimits},
};
use kubelt_core::{CoreId, MapPath, OpId};
use kubelt_store::{Quota, Store, Usage};

use super::{Content, ContentError, UploadError};
use crate::{
    StoreError,
    access::Reader,
    blocks::{BlockError, PossessedBlocks},
    collect::{Keep, is_kept, keep_of, keepers},
    limits::{REACH_NOTE_BYTES, REMOVED_BLOCKS_MAX, REMOVED_PATHS_MAX, USAGE_BLOCKS_MAX},
    session::Session,
    write::content_entry,
};

/// What a core uses.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// What is counted.
    pub usage: Usage,
    /// What it may use.
    pub quota: Quota,
    /// Notes of which root reaches which block.
    pub reach_notes: u64,
}

impl Used {
    /// What the notes count for, in bytes: one for each block is free.
    pub const fn reach_note_bytes(&self) -> u64 {
        self.reach_notes.saturating_sub(self.usage.blocks).saturating_mul(REACH_NOTE_BYTES)
    }
}

/// How many versions of each path a core keeps; none for all of them.
pub type VersionsKept = Option<usize>;

/// Blocks, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Blocks {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Blocks {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What a core uses, and what of it its content needs.
#[derive(Debug, Clone, Copy)]
pub struct UsedContent {
    /// What is counted.
    pub used: Used,
    /// How many versions of each path it keeps.
    pub versions_kept: VersionsKept,
    /// What paths keep.
    pub kept: Blocks,
    /// What none keeps: uploaded and not named yet, or let go and not freed yet.
    pub loose: Blocks,
    /// Whether all blocks were looked at.
    pub complete: bool,
}

/// What becomes of content that a path had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// There was none.
    Nothing,
    /// Nothing keeps it; what is known of its blocks, where they are few.
    Queued(Option<Freed>),
    /// A version of the same path.
    KeptAsVersion,
    /// So many other paths keep it.
    UsedByOthers(u64),
}

/// Blocks of content that was let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Those that nothing else in the core reaches.
    pub freed: Blocks,
    /// Those that other content reaches.
    pub stay: Blocks,
}

/// A path was cleared.
#[derive(Debug, Clone)]
pub struct Removed {
    /// The operation that cleared it.
    pub op: OpId,
    /// What was there.
    pub cid: Option<Cid>,
    /// What becomes of it.
    pub fate: Fate,
    /// How many versions of each path the core keeps.
    pub versions_kept: VersionsKept,
}

impl Content {
    /// What a core uses.
    ///
    /// # Errors
    /// Only when the store fails.
    pub fn used(&self, core: &CoreId) -> Result<Used, StoreError> {
        let (usage, quota) = (self.store.usage(core)?, self.store.quota(core)?);
        Ok(Used { usage, quota, reach_notes: self.store.reach_notes(core)? })
    }

    /// What a core uses and what its content needs of it, for those who may have all of it.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] for others, and for a core that is not here.
    pub async fn used_content(&self, reader: &Reader, core: &CoreId) -> Result<UsedContent, ContentError> {
        if !self.access.replicates(reader, core).await? {
            return Err(ContentError::NotFound);
        }
        let _turn = self.accounts.acquire().await.expect("the semaphore is never closed");
        let (used, versions_kept) = (self.used(core)?, self.versions_kept(core)?);
        let (store, core) = (self.store.clone(), *core);
        let counted = tokio::task::spawn_blocking(move || count(&store, &core)).await;
        let (kept, loose, complete) = counted.expect("counting does not panic")?;
        Ok(UsedContent { used, versions_kept, kept, loose, complete })
    }

    /// Clears a path, and says what becomes of its content. The caller has asked [`Content::may_write`].
    ///
    /// # Errors
    /// [`UploadError::Write`] when the operation was refused.
    pub async fn remove_and_tell(
        &self,
        session: &std::sync::Arc<Session>,
        core: &CoreId,
        path: MapPath,
    ) -> Result<Removed, UploadError> {
        let before = self.store.state(core, &path)?.and_then(|state| content_entry(&state.value));
        let op = self.remove(session, core, path.clone()).await?.id;
        let versions_kept = self.versions_kept(core)?;
        let Some(cid) = before.map(|entry| entry.cid) else {
            return Ok(Removed { op, cid: None, fate: Fate::Nothing, versions_kept });
        };
        let (store, core) = (self.store.clone(), *core);
        let told = tokio::task::spawn_blocking(move || fate(&store, &core, &cid, &path)).await;
        let fate = told.expect("looking at blocks does not panic")?;
        Ok(Removed { op, cid: Some(cid), fate, versions_kept })
    }

    fn versions_kept(&self, core: &CoreId) -> Result<VersionsKept, StoreError> {
        let keep = keep_of(&self.store.begin(), core).map_err(|error| match error {
            kubelt_store::TxError::Read(error) => error,
            other => unreachable!("reading a setting writes nothing: {other}"),
        })?;
        Ok(match keep {
            Keep::Newest(count) => Some(count),
            Keep::All => None,
        })
    }
}

/// What paths keep of a core's blocks and what none keeps, and whether all were looked at.
fn count(store: &Store, core: &CoreId) -> Result<(Blocks, Blocks, bool), StoreError> {
    let (mut kept, mut loose) = (Blocks::default(), Blocks::default());
    let mut roots: HashMap<Cid, bool> = HashMap::new();
    for (i, row) in store.possession_sizes(core).enumerate() {
        let (cid, bytes) = row?;
        if i == USAGE_BLOCKS_MAX {
            return Ok((kept, loose, false));
        }
        let mut is_needed = false;
        for root in store.reachers(core, &cid) {
            let root = root?;
            is_needed = match roots.get(&root) {
                Some(known) => *known,
                None => *roots.entry(root).or_insert(is_kept(store, core, &root)?),
            };
            if is_needed {
                break;
            }
        }
        if is_needed { kept.add(bytes.into()) } else { loose.add(bytes.into()) }
    }
    Ok((kept, loose, true))
}

/// What becomes of `root`, which `path` had until now.
fn fate(store: &Store, core: &CoreId, root: &Cid, path: &MapPath) -> Result<Fate, StoreError> {
    let (mut own, mut others) = (false, 0);
    for keeper in keepers(store, core, root).take(REMOVED_PATHS_MAX + 1) {
        match keeper? == path.as_str() {
            true => own = true,
            false => others += 1,
        }
    }
    match (own, others.min(REMOVED_PATHS_MAX as u64)) {
        (true, 0) => Ok(Fate::KeptAsVersion),
        (false, 0) => Ok(Fate::Queued(freed(store, core, root)?)),
        (_, others) => Ok(Fate::UsedByOthers(others)),
    }
}

/// What nothing else reaches of the blocks of `root`; none where they are too many to look at.
fn freed(store: &Store, core: &CoreId, root: &Cid) -> Result<Option<Freed>, StoreError> {
    let blocks = PossessedBlocks { store, core: *core };
    let limits = WalkLimits { blocks_max: REMOVED_BLOCKS_MAX, ..WalkLimits::default() };
    let (mut walk, mut told) = (Walk::new([*root], limits), Freed::default());
    loop {
        match walk.next(&blocks) {
            Ok(Some(visit)) => {
                if inline_content(&visit.cid).is_some() {
                    continue;
                }
                let bytes = store.block_len(&visit.cid)?.map_or(0, u64::from);
                let mut others =
                    store.reachers(core, &visit.cid).filter(|found| found.as_ref().ok() != Some(root));
                match others.next().transpose()? {
                    Some(_other) => told.stay.add(bytes),
                    None => told.freed.add(bytes),
                }
            }
            Ok(None) => return Ok(Some(told)),
            Err(WalkError::Read(ReadError::Source(BlockError::Missing(_)))) => {}
            Err(WalkError::Read(ReadError::Source(BlockError::Store(error)))) => return Err(error),
            Err(_too_many_or_malformed) => return Ok(None),
        }
    }
}
