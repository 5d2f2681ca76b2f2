//! The handle that the rest of the node has of its network.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::ipns::{Name, Record};
use kubelt_node::{NodeKey, PublishedBlocks, Replication};
use libp2p::{
    Multiaddr, PeerId, Stream,
    identity::{DecodingError, Keypair},
    kad::PeerInfo,
    multiaddr::Protocol,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::{
    bitswap::{BitswapCounts, BlockSession, FetchError, Handle, Ledger},
    config::{DhtMode, DhtScope, NetConfig},
    guard::Guard,
    kad::{Ask, FoundProvider, Heed, OwnProvided, Provided, PutError, is_loopback, is_routable},
    limits::{BOOTSTRAP_RETRY_MAX, BOOTSTRAP_RETRY_MIN, COMMANDS_WAITING_MAX, PROVIDERS_FOUND_MAX},
    provide::push::Push,
    replicate_stream::{Answer, Speaker},
    scores::Offence,
    swarm::{Task, build},
    wss::{NodeCertificates, is_secure, named},
};

/// A node's network; cheap to clone. The task behind it ends with its last handle.
#[derive(Debug, Clone)]
pub struct Net {
    id: PeerId,
    commands: mpsc::Sender<Command>,
    state: Arc<State>,
    bitswap: Handle,
    speaker: Speaker,
    provided: OwnProvided,
    guard: Guard,
    scope: DhtScope,
    has_dht: bool,
    certificates: Option<Arc<dyn NodeCertificates>>,
    /// Whether the operator has named the secure WebSockets by which peers reach the node.
    is_named: bool,
}

/// What the task tells everybody.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Where the node listens, without its id.
    pub(crate) listening: Mutex<Vec<Multiaddr>>,
    pub(crate) peers: Mutex<BTreeMap<PeerId, Peer>>,
    pub(crate) figures: Mutex<Figures>,
    /// Addresses that others are known to reach.
    pub(crate) external: Mutex<Vec<Multiaddr>>,
    /// Addresses that others were asked to reach, and whether they did when they tried last.
    pub(crate) tried: Mutex<BTreeMap<Multiaddr, bool>>,
    /// Keys announced, and the walks for that.
    pub(crate) provided: Mutex<(u64, u64)>,
}

/// What the network counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Peers in the routing table of the DHT.
    pub dht_peers: usize,
    /// Whether this node answers others in the DHT.
    pub dht_server: bool,
    /// Walks through the DHT that were begun.
    pub dht_walks: u64,
    /// Walks refused, because there were too many.
    pub dht_walks_refused: u64,
    /// Records of others that are kept for the DHT.
    pub dht_records: usize,
    /// Provider records of others that are kept for the DHT.
    pub dht_provider_records: usize,
    /// Records and provider records of others that were taken in.
    pub dht_taken: u64,
    /// Records and provider records of others that were refused.
    pub dht_rejected: u64,
    /// Keys that were announced, each as often as it was.
    pub keys_announced: u64,
    /// Walks through the DHT that were made to announce them.
    pub announcing_walks: u64,
    /// What peers did wrong.
    pub offences: u64,
    /// Peers that are banned now.
    pub banned: usize,
}

/// A peer that is connected.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its id.
    pub id: PeerId,
    /// Where the connections lead, or come from: one for each of them, those through relays last.
    pub addresses: Vec<Multiaddr>,
    /// What it calls itself.
    pub agent: Option<String>,
    /// What it says it speaks.
    pub protocols: Vec<String>,
    /// How long a ping took last.
    pub ping: Option<Duration>,
}

/// What the task is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Connect to a peer, unless it is connected.
    Connect { address: Multiaddr, answer: oneshot::Sender<Result<PeerId, NetError>> },
    /// Ask the DHT.
    Dht(Ask),
    /// Tell a peer what this node has.
    Push { peer: PeerId, addresses: Vec<Multiaddr>, push: Push },
    /// Open a stream for replication to a peer that is connected.
    Replicate { peer: PeerId, answer: Answer },
    /// Remember what a peer did.
    Blame { peer: PeerId, offence: Offence },
}

