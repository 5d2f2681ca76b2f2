//! The index on disk: one keyspace of fjall.
//!
//! One keyspace for all tables, so that what a power cut leaves is always a prefix of the batches: the
//! position up to which the segments were applied stands in the same batches.

use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Batch, Index, Range, Rows};
use crate::{error::IndexError, limits::INDEX_FILES_MAX};

/// An LSM tree.
pub(crate) struct LsmIndex {
    database: Database,
    rows: Keyspace,
}

/// How much memory it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LsmOptions {
    pub(crate) cache_bytes: u64,
    pub(crate) memtable_bytes: u64,
}

impl LsmIndex {
    pub(crate) fn open(dir: &Path, options: LsmOptions) -> Result<Self, IndexError> {
        let database = Database::builder(dir)
            .cache_size(options.cache_bytes)
            .worker_threads(1)
            .max_cached_files(Some(INDEX_FILES_MAX))
            .open()
            .map_err(IndexError::new)?;
        let keyspace = || KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
        let rows = database.keyspace("rows", keyspace).map_err(IndexError::new)?;
        Ok(Self { database, rows })
    }

    /// Makes all that was applied durable.
    pub(crate) fn persist(&self) -> Result<(), IndexError> {
        self.database.persist(PersistMode::SyncAll).map_err(IndexError::new)
    }
}

impl Index for LsmIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let value = self.rows.get(key).map_err(IndexError::new)?;
        Ok(value.map(Bytes::from))
    }

    fn scan(&self, range: Range, backwards: bool) -> Rows {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let rows = self.rows.range::<Bytes, _>((range.from, range.to));
        let row = |guard: Guard| {
            let (key, value) = guard.into_inner().map_err(IndexError::new)?;
            Ok((Bytes::from(key), Bytes::from(value)))
        };
        if backwards { Box::new(rows.rev().map(row)) } else { Box::new(rows.map(row)) }
    }

    fn apply(&self, batch: Batch) -> Result<(), IndexError> {
        let mut writes = self.database.batch();
        for (key, value) in batch {
            match value {
                Some(value) => writes.insert(&self.rows, key, value),
                None => writes.remove(&self.rows, key),
            }
        }
        writes.commit().map_err(IndexError::new)
    }

    fn size_bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or(0)
    }
}
