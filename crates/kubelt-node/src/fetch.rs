//! Content that is elsewhere, brought into a core that wants it.
//!
//! In this order: what the core has, what its reader may see on this node, peers ([`PeerBlocks`], who are found by
//! [`Providers`] where those that are connected lack something), and the gateways of the settings ([`Gateways`]),
//! which are asked for single blocks only. Whoever brings a block, it counts once its bytes give its CID.

mod dag;
mod progress;
mod ways;

use std::sync::Arc;

use kubelt_content::{Block, Cid};
use kubelt_core::CoreId;
use kubelt_store::Store;
use parking_lot::RwLock;
use tokio::sync::Semaphore;

pub use progress::FetchProgress;
pub use ways::{Coming, FromPeers, GatewayError, Gateways, PeerBlocks, PeerSession};

use crate::{
    access::Reader,
    content::{Content, UploadError},
    limits::{FETCH_GATEWAY_CALLS_MAX, FETCHES_MAX},
    routing::{Peers, Providers},
};

/// Brings content here; cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    content: Content,
    /// Who is asked who has a block that nobody who is connected has.
    providers: Providers,
    connected: Peers,
    ways: RwLock<Ways>,
    /// DAGs that are fetched at once.
    slots: Semaphore,
    /// Requests to gateways at once.
    calls: Arc<Semaphore>,
}

/// Where blocks can come from.
#[derive(Debug, Clone, Default)]
struct Ways {
    peers: Option<Arc<dyn PeerBlocks>>,
    gateways: Option<Arc<dyn Gateways>>,
}

/// How a fetch ended. What came is the core's in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// Every block is here.
    Whole,
    /// So many blocks are known to be missing, and nobody brings them now.
    Missing(usize),
    /// There are more blocks than one DAG may have.
    TooLarge,
    /// It is wanted no more.
    Stopped,
}

impl Fetcher {
    pub(crate) fn new(store: Store, content: Content, providers: Providers, connected: Peers) -> Self {
        let inner = Inner {
            store,
            content,
            providers,
            connected,
            ways: RwLock::default(),
            slots: Semaphore::new(FETCHES_MAX),
            calls: Arc::new(Semaphore::new(FETCH_GATEWAY_CALLS_MAX)),
        };
        Self(Arc::new(inner))
    }

    /// Takes blocks from peers, from now on.
    pub fn fetch_from_peers(&self, peers: Arc<dyn PeerBlocks>) {
        self.0.ways.write().peers = Some(peers);
    }

    /// Takes blocks from gateways, from now on.
    pub fn fetch_from_gateways(&self, gateways: Arc<dyn Gateways>) {
        self.0.ways.write().gateways = Some(gateways);
    }

    /// Whether there is anybody to take blocks from.
    pub fn can_fetch(&self) -> bool {
        let ways = self.0.ways.read();
        ways.peers.is_some() || ways.gateways.is_some()
    }

    /// Brings the DAG of `root` into `core`, for `reader`, as far as it can be had; `is_wanted` is asked now and then.
    ///
    /// # Errors
    /// [`UploadError`] when the quota is used up or the store fails.
    pub async fn dag(
        &self,
        core: &CoreId,
        root: &Cid,
        reader: &Reader,
        progress: &FetchProgress,
        is_wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Fetched, UploadError> {
        let _slot = self.0.slots.acquire().await.expect("the semaphore is never closed");
        let ways = self.0.ways.read().clone();
        dag::Dag::new(&self.0, ways, core, reader, progress).bring(root, is_wanted).await
    }
}

/// A block that a gateway gave, once its bytes are looked at.
fn checked(cid: Cid, data: bytes::Bytes) -> Option<Block> {
    Block::checked(cid, data).ok()
}

#[cfg(test)]
mod tests;
