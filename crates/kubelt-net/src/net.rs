//! The handle that the rest of the node has of its network.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_node::{NodeKey, PublishedBlocks};
use libp2p::{
    Multiaddr, PeerId,
    identity::{DecodingError, Keypair},
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::{
    bitswap::{BitswapCounts, BlockSession, FetchError, Handle, Ledger},
    config::NetConfig,
    limits::COMMANDS_WAITING_MAX,
    swarm::{Task, build},
};

/// A node's network; cheap to clone. The task behind it ends with its last handle.
#[derive(Debug, Clone)]
pub struct Net {
    id: PeerId,
    commands: mpsc::Sender<Command>,
    state: Arc<State>,
    bitswap: Handle,
}

/// What the task tells everybody.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Where the node listens, without its id.
    pub(crate) listening: Mutex<Vec<Multiaddr>>,
    pub(crate) peers: Mutex<BTreeMap<PeerId, Peer>>,
}

/// A peer that is connected.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its id.
    pub id: PeerId,
    /// Where the connections lead, or come from.
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
        let key = Keypair::ed25519_from_bytes(*key.seed())?;
        let id = key.public().to_peer_id();
        let state = Arc::new(State::default());
        let (commands, asked) = mpsc::channel(COMMANDS_WAITING_MAX);
        let swarm = build(key)?;
        let bitswap = swarm.behaviour().bitswap.handle();
        let task = Task::new(swarm, asked, Arc::clone(&state));
        let task = task.listening(&config.listen).await?;
        tokio::spawn(task.run());
        let net = Self { id, commands, state, bitswap };
        for address in config.bootstrap.clone() {
            let net = net.clone();
            tokio::spawn(async move {
                if let Err(error) = net.connect(address).await {
                    tracing::warn!(%error, "a bootstrap peer was not reached");
                }
            });
        }
        Ok(net)
    }

    /// The node's id among peers.
    pub const fn id(&self) -> PeerId {
        self.id
    }

    /// Where peers reach this node, its id at the end.
    pub fn addresses(&self) -> Vec<Multiaddr> {
        let with_id = |address: &Multiaddr| address.clone().with_p2p(self.id).unwrap_or_else(|other| other);
        self.state.listening.lock().iter().map(with_id).collect()
    }

    /// The peers that are connected.
    pub fn peers(&self) -> Vec<Peer> {
        self.state.peers.lock().values().cloned().collect()
    }

    /// Serves these blocks to peers, from now on. What is served first stays.
    pub fn serve_blocks(&self, published: Arc<dyn PublishedBlocks>) {
        if self.bitswap.shared.published.set(published).is_err() {
            tracing::warn!("blocks are served already; these are not");
        }
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
}
