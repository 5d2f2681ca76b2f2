//! Owners of a Safe sign one by one. That the contract takes what comes of it is judged on a chain (`conformance/chain`).

use std::sync::Arc;

use kubelt_core::{
    Account, BlockRef, ContractQuestion, ContractVerdict, EoaKey, abi,
    abi::Argument,
    safe::{Safe, SafeTx, digest, execution, owner_of},
};
use kubelt_store::{Options, Store};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{is_known, read_call, word};
use crate::{
    Asking, ChainFault, ChainPort, Node, SystemClock,
    clock::Clock as _,
    wallet::{AnswerError, WalletAnswer, WalletFace, WalletFault, WalletRequest},
};

const CHAIN: u64 = 10;
const SAFE: Safe = Safe { chain: CHAIN, address: [0x5a; 20] };
const NONCE: u64 = 5;

/// A chain with one Safe, of two of three owners, which accepts what they sign.
#[derive(Debug)]
struct Chain {
    version: &'static str,
    receipt: Mutex<Value>,
}

fn owner(number: u8) -> EoaKey {
    EoaKey::from_secret(&[number; 32]).expect("a secret key")
}

fn owners() -> Vec<[u8; 20]> {
    [1, 2, 3].map(|number| owner(number).address()).to_vec()
}

impl Chain {
    fn answer(&self, data: &str) -> Option<Vec<u8>> {
        let is = |function: &str| data == format!("0x{}", hex::encode(abi::selector(function)));
        let list = |owners: &[[u8; 20]]| {
            let words: Vec<u8> = owners.iter().flat_map(abi::address).collect();
            [&abi::number(32)[..], &abi::number(owners.len() as u64), &words].concat()
        };
        Some(match () {
            () if is("VERSION()") => {
                abi::call([0; 4], &[Argument::Bytes(self.version.as_bytes())])[4..].to_vec()
            }
            () if is("getOwners()") => list(&owners()),
            () if is("getThreshold()") => abi::number(2).to_vec(),
            () if is("nonce()") => abi::number(NONCE).to_vec(),
            () => return None,
        })
    }
}

impl ChainPort for Chain {
    fn knows(&self, chain: u64) -> bool {
        chain == CHAIN
    }

    fn known(&self) -> Vec<u64> {
        vec![CHAIN]
    }

    fn final_block(&self, chain: u64) -> Asking<'_, Option<BlockRef>> {
        Box::pin(async move { Some(BlockRef { chain, number: 1, hash: [1; 32] }) })
    }

    /// As the Safe does: the owners in order, no fewer than two.
    fn judge<'a>(&'a self, question: &'a ContractQuestion) -> Asking<'a, ContractVerdict> {
        let signed = digest(&SAFE.message(&question.message_hash));
        let by: Option<Vec<_>> = question
            .signature
            .chunks(65)
            .map(|part| owner_of(&signed, part).map(|(owner, _)| owner))
            .collect();
        let good = question.signature == b"whole"
            || by.is_some_and(|by| {
                by.len() >= 2 && by.is_sorted_by(|a, b| a < b) && by.iter().all(|by| owners().contains(by))
            });
        let block_ms = SystemClock.now_ms();
        let verdict = if good { ContractVerdict::Valid { block_ms } } else { ContractVerdict::Invalid };
        Box::pin(async move { verdict })
    }

    fn read<'a>(
        &'a self,
        _: u64,
        method: &'a str,
        params: &'a Value,
    ) -> Asking<'a, Result<Value, ChainFault>> {
        let answer = match method {
            "eth_call" => {
                let refused = ChainFault::Refused { code: 3, message: "reverted".to_owned(), data: None };
                let answer = self.answer(params[0]["data"].as_str().unwrap_or_default());
                answer.map(|bytes| json!(format!("0x{}", hex::encode(bytes)))).ok_or(refused)
            }
            "eth_getTransactionReceipt" => Ok(self.receipt.lock().clone()),
            "eth_getCode" => Ok(json!("0x")),
            _ => Err(ChainFault::Unanswered),
        };
        Box::pin(async move { answer })
    }
}

