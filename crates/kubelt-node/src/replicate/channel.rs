//! One core with one peer: the log made equal as often as either side has news, and the content that each side lacks.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use kubelt_core::{
    Act, Body, CoreId, Genesis, Log, MapPath, OpId,
    limits::WANTS_MAX,
    peer::{Kind, Open, Opened, Proof, Settled, Statement, Want, read_block},
    sync::{Allowed, Message, Output, Received, Sync},
};
use serde_bytes::ByteBuf;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    ChannelError, Exchanged, PeerFault, Replication,
    fetch::Fetch,
    gate::{Gate, Standing},
    holdings::StoreHoldings,
    intake::Intake,
    link::{Incoming, Link},
};
use crate::{
    content::PREFIX,
    limits::{
        PEER_LEFT_OUT_RETRY_MAX, PEER_LEFT_OUT_RETRY_MIN, PEER_NOT_FOUND_AFTER, PEER_OPEN_TIME,
        PEER_SYNC_TIME_MAX,
    },
    session::Session,
};

/// A core on a connection.
struct Channel {
    replication: Replication,
    link: Link,
    id: u32,
    core: CoreId,
    role: Role,
    live: bool,
    incoming: mpsc::Receiver<Incoming>,
    standing: Standing,
    gate: Arc<Gate>,
    sync: Option<Sync>,
    /// When the sync that runs is broken off.
    sync_until: Instant,
    intake: Intake,
    fetch: Fetch,
    fetched_once: bool,
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
enum Role {
    Opener,
    Answerer,
}

impl Link {
    /// Replicates a core with the peer: until both have all that the other may give, or, where it is to be live, until
    /// the connection or the peer's consent ends. A core that is not here is taken in.
    ///
    /// # Errors
    /// [`ChannelError::NotFound`] where the peer has no such core for this node.
    pub(crate) async fn replicate(
        &self,
        replication: &Replication,
        core: CoreId,
        session: Option<&Session>,
        live: bool,
        status: watch::Sender<Exchanged>,
    ) -> Result<(), ChannelError> {
        let proof = session.and_then(|session| self.prove(replication, core, session));
        self.exchange(replication, core, Wish { proof, live, all: false }, status).await
    }

    /// Takes a core in that the peer brings, until both have the same. It must let this node have all of it.
    pub(super) async fn carry(&self, replication: &Replication, core: CoreId) -> Result<(), ChannelError> {
        let wish = Wish { proof: None, live: false, all: true };
        self.exchange(replication, core, wish, watch::Sender::default()).await
    }

    async fn exchange(
        &self,
        replication: &Replication,
        core: CoreId,
        wish: Wish,
        status: watch::Sender<Exchanged>,
    ) -> Result<(), ChannelError> {
        let Wish { proof, live, all } = wish;
        let (id, incoming) = self.channel().ok_or(ChannelError::Closed)?;
        let _closing = Closing { link: self, id };
        self.out().say(id, Kind::Open, &Open { core, live, proof }.encode());
        let mut incoming = incoming;
        let answer = timeout(PEER_OPEN_TIME, incoming.recv()).await.map_err(|_late| PeerFault::Silent)?;
        let Incoming { kind, payload, .. } = answer.ok_or(ChannelError::Closed)?;
        match kind {
            Kind::Opened => {}
            Kind::NotFound => return Err(ChannelError::NotFound),
            other => return Err(PeerFault::Unexpected(other).into()),
        }
        let opened = Opened::decode(&payload).map_err(PeerFault::Message)?;
        if all && !opened.full {
            return Err(ChannelError::NotFound);
        }
        replication.take_genesis(&core, &opened.genesis).await?;
        let mut channel = Channel::new(
            replication,
            self,
            id,
            core,
            Role::Opener,
            live,
            incoming,
            Standing::Stranger,
            status,
        )
        .await?;
        channel.again = true;
        channel.run().await
    }

