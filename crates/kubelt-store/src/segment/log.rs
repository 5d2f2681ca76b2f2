//! All segments of a store, for reading.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::{
    disk::{Disk, SegmentRead},
    format::place,
    record::Pointer,
};
use crate::{
    error::ReadError,
    limits::{CHECK_HOLDS, CHECKED_MAX, CHECKED_ONCE_BYTES_MIN},
};

/// The segments of a store. They are opened when they are first read.
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    open: RwLock<BTreeMap<u64, Arc<dyn SegmentRead>>>,
    checked: Checked,
}

/// Large records that were found whole a while ago. Reading one again costs nothing but its way through the kernel
/// then: its checksum alone would cost about as much as that.
#[derive(Default)]
struct Checked(Mutex<Recently>);

#[derive(Default)]
struct Recently {
    /// Segments and offsets, by when they were checked: before the last turn, and since.
    before: HashSet<(u64, u64)>,
    since: HashSet<(u64, u64)>,
    turned: Option<Instant>,
}

impl Checked {
    fn holds(&self, pointer: &Pointer) -> bool {
        let mut recently = self.0.lock();
        let age = recently.turned.map_or(CHECK_HOLDS, |turned| turned.elapsed());
        if age >= CHECK_HOLDS / 2 || recently.since.len() >= CHECKED_MAX {
            recently.before = std::mem::take(&mut recently.since);
            if age >= CHECK_HOLDS {
                recently.before.clear();
            }
            recently.turned = Some(Instant::now());
        }
        let place = (pointer.segment, pointer.offset);
        recently.since.contains(&place) || recently.before.contains(&place)
    }

    fn note(&self, pointer: &Pointer) {
        self.0.lock().since.insert((pointer.segment, pointer.offset));
    }

    fn forget(&self, segment: u64) {
        let mut recently = self.0.lock();
        recently.since.retain(|(of, _)| *of != segment);
        recently.before.retain(|(of, _)| *of != segment);
    }
}

impl Log {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: RwLock::default(), checked: Checked::default() }
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

    /// The bytes at `pointer`, checked against their checksum; large ones not at every read.
    pub(crate) fn read(&self, pointer: Pointer) -> Result<Bytes, ReadError> {
        let damaged = || ReadError::Damaged { segment: pointer.segment, offset: pointer.offset };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => damaged(),
            _ => ReadError::Segment { segment: pointer.segment, source },
        };
        let segment = self.segment(pointer.segment).map_err(failed)?;
        let len = usize::try_from(pointer.len).map_err(|_too_long| damaged())?;
        let bytes = segment.read_at(pointer.offset, len).map_err(failed)?;
        let is_large = pointer.len >= CHECKED_ONCE_BYTES_MIN;
        if is_large && self.checked.holds(&pointer) {
            return Ok(bytes);
        }
        if crc32fast::hash(&bytes) != pointer.crc {
            return Err(damaged());
        }
        if is_large {
            self.checked.note(&pointer);
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
        self.checked.forget(id);
    }

    /// The segment will not be written again: the next read opens it as sealed.
    pub(crate) fn set_sealed(&self, id: u64) {
        self.open.write().remove(&id);
        self.checked.forget(id);
    }
}

#[cfg(test)]
mod tests {
    use std::{io::IoSlice, sync::Arc};

    use super::{Log, Pointer};
    use crate::{
        limits::CHECKED_ONCE_BYTES_MIN,
        segment::{disk::Disk, memory::MemoryDisk},
    };

    /// Reads a record, damages it, and reads it again; gives whether the damage was met.
    fn is_met(len: u32) -> [bool; 3] {
        let disk = Arc::new(MemoryDisk::default());
        let bytes = vec![7; len as usize];
        let file = disk.create(0).expect("memory has room");
        file.write_at(0, &[IoSlice::new(&bytes)]).expect("memory has room");
        let log = Log::new(disk.clone());
        let pointer = Pointer { segment: 0, offset: 0, len, crc: crc32fast::hash(&bytes) };
        let before = log.read(pointer).is_err();
        file.write_at(0, &[IoSlice::new(&vec![8; len as usize])]).expect("memory has room");
        let again = log.read(pointer).is_err();
        log.set_sealed(0);
        [before, again, log.read(pointer).is_err()]
    }

    #[test]
    fn large_records_are_checked_once_and_small_ones_always() {
        assert_eq!(is_met(CHECKED_ONCE_BYTES_MIN - 1), [false, true, true]);
        assert_eq!(is_met(CHECKED_ONCE_BYTES_MIN), [false, false, true]);
    }
}
