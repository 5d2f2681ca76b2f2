//! Content that is not here, fetched for those who may have the node do that.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use kubelt_api::Code;
use kubelt_content::{
    Block, Cid,
    denylist::Denylist,
    unixfs::{DirectoryBuilder, Importer, Profile},
};
use kubelt_node::{
    Coming, ConnectedPeer, FetchFor, FetchRules, FromPeers, GatewayError, Gateways, Heard, NodeKey,
    PeerBlocks, PeerNetwork, PeerSession, Provider, ProviderRouting, PublishedBlock, PublishedBlocks as _,
    Routing, RoutingError, StrangerError, worker::Step,
};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tower::ServiceExt as _;

use crate::harness::{HOST, Person, TestNode};

/// A peer that has these blocks.
#[derive(Debug, Clone)]
struct Peer {
    blocks: Arc<HashMap<Cid, Block>>,
    asked: Arc<Mutex<Vec<Cid>>>,
    /// How many blocks it sends.
    patience: Arc<Semaphore>,
    /// Whom it is, where it sends blocks only once it was pointed out.
    hidden_as: Option<String>,
}

#[derive(Debug)]
struct Session(Peer, Vec<Cid>, bool);

impl PeerBlocks for Peer {
    fn session(&self, _: usize) -> Box<dyn PeerSession> {
        Box::new(Session(self.clone(), Vec::new(), self.hidden_as.is_none()))
    }
}

impl PeerSession for Session {
    fn want(&mut self, cids: Vec<Cid>) {
        self.0.asked.lock().expect("not poisoned").extend(&cids);
        self.1.extend(cids);
    }

    fn forget(&mut self, cids: Vec<Cid>) {
        self.1.retain(|cid| !cids.contains(cid));
    }

    fn hint(&mut self, peers: Vec<String>) {
        if !self.2 && peers.iter().any(|peer| Some(peer) == self.0.hidden_as.as_ref()) {
            self.2 = true;
            self.1 = self.0.asked.lock().expect("not poisoned").clone();
        }
    }

    fn next(&mut self) -> Coming<'_> {
        Box::pin(async move {
            if self.1.is_empty() {
                std::future::pending::<()>().await;
            }
            let (peer, cid) = (self.0.clone(), self.1[0]);
            let said = match peer.blocks.get(&cid).filter(|_| self.2) {
                Some(block) => {
                    peer.patience.acquire().await.expect("it is open").forget();
                    let peer = peer.hidden_as.clone().unwrap_or_else(|| "one".to_owned());
                    FromPeers::Block { block: block.clone(), peer }
                }
                None => FromPeers::Nobody(cid),
            };
            self.1.remove(0);
            Some(said)
        })
    }
}

impl Peer {
    /// One that sends so many blocks.
    fn with(blocks: &HashMap<Cid, Block>, patience: usize) -> Self {
        let (blocks, patience) = (Arc::new(blocks.clone()), Arc::new(Semaphore::new(patience)));
        Self { blocks, asked: Arc::default(), patience, hidden_as: None }
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("not poisoned").len()
    }
}

/// A gateway that answers this.
#[derive(Debug)]
struct Gateway(Vec<HashMap<Cid, Bytes>>);

impl Gateways for Gateway {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn block(&self, gateway: usize, cid: &Cid, _: usize) -> Result<Bytes, GatewayError> {
        self.0[gateway].get(cid).cloned().ok_or_else(|| GatewayError::Missing("404".to_owned()))
    }
}

/// A directory with a file of several blocks, `a.bin`, a text, and many small files: its CID, the CID and the bytes of
/// the file, and all blocks.
struct Tree {
    root: Cid,
    file: Cid,
    bytes: Vec<u8>,
    blocks: HashMap<Cid, Block>,
}

fn tree() -> Tree {
    let profile = Profile::V1_LEGACY;
    let mut blocks = HashMap::new();
    let mut keep = |block: Block| {
        blocks.insert(*block.cid(), block);
        Ok::<(), std::convert::Infallible>(())
    };
    let mut directory = DirectoryBuilder::new(profile);
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut import = |bytes: &[u8]| {
        let mut importer = Importer::new(profile);
        importer.write(bytes, &mut keep).expect("kept");
        importer.finish(&mut keep).expect("kept")
    };
    let file = import(&bytes);
    directory.add("a.bin", file.cid, file.dag_size).expect("a name");
    for n in 0..50 {
        let small = import(format!("text {n}").as_bytes());
        directory.add(format!("{n}.txt"), small.cid, small.dag_size).expect("a name");
    }
    let root = directory.finish(&mut keep).expect("distinct").cid;
    Tree { root, file: file.cid, bytes, blocks }
}