    /// The proof that `session` lets this node have `core`, for this connection; none where the node does not hold the
    /// session's key.
    fn prove(&self, replication: &Replication, core: CoreId, session: &Session) -> Option<Proof> {
        let key = session.key.as_ref()?;
        let login = replication.0.store.login(&session.core, &session.id()).ok()??;
        let statement = Statement {
            from: self.own(),
            to: self.peer(),
            nonce: self.peer_nonce(),
            core,
            login: session.id(),
            at_ms: replication.0.clock.now_ms(),
        };
        Some(Proof::sign(login.to_vec(), key, &statement))
    }
}

/// How a core is asked for.
struct Wish {
    proof: Option<Proof>,
    live: bool,
    /// Whether all of it is wanted or nothing.
    all: bool,
}

/// Forgets a channel when its task ends, however it ends.
struct Closing<'a> {
    link: &'a Link,
    id: u32,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.link.close(self.id);
    }
}

/// Answers a channel that the peer opens, in a task of its own.
pub(super) fn answer(
    replication: &Replication,
    link: &Link,
    id: u32,
    incoming: mpsc::Receiver<Incoming>,
    open: Bytes,
) {
    let (replication, link) = (replication.clone(), link.clone());
    tokio::spawn(async move {
        let _closing = Closing { link: &link, id };
        let not_before = Instant::now() + PEER_NOT_FOUND_AFTER;
        match answered(&replication, &link, id, incoming, &open).await {
            Ok(()) | Err(ChannelError::Closed) => {}
            Err(ChannelError::NotFound) => {
                link.out().close(id);
                sleep_until(not_before).await;
                link.out().say(id, Kind::NotFound, &[]);
            }
            Err(ChannelError::Peer(fault)) => {
                replication.strike(link.peer(), &fault);
                link.end();
            }
            Err(error) => {
                tracing::warn!(peer = %link.peer(), error = &error as &dyn std::error::Error, "a core is not replicated");
                link.out().say(id, Kind::Close, &[]);
            }
        }
    });
}

async fn answered(
    replication: &Replication,
    link: &Link,
    id: u32,
    incoming: mpsc::Receiver<Incoming>,
    open: &[u8],
) -> Result<(), ChannelError> {
    let Open { core, live, proof } = Open::decode(open).map_err(PeerFault::Message)?;
    let standing = replication.standing(core, link, proof.as_ref()).await;
    let status = watch::Sender::new(Exchanged::default());
    let watching = status.subscribe();
    let channel =
        Channel::new(replication, link, id, core, Role::Answerer, live, incoming, standing, status).await?;
    if !channel.gate.is_open() {
        replication.take_what_is_brought(link, core);
        return Err(ChannelError::NotFound);
    }
    let genesis = replication.0.store.genesis(&core)?.ok_or(ChannelError::NotFound)?;
    let opened = Opened { genesis: ByteBuf::from(genesis.to_vec()), full: channel.gate.is_full() };
    link.out().say(id, Kind::Opened, &opened.encode());
    if channel.gate.is_full() {
        replication.note_answered(core, link.peer(), watching.clone());
    }
    let ended = channel.run().await;
    replication.forget_answered(core, link.peer(), &watching);
    ended
}

