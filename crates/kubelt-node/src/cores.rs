//! Cores on this node: found, loaded, and written to by one writer at a time.
//!
//! Each core has a cell with its log. Writers put their job into the cell's queue and then ask for its
//! lock; whoever gets it takes all jobs that wait, judges them one after the other and commits them in one
//! transaction. So a single writer pays one disk sync, sixty-four writers share one, and no rule is ever
//! judged against a log that another writer is changing.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use kubelt_core::{
    Account, Body, CheckedLogin, CoreId, Genesis, Header, Hlc, Log, Login, LoginId, MapPath, OpId, Signed,
    Unchecked, Verb,
    log::{Entry, LoginFacts},
};
use kubelt_store::{OpsOrder, Store};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::{
    StoreError,
    clock::Clock,
    limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX, CACHED_LOGS_MAX, CACHED_OPS_MAX},
    session_table::SessionTable,
    write::{Batch, Write, WriteError, Written},
};

/// The cores of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Cores {
    store: Store,
    clock: Arc<dyn Clock>,
    sessions: SessionTable,
    cells: Arc<Mutex<HashMap<CoreId, Arc<Cell>>>>,
    uses: Arc<AtomicU64>,
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
    answer: oneshot::Sender<Result<Written, WriteError>>,
}

/// A log in memory.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) log: Log,
    /// The store's generation when it was loaded: after a failed commit it may know what the store does not.
    generation: u64,
}

/// Why a core's log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The core is not on this node.
    #[error("the core is not on this node")]
    Unknown,
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// What the store holds is no log.
    #[error("operation `{op}` of core `{core}` cannot be read; run `kubelt doctor`")]
    Damaged {
        /// The core.
        core: CoreId,
        /// The operation.
        op: OpId,
    },
}

