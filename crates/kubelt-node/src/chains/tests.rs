use std::sync::Arc;

use kubelt_core::{
    Account, Act, BlockRef, Body, ContractQuestion, ContractVerdict, EoaKey, Genesis, Scheme, Signed, Verb,
    limits::BLOCK_DISTANCE_MS_MAX,
};
use kubelt_store::{Options, Store};
use parking_lot::Mutex;

use super::{Asking, ChainPort};
use crate::{
    Ask, ChallengeError, Clock, EndError, MadeChallenge, Node, OpenedSession, Reader, SignInError, Written,
    exchange::{CheckError, OpsError, PostedOp},
};

const CHAIN: u64 = 10;
const NOW_MS: u64 = 1_800_000_000_000;
const HOST: &str = "localhost";

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

/// The height of the block that is dated now; those below it are an hour apart each.
const NOW_HEIGHT: u64 = 1_000;

/// A chain whose contracts accept the signature `yes`.
#[derive(Debug, Default)]
struct Chain {
    asked: Mutex<usize>,
    is_down: Mutex<bool>,
}

impl ChainPort for Chain {
    fn knows(&self, chain: u64) -> bool {
        chain == CHAIN
    }

    fn known(&self) -> Vec<u64> {
        vec![CHAIN]
    }

    fn final_block(&self, chain: u64) -> Asking<'_, Option<BlockRef>> {
        *self.asked.lock() += 1;
        let is_there = !*self.is_down.lock();
        Box::pin(async move { is_there.then_some(BlockRef { chain, number: NOW_HEIGHT - 1, hash: [1; 32] }) })
    }

    fn judge<'a>(&'a self, question: &'a ContractQuestion) -> Asking<'a, ContractVerdict> {
        *self.asked.lock() += 1;
        let verdict = match &question.signature[..] {
            _ if *self.is_down.lock() => ContractVerdict::Pending,
            b"yes" => {
                let hours = NOW_HEIGHT - question.block.number;
                ContractVerdict::Valid { block_ms: NOW_MS - hours * 3_600_000 }
            }
            _ => ContractVerdict::Invalid,
        };
        Box::pin(async move { verdict })
    }
}

fn node() -> (Node, Arc<Chain>) {
    let node = Node::new(Store::memory(Options::default()), Arc::new(Fixed));
    let chain = Arc::new(Chain::default());
    node.chains.ask_by(Arc::clone(&chain) as Arc<dyn ChainPort>);
    (node, chain)
}

fn contract() -> Account {
    Account::Contract { chain: CHAIN, address: [7; 20] }
}

fn challenge(node: &Node, account: Account) -> Result<MadeChallenge, ChallengeError> {
    let ask = Ask::of(account);
    node.sessions.challenge(HOST, ask)
}

async fn open(node: &Node, made: &MadeChallenge, signature: &[u8]) -> Result<OpenedSession, SignInError> {
    node.sessions.open(HOST, &made.message, signature).await
}

/// A `put`, as any account signs it for its own core, at a block of so many hours ago.
fn posted(node: &Node, by: &Account, hours: Option<u64>) -> PostedOp {
    let core = Genesis::Private { root: by.clone() }.id();
    let act = Act::Put { path: "profile/name".parse().expect("a path"), value: "somebody".into() };
    let body = Body::new([9; 16], act);
    let header = node.cores.draft_unlisted(core, by, &body, NOW_MS).expect("a header");
    assert_eq!(header.verb, Verb::Put);
    let block = hours.map(|hours| BlockRef { chain: CHAIN, number: NOW_HEIGHT - hours, hash: [2; 32] });
    let signed = Signed { header, scheme: Scheme::Eip1271, signature: b"yes".to_vec(), block };
    PostedOp { signed: signed.encode().into(), body: body.encode().into(), login: None }
}

#[tokio::test]
async fn a_plain_key_costs_no_call() {
    let (node, chain) = node();
    let key = EoaKey::from_secret(&[7; 32]).expect("a secret key");
    let made = challenge(&node, key.account()).expect("a challenge");
    let opened = open(&node, &made, &key.sign(made.message.as_bytes())).await.expect("a session");
    let session = opened.session.id();
    let end = node.sessions.end_challenge(HOST, key.account(), session, None).expect("a challenge");
    let signature = key.sign(end.message.as_bytes());
    node.sessions.end_signed(HOST, &end.nonce, &signature).await.expect("ends");
    assert_eq!(*chain.asked.lock(), 0);
}

