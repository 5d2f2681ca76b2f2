//! Taking away what nothing reaches.

use std::{collections::HashSet, fmt, sync::Arc};

use cid::Cid;
use kubelt_core::CoreId;

use super::Tx;
use crate::{
    commit::{RestsOn, ticket::CommitTicket, watch::Watch},
    error::{ReadError, TxError},
    index::{Range, cursor::Cursor},
    keys,
    mutation::Count,
    store::{Store, damaged_row},
    values::{Location, Stored, decode_possession},
};

/// Taking blocks from one core, in one transaction or some. What may go is decided by what was there when this began;
/// the committer refuses a transaction ([`crate::CommitError::Conflict`]) if a writer has written of one of its blocks
/// since. Writers go first.
pub struct Collection {
    store: Store,
    tx: Tx,
    core: CoreId,
    watch: Arc<Watch>,
    /// Marks of the blocks that the transaction takes.
    marks: Vec<u64>,
    /// Rows that it or one before it takes away.
    gone: HashSet<Vec<u8>>,
    reachers: Cursor,
    possessions: Cursor,
    owners: Cursor,
    blocks: Cursor,
}

/// What became of a block that was to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// The core does not possess it.
    Nothing,
    /// A root of the core reaches it: it stays.
    Reached,
    /// Its stamp speaks against it: it stays.
    Wanted,
    /// The core loses it; its bytes stay, for another core possesses it.
    Possession,
    /// The core loses it, and its bytes go.
    Bytes,
}

impl Store {
    /// Begins to take blocks from `core`. `blocks` are those that will be looked at: sorted by their hashes this is
    /// several times faster than in any other order.
    pub fn begin_collection(&self, core: &CoreId, blocks: &[Cid]) -> Collection {
        // Before anything is read.
        let watch = Arc::new(self.watch());
        let is_sorted = blocks.is_sorted_by_key(keys::hash);
        let ends = blocks.first().zip(blocks.last()).filter(|_| is_sorted);
        let cursor = |prefix: &dyn Fn(&Cid) -> Vec<u8>| match ends {
            // No further than the last of them: behind it may be a long run of what was taken before.
            Some((first, last)) => Cursor::new(
                self.shared_index().clone(),
                Range::prefix(&prefix(first)).up_to_prefix(&prefix(last)),
            ),
            None => Cursor::unordered(self.shared_index().clone()),
        };
        Collection {
            reachers: cursor(&|cid| keys::reachers(core, cid)),
            possessions: cursor(&|cid| keys::possession(core, cid)),
            owners: cursor(&keys::owners),
            blocks: cursor(&keys::block),
            store: self.clone(),
            tx: self.begin(),
            core: *core,
            watch,
            marks: Vec::new(),
            gone: HashSet::new(),
        }
    }
}

impl Collection {
    /// What else is to happen in the same transaction, and what it is to rest on.
    pub const fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// `root` reaches the block no more; gives whether it did.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn unreach(&mut self, root: &Cid, block: &Cid) -> Result<bool, TxError> {
        let key = keys::reacher(&self.core, block, root);
        if self.reachers.get(&key).map_err(ReadError::from)?.is_none() {
            return Ok(false);
        }
        self.tx.delete_blindly(&key)?;
        self.gone.insert(key);
        Ok(true)
    }

    /// Takes the block from the core if no root reaches it any more and `may_go` says so of its stamp, and its bytes
    /// with it if no other core possesses it.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn take(&mut self, block: &Cid, may_go: impl FnOnce(u64) -> bool) -> Result<Took, TxError> {
        let key = keys::possession(&self.core, block);
        if self.gone.contains(key.as_slice()) {
            return Ok(Took::Nothing);
        }
        let Some(row) = self.possessions.get(&key).map_err(ReadError::from)? else {
            return Ok(Took::Nothing);
        };
        let (len, stamp) = inline(&row, &key, decode_possession)?;
        let gone = &self.gone;
        let stays = |row: &[u8]| !gone.contains(row);
        let prefix = keys::reachers(&self.core, block);
        if self.reachers.find(&prefix, stays).map_err(ReadError::from)?.is_some() {
            return Ok(Took::Reached);
        }
        if !may_go(stamp) {
            return Ok(Took::Wanted);
        }
        self.marks.push(self.watch.mark(&keys::hash(block)));
        let own = keys::owner(&self.core, block);
        let others =
            self.owners.find(&keys::owners(block), |row| row != own).map_err(ReadError::from)?.is_some();
        self.tx.delete_blindly(&own)?;
        let count = Count { key: keys::usage(&self.core).into(), add: [0, 0, -1, -i64::from(len)] };
        self.tx.remove_blindly(&key, &count)?;
        self.gone.insert(key);
        if others {
            return Ok(Took::Possession);
        }
        let key = keys::block(block);
        let Some(row) = self.blocks.get(&key).map_err(ReadError::from)? else { return Ok(Took::Possession) };
        let len = inline(&row, &key, Location::decode)?.data_len();
        let count = Count { key: keys::TOTAL_BLOCKS.into(), add: [-1, -i64::from(len), 0, 0] };
        self.tx.remove_blindly(&key, &count)?;
        Ok(Took::Bytes)
    }

    /// Hands in what was taken so far, behind whatever writers have handed in, and begins another transaction. Such
    /// transactions are committed in their order, or refused each for itself.
    pub fn hand_in(&mut self) -> CommitTicket {
        let tx = std::mem::replace(&mut self.tx, self.store.begin());
        let marks = std::mem::take(&mut self.marks);
        tx.commit_upon(Some(RestsOn { watch: Arc::clone(&self.watch), marks }))
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").field("core", &self.core).field("tx", &self.tx).finish_non_exhaustive()
    }
}

/// A row that is always short, decoded.
fn inline<T>(
    row: &bytes::Bytes,
    key: &[u8],
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, ReadError> {
    match Stored::decode(row) {
        Some(Stored::Inline(value)) => decode(&value).ok_or_else(|| damaged_row(key)),
        _ => Err(damaged_row(key)),
    }
}
