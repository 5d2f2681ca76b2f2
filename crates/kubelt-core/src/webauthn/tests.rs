use serde::Deserialize;

use super::{Assertion, AssertionError, challenge_of};
use crate::{
    Account, Scheme, SignatureError, Verdict,
    limits::{AUTHENTICATOR_DATA_BYTES_MAX, CLIENT_DATA_BYTES_MAX},
    sign::PasskeyKey,
    signature::{verify, verify_assertion},
};

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    key: Account,
    challenge: String,
    authenticator_data: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    signature: String,
    high_s: bool,
    refused: Option<String>,
}

fn cases() -> Vec<Case> {
    let json = include_str!("../../../../spec/vectors/webauthn.json");
    serde_json::from_str::<Vectors>(json).expect("vectors").cases
}

impl Case {
    fn assertion(&self) -> Assertion {
        let hex = |text: &str| hex::decode(text).expect("hex");
        let data = self.client_data.clone().into_bytes();
        Assertion::from_browser(hex(&self.authenticator_data), data, &hex(&self.signature)).expect("is one")
    }

    fn challenge(&self) -> [u8; 32] {
        hex::decode(&self.challenge).expect("hex").try_into().expect("32 bytes")
    }
}

#[test]
fn vectors_of_the_w3c() {
    let cases = cases();
    let (mut taken, mut high) = (0, 0);
    for case in &cases {
        let (assertion, challenge) = (case.assertion(), case.challenge());
        let found = verify_assertion(&case.key, &challenge, &assertion.encode());
        let expected = match case.refused.as_deref() {
            None => Ok(Verdict::Valid),
            Some("unverified") => Err(AssertionError::Unverified.into()),
            Some("cross-origin") => Err(AssertionError::CrossOrigin.into()),
            Some(other) => panic!("no such reason: {other}"),
        };
        assert_eq!(found, expected, "{}", case.name);
        taken += usize::from(case.refused.is_none());
        high += usize::from(case.high_s);
        // What is refused is refused for that reason, and not because the signature would not fit.
        let Account::Key(crate::PublicKey::P256(key)) = &case.key else { panic!("{}", case.name) };
        use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
        let key = VerifyingKey::from_sec1_bytes(key).expect("a key");
        let rs = Signature::from_slice(assertion.signature.as_slice()).expect("scalars");
        assert!(key.verify(&assertion.signed_bytes(), &rs).is_ok(), "{}", case.name);
    }
    assert_eq!((cases.len(), taken, high), (10, 3, 6));
}

#[test]
fn one_changed_byte_of_a_vector_is_refused() {
    let case = cases().into_iter().find(|case| case.refused.is_none()).expect("there are some");
    let (assertion, challenge) = (case.assertion(), case.challenge());
    let good = |changed: &Assertion| verify_assertion(&case.key, &challenge, &changed.encode()).is_ok();
    assert!(good(&assertion));
    for at in 0..assertion.authenticator_data.len() {
        let mut changed = assertion.clone();
        changed.authenticator_data[at] ^= 1;
        assert!(!good(&changed), "authenticator data at {at}");
    }
    for at in 0..assertion.client_data.len() {
        let mut bytes = assertion.client_data.clone().into_bytes();
        bytes[at] ^= 1;
        let changed =
            Assertion { client_data: String::from_utf8(bytes).expect("ASCII"), ..assertion.clone() };
        assert!(!good(&changed), "client data at {at}");
    }
    for at in 0..64 {
        let mut changed = assertion.clone();
        changed.signature[at] ^= 1;
        assert!(!good(&changed), "signature at {at}");
    }
    for at in 0..challenge.len() {
        let mut other = challenge;
        other[at] ^= 1;
        let found = verify_assertion(&case.key, &other, &assertion.encode());
        assert_eq!(found, Err(AssertionError::Challenge.into()));
    }
}

