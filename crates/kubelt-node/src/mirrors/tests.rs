//! Accounts that ask a node for mirrors, and a cable to the origin that can be out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use kubelt_core::{CoreId, EoaKey, PublicKey, schema::Visibility};
use kubelt_store::{Options, Store};

use super::MirrorError;
use crate::{
    Ask, DialError, Dialer, Dialling, Found, Node, NodeAddress, PeerStream, Place, Reader, RemoteNodeError,
    Replication, Session, SystemClock, Target, content_path,
    limits::mirrors::{MIRROR_EVERY_MIN, MIRRORS_PER_ACCOUNT_MAX},
    peer_id,
};

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

async fn sign_in(node: &Node, secret: u8) -> Arc<Session> {
    let wallet = EoaKey::from_secret(&[secret; 32]).expect("a secret key");
    let made = node.sessions.challenge("localhost", Ask::of(wallet.account())).expect("a challenge");
    let signature = wallet.sign(made.message.as_bytes());
    node.sessions.open("localhost", &made.message, &signature).await.expect("a session").session
}

struct World {
    origin: Node,
    owner: Arc<Session>,
    mirror: Node,
    store: Store,
    cable: Arc<Cable>,
    place: Place,
}

impl World {
    async fn new() -> Self {
        let (there, store) = (Store::memory(Options::default()), Store::memory(Options::default()));
        let origin = Node::new(there, Arc::new(SystemClock));
        let mirror = Node::new(store.clone(), Arc::new(SystemClock));
        let from = mirror.identity.key().await.expect("a key").public();
        let key = origin.identity.key().await.expect("a key").public();
        let cable = Arc::new(Cable { from, to: origin.replication.clone(), out: AtomicBool::new(false) });
        mirror.remotes.dial_by(Arc::clone(&cable) as Arc<dyn Dialer>);
        let id = peer_id(&key).expect("an Ed25519 key");
        let place = format!("/ip4/192.0.2.1/tcp/1/tls/p2p/{id}").parse().expect("an address");
        let owner = sign_in(&origin, 1).await;
        Self { origin, owner, mirror, store, cable, place }
    }

    fn core(&self) -> CoreId {
        self.owner.core
    }

    async fn put(&self, path: &str, text: &'static str, visibility: Visibility) {
        let path = content_path(&[path.to_owned()]).expect("a path");
        let target = Target { path, visibility, partial: false, media_type: None };
        let mut upload = self.origin.content.upload(Arc::clone(&self.owner), self.core(), target).await;
        upload.write(Bytes::from_static(text.as_bytes())).await.expect("is taken");
        upload.finish().await.expect("is stored");
    }

    /// Asks for a mirror, for somebody who is signed in at the mirror.
    async fn add(&self, who: &Arc<Session>, every: Option<Duration>) -> Result<super::Mirror, MirrorError> {
        self.mirror.mirrors.add(who, who.core, self.core(), self.place.clone(), every).await
    }

    async fn step(&self) {
        self.mirror.workers.get("mirrors").expect("there is one").step().await.expect("works");
    }
}

async fn serves(node: &Node, core: &CoreId, path: &str) -> bool {
    let found = node.content.find(&Reader::Anonymous, core, &[path.to_owned()]).await;
    matches!(found, Ok(Found::File(_)))
}

#[tokio::test]
async fn a_mirror_is_the_account_s_that_asked_and_goes_with_the_last_of_them() {
    let world = World::new().await;
    let core = world.core();
    world.put("page", "page", Visibility::Public).await;
    let (bob, eve) = (sign_in(&world.mirror, 2).await, sign_in(&world.mirror, 3).await);
    let added = world.add(&bob, None).await.expect("is added");
    assert!(added.mirrored.settled && added.paths == 1 && added.connected, "{added:?}");
    assert!(serves(&world.mirror, &core, "page").await);
    // It is nobody else's to see or to remove.
    let mirrors = &world.mirror.mirrors;
    assert!(mirrors.list(&eve, eve.core).await.expect("lists").is_empty());
    for of in [bob.core, core] {
        assert!(matches!(mirrors.list(&eve, of).await, Err(MirrorError::NotFound)));
        let removed = mirrors.remove(&eve, of, core).await;
        assert!(matches!(removed, Err(MirrorError::NotFound)), "{removed:?}");
    }
    assert!(matches!(mirrors.remove(&eve, eve.core, core).await, Err(MirrorError::Unknown)));
    // Two who ask share what is here.
    world.add(&eve, Some(MIRROR_EVERY_MIN)).await.expect("is added");
    mirrors.remove(&bob, bob.core, core).await.expect("is removed");
    assert!(serves(&world.mirror, &core, "page").await);
    assert_eq!(mirrors.list(&eve, eve.core).await.expect("lists").len(), 1);
    mirrors.remove(&eve, eve.core, core).await.expect("is removed");
    assert!(!serves(&world.mirror, &core, "page").await);
    assert_eq!(world.store.meta_scan("mirrored", &[], None).count(), 0);
}

