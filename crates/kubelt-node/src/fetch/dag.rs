//! One DAG on its way here.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use kubelt_content::{Block, Cid, Codec, inline_content, links, read::Blocks as _};
use kubelt_core::CoreId;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, timeout_at},
};

use super::{
    Fetched, Inner, Ways, checked,
    progress::{FetchProgress, Way},
    ways::{FromPeers, Gateways, PeerSession},
};
use crate::{
    StoreError,
    access::Reader,
    content::{BlockSink, UploadError},
    limits::{
        DAG_BLOCKS_MAX, FETCH_ADDRESSES_MAX, FETCH_BUDGET_BYTES, FETCH_FIND_TIME_MAX, FETCH_IDLE,
        FETCH_LOOK_BLOCKS, FETCH_PROVIDER_LOOKUPS_MAX, FETCH_PROVIDERS_MAX, FETCH_PROVIDERS_TRIED_MAX,
        FETCH_QUIET, FETCH_STARVED_IDLE, FETCH_TICK, FETCH_WANTS_MAX,
    },
    routing::{Peers, Providers},
};

/// Peers that never answer, where there is no network.
#[derive(Debug)]
struct NoPeers;

impl PeerSession for NoPeers {
    fn want(&mut self, _: Vec<Cid>) {}
    fn forget(&mut self, _: Vec<Cid>) {}
    fn hint(&mut self, _: Vec<String>) {}
    fn next(&mut self) -> super::Coming<'_> {
        Box::pin(std::future::pending())
    }
}

/// How one block is looked for.
#[derive(Debug, Default)]
struct Wish {
    /// Nobody who is connected has it.
    starved: bool,
    /// Whether it waits for a gateway, or one is asked.
    at_gateways: bool,
    /// Gateways that did not give it.
    failed: usize,
}

pub(super) struct Dag<'a> {
    inner: &'a Inner,
    ways: Ways,
    core: CoreId,
    reader: &'a Reader,
    progress: &'a FetchProgress,
    sink: BlockSink,
    peers: Box<dyn PeerSession>,
    /// Links that were not looked at, the next one last.
    frontier: Vec<Cid>,
    seen: HashSet<Cid>,
    wanted: HashMap<Cid, Wish>,
    /// What waits for a gateway.
    for_gateways: VecDeque<Cid>,
    calls: JoinSet<(Cid, Option<Bytes>)>,
    lookups: JoinSet<Vec<String>>,
    lookups_made: usize,
    last_came: Instant,
    denied: usize,
}

