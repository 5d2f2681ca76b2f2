//! Tokens: sign-ins that may do one thing only, for a long time.

use axum::body::Body;
use kubelt_api::{Challenge, PinState, SessionCreated, SessionList};
use serde_json::json;

use crate::harness::{Answer, Person, TestNode};

const DAY_S: u64 = 24 * 60 * 60;
const CAR: (&str, &str) = ("content-type", "application/vnd.ipld.car");
const ASKED: &str = r#"{"cid":"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"}"#;
const CID: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

async fn ask(node: &TestNode, person: &Person, abilities: &[&str], life_s: u64) -> Answer {
    let request = json!({ "account": person.account(), "abilities": abilities, "life_seconds": life_s });
    node.post("/-/session/challenge", None, &request).await
}

async fn token(node: &TestNode, person: &Person, abilities: &[&str], life_s: u64) -> SessionCreated {
    let challenge: Challenge = ask(node, person, abilities, life_s).await.expect(200).json();
    let signature = person.sign(&challenge.message);
    let answer = json!({ "message": challenge.message, "signature": signature });
    node.post("/-/session", None, &answer).await.expect(201).json()
}

const PINS: [&str; 2] = ["put content/pins/**", "read content/pins/**"];

#[tokio::test]
async fn a_token_for_pins_does_nothing_else() {
    let (node, ann) = (TestNode::new(), Person::new(1));
    let full = node.sign_in(&ann).await;
    let narrow = token(&node, &ann, &PINS, 90 * DAY_S).await.token;
    let at = |rest: &str| format!("{}{rest}", ann.core());
    node.put(&at("/-/content/secret"), &full.token, "hidden words").await.expect(201);
    node.put(&at("/-/state/config/exposure"), &full.token, r#"{"ipfs":true}"#).await.expect(200);

    let pin: PinState =
        node.post(&at("/-/pins"), Some(&narrow), &json!({ "cid": CID })).await.expect(202).json();
    let place = at(&format!("/-/pins/{}", pin.requestid));
    node.get(&place, Some(&narrow)).await.expect(200);
    node.get(&at("/-/pins"), Some(&narrow)).await.expect(200);
    node.post(&place, Some(&narrow), &json!({ "cid": CID })).await.expect(202);

    let (put, get, delete, post) = ("PUT", "GET", "DELETE", "POST");
    let nobody = at("/-/nothing");
    for (method, path, body) in [
        (put, at("/-/content/other"), "x"),
        (put, at("/-/content/pinsx"), "x"),
        (delete, at("/-/content/secret"), ""),
        (get, at("/-/content/secret"), ""),
        (get, at("/-/content/secret?versions"), ""),
        (get, at("/secret"), ""),
        (put, at("/-/state/config/exposure"), "{}"),
        (delete, at("/-/state/config/exposure"), ""),
        (put, at("/-/state/profile/name"), "\"x\""),
        (get, at("/-/state/config"), ""),
        (get, at("/-/state/"), ""),
        (get, at("/-/ops"), ""),
        (get, at("/-/heads"), ""),
        (get, at("/-/car"), ""),
        (get, at("/"), ""),
        (delete, format!("/-/session/{}", full.id), ""),
        (post, format!("{}/-/pins", Person::new(2).core()), ASKED),
        (put, format!("{}/-/content/x", Person::new(2).core()), "x"),
    ] {
        let answer = node.call(method, &path, Some(&narrow), &[], Body::from(body)).await;
        let status = answer.status.as_u16();
        assert!([403, 404].contains(&status), "{method} {path}: {status} {}", answer.text());
        assert!(!answer.text().contains("hidden words"), "{path}");
    }
    node.get(&nobody, Some(&narrow)).await.expect(404);
    let export = node.get(&at("/-/car"), Some(&full.token)).await.expect(200);
    node.call(post, "/-/car", Some(&narrow), &[CAR], export.body.clone()).await.expect(403);
    node.call(post, "/-/car", Some(&full.token), &[CAR], export.body).await.expect(201);

    let seen: SessionList = node.get("/-/session", Some(&narrow)).await.expect(200).json();
    assert_eq!(seen.sessions.len(), 1);
    assert_eq!(seen.sessions[0].abilities, [PINS[1], PINS[0]], "in the order of verbs");
    let all: SessionList = node.get("/-/session", Some(&full.token)).await.expect(200).json();
    assert_eq!(all.sessions.len(), 2);
}

#[tokio::test]
async fn a_token_lives_as_long_as_it_was_asked_to() {
    let (node, ann) = (TestNode::new(), Person::new(1));
    let narrow = token(&node, &ann, &PINS, 90 * DAY_S).await.token;
    let pins = format!("{}/-/pins", ann.core());
    node.pass(90 * DAY_S * 1_000 - 1);
    node.get(&pins, Some(&narrow)).await.expect(200);
    node.post(&pins, Some(&narrow), &json!({ "cid": CID })).await.expect(202);
    node.pass(1);
    node.get(&pins, Some(&narrow)).await.expect(401);

    for (abilities, life_s) in
        [(&PINS[..], 367 * DAY_S), (&PINS[..], 0), (&PINS[..], u64::MAX), (&["put **"][..], 2 * DAY_S)]
    {
        ask(&node, &ann, abilities, life_s).await.expect(400);
    }
}

#[tokio::test]
async fn an_ended_token_opens_nothing() {
    let (node, ann) = (TestNode::new(), Person::new(1));
    let full = node.sign_in(&ann).await;
    let narrow = token(&node, &ann, &PINS, 90 * DAY_S).await;
    let path = format!("/-/session/{}", narrow.id);
    node.call("DELETE", &path, Some(&full.token), &[], Body::empty()).await.expect(204);
    node.get(&format!("{}/-/pins", ann.core()), Some(&narrow.token)).await.expect(401);
}
