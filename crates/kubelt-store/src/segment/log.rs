//! All segments of a store, for reading.

use std::{collections::BTreeMap, io, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use super::{
    disk::{Disk, SegmentRead},
    format::place,
    record::Pointer,
};
use crate::error::ReadError;

/// The segments of a store. They are opened when they are first read.
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    open: RwLock<BTreeMap<u64, Arc<dyn SegmentRead>>>,
}

impl Log {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: RwLock::default() }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The ids of the segments that count, in the order of the log, each with those that it has replaced and
    /// that are still there.
    pub(crate) fn places(&self) -> io::Result<Vec<(u64, Vec<u64>)>> {
        let mut places: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for id in self.disk.list()? {
            places.entry(place(id)).or_default().push(id);
        }
        let newest = |mut ids: Vec<u64>| {
            ids.sort_unstable();
            ids.pop().map(|id| (id, ids))
        };
        Ok(places.into_values().filter_map(newest).collect())
    }

    /// The bytes at `pointer`, checked against their checksum.
    pub(crate) fn read(&self, pointer: Pointer) -> Result<Bytes, ReadError> {
        let damaged = || ReadError::Damaged { segment: pointer.segment, offset: pointer.offset };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => damaged(),
            _ => ReadError::Segment { segment: pointer.segment, source },
        };
        let segment = self.segment(pointer.segment).map_err(failed)?;
        let len = usize::try_from(pointer.len).map_err(|_too_long| damaged())?;
        let bytes = segment.read_at(pointer.offset, len).map_err(failed)?;
        if crc32fast::hash(&bytes) != pointer.crc {
            return Err(damaged());
        }
        Ok(bytes)
    }

    pub(crate) fn segment(&self, id: u64) -> io::Result<Arc<dyn SegmentRead>> {
        if let Some(segment) = self.open.read().get(&id) {
            return Ok(segment.clone());
        }
        let mut open = self.open.write();
        if let Some(segment) = open.get(&id) {
            return Ok(segment.clone());
        }
        let segment = self.disk.read(id)?;
        open.insert(id, segment.clone());
        Ok(segment)
    }

    /// Reads go to this handle of the segment while it is written.
    pub(crate) fn set_active(&self, id: u64, segment: Arc<dyn SegmentRead>) {
        self.open.write().insert(id, segment);
    }

    /// The segment will not be written again: the next read opens it as sealed.
    pub(crate) fn set_sealed(&self, id: u64) {
        self.open.write().remove(&id);
    }
}
