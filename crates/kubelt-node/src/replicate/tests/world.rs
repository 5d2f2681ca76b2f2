//! Nodes on one clock, and people who are signed in at them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kubelt_content::Ipld;
use kubelt_core::{
    Act, CheckedLogin, CoreId, EoaKey, Login, MapPath, SessionKey, SignIn, Unchecked, codec,
    schema::Visibility,
};
use kubelt_store::{Options, Quota, Store};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    Ask, ChannelError, Clock, Exchanged, Found, Link, Node, Reader, Session, Target, Write, content_path,
};

#[derive(Debug)]
pub(super) struct HandClock(AtomicU64);

impl HandClock {
    pub(super) fn tick(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now_ms(&self) -> u64 {
        // Every look is later than the one before, so that no two writes have one date.
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

pub(super) struct Place {
    pub(super) node: Node,
    pub(super) store: Store,
}

pub(super) struct Fleet {
    pub(super) clock: Arc<HandClock>,
    places: BTreeMap<&'static str, Place>,
}

/// Somebody who is signed in at a node.
pub(super) struct Person {
    pub(super) node: Node,
    pub(super) store: Store,
    pub(super) session: Arc<Session>,
}

pub(super) fn wallet(secret: u8) -> EoaKey {
    EoaKey::from_secret(&[secret; 32]).expect("a secret key")
}

/// Bytes that no other name has.
pub(super) fn body(name: &str, size: usize) -> Bytes {
    let mut state = name.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

impl Fleet {
    pub(super) async fn new(names: &[&'static str]) -> Self {
        Self::with_quota(names, u64::MAX / 2).await
    }

    pub(super) async fn with_quota(names: &[&'static str], block_bytes: u64) -> Self {
        let clock = Arc::new(HandClock(AtomicU64::new(1_800_000_000_000)));
        let mut places = BTreeMap::new();
        for name in names {
            let quota = Quota { block_bytes, ..Options::default().quota };
            let store = Store::memory(Options { quota, ..Options::default() });
            let node = Node::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
            node.identity.key().await.expect("a key");
            places.insert(*name, Place { node, store });
        }
        Self { clock, places }
    }

    pub(super) fn at(&self, name: &str) -> &Place {
        &self.places[name]
    }

    /// A connection from one node to another, as a transport would make it.
    pub(super) async fn connect(&self, from: &str, to: &str) -> Link {
        let (here, there) = tokio::io::duplex(256 * 1_024);
        let (from, to) = (&self.at(from).node, &self.at(to).node);
        let from_key = from.identity.key().await.expect("a key").public();
        let to_key = to.identity.key().await.expect("a key").public();
        let accepting = to.replication.clone();
        tokio::spawn(async move { accepting.accept(there, from_key).await });
        from.replication.connect(here, to_key).await.expect("they greet each other")
    }

    /// Nodes have the same log, and the same state.
    #[track_caller]
    pub(super) fn assert_equal(&self, core: &CoreId, names: &[&str]) {
        let all: Vec<_> = names.iter().map(|name| everything(&self.at(name).store, core)).collect();
        assert!(!all[0].0.is_empty(), "nothing is there");
        for other in &all[1..] {
            assert_eq!(all[0], *other);
        }
    }
}

pub(super) type Everything = (Vec<kubelt_core::OpId>, Vec<(String, Bytes)>, Vec<(String, Bytes)>);

pub(super) fn everything(store: &Store, core: &CoreId) -> Everything {
    let mut heads = store.heads(core).expect("reads");
    heads.sort_unstable();
    let state = store.state_scan(core, None, None, 10_000).expect("reads");
    let state = state.into_iter().map(|(path, entry)| (path.to_string(), entry.value)).collect();
    // What is open at which path, without the bytes of dates.
    let named = store.meta_scan("named", core.digest(), None).map(|row| row.expect("reads"));
    let named = named.map(|(key, row)| (String::from_utf8_lossy(&key[32..]).into_owned(), row)).collect();
    (heads, state, named)
}

impl Place {
    pub(super) async fn sign_in(&self, key: &EoaKey) -> Person {
        self.sign_in_with(key, Ask::of(key.account())).await
    }

    pub(super) async fn sign_in_with(&self, key: &EoaKey, ask: Ask) -> Person {
        let node = self.node.clone();
        let made = node.sessions.challenge("localhost", ask).expect("a challenge");
        let opened = node.sessions.open("localhost", &made.message, &key.sign(made.message.as_bytes())).await;
        Person { store: self.store.clone(), session: opened.expect("a session").session, node }
    }

    pub(super) async fn unlimited(&self, core: &CoreId) {
        let mut tx = self.store.begin();
        tx.set_quota(core, Some(Quota { block_bytes: u64::MAX / 2, ..Options::default().quota }))
            .expect("sets");
        tx.commit().await.expect("commits");
    }
}

/// A sign-in of somebody that lets a session replicate a core, if its account may.
pub(super) fn self_made(wallet: &EoaKey, core: CoreId) -> (Login, SessionKey) {
    let key = SessionKey::from_seed([77; 32]);
    let message = SignIn {
        scheme: None,
        domain: "localhost".to_owned(),
        account: wallet.account(),
        chain_id: 1,
        session: key.public(),
        nonce: "abcdefgh1".to_owned(),
        issued_at_ms: 1_800_000_000_000 - 1_000,
        expires_ms: 1_800_000_000_000 + 3_600_000,
        abilities: BTreeMap::from([(core, vec!["replicate **".parse().expect("one")])]),
        heads: BTreeMap::new(),
        held_by_node: true,
    };
    let message = message.message().expect("a message");
    let signature = wallet.sign(message.as_bytes()).to_vec();
    (Login::new(message, kubelt_core::Scheme::Eip191, signature, None), key)
}

/// The same, as it is shown when a remote is added.
pub(super) fn word(wallet: &EoaKey, core: CoreId) -> Arc<CheckedLogin> {
    let (login, _) = self_made(wallet, core);
    let outcome = CheckedLogin::check(&login, &Unchecked).expect("a good signature");
    Arc::new(outcome.valid().expect("of a wallet with a key"))
}

impl Person {
    pub(super) async fn set(&self, path: &str, value: Ipld) {
        let act = Act::Put { path: path.parse().expect("a path"), value };
        let write = Write::Act { session: Arc::clone(&self.session), act };
        self.node.cores.write(self.session.core, write).await.expect("is written");
    }

    /// Writes so many operations, in few transactions.
    pub(super) async fn set_many(&self, count: i128) {
        let write = |n: i128| {
            let path = format!("profile/n{}", n % 100).parse().expect("a path");
            Write::Act { session: Arc::clone(&self.session), act: Act::Put { path, value: Ipld::Integer(n) } }
        };
        for result in self.node.cores.write_all(self.session.core, (0..count).map(write).collect()).await {
            result.expect("is written");
        }
    }

    pub(super) async fn profile(&self, name: &str) {
        self.set("profile/name", Ipld::String(name.to_owned())).await;
    }

    pub(super) async fn put(&self, path: &str, bytes: Bytes, visibility: Visibility) {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let path = content_path(&segments).expect("a path");
        let target = Target { path, visibility, partial: false, media_type: None };
        let mut upload = self.node.content.upload(Arc::clone(&self.session), self.session.core, target).await;
        upload.write(bytes).await.expect("is taken");
        upload.finish().await.expect("is stored");
    }

    /// What this person reads at a path of content; none where nothing is open there.
    pub(super) async fn read(&self, path: &str) -> Option<Bytes> {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let reader = Reader::Session(Arc::clone(&self.session));
        let found = self.node.content.find(&reader, &self.session.core, &segments).await.ok()?;
        let Found::File(file) = found else { panic!("{found:?}") };
        let blocks = self.node.content.blocks(&file.within);
        let mut reading = kubelt_content::read::FileReader::open(&blocks, &file.cid).expect("a file");
        let mut bytes = Vec::new();
        while let Some(piece) = reading.next(&blocks).expect("is whole") {
            bytes.extend_from_slice(&piece);
        }
        Some(bytes.into())
    }

    pub(super) fn usage_blocks(&self) -> u64 {
        self.store.usage(&self.session.core).expect("reads").blocks
    }

    /// The person gives all of the core to whoever is at the other end, as people do who add a remote.
    fn trust(&self, link: &Link, core: CoreId) {
        self.node.replication.trust(core, *link.peer(), Arc::clone(&self.session.login));
    }

    /// Exchanges this person's core over a connection, once.
    pub(super) async fn pull(&self, link: &Link, live: bool) -> Result<Exchanged, ChannelError> {
        let status = watch::Sender::new(Exchanged::default());
        let (core, session) = (self.session.core, Some(&*self.session));
        self.trust(link, core);
        link.replicate(&self.node.replication, core, session, live, status.clone()).await?;
        let exchanged = status.borrow().clone();
        Ok(exchanged)
    }

    /// The same for any core.
    pub(super) async fn pull_as(
        &self,
        link: &Link,
        core: CoreId,
        session: Option<&Session>,
    ) -> Result<(), ChannelError> {
        let status = watch::Sender::new(Exchanged::default());
        link.replicate(&self.node.replication, core, session, false, status).await
    }

    /// Goes on exchanging this person's core.
    pub(super) fn live(
        &self,
        link: &Link,
    ) -> (watch::Receiver<Exchanged>, JoinHandle<Result<(), ChannelError>>) {
        self.live_as(link, self.session.core)
    }

    /// The same for any core.
    pub(super) fn live_as(
        &self,
        link: &Link,
        core: CoreId,
    ) -> (watch::Receiver<Exchanged>, JoinHandle<Result<(), ChannelError>>) {
        let status = watch::Sender::new(Exchanged::default());
        let heard = status.subscribe();
        self.trust(link, core);
        let (link, replication, session) =
            (link.clone(), self.node.replication.clone(), Arc::clone(&self.session));
        let task =
            tokio::spawn(
                async move { link.replicate(&replication, core, Some(&session), true, status).await },
            );
        (heard, task)
    }

    /// Waits until the core has this value here.
    pub(super) async fn hears(&self, path: &str, value: Ipld) {
        let path: MapPath = path.parse().expect("a path");
        let mut changes = self.node.cores.changes().watch(&self.session.core);
        let expected = codec::encode(&value);
        let here = || self.store.state(&self.session.core, &path).expect("reads").map(|entry| entry.value);
        while here().as_deref() != Some(&expected[..]) {
            changes.changed().await.expect("the core lives");
        }
    }

    /// Waits until this content can be read here.
    pub(super) async fn hears_content(&self, path: &str, bytes: Bytes) {
        let mut changes = self.node.cores.changes().watch(&self.session.core);
        while self.read(path).await.as_ref() != Some(&bytes) {
            changes.changed().await.expect("the core lives");
        }
    }
}
