//! Passkeys as a browser uses them: signing in, invited, voting, and what is refused on the way.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kubelt_api::{
    Challenge, Code, CoreMade, DecidedView, DraftList, OpReceipts, RequestDetail, RequestList, SessionCreated,
};
use kubelt_core::{PasskeyKey, webauthn::Assertion};
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestNode};

/// Somebody with a passkey, at a page of the node itself.
struct Browser {
    key: PasskeyKey,
    origin: String,
}

impl Browser {
    fn account(&self) -> String {
        self.key.account().to_string()
    }

    /// What `navigator.credentials.get` gives for a challenge.
    fn answer(&self, challenge: &str) -> Value {
        let challenge = URL_SAFE_NO_PAD.decode(challenge).expect("base64url").try_into().expect("32 bytes");
        response(&self.key.assert(&challenge, &self.origin, host(&self.origin)))
    }

    async fn challenge(node: &TestNode, key: &PasskeyKey, cores: &[&str]) -> Challenge {
        let cores: Vec<Value> = cores.iter().map(|core| json!({ "core": core })).collect();
        let ask = json!({ "account": key.account().to_string(), "cores": cores });
        node.post("/-/session/challenge", None, &ask).await.expect(200).json()
    }

    /// Signs in, to the own core and to others.
    async fn sign_in(node: &TestNode, secret: u8, cores: &[&str]) -> (Self, SessionCreated) {
        let key = PasskeyKey::from_secret(&[secret; 32]).expect("a secret key");
        let challenge = Self::challenge(node, &key, cores).await;
        let (domain, _) = challenge.message.split_once(' ').expect("it begins with the domain");
        let browser = Self { key, origin: format!("http://{domain}") };
        let passkey = browser.answer(challenge.passkey_challenge.as_deref().expect("it has one"));
        let answer = json!({ "message": challenge.message, "passkey": passkey });
        let created = node.post("/-/session", None, &answer).await.expect(201).json();
        (browser, created)
    }

    /// Has an act drafted, signs it, and posts it.
    async fn act(&self, node: &TestNode, token: &str, core: &str, act: Value) -> Answer {
        let drafts = node.post(&format!("/@{core}/-/drafts"), Some(token), &json!({ "act": act })).await;
        let drafts: DraftList = drafts.expect(200).json();
        let sign = |challenge: &Option<String>| self.answer(challenge.as_deref().expect("it has one"));
        let op = |draft: &kubelt_api::DraftView| json!({ "header": draft.header, "body": draft.body, "passkey": sign(&draft.passkey_challenge) });
        let ops: Vec<Value> = drafts.drafts.iter().map(op).collect();
        node.post(&format!("/@{core}/-/ops"), Some(token), &json!({ "ops": ops })).await
    }
}

fn host(origin: &str) -> &str {
    let authority = origin.trim_start_matches("http://");
    authority.split(':').next().expect("there is one")
}

/// With a signature in DER, as authenticators make them.
fn response(assertion: &Assertion) -> Value {
    let integer = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
        let pad: &[u8] = if bytes[start] < 0x80 { &[] } else { &[0] };
        let content = [pad, &bytes[start..]].concat();
        [&[2, u8::try_from(content.len()).expect("short")], content.as_slice()].concat()
    };
    let (r, s) = assertion.signature.split_at(32);
    let both = [integer(r), integer(s)].concat();
    let der = [&[0x30, u8::try_from(both.len()).expect("short")], both.as_slice()].concat();
    json!({
        "authenticatorData": URL_SAFE_NO_PAD.encode(&assertion.authenticator_data),
        "clientDataJSON": URL_SAFE_NO_PAD.encode(&assertion.client_data),
        "signature": URL_SAFE_NO_PAD.encode(der),
        // Browsers say more than is asked for.
        "userHandle": null,
    })
}

#[tokio::test]
async fn a_passkey_signs_in_is_invited_and_invites() {
    let (node, root) = (TestNode::new(), Person::new(1));
    let own = node.sign_in(&root).await.token;
    let ask = json!({ "name": "acme" });
    let made: CoreMade =
        node.post(&format!("{}/-/cores", root.core()), Some(&own), &ask).await.expect(201).json();
    let core = made.core.as_str();
    let token = node.sign_in_to(&root, Some(&own), &[core]).await.token;
    let (browser, session) = Browser::sign_in(&node, 7, &[]).await;
    assert_eq!((session.account, session.created), (browser.account(), true));
    let grant = json!({ "grant": { "to": [browser.account()], "role": "owner" } });
    node.act(&root, &token, core, grant).await.expect(201);
    let (browser, session) = Browser::sign_in(&node, 7, &[core]).await;
    node.put(&format!("/@{core}/-/content/a"), &session.token, "by a session").await.expect(201);
    // What takes a wallet, the passkey signs itself.
    let grant = json!({ "grant": { "to": [Person::new(3).account()], "role": "reader" } });
    let receipts: OpReceipts = browser.act(&node, &session.token, core, grant).await.expect(201).json();
    assert!(receipts.ops.iter().all(|op| op.effective));
    let name = json!({ "put": { "path": "profile/name", "value": "Acme" } });
    browser.act(&node, &session.token, core, name).await.expect(201);
    // It ends its own session by itself, too.
    let ask = json!({ "account": browser.account(), "session": session.id });
    let end: Challenge = node.post("/-/session/end/challenge", None, &ask).await.expect(200).json();
    let passkey = browser.answer(end.passkey_challenge.as_deref().expect("it has one"));
    let ended = node.post("/-/session/end", None, &json!({ "nonce": end.nonce, "passkey": passkey })).await;
    let ended: kubelt_api::SessionEnded = ended.expect(200).json();
    assert_eq!(ended.more.len(), 1, "the shared core waits for a signature of its own");
    let more = &ended.more[0];
    let passkey = browser.answer(more.passkey_challenge.as_deref().expect("it has one"));
    node.post("/-/session/end", None, &json!({ "nonce": more.nonce, "passkey": passkey })).await.expect(204);
    node.get("/-/session", Some(&session.token)).await.expect_problem(Code::Unauthorized);
}

