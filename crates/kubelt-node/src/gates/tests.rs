use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kubelt_content::{Codec, Ipld};
use kubelt_core::{
    Act, BlockRef, CoreId, EoaKey,
    schema::{BlockTag, Visibility, gate::Outcome},
};
use kubelt_store::{Options, Store};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::GateError;
use crate::{
    Ask, Asking, ChainPort, Clock, ContentError, ContractAnswers, ContractCall, Found, Node, Reader, Session,
    Target, Write, content_path, limits::GATE_TRIALS_PER_ACCOUNT_MAX,
};

const HOST: &str = "localhost";
const NFT: &str = "0x00000000000000000000000000000000000000c0";

#[derive(Debug)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A chain with balances by holder; a contract without any reverts.
#[derive(Debug, Default)]
struct Chain {
    balances: Mutex<HashMap<[u8; 20], u64>>,
    calls: AtomicU64,
    is_down: Mutex<bool>,
    reverts: Mutex<bool>,
}

impl ChainPort for Chain {
    fn knows(&self, _: u64) -> bool {
        true
    }

    fn known(&self) -> Vec<u64> {
        vec![1]
    }

    fn call<'a>(
        &'a self,
        chain: u64,
        _: BlockTag,
        calls: &'a [ContractCall],
    ) -> Asking<'a, Option<ContractAnswers>> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        if *self.is_down.lock() || chain != 1 {
            return Box::pin(async { None });
        }
        let reverts = *self.reverts.lock();
        let balance = |call: &ContractCall| {
            let holder: [u8; 20] = call.data.get(16..36)?.try_into().ok()?;
            let mut word = [0; 32];
            let balance = self.balances.lock().get(&holder).copied().unwrap_or_default();
            word[24..].copy_from_slice(&balance.to_be_bytes());
            (!reverts).then_some(word)
        };
        let words = calls.iter().map(balance).collect();
        let block = BlockRef { chain, number, hash: [1; 32] };
        Box::pin(async move { Some(ContractAnswers { block, words }) })
    }
}

struct World {
    node: Node,
    chain: Arc<Chain>,
    clock: Arc<Hands>,
    owner: Arc<Session>,
}

fn wallet(secret: u8) -> EoaKey {
    EoaKey::from_secret(&[secret; 32]).expect("a secret key")
}

