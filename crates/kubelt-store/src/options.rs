//! What a store can be told when it opens.

use crate::limits;

/// How a store behaves; the defaults suit a node on one machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size at which a segment is sealed, in bytes.
    pub segment_bytes: u64,
    /// Bytes of records that may wait for the committer; more wait outside.
    pub queue_bytes: usize,
    /// Free space below which writes are refused, in bytes.
    pub free_bytes_min: u64,
    /// Size of the file that keeps space for recovery, in bytes; 0 for none.
    pub reserve_bytes: u64,
    /// The index's cache of disk blocks, in bytes.
    pub index_cache_bytes: u64,
    /// The index's newest rows kept in memory, in bytes.
    pub index_memtable_bytes: u64,
    /// What a core may use unless [`crate::Tx::set_quota`] said otherwise.
    pub quota: Quota,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES_TARGET,
            queue_bytes: limits::QUEUE_BYTES_MAX,
            free_bytes_min: limits::FREE_BYTES_MIN,
            reserve_bytes: limits::RESERVE_BYTES,
            index_cache_bytes: limits::INDEX_CACHE_BYTES,
            index_memtable_bytes: limits::INDEX_MEMTABLE_BYTES,
            quota: Quota::UNLIMITED,
        }
    }
}

/// What one core may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Operations.
    pub ops: u64,
    /// Bytes of operations with their bodies.
    pub op_bytes: u64,
    /// Blocks that it possesses.
    pub blocks: u64,
    /// Bytes of those blocks.
    pub block_bytes: u64,
}

impl Quota {
    /// No limit at all.
    pub const UNLIMITED: Self =
        Self { ops: u64::MAX, op_bytes: u64::MAX, blocks: u64::MAX, block_bytes: u64::MAX };

    pub(crate) const fn as_array(&self) -> [u64; 4] {
        [self.ops, self.op_bytes, self.blocks, self.block_bytes]
    }

    pub(crate) const fn from_array([ops, op_bytes, blocks, block_bytes]: [u64; 4]) -> Self {
        Self { ops, op_bytes, blocks, block_bytes }
    }
}

/// What one core uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Operations.
    pub ops: u64,
    /// Bytes of operations with their bodies.
    pub op_bytes: u64,
    /// Blocks that it possesses.
    pub blocks: u64,
    /// Bytes of those blocks.
    pub block_bytes: u64,
}

impl Usage {
    pub(crate) const fn from_array([ops, op_bytes, blocks, block_bytes]: [u64; 4]) -> Self {
        Self { ops, op_bytes, blocks, block_bytes }
    }
}
