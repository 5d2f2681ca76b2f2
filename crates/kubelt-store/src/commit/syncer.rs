//! A thread that waits for the disk, so that the committer need not.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use super::queue::Queue;
use crate::segment::disk::SegmentFile;

type Job = (Arc<dyn SegmentFile>, mpsc::Sender<io::Result<()>>, Arc<AtomicBool>);

/// The thread; it ends when this is dropped.
pub(super) struct Syncer(mpsc::Sender<Job>);

/// A sync that goes on.
pub(super) struct Syncing {
    result: mpsc::Receiver<io::Result<()>>,
    done: Arc<AtomicBool>,
}

impl Syncer {
    /// Starts the thread, which wakes the queue whenever it is done; none where the system gives no more threads.
    pub(super) fn start(queue: &Arc<Queue>) -> Option<Self> {
        let (jobs, incoming) = mpsc::channel::<Job>();
        let queue = queue.clone();
        let work = move || {
            while let Ok((file, answer, done)) = incoming.recv() {
                // The committer waits for every answer.
                let _gone = answer.send(file.sync());
                done.store(true, Ordering::Release);
                queue.wake();
            }
        };
        let started = thread::Builder::new().name("kubelt-sync".to_owned()).spawn(work);
        started.ok().map(|_detached| Self(jobs))
    }

    /// Begins to sync; none where the thread is gone.
    pub(super) fn sync(&self, file: Arc<dyn SegmentFile>) -> Option<Syncing> {
        let (answer, result) = mpsc::channel();
        let done = Arc::new(AtomicBool::new(false));
        self.0.send((file, answer, done.clone())).ok()?;
        Some(Syncing { result, done })
    }
}

impl Syncing {
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Waits for its end.
    pub(super) fn wait(self) -> io::Result<()> {
        self.result.recv().unwrap_or_else(|_panicked| Err(io::Error::other("the thread that syncs is gone")))
    }
}
