//! A disk that fails when it is told to.

use std::{
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    disk::{Disk, SegmentFile, SegmentRead},
    memory::MemoryDisk,
};

/// Segments in memory behind switches.
#[derive(Default, Clone)]
pub(crate) struct FaultyDisk {
    inner: Arc<MemoryDisk>,
    pub(crate) faults: Arc<Faults>,
}

/// What fails.
pub(crate) struct Faults {
    /// Bytes that can still be written; what is over is cut off in mid-write.
    pub(crate) room_bytes: AtomicU64,
    /// Free space as the disk reports it.
    pub(crate) free_bytes: AtomicU64,
    pub(crate) fail_sync: AtomicBool,
    pub(crate) fail_truncate: AtomicBool,
    /// While this is locked, syncs wait.
    pub(crate) syncs: Mutex<()>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            room_bytes: AtomicU64::new(u64::MAX),
            free_bytes: AtomicU64::new(u64::MAX),
            fail_sync: AtomicBool::new(false),
            fail_truncate: AtomicBool::new(false),
            syncs: Mutex::new(()),
        }
    }
}

impl FaultyDisk {
    /// A disk with these segments, numbered from 0.
    pub(crate) fn of(segments: &[Vec<u8>]) -> Self {
        let disk = Self::default();
        for (id, bytes) in (0..).zip(segments) {
            let segment = disk.create(id).expect("memory has room");
            segment.write_at(0, &[IoSlice::new(bytes)]).expect("memory has room");
        }
        disk
    }

    /// A disk with these segments.
    pub(crate) fn with(segments: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Self {
        let disk = Self::default();
        for (id, bytes) in segments {
            let segment = disk.create(id).expect("memory has room");
            segment.write_at(0, &[IoSlice::new(&bytes)]).expect("memory has room");
        }
        disk
    }

    /// All segments by their ids.
    pub(crate) fn segments(&self) -> std::collections::BTreeMap<u64, Vec<u8>> {
        let ids = self.inner.list().expect("memory can be listed");
        ids.into_iter().zip(self.bytes()).collect()
    }

    /// The bytes of all segments.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        let read = |id| -> io::Result<Vec<u8>> {
            let segment = self.inner.read(id)?;
            let len = usize::try_from(segment.size()?).map_err(io::Error::other)?;
            Ok(segment.read_at(0, len)?.to_vec())
        };
        let ids = self.inner.list().expect("memory can be listed");
        ids.into_iter().map(|id| read(id).expect("memory can be read")).collect()
    }
}

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<u64>> {
        self.inner.list()
    }

    fn create(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let inner = self.inner.create(id)?;
        Ok(Arc::new(FaultySegment { inner, faults: self.faults.clone() }))
    }

    fn append(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let inner = self.inner.append(id)?;
        Ok(Arc::new(FaultySegment { inner, faults: self.faults.clone() }))
    }

    fn read(&self, id: u64) -> io::Result<Arc<dyn SegmentRead>> {
        self.inner.read(id)
    }

    fn draft(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let inner = self.inner.draft(id)?;
        Ok(Arc::new(FaultySegment { inner, faults: self.faults.clone() }))
    }

    fn publish(&self, id: u64) -> io::Result<()> {
        self.inner.publish(id)
    }

    fn remove(&self, id: u64) -> io::Result<()> {
        self.inner.remove(id)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.faults.free_bytes.load(Ordering::Relaxed))
    }
}

struct FaultySegment {
    inner: Arc<dyn SegmentFile>,
    faults: Arc<Faults>,
}

impl SegmentRead for FaultySegment {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, len)
    }
}

impl SegmentFile for FaultySegment {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let room = self.faults.room_bytes.load(Ordering::Relaxed);
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.inner.write_at(offset, &[IoSlice::new(&bytes[..fits])])?;
        self.faults.room_bytes.store(room - fits as u64, Ordering::Relaxed);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        drop(self.faults.syncs.lock());
        fail_if(&self.faults.fail_sync)?;
        self.inner.sync()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        fail_if(&self.faults.fail_truncate)?;
        self.inner.truncate(len)
    }
}

fn fail_if(switch: &AtomicBool) -> io::Result<()> {
    if switch.load(Ordering::Relaxed) { Err(io::Error::other("told to fail")) } else { Ok(()) }
}
