//! Blocks that are wanted, and every way on which they are looked for: peers that are connected, the hosts of the core,
//! peers that are said to have them, and gateways.
//!
//! Each way has a head start before the next: whoever is connected is asked first; what none of them has is asked of the
//! hosts of the core, where it has any; then providers are looked up, and gateways are asked at the same time.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kubelt_content::{Block, Cid};
use tokio::{
    task::JoinSet,
    time::{Instant, Interval, interval, timeout_at},
};

use super::{
    Inner,
    gateways::Answered,
    progress::FetchWay,
    ways::{Coming, FromPeers, PeerSession, Ways},
};
use crate::{
    limits::{
        FETCH_ADDRESSES_MAX, FETCH_FIND_TIME_MAX, FETCH_HEAD_START, FETCH_HINT_TIME, FETCH_LOOK_BLOCKS,
        FETCH_PROVIDER_LOOKUPS_MAX, FETCH_PROVIDERS_MAX, FETCH_PROVIDERS_TRIED_MAX, FETCH_QUIET,
        FETCH_STARVED_LISTED_MAX, FETCH_TICK,
    },
    routing::{Peers, Provider, Providers},
};

/// What a search is for.
#[derive(Debug)]
pub(super) struct Purpose {
    /// Nodes that are likely to have it.
    pub(super) hosts: Vec<Provider>,
    /// Bytes that are asked for, or came and were not taken.
    pub(super) budget_bytes: usize,
    /// Gateways that the request has come through already.
    pub(super) hops: usize,
    /// How long nothing may come before the search is over.
    pub(super) idle: Duration,
    /// The same where nobody who can be asked has any of the blocks.
    pub(super) starved_idle: Duration,
}

/// How one block is looked for.
#[derive(Debug, Default)]
struct Wish {
    /// Nobody who is connected has it.
    starved: bool,
    /// Whether it waits for a gateway, or one is asked.
    at_gateways: bool,
    /// Gateways that did not give it.
    tried: Vec<usize>,
}

/// Where peers come from that are asked because somebody says that they have something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Hosts,
    Providers,
}

/// Peers that never answer, where there is no network.
#[derive(Debug)]
struct NoPeers;

impl PeerSession for NoPeers {
    fn want(&mut self, _: Vec<Cid>) {}
    fn forget(&mut self, _: Vec<Cid>) {}
    fn hint(&mut self, _: Vec<String>) {}
    fn next(&mut self) -> Coming<'_> {
        Box::pin(std::future::pending())
    }
}

#[derive(Debug)]
pub(super) struct Search {
    inner: Arc<Inner>,
    ways: Ways,
    purpose: Purpose,
    peers: Box<dyn PeerSession>,
    wanted: HashMap<Cid, Wish>,
    /// Blocks that nobody who is connected has, and for which no providers were looked up.
    for_providers: VecDeque<Cid>,
    /// What waits for a gateway.
    for_gateways: VecDeque<Cid>,
    calls: JoinSet<(Cid, usize, Answered)>,
    lookups: JoinSet<(Step, Vec<String>)>,
    lookups_made: usize,
    hosts_asked: bool,
    /// Peers that were connected to as hosts, and as providers.
    hosts: HashSet<String>,
    providers: HashSet<String>,
    /// When something came last, or was last wanted anew.
    stirred: Instant,
    /// When peers were last found that may have something.
    hinted: Option<Instant>,
    clock: Interval,
}

impl Search {
    pub(super) fn new(inner: Arc<Inner>, ways: Ways, purpose: Purpose) -> Self {
        let peers: Box<dyn PeerSession> = match &ways.peers {
            Some(peers) => peers.session(purpose.budget_bytes),
            None => Box::new(NoPeers),
        };
        Self {
            inner,
            ways,
            purpose,
            peers,
            wanted: HashMap::new(),
            for_providers: VecDeque::new(),
            for_gateways: VecDeque::new(),
            calls: JoinSet::new(),
            lookups: JoinSet::new(),
            lookups_made: 0,
            hosts_asked: false,
            hosts: HashSet::new(),
            providers: HashSet::new(),
            stirred: Instant::now(),
            hinted: None,
            clock: interval(FETCH_TICK),
        }
    }

    /// Wants these, too.
    pub(super) fn want(&mut self, cids: Vec<Cid>) {
        let new: Vec<Cid> = cids.into_iter().filter(|cid| !self.wanted.contains_key(cid)).collect();
        if new.is_empty() {
            return;
        }
        if self.wanted.is_empty() {
            self.stir();
        }
        self.wanted.extend(new.iter().map(|cid| (*cid, Wish::default())));
        if self.ways.peers.is_none() {
            new.iter().for_each(|cid| self.starved(*cid));
        }
        self.peers.want(new);
    }

    /// How many blocks are wanted.
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    pub(super) fn wants(&self, cid: &Cid) -> bool {
        self.wanted.contains_key(cid)
    }

    /// Begins anew to count how long nothing comes.
    pub(super) fn stir(&mut self) {
        self.stirred = Instant::now();
    }

