use serde_json::{Value, json};

use super::{JwksError, KeySet, read_set, to_jwk};
use crate::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX};
use crate::{DeviceSecret, Entropy};

fn x25519(seed: u8) -> Value {
    let key = DeviceSecret::random(&mut Entropy::new(&[seed; 32])).public();
    Value::Object(to_jwk(&key, Some("one")))
}

fn read(keys: &[Value]) -> Result<KeySet, JwksError> {
    read_set(json!({ "keys": keys }).to_string().as_bytes())
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

#[test]
fn keys_come_back_as_they_were_published() {
    let p256 = json!({ "kty": "EC", "crv": "P-256", "kid": "two",
        "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU" });
    let set = read(&[x25519(1), p256.clone(), x25519(1)]).expect("a set");
    assert_eq!(set.keys.len(), 2, "a key that is there twice is one key");
    assert_eq!(set.keys[1].kid.as_deref(), Some("two"));
    assert_eq!(
        set.keys[0].key,
        read_set(x25519(1).to_string().as_bytes()).expect("a single key").keys[0].key
    );
    assert_eq!(set.clone().only("two").expect("is there").keys.len(), 1);
    assert_eq!(set.only("three"), Err(JwksError::NoSuchKey("three".to_owned())));
}

#[test]
fn a_set_with_private_parts_is_refused_whole() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let leaked = with(x25519(2), name, json!("AAAA"));
        assert_eq!(read(&[x25519(1), leaked]), Err(JwksError::Private("one".to_owned())), "{name}");
    }
    let octets = json!({ "kty": "oct", "k": "AAAA" });
    assert_eq!(read(&[octets]), Err(JwksError::Private("number 1".to_owned())));
}

#[test]
fn what_nothing_can_be_sealed_to_is_left_out_with_its_reason() {
    let others = [
        (with(x25519(1), "use", json!("sig")), "`sig`"),
        (with(x25519(1), "alg", json!("ECDH-ES")), "`ECDH-ES`"),
        (with(x25519(1), "alg", json!("RSA-OAEP-256")), "`RSA-OAEP-256`"),
        (with(x25519(1), "alg", json!("XYZ")), "`XYZ`"),
        (with(x25519(1), "alg", json!(7)), "something else"),
        (with(x25519(1), "crv", json!("X448")), "`X448`"),
        (with(x25519(1), "crv", json!("Ed25519")), "`Ed25519`"),
        (with(x25519(1), "x", json!("AAAA")), "32 bytes"),
        (with(x25519(1), "x", json!("A".repeat(43))), "small order"),
        (with(x25519(1), "x", json!("*")), "base64url"),
        (with(x25519(1), "key_ops", json!(["verify"])), "key_ops"),
        (with(x25519(1), "kty", Value::Null), "no `kty`"),
        (json!({ "kty": "EC", "crv": "P-384", "x": "", "y": "" }), "`P-384`"),
        (json!({ "kty": "EC", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43) }), "P-256"),
        (json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), "17 bits"),
        (json!({ "kty": "RSA", "n": "AQAB" }), "no `e`"),
        (json!("text"), "no JSON object"),
    ];
    for (key, said) in others {
        let set = read(&[key.clone(), x25519(1)]).expect("one is good");
        assert_eq!((set.keys.len(), set.others.len()), (1, 1), "{key}");
        assert!(set.others[0].1.contains(said), "{}: {said}", set.others[0].1);
        let refused = read(&[key]).expect_err("none is good");
        assert!(
            matches!(&refused, JwksError::NoneUsable(_)) && refused.to_string().contains(said),
            "{refused}"
        );
    }
}

#[test]
fn what_is_no_set_is_refused() {
    for text in ["", "[]", "{}", "{\"keys\":{}}", "\u{feff}{}"] {
        assert!(matches!(read_set(text.as_bytes()), Err(JwksError::Form(_))), "{text:?}");
    }
    assert!(matches!(read(&[]), Err(JwksError::NoneUsable(_))));
    let many = vec![x25519(1); JWKS_KEYS_MAX];
    assert!(read(&many).is_ok());
    assert_eq!(read(&[many, vec![x25519(1)]].concat()), Err(JwksError::TooLarge));
    let long = " ".repeat(JWKS_BYTES_MAX + 1);
    assert_eq!(read_set(long.as_bytes()), Err(JwksError::TooLarge));
}
