//! A mirror's side of a channel: what a core has published is kept here, and nothing else of it.
//!
//! The peer says which operations are open now, as often as that changes ([`Published`]). What is not among them is dropped
//! at once. Then, of a shared core, the log comes, without the bodies of puts; then the operations that are open and not held are
//! asked for, and judged; then the content that they name.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use kubelt_core::{
    Body, CoreId, Genesis, Log, Login, LoginId, MapPath, OpId, Signed,
    limits::ASK_OPS_MAX,
    peer::{Ask, FOLLOW_VERSION, Follow, Kind, Opened, Published, Shown, read_block},
    sync::{Allowed, Holdings, Message, Output, Received, Sync},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    ChannelError, PeerFault, Replication,
    fetch::{Fetch, Wanted},
    inbox::Inbox,
    intake,
    link::{Incoming, Link},
    open::Closing,
};
use crate::{
    chains::Questions,
    exchange::Checker,
    limits::{
        PEER_LEFT_OUT_RETRY_MAX, PEER_LEFT_OUT_RETRY_MIN, PEER_OPEN_TIME, PEER_SYNC_TIME_MAX,
        mirrors::{ASKED_MAX, FOLLOW_SILENCE_MAX, PUBLISHED_LOGINS_MAX, PUBLISHED_MAX},
    },
    mirrors::{Shelf, ShelfError, Shelves},
    write::SignedOp,
};

/// How far a mirror is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrored {
    /// Whether all that is published there is served here, as far as it can be had.
    pub settled: bool,
    /// When that was so last, in milliseconds since the Unix epoch.
    pub settled_ms: Option<u64>,
    /// Paths that are served.
    pub paths: u64,
    /// Paths that are published there and cannot be served: they do not prove themselves, lack blocks, or are over the quota.
    pub lacking: u64,
    /// Those of them that are over the quota.
    pub over_quota: u64,
    /// Operations that came and were new.
    pub ops: u64,
    /// Blocks that came.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Link {
    /// Mirrors what a core has published to everybody: until all of it is here, or, where it is to be live, until the connection
    /// ends or nothing is published any more.
    ///
    /// # Errors
    /// [`ChannelError::NothingPublished`] where the peer has no such core, or nothing of it is published.
    pub(crate) async fn follow(
        &self,
        replication: &Replication,
        shelves: &Shelves,
        core: CoreId,
        live: bool,
        status: &watch::Sender<Mirrored>,
    ) -> Result<(), ChannelError> {
        if self.version() < FOLLOW_VERSION {
            return Err(ChannelError::TooOld);
        }
        let (id, mut incoming) = self.channel().ok_or(ChannelError::Closed)?;
        let _closing = Closing { link: self, id };
        self.out().say(id, Kind::Follow, &Follow { core, live }.encode());
        let answer = timeout(PEER_OPEN_TIME, incoming.recv()).await.map_err(|_late| PeerFault::Silent)?;
        let Incoming { kind, payload, .. } = answer.ok_or(ChannelError::Closed)?;
        let opened = match kind {
            Kind::Opened => Opened::decode(&payload).map_err(PeerFault::Message)?,
            Kind::NotFound => return Err(ChannelError::NothingPublished),
            other => return Err(PeerFault::Unexpected(other).into()),
        };
        let genesis = Genesis::decode(&opened.genesis).map_err(PeerFault::Message)?;
        if genesis.id() != core {
            return Err(PeerFault::OtherCore.into());
        }
        shelves.begin(&genesis).await?;
        let shelf = shelves.load(genesis).await?;
        let inner = &replication.0;
        let claims = inner.claims.join(shelf.stand_in());
        let (content, store, room) = (inner.content.clone(), inner.store.clone(), inner.room.clone().part());
        let fetch = Fetch::new(content, store, shelf.stand_in(), claims, room);
        let following = Following {
            replication: replication.clone(),
            link: self.clone(),
            id,
            core,
            live,
            inbox: Inbox::new(incoming),
            shelf,
            open: HashSet::new(),
            is_listing: true,
            is_stale: false,
            is_planned: true,
            sync: None,
            sync_until: Instant::now(),
            checker: Checker::new(core),
            to_ask: VecDeque::new(),
            asked: HashSet::new(),
            shown: Vec::new(),
            logins: HashMap::new(),
            fetch,
            wanted: BTreeMap::new(),
            over_quota: 0,
            heard_at: Instant::now(),
            retry: None,
            status: status.clone(),
        };
        following.run().await
    }
}

