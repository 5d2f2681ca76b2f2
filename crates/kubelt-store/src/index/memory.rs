//! The index in memory: for tests, for stores that need not last, and for reading a store on a disk that
//! takes no writes.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use super::{Batch, Index, Range, Row, Rows};
use crate::error::IndexError;

/// An ordered map.
#[derive(Default)]
pub(crate) struct MemoryIndex(Arc<RwLock<BTreeMap<Bytes, Bytes>>>);

/// Rows copied under one lock.
const PAGE_ROWS: usize = 64;

impl Index for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(&self, range: Range, backwards: bool) -> Rows {
        let pages = Pages { map: self.0.clone(), range: Some(range), backwards };
        Box::new(pages.flatten().map(Ok))
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

    fn size_bytes(&self) -> u64 {
        self.0.read().iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}

/// Pages of rows; no lock is held between them.
struct Pages {
    map: Arc<RwLock<BTreeMap<Bytes, Bytes>>>,
    range: Option<Range>,
    backwards: bool,
}

impl Iterator for Pages {
    type Item = Vec<Row>;

    fn next(&mut self) -> Option<Vec<Row>> {
        let range = self.range.take().filter(|range| !range.is_empty())?;
        let map = self.map.read();
        let rows = map.range((range.from.clone(), range.to.clone()));
        let copy = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        let page: Vec<Row> = match self.backwards {
            false => rows.take(PAGE_ROWS).map(copy).collect(),
            true => rows.rev().take(PAGE_ROWS).map(copy).collect(),
        };
        if page.len() == PAGE_ROWS {
            let last = page.last().map(|(key, _)| Bound::Excluded(key.clone()))?;
            self.range = Some(match self.backwards {
                false => Range { from: last, ..range },
                true => Range { to: last, ..range },
            });
        }
        Some(page)
    }
}
