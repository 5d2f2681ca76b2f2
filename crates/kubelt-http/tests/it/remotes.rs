//! `/@core/-/remotes` as clients meet it: two nodes, and a cable between them.

use std::sync::Arc;

use axum::body::Body;
use kubelt_api::{Code, ContentReceipt, RemoteList, RemoteView};
use kubelt_core::PublicKey;
use kubelt_node::{DialError, Dialer, Dialling, NodeAddress, PeerStream, Replication, peer_id};
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestNode};

/// The way from one node to another.
#[derive(Debug)]
struct Cable {
    from: PublicKey,
    to: PublicKey,
    there: Replication,
}

impl Dialer for Cable {
    fn dial<'a>(&'a self, address: &'a NodeAddress) -> Dialling<'a> {
        Box::pin(async {
            if address.peer != self.to {
                return Err(DialError("nobody is there".to_owned()));
            }
            let (here, there) = tokio::io::duplex(64 * 1_024);
            let (to, from) = (self.there.clone(), self.from);
            tokio::spawn(async move { to.accept(there, from).await });
            Ok(Box::new(here) as Box<dyn PeerStream>)
        })
    }

    fn reached_at(&self) -> Vec<String> {
        vec![address_of(&self.from)]
    }
}

fn address_of(key: &PublicKey) -> String {
    format!("/ip4/192.0.2.1/tcp/4749/tls/p2p/{}", peer_id(key).expect("an Ed25519 key"))
}

struct World {
    node: TestNode,
    other: TestNode,
    own: PublicKey,
    there: PublicKey,
    alice: Person,
    token: String,
}

impl World {
    async fn new() -> Self {
        let (node, other, alice) = (TestNode::new(), TestNode::new(), Person::new(1));
        let key = async |node: &TestNode| node.node.identity.key().await.expect("a key").public();
        let (own, there) = (key(&node).await, key(&other).await);
        let token = node.sign_in(&alice).await.token;
        let cable = Cable { from: own, to: there, there: other.node.replication.clone() };
        node.node.remotes.dial_by(Arc::new(cable));
        Self { node, other, own, there, alice, token }
    }

    fn route(&self, below: &str) -> String {
        format!("{}/-/remotes{below}", self.alice.core())
    }

    async fn list(&self) -> RemoteList {
        self.node.get(&self.route(""), Some(&self.token)).await.expect(200).json()
    }

    async fn add(&self, request: &Value) -> Answer {
        self.node.post(&self.route(""), Some(&self.token), request).await
    }
}

