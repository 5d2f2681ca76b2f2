//! Cores on this node: found, loaded, and written to by one writer at a time.
//!
//! Each core has a cell with its log. Writers put their job into the cell's queue and then ask for its
//! lock; whoever gets it takes all jobs that wait, judges them one after the other and commits them in one
//! transaction. So a single writer pays one disk sync, sixty-four writers share one, and no rule is ever
//! judged against a log that another writer is changing.

mod ask;
mod load;
mod walk;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use kubelt_core::{CoreId, Log, MapPath, OpId};
use kubelt_store::{CommitError, Store, Tx};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Mutex as AsyncMutex, oneshot};

pub use load::LoadError;
pub(crate) use load::login_facts;

use self::load::{effects_owed, read_log};
use crate::{
    clock::Clock,
    doors::Doors,
    ipns::Stale,
    limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX, CACHED_LOGS_MAX, CACHED_OPS_MAX},
    replicate::{Changes, CoreWatch},
    session_table::SessionTable,
    worker::WorkError,
    write::{Batch, EFFECTS_OWED, Finished, Write, WriteError, Written},
};

/// The cores of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Cores {
    pub(crate) store: Store,
    clock: Arc<dyn Clock>,
    sessions: SessionTable,
    pub(crate) doors: Doors,
    stale: Arc<Stale>,
    changes: Changes,
    cells: Arc<Mutex<HashMap<CoreId, Arc<Cell>>>>,
    uses: Arc<AtomicU64>,
    /// How often something may have become public.
    openings: Arc<AtomicU64>,
    /// What this node calls cores.
    labels: Arc<RwLock<BTreeMap<String, CoreId>>>,
    /// Held while a core is given a name that must be free.
    pub(crate) naming: Arc<AsyncMutex<()>>,
    /// Held while it is counted what an account has brought.
    pub(crate) bringing: Arc<AsyncMutex<()>>,
}

/// One core: its log, where it is loaded, and the writes that wait for it.
#[derive(Debug)]
struct Cell {
    core: CoreId,
    queue: Mutex<VecDeque<Job>>,
    log: AsyncMutex<Option<Loaded>>,
    ops: AtomicUsize,
    last_use: AtomicU64,
}

#[derive(Debug)]
struct Job {
    write: Write,
    answer: oneshot::Sender<WriteResult>,
}

type WriteResult = Result<Written, WriteError>;

/// A log in memory.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) log: Log,
    /// The store's generation when it was loaded: after a failed commit it may know what the store does not.
    generation: u64,
}

/// What became of the jobs of a batch.
struct Judged {
    loaded: Loaded,
    finished: Result<Finished, WriteError>,
    answers: Vec<(oneshot::Sender<WriteResult>, WriteResult)>,
    /// Those that are for the next one.
    left: VecDeque<Job>,
}

