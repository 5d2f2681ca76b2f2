//! Every limit of the store, with its unit in its name.

use std::time::Duration;

/// Size at which a segment is sealed and the next one begun, in bytes.
pub const SEGMENT_BYTES_TARGET: u64 = 128 * MIB;
/// Largest block, in bytes.
pub const BLOCK_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Largest transaction, in bytes of its records.
pub const TX_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Longest index key, in bytes; a map path, a core and a root fit with room to spare.
pub const KEY_BYTES_MAX: usize = 4 * 1_024;
/// Longest namespace of a node-local record, in bytes.
pub const NAMESPACE_BYTES_MAX: usize = 64;
/// Most heads that one core may have, in operations.
pub const HEADS_MAX: usize = 4_096;
/// Values up to this many bytes stand in the index itself; of longer ones it holds where they lie.
pub const INLINE_BYTES_MAX: usize = 512;
/// Most bytes of records that share one sync.
pub const GROUP_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Groups of so many bytes are synced while the next one is written.
pub const OVERLAP_BYTES_MIN: u64 = MIB;
/// Most bytes handed to the operating system in one call. Larger calls were measured two to five times slower a
/// byte (Linux 6.18: 12 MiB in one call and in twelve).
pub const WRITE_BYTES_MAX: usize = 1_024 * 1_024;
/// How far a segment that is written to is mapped, at least.
pub const MAPPED_BYTES_MIN: usize = 256 * 1_024 * 1_024;
/// Records from so many bytes on are not checked again at every read.
pub const CHECKED_ONCE_BYTES_MIN: u32 = 64 * 1_024;
/// How long the check of such a record holds.
pub const CHECK_HOLDS: Duration = Duration::from_secs(10 * 60);
/// Records whose check is remembered, twice over.
pub const CHECKED_MAX: usize = 100_000;
/// Most transactions that share one sync.
pub const GROUP_TXS_MAX: usize = 1_024;
/// Default for the bytes of records that may wait for the committer.
pub const QUEUE_BYTES_MAX: usize = 32 * 1_024 * 1_024;
/// Default for the free space, in bytes, below which writes are refused.
pub const FREE_BYTES_MIN: u64 = 64 * MIB;
/// Size of the reserve that recovery may use when the disk is full, in bytes.
pub const RESERVE_BYTES: u64 = 16 * MIB;
/// Default for the index's cache of disk blocks, in bytes.
pub const INDEX_CACHE_BYTES: u64 = 8 * MIB;
/// Default for the index's newest rows kept in memory, in bytes.
pub const INDEX_MEMTABLE_BYTES: u64 = 8 * MIB;
/// Bytes of segments that are written before the index is made durable; a kill costs so much replay.
pub const REPLAY_BYTES_MAX: u64 = 64 * MIB;
/// Most files that the index keeps open.
pub const INDEX_FILES_MAX: usize = 128;
/// Versions of one path that a scan of the state reads one by one before it jumps to the last.
pub const SCAN_VERSIONS_MAX: usize = 16;
/// A segment is compacted once blocks that were forgotten are one byte in so many of it …
pub const DEAD_SHARE: u64 = 5;
/// … or so many bytes.
pub const DEAD_BYTES_MAX: u64 = 16 * MIB;
/// Rows of the index that one errand of compaction repoints: writers wait for it.
pub const REPOINT_ROWS: usize = 128;
/// Blocks that are noted as written while somebody decides what to take away; after more of them he decides again.
pub const WATCHED_BLOCKS_MAX: usize = 64 * 1_024;
/// While writers keep the committer busy, so many groups of theirs are written for each transaction in the background.
pub const GROUPS_PER_BACKGROUND_TX: usize = 4;
/// Bad records that a report names one by one.
pub const BAD_RECORDS_MAX: usize = 1_024;

const MIB: u64 = 1_024 * 1_024;
