//! Nodes that are known to hold a core, because its own map names them (`config/hosts`), and blocks that they are asked
//! for over the transport of replication.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use kubelt_content::{Block, Cid};
use kubelt_core::{
    CoreId, MapPath, PublicKey, codec,
    limits::VALUE_BYTES_MAX,
    schema::{HOSTS, Host},
};
use kubelt_store::Store;
use tokio::sync::mpsc;

use super::doors;
use crate::{
    StoreError,
    identity::peer_id,
    limits::{FETCH_HOST_WANTS_MAX, FETCH_HOSTS_MAX},
    remotes::Remotes,
    routing::Provider,
    session::Session,
};

/// A host, and the core that names it.
#[derive(Debug, Clone)]
pub(super) struct KnownHost {
    pub(super) core: CoreId,
    key: PublicKey,
    /// The host as a peer.
    pub(super) provider: Provider,
}

/// What a host says, which is one of several.
#[derive(Debug)]
enum HostSaid {
    /// It can be asked.
    Ready(usize),
    /// A block of these bytes, or that it has none.
    Answered(usize, Box<(Cid, Option<Block>)>),
    /// It cannot be asked any more.
    Gone(usize),
}

/// The hosts that a core names, some of them where there are many.
pub(super) fn hosts_of(store: &Store, core: &CoreId) -> Result<Vec<KnownHost>, StoreError> {
    let base: MapPath = HOSTS.parse().expect("a constant path");
    let rows = store.state_scan(core, Some(&base), None, FETCH_HOSTS_MAX)?;
    let read = |(path, state): (MapPath, kubelt_store::StateEntry)| {
        let value = codec::decode(&state.value, VALUE_BYTES_MAX, "value").ok()?;
        let Host { peer: key, addresses, .. } = Host::read(&path, &value).ok()?;
        let provider = Provider { peer: peer_id(&key)?, addresses: addresses.into_iter().collect() };
        Some(KnownHost { core: *core, key, provider })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Asks a host, the `n`th of several, for single blocks of its core until nobody wants any more.
async fn ask(
    n: usize,
    host: KnownHost,
    remotes: Remotes,
    session: Option<Arc<Session>>,
    asks: mpsc::UnboundedReceiver<Vec<Cid>>,
    told: mpsc::UnboundedSender<HostSaid>,
) {
    if let Err(why) = exchange(n, &host, &remotes, session.as_deref(), asks, &told).await {
        tracing::debug!(core = %host.core, host = %host.provider.peer, why, "a host is not asked for blocks");
    }
    // The search may be over.
    drop(told.send(HostSaid::Gone(n)));
}

async fn exchange(
    n: usize,
    host: &KnownHost,
    remotes: &Remotes,
    session: Option<&Session>,
    mut asks: mpsc::UnboundedReceiver<Vec<Cid>>,
    told: &mpsc::UnboundedSender<HostSaid>,
) -> Result<(), String> {
    let is_own = remotes.own_key().await.is_ok_and(|own| own == host.key);
    let of_peers = host.provider.addresses.iter().filter(|address| doors::url_of(address).is_none());
    let addresses: BTreeSet<String> = of_peers.cloned().collect();
    if is_own || addresses.is_empty() {
        return Err("it is this node, or leads nowhere".to_owned());
    }
    let link = remotes.link(&host.core, &host.key, &addresses, false).await?;
    let opened = link.blocks(remotes.replication(), host.core, session).await;
    let mut blocks = opened.map_err(|error| error.to_string())?;
    drop(told.send(HostSaid::Ready(n)));
    loop {
        tokio::select! {
            cids = asks.recv() => match cids {
                Some(cids) => blocks.want(cids),
                None => return Ok(()),
            },
            next = blocks.next() => {
                let (cid, block) = next.map_err(|error| error.to_string())?;
                drop(told.send(HostSaid::Answered(n, Box::new((cid, block)))));
            }
        }
    }
}

/// The hosts of one search, each asked over a connection of replication.
#[derive(Debug)]
pub(super) struct HostLinks {
    links: Vec<HostLink>,
    told: mpsc::UnboundedSender<HostSaid>,
    said: mpsc::UnboundedReceiver<HostSaid>,
}

#[derive(Debug)]
struct HostLink {
    asks: mpsc::UnboundedSender<Vec<Cid>>,
    state: LinkState,
    asked: HashSet<Cid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkState {
    Sought,
    Ready,
    Gone,
}

/// Whether a host was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostAsked {
    Asked,
    /// Those that may have it are not ready, or busy.
    Later,
    Nobody,
}

/// What hosts gave.
#[derive(Debug)]
pub(super) enum FromHosts {
    /// One can be asked.
    Ready,
    Block(Block),
    /// One does not have it.
    Lacks(usize, Cid),
    /// One was lost, and these were asked of it.
    Lost(Vec<Cid>),
}

impl HostLinks {
    pub(super) fn new() -> Self {
        let (told, said) = mpsc::unbounded_channel();
        Self { links: Vec::new(), told, said }
    }

    /// Connects to hosts; `tried` bits are their places.
    pub(super) fn begin(&mut self, hosts: &[KnownHost], remotes: &Remotes, session: Option<&Arc<Session>>) {
        for (n, host) in hosts.iter().take(FETCH_HOSTS_MAX).cloned().enumerate() {
            let (asks, asking) = mpsc::unbounded_channel();
            let (remotes, session, told) = (remotes.clone(), session.map(Arc::clone), self.told.clone());
            tokio::spawn(ask(n, host, remotes, session, asking, told));
            self.links.push(HostLink { asks, state: LinkState::Sought, asked: HashSet::new() });
        }
    }

    pub(super) fn is_sought(&self) -> bool {
        self.links.iter().any(|link| link.state == LinkState::Sought)
    }

    /// Whether something may come of one.
    pub(super) fn is_asked(&self) -> bool {
        self.links.iter().any(|link| !link.asked.is_empty())
    }

    /// Asks the host with the least to do for a block, of those that are not in `tried`.
    pub(super) fn ask(&mut self, cid: Cid, tried: u8) -> HostAsked {
        let may = |(n, link): &(usize, &mut HostLink)| tried & (1 << n) == 0 && link.state != LinkState::Gone;
        let mut waits = false;
        let mut best: Option<&mut HostLink> = None;
        for (_, link) in self.links.iter_mut().enumerate().filter(may) {
            if link.state == LinkState::Sought || link.asked.len() >= FETCH_HOST_WANTS_MAX {
                waits = true;
            } else if best.as_ref().is_none_or(|best| link.asked.len() < best.asked.len()) {
                best = Some(link);
            }
        }
        match best {
            Some(link) => {
                link.asked.insert(cid);
                // One that has ended meanwhile says so.
                drop(link.asks.send(vec![cid]));
                HostAsked::Asked
            }
            None if waits => HostAsked::Later,
            None => HostAsked::Nobody,
        }
    }

    pub(super) async fn next(&mut self) -> FromHosts {
        match self.said.recv().await.expect("this side can always tell") {
            HostSaid::Ready(n) => {
                self.links[n].state = LinkState::Ready;
                FromHosts::Ready
            }
            HostSaid::Answered(n, answer) => {
                let (cid, block) = *answer;
                self.links[n].asked.remove(&cid);
                block.map_or(FromHosts::Lacks(n, cid), FromHosts::Block)
            }
            HostSaid::Gone(n) => {
                self.links[n].state = LinkState::Gone;
                FromHosts::Lost(self.links[n].asked.drain().collect())
            }
        }
    }
}