/// A node with peers, somebody, and a token.
async fn scene(peer: &Peer) -> (TestNode, Person, String) {
    let (node, ann) = (TestNode::new(), Person::new(1));
    node.node.fetcher.fetch_from_peers(Arc::new(peer.clone()));
    let token = node.sign_in(&ann).await.token;
    (node, ann, token)
}

fn rules(whom: FetchFor) -> FetchRules {
    FetchRules { whom, ..FetchRules::default() }
}

/// Begins a request whose body is not read yet.
async fn begin(node: &TestNode, path: &str, token: &str) -> Response<Body> {
    let request = Request::get(path).header("host", HOST).header("authorization", format!("Bearer {token}"));
    let mut request = request.body(Body::empty()).expect("a request");
    request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 9))));
    node.router().oneshot(request).await.expect("the router never fails")
}

const CACHED: [(&str, &str); 1] = [("cache-control", "only-if-cached")];

#[tokio::test]
async fn members_get_what_only_others_have_and_nobody_else_does() {
    let tree = tree();
    let peer = Peer::with(&tree.blocks, 10_000);
    let (node, ann, token) = scene(&peer).await;
    let path = format!("/ipfs/{}/a.bin", tree.root);
    let nowhere = node.get("/ipfs/bafkreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454", None).await;
    let stranger = async |node: &TestNode| {
        let answer = node.get(&path, None).await.expect(404);
        assert_eq!(
            answer.expect_problem(Code::NotFound).detail,
            nowhere.expect_problem(Code::NotFound).detail
        );
        node.call("GET", &path, None, &CACHED, Body::empty()).await.expect(412);
    };
    stranger(&node).await;
    node.call("GET", &path, Some(&token), &CACHED, Body::empty()).await.expect(412);
    assert_eq!(peer.asked(), 0, "nobody was asked");

    let whole = node.get(&path, Some(&token)).await.expect(200);
    assert_eq!(whole.body, tree.bytes);
    assert_eq!(whole.header("cache-control"), Some("private, no-store"));
    let ways = whole.header("server-timing").expect("it says how");
    assert!(ways.starts_with("peer;desc=\"") && ways.contains("fetch;dur="), "{ways}");
    let small = tree.blocks.values().filter(|block| block.data().starts_with(b"text ")).count();
    assert!(peer.asked() <= tree.blocks.len() - small, "what was not asked for was not fetched");

    // What was fetched is in the cache of whoever had it fetched, and nowhere else.
    node.call("GET", &path, Some(&token), &CACHED, Body::empty()).await.expect(200);
    let bob = node.sign_in(&Person::new(2)).await.token;
    node.call("GET", &path, Some(&bob), &CACHED, Body::empty()).await.expect(412);
    stranger(&node).await;
    let seen = node.node.content.look_up(vec![(tree.file, true), (tree.root, false)], 1 << 20).await;
    assert_eq!(seen, [PublishedBlock::Missing, PublishedBlock::Missing]);
    let stats = node.node.status.stats().expect("reads");
    assert!(stats.block_bytes < 1 << 20, "nothing of it is stored: {}", stats.block_bytes);
    let metrics = node.get("/metrics", None).await.expect(200).text();
    assert!(metrics.contains("kubelt_fetch_blocks{way=\"peer\"}"), "{metrics}");
    while node.node.fetcher.figures().readers > 0 {
        // All places are given back.
        tokio::task::yield_now().await;
    }
    drop(ann);
}

