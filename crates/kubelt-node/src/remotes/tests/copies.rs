//! How many nodes hold a core, and what is done when these are too few.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kubelt_content::Ipld;
use kubelt_core::{
    Act, CoreId, PublicKey,
    schema::{COPIES, Copies},
};
use kubelt_store::{Options, Store};
use parking_lot::Mutex;

use super::{Side, asks, sign_in};
use crate::{
    ChannelError, Clock, CopiesHeld, DialError, Dialer, Dialling, Holding, Node, NodeAddress, PeerStream,
    Remote, Replication, peer_id,
};

#[derive(Debug)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The way from one node to all others, those that are cut off excepted.
#[derive(Debug)]
struct Switch {
    from: PublicKey,
    all: Arc<Mutex<HashMap<PublicKey, Replication>>>,
    cut: Arc<Mutex<HashSet<PublicKey>>>,
}

impl Dialer for Switch {
    fn dial<'a>(&'a self, address: &'a NodeAddress) -> Dialling<'a> {
        Box::pin(async {
            let is_cut = self.cut.lock().contains(&address.peer) || self.cut.lock().contains(&self.from);
            let to = self.all.lock().get(&address.peer).cloned().filter(|_| !is_cut);
            let to = to.ok_or_else(|| DialError("it is cut off".to_owned()))?;
            let (here, there) = tokio::io::duplex(64 * 1_024);
            let from = self.from;
            tokio::spawn(async move { to.accept(there, from).await });
            Ok(Box::new(here) as Box<dyn PeerStream>)
        })
    }

    fn reached_at(&self) -> Vec<String> {
        vec![at(&self.from).text]
    }
}

fn at(key: &PublicKey) -> NodeAddress {
    let id = peer_id(key).expect("an Ed25519 key");
    format!("/ip4/192.0.2.1/tcp/1/tls/p2p/{id}").parse().expect("an address")
}

struct World {
    clock: Arc<TestClock>,
    all: Arc<Mutex<HashMap<PublicKey, Replication>>>,
    cut: Arc<Mutex<HashSet<PublicKey>>>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(1_800_000_000_000)));
        Self { clock, all: Arc::default(), cut: Arc::default() }
    }

    /// A node that nobody has signed in at.
    async fn node(&self) -> (Node, Store, PublicKey) {
        let store = Store::memory(Options::default());
        let node = Node::new(store.clone(), Arc::clone(&self.clock) as Arc<dyn Clock>);
        let key = node.identity.key().await.expect("a key").public();
        self.all.lock().insert(key, node.replication.clone());
        let (all, cut) = (Arc::clone(&self.all), Arc::clone(&self.cut));
        node.remotes.dial_by(Arc::new(Switch { from: key, all, cut }));
        (node, store, key)
    }

    async fn side(&self) -> Side {
        let (node, store, key) = self.node().await;
        let session = sign_in(&node, None).await;
        Side { node, store, session, key }
    }
}

async fn step(node: &Node) {
    node.workers.get("replicator").expect("there is one").step().await.expect("a step");
}

async fn copies(side: &Side) -> CopiesHeld {
    let core = side.session.core;
    side.node.remotes.list(&side.session, &core).await.expect("lists").copies
}

async fn view(side: &Side, peer: &PublicKey) -> Remote {
    let core = side.session.core;
    let remotes = side.node.remotes.list(&side.session, &core).await.expect("lists").remotes;
    remotes.into_iter().find(|remote| remote.peer == *peer).expect("it is one")
}

async fn until_held(side: &Side, held: u16) {
    while copies(side).await.held != held {
        tokio::task::yield_now().await;
    }
}

fn figure(node: &Node, name: &str) -> u64 {
    let figures = node.remotes.figures();
    figures.into_iter().find(|(one, _, _)| *one == name).expect("it is counted").2
}

async fn want(side: &Side, wanted: u16) {
    let act = Act::Put { path: COPIES.parse().expect("a path"), value: Copies { wanted }.to_ipld() };
    let write = crate::Write::Act { session: Arc::clone(&side.session), act };
    side.node.cores.write(side.session.core, write).await.expect("is written");
}