impl Cores {
    pub(crate) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        sessions: SessionTable,
        doors: Doors,
        stale: Arc<Stale>,
    ) -> Self {
        let changes = Changes::default();
        Self {
            store,
            clock,
            sessions,
            doors,
            stale,
            changes,
            cells: Arc::default(),
            uses: Arc::default(),
            openings: Arc::default(),
            labels: Arc::default(),
            naming: Arc::default(),
            bringing: Arc::default(),
        }
    }

    /// How often something may have become public.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    /// Something may have become public.
    pub(crate) fn note_opening(&self) {
        self.openings.fetch_add(1, Ordering::Relaxed);
    }

    /// Hears of every change of a core from now on.
    pub fn watch(&self, core: &CoreId) -> CoreWatch {
        CoreWatch::of(self.changes.watch(core))
    }

    /// Who is told of changes.
    pub(crate) const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Reads the core's log.
    pub(crate) async fn with_log<T>(
        &self,
        core: &CoreId,
        read: impl FnOnce(&Log) -> T,
    ) -> Result<T, LoadError> {
        let cell = self.cell(*core);
        let mut slot = cell.log.lock().await;
        let loaded = self.load(&cell, &mut slot).await?;
        Ok(read(&loaded.log))
    }

    /// Writes to a core. Durable when it returns.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was stored then.
    pub async fn write(&self, core: CoreId, write: Write) -> Result<Written, WriteError> {
        let mut results = self.write_all(core, vec![write]).await;
        results.pop().unwrap_or(Err(WriteError::Stopped))
    }

    /// Writes to a core one after the other, in few transactions. What is written is durable when it returns.
    pub(crate) async fn write_all(&self, core: CoreId, writes: Vec<Write>) -> Vec<WriteResult> {
        let cell = self.cell(core);
        let mut answers = Vec::with_capacity(writes.len());
        {
            let mut queue = cell.queue.lock();
            for write in writes {
                let (answer, answered) = oneshot::channel();
                queue.push_back(Job { write, answer });
                answers.push(answered);
            }
        }
        // A task of its own: a client that goes away must not leave a batch half done.
        let this = self.clone();
        tokio::spawn(async move { this.work(&cell).await });
        let mut results = Vec::with_capacity(answers.len());
        for answered in answers {
            results.push(answered.await.unwrap_or(Err(WriteError::Stopped)));
        }
        results
    }

    /// Opens what has become whole at these content paths since their operations were taken in.
    pub(crate) async fn reopen(&self, core: &CoreId, paths: Vec<MapPath>) -> Result<(), WriteError> {
        let (this, cell) = (self.clone(), self.cell(*core));
        // A task of its own, as for writes: nobody else may write before this is committed.
        let reopening = tokio::spawn(async move {
            let mut slot = cell.log.lock().await;
            let loaded =
                this.load(&cell, &mut slot).await.map_err(|error| WriteError::Load(Arc::new(error)))?;
            let mut batch = Batch::new(&this.store, cell.core, loaded, this.clock.now_ms());
            batch.reopen(paths);
            let Finished { tx, root_changed, .. } = batch.finish()?;
            tx.commit().await.map_err(WriteError::Commit)?;
            if root_changed {
                this.stale.mark(cell.core);
                this.note_opening();
            }
            this.changes.mark_content(&cell.core);
            Ok(())
        });
        reopening.await.unwrap_or(Err(WriteError::Stopped))
    }

    /// Commits a transaction that is made while nobody writes to the core; gives whether there was one. The caller
    /// sees to it that this is not dropped in the middle, or the next writer would not see what is being committed.
    pub(crate) async fn commit_alone<E>(
        &self,
        core: &CoreId,
        make: impl FnOnce() -> Result<Option<Tx>, E> + Send + 'static,
    ) -> Result<bool, E>
    where
        E: From<CommitError> + Send + 'static,
    {
        let cell = self.cell(*core);
        let _alone = cell.log.lock().await;
        let made = tokio::task::spawn_blocking(make).await.expect("making a transaction does not panic")?;
        let Some(tx) = made else { return Ok(false) };
        tx.commit().await?;
        Ok(true)
    }

    /// Does a transaction while nobody else writes to the core: what `decide` reads stays so until it is committed.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        core: &CoreId,
        decide: impl FnOnce() -> Result<(Tx, T), WorkError> + Send + 'static,
    ) -> Result<T, WorkError> {
        let cell = self.cell(*core);
        // A task of its own, as for writes.
        let deciding = tokio::spawn(async move {
            let _slot = cell.log.lock().await;
            let (tx, answer) = decide()?;
            tx.commit().await?;
            Ok(answer)
        });
        deciding.await?
    }

    /// Takes the writes that wait for a core and commits them together, until none waits. Between batches others
    /// get their turn at the log.
    async fn work(&self, cell: &Cell) {
        loop {
            let mut slot = cell.log.lock().await;
            let jobs = {
                let mut queue = cell.queue.lock();
                let count = queue.len().min(BATCH_OPS_MAX);
                queue.drain(..count).collect::<Vec<_>>()
            };
            if jobs.is_empty() {
                return;
            }
            self.commit(cell, &mut slot, jobs).await;
        }
    }

    async fn commit(&self, cell: &Cell, slot: &mut Option<Loaded>, jobs: Vec<Job>) {
        if let Err(error) = self.settled(cell, slot).await {
            return jobs.into_iter().for_each(|job| reply(job.answer, Err(error.clone())));
        }
        // Out of its slot until it is committed: whatever goes wrong, a panic among it, the next writer reads
        // the log from the store again.
        let loaded = slot.take().expect("loaded just now");
        let judged = self.judge(cell.core, loaded, VecDeque::from(jobs)).await;
        // What one transaction does not hold goes into the next, ahead of what came later.
        judged.left.into_iter().rev().for_each(|job| cell.queue.lock().push_front(job));
        let answers = judged.answers;
        let committed = match judged.finished {
            Err(error) => Err(error),
            Ok(finished) => self.carry_out(cell, finished).await,
        };
        match committed {
            Ok(owed) => {
                cell.ops.store(judged.loaded.log.len(), Ordering::Relaxed);
                match self.pay(cell, judged.loaded, owed).await {
                    Ok(loaded) => *slot = Some(loaded),
                    Err(error) => tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        core = %cell.core,
                        "the state does not show all that the log says; it will at the next write, or start"
                    ),
                }
                answers.into_iter().for_each(|(answer, result)| reply(answer, result));
            }
            Err(error) => {
                answers.into_iter().for_each(|(answer, result)| reply(answer, result.and(Err(error.clone()))))
            }
        }
    }

    /// Has the log judge what waits, away from the threads that serve everybody: one logout can make it judge all of a
    /// long log again.
    async fn judge(&self, core: CoreId, mut loaded: Loaded, mut jobs: VecDeque<Job>) -> Judged {
        let (store, sessions, now_ms) = (self.store.clone(), self.sessions.clone(), self.clock.now_ms());
        let judging = tokio::task::spawn_blocking(move || {
            let mut batch = Batch::new(&store, core, &mut loaded, now_ms);
            let mut answers = Vec::with_capacity(jobs.len());
            let mut broken = None;
            let is_relief = jobs.front().is_some_and(|job| job.write.is_relief());
            // What no quota stops must not fail together with what one does.
            while batch.size_bytes() < BATCH_BYTES_MAX
                && let Some(job) = jobs.pop_front_if(|job| job.write.is_relief() == is_relief)
            {
                let result = batch.apply(job.write, &sessions);
                if let Err(error @ WriteError::Tx(_)) = &result {
                    // The log may hold what the transaction does not: give the whole batch up.
                    broken = Some(error.clone());
                }
                answers.push((job.answer, result));
            }
            let finished = match (broken, batch.finish()) {
                (Some(error), _) | (None, Err(error)) => Err(error),
                (None, Ok(finished)) => Ok(finished),
            };
            Judged { loaded, finished, answers, left: jobs }
        });
        judging.await.expect("judging does not panic")
    }

    /// Commits a batch and tells who must know. Gives what it owes.
    async fn carry_out(&self, cell: &Cell, finished: Finished) -> Result<BTreeMap<OpId, bool>, WriteError> {
        let Finished { tx, ended, doors_changed, names, root_changed, hosts_changed, requests_changed, owed } =
            finished;
        tx.commit().await.map_err(WriteError::Commit)?;
        ended.iter().for_each(|login| self.sessions.evict(login));
        if doors_changed {
            self.doors.changed(&cell.core);
        }
        if !names.is_empty() {
            self.doors.hosts.changed(&cell.core, names);
        }
        if root_changed {
            self.stale.mark(cell.core);
            self.note_opening();
        }
        self.changes.mark_ops(&cell.core);
        if hosts_changed {
            self.changes.mark_hosts(cell.core);
        }
        if requests_changed {
            self.sessions.due.mark(cell.core);
        }
        Ok(owed)
    }

    /// Brings into the state what one transaction had no room for.
    async fn pay(
        &self,
        cell: &Cell,
        mut loaded: Loaded,
        mut owed: BTreeMap<OpId, bool>,
    ) -> Result<Loaded, WriteError> {
        while !owed.is_empty() {
            let (store, core, now_ms) = (self.store.clone(), cell.core, self.clock.now_ms());
            let paying = tokio::task::spawn_blocking(move || {
                let mut batch = Batch::new(&store, core, &mut loaded, now_ms);
                batch.owe(owed);
                (batch.finish(), loaded)
            });
            let (finished, back) = paying.await.expect("taking up effects does not panic");
            loaded = back;
            owed = self.carry_out(cell, finished?).await?;
        }
        Ok(loaded)
    }

    /// Loads the log, and sees to it that the state shows all that it says.
    async fn settled(&self, cell: &Cell, slot: &mut Option<Loaded>) -> Result<(), WriteError> {
        let load = |error| WriteError::Load(Arc::new(error));
        let was_loaded = slot.is_some();
        self.load(cell, slot).await.map_err(load)?;
        if was_loaded || self.store.meta(EFFECTS_OWED, cell.core.digest())?.is_none() {
            return Ok(());
        }
        let loaded = slot.take().expect("loaded just now");
        let (store, core) = (self.store.clone(), cell.core);
        let comparing = tokio::task::spawn_blocking(move || {
            let owed = effects_owed(&store, &core, &loaded.log);
            (owed, loaded)
        });
        let (owed, loaded) = comparing.await.expect("reading a log does not panic");
        *slot = Some(self.pay(cell, loaded, owed?).await?);
        Ok(())
    }

    /// Brings into the state of every core what a kill has left. Call it once, before anybody is served.
    ///
    /// # Errors
    /// [`WriteError`] when the store fails.
    pub async fn settle(&self) -> Result<(), WriteError> {
        let owing: Vec<_> = self.store.meta_scan(EFFECTS_OWED, &[], None).collect::<Result<_, _>>()?;
        for core in owing.iter().filter_map(|(key, _)| key.as_ref().try_into().ok()) {
            let cell = self.cell(CoreId::from_digest(core));
            let mut slot = cell.log.lock().await;
            *slot = None;
            self.settled(&cell, &mut slot).await?;
        }
        Ok(())
    }

    /// The log in memory, read from the store where it is not there or may be ahead of the store.
    async fn load<'a>(&self, cell: &Cell, slot: &'a mut Option<Loaded>) -> Result<&'a mut Loaded, LoadError> {
        let generation = self.store.generation();
        if slot.as_ref().is_some_and(|loaded| loaded.generation != generation) {
            *slot = None;
        }
        if slot.is_none() {
            let genesis = self.genesis(&cell.core)?;
            let (store, core) = (self.store.clone(), cell.core);
            let read = tokio::task::spawn_blocking(move || read_log(&store, core, genesis)).await;
            let log = read.expect("reading a log does not panic")?;
            cell.ops.store(log.len(), Ordering::Relaxed);
            *slot = Some(Loaded { log, generation });
        }
        Ok(slot.as_mut().expect("loaded just now"))
    }

    fn cell(&self, core: CoreId) -> Arc<Cell> {
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        let cells = &mut *self.cells.lock();
        if let Some(cell) = cells.get(&core) {
            cell.last_use.store(now, Ordering::Relaxed);
            return Arc::clone(cell);
        }
        if cells.len() >= CACHED_LOGS_MAX || total_ops(cells) > CACHED_OPS_MAX {
            make_room(cells);
        }
        let cell = Arc::new(Cell {
            core,
            queue: Mutex::default(),
            log: AsyncMutex::default(),
            ops: AtomicUsize::new(0),
            last_use: AtomicU64::new(now),
        });
        cells.insert(core, Arc::clone(&cell));
        cell
    }
}

#[cfg(test)]
impl Cores {
    /// Whether the log of a core is in memory.
    pub(crate) fn is_loaded(&self, core: &CoreId) -> bool {
        self.cells.lock().get(core).is_some_and(|cell| cell.ops.load(Ordering::Relaxed) > 0)
    }
}

fn reply(answer: oneshot::Sender<Result<Written, WriteError>>, result: Result<Written, WriteError>) {
    // Whoever asked may be gone; the write stands all the same.
    let _ = answer.send(result);
}

fn total_ops(cells: &HashMap<CoreId, Arc<Cell>>) -> usize {
    cells.values().map(|cell| cell.ops.load(Ordering::Relaxed)).sum()
}

/// Drops the half of the cells that were not used for longest, sparing those in use.
fn make_room(cells: &mut HashMap<CoreId, Arc<Cell>>) {
    let mut uses: Vec<u64> = cells.values().map(|cell| cell.last_use.load(Ordering::Relaxed)).collect();
    let middle = uses.len() / 2;
    let (_, median, _) = uses.select_nth_unstable(middle);
    let median = *median;
    cells.retain(|_, cell| cell.last_use.load(Ordering::Relaxed) > median || Arc::strong_count(cell) > 1);
}
