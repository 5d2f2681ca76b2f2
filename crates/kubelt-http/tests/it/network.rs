//! What the node tells other nodes and learns from them, and its operator's view of the peers.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use cid::Cid;
use kubelt_api::{Code, ContentReceipt};
use kubelt_content::{
    denylist::Denylist,
    ipns::{Generations, Name, NewRecord, Record, SecretKey},
};
use kubelt_node::{
    ConnectedPeer, Heard, PeerNetwork, Provider, ProviderRouting, RecordRouting, Routing, RoutingError,
    StrangerError, What, worker::Step,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{Answer, Person, TestNode};

/// A peer that others know.
const KNOWN: &str = "12D3KooWGQmdpzHXCqLno4mMxWXKNFQHASBeF99gTm2JR8Vu5Bdc";

/// A network of one peer.
#[derive(Debug)]
struct OnePeer;

impl PeerNetwork for OnePeer {
    fn own(&self) -> Provider {
        Provider { peer: "own".to_owned(), addresses: vec!["/ip4/127.0.0.1/tcp/1/p2p/own".to_owned()] }
    }

    fn secure(&self) -> Vec<(String, bool)> {
        vec![("/dns4/node.example/tcp/1/tls/ws".to_owned(), false)]
    }

    fn peers(&self) -> Vec<ConnectedPeer> {
        let (peer, agent) = ("other".to_owned(), Some("test/1".to_owned()));
        let ping = Some(Duration::from_micros(1_500));
        vec![ConnectedPeer {
            peer,
            addresses: vec!["/ip4/127.0.0.1/tcp/2".to_owned()],
            agent,
            protocols: vec![],
            ping,
        }]
    }

    fn connect<'a>(&'a self, address: &'a str) -> Routing<'a, Result<String, RoutingError>> {
        Box::pin(async move {
            if address == "/good" {
                Ok("other".to_owned())
            } else {
                Err(RoutingError("no such peer".to_owned()))
            }
        })
    }

    fn announced(&self) -> Provider {
        Provider { peer: "own".to_owned(), addresses: vec!["/ip4/192.0.2.1/tcp/1".to_owned()] }
    }

    fn find_peer<'a>(&'a self, peer: &'a str) -> Routing<'a, Option<Provider>> {
        let found = Provider { peer: peer.to_owned(), addresses: vec!["/ip4/192.0.2.2/tcp/1".to_owned()] };
        Box::pin(async { (found.peer == KNOWN).then_some(found) })
    }

    fn heard_of<'a>(&'a self, _cid: &'a Cid) -> Routing<'a, Heard> {
        Box::pin(async { Heard { peers: Some(1), providers: Vec::new() } })
    }

    fn ask_as_stranger<'a>(
        &'a self,
        _addresses: &'a [String],
        _cid: &'a Cid,
    ) -> Routing<'a, Result<(), StrangerError>> {
        Box::pin(async { Err(StrangerError::NotGiven) })
    }

    fn figures(&self) -> Vec<(&'static str, &'static str, u64)> {
        vec![("peers", "Peers that are connected", 1)]
    }
}

#[tokio::test]
async fn peers_are_for_the_operator() {
    let node = TestNode::new();
    node.get("/-/peers", None).await.expect(503).expect_problem(Code::Unavailable);
    node.node.peers.by(Arc::new(OnePeer));
    let list: kubelt_api::PeerList = node.get("/-/peers", None).await.expect(200).json();
    assert_eq!((list.id.as_str(), list.peers.len()), ("own", 1));
    assert_eq!(list.peers[0].ping_ms, Some(1.5));
    assert_eq!((list.secure.len(), list.secure[0].certificate), (1, false));
    let connected = node.post("/-/peers", None, &json!({ "address": "/good" })).await.expect(200);
    assert_eq!(connected.json::<kubelt_api::PeerConnected>().id, "other");
    node.post("/-/peers", None, &json!({ "address": "/bad" })).await.expect(400);
    assert!(node.get("/metrics", None).await.expect(200).text().contains("kubelt_peers 1\n"));
    // Neither who comes through a proxy, nor pages of others in the operator's browser.
    for headers in
        [[("x-forwarded-for", "192.0.2.1")], [("origin", "https://evil.example")], [("origin", "null")]]
    {
        for (method, body) in [("GET", String::new()), ("POST", json!({ "address": "/good" }).to_string())] {
            let headers = [&headers[..], &[("content-type", "application/json")]].concat();
            node.call(method, "/-/peers", None, &headers, body).await.expect(404);
        }
    }
}

