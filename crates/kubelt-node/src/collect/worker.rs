//! The worker that takes what is in the queue.

use std::{collections::HashSet, sync::Arc, time::Duration};

use cid::Cid;
use kubelt_content::{Codec, links};
use kubelt_core::{CoreId, MapPath};
use kubelt_store::{CommitError, CommitTicket, Store, Took, Tx};

use super::{
    Job, Leases, Stamps, end_lease, enqueue, is_leased,
    keeps::is_kept,
    leases::{expect_none, expect_same},
    queue::{self, Queued, count_due},
};
use crate::{
    StoreError,
    content::{Content, PREFIX, expect_hidden, expect_not_whole, hide, is_shown, linked_at, unmark_whole},
    cores::Cores,
    limits::{
        COLLECT_BLOCKS, COLLECTOR_REST, GRACE_MS, HELD_LOOK_MS, LOOK_BLOCKS, QUEUE_COUNTED_MAX, SWEEP_BLOCKS,
        VERSIONS_PAGE,
    },
    worker::{Progress, Step, Stepping, Work, WorkError},
};

/// Collects what no path names any more.
#[derive(Debug)]
pub(crate) struct Collector {
    store: Store,
    cores: Cores,
    content: Content,
    stamps: Stamps,
    leases: Leases,
    job: Option<Running>,
    /// Blocks that are looked at before the next ones are: fewer while writers are faster.
    batch: usize,
    /// Whether bytes were forgotten since segments were last looked at.
    forgot: bool,
}

/// A job that takes more than one step.
#[derive(Debug)]
enum Running {
    Dead(Dead),
    Versions { queued: Queued, core: CoreId, after: Option<MapPath> },
    Sweep { queued: Queued, core: CoreId, after: Option<Cid> },
}

/// A root that no path keeps.
#[derive(Debug, Clone)]
struct Dead {
    queued: Queued,
    core: CoreId,
    root: Cid,
    linked_at: u64,
    /// What is left of its blocks; the last one goes first, and no block before those that it links to.
    blocks: Arc<Vec<Cid>>,
    left: usize,
    /// How many of them link to others, the first so many.
    inner: usize,
    /// Whether some blocks stay for now because somebody asked for them.
    loose: bool,
    /// Whether the public index has its blocks perhaps.
    shown: bool,
}

/// What was handed in.
struct Taken {
    tickets: Vec<CommitTicket>,
    left: usize,
    loose: bool,
    forgot: bool,
}

impl Collector {
    pub(crate) fn new(store: Store, cores: Cores, content: Content, stamps: Stamps, leases: Leases) -> Self {
        Self { store, cores, content, stamps, leases, job: None, batch: LOOK_BLOCKS, forgot: true }
    }

    async fn work(&mut self, progress: &Progress) -> Result<Step, WorkError> {
        match self.job.take() {
            Some(Running::Dead(dead)) => {
                progress.say(format!("takes {} blocks of a root of `{}`", dead.left, dead.core));
                self.take(dead).await?;
                return Ok(Step::More);
            }
            Some(Running::Versions { queued, core, after }) => {
                self.look_at_versions(queued, core, after).await?;
                return Ok(Step::More);
            }
            Some(Running::Sweep { queued, core, after }) => {
                progress.say(format!("sweeps `{core}`"));
                self.sweep(queued, core, after).await?;
                return Ok(Step::More);
            }
            None => {}
        }
        let now_ms = self.stamps.now_ms();
        progress.waiting(count_due(&self.store, now_ms, QUEUE_COUNTED_MAX)?);
        let first = queue::first(&self.store)?;
        let Some(queued) = first.as_ref().filter(|queued| queued.due_ms <= now_ms) else {
            if std::mem::take(&mut self.forgot) {
                progress.say("compacts segments");
                let store = self.store.clone();
                let compacted = tokio::task::spawn_blocking(move || store.compact()).await?;
                self.forgot = compacted?;
                if self.forgot {
                    return Ok(Step::More);
                }
            }
            progress.say("waits");
            let due = first.map(|queued| Duration::from_millis(queued.due_ms - now_ms));
            return Ok(Step::Idle(due.unwrap_or(COLLECTOR_REST).min(COLLECTOR_REST)));
        };
        self.begin(queued.clone()).await?;
        Ok(Step::More)
    }

    async fn begin(&mut self, queued: Queued) -> Result<(), WorkError> {
        match queued.job.clone() {
            Job::Root { core, root } => self.condemn(queued, core, root).await?,
            Job::Show { core, root } => {
                if is_kept(&self.store, &core, &root)? {
                    self.content.show(&core, &root).await?;
                }
                self.finish(&queued).await?;
            }
            Job::Versions { core } => self.job = Some(Running::Versions { queued, core, after: None }),
            Job::Sweep { core } => self.job = Some(Running::Sweep { queued, core, after: None }),
        }
        Ok(())
    }

    async fn finish(&self, queued: &Queued) -> Result<(), WorkError> {
        let mut tx = self.store.begin();
        queue::done(&mut tx, queued)?;
        Ok(tx.commit().await?)
    }