impl Channel {
    #[allow(clippy::too_many_arguments, reason = "the two places that make one name every part")]
    async fn new(
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
        let fetch = Fetch::new(inner.content.clone(), inner.store.clone(), core, claims);
        let content_changes = changes.borrow().1;
        Ok(Self {
            intake: Intake::new(replication.clone(), core),
            replication: replication.clone(),
            link: link.clone(),
            id,
            core,
            role,
            live,
            incoming,
            standing,
            gate,
            sync: None,
            sync_until: Instant::now(),
            fetch,
            fetched_once: false,
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

    fn say(&self, kind: Kind, payload: &[u8]) {
        self.link.out().say(self.id, kind, payload);
    }

    async fn run(mut self) -> Result<(), ChannelError> {
        loop {
            if self.role == Role::Opener && self.sync.is_none() && self.again {
                self.start().await?;
            }
            self.fetch.advance(self.link.out(), self.id).await?;
            if self.is_quiet() && self.announce() {
                self.say(Kind::Close, &[]);
                return Ok(());
            }
            let (settling, busy) = (self.fetch.is_settling(), self.fetch.has_work());
            let looks_again = self.fetch.looks_again();
            let retry = self.retry.filter(|_| self.live && self.sync.is_none()).map(|(at, _)| at);
            tokio::select! {
                incoming = self.incoming.recv() => {
                    let Some(incoming) = incoming else { return Err(ChannelError::Closed) };
                    if !self.heard(incoming).await? {
                        return Ok(());
                    }
                }
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
        let (store, core, allowed) = (&self.replication.0.store, self.core, self.gate.allowed.clone());
        let start = |log: &Log| Sync::start(&StoreHoldings::new(log, store, core), allowed);
        let (sync, hello) = self.replication.0.cores.with_log(&core, start).await?;
        self.begin(sync);
        self.say(Kind::Sync, &hello.encode());
        Ok(())
    }

    fn begin(&mut self, sync: Sync) {
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
            Allowed::PublicOnly(_) => !self.gate.is_open(),
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
            self.late_content |= content_changed;
            return Ok(());
        }
        // With different heads there may be nothing to do about it: only what is new since then is news.
        let heads = self.heads()?;
        if content_changed || (heads != self.synced && heads != self.unequal) {
            self.tell();
        }
        Ok(())
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
                let (cid, data) = read_block(payload).map_err(PeerFault::Frame)?;
                self.fetch.block(cid, payload.slice_ref(data)).await?;
                let fetched = self.fetch.fetched;
                // Told once in a while.
                if fetched.blocks.is_multiple_of(WANTS_MAX as u64 / 4) {
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
            if self.role == Role::Opener || !matches!(message, Message::Hello { .. }) {
                return Err(PeerFault::Unexpected(Kind::Sync).into());
            }
            self.regate().await?;
            self.round += 1;
            self.begin(Sync::answer(self.core, self.gate.allowed.clone()));
        }
        let (store, core) = (&self.replication.0.store, self.core);
        let sync = self.sync.as_mut().expect("there is one now");
        let step = |log: &Log| {
            let step = sync.step(message, &StoreHoldings::new(log, store, core));
            (step, sorted(log.heads()))
        };
        let (step, heads) = self.replication.0.cores.with_log(&core, step).await?;
        let step = step.map_err(PeerFault::Sync)?;
        let mut finished = None;
        for output in step.outputs {
            match output {
                Output::Received(received) => self.take_in(received).await?,
                Output::Bodies(_) => {}
                Output::NotFound => return Err(ChannelError::NotFound),
                Output::Finished { equal } => finished = Some(equal),
            }
        }
        for message in step.send {
            self.say(Kind::Sync, &message.encode());
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
        let ops = self.intake.take(received).await?;
        self.touched.extend(paths);
        self.status.send_modify(|status| status.ops += ops);
        Ok(())
    }

    /// A sync has ended, with these heads here.
    fn finish(&mut self, equal: bool, heads: Vec<OpId>) -> Result<(), ChannelError> {
        self.sync = None;
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
        // Content is taken from whoever was asked for the core, and from hosts and people of the core.
        if self.role == Role::Opener || self.gate.is_full() {
            let touched = std::mem::take(&mut self.touched);
            let paths = self.fetched_once.then_some(touched);
            self.fetched_once = true;
            self.fetch.begin(paths)?;
        }
        self.status.send_modify(|status| {
            status.rounds += 1;
            status.equal = equal;
            status.heads = same;
        });
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
        self.sync.is_none() && !self.again && self.round > 0 && self.fetch.is_idle()
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

impl Replication {
    /// Keeps the genesis of a core that somebody of this node asked for.
    async fn take_genesis(&self, core: &CoreId, genesis: &[u8]) -> Result<(), ChannelError> {
        let found = Genesis::decode(genesis).map_err(PeerFault::Message)?;
        if found.id() != *core {
            return Err(PeerFault::OtherCore.into());
        }
        if self.0.store.genesis(core)?.is_none() {
            let mut tx = self.0.store.begin();
            tx.put_core(core, genesis)?;
            tx.commit().await?;
        }
        Ok(())
    }
}
