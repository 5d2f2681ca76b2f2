use axum::body::Body;
use kubelt_api::{Challenge, Code, SessionList};
use kubelt_http::RateLimits;
use kubelt_store::Quota;
use serde_json::json;

use crate::harness::{Person, TestNode};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn a_wallet_opens_its_core() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let first = node.sign_in(&alice).await;
    assert!(first.created);
    assert_eq!(first.path, alice.core());
    let second = node.sign_in(&alice).await;
    assert!(!second.created);
    assert_eq!(first.core, second.core);

    let list: SessionList = node.get("/-/session", Some(&second.token)).await.expect(200).json();
    assert_eq!(list.sessions.len(), 2);
    assert!(list.sessions.iter().any(|session| session.current && session.id == second.id));

    node.call("DELETE", &format!("/-/session/{}", first.id), Some(&second.token), &[], Body::empty())
        .await
        .expect(204);
    node.get("/-/session", Some(&first.token)).await.expect_problem(Code::Unauthorized);
    node.call("DELETE", "/-/session", Some(&second.token), &[], Body::empty()).await.expect(204);
    node.get("/-/session", Some(&second.token)).await.expect_problem(Code::Unauthorized);
}

#[tokio::test]
async fn a_bare_wallet_ends_a_session() {
    let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let session = node.sign_in(&alice).await;
    let ask = json!({ "account": alice.account(), "session": session.id });
    let challenge: Challenge = node.post("/-/session/end/challenge", None, &ask).await.expect(200).json();
    let forged = json!({ "nonce": challenge.nonce, "signature": eve.sign(&challenge.message) });
    node.post("/-/session/end", None, &forged).await.expect_problem(Code::BadSignIn);
    node.get("/-/session", Some(&session.token)).await.expect(200);

    let challenge: Challenge = node.post("/-/session/end/challenge", None, &ask).await.expect(200).json();
    let answer = json!({ "nonce": challenge.nonce, "signature": alice.sign(&challenge.message) });
    node.post("/-/session/end", None, &answer).await.expect(204);
    node.get("/-/session", Some(&session.token)).await.expect_problem(Code::Unauthorized);
    node.post("/-/session/end", None, &answer).await.expect_problem(Code::BadSignIn);
}

#[tokio::test]
async fn bad_sign_ins_are_refused() {
    let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let open = async |message: &str, signature: &str| {
        node.post("/-/session", None, &json!({ "message": message, "signature": signature })).await
    };
    // Somebody else's signature; the challenge is used up all the same.
    let challenge = node.challenge(&alice).await;
    open(&challenge.message, &eve.sign(&challenge.message)).await.expect_problem(Code::BadSignIn);
    open(&challenge.message, &alice.sign(&challenge.message)).await.expect_problem(Code::BadSignIn);
    // Replayed.
    let challenge = node.challenge(&alice).await;
    let signature = alice.sign(&challenge.message);
    open(&challenge.message, &signature).await.expect(201);
    open(&challenge.message, &signature).await.expect_problem(Code::BadSignIn);
    // Altered: one more second of life, signed by the right wallet.
    let challenge = node.challenge(&alice).await;
    let altered = challenge.message.replace("Chain ID: 1", "Chain ID: 5");
    open(&altered, &alice.sign(&altered)).await.expect_problem(Code::BadSignIn);
    // Answered too late.
    let challenge = node.challenge(&alice).await;
    node.pass(6 * 60 * 1_000);
    open(&challenge.message, &alice.sign(&challenge.message)).await.expect_problem(Code::BadSignIn);
    // Answered under another origin than it was asked for.
    let challenge = node.challenge(&alice).await;
    let body =
        json!({ "message": challenge.message, "signature": alice.sign(&challenge.message) }).to_string();
    let headers = [("content-type", "application/json"), ("host", "localhost:9")];
    let request = axum::http::Request::post("/-/session")
        .header(headers[0].0, headers[0].1)
        .header(headers[1].0, headers[1].1);
    node.send(request.body(Body::from(body)).expect("a request")).await.expect_problem(Code::BadSignIn);
    // Not messages, not signatures.
    for (message, signature) in
        [("", "0x"), ("hello", "0x00"), (challenge.message.as_str(), "zz"), (&"x".repeat(1 << 17), "0x00")]
    {
        open(message, signature).await.expect_problem(Code::BadSignIn);
    }
}

