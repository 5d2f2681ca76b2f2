//! What a core has published, told to nodes that mirror it.
//!
//! Told is what strangers may reach by every exit, since a mirror serves by path, by CID and over the network: the operations
//! that decide those paths *now* ([`Published`]). Each is shown, and each block given, only as long as that is so: it is
//! looked up when it is sent. Of a shared core the log goes along, without the body of any `put`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use cid::Cid;
use kubelt_core::{
    CoreId, Genesis, Log, LoginId, OpId, Signed,
    limits::PUBLISHED_IDS_MAX,
    peer::{Ask, Follow, Kind, Opened, Published, Shown, ShownParts, Want},
    schema::{Exit, Visibility},
    sync::{Allowed, Message, Output, Sync},
};
use kubelt_store::OpRecord;
use parking_lot::Mutex;
use serde_bytes::ByteBuf;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{
    ChannelError, PeerFault, Replication,
    effort::Asker,
    gate::Gate,
    holdings::StoreHoldings,
    link::{Incoming, Link},
};
use crate::{
    StoreError,
    content::{Incomplete, Moment},
    limits::{
        PEER_EFFORT_OF_OPEN, PEER_SYNC_TIME_MAX,
        mirrors::{
            PUBLISHED_COST_RATIO, PUBLISHED_LOGINS_MAX, PUBLISHED_LOOK, PUBLISHED_MAX, PUBLISHED_PAUSE,
            PUBLISHED_REST_MAX,
        },
    },
    names::{Named, named, public},
};

/// How often settings of cores and denylists have changed.
type Outside = (u64, u64);

/// What is published of cores that are mirrored: made once for all who ask, and gone with the last of them.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Mutex<HashMap<CoreId, Arc<AsyncMutex<Snapshot>>>>);

#[derive(Debug, Default)]
struct Snapshot {
    made: Option<Made>,
}

#[derive(Debug)]
struct Made {
    at: Moment,
    ops: Weak<[OpId]>,
    /// Until when it is not made anew: that takes the longer, the more there is, and every write is a reason.
    rests_until: Instant,
}

impl Snapshots {
    fn of(&self, core: &CoreId) -> Arc<AsyncMutex<Snapshot>> {
        let mut all = self.0.lock();
        // Those that nobody was told of any more go when somebody comes.
        let now = Instant::now();
        all.retain(|of, slot| {
            let is_kept = |made: &Made| made.ops.strong_count() > 0 || now < made.rests_until;
            let is_used = |slot: &Snapshot| slot.made.as_ref().is_some_and(is_kept);
            of == core || Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|slot| is_used(&slot))
        });
        Arc::clone(all.entry(*core).or_default())
    }
}

/// Answers a channel that a peer opens to mirror a core, until it ends.
pub(super) async fn publish(
    replication: &Replication,
    link: &Link,
    id: u32,
    incoming: mpsc::Receiver<Incoming>,
    Follow { core, live }: Follow,
) -> Result<(), ChannelError> {
    let asker = Asker { peer: link.peer(), is_stranger: true };
    replication.0.efforts.turn(asker).await;
    replication.0.efforts.put_down(asker, PEER_EFFORT_OF_OPEN, 0);
    // Watched before anything is looked at, so that no change falls between.
    let changes = replication.0.cores.changes().watch(&core);
    let outside = replication.outside();
    let gate = replication.public_gate(core).await?;
    if !gate.is_open() {
        return Err(ChannelError::NotFound);
    }
    let told = loop {
        match replication.published(&core, asker).await? {
            Ok(told) => break told,
            Err(not_before) => sleep_until(not_before).await,
        }
    };
    let genesis = replication.0.store.genesis(&core)?.filter(|_| !told.is_empty());
    let genesis = genesis.ok_or(ChannelError::NotFound)?;
    let is_shared = matches!(Genesis::decode(&genesis), Ok(Genesis::Shared { .. }));
    let opened = Opened { genesis: ByteBuf::from(genesis.to_vec()), full: false };
    link.out().say(id, Kind::Opened, &opened.encode());
    let mut publishing = Publishing {
        replication: replication.clone(),
        link: link.clone(),
        id,
        core,
        live,
        is_shared,
        incoming,
        gate: Arc::new(gate),
        changes,
        outside,
        told: Arc::new([]),
        tell_at: None,
        told_at: Instant::now(),
        shown_logins: HashSet::new(),
        sync: None,
        sync_until: Instant::now(),
        greeting: None,
        place: None,
    };
    publishing.tell(told);
    publishing.run().await
}