#[tokio::test]
async fn a_contract_signs_in_and_signs() {
    let (node, chain) = node();
    let made = challenge(&node, contract()).expect("a challenge");
    let opened = open(&node, &made, b"yes").await.expect("a session");
    assert_eq!(*opened.session.account(), contract());
    // What was found is kept with the sign-in: it is not asked again.
    let asked = *chain.asked.lock();
    *chain.is_down.lock() = true;
    let standing = node.sessions.authenticate(&opened.token).expect("reads").expect("stands");
    assert_eq!(*chain.asked.lock(), asked);
    let end = node.sessions.end_challenge(HOST, contract(), standing.id(), None).expect("a challenge");
    let ended = node.sessions.end_signed(HOST, &end.nonce, b"yes").await;
    assert!(matches!(ended, Err(EndError::Pending)), "{ended:?}");
    *chain.is_down.lock() = false;
    node.sessions.end_signed(HOST, &end.nonce, b"yes").await.expect("the same challenge is still good");
    assert!(node.sessions.authenticate(&opened.token).expect("reads").is_none());
}

#[tokio::test]
async fn what_cannot_be_checked_now_is_not_refused() {
    let (node, chain) = node();
    let made = challenge(&node, contract()).expect("a challenge");
    *chain.is_down.lock() = true;
    for _ in 0..2 {
        assert!(matches!(open(&node, &made, b"yes").await, Err(SignInError::Pending)));
    }
    *chain.is_down.lock() = false;
    open(&node, &made, b"yes").await.expect("the challenge is still good");
    assert!(matches!(open(&node, &made, b"yes").await, Err(SignInError::Challenge)), "and good once");
    let made = challenge(&node, contract()).expect("a challenge");
    assert!(matches!(open(&node, &made, b"no").await, Err(SignInError::Login(_))));
    assert!(matches!(open(&node, &made, b"yes").await, Err(SignInError::Challenge)), "it is used up");
    let elsewhere = Account::Contract { chain: CHAIN + 1, address: [7; 20] };
    assert!(matches!(challenge(&node, elsewhere), Err(ChallengeError::Chain(11))));
}

#[tokio::test]
async fn posted_operations_are_pinned_and_their_block_is_of_their_time() {
    let (node, chain) = node();
    let made = challenge(&node, contract()).expect("a challenge");
    open(&node, &made, b"yes").await.expect("a session");
    let core = Genesis::Private { root: contract() }.id();
    let post = async |number| {
        let op = posted(&node, &contract(), number);
        node.exchange.post(&Reader::Anonymous, &core, &[op]).await.pop().expect("one answer")
    };
    let hours = BLOCK_DISTANCE_MS_MAX / 3_600_000;
    assert!(matches!(post(Some(hours + 1)).await, Err(OpsError::NotFound)), "too old, and from nobody");
    *chain.is_down.lock() = true;
    let waits =
        |answer: Result<Written, OpsError>| matches!(answer, Err(OpsError::Check(CheckError::Pending)));
    assert!(waits(post(Some(hours)).await), "the chain gives no answer, which is nobody's secret");
    let elsewhere = Genesis::Private { root: Account::Contract { chain: CHAIN, address: [8; 20] } }.id();
    let op = posted(&node, &contract(), Some(hours));
    let answer = node.exchange.post(&Reader::Anonymous, &elsewhere, &[op]).await.pop().expect("one answer");
    assert!(waits(answer), "and the same where no such core is");
    *chain.is_down.lock() = false;
    assert!(waits(post(Some(0)).await), "that block is not final");
    assert!(post(Some(hours)).await.expect("is taken").effective);
    // Without a block, the node names one.
    assert!(post(None).await.expect("is taken").effective);
    // Who has no part in a core makes nobody ask a chain.
    let asked = *chain.asked.lock();
    let stranger = Account::Contract { chain: CHAIN, address: [8; 20] };
    let op = posted(&node, &stranger, Some(1));
    let answer = node.exchange.post(&Reader::Anonymous, &core, &[op]).await.pop().expect("one answer");
    assert!(matches!(answer, Err(OpsError::NotFound)));
    assert_eq!(
        *chain.asked.lock(),
        asked + 1,
        "only for the last final block, which is the same for everybody"
    );
}

#[tokio::test]
async fn nobody_to_ask_leaves_contracts_outside() {
    let node = Node::new(Store::memory(Options::default()), Arc::new(Fixed));
    assert!(matches!(challenge(&node, contract()), Err(ChallengeError::Chain(CHAIN))));
}