/// Others who all say that they have everything.
#[derive(Debug)]
struct Everybody;

impl ProviderRouting for Everybody {
    fn find_providers<'a>(&'a self, _cid: &'a Cid) -> Routing<'a, mpsc::Receiver<Provider>> {
        let (told, telling) = mpsc::channel(8);
        for peer in ["one", "other", "one", "own"] {
            let addresses = vec!["/ip4/192.0.2.3/udp/1/quic-v1".to_owned()];
            told.try_send(Provider { peer: peer.to_owned(), addresses }).expect("there is room");
        }
        Box::pin(async { telling })
    }
}

#[tokio::test]
async fn others_are_told_who_has_what_anybody_may_have() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let put = async |path: &str, text: &'static str| {
        let path = format!("{}/-/content/{path}", alice.core());
        node.put(&path, &token, text).await.expect(201).json::<ContentReceipt>().cid
    };
    let (public, private) = (put("a?visibility=public", "one").await, put("b", "two").await);
    let ids = |answer: &Answer, list: &str| -> Vec<String> {
        let records = answer.json::<Value>()[list].as_array().expect("a list").clone();
        records.iter().map(|record| record["ID"].as_str().expect("an id").to_owned()).collect()
    };
    let asked = async |path: &str| node.get(&format!("/routing/v1/{path}"), None).await;
    let of = |cid: &str| format!("providers/{cid}");
    assert_eq!(ids(&asked(&of(&public)).await.expect(200), "Providers"), [""; 0], "no network");
    node.node.peers.by(Arc::new(OnePeer));
    for (cid, expected) in [(&public, &["own"][..]), (&private, &[])] {
        let answer = asked(&of(cid)).await.expect(200);
        assert_eq!(ids(&answer, "Providers"), expected);
        // With a session the answer is the same: it is about what strangers may have.
        let again = node.get(&format!("/routing/v1/{}", of(cid)), Some(&token)).await.expect(200);
        assert_eq!(ids(&again, "Providers"), expected);
    }
    node.node.providers.ask(Arc::new(Everybody));
    let answer = asked(&of(&public)).await.expect(200);
    assert_eq!(ids(&answer, "Providers"), ["own", "one", "other"]);
    assert_eq!(answer.json::<Value>()["Providers"][0]["Schema"], "peer");
    let tcp = asked(&format!("{}?filter-addrs=tcp", of(&public))).await.expect(200);
    assert_eq!(ids(&tcp, "Providers"), ["own"]);
    let path = format!("/routing/v1/{}", of(&private));
    let lines =
        node.call("GET", &path, None, &[("accept", "application/x-ndjson")], Body::empty()).await.expect(200);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> =
        lines.text().lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    assert_eq!(lines.iter().map(|line| line["ID"].clone()).collect::<Vec<_>>(), ["one", "other"]);
    assert_eq!(ids(&asked(&format!("peers/{KNOWN}")).await.expect(200), "Peers"), [KNOWN]);
    let other = "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN";
    assert_eq!(ids(&asked(&format!("peers/{other}")).await.expect(200), "Peers"), [""; 0]);
    asked("providers/nothing").await.expect(400);
    asked("peers/nobody").await.expect(400);
}

/// All that the node tells others, read in small pieces.
fn told(node: &TestNode, what: What) -> BTreeSet<Vec<u8>> {
    let (mut told, mut from) = (BTreeSet::new(), None);
    loop {
        let page = node.node.announced.page(what, from, 2).expect("readable");
        told.extend(page.keys.iter().map(|hash| hash.to_bytes()));
        from = page.next;
        if from.is_none() {
            return told;
        }
    }
}

