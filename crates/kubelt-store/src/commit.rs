//! Group commit: one thread writes what all transactions hand in, one sync for each group.
//!
//! A large group is synced on a second thread, and the next group is staged over it and written meanwhile. Groups are
//! applied and acknowledged one after the other all the same, each once it is durable; when one cannot be made so, what
//! was written behind it is given up with it.

pub(crate) mod queue;
mod syncer;
pub(crate) mod ticket;
pub(crate) mod watch;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kubelt_core::CoreId;
use parking_lot::RwLock;

use crate::{
    apply::{Rows, Stage},
    error::{CommitError, IndexError, QuotaExceeded},
    index::Index,
    keys,
    limits::{OVERLAP_BYTES_MIN, REPLAY_BYTES_MAX},
    mutation::{self, Mutation},
    options::{Options, Quota},
    segment::{
        log::Log,
        record::{Pointer, Record, split_block},
        writer::{Group, Position, Writer},
    },
    values::{Counters, Location},
};
use queue::{Pending, Queue};
use syncer::{Syncer, Syncing};
use watch::{Watch, Watches};

/// Whether a store takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    ReadWrite,
    /// It does not.
    ReadOnly {
        /// Why, and what to do.
        reason: Arc<str>,
    },
}

/// What the committer tells everybody.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) mode: RwLock<Mode>,
    /// How many groups failed.
    pub(crate) generation: AtomicU64,
    /// How often the index was written to, or tried to be.
    pub(crate) revision: AtomicU64,
    /// How many groups there were, and how many transactions in them.
    pub(crate) groups: AtomicU64,
    pub(crate) txs: AtomicU64,
}

impl Status {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode: RwLock::new(mode),
            generation: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            txs: AtomicU64::new(0),
        }
    }
}

/// A transaction as it reaches the committer.
#[derive(Debug)]
pub(crate) struct Request {
    /// Its blocks and, last, its commit record.
    pub(crate) records: Vec<Record>,
    /// Index keys of blocks that it did not bring because they were there.
    pub(crate) needs: Vec<Vec<u8>>,
    /// What it was made upon: it happens only if these are so before it, and those after it.
    pub(crate) expects: Expects,
    /// What it was made upon, too: nobody has written rows of these blocks since it was looked at.
    pub(crate) rests_on: Option<RestsOn>,
    /// Whether writers go first.
    pub(crate) is_background: bool,
    /// What the committer is to do for compaction.
    pub(crate) errand: Option<Errand>,
    /// Cores whose quotas it must keep.
    pub(crate) quotas: Vec<CoreId>,
}

/// What only the thread that writes may do.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Ends the segment that is written to.
    Seal,
    /// Makes the index durable.
    Flush,
    /// Replaces rows of the index that still are as they were. Nothing is written of it: a replay of the segments
    /// comes to the same.
    Repoint(Vec<Repoint>),
}

/// A row of the index that is to point elsewhere.
#[derive(Debug)]
pub(crate) struct Repoint {
    pub(crate) key: Bytes,
    pub(crate) from: Bytes,
    pub(crate) to: Bytes,
}

/// What a transaction rests on, looked at when it is committed.
#[derive(Debug, Default)]
pub(crate) struct Expects {
    /// Keys and their values, as the index holds them, before the transaction.
    pub(crate) before: Vec<(Vec<u8>, Option<Bytes>)>,
    /// Prefixes under which the transaction leaves nothing.
    pub(crate) empty_after: Vec<Vec<u8>>,
}

/// What was looked at for a transaction, and may not have changed since.
#[derive(Debug)]
pub(crate) struct RestsOn {
    pub(crate) watch: Arc<Watch>,
    /// Marks of the blocks of which it has read all that decides whether they may go.
    pub(crate) marks: Vec<u64>,
}

/// A group that is written and perhaps not durable.
struct Written {
    accepted: Vec<Pending>,
    rows: Rows,
    /// Of the blocks whose rows are among them.
    marks: Vec<u64>,
    bytes: u64,
    /// The end of what was written before it.
    durable: Position,
}

/// A group that is being synced.
struct Flying {
    written: Written,
    sync: Syncing,
}

/// The thread's state.
pub(crate) struct Committer {
    pub(crate) log: Arc<Log>,
    pub(crate) index: Arc<dyn Index>,
    pub(crate) writer: Writer,
    pub(crate) store: u64,
    pub(crate) options: Options,
    pub(crate) status: Arc<Status>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) watches: Arc<Watches>,
    /// Bytes of segments that the index would need replayed after a kill.
    pub(crate) unflushed_bytes: u64,
}