/// A mirrored core on a connection.
struct Following {
    replication: Replication,
    link: Link,
    id: u32,
    core: CoreId,
    live: bool,
    inbox: Inbox,
    shelf: Shelf,
    /// What the peer says is open.
    open: HashSet<OpId>,
    /// Whether the rest of a change is still to be told.
    is_listing: bool,
    /// Whether what is open has changed since it was last asked for.
    is_stale: bool,
    /// Whether the content was looked at since operations were last asked for.
    is_planned: bool,
    sync: Option<Sync>,
    sync_until: Instant,
    checker: Checker,
    to_ask: VecDeque<OpId>,
    asked: HashSet<OpId>,
    shown: Vec<Received>,
    /// Sign-ins that came on this channel. The peer forgets what it has sent when it is as much.
    logins: HashMap<LoginId, Arc<Login>>,
    fetch: Fetch,
    /// What the fetch that runs was asked for.
    wanted: BTreeMap<MapPath, Wanted>,
    over_quota: u64,
    /// When something came last, or nothing was to come.
    heard_at: Instant,
    /// When to ask again for what cannot be served, and how long to wait the next time.
    retry: Option<(Instant, Duration)>,
    status: watch::Sender<Mirrored>,
}

impl Following {
    async fn run(mut self) -> Result<(), ChannelError> {
        loop {
            self.go_on()?;
            self.fetch.advance(self.link.out(), self.id).await?;
            // What was let go of is lacking, and is begun again with that.
            self.fetch.take_cut();
            if self.is_quiet() && self.settle() {
                return Ok(());
            }
            let (settling, busy) = (self.fetch.is_settling(), self.fetch.has_work());
            let looks_again = self.fetch.looks_again();
            let retry = self.retry.map(|(at, _)| at).filter(|_| self.is_quiet());
            let waits = self.waits_for_peer();
            if !waits {
                self.heard_at = Instant::now();
            }
            tokio::select! {
                incoming = self.inbox.recv() => {
                    let Some(incoming) = incoming else { return Err(ChannelError::Closed) };
                    self.heard(incoming).await?;
                    self.heard_at = Instant::now();
                }
                settled = self.fetch.settled(), if settling => {
                    settled?;
                    let whole = self.fetch.take_whole();
                    if !whole.is_empty() {
                        self.shelf.open(whole).await?;
                        self.tell();
                    }
                }
                () = tokio::task::yield_now(), if busy => {}
                () = sleep_until(looks_again.unwrap_or_else(Instant::now)), if looks_again.is_some() => {}
                () = sleep_until(self.sync_until), if self.sync.is_some() => return Err(ChannelError::Slow),
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => self.ask_again(),
                // That the connection is there says nothing: another source may give what this one does not.
                () = sleep_until(self.heard_at + FOLLOW_SILENCE_MAX), if waits => return Err(PeerFault::Silent.into()),
            }
        }
    }

    /// Does what comes next, one thing after the other: the log, the operations, their content.
    fn go_on(&mut self) -> Result<(), ChannelError> {
        if self.is_listing || self.sync.is_some() {
            return Ok(());
        }
        if self.is_stale && self.asked.is_empty() {
            self.is_stale = false;
            self.is_planned = false;
            self.to_ask.clear();
            if self.shelf.log().is_some() {
                self.start_sync();
                return Ok(());
            }
            self.plan_asking();
        }
        while !self.is_stale && self.asked.len() < ASKED_MAX && !self.to_ask.is_empty() {
            let count = self.to_ask.len().min(ASK_OPS_MAX);
            let ops: Vec<OpId> = self.to_ask.drain(..count).collect();
            self.asked.extend(ops.iter().copied());
            self.link.out().say(self.id, Kind::Ask, &Ask { ops }.encode());
        }
        if !self.is_stale && self.asked.is_empty() && !self.is_planned {
            self.is_planned = true;
            self.plan_fetching()?;
        }
        Ok(())
    }

