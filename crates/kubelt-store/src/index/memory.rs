//! The index in memory: for tests, for stores that need not last, and for reading a store on a disk that
//! takes no writes.

use bytes::Bytes;

use super::{
    Batch, Index, Range, Rows,
    pages::{SharedMap, pages},
};
use crate::error::IndexError;

/// An ordered map.
#[derive(Default)]
pub(crate) struct MemoryIndex(SharedMap<Bytes>);

impl Index for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(&self, range: Range, backwards: bool) -> Rows {
        Box::new(pages(self.0.clone(), range, backwards).map(Ok))
    }

    fn apply(&self, batch: Batch) -> Result<(), IndexError> {
        let mut map = self.0.write();
        for (key, value) in batch {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.0.read().iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}
