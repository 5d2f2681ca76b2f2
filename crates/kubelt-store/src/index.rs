//! The index: an ordered key-value store that can be rebuilt from the segments at any time.

pub(crate) mod cursor;
pub(crate) mod lsm;
pub(crate) mod memory;
mod pages;

use std::ops::Bound;

use bytes::Bytes;

use crate::error::IndexError;

/// A row: key and value.
pub(crate) type Row = (Bytes, Bytes);
/// Rows in order of their keys, or backwards.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Row, IndexError>> + Send>;
/// What a batch does: puts a value, or deletes the key.
pub(crate) type Batch = Vec<(Bytes, Option<Bytes>)>;

/// Keys from and to.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) from: Bound<Bytes>,
    pub(crate) to: Bound<Bytes>,
}

impl Range {
    /// The keys that begin with `prefix`.
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        Self { from: Bound::Included(Bytes::copy_from_slice(prefix)), to: end_of(prefix) }
    }

    /// The keys of a range from just after `key`.
    pub(crate) fn after(self, key: &[u8]) -> Self {
        Self { from: Bound::Excluded(Bytes::copy_from_slice(key)), ..self }
    }

    /// The keys of a range before `key`.
    pub(crate) fn before(self, key: &[u8]) -> Self {
        Self { to: Bound::Excluded(Bytes::copy_from_slice(key)), ..self }
    }

    /// The keys of a range from `key` on.
    pub(crate) fn starting(self, key: &[u8]) -> Self {
        match &self.from {
            Bound::Included(from) | Bound::Excluded(from) if from.as_ref() > key => self,
            _ => Self { from: Bound::Included(Bytes::copy_from_slice(key)), ..self },
        }
    }

    /// The keys of a range up to those that begin with `prefix`, them included.
    pub(crate) fn up_to_prefix(self, prefix: &[u8]) -> Self {
        Self { to: end_of(prefix), ..self }
    }

    /// Whether it can hold no key at all; ordered maps panic on some of those.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
                from >= to
            }
            _ => false,
        }
    }
}

/// The first key after all that begin with `prefix`.
fn end_of(prefix: &[u8]) -> Bound<Bytes> {
    let Some(last) = prefix.iter().rposition(|byte| *byte != u8::MAX) else { return Bound::Unbounded };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Bound::Excluded(end.into())
}

/// An engine.
pub(crate) trait Index: Send + Sync {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError>;
    /// The rows in `range`, from its beginning or, backwards, from its end.
    fn scan(&self, range: Range, backwards: bool) -> Rows;
    /// Does a batch, all of it or nothing. It need not be durable: what is lost is replayed. Only one
    /// thread does so.
    fn apply(&self, batch: Batch) -> Result<(), IndexError>;
    /// Makes all batches so far durable; for the thread that applies.
    fn flush(&self) -> Result<(), IndexError>;
    /// Bytes on disk (in memory, for an index that lives there).
    fn size_bytes(&self) -> u64;
}

#[cfg(test)]
mod tests;