impl Committer {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let queue = self.queue.clone();
        let _closed_on_panic = queue.close_on_drop();
        let syncer = Syncer::start(&queue);
        let mut flying: Option<Flying> = None;
        loop {
            let group = match &flying {
                None => queue.next_group(),
                Some(flying) => queue.next_group_until(|| flying.sync.is_done()),
            };
            let Some(group) = group else {
                match flying.take() {
                    Some(flying) => drop(self.land(flying)),
                    None => break,
                }
                continue;
            };
            flying = match flying.take() {
                Some(before) if self.may_overlap(&group) => {
                    // The disk still works at the last group while this one goes into the page cache.
                    let written = match self.check(&group) {
                        Ok(()) => self.write(group, Some(&before)),
                        Err(error) => self.fail(group, &error),
                    };
                    match (self.land(before), written) {
                        (Ok(()), written) => written.and_then(|written| self.fly(written, syncer.as_ref())),
                        (Err(error), Some(written)) => {
                            self.writer.give_up_behind(written.durable);
                            self.fail(written.accepted, &error);
                            None
                        }
                        (Err(_), None) => None,
                    }
                }
                before => {
                    before.into_iter().for_each(|before| drop(self.land(before)));
                    self.begin(group).and_then(|written| self.fly(written, syncer.as_ref()))
                }
            };
        }
        if let Err(error) = self.index.flush() {
            tracing::warn!(%error, "the index was not made durable; it is replayed at the next start");
        }
    }

    /// Whether a group may be written before the one before it is durable: it goes on in the same segment, nothing
    /// is asked of the committer but to write, and none of it rests on what somebody read who could not see yet what
    /// that one changes.
    fn may_overlap(&self, group: &[Pending]) -> bool {
        let only_writes = |one: &Pending| one.request.errand.is_none() && one.request.rests_on.is_none();
        self.writer.goes_on(self.options.segment_bytes) && group.iter().all(only_writes)
    }

    /// Writes a group at the end of a segment, or at the beginning of the next.
    fn begin(&mut self, group: Vec<Pending>) -> Option<Written> {
        if let Err(error) = self.check(&group) {
            return self.fail(group, &error);
        }
        if group.iter().any(|one| matches!(one.request.errand, Some(Errand::Seal))) {
            self.writer.seal();
        }
        match self.writer.prepare(self.options.segment_bytes) {
            Ok(()) => self.write(group, None),
            Err(error) => self.fail(group, &CommitError::Write(Arc::new(error))),
        }
    }

    /// Stages and writes a group, over one that is not applied yet.
    fn write(&mut self, pending: Vec<Pending>, before: Option<&Flying>) -> Option<Written> {
        let (index, durable) = (self.index.clone(), self.writer.position());
        let mut stage = Stage::over(&*index, before.map(|before| &before.written.rows));
        let mut group = Group::default();
        let mut accepted = Vec::with_capacity(pending.len());
        let mut marks = Vec::new();
        for one in pending {
            let mark = group.mark();
            match self.place(&one.request, &mut stage, &mut group) {
                Ok(()) => {
                    let from = marks.len();
                    marks.extend(stage.keys().filter_map(|key| self.watches.mark_of_row(key)));
                    self.watches.note(&marks[from..]);
                    stage.keep();
                    accepted.push(one);
                }
                Err(error) => {
                    stage.forget();
                    group.back_to(mark);
                    one.answer(Err(error));
                }
            }
        }
        if let Err(error) = self.writer.write(&group) {
            tracing::error!(?error, "a group of transactions was not written");
            return self.fail(accepted, &CommitError::Write(Arc::new(error)));
        }
        let rows = stage.into_rows(self.store, self.writer.position());
        Some(Written { accepted, rows, marks, bytes: group.len(), durable })
    }

    /// Has a large group synced on another thread; a small one is done when this returns.
    fn fly(&mut self, written: Written, syncer: Option<&Syncer>) -> Option<Flying> {
        let file = self.writer.file();
        let elsewhere = syncer.filter(|_| written.bytes >= OVERLAP_BYTES_MIN);
        let sync = match elsewhere.and_then(|syncer| syncer.sync(file.clone())) {
            Some(sync) => return Some(Flying { written, sync }),
            None if written.bytes == 0 => Ok(()),
            None => file.sync(),
        };
        // Whoever waits has been told.
        let _failed = self.settle(written, sync);
        None
    }

    /// Waits for the sync of a group and finishes it.
    fn land(&mut self, flying: Flying) -> Result<(), CommitError> {
        let sync = flying.sync.wait();
        self.settle(flying.written, sync)
    }

    /// Finishes a group that is durable, or gives it up. An error is one for whatever was written behind it, too.
    fn settle(&mut self, written: Written, sync: io::Result<()>) -> Result<(), CommitError> {
        let Written { accepted, rows, marks, bytes, durable } = written;
        if let Err(error) = sync {
            tracing::error!(?error, "a group of transactions was not written");
            self.writer.give_up_behind(durable);
            let error = CommitError::Sync(Arc::new(error));
            self.fail(accepted, &error);
            return Err(error);
        }
        let applied = self.index.apply(rows.into_iter().collect());
        // Behind the change and before anybody is told of it: who sees the new number sees the change.
        self.status.revision.fetch_add(1, Ordering::Release);
        if let Err(error) = applied {
            self.stop_writing(&error);
            let error = CommitError::Index(error);
            self.fail(accepted, &error);
            return Err(error);
        }
        self.watches.note(&marks);
        if accepted.iter().any(|one| matches!(one.request.errand, Some(Errand::Flush)))
            && let Err(error) = self.index.flush()
        {
            self.fail(accepted, &CommitError::Index(error));
            return Ok(());
        }
        self.status.groups.fetch_add(1, Ordering::Relaxed);
        self.status.txs.fetch_add(accepted.len() as u64, Ordering::Relaxed);
        accepted.into_iter().for_each(|one| one.answer(Ok(())));
        self.bound_replay(bytes);
        Ok(())
    }

    /// Makes the index durable now and then, so that little must be replayed after a kill.
    fn bound_replay(&mut self, written: u64) {
        self.unflushed_bytes += written;
        if self.unflushed_bytes < REPLAY_BYTES_MAX {
            return;
        }
        self.unflushed_bytes = 0;
        if let Err(error) = self.index.flush() {
            tracing::warn!(%error, "the index was not made durable; it is tried again later");
        }
    }

    /// Whether anything may be written.
    fn check(&self, pending: &[Pending]) -> Result<(), CommitError> {
        if let Mode::ReadOnly { reason } = &*self.status.mode.read() {
            return Err(CommitError::ReadOnly { reason: reason.clone() });
        }
        let bytes: u64 = pending.iter().map(|one| one.request.stride()).sum();
        let free = self.log.disk().free_bytes().map_err(|error| CommitError::Write(Arc::new(error)))?;
        let floor = self.options.free_bytes_min.saturating_add(bytes);
        if free < floor { Err(CommitError::NoSpace { free, floor }) } else { Ok(()) }
    }

    /// Stages one transaction and places its records at the end of the group.
    fn place(&self, request: &Request, stage: &mut Stage<'_>, group: &mut Group) -> Result<(), CommitError> {
        for key in &request.needs {
            if stage.get(key).map_err(CommitError::Unreadable)?.is_none() {
                return Err(CommitError::BlockForgotten);
            }
        }
        for (key, value) in &request.expects.before {
            if stage.get(key).map_err(CommitError::Unreadable)? != *value {
                return Err(CommitError::Conflict);
            }
        }
        if request.rests_on.as_ref().is_some_and(|on| !on.watch.is_quiet(&on.marks)) {
            return Err(CommitError::Conflict);
        }
        if let Some(Errand::Repoint(rows)) = &request.errand {
            for Repoint { key, from, to } in rows {
                stage.repoint(key, from, to).map_err(CommitError::Unreadable)?;
            }
        }
        for record in &request.records {
            let at = self.writer.place(group, record);
            let [head, _] = &record.parts;
            match record.kind {
                crate::segment::format::Kind::Block => {
                    let (cid, skip) =
                        split_block(head).expect("a transaction makes its block records itself");
                    let payload =
                        Pointer { segment: at.segment, offset: at.offset, len: record.len, crc: record.crc };
                    stage.block(&cid, Location { payload, skip }).map_err(CommitError::Unreadable)?;
                }
                crate::segment::format::Kind::Commit => {
                    // What it removes was there when it was looked at, and nobody has written it since.
                    let is_sure = request.rests_on.is_some();
                    stage.mutate(&mutations(head), at, is_sure).map_err(CommitError::Unreadable)?;
                }
            }
        }
        for prefix in &request.expects.empty_after {
            if !stage.is_empty(prefix).map_err(CommitError::Unreadable)? {
                return Err(CommitError::Conflict);
            }
        }
        request.quotas.iter().try_for_each(|core| self.check_quota(stage, core))
    }

    fn check_quota(&self, stage: &Stage<'_>, core: &CoreId) -> Result<(), CommitError> {
        let row = stage.get(&keys::quota(core)).map_err(CommitError::Unreadable)?;
        let quota = match row {
            Some(row) => Quota::from_array(Counters::of_row(Some(&row)).0),
            None => self.options.quota,
        };
        let (now, before) =
            stage.counters_now_and_before(&keys::usage(core)).map_err(CommitError::Unreadable)?;
        let names = ["operations", "bytes of operations", "blocks", "bytes of blocks"];
        for (i, limit) in quota.as_array().into_iter().enumerate() {
            let usage = now.0[i];
            if usage > limit && usage > before.0[i] {
                return Err(QuotaExceeded { core: *core, what: names[i], limit, usage }.into());
            }
        }
        Ok(())
    }

    /// What the index holds is not what the segments hold any more: only a new start mends that.
    fn stop_writing(&self, error: &IndexError) {
        tracing::error!(?error, "the index could not be updated; no more writes until a restart");
        let reason = "its index failed; free some space if the disk is full, then restart the node".into();
        *self.status.mode.write() = Mode::ReadOnly { reason };
    }

    /// Tells all that it failed. Nothing is written of it.
    fn fail(&self, pending: Vec<Pending>, error: &CommitError) -> Option<Written> {
        self.status.generation.fetch_add(1, Ordering::Release);
        pending.into_iter().for_each(|one| one.answer(Err(error.clone())));
        None
    }
}

impl Request {
    /// Bytes that its records take in a segment.
    pub(crate) fn stride(&self) -> u64 {
        self.records.iter().map(Record::stride).sum()
    }
}

fn mutations(payload: &Bytes) -> Vec<Mutation> {
    mutation::decode(payload).expect("a transaction encodes its mutations itself")
}
