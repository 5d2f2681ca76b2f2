//! Background work: named, visible to the operator, stepped by hand in tests.
//!
//! A [`Worker`] does its work in steps. [`Workers::start`] gives each of them a task that steps it until the node
//! stops; a node that nobody starts does nothing by itself, and tests call `Worker::step`. An error is shown and
//! tried again later; a panic stops the node ([`Workers::broken`]), since half-done work must not go on unseen.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, watch},
    task::JoinSet,
};

use crate::limits::{WORKER_RETRY_MAX, WORKER_RETRY_MIN};

/// Why a step failed: shown to the operator, and tried again.
pub type WorkError = Box<dyn std::error::Error + Send + Sync>;

/// What a step answers, when it is done.
pub type Stepping<'a> = Pin<Box<dyn Future<Output = Result<Step, WorkError>> + Send + 'a>>;

/// What comes after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to do at once.
    More,
    /// Nothing to do before this has passed, unless somebody wakes the worker.
    Idle(Duration),
}

/// Work that goes on in the background.
pub trait Work: Send + 'static {
    /// Does a bounded piece of it. It may be dropped at any await when the node stops: what matters is in the store.
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a>;
}

/// Whether a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// It waits for its time, or to be woken.
    Idle,
    /// It does something.
    Busy,
    /// Its last step failed; it will try again.
    Failing,
    /// The node stops, or was never started.
    Stopped,
}

impl WorkerState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Failing => "failing",
            Self::Stopped => "stopped",
        }
    }
}

/// How a worker is.
#[derive(Debug, Clone)]
pub struct WorkerStatus {
    /// Its name.
    pub name: &'static str,
    /// Whether it works.
    pub state: WorkerState,
    /// Steps that it has done.
    pub steps: u64,
    /// Steps that failed.
    pub errors: u64,
    /// Why the last step failed, with its causes; none once one succeeded.
    pub last_error: Option<String>,
    /// What it is at, in its own words.
    pub progress: Option<String>,
    /// How much waits for it, in its own unit.
    pub waiting: u64,
}

/// Where a worker says how far it is.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<WorkerStatus>>);

impl Progress {
    /// Says what it is at.
    pub fn say(&self, text: impl Into<String>) {
        self.0.lock().progress = Some(text.into());
    }

    /// Says how much waits.
    pub fn waiting(&self, count: u64) {
        self.0.lock().waiting = count;
    }
}

/// One worker of a node.
#[derive(Clone)]
pub struct Worker {
    name: &'static str,
    work: Arc<AsyncMutex<dyn Work>>,
    status: Progress,
    woken: Arc<Notify>,
}

/// Wakes a worker; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// The worker looks at once whether there is something to do.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