#[test]
fn the_twin_of_a_signature_is_refused_and_never_made() {
    let case =
        cases().into_iter().find(|case| case.refused.is_none() && case.high_s).expect("there are some");
    let mut twin = case.assertion();
    let low = p256::ecdsa::Signature::from_slice(twin.signature.as_slice()).expect("scalars");
    assert_eq!(low.normalize_s(), low);
    let s = -*low.s();
    let high = p256::ecdsa::Signature::from_scalars(*low.r(), s).expect("scalars");
    twin.signature = <[u8; 64]>::from(high.to_bytes()).into();
    let found = verify_assertion(&case.key, &case.challenge(), &twin.encode());
    assert_eq!(found, Err(SignatureError::HighS));
    for (from, to) in [(0, 32), (32, 64)] {
        let mut zero = case.assertion();
        zero.signature[from..to].fill(0);
        assert_eq!(
            verify_assertion(&case.key, &case.challenge(), &zero.encode()),
            Err(SignatureError::Range)
        );
    }
}

const ORIGIN: &str = "https://app.example.org";

/// An assertion of a key of this test, over a text.
fn made(change: impl FnOnce(&mut String, &mut Vec<u8>)) -> Result<Verdict, SignatureError> {
    let key = PasskeyKey::from_secret(&[7; 32]).expect("a secret key");
    let assertion = key.assert_with(&challenge_of(b"a text"), ORIGIN, "example.org", change);
    verify(&key.account(), Scheme::Webauthn, b"a text", &assertion.encode())
}

#[track_caller]
fn check(change: impl FnOnce(&mut String, &mut Vec<u8>), expected: Option<AssertionError>) {
    let expected = expected.map_or(Ok(Verdict::Valid), |error| Err(error.into()));
    assert_eq!(made(change), expected);
}

