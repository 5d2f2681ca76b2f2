//! Receipts: what is tried, what is told to whom, and what nobody outside hears of.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::body::Body;
use cid::Cid;
use kubelt_api::{Code, ContentReceipt, Receipt, ReceiptOf, WayView};
use kubelt_content::{
    denylist::Denylist,
    ipns::{Name, Record},
};
use kubelt_node::{
    ConnectedPeer, DoorAnswer, DoorError, Heard, Nearness, PeerNetwork, Provider, PublicDoor, RecordRouting,
    Routing, RoutingError, StrangerError,
};
use tokio::runtime::Handle;

use crate::harness::{Person, TestNode};

/// The node's own edge, as a stranger finds it; it may lead elsewhere.
#[derive(Debug)]
struct Door {
    node: kubelt_http::Edge,
    runtime: Handle,
    leads_elsewhere: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl PublicDoor for Door {
    fn url(&self) -> &'static str {
        "https://node.example"
    }

    fn block(&self, segments: &[&str]) -> Result<DoorAnswer, DoorError> {
        use http_body_util::BodyExt as _;
        use tower::ServiceExt as _;

        let path = format!("/{}", segments.join("/"));
        self.asked.lock().expect("whole").push(path.clone());
        if self.leads_elsewhere.load(Ordering::SeqCst) {
            return Ok(DoorAnswer { status: 200, body: "other".into(), nearness: Nearness::Everywhere });
        }
        let request = axum::http::Request::get(format!("{path}?format=raw")).header("host", "node.example");
        let answered = self.runtime.block_on(async {
            let answer = self.node.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
            let (parts, body) = answer.expect("the router never fails").into_parts();
            (parts.status, body.collect().await.expect("a whole body").to_bytes())
        });
        Ok(DoorAnswer { status: answered.0.as_u16(), body: answered.1, nearness: Nearness::Everywhere })
    }
}

/// A network that has heard of this node, or not.
#[derive(Debug, Default)]
struct Network {
    is_announced: AtomicBool,
    strangers_get_it: AtomicBool,
    asked: Mutex<Vec<Cid>>,
}

impl PeerNetwork for Network {
    fn own(&self) -> Provider {
        Provider { peer: "own".to_owned(), addresses: vec!["/ip4/192.0.2.1/tcp/1/p2p/own".to_owned()] }
    }

    fn peers(&self) -> Vec<ConnectedPeer> {
        Vec::new()
    }

    fn connect<'a>(&'a self, _address: &'a str) -> Routing<'a, Result<String, RoutingError>> {
        Box::pin(async { Err(RoutingError("nobody is there".to_owned())) })
    }

    fn announced(&self) -> Provider {
        let addresses = vec![format!("/ip4/{}/tcp/1", Ipv4Addr::new(8, 8, 8, 8))];
        Provider { peer: "own".to_owned(), addresses }
    }

    fn find_peer<'a>(&'a self, _peer: &'a str) -> Routing<'a, Option<Provider>> {
        Box::pin(async { None })
    }

    fn heard_of<'a>(&'a self, cid: &'a Cid) -> Routing<'a, Heard> {
        self.asked.lock().expect("whole").push(*cid);
        let own = self.is_announced.load(Ordering::SeqCst).then(|| "own".to_owned());
        Box::pin(async { Heard { peers: Some(20), providers: own.into_iter().collect() } })
    }

    fn ask_as_stranger<'a>(
        &'a self,
        addresses: &'a [String],
        cid: &'a Cid,
    ) -> Routing<'a, Result<(), StrangerError>> {
        assert_eq!(addresses, ["/ip4/8.8.8.8/tcp/1/p2p/own"]);
        self.asked.lock().expect("whole").push(*cid);
        let is_given = self.strangers_get_it.load(Ordering::SeqCst);
        Box::pin(async move { if is_given { Ok(()) } else { Err(StrangerError::NotGiven) } })
    }

    fn figures(&self) -> Vec<(&'static str, &'static str, u64)> {
        Vec::new()
    }
}

/// Others who have the record that they were given last.
#[derive(Debug, Default)]
struct Others(Mutex<Option<Record>>);

impl RecordRouting for Others {
    fn find_record<'a>(&'a self, _name: &'a Name) -> Routing<'a, Option<Record>> {
        Box::pin(async { None })
    }

    fn find_record_elsewhere<'a>(&'a self, _name: &'a Name) -> Routing<'a, Option<Record>> {
        let record = self.0.lock().expect("whole").clone();
        Box::pin(async { record })
    }

    fn put_record<'a>(&'a self, _name: &'a Name, record: Record) -> Routing<'a, Result<usize, RoutingError>> {
        *self.0.lock().expect("whole") = Some(record);
        Box::pin(async { Ok(1) })
    }
}