async fn sign_in(node: &Node, key: &EoaKey, ask: Ask) -> Arc<Session> {
    let made = node.sessions.challenge(HOST, ask).expect("a challenge");
    let signature = key.sign(made.message.as_bytes());
    node.sessions.open(HOST, &made.message, &signature).await.expect("a session").session
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(Hands(AtomicU64::new(1_800_000_000_000)));
        let node = Node::new(Store::memory(Options::default()), clock.clone());
        let chain = Arc::new(Chain::default());
        node.chains.ask_by(Arc::clone(&chain) as Arc<dyn ChainPort>);
        let owner = sign_in(&node, &wallet(1), Ask::of(wallet(1).account())).await;
        let world = Self { node, chain, clock, owner };
        world.put("vip/a", Visibility::Members).await;
        world.put("vip/secret", Visibility::Private).await;
        world.put("else/b", Visibility::Members).await;
        world.gate(json!({"opens": ["content/vip/**"], "if": nft()})).await;
        world
    }

    fn core(&self) -> CoreId {
        self.owner.core
    }

    async fn put(&self, path: &str, visibility: Visibility) {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let path = content_path(&segments).expect("a path");
        let target = Target { path, visibility, partial: false, media_type: None };
        let mut upload = self.node.content.upload(Arc::clone(&self.owner), self.core(), target).await;
        upload.write(segments.join("/").into_bytes().into()).await.expect("is written");
        upload.finish().await.expect("is stored");
    }

    async fn set(&self, path: &str, value: Ipld) {
        let act = Act::Put { path: path.parse().expect("a path"), value };
        let write = Write::Act { session: Arc::clone(&self.owner), act };
        self.node.cores.write(self.core(), write).await.expect("is set");
    }

    async fn gate(&self, gate: Value) {
        self.set("gates/holders", ipld(&gate)).await;
    }

    async fn reads(&self, reader: &Reader, path: &str) -> bool {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        match self.node.content.find(reader, &self.core(), &segments).await {
            Ok(Found::File(_) | Found::Directory { .. }) => true,
            Ok(other) => panic!("{other:?}"),
            Err(ContentError::NotFound) => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn reader(&self, key: &EoaKey) -> Reader {
        Reader::Session(sign_in(&self.node, key, Ask::of(key.account())).await)
    }

    fn give(&self, key: &EoaKey, amount: u64) {
        let kubelt_core::Account::Eoa(address) = key.account() else { panic!("a plain key") };
        self.chain.balances.lock().insert(address, amount);
    }

    fn wait(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    fn calls(&self) -> u64 {
        self.chain.calls.load(Ordering::Relaxed)
    }
}

fn nft() -> Value {
    json!({"erc721": {"chain": 1, "contract": NFT}})
}

fn ipld(json: &Value) -> Ipld {
    Codec::DagJson.decode(json.to_string().as_bytes()).expect("dag-json")
}

#[tokio::test]
async fn the_holder_reads_the_stranger_does_not_and_a_transfer_flips_it() {
    let world = World::new().await;
    let (holder, stranger) = (wallet(2), wallet(3));
    world.give(&holder, 1);
    let (ann, bob) = (world.reader(&holder).await, world.reader(&stranger).await);
    for (path, holder_reads) in [("vip/a", true), ("vip", true), ("vip/secret", false), ("else/b", false)] {
        assert_eq!(world.reads(&ann, path).await, holder_reads, "{path}");
        assert!(!world.reads(&bob, path).await, "{path}");
        assert!(!world.reads(&Reader::Anonymous, path).await, "{path}");
    }
    world.give(&holder, 0);
    world.give(&stranger, 1);
    assert!(world.reads(&ann, "vip/a").await, "what was found holds a while");
    world.wait(15);
    assert!(!world.reads(&ann, "vip/a").await && world.reads(&bob, "vip/a").await);
}

#[tokio::test]
async fn chains_are_asked_once_and_only_about_who_signed_in() {
    let world = World::new().await;
    world.reads(&Reader::Anonymous, "vip/a").await;
    let owner = Reader::Session(Arc::clone(&world.owner));
    assert!(world.reads(&owner, "vip/a").await);
    assert_eq!(world.calls(), 0, "members and strangers cost no call");
    let ann = world.reader(&wallet(2)).await;
    let (first, second) = tokio::join!(world.reads(&ann, "vip/a"), world.reads(&ann, "vip/a"));
    assert!(!first && !second);
    assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn a_gate_that_changes_is_another_and_one_that_is_gone_opens_nothing() {
    let world = World::new().await;
    world.give(&wallet(2), 1);
    let ann = world.reader(&wallet(2)).await;
    assert!(world.reads(&ann, "vip/a").await);
    world.gate(json!({"opens": ["content/vip/**"], "if": {"not": nft()}})).await;
    assert!(!world.reads(&ann, "vip/a").await);
    world.gate(json!({"opens": ["content/else/**"], "if": nft()})).await;
    assert!(!world.reads(&ann, "vip/a").await && world.reads(&ann, "else/b").await);
    world.set("gates/holders", Ipld::Null).await;
    assert!(!world.reads(&ann, "else/b").await);
}

#[tokio::test]
async fn what_closes_the_core_to_strangers_closes_it_to_holders() {
    let world = World::new().await;
    world.give(&wallet(2), 1);
    let ann = world.reader(&wallet(2)).await;
    assert!(world.reads(&ann, "vip/a").await);
    world.set("config/exposure", ipld(&json!({"http": false}))).await;
    assert!(!world.reads(&ann, "vip/a").await);
}

#[tokio::test]
async fn where_there_is_no_answer_nothing_opens_not_even_the_contrary() {
    let world = World::new().await;
    world.give(&wallet(2), 1);
    let ann = world.reader(&wallet(2)).await;
    for condition in [nft(), json!({"not": nft()})] {
        world.gate(json!({"opens": ["content/vip/**"], "if": condition})).await;
        for fails in [&world.chain.is_down, &world.chain.reverts] {
            world.wait(15);
            *fails.lock() = true;
            assert!(!world.reads(&ann, "vip/a").await, "{condition}");
            *fails.lock() = false;
        }
    }
    world.wait(2);
    world.gate(json!({"opens": ["content/vip/**"], "if": nft()})).await;
    assert!(world.reads(&ann, "vip/a").await, "it answers again");
}

#[tokio::test]
async fn a_token_for_something_else_speaks_for_nobody_here() {
    let world = World::new().await;
    let key = wallet(2);
    world.give(&key, 1);
    let whole = world.reader(&key).await;
    assert!(world.reads(&whole, "vip/a").await);
    let ability = "read content/**".parse().expect("an ability");
    let ask = Ask { abilities: Some(vec![ability]), ..Ask::of(key.account()) };
    let narrow = Reader::Session(sign_in(&world.node, &key, ask).await);
    assert!(!world.reads(&narrow, "vip/a").await);
}

#[tokio::test]
async fn one_account_cannot_have_chains_asked_without_end() {
    let world = World::new().await;
    world.give(&wallet(2), 1_000);
    let ann = world.reader(&wallet(2)).await;
    let reads_at = async |min: usize| {
        let condition = json!({"erc20": {"chain": 1, "contract": NFT, "min": min.to_string()}});
        world.gate(json!({"opens": ["content/vip/**"], "if": condition})).await;
        world.reads(&ann, "vip/a").await
    };
    for min in 1..=GATE_TRIALS_PER_ACCOUNT_MAX {
        assert!(reads_at(min).await, "{min}");
    }
    let (asked, one_more) = (world.calls(), GATE_TRIALS_PER_ACCOUNT_MAX + 1);
    assert!(!reads_at(one_more).await);
    assert_eq!(world.calls(), asked);
    world.wait(60);
    assert!(reads_at(one_more).await);
}

#[tokio::test]
async fn gates_are_told_to_members_and_to_others_where_they_are_shown() {
    let world = World::new().await;
    let (node, core) = (&world.node, world.core());
    world.give(&wallet(2), 1);
    let (owner, ann) = (Reader::Session(Arc::clone(&world.owner)), world.reader(&wallet(2)).await);
    let check = async |reader: &Reader, account: Option<&EoaKey>| {
        node.gates.check(reader, &core, "holders", account.map(EoaKey::account)).await
    };
    let (_, account, trial) = check(&owner, Some(&wallet(2))).await.expect("is tried");
    assert_eq!((account, trial.outcome), (wallet(2).account(), Outcome::Yes));
    assert_eq!((trial.blocks.len(), trial.tests.len()), (1, 1));
    let trial = check(&owner, Some(&wallet(3))).await.expect("is tried").2;
    assert_eq!((trial.outcome, &*trial.tests[0].why), (Outcome::No, "it has 0"));
    assert!(matches!(check(&ann, None).await, Err(GateError::NotFound)), "it is not shown");
    assert!(node.gates.list(&ann, &core).await.expect("is read").is_empty());
    assert_eq!(node.gates.list(&owner, &core).await.expect("is read").len(), 1);
    world.gate(json!({"opens": ["content/vip/**"], "if": nft(), "shown": true})).await;
    assert_eq!(check(&ann, None).await.expect("is tried").2.outcome, Outcome::Yes);
    assert!(matches!(check(&ann, Some(&wallet(3))).await, Err(GateError::NotYours)));
    assert!(matches!(check(&Reader::Anonymous, None).await, Err(GateError::NotYours)));
    assert_eq!(node.gates.list(&Reader::Anonymous, &core).await.expect("is read").len(), 1);
}