#[test]
fn client_data_is_what_browsers_write() {
    let say = |find: &'static str, put: &'static str| {
        move |client: &mut String, _: &mut Vec<u8>| {
            assert!(client.contains(find));
            *client = client.replacen(find, put, 1);
        }
    };
    check(|_, _| (), None);
    check(say(r#","crossOrigin":false"#, ""), None);
    check(say("false}", r#"false,"other_keys_can_be_added_here":"do not compare"}"#), None);
    check(say("app.example.org", "example.org:8443"), None);
    check(say("https://app", "http://a.b.app"), None);
    let client_data = || Some(AssertionError::ClientData);
    check(say("webauthn.get", "webauthn.create"), client_data());
    check(say(r#"{"type""#, r#"{ "type""#), client_data());
    check(say(r#""type""#, r#""typ""#), client_data());
    check(say("false}", "false"), client_data());
    check(say("false}", "false} "), client_data());
    check(say("false}", "falsehood}"), client_data());
    check(say("false", "null"), client_data());
    check(say("false", "true"), Some(AssertionError::CrossOrigin));
    // Two challenges: the one that counts comes first.
    check(say(r#""challenge":""#, r#""challenge":"AAAA","challenge":""#), Some(AssertionError::Challenge));
    for origin in [
        "https://example.com",
        "https://example.org.evil",
        "https://badexample.org",
        "https://",
        "null",
        "",
        "android:apk-key-hash:abc",
        "ftp://example.org",
        "https://example.org@evil",
        "https://EXAMPLE.org",
        "https://example.org/path",
        r"https:\/\/example.org",
        "https://example.org:80a",
    ] {
        let refused = Some(AssertionError::Origin(origin.to_owned()));
        check(move |client, _| *client = client.replacen(ORIGIN, origin, 1), refused);
    }
    let fill = |bytes: usize| {
        move |client: &mut String, _: &mut Vec<u8>| {
            client.pop();
            let pad = bytes - client.len() - r#","pad":""}"#.len();
            client.push_str(&format!(r#","pad":"{}"}}"#, "x".repeat(pad)));
        }
    };
    check(fill(CLIENT_DATA_BYTES_MAX), None);
    check(fill(CLIENT_DATA_BYTES_MAX + 1), client_data());
}

#[test]
fn authenticators_see_and_verify_their_users() {
    let flags = |flags: u8| move |_: &mut String, data: &mut Vec<u8>| data[32] = flags;
    for good in [0x05, 0x0d, 0x1d] {
        check(flags(good), None);
    }
    for (bad, error) in [
        (0x00, AssertionError::Absent),
        (0x04, AssertionError::Absent),
        (0x01, AssertionError::Unverified),
        (0x19, AssertionError::Unverified),
        (0x15, AssertionError::AuthenticatorData),
        (0x45, AssertionError::AuthenticatorData),
        (0x85, AssertionError::AuthenticatorData),
    ] {
        check(flags(bad), Some(error));
    }
    let sized = |flags: u8, bytes: usize| {
        move |_: &mut String, data: &mut Vec<u8>| {
            data[32] = flags;
            data.resize(bytes, 0xa0);
        }
    };
    check(sized(0x85, 38), None);
    check(sized(0x85, AUTHENTICATOR_DATA_BYTES_MAX), None);
    for (flags, bytes) in [(0x85, AUTHENTICATOR_DATA_BYTES_MAX + 1), (0x05, 38), (0x05, 36), (0x05, 33)] {
        check(sized(flags, bytes), Some(AssertionError::AuthenticatorData));
    }
    for bytes in [0, 31, 32] {
        check(move |_, data| data.truncate(bytes), Some(AssertionError::AuthenticatorData));
    }
    check(|_, data| data[0] ^= 1, Some(AssertionError::Origin(ORIGIN.to_owned())));
}

#[test]
fn keys_of_other_curves_and_other_schemes_do_not_pass() {
    let key = PasskeyKey::from_secret(&[7; 32]).expect("a secret key");
    let challenge = challenge_of(b"a text");
    let assertion = key.assert_with(&challenge, ORIGIN, "example.org", |_, _| ()).encode();
    let other = PasskeyKey::from_secret(&[8; 32]).expect("a secret key").account();
    let mismatch = SignatureError::Mismatch(Box::new(other.clone()));
    assert_eq!(verify(&other, Scheme::Webauthn, b"a text", &assertion), Err(mismatch));
    for account in [Account::Eoa([1; 20]), crate::SessionKey::from_seed([1; 32]).account()] {
        let found = verify(&account, Scheme::Webauthn, b"a text", &assertion);
        assert!(matches!(found, Err(SignatureError::Scheme { .. })), "{found:?}");
    }
    let found = verify(&key.account(), Scheme::P256, b"a text", &assertion);
    assert!(matches!(found, Err(SignatureError::Length { .. })), "{found:?}");
    // One spelling: no byte more, none less, no other order.
    for bytes in [&assertion[1..], &[&assertion[..], &[0]].concat(), &[]] {
        let found = verify(&key.account(), Scheme::Webauthn, b"a text", bytes);
        assert!(matches!(found, Err(SignatureError::Assertion(AssertionError::Form(_)))), "{found:?}");
    }
    for der in [&[][..], &[0x30, 0], &[0x30, 6, 2, 1, 0, 2, 1, 1], &[0x30, 8, 2, 2, 0, 1, 2, 2, 0, 1]] {
        assert_eq!(Assertion::from_browser(vec![], vec![], der), Err(AssertionError::Der));
    }
    // secp256k1, written as a key of its own curve and as one of P-256 that lies on no curve.
    assert!("did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse::<Account>().is_err());
    let Account::Key(crate::PublicKey::P256(point)) = key.account() else { panic!("a key of P-256") };
    assert!(crate::PublicKey::p256(point).is_ok());
    for tag in [0, 1, 4, 5, 6, 0xff] {
        let mut other = point;
        other[0] = tag;
        assert!(crate::PublicKey::p256(other).is_err(), "tag {tag}");
    }
}
