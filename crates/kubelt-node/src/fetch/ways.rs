//! Where blocks can come from: ports that the edges fill.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use kubelt_content::{Block, Cid};

/// The next thing that happens in a session, when it does; none when the network has stopped.
pub type Coming<'a> = Pin<Box<dyn Future<Output = Option<FromPeers>> + Send + 'a>>;

/// Blocks of peers.
pub trait PeerBlocks: Send + Sync + std::fmt::Debug {
    /// Begins to want blocks that belong together, at most so many bytes of them at once.
    fn session(&self, budget_bytes: usize) -> Box<dyn PeerSession>;
}

/// Blocks that belong together, wanted from peers. All wants end with it.
pub trait PeerSession: Send + std::fmt::Debug {
    /// Wants these, too; those that cannot be wanted are given back as [`FromPeers::Nobody`].
    fn want(&mut self, cids: Vec<Cid>);

    /// These not any more.
    fn forget(&mut self, cids: Vec<Cid>);

    /// These peers, by their ids, are said to have some of them.
    fn hint(&mut self, peers: Vec<String>);

    /// What happens next. It may be dropped and asked for again.
    fn next(&mut self) -> Coming<'_>;
}

/// What peers gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromPeers {
    /// A block, named by hashing its bytes.
    Block {
        /// It.
        block: Block,
        /// Who sent it, by its id.
        peer: String,
    },
    /// Nobody who is connected has this one. It stays wanted.
    Nobody(Cid),
}

/// Trustless gateways: those that the operator named, and others over HTTP.
pub trait Gateways: Send + Sync + std::fmt::Debug {
    /// How many there are.
    fn count(&self) -> usize;

    /// The raw bytes of a block from one of them, unverified. It blocks, and bounds its time and its size. The gateway
    /// is told how many nodes the request has come through already, so that no two ask each other in turn for ever.
    ///
    /// # Errors
    /// [`GatewayError`] when there is no good answer.
    fn block(&self, gateway: usize, cid: &Cid, hops: usize) -> Result<Bytes, GatewayError>;

    /// Whether one of them is known to give whole DAGs as CARs, in the order of a walk from the first link on.
    fn gives_cars(&self, _gateway: usize) -> bool {
        false
    }

    /// The CAR of all below a block from one of them, unverified, piece by piece until `take` has had enough. It blocks,
    /// and bounds its time.
    ///
    /// # Errors
    /// [`GatewayError`] when there is none, or it breaks off.
    fn car(
        &self,
        _gateway: usize,
        _cid: &Cid,
        _hops: usize,
        _take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), GatewayError> {
        Err(GatewayError::Missing("it gives none".to_owned()))
    }

    /// The raw bytes of a block, unverified, from whoever answers at a URL that anybody may have named. It blocks, bounds its
    /// time and its size, and goes nowhere that the node does not go for strangers.
    ///
    /// # Errors
    /// [`GatewayError`] when there is no good answer.
    fn block_at(&self, _url: &str, _cid: &Cid, _hops: usize) -> Result<Bytes, GatewayError> {
        Err(GatewayError::Failed("nobody is asked over HTTP".to_owned()))
    }
}

/// Why a gateway gave no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// It says that it has none.
    #[error("{0}")]
    Missing(String),
    /// It cannot be reached, or its answer is of no use.
    #[error("{0}")]
    Failed(String),
}

/// Where blocks can come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Ways {
    pub(super) peers: Option<Arc<dyn PeerBlocks>>,
    pub(super) gateways: Option<Arc<dyn Gateways>>,
}
