//! The one place that maps files into memory.

#![allow(unsafe_code, reason = "mapping a file is unsafe by nature: what backs the memory may change")]

use std::{fs::File, io};

use bytes::Bytes;
use memmap2::Mmap;

/// The whole of a sealed segment as bytes that share memory with the page cache.
pub(crate) fn map(file: &File) -> io::Result<Bytes> {
    // SAFETY: the file is a sealed segment. The store holds the lock of its directory, never writes to a
    // sealed segment and never cuts or punches one; compaction replaces segments by new files, which
    // leaves what is mapped in place until the last reader lets go.
    let map = unsafe { Mmap::map(file)? };
    Ok(Bytes::from_owner(map))
}