/// A core on a connection with a mirror.
struct Publishing {
    replication: Replication,
    link: Link,
    id: u32,
    core: CoreId,
    live: bool,
    is_shared: bool,
    incoming: mpsc::Receiver<Incoming>,
    gate: Arc<Gate>,
    changes: watch::Receiver<(u64, u64)>,
    /// What else decides what is published: settings of the cores above, and denylists.
    outside: Outside,
    /// What the mirror was told is open, sorted.
    told: Arc<[OpId]>,
    /// When to tell of what has changed.
    tell_at: Option<Instant>,
    told_at: Instant,
    shown_logins: HashSet<LoginId>,
    sync: Option<Sync>,
    sync_until: Instant,
    /// The first message of a sync that waits for its place, and the place of the one that runs.
    greeting: Option<Message>,
    place: Option<OwnedSemaphorePermit>,
}

impl Publishing {
    async fn run(mut self) -> Result<(), ChannelError> {
        loop {
            let tell_at = self.tell_at;
            tokio::select! {
                incoming = self.incoming.recv() => {
                    let Some(incoming) = incoming else { return Err(ChannelError::Closed) };
                    if !self.heard(incoming).await? {
                        return Ok(());
                    }
                }
                changed = self.changes.changed() => {
                    if changed.is_ok() {
                        self.changed().await?;
                    }
                }
                () = sleep_until(tell_at.unwrap_or_else(Instant::now)), if tell_at.is_some() => {
                    let asker = Asker { peer: self.link.peer(), is_stranger: true };
                    match self.replication.published(&self.core, asker).await? {
                        Ok(now) if now.is_empty() => return Err(ChannelError::NotFound),
                        Ok(now) => self.tell(now),
                        Err(not_before) => self.tell_at = Some(not_before),
                    }
                }
                () = sleep(PUBLISHED_LOOK) => self.look_outside().await?,
                place = Arc::clone(self.link.syncs()).acquire_owned(), if self.greeting.is_some() => {
                    self.place = place.ok();
                    if let Some(greeting) = self.greeting.take() {
                        self.answer(greeting).await?;
                    }
                }
                () = sleep_until(self.sync_until), if self.sync.is_some() => return Err(ChannelError::Slow),
            }
        }
    }

    /// Tells what has changed since the mirror was told last.
    fn tell(&mut self, now: Arc<[OpId]>) {
        (self.tell_at, self.told_at) = (None, Instant::now());
        let before = std::mem::replace(&mut self.told, Arc::clone(&now));
        let lacks = |ops: &[OpId], op: &OpId| ops.binary_search(op).is_err();
        let open = now.iter().filter(|op| lacks(&before, op)).map(|op| (*op, true));
        let closed = before.iter().filter(|op| lacks(&now, op)).map(|op| (*op, false));
        let change: Vec<(OpId, bool)> = closed.chain(open).collect();
        let count = change.len().div_ceil(PUBLISHED_IDS_MAX);
        for (i, piece) in change.chunks(PUBLISHED_IDS_MAX).enumerate() {
            let of = |open: bool| {
                piece.iter().filter(|(_, is_open)| *is_open == open).map(|(op, _)| *op).collect()
            };
            let message = Published { open: of(true), closed: of(false), more: i + 1 < count };
            self.link.out().say(self.id, Kind::Published, &message.encode());
        }
    }

    /// The core has changed.
    async fn changed(&mut self) -> Result<(), ChannelError> {
        self.changes.mark_unchanged();
        let gate = self.replication.public_gate(self.core).await?;
        if !gate.is_open() {
            return Err(ChannelError::NotFound);
        }
        self.gate = Arc::new(gate);
        if self.live {
            self.tell_at.get_or_insert(self.told_at + PUBLISHED_PAUSE);
        }
        Ok(())
    }

    /// Looks whether something has changed that is no change of the core.
    async fn look_outside(&mut self) -> Result<(), ChannelError> {
        let now = self.replication.outside();
        if std::mem::replace(&mut self.outside, now) == now { Ok(()) } else { self.changed().await }
    }

