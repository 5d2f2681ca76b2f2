//! Cores travel between nodes: the protocol over any connection whose other end's node key is proven.
//!
//! [`Link`] is one connection: frames, limits of time and memory, and a channel for each core. A channel makes the log
//! equal by the steps of `kubelt_core::sync`, as often as either side has news, and then brings the content that a
//! side lacks (`fetch.rs`). What a peer may have is decided for each channel and again whenever the core changes
//! (`gate.rs`): everything for a node that the core's own map names as a host, for one that its people here have added
//! as a remote, while their sign-in stands, and for whoever shows a sign-in that may replicate it; what strangers may read otherwise. What a peer
//! sends is checked as if it came from an enemy (`intake.rs`, `fetch.rs`).
//!
//! What a core has published goes to whoever asks for that alone (`publish.rs`), and is kept apart from all cores of the
//! node that asked (`follow.rs`).
//!
//! Nobody fills this node with cores: a channel is answered only for a core that is here, and only what is asked for is
//! taken.

mod blocks;
mod carry;
mod changes;
mod channel;
mod claims;
mod effort;
mod exchanged;
mod fetch;
mod follow;
mod gate;
mod greetings;
mod holdings;
mod inbox;
mod intake;
mod link;
mod open;
mod outbox;
mod peek;
mod publish;
mod room;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cid::Cid;
use kubelt_content::Ipld;
use kubelt_core::{
    CheckedLogin, CoreId, DecodeError, MapPath, PublicKey, codec,
    limits::VALUE_BYTES_MAX,
    peer::{FrameError, Kind},
    schema::Host,
    sync::SyncError,
};
use kubelt_store::{CommitError, Store, TxError};
use parking_lot::{Mutex, RwLock};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

pub use exchanged::Exchanged;
pub use follow::Mirrored;
pub use link::{Link, Side};

use claims::Claims;
use effort::Efforts;
use greetings::Greetings;
use room::Room;

pub(crate) use changes::Changes;
pub use changes::CoreWatch;
pub(crate) use fetch::Wanted;
pub(crate) use peek::Peeked;

use crate::{
    StoreError,
    access::Access,
    clock::Clock,
    content::{Content, UploadError},
    cores::{Cores, LoadError},
    exchange::{CheckError, Exchange},
    identity::{Identity, IdentityError},
    limits::{
        JOIN_BYTES_MAX, JOIN_OPS_MAX, PEER_LINKS_MAX, PEER_LINKS_OF_PEER_MAX, PEER_PLACE_TIME,
        PEER_STRIKE_MAX_MS, PEER_STRIKE_MS, PEER_STRIKES_REMEMBERED_MAX, REMOTE_LOGINS_MAX,
    },
    mirrors::ShelfError,
    write::WriteError,
};

/// Replication of a node's cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct Replication(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    cores: Cores,
    content: Content,
    exchange: Exchange,
    access: Arc<Access>,
    identity: Identity,
    clock: Arc<dyn Clock>,
    /// Peers that people of this node have added as remotes of their cores, and the sign-ins by which they did, the
    /// newest last. Each counts for as long as it stands.
    trusted: Mutex<HashMap<(CoreId, PublicKey), Words>>,
    strikes: Mutex<HashMap<PublicKey, Strikes>>,
    links: Arc<Semaphore>,
    greetings: Greetings,
    /// Those that peers have opened, the oldest first.
    accepted: Mutex<Vec<Link>>,
    /// How far cores are over channels that hosts have opened.
    answered: Mutex<HashMap<(CoreId, PublicKey), watch::Receiver<Exchanged>>>,
    /// Who may bring cores here, and which are being brought.
    carried_for: RwLock<HashSet<PublicKey>>,
    carrying: Mutex<HashSet<CoreId>>,
    /// Blocks that peers were asked for.
    claims: Claims,
    /// Memory of fetches.
    room: Room,
    efforts: Efforts,
    /// What mirrors were told.
    published: publish::Snapshots,
    faults: AtomicU64,
}