    /// Decides whether a root goes, while nobody else writes to its core.
    async fn condemn(&mut self, queued: Queued, core: CoreId, root: Cid) -> Result<(), WorkError> {
        let (store, now_ms) = (self.store.clone(), self.stamps.now_ms());
        let row = queued.clone();
        let decide = move || -> Result<(Tx, Option<u64>), WorkError> {
            let mut tx = store.begin();
            // Before it is looked at: whoever links the root meanwhile leases it, then looks whether it is whole.
            expect_same(&mut tx, &store, &core, &root)?;
            if is_kept(&store, &core, &root)? {
                queue::done(&mut tx, &row)?;
                return Ok((tx, None));
            }
            if let Some(until) = is_leased(&store, &core, &root)?.filter(|until| *until > now_ms) {
                queue::done(&mut tx, &row)?;
                enqueue(&mut tx, until, &row.job)?;
                return Ok((tx, None));
            }
            end_lease(&mut tx, &core, &root)?;
            unmark_whole(&mut tx, &core, &root)?;
            let linked_at = linked_at(&store, &core, &root)?.or(row.linked_at).unwrap_or(0);
            queue::begun(&mut tx, &row, linked_at)?;
            Ok((tx, Some(linked_at)))
        };
        let linked = linked_at(&self.store, &core, &root)?;
        let shown = linked.is_none() || is_shown(&self.store, &root)?;
        let row = queued.clone();
        let decided = match self.cores.alone(&core, decide).await {
            // Leased just now: the next step looks again.
            Err(error) if matches!(error.downcast_ref(), Some(CommitError::Conflict)) => return Ok(()),
            decided => decided?,
        };
        let Some(linked_at) = decided else { return Ok(()) };
        // Stamped after the mark is gone: an export that begins later does not find the root whole.
        let before = row.condemned_at.filter(|_| linked.is_none());
        let condemned_at = before.unwrap_or_else(|| self.stamps.next());
        if self.leases.is_held(&core, condemned_at, now_ms) {
            let mut tx = self.store.begin();
            queue::held(&mut tx, &row, linked_at, condemned_at, now_ms + HELD_LOOK_MS)?;
            return Ok(tx.commit().await?);
        }
        let (store, dead) = (self.store.clone(), root);
        let (blocks, inner) = tokio::task::spawn_blocking(move || reached(&store, &core, &dead)).await??;
        let left = blocks.len();
        let blocks = Arc::new(blocks);
        let loose = linked_at == 0;
        let dead = Dead { queued, core, root, linked_at, blocks, left, inner, loose, shown };
        self.job = Some(Running::Dead(dead));
        Ok(())
    }

    /// Takes the next blocks of a dead root, or ends it.
    async fn take(&mut self, dead: Dead) -> Result<(), WorkError> {
        if dead.left == 0 {
            let mut tx = self.store.begin();
            queue::done(&mut tx, &dead.queued)?;
            if dead.loose {
                enqueue(&mut tx, self.stamps.now_ms() + GRACE_MS, &Job::Sweep { core: dead.core })?;
            }
            return Ok(tx.commit().await?);
        }
        let (store, leases, one) = (self.store.clone(), self.leases.clone(), dead.clone());
        let (batch, now_ms) = (self.batch, self.stamps.now_ms());
        let made =
            tokio::task::spawn_blocking(move || take_some(&store, &leases, &one, batch, now_ms)).await??;
        let Some(Taken { tickets, left, loose, forgot }) = made else {
            return self.finish(&dead.queued).await;
        };
        self.forgot |= forgot;
        let (mut conflict, mut failure) = (false, None);
        for ticket in tickets {
            match ticket.await {
                Ok(()) => {}
                Err(CommitError::Conflict) => conflict = true,
                Err(error) => failure = Some(error),
            }
        }
        if conflict || failure.is_some() {
            // What went is not found again; the others are looked at anew.
            self.batch = (self.batch / 2).max(1);
            self.job = Some(Running::Dead(dead));
            return failure.map_or(Ok(()), |error| Err(error.into()));
        }
        self.batch = (self.batch * 2).min(LOOK_BLOCKS);
        let loose = dead.loose || loose;
        self.job = Some(Running::Dead(Dead { left, loose, ..dead }));
        Ok(())
    }

    /// Looks at the paths of a core whose settings have changed.
    async fn look_at_versions(
        &mut self,
        queued: Queued,
        core: CoreId,
        after: Option<MapPath>,
    ) -> Result<(), WorkError> {
        let base: MapPath = PREFIX.parse().expect("a plain word is a path");
        let paths = self.store.paths_put(&core, &base, after.as_ref(), VERSIONS_PAGE)?;
        let Some(last) = paths.last().cloned() else { return self.finish(&queued).await };
        self.cores.reopen(&core, paths).await?;
        self.job = Some(Running::Versions { queued, core, after: Some(last) });
        Ok(())
    }