#[tokio::test]
async fn what_does_not_work_is_not_added_and_limits_hold() {
    let world = World::new().await;
    let bob = sign_in(&world.mirror, 2).await;
    // The cable is out; then nothing is published there.
    for (is_out, expected) in [(true, "the cable is out"), (false, "no such core")] {
        world.cable.out.store(is_out, Ordering::SeqCst);
        let failed = world.add(&bob, None).await;
        assert!(matches!(&failed, Err(MirrorError::Failed(why)) if why.contains(expected)), "{failed:?}");
    }
    assert!(world.mirror.mirrors.list(&bob, bob.core).await.expect("lists").is_empty());
    let short = world.add(&bob, Some(MIRROR_EVERY_MIN - Duration::from_secs(1))).await;
    assert!(matches!(short, Err(MirrorError::Every)), "{short:?}");
    let own = world.mirror.identity.key().await.expect("a key").peer_id();
    let own = format!("/ip4/192.0.2.1/tcp/1/tls/p2p/{own}").parse().expect("an address");
    let refused = world.mirror.mirrors.add(&bob, bob.core, world.core(), own, None).await;
    assert!(matches!(refused, Err(MirrorError::Remote(RemoteNodeError::Own))), "{refused:?}");
    for n in 0..MIRRORS_PER_ACCOUNT_MAX {
        let wish = Some((Vec::new(), None));
        world
            .mirror
            .mirrors
            .put_row(&bob.core, &CoreId::of(&n.to_be_bytes()), wish)
            .await
            .expect("is written");
    }
    let over = world.add(&bob, None).await;
    assert!(matches!(over, Err(MirrorError::TooMany)), "{over:?}");
}

#[tokio::test]
async fn it_goes_on_after_a_restart_and_what_nobody_asks_for_any_more_goes() {
    let mut world = World::new().await;
    let core = world.core();
    world.put("page", "page", Visibility::Public).await;
    let bob = sign_in(&world.mirror, 2).await;
    world.add(&bob, None).await.expect("is added");
    world.mirror = Node::new(world.store.clone(), Arc::new(SystemClock));
    world.mirror.remotes.dial_by(Arc::clone(&world.cable) as Arc<dyn Dialer>);
    world.put("later", "later", Visibility::Public).await;
    assert!(serves(&world.mirror, &core, "page").await);
    world.step().await;
    while !serves(&world.mirror, &core, "later").await {
        tokio::task::yield_now().await;
    }
    // A removal that a kill has interrupted.
    world.mirror.mirrors.put_row(&bob.core, &core, None).await.expect("is written");
    world.step().await;
    assert!(!serves(&world.mirror, &core, "page").await);
    assert_eq!(world.store.meta_scan("mirrored", &[], None).count(), 0);
}

#[tokio::test]
async fn a_mirror_rests_while_the_core_itself_is_here() {
    let world = World::new().await;
    let core = world.core();
    world.put("page", "page", Visibility::Public).await;
    let bob = sign_in(&world.mirror, 2).await;
    world.add(&bob, None).await.expect("is added");
    // The owner brings the core itself.
    let owner = sign_in(&world.mirror, 1).await;
    let Place::Address(address) = world.place.clone() else { panic!("an address") };
    world.mirror.remotes.add(&owner, core, address, true).await.expect("is added");
    while world.store.meta_scan("mirrored-entry", &[], None).count() > 0 {
        tokio::task::yield_now().await;
    }
    while !serves(&world.mirror, &core, "page").await {
        tokio::task::yield_now().await;
    }
    let listed = world.mirror.mirrors.list(&bob, bob.core).await.expect("lists");
    let why = listed[0].error.as_deref().unwrap_or_default();
    assert!(why.contains("the core itself is on this node"), "{listed:?}");
    // Of a core that shows nothing, nobody is told that it is here.
    world.put("page", "page", Visibility::Private).await;
    while serves(&world.mirror, &core, "page").await {
        tokio::task::yield_now().await;
    }
    let listed = world.mirror.mirrors.list(&bob, bob.core).await.expect("lists");
    let why = listed[0].error.as_deref().unwrap_or_default();
    assert!(why.contains("no such core"), "{listed:?}");
    assert_eq!((listed[0].paths, listed[0].mirrored.settled), (0, false));
}