fn is_told(node: &TestNode, cid: &str) -> bool {
    let cid: Cid = cid.parse().expect("a CID");
    let roots = told(node, What::Roots).contains(&cid.hash().to_bytes());
    assert_eq!(told(node, What::All).contains(&cid.hash().to_bytes()), roots, "a root is a block");
    assert_eq!(node.node.announced.has(cid.hash()).expect("readable"), roots, "by itself as among all");
    roots
}

#[tokio::test]
async fn only_what_anybody_may_have_by_cid_is_told() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let put = async |path: &str, text: &'static str| {
        let path = format!("{}/-/content/{path}", alice.core());
        node.put(&path, &token, text).await.expect(201).json::<ContentReceipt>().cid
    };
    let mut public = Vec::new();
    for (path, text) in [("a", "one"), ("b", "two"), ("c/d", "three"), ("c/e", "four"), ("f", "five")] {
        public.push(put(&format!("{path}?visibility=public"), text).await);
    }
    let private = put("g", "six").await;
    let members = put("h?visibility=members", "seven").await;
    for cid in &public {
        assert!(is_told(&node, cid), "{cid}");
    }
    assert!(!is_told(&node, &private) && !is_told(&node, &members));
    let set = async |method: &str, setting: &str, value: &str| {
        let path = format!("{}/-/state/config/{setting}", alice.core());
        node.call(method, &path, Some(&token), &[], Body::from(value.to_owned())).await.expect(200);
    };
    // An exit that is closed, for one path and for all.
    set("PUT", "exposure/c", r#"{"ipfs": false}"#).await;
    assert_eq!(public.iter().filter(|cid| is_told(&node, cid)).count(), 3);
    set("PUT", "exposure", r#"{"ipfs": false}"#).await;
    assert_eq!(told(&node, What::All), BTreeSet::new());
    set("DELETE", "exposure", "").await;
    set("DELETE", "exposure/c", "").await;
    assert!(public.iter().all(|cid| is_told(&node, cid)));
    // What the operator denies, and what is unpublished.
    let mut list = Denylist::default();
    assert_eq!(list.read(&format!("/ipfs/{}", public[0])), Ok(vec![]));
    node.node.content.denylists().set(list);
    assert!(!is_told(&node, &public[0]) && is_told(&node, &public[1]));
    let path = format!("{}/-/content/b", alice.core());
    node.call("DELETE", &path, Some(&token), &[], Body::empty()).await;
    assert!(!is_told(&node, &public[1]) && is_told(&node, &public[2]));
    assert_eq!(told(&node, What::Nothing), BTreeSet::new());
}

#[tokio::test]
async fn the_directory_of_a_name_is_told_and_inner_blocks_only_if_all_are() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let large = vec![7_u8; 3 * 1_024 * 1_024 + 1];
    let path = format!("{}/-/content/large?visibility=public", alice.core());
    node.put(&path, &token, large).await.expect(201);
    let core = kubelt_node::Cores::resolve(&[alice.account()]);
    let name = node.node.ipns.name_of(&core).await.expect("a name");
    let record = node.node.ipns.record(&name).await.expect("readable").expect("published");
    let root = String::from_utf8_lossy(record.value()).trim_start_matches("/ipfs/").to_owned();
    assert!(is_told(&node, &root));
    assert_eq!(told(&node, What::Roots).len(), 2, "the file and the directory");
    assert!(told(&node, What::All).len() > 3);
}