struct World {
    node: TestNode,
    alice: Person,
    token: String,
    door: Arc<Door>,
    network: Arc<Network>,
    others: Arc<Others>,
}

impl World {
    async fn new() -> Self {
        let (node, alice) = (TestNode::new(), Person::new(1));
        let token = node.sign_in(&alice).await.token;
        let door = Arc::new(Door {
            node: node.router(),
            runtime: Handle::current(),
            leads_elsewhere: AtomicBool::new(false),
            asked: Mutex::default(),
        });
        let (network, others) = (Arc::new(Network::default()), Arc::new(Others::default()));
        node.node.receipts.come_in_by(door.clone());
        node.node.peers.by(network.clone());
        node.node.resolver.route_by(others.clone());
        Self { node, alice, token, door, network, others }
    }

    async fn put(&self, path: &str, text: &'static str) -> ContentReceipt {
        let path = format!("{}/-/content/{path}", self.alice.core());
        self.node.put(&path, &self.token, text).await.expect(201).json()
    }

    async fn set(&self, path: &str, value: &str) {
        let at = format!("{}/-/state/config/{path}", self.alice.core());
        self.node.call("PUT", &at, Some(&self.token), &[], Body::from(value.to_owned())).await.expect(200);
    }

    async fn receipt(&self, path: &str) -> Receipt {
        let at = format!("{}/-/receipts/{path}", self.alice.core());
        self.node.get(&at, Some(&self.token)).await.expect(200).json()
    }

    /// The names of the ways that are open, and the step at which each other one fails.
    async fn ways(&self, path: &str) -> Vec<(String, Option<String>)> {
        self.receipt(path).await.ways.into_iter().map(|way| (way.way, way.step)).collect()
    }
}

