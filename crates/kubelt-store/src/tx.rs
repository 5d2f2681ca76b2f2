//! Transactions: what is written together, or not at all.

mod blocks;
mod collect;
mod collection;
mod cores;
mod meta;
mod ops;
mod reach;
mod state;

pub use collection::{Collection, Took};
pub(crate) use ops::{decode_date, read_put};

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Bound,
};

use bytes::Bytes;
use kubelt_core::CoreId;

use crate::{
    commit::{Expects, Request, RestsOn, ticket::CommitTicket},
    error::{ReadError, TxError},
    index::Range,
    limits::{KEY_BYTES_MAX, TX_BYTES_MAX},
    mutation::{Count, Payload},
    segment::record::Record,
    store::Store,
};

/// A transaction in the making. Nothing of it is seen by anybody before [`Tx::commit`]; dropping it
/// leaves no trace. Its own reads ([`Tx::state`], [`Tx::heads`], …) see its writes.
///
/// Two transactions that are made at the same time do not see each other: who reads a value and writes
/// another that depends on it sees to it that nobody else does so (one writer for each core). Counting
/// (usage, quotas) is exact all the same: it is done when transactions are committed, one after the other.
pub struct Tx {
    store: Store,
    payload: Payload,
    overlay: BTreeMap<Bytes, Option<Bytes>>,
    blocks: Vec<Record>,
    block_lens: HashMap<Vec<u8>, usize>,
    needs: Vec<Vec<u8>>,
    expects: Expects,
    stamp: u64,
    quotas: Vec<CoreId>,
    block_bytes: usize,
}

impl Tx {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            payload: Payload::new(),
            overlay: BTreeMap::new(),
            blocks: Vec::new(),
            block_lens: HashMap::new(),
            needs: Vec::new(),
            expects: Expects::default(),
            stamp: 0,
            quotas: Vec::new(),
            block_bytes: 0,
        }
    }

    /// Bytes that it will take in a segment, nearly.
    pub const fn size_bytes(&self) -> usize {
        self.block_bytes + self.payload.len()
    }

    /// Refuses the whole transaction at its commit if it makes `core` use more than its quota.
    pub fn enforce_quota(&mut self, core: &CoreId) {
        if !self.quotas.contains(core) {
            self.quotas.push(*core);
        }
    }

    /// Hands the transaction in. It happened once the ticket says so; tickets answer in the order in which
    /// their transactions were handed in.
    pub fn commit(self) -> CommitTicket {
        self.commit_upon(None)
    }

    /// The same for what is done in the background.
    fn commit_upon(self, rests_on: Option<RestsOn>) -> CommitTicket {
        if self.payload.is_empty() && self.blocks.is_empty() {
            return CommitTicket::ready(Ok(()));
        }
        let mut records = self.blocks;
        records.push(Record::commit(self.payload.finish()));
        self.store.submit(Request {
            records,
            needs: self.needs,
            expects: self.expects,
            is_background: rests_on.is_some(),
            rests_on,
            errand: None,
            quotas: self.quotas,
        })
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), TxError> {
        self.check(key, value.len())?;
        self.payload.put(key, value);
        self.remember(key, Some(value));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), TxError> {
        self.check(key, 0)?;
        self.payload.delete(key);
        self.remember(key, None);
        Ok(())
    }

    /// Deletes a row; the transaction's own reads go on seeing it.
    fn delete_blindly(&mut self, key: &[u8]) -> Result<(), TxError> {
        self.check(key, 0)?;
        self.payload.delete(key);
        Ok(())
    }

    /// Puts a value if there is none, and counts it then.
    fn insert(&mut self, key: &[u8], value: &[u8], count: &Count) -> Result<(), TxError> {
        let absent = !self.has(key)?;
        self.insert_if(absent, key, value, count)
    }

    /// The same, where the caller knows whether this transaction sees one. Whether there is one when it is
    /// committed is looked at then.
    fn insert_if(&mut self, absent: bool, key: &[u8], value: &[u8], count: &Count) -> Result<(), TxError> {
        self.check(key, value.len())?;
        self.payload.insert(key, value, count);
        if absent {
            self.remember(key, Some(value));
        }
        Ok(())
    }

    /// Puts a value, and counts it if there was none.
    fn upsert(&mut self, key: &[u8], value: &[u8], count: &Count) -> Result<(), TxError> {
        self.check(key, value.len())?;
        self.payload.upsert(key, value, count);
        self.remember(key, Some(value));
        Ok(())
    }

    /// Takes a value away if there is one, and counts that then.
    fn remove(&mut self, key: &[u8], count: &Count) -> Result<(), TxError> {
        self.check(key, 0)?;
        self.payload.remove(key, count);
        self.remember(key, None);
        Ok(())
    }

    /// The same; the transaction's own reads go on seeing the value.
    fn remove_blindly(&mut self, key: &[u8], count: &Count) -> Result<(), TxError> {
        self.check(key, 0)?;
        self.payload.remove(key, count);
        Ok(())
    }

    fn check(&self, key: &[u8], value_bytes: usize) -> Result<(), TxError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(TxError::KeyTooLong { len: key.len(), max: KEY_BYTES_MAX });
        }
        self.check_size(key.len() + value_bytes)
    }

    const fn check_size(&self, more: usize) -> Result<(), TxError> {
        let len = self.size_bytes() + more;
        if len > TX_BYTES_MAX {
            return Err(TxError::TooLarge { len, max: TX_BYTES_MAX });
        }
        Ok(())
    }

    fn remember(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.overlay.insert(Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
    }

    fn value(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        match self.overlay.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.store.value(key),
        }
    }

    fn has(&self, key: &[u8]) -> Result<bool, ReadError> {
        match self.overlay.get(key) {
            Some(value) => Ok(value.is_some()),
            None => self.store.has(key),
        }
    }

    /// The last `count` rows whose keys begin with `prefix`, the last one first.
    fn last_rows(&self, prefix: &[u8], count: usize) -> Result<Vec<(Bytes, Bytes)>, ReadError> {
        let range = Range::prefix(prefix);
        let mut rows = BTreeMap::new();
        for row in self.store.scan(range.clone(), true) {
            let (key, value) = row?;
            if !self.overlay.contains_key(&key) {
                rows.insert(key, value);
            }
            if rows.len() == count {
                break;
            }
        }
        let bounds: (Bound<Bytes>, Bound<Bytes>) = (range.from, range.to);
        let own = self.overlay.range(bounds).filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        rows.extend(own);
        Ok(rows.into_iter().rev().take(count).collect())
    }

    /// The last row whose key begins with `prefix`.
    fn last(&self, prefix: &[u8]) -> Result<Option<(Bytes, Bytes)>, ReadError> {
        let range = Range::prefix(prefix);
        let mut stored = None;
        for row in self.store.scan(range.clone(), true) {
            let (key, value) = row?;
            if !self.overlay.contains_key(&key) {
                stored = Some((key, value));
                break;
            }
        }
        let bounds: (Bound<Bytes>, Bound<Bytes>) = (range.from, range.to);
        let own =
            self.overlay.range(bounds).rev().find_map(|(key, value)| Some((key.clone(), value.clone()?)));
        Ok(stored.into_iter().chain(own).max_by(|a, b| a.0.cmp(&b.0)))
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("blocks", &self.blocks.len())
            .field("size_bytes", &self.size_bytes())
            .finish_non_exhaustive()
    }
}
