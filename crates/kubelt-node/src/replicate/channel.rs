//! One core with one peer: the log made equal as often as either side has news, and the content that each side lacks.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kubelt_core::{
    Act, Body, CoreId, Log, MapPath, OpId,
    peer::{Kind, Settled, Want, read_block},
    sync::{Allowed, Message, Output, Received, Sync},
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    ChannelError, Exchanged, PeerFault, Replication,
    effort::Asker,
    fetch::Fetch,
    gate::{Gate, Standing},
    holdings::StoreHoldings,
    inbox::Inbox,
    intake::{self, Intake},
    link::{Incoming, Link},
};
use crate::{
    content::PREFIX,
    limits::{PEER_LEFT_OUT_RETRY_MAX, PEER_LEFT_OUT_RETRY_MIN, PEER_SYNC_TIME_MAX},
};

/// How many blocks come before their number is told.
const TOLD_AFTER_BLOCKS: u64 = 64;

/// A core on a connection.
pub(super) struct Channel {
    replication: Replication,
    link: Link,
    id: u32,
    core: CoreId,
    role: Role,
    live: bool,
    inbox: Inbox,
    standing: Standing,
    gate: Arc<Gate>,
    sync: Option<Sync>,
    /// The first message of a sync that waits for its place, and the place of the one that runs.
    greeting: Option<Message>,
    place: Option<OwnedSemaphorePermit>,
    /// When the sync that runs is broken off.
    sync_until: Instant,
    intake: Intake,
    fetch: Fetch,
    fetched_once: bool,
    /// Whether the content is on its way that the sync which runs has told of.
    content_begun: bool,
    touched: BTreeSet<MapPath>,
    changes: watch::Receiver<(u64, u64)>,
    content_changes: u64,
    /// The heads of both sides after the last sync; none where they differed.
    synced: Vec<OpId>,
    /// The heads here after the last sync that left a difference.
    unequal: Vec<OpId>,
    round: u64,
    /// Whether another sync is to follow.
    again: bool,
    /// When to try again what a sync left out, and how long to wait the next time.
    retry: Option<(Instant, Duration)>,
    /// Whether content became whole during a sync: the other side may have asked for it too early.
    late_content: bool,
    announced: u64,
    settled_there: u64,
    status: watch::Sender<Exchanged>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Opener,
    Answerer,
}

impl Channel {
    #[allow(clippy::too_many_arguments, reason = "the two places that make one name every part")]
    pub(super) async fn new(
        replication: &Replication,
        link: &Link,
        id: u32,
        core: CoreId,
        role: Role,
        live: bool,
        incoming: mpsc::Receiver<Incoming>,
        standing: Standing,
        status: watch::Sender<Exchanged>,
    ) -> Result<Self, ChannelError> {
        // Watched before anything is looked at, so that no change falls between.
        let changes = replication.0.cores.changes().watch(&core);
        let gate = Arc::new(replication.gate(core, link.peer(), &standing).await?);
        let inner = &replication.0;
        let claims = inner.claims.join(core);
        let fetch =
            Fetch::new(inner.content.clone(), inner.store.clone(), core, claims, inner.room.clone().part());
        let content_changes = changes.borrow().1;
        Ok(Self {
            intake: Intake::new(replication.clone(), core),
            replication: replication.clone(),
            link: link.clone(),
            id,
            core,
            role,
            live,
            inbox: Inbox::new(incoming),
            standing,
            gate,
            sync: None,
            greeting: None,
            place: None,
            sync_until: Instant::now(),
            fetch,
            fetched_once: false,
            content_begun: false,
            touched: BTreeSet::new(),
            changes,
            content_changes,
            synced: Vec::new(),
            unequal: Vec::new(),
            round: 0,
            again: false,
            retry: None,
            late_content: false,
            announced: 0,
            settled_there: 0,
            status,
        })
    }

    /// A sync is the first thing that happens: this one, where its first message is on its way already.
    pub(super) fn begin_at_once(&mut self, begun: Option<Sync>) {
        match begun {
            Some(sync) => {
                self.round += 1;
                self.begin(sync);
            }
            None => self.again = true,
        }
    }

