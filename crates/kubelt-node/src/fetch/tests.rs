use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use kubelt_content::{Block, Cid, Codec, Ipld};
use kubelt_core::CoreId;
use kubelt_store::{Options, Quota, Store};

use super::{Coming, FetchProgress, Fetched, FromPeers, GatewayError, Gateways, PeerBlocks, PeerSession};
use crate::{Node, Reader, SystemClock, UploadError};

/// Peers that have these blocks, and are asked for them.
#[derive(Debug, Clone, Default)]
struct Peers {
    blocks: Arc<HashMap<Cid, Block>>,
    asked: Arc<Mutex<Vec<Cid>>>,
}

#[derive(Debug)]
struct Session {
    peers: Peers,
    wanted: Vec<Cid>,
}

impl PeerBlocks for Peers {
    fn session(&self, _: usize) -> Box<dyn PeerSession> {
        Box::new(Session { peers: self.clone(), wanted: Vec::new() })
    }
}

impl PeerSession for Session {
    fn want(&mut self, cids: Vec<Cid>) {
        self.peers.asked.lock().expect("not poisoned").extend(&cids);
        self.wanted.extend(cids);
    }

    fn forget(&mut self, cids: Vec<Cid>) {
        self.wanted.retain(|cid| !cids.contains(cid));
    }

    fn hint(&mut self, _: Vec<String>) {}

    fn next(&mut self) -> Coming<'_> {
        Box::pin(async move {
            match self.wanted.pop() {
                None => std::future::pending().await,
                Some(cid) => Some(match self.peers.blocks.get(&cid) {
                    Some(block) => FromPeers::Block { block: block.clone(), peer: "one".to_owned() },
                    None => FromPeers::Nobody(cid),
                }),
            }
        })
    }
}

/// Gateways, each with what it answers.
#[derive(Debug)]
struct Answers(Vec<HashMap<Cid, Bytes>>);

impl Gateways for Answers {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn block(&self, gateway: usize, cid: &Cid, _: usize) -> Result<Bytes, GatewayError> {
        self.0[gateway].get(cid).cloned().ok_or_else(|| GatewayError::Missing("404".to_owned()))
    }
}

/// A DAG of three levels; its root is last.
fn dag() -> Vec<Block> {
    let leaf = |n: u8| Block::new(Codec::Raw, Bytes::from(vec![n; 100])).expect("small");
    let node = |below: &[Block]| {
        let links = below.iter().map(|block| Ipld::Link(*block.cid())).collect();
        let fields = BTreeMap::from([("links".to_owned(), Ipld::List(links))]);
        let data = Codec::DagCbor.encode(&Ipld::Map(fields)).expect("a value");
        Block::new(Codec::DagCbor, data).expect("small")
    };
    let mut blocks: Vec<Block> = (0..20).map(leaf).collect();
    let (left, right) = (node(&blocks[..12]), node(&blocks[8..]));
    blocks.extend([left.clone(), right.clone()]);
    blocks.push(node(&[left, right]));
    blocks
}

fn named(blocks: &[Block]) -> HashMap<Cid, Block> {
    blocks.iter().map(|block| (*block.cid(), block.clone())).collect()
}

struct World {
    store: Store,
    node: Node,
    core: CoreId,
    progress: FetchProgress,
}

impl World {
    fn new(quota_bytes: u64) -> Self {
        let quota = Quota { block_bytes: quota_bytes, ..Options::default().quota };
        let store = Store::memory(Options { quota, ..Options::default() });
        let node = Node::new(store.clone(), Arc::new(SystemClock));
        Self { store, node, core: CoreId::of(b"a core"), progress: FetchProgress::default() }
    }

    async fn fetch(&self, root: &Cid, is_wanted: bool) -> Result<Fetched, UploadError> {
        self.node.fetcher.dag(&self.core, root, &Reader::Anonymous, &self.progress, &|| is_wanted).await
    }

    fn has(&self, blocks: &[Block]) -> bool {
        let mut possessed = blocks.iter().map(|block| self.store.possesses(&self.core, block.cid()));
        possessed.all(|one| one.expect("the store reads"))
    }
}

#[tokio::test]
async fn a_dag_comes_from_peers_once() {
    let (world, blocks) = (World::new(1 << 20), dag());
    let root = *blocks[22].cid();
    let peers = Peers { blocks: Arc::new(named(&blocks)), ..Peers::default() };
    world.node.fetcher.fetch_from_peers(Arc::new(peers.clone()));
    assert_eq!(world.fetch(&root, true).await.expect("fetches"), Fetched::Whole);
    assert!(world.has(&blocks));
    assert_eq!(world.progress.fetched(), 23);
    assert!(world.progress.text().contains("23 blocks from connected peers"), "{}", world.progress.text());
    // What is here is not asked for again.
    assert_eq!(world.fetch(&root, true).await.expect("fetches"), Fetched::Whole);
    assert_eq!(peers.asked.lock().expect("not poisoned").len(), 23);
}

#[tokio::test]
async fn gateways_give_what_peers_lack_and_are_not_believed() {
    let (world, blocks) = (World::new(1 << 20), dag());
    let mut some = named(&blocks);
    let lacked = [blocks[3].clone(), blocks[20].clone()];
    lacked.iter().for_each(|block| drop(some.remove(block.cid())));
    let peers = Peers { blocks: Arc::new(some), ..Peers::default() };
    world.node.fetcher.fetch_from_peers(Arc::new(peers));
    let lies = lacked.iter().map(|block| (*block.cid(), Bytes::from_static(b"forged")));
    let truth = lacked.iter().map(|block| (*block.cid(), block.data().clone()));
    world.node.fetcher.fetch_from_gateways(Arc::new(Answers(vec![
        lies.collect(),
        HashMap::new(),
        truth.collect(),
    ])));
    assert_eq!(world.fetch(blocks[22].cid(), true).await.expect("fetches"), Fetched::Whole);
    assert!(world.has(&blocks));
    assert!(world.progress.text().contains("21 blocks from connected peers, 2 blocks from gateways"));
}

#[tokio::test]
async fn what_is_wanted_no_more_is_fetched_no_further_and_what_came_stays() {
    let (world, blocks) = (World::new(1 << 20), dag());
    let mut some = named(&blocks);
    some.remove(blocks[5].cid());
    world.node.fetcher.fetch_from_peers(Arc::new(Peers { blocks: Arc::new(some), ..Peers::default() }));
    // Forged answers alone make nothing whole.
    let forged = HashMap::from([(*blocks[5].cid(), Bytes::from_static(b"forged"))]);
    world.node.fetcher.fetch_from_gateways(Arc::new(Answers(vec![forged])));
    let fetched = world.fetch(blocks[22].cid(), false).await.expect("fetches");
    assert_eq!(fetched, Fetched::Stopped);
    assert!(!world.has(&blocks[5..6]));
}

#[tokio::test]
async fn a_quota_bounds_what_is_fetched() {
    let (world, blocks) = (World::new(1_000), dag());
    world
        .node
        .fetcher
        .fetch_from_peers(Arc::new(Peers { blocks: Arc::new(named(&blocks)), ..Peers::default() }));
    let refused = world.fetch(blocks[22].cid(), true).await;
    assert!(matches!(refused, Err(UploadError::Commit(kubelt_store::CommitError::Quota(_)))), "{refused:?}");
}
