//! Segments in files.

use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::RwLock;

use super::{
    disk::{Disk, SegmentFile, SegmentRead},
    format::SEGMENT_HEADER_BYTES,
    map::GrowingMap,
};
use crate::limits::{MAPPED_BYTES_MIN, WRITE_BYTES_MAX};

/// A directory of segments.
#[derive(Debug)]
pub(crate) struct FileDisk {
    dir: PathBuf,
}

impl FileDisk {
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    fn draft_path(&self, id: u64) -> PathBuf {
        self.dir.join(format!("{id:016x}.draft"))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.dir.join(format!("{id:016x}.seg"))
    }
}

impl Disk for FileDisk {
    fn list(&self) -> io::Result<Vec<u64>> {
        let mut ids = Vec::new();
        let entries = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
            other => other?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".seg"));
            ids.extend(id.filter(|id| id.len() == 16).and_then(|id| u64::from_str_radix(id, 16).ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn create(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        // What an earlier, interrupted creation left may be taken over: it holds no record.
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.path(id))?;
        if file.metadata()?.len() > SEGMENT_HEADER_BYTES {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        file.set_len(0)?;
        sync_dir(&self.dir)?;
        Ok(Arc::new(WrittenSegment::new(file)))
    }

    fn append(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(id))?;
        Ok(Arc::new(WrittenSegment::new(file)))
    }

    fn read(&self, id: u64) -> io::Result<Arc<dyn SegmentRead>> {
        let file = File::open(self.path(id))?;
        match super::map::map(&file) {
            Ok(map) => Ok(Arc::new(MappedSegment(map))),
            // An empty file, or a file system that maps nothing.
            Err(_unmapped) => Ok(Arc::new(FileSegment(file))),
        }
    }

    fn draft(&self, id: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let path = self.draft_path(id);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Arc::new(WrittenSegment::new(file)))
    }

    fn publish(&self, id: u64) -> io::Result<()> {
        std::fs::rename(self.draft_path(id), self.path(id))?;
        sync_dir(&self.dir)
    }

    fn remove(&self, id: u64) -> io::Result<()> {
        match std::fs::remove_file(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        free_bytes(&self.dir)
    }
}

/// Free space where `dir` is, in bytes, as far as this user may use it.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A sealed segment where nothing is mapped.
struct FileSegment(File);

impl SegmentRead for FileSegment {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}

/// A segment that is written to. What was written is read from a mapping, as in a sealed segment: a thousand slow
/// readers of large blocks share the page cache instead of holding a copy each.
struct WrittenSegment {
    file: File,
    /// So much of the file is there, at least.
    written: AtomicU64,
    map: RwLock<Option<Arc<GrowingMap>>>,
}

impl WrittenSegment {
    fn new(file: File) -> Self {
        Self { file, written: AtomicU64::new(0), map: RwLock::default() }
    }

    fn map_of(&self, end: usize) -> io::Result<Arc<GrowingMap>> {
        let reaches = |map: &&Arc<GrowingMap>| map.len() >= end;
        if let Some(map) = self.map.read().as_ref().filter(reaches) {
            return Ok(map.clone());
        }
        let mut map = self.map.write();
        if let Some(map) = map.as_ref().filter(reaches) {
            return Ok(map.clone());
        }
        // Addresses are plenty, and hardly a segment outgrows this.
        let new = GrowingMap::new(&self.file, end.next_power_of_two().max(MAPPED_BYTES_MIN))?;
        *map = Some(new.clone());
        Ok(new)
    }
}

impl SegmentRead for WrittenSegment {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = offset.saturating_add(len as u64);
        if self.written.load(Ordering::Acquire) < end {
            let size = self.size()?;
            if size < end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.written.fetch_max(size, Ordering::AcqRel);
        }
        let place = |at: u64| usize::try_from(at).map_err(io::Error::other);
        let (start, end) = (place(offset)?, place(end)?);
        let mapped = self.map_of(end).ok().and_then(|map| map.bytes(start, len, end));
        if let Some(bytes) = mapped {
            return Ok(bytes);
        }
        // Nothing at all, or a file system that maps nothing.
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}

impl SegmentFile for WrittenSegment {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        let mut parts = parts.to_vec();
        let mut rest = parts.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while let Some(first) = rest.first() {
            let result = match first.get(..WRITE_BYTES_MAX) {
                Some(piece) => file.write(piece),
                None => file.write_vectored(&rest[..fitting(rest)]),
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.written.fetch_min(len, Ordering::AcqRel);
        self.file.set_len(len)
    }
}

/// How many of `parts` one call writes: as many as stay below [`WRITE_BYTES_MAX`] together, and one at least.
fn fitting(parts: &[IoSlice<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |part: &&IoSlice<'_>| {
        bytes += part.len();
        bytes <= WRITE_BYTES_MAX
    };
    parts.iter().take_while(fits).count().max(1)
}

/// A sealed segment: reads share its memory and hold no file open.
struct MappedSegment(Bytes);

impl SegmentRead for MappedSegment {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(len);
        if end > self.0.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.0.slice(start..end))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, IoSlice};

    use super::{Disk, FileDisk};

    #[test]
    fn what_is_read_of_a_segment_stays_as_it_grows_and_is_cut_back() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let disk = FileDisk::new(dir.path());
        let segment = disk.create(0).expect("it can be made");
        let read = |offset: u64, len: usize| segment.read_at(offset, len).map_err(|error| error.kind());
        assert_eq!(read(0, 1), Err(ErrorKind::UnexpectedEof));
        assert_eq!(read(0, 0).as_deref(), Ok(&[][..]));
        segment.write_at(0, &[IoSlice::new(&[1; 5_000])]).expect("it can be written");
        let first = read(10, 4_990).expect("it is there");
        assert_eq!(read(10, 4_991), Err(ErrorKind::UnexpectedEof));
        segment.write_at(5_000, &[IoSlice::new(&[2; 9_000])]).expect("it can be written");
        assert_eq!(read(4_999, 2).as_deref(), Ok(&[1, 2][..]));
        assert_eq!(read(13_999, 1).as_deref(), Ok(&[2][..]));
        segment.truncate(5_000).expect("it can be cut");
        assert_eq!(read(5_000, 1), Err(ErrorKind::UnexpectedEof));
        segment.write_at(5_000, &[IoSlice::new(&[3; 10])]).expect("it can be written");
        assert_eq!(read(4_999, 11).as_deref(), Ok(&[1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3][..]));
        assert!(first.iter().all(|byte| *byte == 1));
        drop(segment);
        assert_eq!(first.len(), 4_990, "the mapping outlives what made it");
    }
}
