//! The one place that maps files into memory.

#![allow(unsafe_code, reason = "mapping a file is unsafe by nature: what backs the memory may change")]

use std::{fs::File, io, sync::Arc};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions, MmapRaw};

/// The whole of a sealed segment as bytes that share memory with the page cache.
pub(crate) fn map(file: &File) -> io::Result<Bytes> {
    // SAFETY: the file is a sealed segment. The store holds the lock of its directory, never writes to a
    // sealed segment and never cuts or punches one; compaction replaces segments by new files, which
    // leaves what is mapped in place until the last reader lets go.
    let map = unsafe { Mmap::map(file)? };
    Ok(Bytes::from_owner(map))
}

/// A segment that is still written to: mapped farther than it reaches yet, and looked at only where it does.
pub(crate) struct GrowingMap(MmapRaw);

impl GrowingMap {
    /// Maps `len` bytes of a file, which may have fewer yet.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self(MmapOptions::new().len(len).map_raw_read_only(file)?)))
    }

    /// How far it reaches.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// `len` bytes from `start`, which must end within the `written` bytes of the file that never change again;
    /// none where they are not all mapped.
    pub(crate) fn bytes(self: &Arc<Self>, start: usize, len: usize, written: usize) -> Option<Bytes> {
        let end = start.checked_add(len).filter(|end| *end <= written && *end <= self.0.len())?;
        (start < end).then(|| Bytes::from_owner(Part { map: self.clone(), start, len }))
    }
}

/// Bytes of a segment that is written to.
struct Part {
    map: Arc<GrowingMap>,
    start: usize,
    len: usize,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the part lies within the mapping and within what was written of the file when it was made
        // (`GrowingMap::bytes` is the only place that makes one). The committer only ever writes behind that, and cuts
        // a file back only to where its last good record ends, so these bytes neither change nor go away; the
        // mapping lives as long as the part.
        unsafe { std::slice::from_raw_parts(self.map.0.as_ptr().add(self.start), self.len) }
    }
}