#[tokio::test]
async fn every_form_is_fetched() {
    let tree = tree();
    let peer = Peer::with(&tree.blocks, 100_000);
    let (node, _, token) = scene(&peer).await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        node.call("GET", &format!("/ipfs/{path}"), Some(&token), headers, Body::empty()).await
    };
    let (root, file) = (tree.root, tree.file);
    assert_eq!(
        get(&format!("{file}?format=raw"), &[]).await.expect(200).body,
        tree.blocks[&file].data().to_vec()
    );
    let part = get(&format!("{file}"), &[("range", "bytes=5000000-5000009,11999990-")]).await.expect(206);
    assert!(part.body.windows(10).any(|window| window == &tree.bytes[5_000_000..5_000_010]));
    assert!(part.body.windows(10).any(|window| window == &tree.bytes[11_999_990..]));
    let listing = get(&format!("{root}/"), &[]).await.expect(200).text();
    assert!(listing.contains("49.txt") && listing.contains("a.bin"));
    let listing = get(&format!("{root}/?format=json"), &[]).await.expect(200).text();
    assert!(listing.contains("\"kind\":\"unknown\""), "a page does not wait for what it names: {listing}");
    for format in ["car", "tar"] {
        let archive = get(&format!("{root}?format={format}"), &[]).await.expect(200).body;
        for needle in [&tree.bytes[6_000_000..6_000_100], b"text 7"] {
            assert!(archive.windows(needle.len()).any(|window| window == needle), "{format}");
        }
    }
    get(&format!("{root}/nothing.txt"), &[]).await.expect(404);
    let head =
        node.call("HEAD", &format!("/ipfs/{file}"), Some(&token), &[], Body::empty()).await.expect(200);
    assert_eq!(head.header("content-length"), Some("12000000"));
}

#[tokio::test]
async fn an_open_gateway_fetches_for_anybody_and_says_that_all_may_keep_it() {
    let tree = tree();
    let peer = Peer::with(&tree.blocks, 10_000);
    let (node, _, token) = scene(&peer).await;
    node.node.fetcher.set_rules(rules(FetchFor::Anybody));
    let path = format!("/ipfs/{}/7.txt", tree.root);
    let text = node.get(&path, None).await.expect(200);
    assert_eq!(
        (text.text().as_str(), text.header("content-type")),
        ("text 7", Some("text/plain; charset=utf-8"))
    );
    assert_eq!(text.header("cache-control"), Some("public, max-age=29030400, immutable"));
    node.call("GET", &path, None, &CACHED, Body::empty()).await.expect(200);
    // What comes for one who signed in may be that one's alone.
    let own = node.get(&path, Some(&token)).await.expect(200);
    assert_eq!(own.header("cache-control"), Some("private, no-store"));
    // On an origin of its own, too.
    let host = format!("//{}.ipfs.localhost/8.txt", tree.root);
    assert_eq!(node.call_at("GET", &host, None, &[]).await.expect(200).text(), "text 8");
    // Nodes that name each other as gateways do not ask in turn for ever.
    let far = |hops: usize| [("cdn-loop", ["kubelt"].repeat(hops).join(", "))];
    for (hops, status) in [(2, 200), (3, 404)] {
        let loops = far(hops);
        let headers: Vec<(&str, &str)> = loops.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/ipfs/{}/{hops}.txt", tree.root);
        node.call("GET", &path, None, &headers, Body::empty()).await.expect(status);
    }
    node.node.fetcher.set_rules(rules(FetchFor::Nobody));
    node.get(&path, Some(&token)).await.expect(404);
}

#[tokio::test(start_paused = true)]
async fn what_is_private_here_is_looked_for_elsewhere_like_what_nobody_has() {
    let peer = Peer::with(&HashMap::new(), 0);
    let (node, ann, token) = scene(&peer).await;
    let put = node.put(&format!("{}/-/content/secret", ann.core()), &token, "a secret").await.expect(201);
    let secret = put.json::<kubelt_api::ContentReceipt>().cid;
    let bob = node.sign_in(&Person::new(2)).await.token;
    let nobody = "bafkreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454";
    let mut answers = Vec::new();
    for cid in [secret.as_str(), nobody] {
        let began = tokio::time::Instant::now();
        let problem = node.get(&format!("/ipfs/{cid}"), Some(&bob)).await.expect(404);
        answers.push((problem.expect_problem(Code::NotFound).detail, began.elapsed().as_millis() / 250));
    }
    assert_eq!(answers[0], answers[1], "the same words after the same time");
    assert_eq!(peer.asked(), 2, "others were asked for both");
    assert_eq!(node.get(&format!("/ipfs/{secret}"), Some(&token)).await.expect(200).text(), "a secret");
    assert_eq!(peer.asked(), 2, "what the reader may see here is not fetched");
}

#[tokio::test]
async fn the_first_bytes_do_not_wait_for_the_last() {
    let tree = tree();
    let peer = Peer::with(&tree.blocks, 6);
    let (node, _, token) = scene(&peer).await;
    let response = begin(&node, &format!("/ipfs/{}", tree.file), &token).await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let first = body.frame().await.expect("there is more").expect("it comes").into_data().expect("bytes");
    assert_eq!(first, tree.bytes[..first.len()]);
    assert!(peer.asked() < 20, "no more is asked for than is needed soon");
    peer.patience.add_permits(1_000);
    let rest = body.collect().await.expect("the rest comes").to_bytes();
    assert_eq!(rest, tree.bytes[first.len()..]);
}

