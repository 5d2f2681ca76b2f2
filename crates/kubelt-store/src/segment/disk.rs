//! Where segments live: files, memory, or a test's faulty disk.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::Bytes;

/// A place that holds segments.
pub(crate) trait Disk: Send + Sync {
    /// The numbers of the segments there are, ascending.
    fn list(&self) -> io::Result<Vec<u64>>;
    /// Makes an empty segment; its name is durable when this returns.
    fn create(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>>;
    /// Opens a segment to go on writing it.
    fn append(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>>;
    /// Opens a segment that nobody writes any more.
    fn read(&self, id: u64) -> io::Result<Arc<dyn SegmentRead>>;
    /// Makes an empty segment that nobody lists before it is published; what was drafted before is lost.
    fn draft(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>>;
    /// Gives a drafted segment its name, durably.
    fn publish(&self, id: u64) -> io::Result<()>;
    /// Removes a segment that nothing points to any more.
    fn remove(&self, id: u64) -> io::Result<()>;
    /// Free space, in bytes.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// One segment, as anybody may read it.
pub(crate) trait SegmentRead: Send + Sync {
    /// Its length, in bytes.
    fn size(&self) -> io::Result<u64>;
    /// `len` bytes from `offset`; an error of kind `UnexpectedEof` where there are fewer.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes>;
}

/// One segment, as the committer writes it.
pub(crate) trait SegmentFile: SegmentRead {
    /// Writes `parts` one after the other from `offset`.
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()>;
    /// Returns when all that was written is durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts it to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
}
