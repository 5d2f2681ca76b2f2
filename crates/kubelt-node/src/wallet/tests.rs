use std::sync::Arc;

use kubelt_core::{EoaKey, SignatureError};
use kubelt_store::{Options, Store};
use serde_json::{Value, json};

use super::{WalletAnswer, WalletFace, WalletFault, requests::AnswerError};
use crate::{
    Ask, Node, Session, SystemClock,
    limits::{WALLET_REQUEST_BYTES_MAX, WALLET_REQUESTS_PER_CORE_MAX},
};

fn key(secret: u8) -> EoaKey {
    EoaKey::from_secret(&[secret; 32]).expect("a secret key")
}

async fn sign_in(node: &Node, key: &EoaKey, abilities: Option<&[&str]>) -> Arc<Session> {
    let abilities =
        abilities.map(|all| all.iter().map(|text| text.parse().expect("an ability")).collect::<Vec<_>>());
    let ask = Ask { abilities, ..Ask::of(key.account()) };
    let made = node.sessions.challenge("localhost", ask).expect("a challenge");
    let opened = node.sessions.open("localhost", &made.message, &key.sign(made.message.as_bytes())).await;
    opened.expect("a session").session
}

async fn world() -> (Node, EoaKey, WalletFace) {
    let node = Node::new(Store::memory(Options::default()), Arc::new(SystemClock));
    let key = key(7);
    let session = sign_in(&node, &key, None).await;
    let face = node.wallets.face(&session, &session.core, None).await.expect("reads").expect("is his");
    (node, key, face)
}

fn message(key: &EoaKey, text: &str) -> Value {
    json!([format!("0x{}", hex::encode(text)), key.account().to_string()])
}

/// Waits until so many requests wait.
async fn wait_for(node: &Node, face: &WalletFace, count: usize) -> Vec<super::WalletRequest> {
    loop {
        let found = node.wallets.requests(face);
        if found.len() == count {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_face_is_for_who_has_a_part_and_may_more_than_content() {
    let node = Node::new(Store::memory(Options::default()), Arc::new(SystemClock));
    let whole = sign_in(&node, &key(7), None).await;
    let token = sign_in(&node, &key(7), Some(&["put content/**", "read content/**"])).await;
    let stranger = sign_in(&node, &key(8), None).await;
    for (session, is_open) in [(&whole, true), (&token, false), (&stranger, false)] {
        let face = node.wallets.face(session, &whole.core, None).await.expect("reads");
        assert_eq!(face.is_some(), is_open);
    }
    let face = node.wallets.face(&whole, &whole.core, None).await.expect("reads").expect("is his");
    let accounts = node.wallets.call(&face, "eth_accounts", &json!([])).await;
    assert_eq!(accounts, Ok(json!([key(7).account().checksummed()])));
    let unknown = node.wallets.call(&face, "eth_chainId", &json!([])).await.expect_err("no chain");
    assert_eq!(unknown.code, WalletFault::UNKNOWN_CHAIN);
    let unknown = node.wallets.call(&face, "eth_sign", &json!([])).await.expect_err("no such method");
    assert_eq!(unknown.code, WalletFault::NO_METHOD);
}

#[tokio::test]
async fn a_signature_is_checked_before_it_is_passed_on() {
    let (node, key, face) = world().await;
    let asking = {
        let (wallets, face, params) = (node.wallets.clone(), face.clone(), message(&key, "hello"));
        tokio::spawn(async move { wallets.call(&face, "personal_sign", &params).await })
    };
    let request = wait_for(&node, &face, 1).await.remove(0);
    let answer = |signature: &[u8]| WalletAnswer::Result(format!("0x{}", hex::encode(signature)));
    let other = node.wallets.answer(&face, &request.id, answer(&key.sign(b"other"))).await;
    assert!(matches!(other, Err(AnswerError::Signature(SignatureError::OtherAddress { .. }))), "{other:?}");
    let short = node.wallets.answer(&face, &request.id, answer(&[1; 64])).await;
    assert!(matches!(short, Err(AnswerError::Signature(SignatureError::Length { .. }))), "{short:?}");
    let form = node.wallets.answer(&face, &request.id, WalletAnswer::Result("hello".to_owned())).await;
    assert!(matches!(form, Err(AnswerError::Form)), "{form:?}");
    // Programs expect 27 or 28, whatever the signer's wallet writes.
    let mut signature = key.sign(b"hello");
    let expected = format!("0x{}", hex::encode(signature));
    signature[64] -= 27;
    node.wallets.answer(&face, &request.id, answer(&signature)).await.expect("is good");
    assert_eq!(asking.await.expect("ends"), Ok(json!(expected)));
    let again = node.wallets.answer(&face, &request.id, answer(&signature)).await;
    assert!(matches!(again, Err(AnswerError::NotFound)));
}

#[tokio::test]
async fn requests_are_bounded_and_leave_with_who_asks() {
    let (node, key, face) = world().await;
    let ask = |text: String| {
        let (wallets, face, params) =
            (node.wallets.clone(), face.clone(), json!([text, key.account().to_string()]));
        async move { wallets.call(&face, "personal_sign", &params).await }
    };
    let mut asking = Vec::new();
    for n in 0..WALLET_REQUESTS_PER_CORE_MAX {
        asking.push(tokio::spawn(ask(n.to_string())));
    }
    let waiting = wait_for(&node, &face, WALLET_REQUESTS_PER_CORE_MAX).await;
    assert_eq!(ask("one more".to_owned()).await.expect_err("is too much").code, WalletFault::LIMIT);
    node.wallets.answer(&face, &waiting[0].id, WalletAnswer::Reject).await.expect("is taken");
    wait_for(&node, &face, WALLET_REQUESTS_PER_CORE_MAX - 1).await;
    for one in &asking {
        one.abort();
    }
    wait_for(&node, &face, 0).await;
    let around = json!(["", key.account().to_string()]).to_string().len();
    let large = ask("m".repeat(WALLET_REQUEST_BYTES_MAX - around + 1)).await;
    assert_eq!(large.expect_err("is too large").code, WalletFault::LIMIT);
    let largest = tokio::spawn(ask("m".repeat(WALLET_REQUEST_BYTES_MAX - around)));
    wait_for(&node, &face, 1).await;
    largest.abort();
    let others = json!(["m", super::tests::key(8).account().to_string()]);
    let refused = node.wallets.call(&face, "personal_sign", &others).await;
    assert_eq!(refused.expect_err("is of another").code, WalletFault::UNAUTHORIZED);
}
