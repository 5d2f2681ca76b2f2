//! The index on disk: one keyspace of fjall, and the newest rows in memory.
//!
//! The engine's own journal is not used: the segments are one already. Rows stay in memory until there are
//! enough of them, then they go to disk as one sorted table, all or nothing, with the position up to which
//! the segments were applied among them. What a kill takes from memory is replayed from there. So a commit
//! costs no second write, and opening reads no second log.

use std::{
    cmp::Ordering,
    iter::Peekable,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, config::PartitioningPolicy};
use parking_lot::RwLock;

use super::{
    Batch, Index, Range, Row, Rows,
    pages::{SharedMap, pages},
};
use crate::{error::IndexError, limits::INDEX_FILES_MAX};

/// An LSM tree.
pub(crate) struct LsmIndex {
    database: Database,
    rows: Keyspace,
    /// Rows that are not on disk; `None` where a key was deleted. Only the committer changes them.
    fresh: RwLock<SharedMap<Option<Bytes>>>,
    fresh_bytes: AtomicU64,
    fresh_bytes_max: u64,
}

/// How much memory it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LsmOptions {
    pub(crate) cache_bytes: u64,
    pub(crate) memtable_bytes: u64,
}

/// What a row in memory costs beside its key and value, about.
const ROW_OVERHEAD_BYTES: usize = 64;
/// So many times the rows that should be in memory may be there while the disk takes none.
const OVERFULL: u64 = 4;

impl LsmIndex {
    pub(crate) fn open(dir: &Path, options: LsmOptions) -> Result<Self, IndexError> {
        // The engine panics on some damaged files; here that is one more index that did not open.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_or_panic(dir, options)));
        opened.unwrap_or_else(|_panic| Err(IndexError::new("its files are damaged")))
    }

    fn open_or_panic(dir: &Path, options: LsmOptions) -> Result<Self, IndexError> {
        let database = Database::builder(dir)
            .cache_size(options.cache_bytes)
            .worker_threads(1)
            .max_cached_files(Some(INDEX_FILES_MAX))
            .open()
            .map_err(IndexError::new)?;
        let rows = database.keyspace("rows", keyspace_options).map_err(IndexError::new)?;
        Ok(Self {
            database,
            rows,
            fresh: RwLock::default(),
            fresh_bytes: AtomicU64::new(0),
            fresh_bytes_max: options.memtable_bytes,
        })
    }
}

/// Tables keep their own indexes and filters in pieces, read as they are needed: whole ones are larger than
/// the cache, so that each read of a large store would load them again.
fn keyspace_options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .index_block_partitioning_policy(PartitioningPolicy::all(true))
        .filter_block_partitioning_policy(PartitioningPolicy::all(true))
}

impl Index for LsmIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        // First the rows in memory: they leave it only after they are in the tree.
        if let Some(value) = self.fresh.read().read().get(key) {
            return Ok(value.clone());
        }
        let value = self.rows.get(key).map_err(IndexError::new)?;
        Ok(value.map(Bytes::from))
    }

    fn scan(&self, range: Range, backwards: bool) -> Rows {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let fresh = pages(self.fresh.read().clone(), range.clone(), backwards);
        let stored = self.rows.range::<Bytes, _>((range.from, range.to));
        let row = |guard: Guard| {
            let (key, value) = guard.into_inner().map_err(IndexError::new)?;
            Ok((Bytes::from(key), Bytes::from(value)))
        };
        match backwards {
            false => Box::new(Merge::new(fresh, stored.map(row), backwards)),
            true => Box::new(Merge::new(fresh, stored.rev().map(row), backwards)),
        }
    }

    fn apply(&self, batch: Batch) -> Result<(), IndexError> {
        let row_bytes = |(key, value): &(Bytes, Option<Bytes>)| {
            (ROW_OVERHEAD_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len)) as u64
        };
        let more: u64 = batch.iter().map(row_bytes).sum();
        self.fresh.read().write().extend(batch);
        let bytes = self.fresh_bytes.fetch_add(more, Relaxed) + more;
        if bytes < self.fresh_bytes_max {
            return Ok(());
        }
        match self.flush() {
            // Nothing is lost: the rows are in memory and in the segments. A full disk may have room later.
            Err(error) if bytes < OVERFULL * self.fresh_bytes_max => {
                tracing::warn!(?error, "rows of the index were not written; they stay in memory for now");
                Ok(())
            }
            other => other,
        }
    }

    fn flush(&self) -> Result<(), IndexError> {
        let fresh = self.fresh.read().clone();
        let rows = fresh.read();
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = self.rows.start_ingestion().map_err(IndexError::new)?;
        for (key, value) in rows.iter() {
            let written = match value {
                Some(value) => table.write(key.clone(), value.clone()),
                None => table.write_tombstone(key.clone()),
            };
            written.map_err(IndexError::new)?;
        }
        table.finish().map_err(IndexError::new)?;
        *self.fresh.write() = SharedMap::default();
        self.fresh_bytes.store(0, Relaxed);
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or(0)
    }
}

/// Two ordered runs of rows as one; where both have a key, the one in memory is newer.
struct Merge<F: Iterator, S: Iterator> {
    fresh: Peekable<F>,
    stored: Peekable<S>,
    backwards: bool,
}

impl<F, S> Merge<F, S>
where
    F: Iterator<Item = (Bytes, Option<Bytes>)>,
    S: Iterator<Item = Result<Row, IndexError>>,
{
    fn new(fresh: F, stored: S, backwards: bool) -> Self {
        Self { fresh: fresh.peekable(), stored: stored.peekable(), backwards }
    }
}

impl<F, S> Iterator for Merge<F, S>
where
    F: Iterator<Item = (Bytes, Option<Bytes>)>,
    S: Iterator<Item = Result<Row, IndexError>>,
{
    type Item = Result<Row, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.fresh.peek(), self.stored.peek()) {
                (None, _) | (_, Some(Err(_))) => return self.stored.next(),
                (Some(_), None) => Ordering::Less,
                (Some((fresh, _)), Some(Ok((stored, _)))) if self.backwards => stored.cmp(fresh),
                (Some((fresh, _)), Some(Ok((stored, _)))) => fresh.cmp(stored),
            };
            if order == Ordering::Greater {
                return self.stored.next();
            }
            if order == Ordering::Equal {
                self.stored.next();
            }
            if let Some((key, Some(value))) = self.fresh.next() {
                return Some(Ok((key, value)));
            }
        }
    }
}
