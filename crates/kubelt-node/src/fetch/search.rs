//! Blocks that are wanted, and every way on which they are looked for: peers that are connected, the hosts of the core,
//! peers that are said to have them, and gateways ([`http`]).
//!
//! Each way has a head start before the next: whoever is connected is asked first; what none of them has is asked of the
//! hosts of the core, where it has any; then providers are looked up, and gateways are asked at the same time.

mod finding;
mod http;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use kubelt_content::{Block, Cid};
use tokio::{
    task::JoinSet,
    time::{Instant, Interval, interval},
};

use self::{finding::Found, http::Source};
use super::{
    Inner,
    cars::{Car, Early},
    doors::{self, Doors},
    gateways::Answered,
    hosts::{FromHosts, HostAsked, HostLinks, KnownHost},
    progress::FetchWay,
    ways::{Coming, FromPeers, PeerSession, Ways},
};
use crate::{
    limits::{
        FETCH_HEAD_START, FETCH_HINT_TIME, FETCH_PROVIDER_LOOKUPS_MAX, FETCH_QUIET, FETCH_STARVED_LISTED_MAX,
        FETCH_TICK,
    },
    session::Session,
};

/// What a search is for.
#[derive(Debug)]
pub(super) struct Purpose {
    /// Nodes that are likely to have it.
    pub(super) hosts: Vec<KnownHost>,
    /// By whose word they are asked.
    pub(super) session: Option<Arc<Session>>,
    /// Whether all below what is wanted is wanted, too.
    pub(super) takes_cars: bool,
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
    /// Whether it is to come in the CAR that is on its way.
    in_car: bool,
    /// Gateways that did not give it.
    tried: Vec<usize>,
    /// The same of others over HTTP, a bit for each.
    tried_doors: u8,
    /// Whether a host is asked for it over replication.
    at_host: bool,
    /// Hosts that do not have it, a bit for each.
    tried_hosts: u8,
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
    /// What waits for a host over replication.
    for_hosts: VecDeque<Cid>,
    calls: JoinSet<(Cid, Source, Answered)>,
    lookups: JoinSet<(Step, Found)>,
    lookups_made: usize,
    /// When hosts were first looked for.
    hosts_asked: Option<Instant>,
    links: HostLinks,
    doors: Doors,
    car: Option<Car>,
    cars_begun: usize,
    /// Gateways that are not asked for another CAR.
    car_faults: Vec<usize>,
    early: Early,
    /// What came early, and is wanted now.
    ready: VecDeque<Block>,
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
            for_hosts: VecDeque::new(),
            calls: JoinSet::new(),
            lookups: JoinSet::new(),
            lookups_made: 0,
            hosts_asked: None,
            links: HostLinks::new(),
            doors: Doors::default(),
            car: None,
            cars_begun: 0,
            car_faults: Vec::new(),
            early: Early::default(),
            ready: VecDeque::new(),
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
        let (early, new): (Vec<_>, Vec<_>) =
            new.into_iter().map(|cid| (cid, self.early.take(&cid))).partition(|(_, block)| block.is_some());
        self.ready.extend(early.into_iter().filter_map(|(_, block)| block));
        let new: Vec<Cid> = new.into_iter().map(|(cid, _)| cid).collect();
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
        self.for_hosts.clear();
        self.ready.clear();
        (self.car, self.early) = (None, Early::default());
        self.peers.forget(wanted);
    }

    /// Whether a block is wanted that has come; it is not any more.
    fn wished(&mut self, cid: &Cid) -> bool {
        let was_wanted = self.wanted.remove(cid).is_some();
        if was_wanted {
            self.peers.forget(vec![*cid]);
            self.stir();
        }
        was_wanted
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
            while let Some(block) = self.ready.pop_front() {
                if self.wished(block.cid()) {
                    self.car_was_of_use();
                    return (FetchWay::Car, block);
                }
            }
            self.ask_hosts();
            self.ask_providers();
            self.ask_gateways();
            let has_room = self.early.bytes() < self.purpose.budget_bytes;
            let came = tokio::select! {
                event = self.peers.next() => match event {
                    Some(FromPeers::Block { block, peer }) => {
                        let is_wanted = self.wanted.remove(block.cid()).is_some();
                        is_wanted.then(|| (self.way_of(&peer), block))
                    }
                    Some(FromPeers::Nobody(cid)) => {
                        self.starved(cid);
                        None
                    }
                    // The network has stopped; gateways may go on.
                    None => {
                        self.peers = Box::new(NoPeers);
                        None
                    }
                },
                Some(answered) = self.calls.join_next() => {
                    let (cid, source, answer) = answered.expect("asking a gateway does not panic");
                    self.answered(cid, source, answer)
                }
                came = Car::next(&mut self.car), if self.car.is_some() && has_room => self.came_in_car(came),
                said = self.links.next() => self.came_from_host(said),
                Some(found) = self.lookups.join_next() => {
                    let (step, found) = found.expect("looking for peers does not panic");
                    self.found(step, found);
                    None
                }
                // Gateways are asked for what peers do not send.
                _ = self.clock.tick() => None,
            };
            if let Some(came) = came {
                self.stir();
                return came;
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
        self.begin_hosts();
        self.for_hosts.push_back(cid);
        if self.is_gateways_turn() {
            self.send_to_gateways(cid);
        }
    }

    /// Whether those who are asked first have had their time.
    fn is_gateways_turn(&self) -> bool {
        let has_others = self.ways.peers.is_some() || self.links.is_sought() || self.links.is_asked();
        self.stirred.elapsed() >= FETCH_HEAD_START || !has_others
    }

    /// Looks for the hosts of the core, once: as peers, over replication, and over HTTP.
    fn begin_hosts(&mut self) {
        if self.hosts_asked.is_some() || self.purpose.hosts.is_empty() {
            return;
        }
        self.hosts_asked = Some(Instant::now());
        for address in self.purpose.hosts.iter().flat_map(|host| &host.provider.addresses) {
            if let Some(url) = doors::url_of(address) {
                self.doors.add(url, FetchWay::HostHttp);
            }
        }
        if let Some(remotes) = self.inner.remotes.read().clone() {
            self.links.begin(&self.purpose.hosts, &remotes, self.purpose.session.as_ref());
        }
        if self.ways.peers.is_some() {
            let hosts = self.purpose.hosts.iter().map(|host| host.provider.clone()).collect();
            let connected = self.inner.connected.clone();
            self.lookups
                .spawn(async move { (Step::Hosts, finding::connect_to_hosts(hosts, connected).await) });
        }
    }

    /// Asks hosts over replication for what nobody has who is connected.
    fn ask_hosts(&mut self) {
        while let Some(cid) = self.for_hosts.front() {
            if let Some(wish) = self.wanted.get_mut(cid).filter(|wish| !wish.at_host) {
                match self.links.ask(*cid, wish.tried_hosts) {
                    HostAsked::Asked => wish.at_host = true,
                    HostAsked::Later => return,
                    HostAsked::Nobody => {}
                }
            }
            self.for_hosts.pop_front();
        }
    }

    fn came_from_host(&mut self, said: FromHosts) -> Option<(FetchWay, Block)> {
        let again = match said {
            FromHosts::Block(block) => {
                return self.wished(block.cid()).then_some((FetchWay::Replication, block));
            }
            FromHosts::Ready => Vec::new(),
            FromHosts::Lacks(host, cid) => {
                if let Some(wish) = self.wanted.get_mut(&cid) {
                    wish.tried_hosts |= 1 << host;
                }
                vec![cid]
            }
            FromHosts::Lost(cids) => cids,
        };
        for cid in again {
            if let Some(wish) = self.wanted.get_mut(&cid) {
                wish.at_host = false;
                self.for_hosts.push_back(cid);
            }
        }
        if self.is_gateways_turn() {
            self.send_starved_to_gateways();
        }
        None
    }

    /// Looks for others who are said to have what nobody has who is connected, once hosts of the core have had their time.
    fn ask_providers(&mut self) {
        if self.for_providers.is_empty() {
            return;
        }
        let hosts_are_sought = self.hosts.is_empty() && !self.lookups.is_empty() && self.lookups_made == 0;
        let links_are_sought = (self.links.is_sought() || self.links.is_asked())
            && self.hosts_asked.is_some_and(|at| at.elapsed() < FETCH_QUIET);
        let hosts_begin =
            !self.hosts.is_empty() && self.hinted.is_some_and(|at| at.elapsed() < FETCH_HEAD_START);
        if hosts_are_sought || links_are_sought || hosts_begin {
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
                    (Step::Providers, finding::find_and_connect(providers, connected, cid).await)
                });
            }
        }
    }

    fn found(&mut self, step: Step, found: Found) {
        let Found { peers, urls } = found;
        let way = if step == Step::Hosts { FetchWay::HostHttp } else { FetchWay::Http };
        let mut has_new = false;
        for url in urls {
            has_new |= self.doors.add(url, way);
        }
        if has_new {
            self.send_starved_to_gateways();
        }
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

    /// Whether waiting longer is of no use.
    pub(super) fn is_over(&self) -> bool {
        let patience = if self.all_starve() { self.purpose.starved_idle } else { self.purpose.idle };
        self.stirred.elapsed() > patience
    }

    /// Whether nobody who can be asked has any of what is wanted.
    pub(super) fn all_starve(&self) -> bool {
        let asks = !self.calls.is_empty()
            || !self.for_gateways.is_empty()
            || !self.lookups.is_empty()
            || self.car.is_some()
            || self.links.is_asked();
        let hopes = self.hinted.is_some_and(|at| at.elapsed() < FETCH_HINT_TIME);
        !asks && !hopes && self.wanted.values().all(|wish| wish.starved)
    }
}