#[tokio::test]
async fn a_foreign_host_gets_no_sign_in() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let request = axum::http::Request::post("/-/session/challenge")
        .header("host", "evil.example")
        .header("content-type", "application/json")
        .body(Body::from(json!({ "account": alice.account() }).to_string()))
        .expect("a request");
    node.send(request).await.expect_problem(Code::Forbidden);
}

#[tokio::test]
async fn a_session_ends_when_its_sign_in_does() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let session = node.sign_in(&alice).await;
    node.pass(DAY_MS - 1_000);
    node.get("/-/session", Some(&session.token)).await.expect(200);
    node.pass(2_000);
    node.get("/-/session", Some(&session.token)).await.expect_problem(Code::Unauthorized);
}

#[tokio::test]
async fn a_session_does_no_more_than_it_was_handed() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let ask =
        json!({ "account": alice.account(), "abilities": ["put content/site/**", "read content/site/**"] });
    let challenge: Challenge = node.post("/-/session/challenge", None, &ask).await.expect(200).json();
    assert!(challenge.message.contains("content/site/**"), "the wallet is shown what it grants");
    let answer = json!({ "message": challenge.message, "signature": alice.sign(&challenge.message) });
    let session: kubelt_api::SessionCreated = node.post("/-/session", None, &answer).await.expect(201).json();
    let content = format!("{}/-/content", alice.core());
    node.put(&format!("{content}/site/a.txt"), &session.token, "in").await.expect(201);
    node.put(&format!("{content}/notes/a.txt"), &session.token, "out").await.expect_problem(Code::Forbidden);
    let full = node.sign_in(&alice).await;
    node.put(&format!("{content}/notes/a.txt"), &full.token, "in").await.expect(201);
    node.get(&format!("{content}/notes/a.txt"), Some(&session.token)).await.expect_problem(Code::NotFound);
    // What no session may ever do cannot even be asked for.
    let ask = json!({ "account": alice.account(), "abilities": ["grant **"] });
    node.post("/-/session/challenge", None, &ask).await.expect_problem(Code::BadRequest);
}

#[tokio::test]
async fn accounts_of_contracts_wait_for_a_chain() {
    let node = TestNode::new();
    let ask = json!({ "account": "eip155:1:0x00000000000000000000000000000000000000aa" });
    node.post("/-/session/challenge", None, &ask).await.expect_problem(Code::NotImplemented);
    for account in ["", "0x12", "alice.eth", "0x00000000000000000000000000000000000000aA0"] {
        node.post("/-/session/challenge", None, &json!({ "account": account }))
            .await
            .expect_problem(Code::BadRequest);
    }
}

#[tokio::test]
async fn too_many_requests_are_told_to_wait() {
    let rates = RateLimits {
        requests_per_second: 0,
        sign_ins_per_minute: 3,
        writes_per_second: 2,
        records_per_minute: 0,
        lookups_per_minute: 0,
    };
    let (node, alice) = (TestNode::with(Quota::UNLIMITED, rates), Person::new(1));
    let session = node.sign_in(&alice).await;
    node.challenge(&alice).await;
    let ask = json!({ "account": alice.account() });
    let refused = node.post("/-/session/challenge", None, &ask).await;
    refused.expect_problem(Code::RateLimited);
    assert!(refused.header("retry-after").is_some());
    let path = format!("{}/-/content/a", alice.core());
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(node.put(&path, &session.token, "x").await.status.as_u16());
    }
    assert!(statuses.contains(&201) && statuses.contains(&429), "{statuses:?}");
}
