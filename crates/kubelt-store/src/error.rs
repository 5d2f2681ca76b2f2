//! What can go wrong, one small enum for each operation.

use std::{io, path::PathBuf, sync::Arc};

use kubelt_core::{CoreId, OpId};

/// The index failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the index could not be used; if this stays so, run `kubelt doctor --rebuild-index`")]
pub struct IndexError(#[source] pub(crate) Arc<dyn std::error::Error + Send + Sync>);

impl IndexError {
    pub(crate) fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into().into())
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A segment could not be read.
    #[error("segment `{segment:016x}` could not be read")]
    Segment {
        /// Its number.
        segment: u64,
        /// What the operating system says.
        source: io::Error,
    },
    /// What lies there is not what was written.
    #[error("damaged data at byte `{offset}` of segment `{segment:016x}`; run `kubelt doctor`")]
    Damaged {
        /// Number of the segment.
        segment: u64,
        /// Where in it, in bytes.
        offset: u64,
    },
    /// A row of the index cannot be understood.
    #[error("a row of table `{table}` of the index is damaged; run `kubelt doctor --rebuild-index`")]
    Row {
        /// The table.
        table: char,
    },
}

/// Why a write was not taken into a transaction.
#[derive(Debug, thiserror::Error)]
pub enum TxError {
    /// What the write depends on could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The block is too large.
    #[error("a block of {len} bytes is over the limit of {max}; split the file into smaller chunks")]
    BlockTooLarge {
        /// Its size, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The transaction is too large.
    #[error(
        "a transaction of {len} bytes is over the limit of {max}; commit what there is and begin another"
    )]
    TooLarge {
        /// Its size with this write, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// A key is too long.
    #[error("a key of {len} bytes is over the limit of {max}")]
    KeyTooLong {
        /// Its length, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// More heads than a core may have.
    #[error("{count} heads are over the limit of {max}; seal the core to join them")]
    TooManyHeads {
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// The operation is not in the store.
    #[error("operation `{id}` of core `{core}` is not in the store")]
    UnknownOp {
        /// The core.
        core: CoreId,
        /// The operation.
        id: OpId,
    },
}

/// A core has used up what it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "core `{core}` would use {usage} {what}, over its quota of {limit}; raise the quota or remove something"
)]
pub struct QuotaExceeded {
    /// The core.
    pub core: CoreId,
    /// What there is too much of: `operations`, `bytes of operations`, `blocks` or `bytes of blocks`.
    pub what: &'static str,
    /// How much it may use.
    pub limit: u64,
    /// How much it would use.
    pub usage: u64,
}

/// Why a transaction did not happen. Nothing of it is in the store, except after [`CommitError::Index`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// A quota is used up.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// Too little space is left on the disk.
    #[error(
        "only {free} bytes are free where the store is, {floor} are needed; free some space and try again"
    )]
    NoSpace {
        /// Free bytes.
        free: u64,
        /// Bytes that must be free.
        floor: u64,
    },
    /// The records could not be written.
    #[error("the write failed and was taken back; free some space or check the disk, then try again")]
    Write(#[source] Arc<io::Error>),
    /// The records could not be made durable.
    #[error("the write could not be made durable and was taken back; check the disk, then try again")]
    Sync(#[source] Arc<io::Error>),
    /// The index could not be read, so nothing was written.
    #[error("the index could not be read, so nothing was written; run `kubelt doctor`")]
    Unreadable(#[source] IndexError),
    /// The write is durable, but it can only be seen after a restart.
    #[error("the write is durable, but the index could not be updated; restart the node to see it")]
    Index(#[source] IndexError),
    /// A block that the transaction counted on was forgotten meanwhile.
    #[error("a block that was already stored was forgotten meanwhile; send the write again")]
    BlockForgotten,
    /// What the transaction rests on was changed meanwhile.
    #[error("something that the write rests on was changed meanwhile; send the write again")]
    Conflict,
    /// The store takes no writes.
    #[error("the store is read-only: {reason}")]
    ReadOnly {
        /// Why, and what to do.
        reason: Arc<str>,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the store in `{dir}` is in use by another process; stop that node first, or choose another data directory"
    )]
    Locked {
        /// The store's directory.
        dir: PathBuf,
    },
    /// A file or directory could not be used.
    #[error("`{path}` could not be used; check that the directory exists and belongs to this user")]
    Path {
        /// The path.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A segment was written by a later version.
    #[error(
        "segment `{segment:016x}` has format version {version}, which this program does not know; use a newer one"
    )]
    Version {
        /// Number of the segment.
        segment: u64,
        /// Its version.
        version: u32,
    },
    /// The segments could not be read.
    #[error("the segments could not be read; check the disk, then run `kubelt doctor`")]
    Segments(#[source] io::Error),
    /// The index did not open.
    #[error(
        "the index did not open; run `kubelt doctor --rebuild-index`, which makes it again from the segments"
    )]
    Index(#[source] IndexError),
    /// The index belongs to other segments, or knows more than they hold.
    #[error("the index does not fit the segments ({reason}); run `kubelt doctor --rebuild-index`")]
    IndexMismatch {
        /// What does not fit.
        reason: String,
    },
}
