use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubelt_api::{DeviceJwk, KeyProof};
use kubelt_core::schema::DeviceKey;
use kubelt_core::{Act, Body, EoaKey, Genesis, Header, Hlc, OpId, Scheme, Signed, Verb};
use kubelt_sealed::DeviceSecret;

use super::{To, check_key};

const ANN: u8 = 1;

fn wallet(seed: u8) -> EoaKey {
    EoaKey::from_secret(&[seed; 32]).expect("a key")
}

/// A key with its proof, changed by the test before it is signed by `by`.
fn published(by: u8, change: impl FnOnce(&mut Header, &mut Body)) -> DeviceJwk {
    let account = wallet(ANN).account();
    let core = Genesis::Private { root: account.clone() }.id();
    let key = DeviceKey { x25519: *DeviceSecret::from_bytes([5; 32]).public().as_x25519().expect("one") };
    let path = DeviceKey::path("phone").expect("a good name");
    let mut body = Body::new([0; 16], Act::Put { path, value: key.to_ipld() });
    let mut header = Header {
        v: 1,
        core,
        prev: Vec::new(),
        by: account,
        login: None,
        auth: core.as_root(),
        at: Hlc::from_ms(1_800_000_000_000),
        votes: Vec::new(),
        verb: Verb::Put,
        body: body.id(),
    };
    change(&mut header, &mut body);
    let text = Signed::signing_text(&header, Some(&body)).expect("a put says no words");
    let signature = wallet(by).sign(text.as_bytes()).to_vec();
    let signed = Signed { header, scheme: Scheme::Eip191, signature, block: None };
    let text = |text: &str| text.to_owned();
    let proof = KeyProof { signed: STANDARD.encode(signed.encode()), body: STANDARD.encode(body.encode()) };
    DeviceJwk {
        kty: text("OKP"),
        crv: text("X25519"),
        x: text("what the proof says counts"),
        kid: text("phone"),
        purpose: text("enc"),
        alg: text("ECDH-ES+A256KW"),
        proof,
    }
}

#[test]
fn a_key_counts_where_its_account_has_signed_it() {
    let account = wallet(ANN).account();
    let (device, key) = check_key(&account, &published(ANN, |_, _| ())).expect("a good one");
    assert_eq!((device.as_str(), key), ("phone", DeviceSecret::from_bytes([5; 32]).public()));
    let refused = |jwk: DeviceJwk| check_key(&account, &jwk).expect_err("refused");
    refused(published(2, |_, _| ()));
    let other = wallet(2).account();
    assert!(check_key(&other, &published(ANN, |_, _| ())).is_err(), "another's");
    refused(published(2, |header, _| header.by = wallet(2).account()));
    refused(published(ANN, |header, _| header.auth = OpId::of(b"a grant")));
    // As a node could write it with the key of a session.
    refused(published(ANN, |header, _| header.login = Some(kubelt_core::LoginId::of(b"sign-in"))));
    refused(published(ANN, |_, body| body.salt = [9; 16].into()));
    refused(published(ANN, |header, body| {
        let path = "content/a".parse().expect("a path");
        *body = Body::new([0; 16], Act::Put { path, value: kubelt_content::Ipld::Null });
        header.body = body.id();
    }));
    refused(published(ANN, |header, body| {
        let path = DeviceKey::path("phone").expect("a good name");
        *body = Body::new([0; 16], Act::Put { path, value: DeviceKey { x25519: [0; 32] }.to_ipld() });
        header.body = body.id();
    }));
}

#[test]
fn people_are_named_in_several_ways() {
    let parse = |text: &str| text.parse::<To>();
    let account = wallet(ANN).account();
    for text in [account.to_string(), format!("@{account}")] {
        assert_eq!(parse(&text).expect("an account"), To::Account(account.clone()));
    }
    assert!(matches!(parse("@me"), Ok(To::Core(_))));
    let url = "https://example.org/jwks.json".to_owned();
    assert_eq!(parse(&format!("jwks:{url}")).expect("a set"), To::Url { url: url.clone(), kid: None });
    let kid = Some("a".to_owned());
    assert_eq!(parse(&format!("jwks:{url}#a")).expect("a key"), To::Url { url, kid: kid.clone() });
    assert_eq!(parse("jwks:./keys.json#a").expect("a file"), To::File { path: "./keys.json".into(), kid });
    for text in ["", "bob", "jwks:", "@acme/path", "https://example.org/"] {
        assert!(parse(text).is_err(), "{text}");
    }
}