    /// Takes a frame; false where the mirror closes the channel.
    async fn heard(&mut self, incoming: Incoming) -> Result<bool, ChannelError> {
        if self.changes.has_changed().unwrap_or(false) {
            self.changed().await?;
        }
        self.look_outside().await?;
        let Incoming { kind, payload, .. } = &incoming;
        match kind {
            Kind::Ask => {
                self.answer_ask(Ask::decode(payload).map_err(PeerFault::Message)?).await?;
            }
            Kind::Want => {
                let Want { cids } = Want::decode(payload).map_err(PeerFault::Message)?;
                self.link.out().want(self.id, &self.gate, cids)?;
            }
            Kind::Sync if self.is_shared => {
                let message = Message::decode(payload).map_err(PeerFault::Message)?;
                self.step(message).await?;
            }
            Kind::Close => return Ok(false),
            other => return Err(PeerFault::Unexpected(*other).into()),
        }
        Ok(true)
    }

    async fn answer_ask(&mut self, Ask { ops }: Ask) -> Result<(), ChannelError> {
        let link = self.link.clone();
        let asker = Asker { peer: link.peer(), is_stranger: true };
        self.replication.0.efforts.turn(asker).await;
        let (began, mut gave) = (std::time::Instant::now(), 0);
        for op in ops {
            let shown = Shown { op, parts: self.show(&op)? }.encode();
            gave += shown.len();
            link.out().say(self.id, Kind::Shown, &shown);
        }
        self.replication.0.efforts.put_down(asker, began.elapsed(), gave);
        Ok(())
    }

    /// An operation, where it is open now.
    fn show(&mut self, op: &OpId) -> Result<Option<ShownParts>, ChannelError> {
        let store = &self.replication.0.store;
        let Some(OpRecord { path: Some(path), signed, body: Some(body), .. }) = store.op(&self.core, op)?
        else {
            return Ok(None);
        };
        let Some(named) = named(store, &self.core, &path)?.filter(|named| named.op == *op) else {
            return Ok(None);
        };
        if !self.replication.exits(&self.core)?.lets_out(&path, &named) {
            return Ok(None);
        }
        let id = Signed::decode(&signed).ok().and_then(|signed| signed.header.login);
        let mut login = None;
        if let Some(id) = id.filter(|id| !self.shown_logins.contains(id)) {
            if self.shown_logins.len() >= PUBLISHED_LOGINS_MAX {
                self.shown_logins.clear();
            }
            login = store.login(&self.core, &id)?.map(|block| ByteBuf::from(block.to_vec()));
            self.shown_logins.insert(id);
        }
        Ok(Some(ShownParts {
            signed: ByteBuf::from(signed.to_vec()),
            body: ByteBuf::from(body.to_vec()),
            login,
        }))
    }

    /// One step of a sync, by which a mirror gets the log that the operations of a shared core rest on.
    async fn step(&mut self, message: Message) -> Result<(), ChannelError> {
        if self.sync.is_some() {
            return self.go_on(message).await;
        }
        if self.greeting.is_some() || !matches!(message, Message::Hello { .. }) {
            return Err(PeerFault::Unexpected(Kind::Sync).into());
        }
        match Arc::clone(self.link.syncs()).try_acquire_owned() {
            Ok(place) => {
                self.place = Some(place);
                self.answer(message).await
            }
            Err(_all_taken) => {
                self.greeting = Some(message);
                Ok(())
            }
        }
    }

    async fn answer(&mut self, greeting: Message) -> Result<(), ChannelError> {
        self.sync = Some(Sync::answer(self.core, Allowed::PublicOnly));
        self.sync_until = Instant::now() + PEER_SYNC_TIME_MAX;
        self.go_on(greeting).await
    }