#[tokio::test]
async fn one_reader_has_so_many_fetches_and_each_so_many_bytes() {
    let tree = tree();
    let peer = Peer::with(&tree.blocks, 0);
    let (node, _, token) = scene(&peer).await;
    let node = Arc::new(node);
    let path = format!("/ipfs/{}", tree.file);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (node, path, token) = (Arc::clone(&node), path.clone(), token.clone());
        waiting.spawn(async move { node.get(&path, Some(&token)).await.status });
    }
    while node.node.fetcher.figures().readers < 8 {
        tokio::task::yield_now().await;
    }
    node.get(&path, Some(&token)).await.expect(429).expect_problem(Code::RateLimited);
    // Whoever goes away gives the place back.
    waiting.abort_all();
    while node.node.fetcher.figures().readers > 0 {
        tokio::task::yield_now().await;
    }
    peer.patience.add_permits(10_000);
    let small = FetchRules { bytes_max: 1 << 20, ..FetchRules::default() };
    node.node.fetcher.set_rules(small);
    let broken = begin(&node, &path, &token).await.into_body().collect().await;
    assert!(broken.is_err(), "the body is broken off");
    node.get(&format!("{path}?format=raw"), Some(&token)).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stalls_ends_in_time() {
    let tree = tree();
    let peer = Peer::with(&tree.blocks, 0);
    let (node, _, token) = scene(&peer).await;
    let path = format!("/ipfs/{}", tree.file);
    node.get(&path, Some(&token)).await.expect(504).expect_problem(Code::GatewayTimeout);
    let short = FetchRules { time_max: Duration::from_secs(3), ..FetchRules::default() };
    node.node.fetcher.set_rules(short);
    let began = tokio::time::Instant::now();
    node.get(&path, Some(&token)).await.expect(504);
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn gateways_are_asked_for_what_peers_lack_and_not_believed() {
    let tree = tree();
    let peer = Peer::with(&HashMap::new(), 0);
    let (node, _, token) = scene(&peer).await;
    let forged = tree.blocks.keys().map(|cid| (*cid, Bytes::from_static(b"forged"))).collect();
    let true_ones = tree.blocks.iter().map(|(cid, block)| (*cid, block.data().clone())).collect();
    node.node.fetcher.fetch_from_gateways(Arc::new(Gateway(vec![forged, HashMap::new(), true_ones])));
    let got = node.get(&format!("/ipfs/{}/3.txt", tree.root), Some(&token)).await.expect(200);
    assert_eq!(got.text(), "text 3");
    let ways = got.header("server-timing").expect("it says how");
    assert!(ways.starts_with("gateway;desc=\"2 blocks\""), "{ways}");
}

/// A network in which every peer can be connected to.
#[derive(Debug)]
struct AllReachable;

impl PeerNetwork for AllReachable {
    fn own(&self) -> Provider {
        Provider { peer: "own".to_owned(), addresses: Vec::new() }
    }

    fn peers(&self) -> Vec<ConnectedPeer> {
        Vec::new()
    }

    fn connect<'a>(&'a self, address: &'a str) -> Routing<'a, Result<String, RoutingError>> {
        Box::pin(async move { Ok(address.rsplit('/').next().unwrap_or_default().to_owned()) })
    }

    fn announced(&self) -> Provider {
        self.own()
    }

    fn find_peer<'a>(&'a self, _: &'a str) -> Routing<'a, Option<Provider>> {
        Box::pin(async { None })
    }

    fn heard_of<'a>(&'a self, _: &'a Cid) -> Routing<'a, Heard> {
        Box::pin(async { Heard { peers: None, providers: Vec::new() } })
    }

    fn ask_as_stranger<'a>(&'a self, _: &'a [String], _: &'a Cid) -> Routing<'a, Result<(), StrangerError>> {
        Box::pin(async { Err(StrangerError::NoAddress) })
    }

    fn figures(&self) -> Vec<(&'static str, &'static str, u64)> {
        Vec::new()
    }
}

impl ProviderRouting for AllReachable {
    fn find_providers<'a>(&'a self, _: &'a Cid) -> Routing<'a, mpsc::Receiver<Provider>> {
        let (told, telling) = mpsc::channel(1);
        let addresses = vec!["/ip4/192.0.2.9/tcp/1".to_owned()];
        told.try_send(Provider { peer: "a-provider".to_owned(), addresses }).expect("there is room");
        Box::pin(async { telling })
    }
}

