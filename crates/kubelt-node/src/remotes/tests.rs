//! Two nodes of one process, and a cable between them that can be out.

mod blocks;
mod copies;
mod hosts;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kubelt_content::Ipld;
use kubelt_core::{Ability, Act, CoreId, EoaKey, OpId, PublicKey};
use kubelt_store::{Options, Store};
use tokio::sync::watch;

use super::{DialError, Dialer, Dialling, NodeAddress, PeerStream, RemoteNodeError};
use crate::{Ask, ChannelError, Node, Replication, Session, SystemClock, Write, peer_id};

/// The way from one node to another.
#[derive(Debug)]
struct Cable {
    from: PublicKey,
    to: Replication,
    out: AtomicBool,
}

impl Dialer for Cable {
    fn dial<'a>(&'a self, _address: &'a NodeAddress) -> Dialling<'a> {
        Box::pin(async {
            if self.out.load(Ordering::SeqCst) {
                return Err(DialError("the cable is out".to_owned()));
            }
            let (here, there) = tokio::io::duplex(64 * 1_024);
            let (to, from) = (self.to.clone(), self.from);
            tokio::spawn(async move { to.accept(there, from).await });
            Ok(Box::new(here) as Box<dyn PeerStream>)
        })
    }

    fn reached_at(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A session of the one wallet of these tests.
async fn sign_in(node: &Node, abilities: Option<Vec<Ability>>) -> Arc<Session> {
    let wallet = EoaKey::from_secret(&[1; 32]).expect("a secret key");
    let ask = Ask { abilities, ..Ask::of(wallet.account()) };
    let made = node.sessions.challenge("localhost", ask).expect("a challenge");
    let signature = wallet.sign(made.message.as_bytes());
    node.sessions.open("localhost", &made.message, &signature).await.expect("a session").session
}

/// What a node whose key is known says to it when that asks for a core without a proof.
async fn asks(who: &Side, whom: &Node, core: CoreId) -> Result<(), ChannelError> {
    let (here, there) = tokio::io::duplex(64 * 1_024);
    let (accepting, from) = (whom.replication.clone(), who.key);
    tokio::spawn(async move { accepting.accept(there, from).await });
    let key = whom.identity.key().await.expect("a key").public();
    let link = who.node.replication.connect(here, key).await.expect("they greet each other");
    link.replicate(&who.node.replication, core, None, false, watch::Sender::default()).await
}

struct Side {
    node: Node,
    store: Store,
    session: Arc<Session>,
    key: PublicKey,
}

impl Side {
    async fn new() -> Self {
        let store = Store::memory(Options::default());
        let node = Node::new(store.clone(), Arc::new(SystemClock));
        let session = sign_in(&node, None).await;
        let key = node.identity.key().await.expect("a key").public();
        Self { node, store, session, key }
    }

    async fn set(&self, path: &str) {
        let act = Act::Put { path: path.parse().expect("a path"), value: Ipld::Bool(true) };
        let write = Write::Act { session: Arc::clone(&self.session), act };
        self.node.cores.write(self.session.core, write).await.expect("is written");
    }

    fn heads(&self) -> Vec<OpId> {
        let mut heads = self.store.heads(&self.session.core).expect("reads");
        heads.sort_unstable();
        heads
    }
}

/// Two nodes, the cable from the second to the first, and the address of the first.
async fn world() -> (Side, Side, Arc<Cable>, NodeAddress) {
    let (a, b) = (Side::new().await, Side::new().await);
    let cable = Arc::new(Cable { from: b.key, to: a.node.replication.clone(), out: AtomicBool::new(false) });
    b.node.remotes.dial_by(Arc::clone(&cable) as Arc<dyn Dialer>);
    let id = peer_id(&a.key).expect("an Ed25519 key");
    let address = format!("/ip4/192.0.2.1/tcp/1/tls/p2p/{id}").parse().expect("an address");
    (a, b, cable, address)
}

#[tokio::test]
async fn work_goes_on_by_itself_after_the_cable_was_out() {
    let (a, b, cable, address) = world().await;
    let core = b.session.core;
    a.set("profile/before").await;
    let added = b.node.remotes.add(&b.session, core, address, true).await.expect("is added");
    assert!(added.host && added.exchanged.settled, "{added:?}");
    assert_eq!(a.heads(), b.heads());

    cable.out.store(true, Ordering::SeqCst);
    let slot = Arc::clone(&b.node.remotes.0.links.lock()[&a.key]);
    let link = slot.lock().await.clone().expect("it is connected");
    link.end();
    while b.node.remotes.view(&core, &a.key).expect("reads").is_some_and(|view| view.connected) {
        tokio::task::yield_now().await;
    }
    a.set("profile/here").await;
    b.set("profile/there").await;
    assert_ne!(a.heads(), b.heads());
    let failed = b.node.remotes.sync(&b.session, core, &a.key).await;
    assert!(matches!(failed, Err(RemoteNodeError::Failed(_))), "{failed:?}");

    // Both nodes are hosts of the core now: nobody's session is needed.
    b.node.remotes.0.sessions.lock().clear();
    cable.out.store(false, Ordering::SeqCst);
    while a.heads() != b.heads() {
        tokio::task::yield_now().await;
    }
    let path = "profile/there".parse().expect("a path");
    assert!(a.store.state(&core, &path).expect("reads").is_some());
}

#[tokio::test]
async fn a_remote_has_a_core_for_as_long_as_the_sign_in_that_added_it() {
    let (a, b, _cable, address) = world().await;
    let core = b.session.core;
    let narrow = sign_in(&b.node, Some(vec!["replicate **".parse().expect("one")])).await;
    let added = b.node.remotes.add(&narrow, core, address, true).await.expect("is added");
    assert!(added.added && !added.host, "it may not write the map: {added:?}");
    let restarted = || async {
        let node = Node::new(b.store.clone(), Arc::new(SystemClock));
        node.workers.get("replicator").expect("there is one").step().await.expect("works");
        node
    };
    asks(&a, &b.node, core).await.expect("it has the core");
    asks(&a, &restarted().await, core).await.expect("it has the core after a restart, too");

    b.node.sessions.end(&b.session, narrow.id()).await.expect("is ended");
    for node in [&b.node, &restarted().await] {
        let ended = asks(&a, node, core).await;
        assert!(matches!(ended, Err(ChannelError::NotFound)), "{ended:?}");
    }
    // Another sign-in may ask for the same remote.
    b.node.remotes.sync(&b.session, core, &a.key).await.expect("goes on");
    asks(&a, &b.node, core).await.expect("it has the core again");
    asks(&a, &restarted().await, core).await.expect("and after a restart");
}

#[tokio::test]
async fn a_remote_that_is_not_reached_is_not_added() {
    let (a, b, cable, address) = world().await;
    cable.out.store(true, Ordering::SeqCst);
    let failed = b.node.remotes.add(&b.session, b.session.core, address, true).await;
    assert!(matches!(failed, Err(RemoteNodeError::Failed(_))), "{failed:?}");
    assert!(b.node.remotes.list(&b.session, &b.session.core).await.expect("lists").remotes.is_empty());
    assert!(b.node.remotes.wanted(&b.session.core).expect("reads").is_empty());
    assert_eq!(a.heads(), b.heads());
}