    fn start_sync(&mut self) {
        let Some(log) = self.shelf.log() else { return };
        // Nothing is given: a mirror has nothing that the peer lacks.
        let (sync, hello) = Sync::start(&OnlyLog(log), Allowed::Nothing);
        self.sync = Some(sync);
        self.sync_until = Instant::now() + PEER_SYNC_TIME_MAX;
        self.link.out().say(self.id, Kind::Sync, &hello.encode());
    }

    fn plan_asking(&mut self) {
        self.to_ask = self.open.iter().filter(|op| !self.shelf.holds(op)).copied().collect();
    }

    fn plan_fetching(&mut self) -> Result<(), ChannelError> {
        if self.fetch.is_idle() {
            self.wanted.clear();
        }
        let denylist = self.replication.0.content.denylists().now();
        let (wanted, over_quota) = self.shelf.wanted(&denylist)?;
        self.over_quota = over_quota;
        let fresh = |(path, wanted): &(MapPath, Wanted)| self.wanted.get(path) != Some(wanted);
        let fresh: Vec<_> = wanted.into_iter().filter(fresh).collect();
        self.wanted.extend(fresh.iter().cloned());
        self.fetch.want(fresh);
        Ok(())
    }

    async fn heard(&mut self, incoming: Incoming) -> Result<(), ChannelError> {
        let Incoming { kind, payload, .. } = &incoming;
        match kind {
            Kind::Published => {
                let Published { open, closed, more } =
                    Published::decode(payload).map_err(PeerFault::Message)?;
                for op in &closed {
                    self.open.remove(op);
                }
                self.open.extend(open);
                if self.open.len() > PUBLISHED_MAX {
                    return Err(PeerFault::Unexpected(Kind::Published).into());
                }
                self.is_listing = more;
                if !more {
                    self.shelf.retain(&self.open).await?;
                    self.is_stale = true;
                    self.status.send_modify(|status| status.settled = false);
                    self.tell();
                }
            }
            Kind::Sync => {
                let message = Message::decode(payload).map_err(PeerFault::Message)?;
                self.step(message).await?;
            }
            Kind::Shown => self.show(Shown::decode(payload).map_err(PeerFault::Message)?).await?,
            Kind::Block => {
                let blocks = self.inbox.blocks(incoming, self.fetch.asked()).await;
                self.fetch.take(blocks).await?;
            }
            Kind::NotHere => {
                let (cid, _) = read_block(payload).map_err(PeerFault::Frame)?;
                self.fetch.not_here(&cid)?;
            }
            Kind::NotFound => return Err(ChannelError::NothingPublished),
            Kind::Close => return Err(ChannelError::Closed),
            other => return Err(PeerFault::Unexpected(*other).into()),
        }
        Ok(())
    }

    /// One step of the sync that brings the log.
    async fn step(&mut self, message: Message) -> Result<(), ChannelError> {
        let (Some(sync), Some(log)) = (self.sync.as_mut(), self.shelf.log()) else {
            return Err(PeerFault::Unexpected(Kind::Sync).into());
        };
        let step = sync.step(message, &OnlyLog(log)).map_err(PeerFault::Sync)?;
        for output in step.outputs {
            match output {
                Output::Received(mut received) => {
                    // A mirror gets the body of a put by asking for it, and then only if it is open.
                    for op in received.iter_mut().filter(|op| op.signed.header.verb == kubelt_core::Verb::Put)
                    {
                        op.body = None;
                    }
                    let ops = self.check(received).await?;
                    let fresh = self.shelf.take_log(ops).await?;
                    self.status.send_modify(|status| status.ops += fresh);
                }
                Output::Bodies(_) | Output::AllCame => {}
                Output::NotFound => return Err(ChannelError::NothingPublished),
                Output::Finished { .. } => {
                    self.sync = None;
                    self.plan_asking();
                }
            }
        }
        for message in step.send {
            self.link.out().say(self.id, Kind::Sync, &message.encode());
        }
        Ok(())
    }