#[tokio::test]
async fn hosts_of_the_core_and_then_providers_are_asked_for_what_nobody_has_who_is_connected() {
    let tree = tree();
    let host = NodeKey::from_seed([9; 32]);
    let public = host.public();
    let check = async |hidden_as: &str, with_host: bool, way: &str| {
        let peer = Peer { hidden_as: Some(hidden_as.to_owned()), ..Peer::with(&tree.blocks, 10_000) };
        let (node, ann, token) = scene(&peer).await;
        node.node.peers.by(Arc::new(AllReachable));
        node.node.providers.ask(Arc::new(AllReachable));
        if with_host {
            let value = json!({ "peer": public.to_string(), "addresses": ["/ip4/192.0.2.1/tcp/1"] });
            let name = public.to_string().trim_start_matches("did:key:").to_owned();
            let path = format!("{}/-/state/config/hosts/{name}", ann.core());
            node.call("PUT", &path, Some(&token), &[], Body::from(value.to_string())).await.expect(200);
        }
        let got = node.get(&format!("/ipfs/{}/3.txt", tree.root), Some(&token)).await.expect(200);
        assert_eq!(got.text(), "text 3");
        let ways = got.header("server-timing").expect("it says how");
        assert!(ways.starts_with(&format!("{way};desc=")), "{ways}");
    };
    check(&host.peer_id(), true, "host").await;
    check("a-provider", true, "bitswap").await;
    check("a-provider", false, "bitswap").await;
}

#[tokio::test(start_paused = true)]
async fn a_pin_that_nobody_had_is_looked_for_again_by_itself() {
    let tree = tree();
    let (node, ann, token) = scene(&Peer::with(&HashMap::new(), 0)).await;
    let done = async |node: &TestNode| {
        while node.node.pins.is_busy() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let worker = node.node.workers.get("pins").expect("there is one");
    let step = async || while worker.step().await.expect("a step") == Step::More {};
    let pins = format!("{}/-/pins", ann.core());
    let pin = node.post(&pins, Some(&token), &json!({ "cid": tree.root.to_string() })).await.expect(202);
    let id = pin.json::<kubelt_api::PinState>().requestid;
    done(&node).await;
    step().await;
    assert_eq!(worker.status().waiting, 1);
    let peer = Peer::with(&tree.blocks, 100_000);
    node.node.fetcher.fetch_from_peers(Arc::new(peer.clone()));
    step().await;
    done(&node).await;
    assert_eq!(peer.asked(), 0, "its time has not come");
    node.pass(2 * 60_000);
    step().await;
    done(&node).await;
    assert!(peer.asked() > 50);
    let state: kubelt_api::PinState =
        node.get(&format!("{pins}/{id}"), Some(&token)).await.expect(200).json();
    assert_eq!(state.status, "pinned");
    step().await;
    assert_eq!(worker.status().waiting, 0);
}

#[tokio::test]
async fn the_probe_of_those_who_fetch_by_https_is_answered() {
    let node = TestNode::new();
    for method in ["HEAD", "GET"] {
        // An empty block that stands in its CID, as Kubo asks for it.
        let accept = [("accept", "application/vnd.ipld.raw")];
        let answer =
            node.call(method, "/ipfs/bafkqaaa?format=raw", None, &accept, Body::empty()).await.expect(200);
        assert_eq!((answer.body.len(), answer.header("content-type")), (0, Some("application/vnd.ipld.raw")));
    }
}

#[tokio::test]
async fn what_the_operator_denies_is_not_fetched() {
    let tree = tree();
    let peer = Peer::with(&tree.blocks, 10_000);
    let (node, _, token) = scene(&peer).await;
    let rule = format!("/ipfs/{}\n/ipfs/{}/5.txt\n", tree.file, tree.root);
    let mut list = Denylist::default();
    assert!(list.read(&rule).expect("rules").is_empty());
    node.node.content.denylists().set(list);
    for path in [format!("{}", tree.file), format!("{}/a.bin", tree.root), format!("{}/5.txt", tree.root)] {
        node.get(&format!("/ipfs/{path}"), Some(&token)).await.expect(410);
    }
    assert!(!peer.asked.lock().expect("not poisoned").contains(&tree.file));
    node.get(&format!("/ipfs/{}/6.txt", tree.root), Some(&token)).await.expect(200);
}