fn ways(of: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    let way = |(way, step): &(&str, &str)| ((*way).to_owned(), (*step != "open").then(|| (*step).to_owned()));
    of.iter().map(way).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_is_tried_from_outside() {
    let world = World::new().await;
    let published = world.put("site/a.txt?visibility=public", "one").await;
    let receipt = world.receipt("site/a.txt").await;
    assert_eq!((&receipt.of.cid, &*receipt.of.path), (&published.cid, "site/a.txt"));
    assert!(receipt.reachable);
    let found: Vec<_> = receipt.ways.iter().map(|way| (way.way.clone(), way.step.clone())).collect();
    let expected = [
        ("dht", "announcement"),
        ("http-cid", "open"),
        ("http-path", "open"),
        ("ipns", "announcement"),
        ("peer", "answer"),
        ("pinning", "setup"),
    ];
    assert_eq!(found, ways(&expected));
    assert!(receipt.ways.iter().all(|way| way.open == way.step.is_none() && !way.detail.is_empty()));
    assert_eq!(receipt.ways[2].at.as_deref(), Some("https://node.example"));
    assert_eq!(receipt.ways[2].from.as_deref(), Some("everywhere"));

    // Others hear of it.
    world.network.is_announced.store(true, Ordering::SeqCst);
    world.network.strangers_get_it.store(true, Ordering::SeqCst);
    let core = kubelt_node::Cores::resolve(&[world.alice.account()]);
    let ipns = &world.node.node.ipns;
    let name = ipns.name_of(&core).await.expect("a name");
    let newest = ipns.record(&name).await.expect("reads").expect("it is published");
    world.others.put_record(&name, newest).await.expect("taken");
    let all = world.receipt("site/a.txt").await;
    let shut: Vec<_> = all.ways.iter().filter(|way| !way.open).map(|way| way.way.as_str()).collect();
    assert_eq!(shut, ["pinning"], "{all:?}");
    let at = all.ways.iter().find(|way| way.way == "ipns").and_then(|way| way.at.clone());
    assert_eq!(at, Some(format!("/ipns/{name}/site/a.txt")));

    // What others have of the name is behind, and the URL leads to somebody else.
    world.put("b.txt?visibility=public", "two").await;
    world.door.leads_elsewhere.store(true, Ordering::SeqCst);
    let later = world.ways("b.txt").await;
    let expected = [
        ("dht", "open"),
        ("http-cid", "answer"),
        ("http-path", "answer"),
        ("ipns", "announcement"),
        ("peer", "open"),
        ("pinning", "setup"),
    ];
    assert_eq!(later, ways(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_closes_a_way_is_named_and_nobody_outside_is_asked() {
    let world = World::new().await;
    let published = world.put("drafts/a.txt?visibility=public", "one").await;
    world.set("exposure/drafts", r#"{"ipfs": false}"#).await;
    let closed = world.receipt("drafts/a.txt").await;
    for way in &closed.ways {
        let expected = if way.way == "http-path" { None } else { Some("exposure") };
        assert_eq!(way.step.as_deref(), expected, "{way:?}");
        if expected.is_some() {
            assert!(way.detail.contains("`config/exposure/drafts`"), "{way:?}");
        }
    }
    assert_eq!(*world.network.asked.lock().expect("whole"), [], "the DHT hears of no closed CID");
    world.set("exposure", r#"{"http": false}"#).await;
    assert!(!world.receipt("drafts/a.txt").await.reachable);

    world.set("exposure", "{}").await;
    world.set("exposure/drafts", "{}").await;
    let mut rules = Denylist::default();
    assert_eq!(rules.read(&format!("/ipfs/{}", published.cid)), Ok(vec![]));
    world.node.node.content.denylists().set(rules);
    let denied = world.receipt("drafts/a.txt").await;
    assert!(denied.ways.iter().all(|way| way.step.as_deref() == Some("denylist")), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_public_has_no_way_and_is_told_to_nobody() {
    let world = World::new().await;
    world.put("secret.txt", "one").await;
    world.put("team.txt?visibility=members", "two").await;
    for (path, readers) in [("secret.txt", "the owner"), ("team.txt", "members")] {
        let receipt = world.receipt(path).await;
        assert!(receipt.of.readers.starts_with(readers) && receipt.of.readers.contains("no way in"));
        assert_eq!((receipt.ways.as_slice(), receipt.reachable), (&[][..], false));
    }
    assert!(world.network.asked.lock().expect("whole").is_empty());
    assert!(world.door.asked.lock().expect("whole").is_empty());

    // Neither strangers nor people of other cores hear whether something is there.
    world.put("open.txt?visibility=public", "three").await;
    let bob = world.node.sign_in(&Person::new(2)).await.token;
    for path in ["secret.txt", "team.txt", "open.txt", "nothing.txt", ""] {
        let at = format!("{}/-/receipts/{path}", world.alice.core());
        for token in [None, Some(bob.as_str())] {
            world.node.get(&at, token).await.expect(404).expect_problem(Code::NotFound);
        }
    }
    let nothing = format!("{}/-/receipts/nothing.txt", world.alice.core());
    world.node.get(&nothing, Some(&world.token)).await.expect(404);
    world.node.post(&nothing, Some(&world.token), &serde_json::json!({})).await.expect(405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_alone_says_what_is_missing() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let put = format!("{}/-/content/a.txt?visibility=public", alice.core());
    node.put(&put, &token, "one").await.expect(201);
    let at = format!("{}/-/receipts/a.txt", alice.core());
    let receipt: Receipt = node.get(&at, Some(&token)).await.expect(200).json();
    assert!(!receipt.reachable);
    for way in &receipt.ways {
        assert!(way.detail.starts_with("no way in"), "{way:?}");
    }
    let lines = node
        .call("GET", &at, Some(&token), &[("accept", "application/x-ndjson")], Body::empty())
        .await
        .expect(200);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let text = lines.text();
    let mut lines = text.lines();
    let of: ReceiptOf = serde_json::from_str(lines.next().expect("a line")).expect("what it is about");
    let mut ways: Vec<WayView> = lines.map(|line| serde_json::from_str(line).expect("a way")).collect();
    ways.sort_by(|a, b| a.way.cmp(&b.way));
    assert_eq!((of, ways), (receipt.of, receipt.ways));
}

/// A network that never answers.
#[derive(Debug)]
struct Silent;

impl RecordRouting for Silent {
    fn find_record<'a>(&'a self, _name: &'a Name) -> Routing<'a, Option<Record>> {
        Box::pin(std::future::pending())
    }

    fn put_record<'a>(
        &'a self,
        _name: &'a Name,
        _record: Record,
    ) -> Routing<'a, Result<usize, RoutingError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn silence_has_an_end() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let put = format!("{}/-/content/a.txt?visibility=public", alice.core());
    node.put(&put, &token, "one").await.expect(201);
    node.node.resolver.route_by(Arc::new(Silent));
    // Only now, or the store would wait for a clock that stands still.
    tokio::time::pause();
    let at = format!("{}/-/receipts/a.txt", alice.core());
    // No limit here: the clock would jump to it as soon as the store, which has a thread of its own, is waited for.
    let receipt: Receipt = node.get(&at, Some(&token)).await.expect(200).json();
    let ipns = receipt.ways.iter().find(|way| way.way == "ipns").expect("it was tried");
    assert_eq!(ipns.step.as_deref(), Some("trial"), "{ipns:?}");
}
