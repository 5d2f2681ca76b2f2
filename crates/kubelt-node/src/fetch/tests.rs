use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use kubelt_content::{Block, Cid, Codec, Ipld, car::CarWriter};
use kubelt_core::CoreId;
use kubelt_store::{Options, Quota, Store};

use super::{Coming, FetchProgress, Fetched, FromPeers, GatewayError, Gateways, PeerBlocks, PeerSession};
use tokio::sync::mpsc;

use crate::{Node, Provider, ProviderRouting, Reader, Routing, SystemClock, UploadError};

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

/// A gateway that gives a CAR of these bytes, and single blocks.
#[derive(Debug, Default)]
struct Cars {
    car: Vec<u8>,
    blocks: HashMap<Cid, Bytes>,
    cars: AtomicUsize,
    singles: AtomicUsize,
}

impl Cars {
    /// Of these blocks in the order of a walk, where the walk has some of them only.
    fn of(blocks: &[Block], in_car: &[Block]) -> Self {
        let (mut writer, header) = CarWriter::v1(&[]);
        let mut car = header.to_vec();
        for block in in_car {
            writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
        }
        let blocks = blocks.iter().map(|block| (*block.cid(), block.data().clone())).collect();
        Self { car, blocks, ..Self::default() }
    }
}

impl Gateways for Cars {
    fn count(&self) -> usize {
        1
    }

    fn block(&self, _: usize, cid: &Cid, _: usize) -> Result<Bytes, GatewayError> {
        self.singles.fetch_add(1, Ordering::SeqCst);
        self.blocks.get(cid).cloned().ok_or_else(|| GatewayError::Missing("404".to_owned()))
    }

    fn gives_cars(&self, _: usize) -> bool {
        true
    }

    fn car(
        &self,
        _: usize,
        _: &Cid,
        _: usize,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), GatewayError> {
        self.cars.fetch_add(1, Ordering::SeqCst);
        let whole = self.car.chunks(100).all(take);
        if whole { Ok(()) } else { Err(GatewayError::Failed("nobody reads it".to_owned())) }
    }
}

/// A DAG in the order of a walk, the root first.
fn walked() -> Vec<Block> {
    let blocks = dag();
    let order = [22, 20].into_iter().chain(0..12).chain([21]).chain(12..20);
    order.map(|n: usize| blocks[n].clone()).collect()
}

/// How a DAG comes from a gateway: by which ways, how many CARs and single blocks were asked for.
async fn from_gateway(gateway: Cars) -> (String, usize, usize) {
    let (world, gateway) = (World::new(1 << 20), Arc::new(gateway));
    world.node.fetcher.fetch_from_gateways(Arc::clone(&gateway) as Arc<dyn Gateways>);
    assert_eq!(world.fetch(dag()[22].cid(), true).await.expect("fetches"), Fetched::Whole);
    assert!(world.has(&dag()));
    (world.progress.text(), gateway.cars.load(Ordering::SeqCst), gateway.singles.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_known_gateway_gives_a_dag_as_one_car() {
    let (text, cars, singles) = from_gateway(Cars::of(&[], &walked())).await;
    assert!(text.contains("23 blocks in CARs from gateways"), "{text}");
    assert_eq!((cars, singles), (1, 0));
    // The order does not matter, as long as memory holds what comes early.
    let (text, cars, _) = from_gateway(Cars::of(&[], &dag())).await;
    assert!(text.contains("23 blocks in CARs") && cars == 1, "{text}");
}

#[tokio::test]
async fn a_car_that_is_cut_or_lies_goes_on_by_single_blocks() {
    let (text, cars, _) = from_gateway(Cars::of(&dag(), &walked()[..8])).await;
    assert!(text.contains("15 blocks from gateways") && text.contains("8 blocks in CARs"), "{text}");
    assert!(cars >= 1);

    let mut forged = Cars::of(&dag(), &walked());
    let last = forged.car.len() - 1;
    forged.car[last] ^= 1;
    let (text, cars, _) = from_gateway(forged).await;
    assert!(text.contains("1 block from gateways") && text.contains("22 blocks in CARs"), "{text}");
    assert_eq!(cars, 1, "who lied is asked for no other");

    let other = Block::new(Codec::Raw, Bytes::from_static(b"something else")).expect("small");
    let (text, cars, _) = from_gateway(Cars::of(&dag(), &[other])).await;
    assert!(text.contains("23 blocks from gateways") && !text.contains("CARs"), "{text}");
    assert_eq!(cars, 1, "what brings nothing of use is asked for no other");
}

/// Says that somebody over HTTP has everything, and answers there.
#[derive(Debug)]
struct OverHttp(HashMap<Cid, Bytes>);

impl ProviderRouting for OverHttp {
    fn find_providers<'a>(&'a self, _: &'a Cid) -> Routing<'a, mpsc::Receiver<Provider>> {
        let (told, telling) = mpsc::channel(2);
        for (peer, host) in [("liar", "liar.example"), ("honest", "honest.example")] {
            let addresses = vec![format!("/dns4/{host}/tcp/443/tls/http")];
            told.try_send(Provider { peer: peer.to_owned(), addresses }).expect("there is room");
        }
        Box::pin(async { telling })
    }
}

impl Gateways for OverHttp {
    fn count(&self) -> usize {
        0
    }

    fn block(&self, _: usize, _: &Cid, _: usize) -> Result<Bytes, GatewayError> {
        unreachable!("there is no gateway")
    }

    fn block_at(&self, url: &str, cid: &Cid, _: usize) -> Result<Bytes, GatewayError> {
        match url {
            "https://honest.example:443" => Ok(self.0[cid].clone()),
            _ => Ok(Bytes::from_static(b"forged")),
        }
    }
}

#[tokio::test]
async fn providers_that_answer_http_are_asked_and_not_believed() {
    let world = World::new(1 << 20);
    let blocks = dag().iter().map(|block| (*block.cid(), block.data().clone())).collect();
    let http = Arc::new(OverHttp(blocks));
    world.node.providers.ask(Arc::clone(&http) as Arc<dyn ProviderRouting>);
    world.node.fetcher.fetch_from_gateways(http);
    assert_eq!(world.fetch(dag()[22].cid(), true).await.expect("fetches"), Fetched::Whole);
    assert!(world.has(&dag()));
    assert!(
        world.progress.text().contains("23 blocks over HTTP from providers"),
        "{}",
        world.progress.text()
    );
}
