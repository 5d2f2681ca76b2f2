//! The handle, and how it opens.

mod blocks;
mod collect;
mod cores;
mod meta;
mod ops;
mod reach;
mod state;
mod stats;

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
};

use bytes::Bytes;
use parking_lot::Mutex;

pub use ops::{OpRecord, OpsOrder};
pub use reach::LinkCursor;
pub use state::{StateEntry, Version};
pub use stats::Stats;

use crate::{
    commit::{
        Committer, Mode, Request, Status,
        queue::Queue,
        ticket::CommitTicket,
        watch::{Watch, Watches},
    },
    compact::{Compaction, finish_compactions},
    error::{OpenError, ReadError},
    index::{
        Index, Range,
        lsm::{LsmIndex, LsmOptions},
        memory::MemoryIndex,
    },
    keys,
    lock::{DirLock, keep_reserve},
    options::Options,
    recover::{End, Recovery, applied, replay},
    segment::{
        disk::Disk,
        file::FileDisk,
        log::Log,
        memory::MemoryDisk,
        writer::{Position, Writer, random},
    },
    tx::Tx,
    values::Stored,
};

/// A store. Cheap to clone; the last clone that is dropped waits for what was handed in and closes it.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    log: Arc<Log>,
    index: Arc<dyn Index>,
    queue: Arc<Queue>,
    status: Arc<Status>,
    watches: Arc<Watches>,
    options: Options,
    recovery: Recovery,
    committer: Mutex<Option<JoinHandle<()>>>,
    compaction: Mutex<Compaction>,
    /// Declared last, so that it is let go last.
    _lock: Option<DirLock>,
}

impl Store {
    /// Opens the store in `dir`, or makes one. Where `dir` cannot be written, the store opens read-only;
    /// [`Store::mode`] says so.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way and what to do.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        match Self::open_writable(dir, options.clone()) {
            Err(OpenError::Path { path, source }) if takes_no_writes(&source) && dir.is_dir() => {
                let reason = format!(
                    "`{}` cannot be written ({source}); make it writable and restart",
                    path.display()
                );
                Self::open_readable(dir, options, &reason)
            }
            other => other,
        }
    }

    /// Opens the store in `dir` for reading. Its index is built in memory, so this takes time and memory
    /// in proportion to the store; nothing in `dir` is changed.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way and what to do.
    pub fn open_read_only(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_readable(dir.as_ref(), options, "it was opened so; open it for writing instead")
    }

    /// A store in memory, gone when its last handle is dropped. The same code as on disk.
    pub fn memory(options: Options) -> Self {
        let opened =
            Self::open_on(Arc::new(MemoryDisk::default()), Arc::new(MemoryIndex::default()), options, None);
        opened.expect("memory neither fails nor runs full")
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Tx {
        Tx::new(self.clone())
    }

    /// Whether the store takes writes.
    pub fn mode(&self) -> Mode {
        self.0.status.mode.read().clone()
    }

    /// Grows whenever a write failed: what was cached ahead of a commit must then be dropped.
    pub fn generation(&self) -> u64 {
        self.0.status.generation.load(Ordering::Acquire)
    }

    /// Grows with whatever changes what the store holds, before whoever changed it is told. What was read after one
    /// look at this number is still so at a later look that finds the same.
    pub fn revision(&self) -> u64 {
        self.0.status.revision.load(Ordering::Acquire)
    }

    /// What opening met in the segments.
    pub fn recovery(&self) -> &Recovery {
        &self.0.recovery
    }

    fn open_writable(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let segments = dir.join("segments");
        let in_use = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Path { path, source }
        };
        std::fs::create_dir_all(&segments).map_err(in_use(&segments))?;
        let lock = DirLock::exclusive(dir)?;
        if let Err(error) = keep_reserve(dir, &options) {
            tracing::warn!(%error, "no space could be kept in reserve");
        }
        let lsm = LsmOptions {
            cache_bytes: options.index_cache_bytes,
            memtable_bytes: options.index_memtable_bytes,
        };
        let index = LsmIndex::open(&dir.join("index"), lsm).map_err(OpenError::Index)?;
        Self::open_on(Arc::new(FileDisk::new(segments)), Arc::new(index), options, Some(lock))
    }

    fn open_readable(dir: &Path, options: Options, reason: &str) -> Result<Self, OpenError> {
        let lock = DirLock::shared(dir)?;
        let log = Arc::new(Log::new(Arc::new(FileDisk::new(dir.join("segments")))));
        let index: Arc<dyn Index> = Arc::new(MemoryIndex::default());
        let (recovery, _end) = replay(&log, &*index, None, &mut |_progress| {})?;
        let queue = Arc::new(Queue::new(0));
        queue.close();
        let status = Arc::new(Status::new(Mode::ReadOnly { reason: reason.into() }));
        let watches = Arc::default();
        let committer = Mutex::new(None);
        let compaction = Mutex::default();
        Ok(Self(Arc::new(Shared {
            compaction,
            log,
            index,
            queue,
            status,
            watches,
            options,
            recovery,
            committer,
            _lock: Some(lock),
        })))
    }

    /// Opens a store for writing on any disk and index.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        index: Arc<dyn Index>,
        options: Options,
        lock: Option<DirLock>,
    ) -> Result<Self, OpenError> {
        let log = Arc::new(Log::new(disk));
        let Recovered { recovery, writer, store, replayed_bytes } = recover(&log, &*index)?;
        let queue = Arc::new(Queue::new(options.queue_bytes));
        let status = Arc::new(Status::new(Mode::ReadWrite));
        let watches = Arc::<Watches>::default();
        let committer = Committer {
            log: log.clone(),
            index: index.clone(),
            writer,
            store,
            options: options.clone(),
            status: status.clone(),
            queue: queue.clone(),
            watches: watches.clone(),
            unflushed_bytes: replayed_bytes,
        };
        let thread = std::thread::Builder::new().name("kubelt-commit".to_owned()).spawn(|| committer.run());
        let committer = Mutex::new(Some(thread.map_err(OpenError::Segments)?));
        let compaction = Mutex::default();
        Ok(Self(Arc::new(Shared {
            compaction,
            log,
            index,
            queue,
            status,
            watches,
            options,
            recovery,
            committer,
            _lock: lock,
        })))
    }

    pub(crate) fn submit(&self, request: Request) -> CommitTicket {
        if let Mode::ReadOnly { reason } = self.mode() {
            return CommitTicket::ready(Err(crate::CommitError::ReadOnly { reason }));
        }
        self.0.queue.submit(request)
    }

    pub(crate) fn index(&self) -> &dyn Index {
        &*self.0.index
    }

    pub(crate) fn shared_index(&self) -> &Arc<dyn Index> {
        &self.0.index
    }

    pub(crate) fn watch(&self) -> Watch {
        self.0.watches.begin()
    }

    pub(crate) fn log(&self) -> &Log {
        &self.0.log
    }

    pub(crate) fn compaction(&self) -> &Mutex<Compaction> {
        &self.0.compaction
    }

    /// The value at `key`, wherever it lies.
    pub(crate) fn value(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let row = self.0.index.get(key)?;
        row.map(|row| self.resolve(key, &row)).transpose()
    }

    /// Whether there is a row at `key`.
    pub(crate) fn has(&self, key: &[u8]) -> Result<bool, ReadError> {
        Ok(self.0.index.get(key)?.is_some())
    }

    /// The rows in `range` with their values, wherever those lie.
    pub(crate) fn scan(
        &self,
        range: Range,
        backwards: bool,
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), ReadError>> + Send + use<> {
        let store = self.clone();
        self.0.index.scan(range, backwards).map(move |row| {
            let (key, value) = row?;
            let value = store.resolve(&key, &value)?;
            Ok((key, value))
        })
    }

    fn resolve(&self, key: &[u8], row: &Bytes) -> Result<Bytes, ReadError> {
        match Stored::decode(row) {
            Some(Stored::Inline(bytes)) => Ok(bytes),
            // Its segment may have been compacted since the row was read: then the row says where it is now.
            Some(Stored::At(pointer)) => self.0.log.read(pointer).or_else(|error| {
                match self.0.index.get(key)?.filter(|now| now != row).as_ref().map(Stored::decode) {
                    Some(Some(Stored::Inline(bytes))) => Ok(bytes),
                    Some(Some(Stored::At(pointer))) => self.0.log.read(pointer),
                    _ => Err(error),
                }
            }),
            None => Err(damaged_row(key)),
        }
    }
}

