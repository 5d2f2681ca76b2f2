//! Ports to what other nodes know: records of names, providers of content, and the peers themselves.
//!
//! A node has none of them before it is given one; then it answers from what is here.

use std::{collections::HashMap, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use kubelt_content::{
    Cid,
    ipns::{Name, Record},
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc};

use crate::limits::{NAME_LOOKUPS_KEPT_MAX, NAME_LOOKUPS_MAX, NAME_MISS_KEPT, NAME_TTL_MAX, NAME_TTL_MIN};

/// What a port answers, when it is done.
pub type Routing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why something did not reach others.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct RoutingError(
    /// In the words of whoever tried.
    pub String,
);

/// Looks for and spreads records of IPNS names.
pub trait RecordRouting: Send + Sync + fmt::Debug {
    /// The best valid record of a name that others have.
    fn find_record<'a>(&'a self, name: &'a Name) -> Routing<'a, Option<Record>>;
    /// The best valid record of a name that others have, whatever this node keeps for them itself.
    fn find_record_elsewhere<'a>(&'a self, name: &'a Name) -> Routing<'a, Option<Record>> {
        self.find_record(name)
    }
    /// Gives a record to those where others look for it; answers how many took it.
    fn put_record<'a>(&'a self, name: &'a Name, record: Record) -> Routing<'a, Result<usize, RoutingError>>;
}

/// Looks for who has content.
pub trait ProviderRouting: Send + Sync + fmt::Debug {
    /// Who says that they have it, as they are found. The look-up ends with the stream, or when that is dropped.
    fn find_providers<'a>(&'a self, cid: &'a Cid) -> Routing<'a, mpsc::Receiver<Provider>>;
}

/// The peers that the node is connected to.
pub trait PeerNetwork: Send + Sync + fmt::Debug {
    /// The node's id and the addresses where peers reach it.
    fn own(&self) -> Provider;
    /// Addresses of the node that others were asked to reach, and whether they did when they tried last.
    fn tried(&self) -> Vec<(String, bool)> {
        Vec::new()
    }
    /// Where secure WebSockets lead to the node under its own names, its id at the end, and whether there is a certificate
    /// for the name.
    fn secure(&self) -> Vec<(String, bool)> {
        Vec::new()
    }
    /// The peers that are connected.
    fn peers(&self) -> Vec<ConnectedPeer>;
    /// Connects to the peer that an address names, for the operator: wherever it is; gives its id.
    fn connect_as_told<'a>(&'a self, address: &'a str) -> Routing<'a, Result<String, RoutingError>> {
        self.connect(address)
    }
    /// Connects to the peer that an address names, where the node connects to what anybody may have named; gives its id.
    fn connect<'a>(&'a self, address: &'a str) -> Routing<'a, Result<String, RoutingError>>;
    /// The node's id and the addresses under which strangers reach it, as far as that is known.
    fn announced(&self) -> Provider;
    /// Where a peer is, as others say.
    fn find_peer<'a>(&'a self, peer: &'a str) -> Routing<'a, Option<Provider>>;
    /// Who is told of by others, where they are asked who has something.
    fn heard_of<'a>(&'a self, cid: &'a Cid) -> Routing<'a, Heard>;
    /// Connects to a peer at one of these addresses as a stranger whom nobody knows, and asks it for a block.
    fn ask_as_stranger<'a>(
        &'a self,
        addresses: &'a [String],
        cid: &'a Cid,
    ) -> Routing<'a, Result<(), StrangerError>>;
    /// What the network counts, by name and meaning.
    fn figures(&self) -> Vec<(&'static str, &'static str, u64)>;
}

/// A peer that says that it has something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its peer id, in base58.
    pub peer: String,
    /// Where it is, as multiaddrs; may be empty.
    pub addresses: Vec<String>,
}

/// What others say about who has something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Peers that can be asked; none where the node takes no part in the DHT.
    pub peers: Option<usize>,
    /// Ids of those who are said to have it, by others than this node.
    pub providers: Vec<String>,
}

/// Why a stranger got no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrangerError {
    /// No address is one at which peers are asked for blocks.
    #[error("no address of it is known at which strangers can ask for blocks")]
    NoAddress,
    /// None of the addresses was reached.
    #[error("it was not reached: {0}")]
    NotReached(String),
    /// It was reached, and gave no block that is the one asked for.
    #[error("it was reached, and did not give the block")]
    NotGiven,
}

