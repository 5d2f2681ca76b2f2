//! Chunks of files, read and hashed on several threads and given back in order.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use kubelt_content::Block;
use kubelt_content::unixfs::{LeafInfo, Profile};

use super::UploadError;
use super::tree::{FileSource, Tree};

/// One chunk to read, and whom to tell.
pub(super) struct Job {
    file: usize,
    offset: u64,
    bytes: usize,
    done: SyncSender<Leaf>,
}

type Leaf = Result<(Block, LeafInfo), UploadError>;

/// The leaves of all files of a tree, file by file. Some are always read ahead.
pub(super) struct Leaves<'a> {
    chunks: Chunks<'a>,
    jobs: SyncSender<Job>,
    coming: VecDeque<Receiver<Leaf>>,
    ahead: usize,
}

impl<'a> Leaves<'a> {
    /// Reads `ahead` chunks ahead of those that are asked for.
    pub(super) fn new(tree: &'a Tree, profile: Profile, jobs: SyncSender<Job>, ahead: usize) -> Self {
        let chunks = Chunks { files: &tree.files, file: 0, offset: 0, chunk_bytes: profile.chunk_bytes() };
        Self { chunks, jobs, coming: VecDeque::with_capacity(ahead), ahead }
    }

    /// The next leaf; a file of no bytes has none.
    pub(super) fn next(&mut self) -> Leaf {
        while self.coming.len() < self.ahead
            && let Some((file, offset, bytes)) = self.chunks.next()
        {
            let (done, result) = sync_channel(1);
            self.jobs.send(Job { file, offset, bytes, done }).expect("readers work until the jobs end");
            self.coming.push_back(result);
        }
        let next = self.coming.pop_front().expect("no more leaves are asked for than the files have");
        next.recv().expect("readers answer every job")
    }
}

/// Takes jobs until there are no more.
pub(super) fn work(jobs: &Mutex<Receiver<Job>>, tree: &Tree, profile: Profile) {
    let mut open: Option<(usize, File)> = None;
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let source = &tree.files[job.file];
        let leaf = read(source, &job, &mut open).map(|chunk| profile.leaf(chunk));
        // Nobody listens where the upload has failed meanwhile.
        drop(job.done.send(leaf));
    }
}

fn read(source: &FileSource, job: &Job, open: &mut Option<(usize, File)>) -> Result<Bytes, UploadError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => {
            UploadError::Changed { path: source.path.clone() }
        }
        _ => UploadError::Read { path: source.path.clone(), source: error },
    };
    let file = match open {
        Some((at, file)) if *at == job.file => file,
        _ => &mut open.insert((job.file, File::open(&source.path).map_err(failed)?)).1,
    };
    let mut chunk = vec![0; job.bytes];
    file.seek(SeekFrom::Start(job.offset)).and_then(|_at| file.read_exact(&mut chunk)).map_err(failed)?;
    let now = file.metadata().map_err(failed)?;
    if now.len() != source.bytes || now.modified().ok() != source.modified {
        return Err(UploadError::Changed { path: source.path.clone() });
    }
    Ok(Bytes::from(chunk))
}

/// Where each chunk is: the file, the offset in it, and its length in bytes.
struct Chunks<'a> {
    files: &'a [FileSource],
    file: usize,
    offset: u64,
    chunk_bytes: usize,
}

impl Iterator for Chunks<'_> {
    type Item = (usize, u64, usize);

    fn next(&mut self) -> Option<Self::Item> {
        while self.offset >= self.files.get(self.file)?.bytes {
            self.file += 1;
            self.offset = 0;
        }
        let (file, offset) = (self.file, self.offset);
        let left = self.files[file].bytes - offset;
        let bytes = usize::try_from(left).map_or(self.chunk_bytes, |left| left.min(self.chunk_bytes));
        self.offset += bytes as u64;
        Some((file, offset, bytes))
    }
}
