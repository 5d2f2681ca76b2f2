//! Files and directories into blocks, and blocks into a core: what `publish` and `put` do.
//!
//! Everything is read once. [`leaves`] reads and hashes chunks on several threads, in order; [`import`] builds
//! the DAG above them; [`send`] asks the node which blocks of a batch the core lacks and uploads those. Memory
//! does not grow with the files: a few batches are all that is ever held. Whatever arrived stays in the core, so
//! the same command again, after whatever stopped it, sends only what is missing.

mod car;
mod import;
mod leaves;
mod retry;
mod send;
mod tree;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread;

use kubelt_content::Cid;
use kubelt_content::car::CarError;
use kubelt_content::unixfs::{DirectoryError, NameProblem, Profile, SymlinkTooLong};

use crate::client::{Client, ClientError, CorePlace};
use crate::limits::{HASH_THREADS_MAX, UPLOADS_AT_ONCE_MAX};
use crate::output::Progress;

pub(crate) use car::CarUploaded;
use import::{Halt, Import, Stopped};
use leaves::Leaves;
pub(crate) use retry::RetryPolicy;
use send::{Batches, Sender, Sent};
pub(crate) use tree::{Hidden, Tree};

/// A whole DAG that the core now possesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uploaded {
    /// Its root.
    pub(crate) cid: String,
    /// Blocks of the DAG; repeated ones count once in a batch.
    pub(crate) blocks: u64,
    /// Of them, those that the core had before.
    pub(crate) blocks_known: u64,
    /// Bytes of the blocks that were sent.
    pub(crate) bytes_sent: u64,
}

/// Why an upload stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A file was written while it was read.
    #[error("`{}` changed while it was read; run the same command again when it is at rest", path.display())]
    Changed { path: PathBuf },
    /// A name that no directory can hold.
    #[error("cannot publish `{}`", path.display())]
    Name { path: PathBuf, source: NameProblem },
    /// The target of a symbolic link.
    #[error("cannot publish the symbolic link `{}`", path.display())]
    Symlink { path: PathBuf, source: SymlinkTooLong },
    /// Entries that do not go together.
    #[error("cannot publish the directory `{}`", path.display())]
    Directory { path: PathBuf, source: Box<DirectoryError<Stopped>> },
    /// A file that is no sound CAR.
    #[error("`{}` is no sound CAR; nothing was published", path.display())]
    Car { path: PathBuf, source: CarError },
    /// The node.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Where blocks go, and how.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    pub(crate) client: &'a Client,
    pub(crate) core: &'a CorePlace,
    pub(crate) profile: Profile,
    pub(crate) retry: RetryPolicy,
    pub(crate) progress: &'a Progress,
}

impl Upload<'_> {
    /// Brings everything of `tree` into the core.
    pub(crate) fn run(&self, tree: &Tree) -> Result<Uploaded, UploadError> {
        let (jobs, jobs_taken) = sync_channel(0);
        let jobs_taken = Mutex::new(jobs_taken);
        let threads = hash_threads();
        let (root, sent) = thread::scope(|scope| {
            // Moved into the threads' scope, so that threads that wait are let go at its end.
            let jobs_taken = &jobs_taken;
            for _ in 0..threads {
                scope.spawn(|| leaves::work(jobs_taken, tree, self.profile));
            }
            self.sending(|batches| {
                let leaves = Leaves::new(tree, self.profile, jobs, 4 * threads);
                Import::new(tree, self.profile, leaves, batches).run()
            })
        })?;
        Ok(Uploaded::new(&root, sent))
    }

    /// Brings the blocks that `make` makes into the core, on several threads.
    fn sending<T>(
        &self,
        make: impl FnOnce(&mut Batches<'_>) -> Result<T, Halt>,
    ) -> Result<(T, Sent), UploadError> {
        let (batches, batches_taken) = sync_channel(0);
        let batches_taken = Mutex::new(batches_taken);
        let sender = Sender::new(self);
        let made = thread::scope(|scope| {
            let (batches_taken, sender) = (&batches_taken, &sender);
            for _ in 0..UPLOADS_AT_ONCE_MAX {
                scope.spawn(|| sender.work(batches_taken));
            }
            let mut batches = Batches::new(batches, sender);
            let made = make(&mut batches)?;
            batches.finish()?;
            Ok(made)
        });
        // Where the node refused, that is the reason; the import only stopped because of it.
        let sent = sender.finish()?;
        match made {
            Ok(made) => Ok((made, sent)),
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::Stopped(_)) => unreachable!("only a sender that failed stops the import"),
        }
    }
}

impl Uploaded {
    fn new(root: &Cid, sent: Sent) -> Self {
        let Sent { blocks, blocks_known, bytes_sent } = sent;
        Self { cid: root.to_string(), blocks, blocks_known, bytes_sent }
    }
}

fn hash_threads() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get).clamp(2, HASH_THREADS_MAX)
}

#[cfg(test)]
mod tests;