/// A peer that is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedPeer {
    /// Its peer id, in base58.
    pub peer: String,
    /// Where the connections lead, or come from: one for each of them, those through relays last.
    pub addresses: Vec<String>,
    /// What it calls itself.
    pub agent: Option<String>,
    /// What it says it speaks.
    pub protocols: Vec<String>,
    /// How long a ping took last.
    pub ping: Option<Duration>,
}

/// The peers of a node, where it has any; cheap to clone, and all clones see a change.
#[derive(Debug, Clone, Default)]
pub struct Peers(Arc<RwLock<Option<Arc<dyn PeerNetwork>>>>);

impl Peers {
    /// From now on these are the node's peers.
    pub fn by(&self, network: Arc<dyn PeerNetwork>) {
        *self.0.write() = Some(network);
    }

    /// The network of peers, where the node is in one.
    pub fn network(&self) -> Option<Arc<dyn PeerNetwork>> {
        self.0.read().clone()
    }
}

/// Who is asked for content that is not here; cheap to clone, and all clones see a change.
#[derive(Debug, Clone, Default)]
pub struct Providers(Arc<RwLock<Vec<Arc<dyn ProviderRouting>>>>);

impl Providers {
    /// From now on this one is asked, too.
    pub fn ask(&self, routing: Arc<dyn ProviderRouting>) {
        self.0.write().push(routing);
    }

    /// Who says that they have it, from all that are asked, as they are found; each peer may be told several times.
    pub fn find(&self, cid: &Cid) -> mpsc::Receiver<Provider> {
        let (all, finding) = mpsc::channel(64);
        for routing in self.0.read().iter() {
            let (all, cid, routing) = (all.clone(), *cid, Arc::clone(routing));
            tokio::spawn(async move {
                let mut found = routing.find_providers(&cid).await;
                loop {
                    let next = tokio::select! {
                        () = all.closed() => None,
                        next = found.recv() => next,
                    };
                    let Some(provider) = next else { return };
                    if all.send(provider).await.is_err() {
                        return;
                    }
                }
            });
        }
        finding
    }
}

/// Records of names beyond this node; cheap to clone, and all clones see a change.
#[derive(Debug, Clone)]
pub(crate) struct NameRouting(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    routing: RwLock<Option<Arc<dyn RecordRouting>>>,
    /// Look-ups at once.
    looking: Semaphore,
    /// Until when a name need not be looked for again, in milliseconds since the Unix epoch.
    looked: Mutex<HashMap<Name, u64>>,
}

impl Default for NameRouting {
    fn default() -> Self {
        let (routing, looked) = (RwLock::default(), Mutex::default());
        Self(Arc::new(Inner { routing, looking: Semaphore::new(NAME_LOOKUPS_MAX), looked }))
    }
}

impl NameRouting {
    pub(crate) fn by(&self, routing: Arc<dyn RecordRouting>) {
        *self.0.routing.write() = Some(routing);
    }

    pub(crate) fn routing(&self) -> Option<Arc<dyn RecordRouting>> {
        self.0.routing.read().clone()
    }

    /// The best record that others have, if they were not asked of late. A flood of names that nobody has must not
    /// become a flood of look-ups: misses are remembered too, and only so many look-ups run at once.
    pub(crate) async fn find(&self, name: &Name, now_ms: u64) -> Option<Record> {
        let routing = self.routing()?;
        if self.0.looked.lock().get(name).is_some_and(|until| now_ms < *until) {
            return None;
        }
        let _one = self.0.looking.acquire().await.ok()?;
        if self.0.looked.lock().get(name).is_some_and(|until| now_ms < *until) {
            return None;
        }
        let found = routing.find_record(name).await;
        let kept = match &found {
            Some(record) => record.ttl().unwrap_or(NAME_TTL_MIN).clamp(NAME_TTL_MIN, NAME_TTL_MAX),
            None => NAME_MISS_KEPT,
        };
        let mut looked = self.0.looked.lock();
        if looked.len() >= NAME_LOOKUPS_KEPT_MAX {
            looked.retain(|_, until| now_ms < *until);
            if looked.len() >= NAME_LOOKUPS_KEPT_MAX {
                looked.clear();
            }
        }
        looked.insert(*name, now_ms + u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        found
    }
}

#[cfg(test)]
mod tests;
