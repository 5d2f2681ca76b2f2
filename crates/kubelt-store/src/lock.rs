//! One process at a time, and space kept back for recovery.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};

use crate::{error::OpenError, options::Options, segment::file::free_bytes};

/// The lock on a store's directory, held as long as this value.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: Option<File>,
}

impl DirLock {
    /// Takes the lock for writing.
    pub(crate) fn exclusive(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|source| OpenError::Path { path: path.clone(), source })?;
        Self::lock(dir, file, FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock for reading, beside other readers. Where there is no lock file nobody writes.
    pub(crate) fn shared(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("lock");
        match File::open(&path) {
            Ok(file) => Self::lock(dir, file, FlockOperation::NonBlockingLockShared),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { _file: None }),
            Err(source) => Err(OpenError::Path { path, source }),
        }
    }

    fn lock(dir: &Path, file: File, operation: FlockOperation) -> Result<Self, OpenError> {
        match flock(&file, operation) {
            Ok(()) => Ok(Self { _file: Some(file) }),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                Err(OpenError::Locked { dir: dir.to_owned() })
            }
            Err(error) => Err(OpenError::Path { path: dir.join("lock"), source: error.into() }),
        }
    }
}

/// Sees to the reserve: a file that takes up space while there is enough, and gives it back to recovery
/// when there is not.
pub(crate) fn keep_reserve(dir: &Path, options: &Options) -> io::Result<()> {
    let path = dir.join("reserve");
    let free = free_bytes(dir)?;
    if free < options.free_bytes_min {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
    }
    let room = free > options.free_bytes_min.saturating_add(options.reserve_bytes);
    if options.reserve_bytes == 0 || !room || path.try_exists()? {
        return Ok(());
    }
    let file = File::create(&path)?;
    let kept = fallocate(&file, FallocateFlags::empty(), 0, options.reserve_bytes);
    if kept.is_err() {
        std::fs::remove_file(&path)?;
    }
    kept.map_err(io::Error::from)
}