/// A row that cannot be understood.
pub(crate) fn damaged_row(key: &[u8]) -> ReadError {
    ReadError::Row { table: keys::table(key) }
}

struct Recovered {
    recovery: Recovery,
    writer: Writer,
    store: u64,
    replayed_bytes: u64,
}

/// Replays what the index has not seen and makes ready to write after it.
fn recover(log: &Arc<Log>, index: &dyn Index) -> Result<Recovered, OpenError> {
    let from = applied(index)?;
    let active = log.places().map_err(OpenError::Segments)?.last().map(|(id, _replaced)| *id);
    let file = active.map(|id| log.disk().append(id)).transpose().map_err(OpenError::Segments)?;
    if let (Some(id), Some(file)) = (active, &file) {
        // What is replayed from the tail must not be lost after the index has it.
        file.sync().map_err(OpenError::Segments)?;
        log.set_active(id, file.clone());
    }
    let mut replayed_bytes = 0;
    let (recovery, end) = replay(log, index, from, &mut |progress| replayed_bytes = progress.bytes_done)?;
    finish_compactions(log, index)?;
    let (store, writer) = match end {
        Some((store, end)) => (store, resume(log, store, &end)),
        None => {
            let store = random().map_err(OpenError::Segments)?;
            (store, Writer::begin(log.clone(), store, None))
        }
    };
    Ok(Recovered { recovery, writer: writer.map_err(OpenError::Segments)?, store, replayed_bytes })
}

fn resume(log: &Arc<Log>, store: u64, end: &End) -> io::Result<Writer> {
    let Position { segment, offset } = end.position;
    let Some(header) = end.header else {
        return Writer::begin(log.clone(), store, Some(end.position));
    };
    let file = log.disk().append(segment)?;
    if end.size != offset {
        // Shorter, where only the padding of the last record is missing.
        file.truncate(offset)?;
        file.sync()?;
    }
    Ok(Writer::resume(log.clone(), file, header, offset))
}

fn takes_no_writes(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(committer) = self.committer.lock().take() {
            // A committer that panicked has said so, and has answered nobody.
            let _panicked = committer.join();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("mode", &self.mode())
            .field("recovery", &self.0.recovery)
            .finish_non_exhaustive()
    }
}