    /// What the peer may have.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    fn say(&self, kind: Kind, payload: &[u8]) {
        self.link.out().say(self.id, kind, payload);
    }

    pub(super) async fn run(mut self) -> Result<(), ChannelError> {
        loop {
            if self.role == Role::Opener && self.sync.is_none() && self.again {
                self.start().await?;
            }
            self.fetch.advance(self.link.out(), self.id).await?;
            if self.fetch.take_cut() {
                self.plan_retry(false);
            }
            if self.is_quiet() && self.announce() {
                return Ok(());
            }
            let (settling, busy) = (self.fetch.is_settling(), self.fetch.has_work());
            let looks_again = self.fetch.looks_again();
            let taking = self.intake.is_busy();
            let retry = self.retry.filter(|_| self.live && self.sync.is_none()).map(|(at, _)| at);
            tokio::select! {
                incoming = self.inbox.recv() => {
                    let Some(incoming) = incoming else { return Err(ChannelError::Closed) };
                    if !self.heard(incoming).await? {
                        return Ok(());
                    }
                }
                fresh = self.intake.advance(), if taking => self.count(fresh?),
                settled = self.fetch.settled(), if settling => {
                    settled?;
                    self.open_whole().await?;
                }
                changed = self.changes.changed() => {
                    if changed.is_ok() {
                        self.changed().await?;
                    }
                }
                () = tokio::task::yield_now(), if busy => {}
                () = sleep_until(looks_again.unwrap_or_else(Instant::now)), if looks_again.is_some() => {}
                place = Arc::clone(self.link.syncs()).acquire_owned(), if self.greeting.is_some() => {
                    self.place = place.ok();
                    if let Some(greeting) = self.greeting.take() {
                        self.answer(greeting).await?;
                    }
                }
                () = sleep_until(self.sync_until), if self.sync.is_some() => return Err(ChannelError::Slow),
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => self.again = true,
            }
        }
    }

    /// Begins a sync.
    async fn start(&mut self) -> Result<(), ChannelError> {
        self.again = false;
        self.round += 1;
        self.status.send_modify(|status| status.settled = false);
        self.regate().await?;
        let (replication, core, allowed) = (&self.replication, self.core, self.gate.allowed);
        let start = |log: &Log| Sync::start(&StoreHoldings::new(log, replication, core), allowed);
        let (sync, hello) = self.replication.0.cores.with_log(&core, start).await?;
        self.begin(sync);
        self.say(Kind::Sync, &hello.encode());
        Ok(())
    }

    fn begin(&mut self, sync: Sync) {
        self.content_begun = false;
        self.sync = Some(sync);
        self.sync_until = Instant::now() + PEER_SYNC_TIME_MAX;
    }

    /// Asks again what the peer may have. Where it may have less than before, the channel ends: a sync that runs would
    /// go on giving what it gave.
    async fn regate(&mut self) -> Result<(), ChannelError> {
        let gate = self.replication.gate(self.core, self.link.peer(), &self.standing).await?;
        let before = std::mem::replace(&mut self.gate, Arc::new(gate));
        let is_less = match before.allowed {
            Allowed::Full => !self.gate.is_full(),
            Allowed::PublicOnly => !self.gate.is_open(),
            Allowed::Nothing => false,
        };
        match self.role {
            Role::Answerer if is_less => Err(ChannelError::NotFound),
            Role::Opener if is_less => Err(ChannelError::Withdrawn),
            Role::Answerer | Role::Opener => Ok(()),
        }
    }

    /// The core has changed, here or over this very channel.
    async fn changed(&mut self) -> Result<(), ChannelError> {
        let (_ops, content) = *self.changes.borrow_and_update();
        self.regate().await?;
        let content_changed = std::mem::replace(&mut self.content_changes, content) != content;
        if self.sync.is_some() {
            // What comes by this sync changes the core, too. Its end looks at the heads.
            self.late_content |= content_changed && self.lacks_there();
            return Ok(());
        }
        // With different heads there may be nothing to do about it: only what is new since then is news.
        let heads = self.heads()?;
        if (content_changed && self.lacks_there()) || (heads != self.synced && heads != self.unequal) {
            self.tell();
        }
        Ok(())
    }

    /// Whether the peer may lack content that it asked for. It says so after each sync, also after one that other peers'
    /// operations made necessary.
    fn lacks_there(&self) -> bool {
        self.settled_there != self.round || self.status.borrow().incomplete_there > 0
    }

    /// Another sync is to follow.
    fn tell(&mut self) {
        match self.role {
            Role::Opener => self.again = self.live || self.again,
            Role::Answerer if self.live => self.say(Kind::News, &[]),
            Role::Answerer => {}
        }
    }

    fn heads(&self) -> Result<Vec<OpId>, ChannelError> {
        Ok(sorted(self.replication.0.store.heads(&self.core)?))
    }

    /// Takes a frame; false where the peer closes the channel.
    async fn heard(&mut self, incoming: Incoming) -> Result<bool, ChannelError> {
        // Nothing is answered by what the peer was allowed before.
        if self.changes.has_changed().unwrap_or(false) {
            self.changed().await?;
        } else if self.gate.has_run_out() {
            self.regate().await?;
        }
        let Incoming { kind, payload, .. } = &incoming;
        match (kind, self.role) {
            (Kind::Sync, _) => {
                let message = Message::decode(payload).map_err(PeerFault::Message)?;
                self.step(message).await?;
            }
            (Kind::News, Role::Opener) => self.again = true,
            (Kind::Settled, _) => {
                let settled = Settled::decode(payload).map_err(PeerFault::Message)?;
                self.settled_there = settled.round;
                self.status.send_if_modified(|status| {
                    std::mem::replace(&mut status.incomplete_there, settled.incomplete) != settled.incomplete
                });
            }
            (Kind::Want, _) => {
                let Want { cids } = Want::decode(payload).map_err(PeerFault::Message)?;
                self.link.out().want(self.id, &self.gate, cids)?;
            }
            (Kind::Block, _) => {
                let before = self.fetch.fetched.blocks;
                let blocks = self.inbox.blocks(incoming, self.fetch.asked()).await;
                self.fetch.take(blocks).await?;
                let fetched = self.fetch.fetched;
                // Told once in a while.
                if before / TOLD_AFTER_BLOCKS != fetched.blocks / TOLD_AFTER_BLOCKS {
                    self.status.send_modify(|status| {
                        (status.blocks, status.bytes) = (fetched.blocks, fetched.bytes);
                    });
                }
            }
            (Kind::NotHere, _) => {
                let (cid, _) = read_block(payload).map_err(PeerFault::Frame)?;
                self.fetch.not_here(&cid)?;
            }
            (Kind::NotFound, _) => return Err(ChannelError::NotFound),
            (Kind::Close, _) => return Ok(false),
            (other, _) => return Err(PeerFault::Unexpected(*other).into()),
        }
        Ok(true)
    }

    /// One step of a sync.
    async fn step(&mut self, message: Message) -> Result<(), ChannelError> {
        if self.sync.is_none() {
            let begins = self.role == Role::Answerer && self.greeting.is_none();
            if !begins || !matches!(message, Message::Hello { .. }) {
                return Err(PeerFault::Unexpected(Kind::Sync).into());
            }
            match Arc::clone(self.link.syncs()).try_acquire_owned() {
                Ok(place) => self.place = Some(place),
                Err(_all_taken) => {
                    self.greeting = Some(message);
                    return Ok(());
                }
            }
            return self.answer(message).await;
        }
        self.go_on(message).await
    }

    /// Answers the first message of a sync.
    async fn answer(&mut self, greeting: Message) -> Result<(), ChannelError> {
        self.regate().await?;
        self.round += 1;
        self.begin(Sync::answer(self.core, self.gate.allowed));
        self.go_on(greeting).await
    }

    async fn go_on(&mut self, message: Message) -> Result<(), ChannelError> {
        if intake::rests_on_log(&message) {
            let fresh = self.intake.finish().await?;
            self.count(fresh);
        }
        let (replication, core) = (&self.replication, self.core);
        let asker = Asker { peer: self.link.peer(), is_stranger: !self.gate.is_full() };
        replication.0.efforts.turn(asker).await;
        let sync = self.sync.as_mut().expect("there is one now");
        let step = |log: &Log| {
            let began = std::time::Instant::now();
            let step = sync.step(message, &StoreHoldings::new(log, replication, core));
            (step.map(|step| intake::without_known(step, log)), sorted(log.heads()), began.elapsed())
        };
        let (step, heads, took) = replication.0.cores.with_log(&core, step).await?;
        let step = step.map_err(PeerFault::Sync)?;
        let send: Vec<Vec<u8>> = step.send.iter().map(Message::encode).collect();
        replication.0.efforts.put_down(asker, took, send.iter().map(Vec::len).sum());
        replication.0.efforts.put_down(asker, self.intake.take_wasted(), 0);
        let mut finished = None;
        for output in step.outputs {
            match output {
                Output::Received(received) => self.take_in(received).await?,
                Output::Bodies(_) => {}
                Output::AllCame => self.begin_content()?,
                Output::NotFound => return Err(ChannelError::NotFound),
                Output::Finished { equal } => finished = Some(equal),
            }
        }
        for message in send {
            self.say(Kind::Sync, &message);
        }
        match finished {
            Some(equal) => self.finish(equal, heads),
            None => Ok(()),
        }
    }

    async fn take_in(&mut self, received: Vec<Received>) -> Result<(), ChannelError> {
        let content = |op: &Received| match op.body.as_ref().map(|Body { act, .. }| act) {
            Some(Act::Put { path, .. }) if path.prefix() == PREFIX => Some(path.clone()),
            _ => None,
        };
        let paths: Vec<MapPath> = received.iter().filter_map(content).collect();
        self.touched.extend(paths);
        let fresh = self.intake.take(received).await?;
        self.count(fresh);
        Ok(())
    }

    /// So many operations came in.
    fn count(&self, fresh: u64) {
        if fresh > 0 {
            self.status.send_modify(|status| status.ops += fresh);
        }
    }

    /// A sync has ended, with these heads here.
    fn finish(&mut self, equal: bool, heads: Vec<OpId>) -> Result<(), ChannelError> {
        (self.sync, self.place) = (None, None);
        // Somebody wrote meanwhile, or something was left out. As long as syncs change anything, there is another.
        if !equal && heads != self.unequal {
            self.again |= self.role == Role::Opener;
            self.unequal.clone_from(&heads);
        }
        let same: Option<Arc<[OpId]>> = equal.then(|| heads.as_slice().into());
        self.synced = if equal { heads } else { Vec::new() };
        self.plan_retry(equal);
        if std::mem::take(&mut self.late_content) {
            self.tell();
        }
        if !self.content_begun {
            self.begin_content()?;
        }
        self.status.send_modify(|status| {
            status.rounds += 1;
            status.equal = equal;
            status.heads = same;
        });
        Ok(())
    }

    /// Fetches what the operations that came name: from whoever was asked for the core, and from hosts and people of the core.
    fn begin_content(&mut self) -> Result<(), ChannelError> {
        // What came may be what lets the peer have all of it: the end of the sync looks again.
        if self.role == Role::Opener || self.gate.is_full() {
            self.content_begun = true;
            let touched = std::mem::take(&mut self.touched);
            let paths = self.fetched_once.then_some(touched);
            self.fetched_once = true;
            self.fetch.begin(paths)?;
        }
        Ok(())
    }

    /// What was left out may be taken later: when this clock has reached its date, or another peer has sent what it
    /// follows.
    fn plan_retry(&mut self, equal: bool) {
        let pause = self.retry.map_or(PEER_LEFT_OUT_RETRY_MIN, |(_, pause)| pause);
        let wanted = !equal && self.role == Role::Opener;
        self.retry = wanted.then(|| (Instant::now() + pause, (pause * 2).min(PEER_LEFT_OUT_RETRY_MAX)));
    }

    /// Opens the paths that have become whole.
    async fn open_whole(&mut self) -> Result<(), ChannelError> {
        let whole = self.fetch.take_whole();
        if !whole.is_empty() {
            self.replication.0.cores.reopen(&self.core, whole).await.map_err(ChannelError::Write)?;
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.sync.is_none()
            && self.greeting.is_none()
            && !self.again
            && self.round > 0
            && self.fetch.is_idle()
    }

    /// Says that all is here; gives whether nothing more is to be done.
    fn announce(&mut self) -> bool {
        let incomplete = self.fetch.incomplete();
        if self.announced != self.round {
            self.announced = self.round;
            self.say(Kind::Settled, &Settled { round: self.round, incomplete }.encode());
        }
        let both = self.settled_there == self.round;
        let now_ms = self.replication.0.clock.now_ms();
        let fetched = self.fetch.fetched;
        self.status.send_if_modified(|status| {
            let before = status.clone();
            if both && !status.settled {
                status.settled_ms = Some(now_ms);
            }
            status.settled = both;
            status.incomplete = incomplete;
            (status.blocks, status.bytes) = (fetched.blocks, fetched.bytes);
            *status != before
        });
        both && !self.live && self.role == Role::Opener
    }
}

fn sorted(mut heads: Vec<OpId>) -> Vec<OpId> {
    heads.sort_unstable();
    heads
}