impl<'a> Dag<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        ways: Ways,
        core: &CoreId,
        reader: &'a Reader,
        progress: &'a FetchProgress,
    ) -> Self {
        let peers: Box<dyn PeerSession> = match &ways.peers {
            Some(peers) => peers.session(FETCH_BUDGET_BYTES),
            None => Box::new(NoPeers),
        };
        Self {
            inner,
            ways,
            core: *core,
            reader,
            progress,
            sink: BlockSink::new(inner.content.clone(), *core),
            peers,
            frontier: Vec::new(),
            seen: HashSet::new(),
            wanted: HashMap::new(),
            for_gateways: VecDeque::new(),
            calls: JoinSet::new(),
            lookups: JoinSet::new(),
            lookups_made: 0,
            last_came: Instant::now(),
            denied: 0,
        }
    }

    pub(super) async fn bring(
        mut self,
        root: &Cid,
        is_wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Fetched, UploadError> {
        self.push([*root]);
        let mut clock = interval(FETCH_TICK);
        let fetched = loop {
            if self.seen.len() > DAG_BLOCKS_MAX {
                break Fetched::TooLarge;
            }
            self.look_around().await?;
            if self.wanted.is_empty() {
                break if self.denied == 0 { Fetched::Whole } else { Fetched::Missing(self.denied) };
            }
            self.progress.wants(self.wanted.len());
            self.ask_gateways();
            tokio::select! {
                event = self.peers.next() => match event {
                    Some(FromPeers::Block(block)) => self.came(Way::Peers, block).await?,
                    Some(FromPeers::Nobody(cid)) => self.starved(cid),
                    // The network has stopped; gateways may go on.
                    None => self.peers = Box::new(NoPeers),
                },
                Some(answered) = self.calls.join_next() => {
                    let (cid, data) = answered.expect("asking a gateway does not panic");
                    self.answered(cid, data).await?;
                }
                Some(found) = self.lookups.join_next() => {
                    self.peers.hint(found.expect("looking for peers does not panic"));
                }
                _ = clock.tick() => {
                    if !is_wanted() {
                        break Fetched::Stopped;
                    }
                    if self.is_over() {
                        break Fetched::Missing(self.wanted.len());
                    }
                }
            }
        };
        self.progress.wants(0);
        self.sink.flush().await?;
        Ok(fetched)
    }

    fn push(&mut self, links: impl IntoIterator<Item = Cid>) {
        let at = self.frontier.len();
        let denylist = self.inner.content.denylists().now();
        for cid in links {
            if !self.seen.insert(cid) {
                continue;
            }
            // What the operator does not serve is not brought here either.
            if denylist.denies_cid(&cid) {
                self.denied += 1;
            } else {
                self.frontier.push(cid);
            }
        }
        // The first link is looked at first.
        self.frontier[at..].reverse();
    }

    fn follow(&mut self, cid: &Cid, data: &[u8]) {
        // What cannot be read has no links; that is told when all of it is here.
        let found = Codec::of(cid).ok().and_then(|codec| links(codec, data).ok());
        self.push(found.unwrap_or_default());
    }

    /// Takes what the core has, or its reader may see here, and wants the rest.
    async fn look_around(&mut self) -> Result<(), UploadError> {
        // Many at once: each look costs a turn of another thread.
        if self.wanted.len() > FETCH_WANTS_MAX / 2 {
            return Ok(());
        }
        while self.wanted.len() < FETCH_WANTS_MAX && !self.frontier.is_empty() {
            let from = self.frontier.len().saturating_sub(FETCH_LOOK_BLOCKS);
            let mut cids = self.frontier.split_off(from);
            cids.reverse();
            let (store, core) = (self.inner.store.clone(), self.core);
            let looked = tokio::task::spawn_blocking(move || {
                let look = |cid: Cid| Ok((cid, possessed(&store, &core, &cid)?));
                cids.into_iter().map(look).collect::<Result<Vec<_>, StoreError>>()
            });
            let mut missing = Vec::new();
            for (cid, had) in looked.await.expect("looking for blocks does not panic")? {
                match had {
                    Some(data) => self.follow(&cid, &data),
                    None if !self.take_here(&cid).await? => missing.push(cid),
                    None => {}
                }
            }
            for cid in &missing {
                self.wanted.insert(*cid, Wish::default());
            }
            if self.ways.peers.is_none() {
                missing.iter().for_each(|cid| self.starved(*cid));
            }
            if !missing.is_empty() {
                self.peers.want(missing);
            }
        }
        Ok(())
    }

    /// Takes a block that the reader may see on this node.
    async fn take_here(&mut self, cid: &Cid) -> Result<bool, UploadError> {
        let Ok(Some((_, within))) = self.inner.content.let_in(self.reader, cid).await else {
            return Ok(false);
        };
        let Ok(data) = self.inner.content.blocks(within).block(cid) else { return Ok(false) };
        self.came(Way::Here, Block::trusted(*cid, data)).await?;
        Ok(true)
    }

    async fn came(&mut self, way: Way, block: Block) -> Result<(), UploadError> {
        let was_wanted = self.wanted.remove(block.cid()).is_some();
        if way != Way::Here && !was_wanted {
            return Ok(());
        }
        if way == Way::Gateway {
            self.peers.forget(vec![*block.cid()]);
        }
        self.last_came = Instant::now();
        self.progress.came(way, block.data().len());
        self.follow(block.cid(), block.data());
        self.sink.put(block).await
    }

    fn starved(&mut self, cid: Cid) {
        let Some(wish) = self.wanted.get_mut(&cid) else { return };
        wish.starved = true;
        self.send_to_gateways(cid);
        let busy = self.lookups.len() >= FETCH_PROVIDER_LOOKUPS_MAX;
        // Who has the first blocks has the others, as a rule: each one is not looked up.
        let often = self.lookups_made > FETCH_PROVIDER_LOOKUPS_MAX && !self.lookups_made.is_power_of_two();
        self.lookups_made += usize::from(!busy);
        if !busy && !often {
            let (providers, connected) = (self.inner.providers.clone(), self.inner.connected.clone());
            self.lookups.spawn(find_and_connect(providers, connected, cid));
        }
    }

    fn send_to_gateways(&mut self, cid: Cid) {
        let count = self.ways.gateways.as_ref().map_or(0, |gateways| gateways.count());
        if let Some(wish) = self.wanted.get_mut(&cid)
            && !wish.at_gateways
            && wish.failed < count
        {
            wish.at_gateways = true;
            self.for_gateways.push_back(cid);
        }
    }

    /// Asks gateways for what peers lack, and for what they do not send.
    fn ask_gateways(&mut self) {
        let Some(gateways) = self.ways.gateways.clone() else { return };
        if self.for_gateways.is_empty() && self.last_came.elapsed() > FETCH_QUIET {
            let slow: Vec<Cid> = self.wanted.keys().take(FETCH_LOOK_BLOCKS).copied().collect();
            slow.into_iter().for_each(|cid| self.send_to_gateways(cid));
        }
        while let Some(cid) = self.for_gateways.front().copied() {
            let Some(wish) = self.wanted.get(&cid) else {
                self.for_gateways.pop_front();
                continue;
            };
            let Ok(place) = Arc::clone(&self.inner.calls).try_acquire_owned() else { return };
            self.for_gateways.pop_front();
            let (gateways, gateway) = (Arc::clone(&gateways), wish.failed);
            self.calls.spawn_blocking(move || {
                let _place = place;
                (cid, ask(&*gateways, gateway, &cid))
            });
        }
    }

    async fn answered(&mut self, cid: Cid, data: Option<Bytes>) -> Result<(), UploadError> {
        match data.and_then(|data| checked(cid, data)) {
            Some(block) => self.came(Way::Gateway, block).await,
            None => {
                if let Some(wish) = self.wanted.get_mut(&cid) {
                    wish.failed += 1;
                    wish.at_gateways = false;
                    self.send_to_gateways(cid);
                }
                Ok(())
            }
        }
    }

    /// Whether waiting longer is of no use.
    fn is_over(&self) -> bool {
        let busy = !self.calls.is_empty() || !self.for_gateways.is_empty() || !self.lookups.is_empty();
        let all_starve = !busy && self.wanted.values().all(|wish| wish.starved);
        self.last_came.elapsed() > if all_starve { FETCH_STARVED_IDLE } else { FETCH_IDLE }
    }
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
        for address in provider.addresses.iter().take(FETCH_ADDRESSES_MAX) {
            let address = match address.contains("/p2p/") {
                true => address.clone(),
                false => format!("{address}/p2p/{}", provider.peer),
            };
            if let Ok(Ok(_)) = timeout_at(until, network.connect(&address)).await {
                found.push(provider.peer);
                break;
            }
        }
        if found.len() >= FETCH_PROVIDERS_MAX || tried.len() >= FETCH_PROVIDERS_TRIED_MAX {
            break;
        }
    }
    found
}

fn ask(gateways: &dyn Gateways, gateway: usize, cid: &Cid) -> Option<Bytes> {
    match gateways.block(gateway, cid) {
        Ok(data) => Some(data),
        Err(error) => {
            tracing::debug!(%cid, %error, "a gateway did not give a block");
            None
        }
    }
}

/// The bytes of a block that the core has; none of a leaf's, of which no links are needed.
fn possessed(store: &kubelt_store::Store, core: &CoreId, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
    if let Some(content) = inline_content(cid) {
        return Ok(Some(Bytes::copy_from_slice(content)));
    }
    if !store.possesses(core, cid)? {
        return Ok(None);
    }
    if cid.codec() == Codec::Raw.code() {
        return Ok(Some(Bytes::new()).filter(|_| store.has_block(cid).unwrap_or_default()));
    }
    store.block(cid)
}
