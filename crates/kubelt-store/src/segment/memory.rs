//! Segments in memory, for tests and for stores that need not last.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::disk::{Disk, SegmentFile, SegmentRead};

/// Segments that last as long as this value.
#[derive(Default)]
pub(crate) struct MemoryDisk {
    segments: Mutex<BTreeMap<u64, Arc<MemorySegment>>>,
    drafts: Mutex<BTreeMap<u64, Arc<MemorySegment>>>,
}

#[derive(Default)]
struct MemorySegment(RwLock<Vec<u8>>);

impl Disk for MemoryDisk {
    fn list(&self) -> io::Result<Vec<u64>> {
        Ok(self.segments.lock().keys().copied().collect())
    }

    fn create(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let segment = Arc::<MemorySegment>::default();
        self.segments.lock().insert(id, segment.clone());
        Ok(segment)
    }

    fn append(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(self.segment(id)?)
    }

    fn read(&self, id: u64) -> io::Result<Arc<dyn SegmentRead>> {
        Ok(self.segment(id)?)
    }

    fn draft(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let segment = Arc::<MemorySegment>::default();
        self.drafts.lock().insert(id, segment.clone());
        Ok(segment)
    }

    fn publish(&self, id: u64) -> io::Result<()> {
        let draft = self.drafts.lock().remove(&id).ok_or(io::ErrorKind::NotFound)?;
        self.segments.lock().insert(id, draft);
        Ok(())
    }

    fn remove(&self, id: u64) -> io::Result<()> {
        self.segments.lock().remove(&id);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl MemoryDisk {
    fn segment(&self, id: u64) -> io::Result<Arc<MemorySegment>> {
        self.segments.lock().get(&id).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl SegmentRead for MemorySegment {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.read().len() as u64)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = place(offset)?;
        let bytes = self.0.read();
        let part = start.checked_add(len).and_then(|end| bytes.get(start..end));
        Ok(Bytes::copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?))
    }
}

impl SegmentFile for MemorySegment {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut bytes = self.0.write();
        bytes.resize(place(offset)?, 0);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.write().resize(place(len)?, 0);
        Ok(())
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}