/// Ends the connections between two nodes, and lets them make no other.
async fn cut_off(world: &World, a: &Side, b: &PublicKey) {
    world.cut.lock().insert(*b);
    let slot = Arc::clone(&a.node.remotes.0.links.lock()[b]);
    let link = slot.lock().await.clone().expect("it is connected");
    link.end();
    while view(a, b).await.connected {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_spare_host_is_brought_the_core_when_a_copy_is_gone() {
    let world = World::new();
    let (a, b) = (world.side().await, world.side().await);
    let core = a.session.core;
    a.node.remotes.add(&a.session, core, at(&b.key), true).await.expect("is added");
    assert_eq!(copies(&a).await, CopiesHeld { wanted: None, held: 2 });
    want(&a, 2).await;
    until_held(&a, 2).await;
    assert_eq!(view(&a, &b.key).await.holding, Holding::Whole);

    let (c, c_store, c_key) = world.node().await;
    c.replication.carry_for([a.key]);
    let spare = a.node.remotes.add_spare(&a.session, core, at(&c_key)).await.expect("is named");
    assert!(spare.spare && !spare.connected);
    until_held(&a, 2).await;
    step(&a.node).await;
    assert_eq!(view(&a, &c_key).await.holding, Holding::Spare, "there are enough");
    assert_eq!(figure(&a.node, "replication_cores_short"), 0);

    // A node that is gone for a moment is no lost copy.
    cut_off(&world, &a, &b.key).await;
    assert_eq!(view(&a, &b.key).await.holding, Holding::Left);
    step(&a.node).await;
    assert_eq!((copies(&a).await.held, c_store.genesis(&core).expect("reads")), (2, None));
    world.clock.0.fetch_add(3 * 60 * 1_000, Ordering::SeqCst);
    assert_eq!(view(&a, &b.key).await.holding, Holding::Away);
    assert_eq!(copies(&a).await.missing(), 1);
    step(&a.node).await;
    assert_eq!(figure(&a.node, "replication_cores_short"), 1);
    assert_eq!(figure(&a.node, "replication_copies_missing"), 1);
    until_held(&a, 2).await;
    let mut heads = c_store.heads(&core).expect("reads");
    heads.sort_unstable();
    assert_eq!(heads, a.heads());
    step(&a.node).await;
    assert_eq!(figure(&a.node, "replication_cores_short"), 0);

    // What is written now is missed by who is away.
    a.set("profile/later").await;
    until_held(&a, 2).await;
    assert_eq!(view(&a, &b.key).await.holding, Holding::Away);
}

/// Waits until a node has tried to bring a core to another, and was told that it is not there.
async fn refused(a: &Side, node: &Node, core: CoreId) {
    let told = asks(a, node, core).await;
    assert!(matches!(told, Err(ChannelError::NotFound)), "{told:?}");
}

#[tokio::test]
async fn nobody_brings_a_core_who_was_not_asked_to() {
    let world = World::new();
    let a = world.side().await;
    let core = a.session.core;
    a.set("profile/here").await;
    let (c, c_store, _) = world.node().await;
    refused(&a, &c, core).await;
    assert_eq!(c_store.genesis(&core).expect("reads"), None, "the operator lets nobody");
    // Who may bring cores cannot leave one here that does not name this node.
    let (d, d_store, _) = world.node().await;
    d.replication.carry_for([a.key]);
    refused(&a, &d, core).await;
    while !d.replication.is_carrying_nothing() {
        tokio::task::yield_now().await;
    }
    assert_eq!(d_store.genesis(&core).expect("reads"), None);
}

#[tokio::test]
async fn a_host_that_connects_itself_is_counted() {
    let world = World::new();
    let (a, b) = (world.side().await, world.side().await);
    let core = a.session.core;
    // Only the second node connects to the first.
    b.node.remotes.add(&b.session, core, at(&a.key), true).await.expect("is added");
    while !a
        .node
        .remotes
        .list(&a.session, &core)
        .await
        .expect("lists")
        .remotes
        .iter()
        .any(|one| one.connected)
    {
        tokio::task::yield_now().await;
    }
    until_held(&a, 2).await;
    let act = Act::Put { path: "profile/x".parse().expect("a path"), value: Ipld::Bool(true) };
    let write = crate::Write::Act { session: Arc::clone(&a.session), act };
    a.node.cores.write(core, write).await.expect("is written");
    until_held(&a, 2).await;
    assert_eq!(a.heads(), b.heads());
}
