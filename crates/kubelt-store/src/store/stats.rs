//! Figures for `doctor` and the metrics.

use std::sync::atomic::Ordering;

use super::Store;
use crate::{error::ReadError, keys};

/// How much there is in a store, and what it has done since it opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Cores.
    pub cores: u64,
    /// Blocks, each counted once however many cores possess it.
    pub blocks: u64,
    /// Bytes of those blocks.
    pub block_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of the segments.
    pub segment_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Free bytes where the segments are.
    pub free_bytes: u64,
    /// Groups committed, one sync each.
    pub groups: u64,
    /// Transactions in those groups.
    pub transactions: u64,
    /// Groups that failed.
    pub failed_groups: u64,
}

impl Store {
    /// The store's figures.
    ///
    /// # Errors
    /// [`ReadError`] when the index or a segment cannot be read.
    pub fn stats(&self) -> Result<Stats, ReadError> {
        let disk = self.0.log.disk();
        let failed = |segment| move |source| ReadError::Segment { segment, source };
        let ids = disk.list().map_err(failed(0))?;
        let mut segment_bytes = 0;
        for id in &ids {
            match self.0.log.segment(*id).and_then(|segment| segment.size()) {
                Ok(bytes) => segment_bytes += bytes,
                // Compacted just now.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(*id)(error)),
            }
        }
        let [blocks, block_bytes, ..] = self.counters(keys::TOTAL_BLOCKS)?.0;
        let status = &self.0.status;
        Ok(Stats {
            cores: self.core_count()?,
            blocks,
            block_bytes,
            segments: ids.len() as u64,
            segment_bytes,
            index_bytes: self.0.index.size_bytes(),
            free_bytes: disk.free_bytes().map_err(failed(0))?,
            groups: status.groups.load(Ordering::Relaxed),
            transactions: status.txs.load(Ordering::Relaxed),
            failed_groups: status.generation.load(Ordering::Relaxed),
        })
    }
}