    /// Wants nothing any more.
    pub(super) fn give_up(&mut self) {
        let wanted: Vec<Cid> = self.wanted.drain().map(|(cid, _)| cid).collect();
        self.for_providers.clear();
        self.for_gateways.clear();
        self.peers.forget(wanted);
    }

    /// Takes a block that came on another way.
    pub(super) fn came(&mut self, cid: &Cid) {
        if self.wanted.remove(cid).is_some() {
            self.peers.forget(vec![*cid]);
        }
    }

    /// The next block that comes. It may be dropped and asked for again; it ends only with a block.
    pub(super) async fn next(&mut self) -> (FetchWay, Block) {
        loop {
            self.ask_providers();
            self.ask_gateways();
            tokio::select! {
                event = self.peers.next() => match event {
                    Some(FromPeers::Block { block, peer }) => {
                        if self.wanted.remove(block.cid()).is_some() {
                            self.stir();
                            return (self.way_of(&peer), block);
                        }
                    }
                    Some(FromPeers::Nobody(cid)) => self.starved(cid),
                    // The network has stopped; gateways may go on.
                    None => self.peers = Box::new(NoPeers),
                },
                Some(answered) = self.calls.join_next() => {
                    let (cid, gateway, answer) = answered.expect("asking a gateway does not panic");
                    if let Some(block) = self.answered(cid, gateway, answer) {
                        return (FetchWay::Gateway, block);
                    }
                }
                Some(found) = self.lookups.join_next() => {
                    let (step, peers) = found.expect("looking for peers does not panic");
                    self.found(step, peers);
                }
                // Gateways are asked for what peers do not send.
                _ = self.clock.tick() => {}
            }
        }
    }

    fn way_of(&self, peer: &str) -> FetchWay {
        if self.hosts.contains(peer) {
            FetchWay::Host
        } else if self.providers.contains(peer) {
            FetchWay::Bitswap
        } else {
            FetchWay::Peer
        }
    }

    fn starved(&mut self, cid: Cid) {
        let Some(wish) = self.wanted.get_mut(&cid) else { return };
        wish.starved = true;
        if self.for_providers.len() < FETCH_STARVED_LISTED_MAX {
            self.for_providers.push_back(cid);
        }
        if self.stirred.elapsed() >= FETCH_HEAD_START || self.ways.peers.is_none() {
            self.send_to_gateways(cid);
        }
    }

    /// Looks for others who have what nobody has who is connected: first the hosts of the core, then whoever is said to.
    fn ask_providers(&mut self) {
        if self.for_providers.is_empty() || self.ways.peers.is_none() {
            return;
        }
        if !self.hosts_asked {
            self.hosts_asked = true;
            if !self.purpose.hosts.is_empty() {
                let (hosts, connected) = (self.purpose.hosts.clone(), self.inner.connected.clone());
                self.lookups.spawn(async move { (Step::Hosts, connect_to_hosts(hosts, connected).await) });
                return;
            }
        }
        let hosts_are_sought = self.hosts.is_empty() && !self.lookups.is_empty() && self.lookups_made == 0;
        let hosts_begin =
            !self.hosts.is_empty() && self.hinted.is_some_and(|at| at.elapsed() < FETCH_HEAD_START);
        if hosts_are_sought || hosts_begin {
            return;
        }
        while self.lookups.len() < FETCH_PROVIDER_LOOKUPS_MAX
            && let Some(cid) = self.for_providers.pop_front()
        {
            if !self.wanted.contains_key(&cid) {
                continue;
            }
            // Who has the first blocks has the others, as a rule: each one is not looked up.
            let often =
                self.lookups_made > FETCH_PROVIDER_LOOKUPS_MAX && !self.lookups_made.is_power_of_two();
            self.lookups_made += 1;
            if !often {
                let (providers, connected) = (self.inner.providers.clone(), self.inner.connected.clone());
                self.lookups.spawn(async move {
                    (Step::Providers, find_and_connect(providers, connected, cid).await)
                });
            }
        }
    }

    fn found(&mut self, step: Step, peers: Vec<String>) {
        if peers.is_empty() {
            return;
        }
        self.hinted = Some(Instant::now());
        match step {
            Step::Hosts => self.hosts.extend(peers.iter().cloned()),
            Step::Providers => self.providers.extend(peers.iter().cloned()),
        }
        self.peers.hint(peers);
    }

    fn send_to_gateways(&mut self, cid: Cid) {
        let count = self.ways.gateways.as_ref().map_or(0, |gateways| gateways.count());
        if let Some(wish) = self.wanted.get_mut(&cid)
            && !wish.at_gateways
            && wish.tried.len() < count
        {
            wish.at_gateways = true;
            self.for_gateways.push_back(cid);
        }
    }