fn world(version: &'static str) -> (Node, Arc<Chain>, WalletFace) {
    let node = Node::new(Store::memory(Options::default()), Arc::new(SystemClock));
    let chain = Arc::new(Chain { version, receipt: Mutex::new(Value::Null) });
    node.chains.ask_by(Arc::clone(&chain) as Arc<dyn ChainPort>);
    let account = Account::Contract { chain: CHAIN, address: SAFE.address };
    let core = kubelt_core::Genesis::Private { root: account.clone() }.id();
    (node, chain, WalletFace { core, accounts: vec![account], chain: Some(CHAIN) })
}

fn ask(
    node: &Node,
    face: &WalletFace,
    method: &'static str,
    params: Value,
) -> tokio::task::JoinHandle<Result<Value, WalletFault>> {
    let (wallets, face) = (node.wallets.clone(), face.clone());
    tokio::spawn(async move { wallets.call(&face, method, &params).await })
}

async fn waiting(node: &Node, face: &WalletFace) -> WalletRequest {
    loop {
        if let [one] = node.wallets.requests(face).as_slice() {
            return one.clone();
        }
        tokio::task::yield_now().await;
    }
}

fn address() -> String {
    format!("0x{}", hex::encode(SAFE.address))
}

fn result(bytes: &[u8]) -> WalletAnswer {
    WalletAnswer::Result(format!("0x{}", hex::encode(bytes)))
}

#[tokio::test]
async fn owners_sign_a_message_one_by_one() {
    let (node, _chain, face) = world("1.4.1");
    let asking = ask(&node, &face, "personal_sign", json!(["hello", address()]));
    let request = waiting(&node, &face).await;
    let standing = request.safe.expect("is a Safe");
    assert!(standing.words.contains("signs the message \"hello\""), "{}", standing.words);
    assert_eq!((standing.threshold, standing.owners.len(), standing.signed.len()), (2, 3, 0));
    let hash = digest(&standing.typed_data);
    let answer = |bytes: Vec<u8>| {
        let (wallets, face, id) = (node.wallets.clone(), face.clone(), request.id.clone());
        async move { wallets.answer(&face, &id, result(&bytes)).await }
    };
    let stranger = answer(owner(9).sign_digest(&hash).to_vec()).await;
    assert!(matches!(stranger, Err(AnswerError::NotOwner)), "{stranger:?}");
    let other = answer(owner(1).sign_digest(&[9; 32]).to_vec()).await;
    assert!(matches!(other, Err(AnswerError::NotOwner)), "{other:?}");
    // The same owner twice is one owner.
    for _ in 0..2 {
        answer(owner(3).sign_digest(&hash).to_vec()).await.expect("is one of two");
    }
    let standing = waiting(&node, &face).await.safe.expect("is a Safe");
    assert_eq!((standing.signed, standing.execute), (vec![owner(3).account()], None));
    answer(owner(1).sign_digest(&hash).to_vec()).await.expect("are two");
    let signature = asking.await.expect("ends").expect("is signed");
    let mut both = [owner(1), owner(3)].map(|key| (key.address(), key.sign_digest(&hash)));
    both.sort();
    let expected = both.map(|(_, signature)| signature).concat();
    assert_eq!(signature, json!(format!("0x{}", hex::encode(expected))));
}

#[tokio::test]
async fn a_whole_signature_is_taken_and_a_bad_one_is_not() {
    let (node, _chain, face) = world("1.4.1");
    let asking = ask(&node, &face, "personal_sign", json!(["hello", address()]));
    let id = waiting(&node, &face).await.id;
    let bad = node.wallets.answer(&face, &id, result(b"bad")).await;
    assert!(matches!(bad, Err(AnswerError::Signature(_))), "{bad:?}");
    node.wallets.answer(&face, &id, result(b"whole")).await.expect("is good");
    assert!(asking.await.expect("ends").is_ok());
}