impl Cores {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>, sessions: SessionTable) -> Self {
        Self { store, clock, sessions, cells: Arc::default(), uses: Arc::default() }
    }

    /// The core that an address names. The first name is an account or a core id; names of child cores are not
    /// resolved yet. Whether the core is on this node is not said here: an id is answered for any name,
    /// so that a request for a core that is not here takes the same way to the same 404 as one for a core
    /// that shows nothing.
    pub fn resolve(names: &[String]) -> CoreId {
        let nobody = || CoreId::of(names.join("/").as_bytes());
        let [name] = names else { return nobody() };
        if let Ok(core) = name.parse() {
            return core;
        }
        let account = name.to_ascii_lowercase().parse::<Account>().or_else(|_cause| name.parse());
        account.map_or_else(|_no_account| nobody(), |root| Genesis::Private { root }.id())
    }

    /// The genesis of a core on this node.
    ///
    /// # Errors
    /// [`LoadError::Unknown`] when it is not here.
    pub fn genesis(&self, core: &CoreId) -> Result<Genesis, LoadError> {
        let bytes = self.store.genesis(core)?.ok_or(LoadError::Unknown)?;
        Genesis::decode(&bytes).map_err(|_cause| LoadError::Damaged { core: *core, op: core.as_root() })
    }

    /// Whether `account` may do `verb` at `path` in the core.
    pub(crate) async fn may(
        &self,
        core: &CoreId,
        account: &Account,
        verb: Verb,
        path: Option<&MapPath>,
    ) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => self.with_log(core, |log| log.may(account, verb, path).is_some()).await,
        }
    }

    /// Whether `account` is, alone or with others, the root of the core.
    pub(crate) async fn is_root(&self, core: &CoreId, account: &Account) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => self.with_log(core, |log| log.root().contains(account)).await,
        }
    }

    /// What is known without the log: an account is the root of its own private core for ever, and nobody
    /// has a part in a core that is not here.
    fn known_root(&self, core: &CoreId, account: &Account) -> Result<Option<bool>, LoadError> {
        match self.genesis(core) {
            Ok(Genesis::Private { root }) if root == *account => Ok(Some(true)),
            Ok(_) => Ok(None),
            Err(LoadError::Unknown) => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    /// Whether `account` may do anything at all in the core.
    pub(crate) async fn has_part(&self, core: &CoreId, account: &Account) -> Result<bool, LoadError> {
        match self.known_root(core, account)? {
            Some(answer) => Ok(answer),
            None => {
                let has = |log: &Log| {
                    log.root().contains(account) || log.grants().any(|grant| grant.to.contains(account))
                };
                self.with_log(core, has).await
            }
        }
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

    /// A header for `body` by an account that signs itself, on top of the heads of a core that need not be
    /// here.
    pub(crate) async fn draft_unlisted(
        &self,
        core: CoreId,
        by: &Account,
        body: &Body,
        now_ms: u64,
    ) -> Result<Header, WriteError> {
        let heads = match self.with_log(&core, |log| (log.heads(), log.next_at(now_ms))).await {
            Ok(found) => found,
            Err(LoadError::Unknown) => (Vec::new(), Some(Hlc::from_ms(now_ms))),
            Err(error) => return Err(WriteError::Load(Arc::new(error))),
        };
        let (mut prev, at) = heads;
        prev.truncate(kubelt_core::limits::PREV_MAX);
        prev.sort();
        Ok(Header {
            v: kubelt_core::genesis::VERSION,
            core,
            prev,
            by: by.clone(),
            login: None,
            auth: core.as_root(),
            at: at.unwrap_or(Hlc::MAX),
            votes: Vec::new(),
            verb: body.act.verb(),
            body: body.id(),
        })
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
    pub(crate) async fn write_all(
        &self,
        core: CoreId,
        writes: Vec<Write>,
    ) -> Vec<Result<Written, WriteError>> {
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
            let (tx, _) = batch.finish()?;
            tx.commit().await.map_err(WriteError::Commit)
        });
        reopening.await.unwrap_or(Err(WriteError::Stopped))
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
        if let Err(error) = self.load(cell, slot).await {
            let error = WriteError::Load(Arc::new(error));
            return jobs.into_iter().for_each(|job| reply(job.answer, Err(error.clone())));
        }
        // Out of its slot until it is committed: whatever goes wrong, a panic among it, the next writer reads
        // the log from the store again.
        let mut loaded = slot.take().expect("loaded just now");
        let mut batch = Batch::new(&self.store, cell.core, &mut loaded, self.clock.now_ms());
        let mut answers = Vec::with_capacity(jobs.len());
        let mut broken = None;
        let mut jobs = VecDeque::from(jobs);
        while batch.size_bytes() < BATCH_BYTES_MAX
            && let Some(job) = jobs.pop_front()
        {
            let result = batch.apply(job.write, &self.sessions);
            if let Err(error @ WriteError::Tx(_)) = &result {
                // The log may hold what the transaction does not: give the whole batch up.
                broken = Some(error.clone());
            }
            answers.push((job.answer, result));
        }
        // What one transaction does not hold goes into the next, ahead of what came later.
        jobs.into_iter().rev().for_each(|job| cell.queue.lock().push_front(job));
        let committed = match (broken, batch.finish()) {
            (Some(error), _) | (None, Err(error)) => Err(error),
            (None, Ok((tx, ended))) => tx.commit().await.map(|_| ended).map_err(WriteError::Commit),
        };
        match committed {
            Ok(ended) => {
                ended.iter().for_each(|login| self.sessions.evict(login));
                cell.ops.store(loaded.log.len(), Ordering::Relaxed);
                *slot = Some(loaded);
                answers.into_iter().for_each(|(answer, result)| reply(answer, result));
            }
            Err(error) => {
                answers.into_iter().for_each(|(answer, result)| reply(answer, result.and(Err(error.clone()))))
            }
        }
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

/// Reads a core's operations from the store. They were checked when they were taken in.
fn read_log(store: &Store, core: CoreId, genesis: Genesis) -> Result<Log, LoadError> {
    let mut logins: HashMap<LoginId, Arc<LoginFacts>> = HashMap::new();
    let mut entries = Vec::new();
    for op in store.ops(&core, None, OpsOrder::Forward) {
        let op = op?;
        let damaged = || LoadError::Damaged { core, op: op.id };
        let signed = Signed::decode(&op.signed).map_err(|_cause| damaged())?;
        let body = op.body.as_ref().map(|body| Body::decode(body)).transpose().map_err(|_cause| damaged())?;
        let login = match signed.header.login {
            None => None,
            Some(id) => Some(match logins.get(&id) {
                Some(facts) => Arc::clone(facts),
                None => {
                    let facts = read_login(store, &core, &id)?.ok_or_else(damaged)?;
                    logins.insert(id, Arc::clone(&facts));
                    facts
                }
            }),
        };
        entries.push(Entry::stored(op.id, signed.header, body, login));
    }
    Log::load(genesis, entries).map_err(|(op, _refusal)| LoadError::Damaged { core, op })
}

/// The facts of a login that the store holds.
pub(crate) fn read_login(
    store: &Store,
    core: &CoreId,
    id: &LoginId,
) -> Result<Option<Arc<LoginFacts>>, StoreError> {
    let Some(bytes) = store.login(core, id)? else { return Ok(None) };
    let checked =
        Login::decode(&bytes).ok().and_then(|login| CheckedLogin::check(&login, &Unchecked).ok()?.valid());
    Ok(checked.map(|login| Arc::new(LoginFacts::of(&login, core))))
}