#[tokio::test]
async fn a_core_is_told_only_where_its_owner_says_so() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let core = kubelt_node::Cores::resolve(&[alice.account()]);
    let is_told = || {
        let told = told(&node, What::Nothing).contains(&core.cid().hash().to_bytes());
        assert_eq!(node.node.announced.has(core.cid().hash()).expect("readable"), told);
        told
    };
    let at = format!("{}/-/state/config/announce", alice.core());
    assert!(!is_told());
    for (value, expected) in
        [(r#"{"dht": true}"#, true), (r#"{"dht": false}"#, false), (r#"{"dht": true}"#, true)]
    {
        node.call("PUT", &at, Some(&token), &[], Body::from(value)).await.expect(200);
        assert_eq!(is_told(), expected, "{value}");
    }
    node.call("DELETE", &at, Some(&token), &[], Body::empty()).await.expect(200);
    assert!(!is_told());
    node.call("PUT", &at, Some(&token), &[], Body::from(r#"{"dns": true}"#)).await.expect(422);
}

/// Other nodes, who have one record.
#[derive(Debug, Default)]
struct Others {
    record: Mutex<Option<Record>>,
    put: Mutex<Vec<(Name, u64)>>,
}

impl RecordRouting for Others {
    fn find_record<'a>(&'a self, _name: &'a Name) -> Routing<'a, Option<Record>> {
        let record = self.record.lock().expect("whole").clone();
        Box::pin(async { record })
    }

    fn put_record<'a>(&'a self, name: &'a Name, record: Record) -> Routing<'a, Result<usize, RoutingError>> {
        self.put.lock().expect("whole").push((*name, record.sequence()));
        Box::pin(async { Ok(1) })
    }
}

#[tokio::test]
async fn a_name_that_others_know_is_resolved_and_kept() {
    let (node, others) = (TestNode::new(), Arc::new(Others::default()));
    let (secret, other) = (SecretKey::from_seed(&[5; 32]), SecretKey::from_seed(&[6; 32]));
    let make = |secret: &SecretKey, sequence: u64, value: &str| {
        let validity_end = Duration::from_millis(node.now_ms() + 3_600_000);
        let new = NewRecord { value: value.as_bytes(), sequence, validity_end, ttl: Duration::from_secs(60) };
        Record::create(secret, &new, Generations::V1AndV2).expect("a record")
    };
    node.node.resolver.route_by(others.clone());
    let asked = async || node.get(&format!("/ipns/{}?format=raw", secret.name()), None).await;
    assert_eq!(asked().await.status.as_u16(), 502, "nobody has it");
    node.pass(60_000);
    // A record that another key signed changes nothing.
    *others.record.lock().expect("whole") = Some(make(&other, 9, "/ipfs/bafkqaaa"));
    assert_eq!(asked().await.status.as_u16(), 502);
    node.pass(60_000);
    *others.record.lock().expect("whole") = Some(make(&secret, 1, "/ipfs/bafkqaalb"));
    assert_eq!(asked().await.expect(200).text(), "a");
    *others.record.lock().expect("whole") = None;
    assert_eq!(asked().await.expect(200).text(), "a", "it is kept");
    node.pass(60_000);
    *others.record.lock().expect("whole") = Some(make(&secret, 2, "/ipfs/bafkqaalc"));
    assert_eq!(asked().await.expect(200).text(), "b", "a newer one is heard of after its time to live");
}

#[tokio::test]
async fn the_names_of_cores_are_given_to_others() {
    let (node, alice, others) = (TestNode::new(), Person::new(1), Arc::new(Others::default()));
    let token = node.sign_in(&alice).await.token;
    let worker = |name: &str| node.node.workers.get(name).expect("there is one");
    let put = async |path: &str| {
        let path = format!("{}/-/content/{path}", alice.core());
        node.put(&path, &token, "text").await.expect(201);
        worker("ipns").step().await.expect("a step");
    };
    put("private").await;
    node.node.resolver.route_by(others.clone());
    let spread = async || {
        assert!(matches!(worker("names").step().await.expect("a step"), Step::Idle(_)));
        std::mem::take(&mut *others.put.lock().expect("whole"))
    };
    assert_eq!(spread().await, [], "nothing is public");
    put("a?visibility=public").await;
    let core = kubelt_node::Cores::resolve(&[alice.account()]);
    let name = node.node.ipns.name_of(&core).await.expect("a name");
    assert_eq!(spread().await, [(name, 0)]);
    assert_eq!(spread().await, [], "they know");
    put("b?visibility=public").await;
    assert_eq!(spread().await, [(name, 1)]);
    node.pass(4 * 60 * 60 * 1_000);
    assert_eq!(spread().await, [(name, 1)], "lest they forget");
}