    /// Asks gateways for what peers lack, and for what they do not send.
    fn ask_gateways(&mut self) {
        let Some(gateways) = self.ways.gateways.clone() else { return };
        let quiet = self.stirred.elapsed();
        if self.for_gateways.is_empty() && quiet > FETCH_HEAD_START {
            let is_due = |wish: &Wish| !wish.at_gateways && (wish.starved || quiet > FETCH_QUIET);
            let due = self.wanted.iter().filter(|(_, wish)| is_due(wish)).map(|(cid, _)| *cid);
            let due: Vec<Cid> = due.take(FETCH_LOOK_BLOCKS).collect();
            due.into_iter().for_each(|cid| self.send_to_gateways(cid));
        }
        while let Some(cid) = self.for_gateways.front().copied() {
            let Some(wish) = self.wanted.get(&cid) else {
                self.for_gateways.pop_front();
                continue;
            };
            let Ok(place) = Arc::clone(&self.inner.calls).try_acquire_owned() else { return };
            self.for_gateways.pop_front();
            let Some(gateway) = self.inner.standings.best(gateways.count(), &wish.tried) else { continue };
            let (gateways, hops) = (Arc::clone(&gateways), self.purpose.hops);
            self.calls.spawn_blocking(move || {
                let _place = place;
                let answer = gateways.block(gateway, &cid, hops);
                (cid, gateway, Answered::of(&cid, answer))
            });
        }
    }

    fn answered(&mut self, cid: Cid, gateway: usize, answer: Answered) -> Option<Block> {
        self.inner.standings.note(gateway, &answer);
        match answer {
            Answered::Block(block) => {
                let was_wanted = self.wanted.remove(&cid).is_some();
                if was_wanted {
                    self.peers.forget(vec![cid]);
                    self.stir();
                }
                was_wanted.then_some(block)
            }
            Answered::Missing | Answered::Failed | Answered::Lied => {
                if let Some(wish) = self.wanted.get_mut(&cid) {
                    wish.tried.push(gateway);
                    wish.at_gateways = false;
                    self.send_to_gateways(cid);
                }
                None
            }
        }
    }

    /// Whether waiting longer is of no use.
    pub(super) fn is_over(&self) -> bool {
        let patience = if self.all_starve() { self.purpose.starved_idle } else { self.purpose.idle };
        self.stirred.elapsed() > patience
    }

    /// Whether nobody who can be asked has any of what is wanted.
    pub(super) fn all_starve(&self) -> bool {
        let asks = !self.calls.is_empty() || !self.for_gateways.is_empty() || !self.lookups.is_empty();
        let hopes = self.hinted.is_some_and(|at| at.elapsed() < FETCH_HINT_TIME);
        !asks && !hopes && self.wanted.values().all(|wish| wish.starved)
    }
}

/// Connects to nodes that hold the core; gives their ids.
async fn connect_to_hosts(hosts: Vec<Provider>, connected: Peers) -> Vec<String> {
    let mut found = Vec::new();
    let Some(network) = connected.network() else { return found };
    let until = Instant::now() + FETCH_FIND_TIME_MAX;
    for host in hosts {
        let is_for_peers = |address: &&String| !address.contains("/tls") || address.contains("/ws");
        let mut addresses: Vec<String> = host.addresses.iter().filter(is_for_peers).cloned().collect();
        if addresses.is_empty()
            && let Ok(Some(known)) = timeout_at(until, network.find_peer(&host.peer)).await
        {
            addresses = known.addresses;
        }
        if connect(&*network, &Provider { peer: host.peer.clone(), addresses }, until).await {
            found.push(host.peer);
        }
    }
    found
}

/// Connects to some of those who say that they have a block; gives their ids.
async fn find_and_connect(providers: Providers, connected: Peers, cid: Cid) -> Vec<String> {
    let mut found = Vec::new();
    let Some(network) = connected.network() else { return found };
    let until = Instant::now() + FETCH_FIND_TIME_MAX;
    let mut finding = providers.find(&cid);
    let mut tried = HashSet::new();
    while let Ok(Some(provider)) = timeout_at(until, finding.recv()).await {
        if !tried.insert(provider.peer.clone()) {
            continue;
        }
        if connect(&*network, &provider, until).await {
            found.push(provider.peer);
        }
        if found.len() >= FETCH_PROVIDERS_MAX || tried.len() >= FETCH_PROVIDERS_TRIED_MAX {
            break;
        }
    }
    found
}

/// Connects to a peer at one of its addresses.
async fn connect(network: &dyn crate::routing::PeerNetwork, provider: &Provider, until: Instant) -> bool {
    for address in provider.addresses.iter().take(FETCH_ADDRESSES_MAX) {
        let address = match address.contains("/p2p/") {
            true => address.clone(),
            false => format!("{address}/p2p/{}", provider.peer),
        };
        if let Ok(Ok(_)) = timeout_at(until, network.connect(&address)).await {
            return true;
        }
    }
    false
}

impl Answered {
    /// What an answer of a gateway is worth: its bytes count once they give the CID.
    fn of(cid: &Cid, answer: Result<Bytes, super::GatewayError>) -> Self {
        match answer {
            Ok(data) => Block::checked(*cid, data).map_or(Self::Lied, Self::Block),
            Err(error) => {
                tracing::debug!(%cid, %error, "a gateway did not give a block");
                match error {
                    super::GatewayError::Missing(_) => Self::Missing,
                    super::GatewayError::Failed(_) => Self::Failed,
                }
            }
        }
    }
}