#[tokio::test]
async fn a_remote_is_added_listed_synced_and_removed() {
    let world = World::new().await;
    let there = world.other.sign_in(&world.alice).await.token;
    let put = format!("{}/-/content/a.txt?visibility=public", world.alice.core());
    world.other.put(&put, &there, "from there").await.expect(201).json::<ContentReceipt>();
    assert_eq!((world.list().await.remotes.len(), world.list().await.copies.held), (0, 1));
    let added = world.add(&json!({ "address": address_of(&world.there) })).await.expect(201);
    let added: RemoteView = added.json();
    assert!(added.settled && added.host && added.added && !added.spare, "{added:?}");
    assert_eq!(Some(added.peer.clone()), peer_id(&world.there));
    let path = format!("{}/a.txt", world.alice.core());
    assert_eq!(world.node.get(&path, None).await.expect(200).text(), "from there");

    let listed = world.list().await;
    assert_eq!((listed.remotes.len(), listed.copies.wanted), (1, None));
    let sync = world.route(&format!("/{}/sync", added.peer));
    let synced = world.node.post(&sync, Some(&world.token), &json!(null));
    let synced: RemoteView = synced.await.expect(200).json();
    assert_eq!(synced.error, None);
    while world.list().await.copies.held < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.list().await.remotes[0].holding, "whole");

    let at = format!("{}/-/state/config/copies", world.alice.core());
    for (value, status) in [
        (r#"{"wanted": 0}"#, 422),
        (r#"{"wanted": 65}"#, 422),
        (r#"{"wanted": 3, "more": 1}"#, 422),
        (r#"{"wanted": 3}"#, 200),
    ] {
        world.node.call("PUT", &at, Some(&world.token), &[], Body::from(value)).await.expect(status);
    }
    while world.list().await.copies.held < 2 {
        tokio::task::yield_now().await;
    }
    let copies = world.list().await.copies;
    assert_eq!((copies.wanted, copies.held, copies.under_replicated), (Some(3), 2, true));
    world.node.node.workers.get("replicator").expect("there is one").step().await.expect("a step");
    let metrics = world.node.get("/metrics", None).await.expect(200).text();
    for line in ["kubelt_replication_cores_short 1\n", "kubelt_replication_copies_missing 1\n"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert!(metrics.contains("kubelt_replication_peer_faults 0\n"), "{metrics}");

    let one = world.route(&format!("/{}", added.peer));
    world.node.call("DELETE", &one, Some(&world.token), &[], Body::empty()).await.expect(204);
    world.node.call("DELETE", &one, Some(&world.token), &[], Body::empty()).await.expect(404);
    assert_eq!(world.list().await.remotes.len(), 0);
}

#[tokio::test]
async fn a_dns_name_tells_where_the_core_is() {
    let world = World::new().await;
    world.other.sign_in(&world.alice).await;
    let core = kubelt_node::Cores::resolve(&[world.alice.account()]);
    let other_core = kubelt_node::Cores::resolve(&[Person::new(2).account()]);
    let links = [
        ("_kubelt.acme.org", format!("core={core} host=/dns/a/tcp/1 host={}", address_of(&world.there))),
        ("_kubelt.other.org", format!("core={other_core} host={}", address_of(&world.there))),
        ("_kubelt.nobody.org", format!("core={core}")),
    ];
    world
        .node
        .node
        .dnslinks
        .set(links.map(|(name, text)| (name.to_owned(), text)).into())
        .expect("are taken");
    for (name, why) in [
        ("other.org", "another core"),
        ("nobody.org", "names no node"),
        ("unknown.org", "looks up no DNS names"),
        ("dht", "names no node"),
    ] {
        let refused = world.add(&json!({ "address": name })).await.expect(502);
        let problem = refused.expect_problem(Code::Unreachable);
        assert!(problem.detail.contains(why), "{name}: {}", problem.detail);
    }
    let added: RemoteView = world.add(&json!({ "address": "@Acme.org" })).await.expect(201).json();
    assert_eq!((Some(added.peer), added.host), (peer_id(&world.there), true));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_adds_nothing() {
    let world = World::new().await;
    let stranger = peer_id(&kubelt_core::SessionKey::from_seed([9; 32]).public());
    let nowhere = format!("/ip4/192.0.2.1/tcp/1/tls/p2p/{}", stranger.expect("an id"));
    for (request, status) in [
        (json!({ "address": "nonsense" }), 400),
        (json!({ "address": "/ip4/192.0.2.1/tcp/1" }), 400),
        (json!({ "address": address_of(&world.own) }), 400),
        (json!({ "address": "acme.org", "spare": true }), 400),
        (json!({ "address": nowhere }), 502),
        // That node does not have the core.
        (json!({ "address": address_of(&world.there) }), 502),
        (json!({}), 400),
        (json!({ "address": nowhere, "more": true }), 400),
    ] {
        world.add(&request).await.expect(status);
    }
    assert_eq!(world.list().await.remotes.len(), 0);
    let spare: RemoteView = world.add(&json!({ "address": nowhere, "spare": true })).await.expect(201).json();
    assert!(spare.spare && spare.host && spare.holding == "spare" && !spare.connected);

    let (one, sync) = (world.route("/nobody"), world.route("/nobody/sync"));
    world.node.call("DELETE", &one, Some(&world.token), &[], Body::empty()).await.expect(400);
    world.node.post(&sync, Some(&world.token), &json!(null)).await.expect(400);
    world.node.call("PUT", &world.route(""), Some(&world.token), &[], Body::empty()).await.expect(405);
    world.node.get(&world.route("/a/b/c"), Some(&world.token)).await.expect(404);

    // For all others there is no core here.
    let bob = world.node.sign_in(&Person::new(2)).await.token;
    let asked = json!({ "address": address_of(&world.there) });
    for token in [None, Some(bob.as_str())] {
        world.node.get(&world.route(""), token).await.expect(404).expect_problem(Code::NotFound);
        world.node.post(&world.route(""), token, &asked).await.expect(404).expect_problem(Code::NotFound);
    }
}

#[tokio::test]
async fn a_node_that_connects_to_nobody_says_so() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let other = TestNode::new().node.identity.key().await.expect("a key").public();
    let asked = json!({ "address": address_of(&other) });
    let route = format!("{}/-/remotes", alice.core());
    node.post(&route, Some(&token), &asked).await.expect(503).expect_problem(Code::Unavailable);
}