#[tokio::test]
async fn a_passkey_is_one_of_two_and_its_vote_says_no_words() {
    let (node, root) = (TestNode::new(), Person::new(1));
    let own = node.sign_in(&root).await.token;
    let (browser, _) = Browser::sign_in(&node, 7, &[]).await;
    let cores = format!("{}/-/cores", root.core());
    for owners in [json!({ "threshold": 1 }), json!({})] {
        let mut ask = json!({ "name": "alone", "owners": [browser.account()] });
        ask.as_object_mut().expect("one").extend(owners.as_object().expect("one").clone());
        let refused = node.post(&cores, Some(&own), &ask).await.expect_problem(Code::BadRequest);
        assert!(refused.detail.contains("passkeys alone"), "{}", refused.detail);
    }
    let ask = json!({ "name": "acme", "owners": [browser.account()], "threshold": 2 });
    let made: CoreMade = node.post(&cores, Some(&own), &ask).await.expect(201).json();
    let core = made.core.as_str();
    let token = node.sign_in_to(&root, Some(&own), &[core]).await.token;
    let (browser, session) = Browser::sign_in(&node, 7, &[core]).await;
    let act = json!({ "act": { "act": { "put": { "path": "profile/name", "value": "secret plans" } } } });
    let asked = node.post(&format!("/@{core}/-/requests"), Some(&token), &act).await;
    let asked: RequestList = asked.expect(201).json();
    let place = format!("/@{core}/-/requests/{}", asked.requests[0].id());
    let detail: RequestDetail = node.get(&place, Some(&session.token)).await.expect(200).json();
    let draft = detail.approve.expect("it may vote");
    assert!(draft.text.is_none() && draft.typed_data.is_none(), "the words stay here");
    let challenge = draft.passkey_challenge.as_deref().expect("it has one");
    let vote =
        |passkey| json!({ "vote": { "header": draft.header, "body": draft.body, "passkey": passkey } });
    // An answer to another challenge, and one that was made at another place.
    let other = browser.answer(&URL_SAFE_NO_PAD.encode([0; 32]));
    node.post(&format!("{place}/approve"), Some(&session.token), &vote(other))
        .await
        .expect_problem(Code::BadOperation);
    let elsewhere = Browser { origin: "http://evil.example".to_owned(), key: browser.key.clone() };
    let mut elsewhere = elsewhere.answer(challenge);
    elsewhere["authenticatorData"] = browser.answer(challenge)["authenticatorData"].clone();
    node.post(&format!("{place}/approve"), Some(&session.token), &vote(elsewhere))
        .await
        .expect_problem(Code::BadOperation);
    let vote = vote(browser.answer(challenge));
    let decided = node.post(&format!("{place}/approve"), Some(&session.token), &vote).await;
    let decided: DecidedView = decided.expect(200).json();
    assert!(decided.done.is_some(), "{decided:?}");
    let log = node.get(&format!("/@{core}/-/ops"), Some(&token)).await.expect(200).json::<Value>();
    let votes = log["ops"].as_array().expect("a list").iter().filter(|op| op["verb"] == "vote");
    assert_eq!(votes.count(), 1);
}

#[tokio::test]
async fn what_a_passkey_did_not_sign_here_opens_nothing() {
    let node = TestNode::new();
    let key = PasskeyKey::from_secret(&[7; 32]).expect("a secret key");
    let open = async |change: &dyn Fn(&mut Value)| {
        let challenge = Browser::challenge(&node, &key, &[]).await;
        let (domain, _) = challenge.message.split_once(' ').expect("it begins with the domain");
        let browser = Browser { key: key.clone(), origin: format!("http://{domain}") };
        let mut passkey = browser.answer(challenge.passkey_challenge.as_deref().expect("it has one"));
        change(&mut passkey);
        let answer = json!({ "message": challenge.message, "passkey": passkey });
        node.post("/-/session", None, &answer).await
    };
    open(&|_| ()).await.expect(201);
    let flip = |field: &'static str, at: usize| {
        move |passkey: &mut Value| {
            let text = passkey[field].as_str().expect("text");
            let mut bytes = URL_SAFE_NO_PAD.decode(text).expect("base64url");
            bytes[at] ^= 4;
            passkey[field] = URL_SAFE_NO_PAD.encode(bytes).into();
        }
    };
    // Another party, an unverified user, another type, another signature, and things that are nothing.
    for change in [
        &flip("authenticatorData", 0) as &dyn Fn(&mut Value),
        &flip("authenticatorData", 32),
        &flip("clientDataJSON", 12),
        &flip("signature", 40),
        &|passkey| passkey["signature"] = "AAAA".into(),
        &|passkey| passkey["clientDataJSON"] = "!".into(),
    ] {
        open(change).await.expect_problem(Code::BadSignIn);
    }
    let challenge = Browser::challenge(&node, &key, &[]).await;
    for answer in [
        json!({ "message": challenge.message }),
        json!({ "message": challenge.message, "signature": "0x00", "passkey": { "authenticatorData": "", "clientDataJSON": "", "signature": "" } }),
    ] {
        node.post("/-/session", None, &answer).await.expect_problem(Code::BadSignIn);
    }
    let wallet: Challenge = node
        .post("/-/session/challenge", None, &json!({ "account": Person::new(1).account() }))
        .await
        .expect(200)
        .json();
    assert!(wallet.passkey_challenge.is_none());
}