    async fn go_on(&mut self, message: Message) -> Result<(), ChannelError> {
        let (replication, core) = (&self.replication, self.core);
        let asker = Asker { peer: self.link.peer(), is_stranger: true };
        replication.0.efforts.turn(asker).await;
        let sync = self.sync.as_mut().expect("there is one now");
        let step = |log: &Log| {
            let began = std::time::Instant::now();
            let step = sync.step(message, &StoreHoldings::without_puts(log, replication, core));
            (step, began.elapsed())
        };
        let (step, took) = replication.0.cores.with_log(&core, step).await?;
        let step = step.map_err(PeerFault::Sync)?;
        let send: Vec<Vec<u8>> = step.send.iter().map(Message::encode).collect();
        replication.0.efforts.put_down(asker, took, send.iter().map(Vec::len).sum());
        for output in step.outputs {
            match output {
                Output::Received(received) if received.is_empty() => {}
                // Nothing is taken from a mirror.
                Output::Received(_) => return Err(PeerFault::Unexpected(Kind::Sync).into()),
                Output::Bodies(_) | Output::AllCame => {}
                Output::NotFound => return Err(ChannelError::NotFound),
                Output::Finished { .. } => (self.sync, self.place) = (None, None),
            }
        }
        for message in send {
            self.link.out().say(self.id, Kind::Sync, &message);
        }
        Ok(())
    }
}

/// The exits of a core, all of which a path must be open at to be mirrored.
struct Exits([crate::doors::Door; Exit::ALL.len()], Arc<kubelt_content::denylist::Denylist>);

impl Exits {
    fn lets_out(&self, path: &kubelt_core::MapPath, named: &Named) -> bool {
        named.visibility == Visibility::Public
            && self.0.iter().all(|door| door.is_open(path))
            && !self.1.denies_cid(&named.root)
    }
}

impl Replication {
    fn outside(&self) -> Outside {
        (self.0.access.changes(), self.0.content.denylists().changes())
    }

    fn exits(&self, core: &CoreId) -> Result<Exits, StoreError> {
        let [network, ipfs, http] = Exit::ALL;
        let door = |exit| self.0.access.door(core, exit);
        Ok(Exits([door(network)?, door(ipfs)?, door(http)?], self.0.content.denylists().now()))
    }

    /// The operations that decide what mirrors of a core may have now, sorted. Their content can be had by strangers when
    /// this returns. Where they were read a moment ago, and have changed, it is only said when they may be read again.
    pub(super) async fn published(
        &self,
        core: &CoreId,
        asker: Asker<'_>,
    ) -> Result<Result<Arc<[OpId]>, Instant>, ChannelError> {
        let slot = self.0.published.of(core);
        let mut slot = slot.lock().await;
        let moment = self.0.content.moment();
        if let Some(made) = &slot.made {
            if made.at == moment
                && let Some(ops) = made.ops.upgrade()
            {
                return Ok(Ok(ops));
            }
            if Instant::now() < made.rests_until {
                return Ok(Err(made.rests_until));
            }
        }
        let began = std::time::Instant::now();
        let (this, of) = (self.clone(), *core);
        let read = tokio::task::spawn_blocking(move || this.read_published(&of)).await;
        let read = read.expect("reading rows does not panic")?;
        self.0.efforts.put_down(asker, began.elapsed(), 0);
        let mut ops = Vec::with_capacity(read.len());
        for (op, root) in read {
            match self.0.content.show(core, &root).await {
                Ok(()) => ops.push(op),
                // Replaced a moment ago: another look follows.
                Err(Incomplete::Missing(_) | Incomplete::Malformed(_)) => {}
                Err(error) => return Err(crate::content::UploadError::from(error).into()),
            }
        }
        ops.sort_unstable();
        let ops: Arc<[OpId]> = ops.into();
        let rest = (began.elapsed() * PUBLISHED_COST_RATIO).min(PUBLISHED_REST_MAX);
        let rests_until = Instant::now() + rest;
        slot.made = Some(Made { at: moment, ops: Arc::downgrade(&ops), rests_until });
        Ok(Ok(ops))
    }

    fn read_published(&self, core: &CoreId) -> Result<Vec<(OpId, Cid)>, StoreError> {
        let exits = self.exits(core)?;
        let network = self.0.access.door(core, Exit::Network)?;
        let mut found = Vec::new();
        for row in public(&self.0.store, core, network, None, None) {
            let (path, named) = row?;
            if exits.lets_out(&path, &named) {
                found.push((named.op, named.root));
            }
            if found.len() == PUBLISHED_MAX {
                break;
            }
        }
        Ok(found)
    }
}
