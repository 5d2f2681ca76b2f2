//! What mutations add up to: the same code for a commit, for replay and for a rebuild.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
use cid::Cid;

use crate::{
    error::IndexError,
    index::{Batch, Index, Range},
    keys,
    limits::INLINE_BYTES_MAX,
    mutation::{Count, Mutation, Value},
    segment::{record::Pointer, writer::Position},
    values::{Counters, Location, Stored},
};

/// Rows by their keys; `None` where one is deleted.
pub(crate) type Rows = BTreeMap<Bytes, Option<Bytes>>;

/// Changes of the index on their way: those of a group, and those of the transaction at hand.
pub(crate) struct Stage<'a> {
    index: &'a dyn Index,
    /// What lies over the index: a group that is written and not applied yet.
    before: Option<&'a Rows>,
    group: Rows,
    tx: Rows,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(index: &'a dyn Index) -> Self {
        Self::over(index, None)
    }

    /// Changes over those of a group that is not applied yet.
    pub(crate) fn over(index: &'a dyn Index, before: Option<&'a Rows>) -> Self {
        Self { index, before, group: Rows::new(), tx: Rows::new() }
    }

    /// The value at `key` with all changes so far, as the index holds it.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        match self.staged(key) {
            Some(value) => Ok(value.clone()),
            None => self.index.get(key),
        }
    }

    /// What the changes so far make of `key`, if anything.
    fn staged(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        let before = || self.before.and_then(|rows| rows.get(key));
        self.tx.get(key).or_else(|| self.group.get(key)).or_else(before)
    }

    /// Whether no key begins with `prefix`, with all changes so far.
    pub(crate) fn is_empty(&self, prefix: &[u8]) -> Result<bool, IndexError> {
        let range = Range::prefix(prefix);
        let bounds: (Bound<Bytes>, Bound<Bytes>) = (range.from.clone(), range.to.clone());
        let added = |rows: &Rows| {
            rows.range(bounds.clone()).any(|(key, value)| value.is_some() && self.is_there(key))
        };
        if added(&self.tx) || added(&self.group) || self.before.is_some_and(added) {
            return Ok(false);
        }
        for row in self.index.scan(range, false) {
            let (key, _value) = row?;
            if self.staged(&key).is_none_or(Option::is_some) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the changes so far leave a value at `key`.
    fn is_there(&self, key: &Bytes) -> bool {
        self.staged(key).is_some_and(Option::is_some)
    }

    /// The counters at `key` with all changes so far, and without those of the transaction at hand.
    pub(crate) fn counters_now_and_before(&self, key: &[u8]) -> Result<(Counters, Counters), IndexError> {
        let before = match self.group.get(key).or_else(|| self.before.and_then(|rows| rows.get(key))) {
            Some(value) => value.clone(),
            None => self.index.get(key)?,
        };
        let now = self.get(key)?;
        Ok((Counters::of_row(now.as_ref()), Counters::of_row(before.as_ref())))
    }

    /// A block lies at `pointer`.
    pub(crate) fn block(&mut self, cid: &Cid, location: Location) -> Result<(), IndexError> {
        let key = keys::block(cid);
        if self.get(&key)?.is_none() {
            let add = [1, i64::from(location.data_len()), 0, 0];
            self.count(&Count { key: Bytes::from_static(keys::TOTAL_BLOCKS), add })?;
        }
        self.set(&key, Some(Stored::inline(&location.encode())));
        Ok(())
    }

    /// Does the mutations of a commit record whose payload lies at `payload_at`. Where it `is_sure` that what is
    /// removed is there, that is not looked up.
    pub(crate) fn mutate(
        &mut self,
        mutations: &[Mutation],
        payload_at: Position,
        is_sure: bool,
    ) -> Result<(), IndexError> {
        for mutation in mutations {
            match mutation {
                Mutation::Put { key, value } => self.set(key, Some(stored(value, payload_at))),
                Mutation::Delete { key } => self.set(key, None),
                Mutation::Insert { key, value, count } => {
                    if self.get(key)?.is_none() {
                        self.set(key, Some(stored(value, payload_at)));
                        self.count(count)?;
                    }
                }
                Mutation::Upsert { key, value, count } => {
                    if self.get(key)?.is_none() {
                        self.count(count)?;
                    }
                    self.set(key, Some(stored(value, payload_at)));
                }
                Mutation::Remove { key, count } => {
                    if is_sure || self.get(key)?.is_some() {
                        self.set(key, None);
                        self.count(count)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Replaces a row that still is as it was.
    pub(crate) fn repoint(&mut self, key: &Bytes, from: &Bytes, to: &Bytes) -> Result<(), IndexError> {
        if self.get(key)?.as_ref() == Some(from) {
            self.set(key, Some(to.clone()));
        }
        Ok(())
    }

    /// The keys that the transaction at hand changes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.tx.keys()
    }

    /// Keeps what the transaction at hand changed.
    pub(crate) fn keep(&mut self) {
        self.group.append(&mut self.tx);
    }

    /// Forgets what the transaction at hand changed.
    pub(crate) fn forget(&mut self) {
        self.tx.clear();
    }

    /// How many rows the changes kept so far touch.
    pub(crate) fn rows(&self) -> usize {
        self.group.len()
    }

    /// All that was kept, with the position up to which the segments are then applied.
    pub(crate) fn into_batch(self, store: u64, applied: Position) -> Batch {
        self.into_rows(store, applied).into_iter().collect()
    }

    /// The same, by their keys.
    pub(crate) fn into_rows(self, store: u64, applied: Position) -> Rows {
        let mut rows = self.group;
        rows.insert(Bytes::from_static(keys::APPLIED), Some(Applied { store, position: applied }.encode()));
        rows
    }

    fn set(&mut self, key: &[u8], value: Option<Bytes>) {
        // A copy: what the index keeps must not hold a whole record in memory.
        self.tx.insert(Bytes::copy_from_slice(key), value);
    }

    fn count(&mut self, count: &Count) -> Result<(), IndexError> {
        if count.key.is_empty() {
            return Ok(());
        }
        let counters = Counters::of_row(self.get(&count.key)?.as_ref()).add(count.add);
        // No row for nothing: a rebuild from compacted segments may never have counted it.
        let row = (counters != Counters::default()).then(|| Stored::inline(&counters.encode()));
        self.set(&count.key, row);
        Ok(())
    }
}

/// The row at [`keys::APPLIED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) store: u64,
    pub(crate) position: Position,
}

impl Applied {
    pub(crate) fn encode(&self) -> Bytes {
        let numbers = [self.store, self.position.segment, self.position.offset];
        let mut bytes = vec![1];
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&1, rest) = bytes.split_first()? else { return None };
        let rest: &[u8; 24] = rest.try_into().ok()?;
        let [store, segment, offset] =
            [0, 8, 16].map(|at| u64::from_le_bytes(std::array::from_fn(|i| rest[at + i])));
        Some(Self { store, position: Position { segment, offset } })
    }
}

/// A value as the index holds it: itself where it is short, where it lies in the segments otherwise.
fn stored(value: &Value, payload_at: Position) -> Bytes {
    if value.bytes.len() <= INLINE_BYTES_MAX {
        return Stored::inline(&value.bytes);
    }
    Stored::at(Pointer {
        segment: payload_at.segment,
        offset: payload_at.offset + u64::from(value.at),
        len: u32::try_from(value.bytes.len()).expect("its length was read from four bytes"),
        crc: crc32fast::hash(&value.bytes),
    })
}
