//! Content that is elsewhere, brought into a core that wants it ([`Fetcher::dag`]) or to a reader
//! ([`Fetcher::retrieval`]).
//!
//! In this order: what the core has or the cache of readers holds, what the reader may see on this node, peers that are
//! connected ([`PeerBlocks`]), hosts that the core names (by bitswap, replication or HTTP), peers who are said to have it
//! ([`Providers`]; by bitswap or HTTP), and the gateways of the settings ([`Gateways`]), which are asked for single blocks, and
//! for CARs of whole DAGs where the settings say that they are known. Whoever brings a block, it counts once its bytes give
//! its CID.

mod ahead;
mod cars;
mod dag;
mod doors;
mod gateways;
mod hosts;
mod places;
mod progress;
mod retrieval;
mod search;
mod shelf;
mod ways;

use std::{net::IpAddr, sync::Arc, time::Duration};

use kubelt_content::Cid;
use kubelt_core::CoreId;
use kubelt_store::Store;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

pub use progress::{FetchProgress, FetchWay};
pub use retrieval::{Away, Retrieval, RetrievalError};
pub use ways::{Coming, FromPeers, GatewayError, Gateways, PeerBlocks, PeerSession};

use self::{
    places::{Client, Places},
    retrieval::{Begin, Owner},
    shelf::Shelf,
    ways::Ways,
};
use crate::{
    access::Reader,
    content::{Content, UploadError},
    limits::{
        FETCH_CARS_MAX, FETCH_DOOR_CALLS_MAX, FETCH_GATEWAY_CALLS_MAX, FETCH_HOPS_MAX, FETCH_HOSTS_MAX,
        FETCHES_MAX, READ_BYTES_MAX, READ_CACHE_BYTES_MAX, READ_TIME_MAX,
    },
    remotes::Remotes,
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
    rules: RwLock<FetchRules>,
    /// DAGs that are fetched at once.
    slots: Semaphore,
    /// Requests to gateways at once.
    calls: Arc<Semaphore>,
    /// The same to hosts and providers over HTTP.
    door_calls: Arc<Semaphore>,
    /// CARs at once.
    cars: Arc<Semaphore>,
    /// By whom hosts of cores are reached over replication.
    remotes: RwLock<Option<Remotes>>,
    standings: gateways::Standings,
    /// Readers that are fetched for.
    places: Places,
    /// What was brought to readers.
    cache: Mutex<Shelf<(Owner, Cid)>>,
    counts: progress::Counts,
}

/// For whom content is fetched that is not here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FetchFor {
    /// For nobody.
    Nobody,
    /// For those who are signed in.
    #[default]
    Members,
    /// For whoever asks.
    Anybody,
}

/// How content is fetched for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchRules {
    /// For whom.
    pub whom: FetchFor,
    /// How long one request may take, to its last byte.
    pub time_max: Duration,
    /// Bytes that come from others for one request.
    pub bytes_max: u64,
    /// Bytes of the cache.
    pub cache_bytes_max: usize,
}

impl Default for FetchRules {
    fn default() -> Self {
        Self {
            whom: FetchFor::default(),
            time_max: READ_TIME_MAX,
            bytes_max: READ_BYTES_MAX,
            cache_bytes_max: READ_CACHE_BYTES_MAX,
        }
    }
}

/// Who asks for content that may have to be fetched.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// As whom.
    pub reader: &'a Reader,
    /// From where: an address, or the network that counts as one client.
    pub network: IpAddr,
    /// Nodes that the request has come through.
    pub hops: usize,
    /// Whether what is here already is all that is wanted.
    pub only_cached: bool,
}

/// What was fetched since the node began.
#[derive(Debug, Clone)]
pub struct FetchFigures {
    /// Blocks and their bytes, by the way on which they came.
    pub ways: Vec<(FetchWay, u64, u64)>,
    /// Readers that are fetched for now.
    pub readers: u64,
    /// Bytes of the cache.
    pub cache_bytes: u64,
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
        let rules = FetchRules::default();
        let inner = Inner {
            store,
            content,
            providers,
            connected,
            ways: RwLock::default(),
            slots: Semaphore::new(FETCHES_MAX),
            calls: Arc::new(Semaphore::new(FETCH_GATEWAY_CALLS_MAX)),
            door_calls: Arc::new(Semaphore::new(FETCH_DOOR_CALLS_MAX)),
            cars: Arc::new(Semaphore::new(FETCH_CARS_MAX)),
            remotes: RwLock::default(),
            standings: gateways::Standings::default(),
            places: Places::default(),
            cache: Mutex::new(Shelf::new(rules.cache_bytes_max)),
            counts: progress::Counts::default(),
            rules: RwLock::new(rules),
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

    /// Takes blocks from hosts of cores over replication, from now on.
    pub(crate) fn fetch_from_remotes(&self, remotes: Remotes) {
        *self.0.remotes.write() = Some(remotes);
    }

    /// Fetches for readers by these rules, from now on.
    pub fn set_rules(&self, rules: FetchRules) {
        *self.0.rules.write() = rules;
        self.0.cache.lock().set_bytes_max(rules.cache_bytes_max);
    }

    /// Whether there is anybody to take blocks from.
    pub fn can_fetch(&self) -> bool {
        let ways = self.0.ways.read();
        ways.peers.is_some() || ways.gateways.is_some()
    }

    /// What brings to a reader what is not here; none where the node does not fetch for this one.
    pub fn retrieval(&self, asker: Asker<'_>) -> Option<Retrieval> {
        let rules = *self.0.rules.read();
        let owner = match (rules.whom, asker.reader.session()) {
            (FetchFor::Nobody, _) | (FetchFor::Members, None) => return None,
            (FetchFor::Members, Some(session)) => Owner::Account(session.account().clone()),
            (FetchFor::Anybody, _) => Owner::Anybody,
        };
        if !self.can_fetch() || asker.hops > FETCH_HOPS_MAX {
            return None;
        }
        let begin = Begin {
            reader: asker.reader.clone(),
            client: Client::of(asker.reader, asker.network),
            owner,
            from_others: !asker.only_cached,
            hops: asker.hops,
            time_max: rules.time_max,
            bytes_max: rules.bytes_max,
        };
        Some(Retrieval::new(Arc::clone(&self.0), begin))
    }

    /// What was fetched so far.
    pub fn figures(&self) -> FetchFigures {
        FetchFigures {
            ways: self.0.counts.taken().collect(),
            readers: self.0.places.taken() as u64,
            cache_bytes: self.0.cache.lock().bytes() as u64,
        }
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
        dag::Dag::new(&self.0, ways, core, reader, progress)?.bring(root, is_wanted).await
    }
}

impl Inner {
    /// Hosts of the cores that a reader has signed in to.
    fn hosts_for(&self, reader: &Reader) -> Vec<hosts::KnownHost> {
        let cores = reader.session().into_iter().flat_map(|session| session.login.abilities.keys());
        let mut hosts: Vec<hosts::KnownHost> = Vec::new();
        for core in cores {
            let named = hosts::hosts_of(&self.store, core).unwrap_or_default();
            hosts.extend(named);
            if hosts.len() >= FETCH_HOSTS_MAX {
                break;
            }
        }
        hosts.truncate(FETCH_HOSTS_MAX);
        hosts
    }
}

#[cfg(test)]
mod tests;