#[tokio::test]
async fn a_transaction_is_signed_sent_by_anybody_and_looked_for() {
    let (node, chain, face) = world("1.3.0");
    let to = "0x0707070707070707070707070707070707070707";
    let transaction = json!({"from": address(), "to": to, "value": "0xde0b6b3a7640000", "data": "0xdead"});
    let asking = ask(&node, &face, "eth_sendTransaction", json!([transaction]));
    let request = waiting(&node, &face).await;
    let standing = request.safe.expect("is a Safe");
    assert!(standing.words.contains("and sends 1 coins along"), "{}", standing.words);
    assert_eq!(standing.typed_data["message"]["nonce"], NONCE.to_string());
    let second = ask(&node, &face, "eth_sendTransaction", json!([transaction])).await.expect("ends");
    assert_eq!(second.expect_err("one at a time").code, WalletFault::LIMIT);
    let hash = digest(&standing.typed_data);
    for number in [2, 1] {
        let part = owner(number).sign_digest(&hash);
        node.wallets.answer(&face, &request.id, result(&part)).await.expect("is an owner's");
    }
    let ready = waiting(&node, &face).await.safe.and_then(|safe| safe.execute).expect("is ready");
    let mut both = [owner(1), owner(2)].map(|key| (key.address(), key.sign_digest(&hash)));
    both.sort();
    let call = read_call(&transaction).expect("a call");
    let tx = SafeTx { call, delegate: false, nonce: NONCE };
    assert_eq!(ready.data, execution(&tx, &both.map(|(_, signature)| signature).concat()));
    assert_eq!((ready.chain, ready.to), (CHAIN, SAFE.address));
    let sent = [7; 32];
    let unknown = node.wallets.answer(&face, &request.id, result(&sent)).await;
    assert!(matches!(unknown, Err(AnswerError::Pending)), "{unknown:?}");
    let event = |hash: &[u8; 32]| {
        let topic = abi::topic("ExecutionSuccess(bytes32,uint256)");
        json!({"logs": [{"address": address(), "topics": [format!("0x{}", hex::encode(topic))],
            "data": format!("0x{}{}", hex::encode(hash), "00".repeat(32))}]})
    };
    *chain.receipt.lock() = event(&[9; 32]);
    let other = node.wallets.answer(&face, &request.id, result(&sent)).await;
    assert!(matches!(other, Err(AnswerError::OtherTransaction)), "{other:?}");
    *chain.receipt.lock() = event(&hash);
    node.wallets.answer(&face, &request.id, result(&sent)).await.expect("is the one");
    assert_eq!(asking.await.expect("ends"), Ok(json!(format!("0x{}", hex::encode(sent)))));
}

#[tokio::test]
async fn what_is_no_safe_signs_as_a_whole_and_sends_nothing() {
    let (node, _chain, face) = world("1.2.0");
    let transaction = json!([{"from": address(), "to": address()}]);
    let sent = node.wallets.call(&face, "eth_sendTransaction", &transaction).await;
    assert_eq!(sent.expect_err("is no Safe").code, WalletFault::INVALID_PARAMS);
    let asking = ask(&node, &face, "personal_sign", json!(["hello", address()]));
    let request = waiting(&node, &face).await;
    assert!(request.safe.is_none());
    node.wallets.answer(&face, &request.id, result(b"whole")).await.expect("is good");
    assert!(asking.await.expect("ends").is_ok());
    // Several calls need a contract that is not on this chain.
    let (node, _chain, face) = world("1.5.0");
    let calls = json!([{"from": address(), "chainId": "0xa", "calls": [{"to": address()}, {"to": address()}], "atomicRequired": true}]);
    let refused = node.wallets.call(&face, "wallet_sendCalls", &calls).await.expect_err("cannot be");
    assert!(refused.message.contains("MultiSendCallOnly"), "{}", refused.message);
    let can = node.wallets.call(&face, "wallet_getCapabilities", &json!([address()])).await;
    assert_eq!(can, Ok(json!({"0xa": {"atomic": {"status": "supported"}}})));
}

#[test]
fn versions_and_calls_are_read() {
    for (version, known) in [
        ("1.3.0", true),
        ("1.3.0+L2", true),
        ("1.5.0", true),
        ("1.2.0", false),
        ("2.0.0", false),
        ("", false),
    ] {
        assert_eq!(is_known(version), known, "{version}");
    }
    assert_eq!((word("0x"), word("1"), word(&format!("0x{}", "1".repeat(65)))), (None, None, None));
    assert_eq!(word("0x1ff"), Some(abi::number(0x1ff)));
    let to = address();
    let refused = |call: Value| read_call(&call).is_err();
    assert!(read_call(&json!({"to": to})).is_ok());
    assert!(refused(json!({})) && refused(json!({"to": "0x00"})) && refused(json!({"to": to, "value": 1})));
    assert!(refused(json!({"to": to, "data": "hello"})));
}