    /// An operation that was asked for.
    async fn show(&mut self, Shown { op, parts }: Shown) -> Result<(), ChannelError> {
        if !self.asked.remove(&op) {
            return Err(PeerFault::Unexpected(Kind::Shown).into());
        }
        if let Some(parts) = parts {
            let signed = Signed::decode(&parts.signed).map_err(PeerFault::Message)?;
            let body = Body::decode(&parts.body).map_err(PeerFault::Message)?;
            if let Some(login) = parts.login {
                let login = Login::decode(&login).map_err(PeerFault::Message)?;
                if self.logins.len() >= PUBLISHED_LOGINS_MAX {
                    self.logins.clear();
                }
                self.logins.insert(login.id(), Arc::new(login));
            }
            let login = signed.header.login.and_then(|id| self.logins.get(&id).cloned());
            if signed.header.id() != op {
                return Err(PeerFault::Unexpected(Kind::Shown).into());
            }
            self.shown.push(Received { signed, body: Some(body), login });
        }
        if self.asked.is_empty() || self.shown.len() >= ASK_OPS_MAX {
            let mut shown = std::mem::take(&mut self.shown);
            // Closed meanwhile.
            shown.retain(|shown| self.open.contains(&shown.signed.header.id()));
            let count = shown.len() as u64;
            let ops = self.check(shown).await?;
            self.shelf.take_shown(ops).await?;
            self.status.send_modify(|status| status.ops += count);
        }
        Ok(())
    }

    /// Checks signatures and sign-ins. What cannot be judged now is left out.
    async fn check(&mut self, received: Vec<Received>) -> Result<Vec<SignedOp>, ChannelError> {
        let mut checker = std::mem::replace(&mut self.checker, Checker::new(self.core));
        let questions = Questions::default();
        received.iter().for_each(|op| questions.of(&op.signed, op.body.as_ref(), op.login.as_deref()));
        checker.ask(&self.replication.0.exchange.chains, questions).await;
        let logins = self.shelf.logins();
        let checked = tokio::task::spawn_blocking(move || {
            let ops = intake::check(&mut checker, logins, received);
            (checker, ops)
        });
        let (checker, ops) = checked.await.expect("checking does not panic");
        self.checker = checker;
        ops
    }

    /// Whether something is to come from the peer.
    fn waits_for_peer(&self) -> bool {
        self.is_listing || self.sync.is_some() || !self.asked.is_empty() || self.fetch.asked() > 0
    }

    fn is_quiet(&self) -> bool {
        !self.is_listing
            && !self.is_stale
            && self.is_planned
            && self.sync.is_none()
            && self.to_ask.is_empty()
            && self.asked.is_empty()
            && self.fetch.is_idle()
    }

    /// All is here; gives whether nothing more is to be done.
    fn settle(&mut self) -> bool {
        let now_ms = self.replication.0.clock.now_ms();
        if !self.status.borrow().settled {
            self.tell();
            self.status.send_modify(|status| (status.settled, status.settled_ms) = (true, Some(now_ms)));
            let lacks = self.status.borrow().lacking > 0;
            let pause = self.retry.map_or(PEER_LEFT_OUT_RETRY_MIN, |(_, pause)| pause);
            let next = (Instant::now() + pause, (pause * 2).min(PEER_LEFT_OUT_RETRY_MAX));
            self.retry = lacks.then_some(next);
        }
        !self.live
    }

    /// What could not be judged or had may be now.
    fn ask_again(&mut self) {
        self.is_stale = true;
        self.status.send_modify(|status| status.settled = false);
    }

    /// Says how far this is.
    fn tell(&self) {
        let (paths, fetched) = (self.shelf.open_count(), self.fetch.fetched);
        let (lacking, over_quota) = ((self.open.len() as u64).saturating_sub(paths), self.over_quota);
        self.status.send_modify(|status| {
            (status.paths, status.lacking, status.over_quota) = (paths, lacking, over_quota);
            (status.blocks, status.bytes) = (fetched.blocks, fetched.bytes);
        });
    }
}

impl From<ShelfError> for ChannelError {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Rule(refusal) => PeerFault::Rule(refusal.to_string()).into(),
            error => Self::Shelf(error),
        }
    }
}

/// A log of which nothing is given.
struct OnlyLog<'a>(&'a Log);

impl Holdings for OnlyLog<'_> {
    fn log(&self) -> &Log {
        self.0
    }

    fn signed(&self, _op: &OpId) -> Option<Vec<u8>> {
        None
    }

    fn login(&self, _login: &LoginId) -> Option<Vec<u8>> {
        None
    }

    fn body(&self, _op: &OpId) -> Option<Vec<u8>> {
        None
    }

    fn lacking(&self) -> Vec<OpId> {
        Vec::new()
    }

    fn is_public(&self, _op: &OpId) -> bool {
        false
    }
}