/// Why the network cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The node's key is none.
    #[error("the node's key cannot be used for libp2p")]
    Key(#[from] DecodingError),
    /// A transport did not start.
    #[error("the transport did not start: {0}")]
    Transport(String),
    /// An address to listen at.
    #[error("cannot listen at `{address}`: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// An address of secure WebSockets, and no certificates.
    #[error("`{0}` needs a certificate; say under `[tls]` where the node has it from")]
    NoCertificates(Multiaddr),
    /// An address without the id of its peer.
    #[error("`{0}` names no peer; write `/ip4/192.0.2.1/tcp/4748/p2p/12D3…`")]
    NoPeer(Multiaddr),
    /// The connection was not made.
    #[error("no connection to `{address}`: {reason}")]
    Connect {
        /// Where to.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// The peer is connected, and opens no stream for replication.
    #[error("`{peer}` replicates nothing: {reason}")]
    Replicate {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// The task has ended.
    #[error("the network has stopped")]
    Stopped,
}

impl Net {
    /// Starts the network of the node with this key: when it returns, the node listens where it was told to.
    ///
    /// # Errors
    /// [`NetError`] when it cannot listen.
    pub async fn start(key: &NodeKey, config: &NetConfig) -> Result<Self, NetError> {
        Self::start_guarded(key, config, Guard::new(config.only_public)).await
    }

    pub(crate) async fn start_guarded(
        key: &NodeKey,
        config: &NetConfig,
        guard: Guard,
    ) -> Result<Self, NetError> {
        if config.certificates.is_none()
            && let Some(address) = config.listen.iter().find(|address| is_secure(address))
        {
            return Err(NetError::NoCertificates(address.clone()));
        }
        let key = Keypair::ed25519_from_bytes(*key.seed())?;
        let id = key.public().to_peer_id();
        let state = Arc::new(State::default());
        let (commands, asked) = mpsc::channel(COMMANDS_WAITING_MAX);
        let provided = Arc::default();
        let swarm = build(key, config, Arc::clone(&provided), &guard)?;
        let bitswap = swarm.behaviour().bitswap.handle();
        let speaker = Arc::clone(&swarm.behaviour().replicate.speaker);
        let task = Task::new(swarm, asked, Arc::clone(&state), guard.clone(), config);
        let task = task.listening(&config.listen).await?;
        tokio::spawn(task.run());
        let (scope, has_dht) = (config.dht_scope, config.dht != DhtMode::Off);
        let is_named = config.announce.iter().any(is_secure);
        let certificates = config.certificates.clone();
        let net = Self {
            id,
            commands,
            state,
            bitswap,
            speaker,
            provided,
            guard,
            scope,
            has_dht,
            certificates,
            is_named,
        };
        net.say_what_is_not_named();
        for address in config.bootstrap.clone() {
            net.exempt(&address);
            tokio::spawn(bootstrap(net.commands.downgrade(), address));
        }
        Ok(net)
    }

    /// The node's id among peers.
    pub const fn id(&self) -> PeerId {
        self.id
    }

    /// Where peers reach this node, its id at the end.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.state.listening.lock().iter().map(|address| self.with_id(address)).collect()
    }

    /// Where secure WebSockets lead to this node under its own names, its id at the end, and whether it has a certificate
    /// for the name. Those that it has none for it does not announce.
    pub fn secure_addresses(&self) -> Vec<(Multiaddr, bool)> {
        let named = self.named().into_iter();
        named.map(|(address, is_held)| (self.with_id(&address), is_held)).collect()
    }

    fn with_id(&self, address: &Multiaddr) -> Multiaddr {
        address.clone().with_p2p(self.id).unwrap_or_else(|other| other)
    }

    fn named(&self) -> Vec<(Multiaddr, bool)> {
        let Some(certificates) = self.certificates.as_ref().filter(|_| !self.is_named) else {
            return Vec::new();
        };
        let (own, listening) = (certificates.own(), self.state.listening.lock());
        // Who listens on loopback has somebody before it, who alone knows what it is reached at.
        let reached = listening.iter().filter(|at| self.scope == DhtScope::Lan || !is_loopback(at));
        let mut found: Vec<(Multiaddr, bool)> = Vec::new();
        for at in reached {
            let named = |(name, is_held): &(String, bool)| Some((named(at, name)?, *is_held));
            found.extend(own.iter().filter_map(named));
        }
        found.sort();
        found.dedup();
        found
    }

    /// Says at the start why peers will not come by secure WebSockets, where the node listens for them.
    fn say_what_is_not_named(&self) {
        if self.is_named || !self.state.listening.lock().iter().any(is_secure) {
            return;
        }
        let named = self.named();
        if named.is_empty() {
            tracing::warn!(
                "peers are told of no secure WebSocket: the node has no public name, or listens for them on loopback \
                 only; name the address in `announce`"
            );
        }
        for (address, _) in named.iter().filter(|(_, is_held)| !is_held) {
            tracing::warn!(%address, "there is no certificate for this yet: nobody connects to it before there is one");
        }
    }

    /// Addresses that others were asked to reach (AutoNAT), and whether they did when they tried last.
    pub fn tried(&self) -> Vec<(Multiaddr, bool)> {
        self.state.tried.lock().iter().map(|(address, reached)| (address.clone(), *reached)).collect()
    }

    /// The peers that are connected.
    pub fn peers(&self) -> Vec<Peer> {
        self.state.peers.lock().values().cloned().collect()
    }

    /// Tells peers that ask that this node provides these, from now on. What is given first stays.
    pub fn provide(&self, provided: Arc<dyn Provided>) {
        if self.provided.set(provided).is_err() {
            tracing::warn!("it is known already what this node provides");
        }
    }

    /// Serves these blocks to peers, from now on. What is served first stays.
    pub fn serve_blocks(&self, published: Arc<dyn PublishedBlocks>) {
        if self.bitswap.shared.published.set(published).is_err() {
            tracing::warn!("blocks are served already; these are not");
        }
    }

    /// Replicates cores with peers that open a stream for that, from now on. Who does it first stays.
    pub fn serve_replication(&self, replication: Replication) {
        if self.speaker.set(replication).is_err() {
            tracing::warn!("cores are replicated with peers already");
        }
    }

    /// A stream for replication to the peer that the address names.
    ///
    /// # Errors
    /// [`NetError`] when the peer is not reached, or does not replicate.
    pub(crate) async fn replicate_with(&self, address: Multiaddr) -> Result<Stream, NetError> {
        let peer = self.connect(address).await?;
        let (answer, answered) = oneshot::channel();
        let command = Command::Replicate { peer, answer };
        self.commands.send(command).await.map_err(|_closed| NetError::Stopped)?;
        let answered = answered.await.unwrap_or_else(|_lost| Err("the connection was lost".to_owned()));
        answered.map_err(|reason| NetError::Replicate { peer, reason })
    }

    /// Wants blocks that belong together, of which no more than `budget_bytes` are under way or wait to be taken.
    pub fn block_session(&self, budget_bytes: usize) -> BlockSession {
        self.bitswap.session(budget_bytes)
    }

    /// One block from peers that are connected.
    ///
    /// # Errors
    /// [`FetchError`] when nobody sends it while `wait` lasts.
    pub async fn fetch_block(&self, cid: Cid, wait: Duration) -> Result<Bytes, FetchError> {
        self.bitswap.fetch_block(cid, wait).await
    }

    /// What bitswap has done so far.
    pub fn bitswap_counts(&self) -> BitswapCounts {
        *self.bitswap.shared.counts.lock()
    }

    /// What was exchanged with each peer that is connected, as of a moment ago.
    pub fn ledgers(&self) -> HashMap<PeerId, Ledger> {
        self.bitswap.shared.ledgers.lock().clone()
    }

    /// Connects to the peer that the address names.
    ///
    /// # Errors
    /// [`NetError`] when it names none, or the peer is not reached.
    pub async fn connect(&self, address: Multiaddr) -> Result<PeerId, NetError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Connect { address, answer };
        self.commands.send(command).await.map_err(|_closed| NetError::Stopped)?;
        answered.await.unwrap_or(Err(NetError::Stopped))
    }

    /// The same for the node's operator: the peer may be anywhere.
    ///
    /// # Errors
    /// [`NetError`] when the address names no peer, or the peer is not reached.
    pub async fn connect_as_told(&self, address: Multiaddr) -> Result<PeerId, NetError> {
        self.exempt(&address);
        self.connect(address).await
    }

    /// The rule by which this node connects, which lets it look at itself from outside.
    pub(crate) fn own_guard(&self) -> Guard {
        self.guard.exempt(self.id);
        self.guard.clone()
    }

    fn exempt(&self, address: &Multiaddr) {
        if let Some(Protocol::P2p(peer)) = address.iter().last() {
            self.guard.exempt(peer);
        }
    }

    /// Peers that say in the DHT that they provide what has this multihash, as they are found. The look-up ends with
    /// the stream, or when that is dropped.
    pub async fn find_providers(&self, multihash: &[u8]) -> mpsc::Receiver<FoundProvider> {
        self.providers(multihash, Heed::Anybody).await
    }

    pub(crate) async fn providers(&self, multihash: &[u8], from: Heed) -> mpsc::Receiver<FoundProvider> {
        let (found, finding) = mpsc::channel(PROVIDERS_FOUND_MAX);
        let ask = Ask::Providers { key: multihash.to_vec(), from, found };
        // Where the network has stopped, nothing is found.
        let _ = self.commands.send(Command::Dht(ask)).await;
        finding
    }

    /// The best record of a name that the DHT has, if any.
    pub async fn find_record(&self, name: &Name) -> Option<Record> {
        self.record(name, Heed::Anybody).await
    }

    pub(crate) async fn record(&self, name: &Name, from: Heed) -> Option<Record> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask::Record { name: *name, from, answer };
        self.commands.send(Command::Dht(ask)).await.ok()?;
        answered.await.ok()?
    }

    /// Puts a record of a name into the DHT; gives how many peers took it.
    ///
    /// # Errors
    /// [`PutError`] when nobody did.
    pub async fn put_record(&self, name: &Name, record: Record) -> Result<usize, PutError> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask::Put { name: *name, record: Box::new(record), answer };
        self.commands.send(Command::Dht(ask)).await.map_err(|_stopped| PutError::Alone)?;
        answered.await.unwrap_or(Err(PutError::Busy))
    }

    /// The peers of the DHT that are closest to a key, with their addresses; none where there is no DHT.
    pub async fn closest_peers(&self, key: &[u8]) -> Vec<FoundProvider> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask::Closest { key: key.to_vec(), answer };
        let _ = self.commands.send(Command::Dht(ask)).await;
        let found = |info: PeerInfo| FoundProvider { peer: info.peer_id, addresses: info.addrs };
        answered.await.unwrap_or_default().into_iter().map(found).collect()
    }

    /// Sends the same messages of the DHT to several peers; gives how many had them.
    pub(crate) async fn push(&self, peers: &[FoundProvider], messages: &Bytes) -> usize {
        let mut answers = Vec::new();
        for FoundProvider { peer, addresses } in peers {
            let (answer, answered) = oneshot::channel();
            let push = Push { messages: messages.clone(), answer };
            let command = Command::Push { peer: *peer, addresses: addresses.clone(), push };
            if self.commands.send(command).await.is_ok() {
                answers.push(answered);
            }
        }
        futures::future::join_all(answers).await.into_iter().filter(Result::is_ok).count()
    }

    /// The addresses under which others reach this node, as far as that is known.
    pub(crate) fn announced_addresses(&self, max: usize) -> Vec<Multiaddr> {
        let external = self.state.external.lock().clone();
        let named = self.named().into_iter().filter_map(|(address, is_held)| is_held.then_some(address));
        let mut listening = self.state.listening.lock().clone();
        // Certificates are for names.
        listening.retain(|address| !is_secure(address));
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in external.into_iter().chain(named).chain(listening) {
            if is_routable(&address, self.scope) && !addresses.contains(&address) && addresses.len() < max {
                addresses.push(address);
            }
        }
        addresses
    }

    /// Whether the node takes part in the DHT.
    pub(crate) const fn has_dht(&self) -> bool {
        self.has_dht
    }

    /// Takes down what was announced.
    pub(crate) fn set_provided(&self, keys: u64, walks: u64) {
        *self.state.provided.lock() = (keys, walks);
    }

    /// Remembers what a peer did; who goes on is banned for a while.
    pub async fn blame(&self, peer: PeerId, offence: Offence) {
        let _ = self.commands.send(Command::Blame { peer, offence }).await;
    }

    /// What the network counts.
    pub fn figures(&self) -> Figures {
        let (keys_announced, announcing_walks) = *self.state.provided.lock();
        Figures { keys_announced, announcing_walks, ..*self.state.figures.lock() }
    }
}

/// Connects to a bootstrap peer; again and again until it works once or the network stops.
async fn bootstrap(commands: mpsc::WeakSender<Command>, address: Multiaddr) {
    let mut pause = BOOTSTRAP_RETRY_MIN;
    loop {
        let Some(commands) = commands.upgrade() else { return };
        let (answer, answered) = oneshot::channel();
        let command = Command::Connect { address: address.clone(), answer };
        if commands.send(command).await.is_err() {
            return;
        }
        drop(commands);
        match answered.await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => tracing::warn!(%error, "a bootstrap peer was not reached"),
            Err(_stopped) => return,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BOOTSTRAP_RETRY_MAX);
    }
}