/// Sign-ins by which a peer has a core.
type Words = Vec<Arc<CheckedLogin>>;

/// Faults of a peer, and until when it is not spoken with.
#[derive(Debug, Clone, Copy)]
struct Strikes {
    count: u32,
    until_ms: u64,
}

/// How a peer does not keep to the protocol. It is dropped, and left alone for a while.
#[derive(Debug, thiserror::Error)]
pub enum PeerFault {
    /// A frame that is none: after it, nothing can be read.
    #[error("it sent no frame")]
    Frame(#[from] FrameError),
    /// A message that is none.
    #[error("it sent no message")]
    Message(#[from] DecodeError),
    /// A frame where it cannot stand.
    #[error("it sent `{0:?}` where that cannot stand")]
    Unexpected(Kind),
    /// A channel that is open, not its own to open, or one too many.
    #[error("it may not open channel {0}")]
    Channel(u32),
    /// A step of a sync that cannot be.
    #[error("it broke the sync")]
    Sync(#[from] SyncError),
    /// Another core than the one it was asked for.
    #[error("it answered with another core")]
    OtherCore,
    /// An operation with a bad signature, or a bad sign-in.
    #[error("it sent a forged operation")]
    Forged(#[source] Box<CheckError>),
    /// An operation that breaks a rule of the log.
    #[error("it sent an operation that nobody may make: {0}")]
    Rule(String),
    /// A block that nobody asked for.
    #[error("it sent a block that was not asked for")]
    Unasked,
    /// A block that is not what its CID names.
    #[error("the bytes that it sent are not block `{0}`")]
    BadBlock(Box<Cid>),
    /// More wishes for blocks than may wait.
    #[error("it asks for too many blocks at once")]
    Wants,
    /// It makes this node say more than it reads.
    #[error("it does not read what it asks for")]
    Deaf,
    /// It takes nothing, or too slowly.
    #[error("it takes nothing that it is sent")]
    Stalled,
    /// It does not speak, or too slowly.
    #[error("it is silent")]
    Silent,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The peer's fault.
    #[error("the peer does not keep to the protocol")]
    Peer(#[from] PeerFault),
    /// It was at fault before.
    #[error("the peer did not keep to the protocol; it is left alone for a while")]
    Struck,
    /// Enough connections already.
    #[error("there are too many connections with peers")]
    TooMany,
    /// It broke.
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    /// The other side went away.
    #[error("the peer closed the connection")]
    Closed,
    /// The node has no key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[source] StoreError),
}

/// Why a core is not replicated over a connection any more.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The peer has no such core, or none for this node.
    #[error(
        "the peer has no such core, or none for this node; sign in there first, or have it named as a host"
    )]
    NotFound,
    /// The peer has no such core, or nothing of it is published to everybody.
    #[error("the peer has no such core, or nothing of it is public")]
    NothingPublished,
    /// The peer's fault.
    #[error("the peer does not keep to the protocol")]
    Peer(#[from] PeerFault),
    /// The peer may have less of the core than when it was asked.
    #[error("the peer may not have all of the core any more")]
    Withdrawn,
    /// A sync did not end.
    #[error("a sync took longer than it may; the next one goes on where it was")]
    Slow,
    /// The connection is over.
    #[error("the connection is over")]
    Closed,
    /// A log that is too long to be looked at in memory.
    #[error(
        "the log has over {JOIN_OPS_MAX} operations or over {JOIN_BYTES_MAX} bytes; export the core there and import it here"
    )]
    TooMuch,
    /// The peer's version knows no mirrors.
    #[error("the node speaks an older version, which knows no mirrors")]
    TooOld,
    /// What is mirrored could not be kept.
    #[error(transparent)]
    Shelf(ShelfError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Operations could not be written.
    #[error("operations could not be written")]
    Write(#[source] WriteError),
    /// Content could not be stored.
    #[error("content could not be stored")]
    Upload(#[from] UploadError),
    /// A transaction was refused.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl Replication {
    pub(crate) fn new(
        store: Store,
        cores: Cores,
        content: Content,
        exchange: Exchange,
        access: Arc<Access>,
        identity: Identity,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (trusted, strikes) = (Mutex::default(), Mutex::default());
        let links = Arc::new(Semaphore::new(PEER_LINKS_MAX));
        Self(Arc::new(Inner {
            store,
            cores,
            content,
            exchange,
            access,
            identity,
            clock,
            trusted,
            strikes,
            links,
            greetings: Greetings::default(),
            accepted: Mutex::default(),
            answered: Mutex::default(),
            carried_for: RwLock::default(),
            carrying: Mutex::default(),
            claims: Claims::default(),
            room: Room::default(),
            efforts: Efforts::default(),
            published: publish::Snapshots::default(),
            faults: AtomicU64::new(0),
        }))
    }

    /// Speaks with a peer that has connected, until the connection ends. `peer` is the key that its end has proven.
    ///
    /// # Errors
    /// [`LinkError`] says how it ended, where it did not end well.
    pub async fn accept<S>(&self, stream: S, peer: PublicKey) -> Result<(), LinkError>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.check_strikes(&peer)?;
        let own = self.0.identity.key().await?.public();
        let greeting = async {
            let (link, running) = Link::greet(self, stream, own, peer, Side::Accepted).await?;
            let place = self.place(&peer).await.ok_or(LinkError::TooMany)?;
            Ok((link, running, place))
        };
        let greeted = self.0.greetings.of(greeting).await.unwrap_or(Err(LinkError::TooMany));
        let (link, running, _place) = greeted.inspect_err(|error| self.strike_for(&peer, error))?;
        self.0.accepted.lock().push(link);
        running.await
    }

    /// A place for one more connection that a peer has opened. Its own oldest one gives way where it has many, and,
    /// where there are many altogether, one over which nobody wants anything, or the oldest of a stranger: keys cost
    /// nothing, and what is published is no reason to keep the hosts of cores out.
    async fn place(&self, peer: &PublicKey) -> Option<OwnedSemaphorePermit> {
        {
            let mut accepted = self.0.accepted.lock();
            accepted.retain(|link| !link.is_over());
            let mut own = accepted.iter().filter(|link| link.peer() == peer);
            if own.clone().count() >= PEER_LINKS_OF_PEER_MAX
                && let Some(oldest) = own.next()
            {
                oldest.end();
            }
            if self.0.links.available_permits() == 0 {
                let live = || accepted.iter().filter(|link| !link.is_over());
                let gives_way =
                    live().find(|link| link.is_idle()).or_else(|| live().find(|link| !link.gives_all()));
                gives_way.inspect(|link| link.end());
            }
        }
        timeout(PEER_PLACE_TIME, Arc::clone(&self.0.links).acquire_owned()).await.ok()?.ok()
    }

    /// Greets a peer that this node has connected to; the connection lives in a task of its own then.
    ///
    /// # Errors
    /// [`LinkError`] when the peer does not greet back.
    pub async fn connect<S>(&self, stream: S, peer: PublicKey) -> Result<Link, LinkError>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.check_strikes(&peer)?;
        let own = self.0.identity.key().await?.public();
        let greeted = Link::greet(self, stream, own, peer, Side::Dialled).await;
        let (link, running) = greeted.inspect_err(|error| self.strike_for(&peer, error))?;
        tokio::spawn(async move {
            if let Err(error) = running.await {
                tracing::debug!(%peer, error = &error as &dyn std::error::Error, "a connection ended");
            }
        });
        Ok(link)
    }

    fn strike_for(&self, peer: &PublicKey, error: &LinkError) {
        if let LinkError::Peer(fault) = error {
            self.strike(peer, fault);
        }
    }

    /// Counts a fault of a peer: it is left alone for a while, longer each time. Silence and a slow connection are
    /// nobody's fault.
    pub(crate) fn strike(&self, peer: &PublicKey, fault: &PeerFault) {
        // Counted, and not told aloud: whoever makes keys would fill the log.
        tracing::debug!(%peer, error = fault as &dyn std::error::Error, "a peer was dropped");
        self.0.faults.fetch_add(1, Ordering::Relaxed);
        if matches!(fault, PeerFault::Silent | PeerFault::Stalled) {
            return;
        }
        let now_ms = self.0.clock.now_ms();
        let mut all = self.0.strikes.lock();
        if all.len() >= PEER_STRIKES_REMEMBERED_MAX {
            all.retain(|_, strikes| now_ms < strikes.until_ms);
            // Keys cost nothing: whoever makes many must not fill the memory.
            let next = all.iter().min_by_key(|(_, strikes)| strikes.until_ms).map(|(peer, _)| *peer);
            if all.len() >= PEER_STRIKES_REMEMBERED_MAX
                && let Some(next) = next
            {
                all.remove(&next);
            }
        }
        let strikes = all.entry(*peer).or_insert(Strikes { count: 0, until_ms: 0 });
        strikes.count = strikes.count.saturating_add(1);
        let pause_ms = PEER_STRIKE_MS.saturating_mul(1 << strikes.count.min(16)).min(PEER_STRIKE_MAX_MS);
        strikes.until_ms = now_ms.saturating_add(pause_ms);
    }

    fn check_strikes(&self, peer: &PublicKey) -> Result<(), LinkError> {
        let now_ms = self.0.clock.now_ms();
        let struck = self.0.strikes.lock().get(peer).is_some_and(|strikes| now_ms < strikes.until_ms);
        if struck { Err(LinkError::Struck) } else { Ok(()) }
    }

    /// What is counted of connections, by name and meaning.
    pub(crate) fn figures(&self) -> Vec<(&'static str, &'static str, u64)> {
        let now_ms = self.0.clock.now_ms();
        let struck = self.0.strikes.lock().values().filter(|strikes| now_ms < strikes.until_ms).count();
        let open = PEER_LINKS_MAX - self.0.links.available_permits();
        vec![
            (
                "replication_peer_faults",
                "Peers dropped, each as often as it was",
                self.0.faults.load(Ordering::Relaxed),
            ),
            ("replication_peers_struck", "Peers that are left alone for what they did", struck as u64),
            (
                "replication_peer_waits",
                "Times that a peer waited because it took too much of the processor's time",
                self.0.efforts.waits(),
            ),
            (
                "replication_fetch_bytes",
                "Bytes of memory that walks of content from peers hold",
                self.0.room.taken() as u64,
            ),
            ("replication_links_accepted", "Connections for replication that peers have opened", open as u64),
        ]
    }

    /// How many faults a peer has had.
    pub fn faults(&self, peer: &PublicKey) -> u32 {
        self.0.strikes.lock().get(peer).map_or(0, |strikes| strikes.count)
    }

    /// Lets a peer have all of a core for as long as this sign-in stands and may replicate it.
    pub(crate) fn trust(&self, core: CoreId, peer: PublicKey, login: Arc<CheckedLogin>) {
        let mut all = self.0.trusted.lock();
        let logins = all.entry((core, peer)).or_default();
        logins.retain(|known| known.id != login.id);
        logins.push(login);
        let over = logins.len().saturating_sub(REMOTE_LOGINS_MAX);
        logins.drain(..over);
    }

    /// Takes back what [`Replication::trust`] gave.
    pub(crate) fn distrust(&self, core: CoreId, peer: PublicKey) {
        self.0.trusted.lock().remove(&(core, peer));
    }
}

/// The host in a stored value.
pub(crate) fn read_host(path: &MapPath, value: &[u8]) -> Option<Host> {
    let value: Ipld = codec::decode(value, VALUE_BYTES_MAX, "value").ok()?;
    Host::read(path, &value).ok()
}

#[cfg(test)]
mod tests;