    /// Takes what a core possesses, nothing reaches and nobody has asked for lately.
    async fn sweep(&mut self, queued: Queued, core: CoreId, after: Option<Cid>) -> Result<(), WorkError> {
        let (store, leases, now_ms) = (self.store.clone(), self.leases.clone(), self.stamps.now_ms());
        let may_go = move |stamp: u64| {
            stamp + GRACE_MS <= now_ms && leases.oldest(&core).is_none_or(|since| stamp < since)
        };
        let made = tokio::task::spawn_blocking(move || -> Result<_, WorkError> {
            let page: Vec<(Cid, u64)> =
                store.possessions(&core, after.as_ref()).take(SWEEP_BLOCKS).collect::<Result<_, _>>()?;
            let mut last = page.last().map(|(cid, _stamp)| *cid);
            let mut old: Vec<Cid> =
                page.into_iter().filter(|(_cid, stamp)| may_go(*stamp)).map(|(cid, _stamp)| cid).collect();
            let mut taking = store.begin_collection(&core, &old);
            let mut taken = 0;
            for cid in old.drain(..) {
                if matches!(taking.take(&cid, &may_go)?, Took::Possession | Took::Bytes) {
                    taken += 1;
                }
                if taken == COLLECT_BLOCKS {
                    last = Some(cid);
                    break;
                }
            }
            Ok((taking.hand_in(), taken, last))
        });
        let (ticket, taken, last) = made.await??;
        match ticket.await {
            Ok(()) => self.forgot |= taken > 0,
            // A writer was faster: what is left of this page waits for the next sweep.
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        match last {
            Some(_) => self.job = Some(Running::Sweep { queued, core, after: last }),
            None => self.finish(&queued).await?,
        }
        Ok(())
    }
}

impl Work for Collector {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(self.work(progress))
    }
}

/// The blocks that a dead root still reaches, in an order in which they can be taken from the end: every block stands
/// behind one that links to it; and how many of them link to others. Leaves are sorted by their hashes, as the rows about them are in the index, which
/// makes taking many of them several times faster.
fn reached(store: &Store, core: &CoreId, root: &Cid) -> Result<(Vec<Cid>, usize), StoreError> {
    let (mut found, mut leaves) = (Vec::new(), Vec::new());
    let mut seen = HashSet::from([*root]);
    let mut stack = vec![*root];
    while let Some(cid) = stack.pop() {
        let Some(codec) = Codec::of(&cid).ok().filter(|codec| *codec != Codec::Raw) else {
            // Whether the root reaches it is looked at when it is taken.
            leaves.push(cid);
            continue;
        };
        if !store.reaches(core, root, &cid)? {
            continue;
        }
        found.push(cid);
        let Some(block) = store.block(&cid)? else { continue };
        for link in links(codec, &block).unwrap_or_default() {
            if seen.insert(link) {
                stack.push(link);
            }
        }
    }
    leaves.sort_by_cached_key(|cid| cid.hash().to_bytes());
    let inner = found.len();
    found.append(&mut leaves);
    Ok((found, inner))
}

/// Looks at the next blocks of a dead root and hands in what is to become of them; none where a path or an upload
/// has the root again. Leaves go in many transactions at once; what links to others goes in one, for none may go before
/// those that it links to: a walk that begins again must find them.
fn take_some(
    store: &Store,
    leases: &Leases,
    dead: &Dead,
    count: usize,
    now_ms: u64,
) -> Result<Option<Taken>, WorkError> {
    let Dead { core, root, linked_at, blocks, left, inner, shown, .. } = dead;
    let from = match left > inner {
        true => left.saturating_sub(count).max(*inner),
        false => left.saturating_sub(count.min(COLLECT_BLOCKS)),
    };
    let mut taking = store.begin_collection(core, &blocks[from..*left]);
    if linked_at_any(store, core, root)? || is_leased(store, core, root)?.is_some() {
        return Ok(None);
    }
    let hidden = *shown && store.names_of_root(root).next().transpose()?.is_none();
    let mut was_shown = hidden && is_shown(store, root)?;
    let may_go = |stamp: u64| {
        let is_wanted = stamp > *linked_at && stamp + GRACE_MS > now_ms;
        !is_wanted && leases.oldest(core).is_none_or(|since| stamp < since)
    };
    let mut taken = Taken { tickets: Vec::new(), left: from, loose: false, forgot: false };
    for piece in blocks[from..*left].chunks(COLLECT_BLOCKS) {
        let tx = taking.tx();
        expect_none(tx, core, root);
        expect_not_whole(tx, core, root);
        if hidden {
            tx.expect_unnamed(root);
            match std::mem::take(&mut was_shown) {
                true => hide(tx, root)?,
                false => expect_hidden(tx, root),
            }
        }
        for cid in piece {
            if hidden {
                taking.tx().unlink(root, cid)?;
            }
            if !taking.unreach(root, cid)? {
                continue;
            }
            match taking.take(cid, may_go)? {
                Took::Wanted => taken.loose = true,
                Took::Bytes => taken.forgot = true,
                Took::Nothing | Took::Reached | Took::Possession => {}
            }
        }
        taken.tickets.push(taking.hand_in());
    }
    Ok(Some(taken))
}

fn linked_at_any(store: &Store, core: &CoreId, root: &Cid) -> Result<bool, StoreError> {
    Ok(linked_at(store, core, root)?.is_some())
}