impl Worker {
    /// A worker that does nothing yet.
    pub fn new(name: &'static str, waker: &Waker, work: impl Work) -> Self {
        let status = WorkerStatus {
            name,
            state: WorkerState::Stopped,
            steps: 0,
            errors: 0,
            last_error: None,
            progress: None,
            waiting: 0,
        };
        let work = Arc::new(AsyncMutex::new(work));
        Self { name, work, status: Progress(Arc::new(Mutex::new(status))), woken: Arc::clone(&waker.0) }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How it is.
    pub fn status(&self) -> WorkerStatus {
        self.status.0.lock().clone()
    }

    /// Does one step now, in this task.
    ///
    /// # Errors
    /// Whatever the work fails with; the status shows it too.
    pub async fn step(&self) -> Result<Step, WorkError> {
        let mut work = self.work.lock().await;
        self.status.0.lock().state = WorkerState::Busy;
        let result = work.step(&self.status).await;
        let mut status = self.status.0.lock();
        status.steps += 1;
        match &result {
            Ok(step) => {
                status.last_error = None;
                status.state = if *step == Step::More { WorkerState::Busy } else { WorkerState::Idle };
            }
            Err(error) => {
                status.errors += 1;
                status.last_error = Some(chain(&**error));
                status.state = WorkerState::Failing;
            }
        }
        result
    }

    async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut retry = WORKER_RETRY_MIN;
        loop {
            let stepped = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                stepped = self.step() => stepped,
            };
            let pause = match stepped {
                Ok(Step::More) => {
                    retry = WORKER_RETRY_MIN;
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(Step::Idle(pause)) => {
                    retry = WORKER_RETRY_MIN;
                    pause
                }
                Err(error) => {
                    tracing::warn!(worker = self.name, error = chain(&*error), "a step failed");
                    let pause = retry;
                    retry = (retry * 2).min(WORKER_RETRY_MAX);
                    pause
                }
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = self.woken.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.status.0.lock().state = WorkerState::Stopped;
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The workers of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Workers {
    all: Arc<Mutex<Vec<Worker>>>,
    stop: watch::Sender<bool>,
    broken: watch::Sender<Option<&'static str>>,
    running: Arc<AsyncMutex<JoinSet<()>>>,
}

impl Workers {
    /// Workers that do nothing before [`Workers::start`].
    pub fn new(all: impl IntoIterator<Item = Worker>) -> Self {
        Self {
            all: Arc::new(Mutex::new(all.into_iter().collect())),
            stop: watch::Sender::new(false),
            broken: watch::Sender::new(None),
            running: Arc::default(),
        }
    }

    /// How each of them is.
    pub fn statuses(&self) -> Vec<WorkerStatus> {
        self.all.lock().iter().map(Worker::status).collect()
    }

    /// The worker of this name.
    pub fn get(&self, name: &str) -> Option<Worker> {
        self.all.lock().iter().find(|worker| worker.name == name).cloned()
    }

    /// One more, that an edge brings; before [`Workers::start`].
    pub fn add(&self, worker: Worker) {
        self.all.lock().push(worker);
    }

    /// Lets all of them work, until [`Workers::stop`].
    pub async fn start(&self) {
        let mut running = self.running.lock().await;
        let all = self.all.lock().clone();
        for worker in all {
            let (stop, broken, name) = (self.stop.subscribe(), self.broken.clone(), worker.name);
            running.spawn(async move {
                // A task of its own, so that its panic is seen.
                if let Err(error) = tokio::spawn(worker.run(stop)).await {
                    tracing::error!(worker = name, %error, "a worker panicked; the node stops");
                    broken.send_replace(Some(name));
                }
            });
        }
    }

    /// Resolves when a worker has panicked, with its name: the node must stop then.
    pub async fn broken(&self) -> &'static str {
        let mut broken = self.broken.subscribe();
        let name = broken.wait_for(Option::is_some).await.ok().and_then(|name| *name);
        match name {
            Some(name) => name,
            // The sender lives as long as this value.
            None => std::future::pending().await,
        }
    }

    /// Ends all of them and waits until they have ended.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut running = self.running.lock().await;
        while running.join_next().await.is_some() {}
    }
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use tokio::sync::Notify;

    use super::{Progress, Step, Stepping, Waker, Work, Worker, WorkerState, Workers};

    /// Fails, works or panics, as the number of the step says.
    struct Counter {
        done: Arc<AtomicU64>,
        told: Arc<Notify>,
        fails_at: u64,
        panics_at: u64,
    }

    impl Work for Counter {
        fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
            Box::pin(async move {
                let n = self.done.fetch_add(1, Ordering::Relaxed);
                progress.say(format!("step {n}"));
                progress.waiting(n);
                self.told.notify_one();
                assert!(n < self.panics_at, "as it was told");
                match n {
                    n if n == self.fails_at => Err("not yet".into()),
                    0 | 1 => Ok(Step::More),
                    _ => Ok(Step::Idle(Duration::from_secs(3_600))),
                }
            })
        }
    }

    fn counter(fails_at: u64, panics_at: u64) -> (Worker, Waker, Arc<AtomicU64>, Arc<Notify>) {
        let (done, told, waker) = (Arc::default(), Arc::default(), Waker::default());
        let work = Counter { done: Arc::clone(&done), told: Arc::clone(&told), fails_at, panics_at };
        (Worker::new("counter", &waker, work), waker, done, told)
    }

    #[tokio::test]
    async fn a_step_by_hand_shows_what_became_of_it() {
        let (worker, ..) = counter(0, u64::MAX);
        let workers = Workers::new([worker]);
        let worker = workers.get("counter").expect("it is there");
        assert_eq!(worker.status().state, WorkerState::Stopped);
        assert!(worker.step().await.is_err());
        let status = worker.status();
        assert_eq!((status.state, status.errors), (WorkerState::Failing, 1));
        assert_eq!(status.last_error.as_deref(), Some("not yet"));
        assert_eq!(worker.step().await.expect("the second works"), Step::More);
        assert_eq!(worker.step().await.expect("the third works"), Step::Idle(Duration::from_secs(3_600)));
        let status = worker.status();
        assert_eq!((status.state, status.steps, status.waiting), (WorkerState::Idle, 3, 2));
        assert_eq!((status.last_error, status.progress.as_deref()), (None, Some("step 2")));
    }

    #[tokio::test]
    async fn started_workers_go_on_until_they_are_stopped() {
        let (worker, waker, done, told) = counter(u64::MAX, u64::MAX);
        let workers = Workers::new([worker]);
        workers.start().await;
        while done.load(Ordering::Relaxed) < 3 {
            told.notified().await;
        }
        waker.wake();
        while done.load(Ordering::Relaxed) < 4 {
            told.notified().await;
        }
        workers.stop().await;
        assert_eq!(workers.statuses()[0].state, WorkerState::Stopped);
    }

    #[tokio::test]
    async fn a_panic_is_told() {
        let (worker, ..) = counter(u64::MAX, 2);
        let workers = Workers::new([worker]);
        workers.start().await;
        assert_eq!(workers.broken().await, "counter");
        workers.stop().await;
    }
}
