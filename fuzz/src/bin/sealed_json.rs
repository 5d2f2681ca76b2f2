//! Sets of keys and encrypted messages of others: what is read is written again to the same, and keys that are taken can be
//! sealed to.
#![no_main]

use kubelt_sealed::jwe::Jwe;
use kubelt_sealed::{ContentKey, DeviceSecret, Entropy, jwk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(set) = jwk::read_set(data) {
        let mut entropy = Entropy::new(&[1; 32]);
        let content = ContentKey::random(&mut entropy);
        for named in set.keys.iter().take(4) {
            let json = serde_json::Value::Object(jwk::to_jwk(&named.key, named.kid.as_deref()));
            let again = jwk::read_set(json.to_string().as_bytes()).expect("it was one");
            assert_eq!(again.keys[0].key, named.key);
            assert_eq!(again.keys[0].key.thumbprint(), named.key.thumbprint());
            let mut message = Jwe::seal(b"text", &content, &mut entropy).expect("a short text");
            message.add(&content, &named.key, named.kid.as_deref(), &mut entropy);
            assert_eq!(message.open(&content).expect("opens").as_slice(), b"text");
        }
    }
    if let Ok(message) = Jwe::read(data) {
        assert_eq!(Jwe::read(message.to_json().as_bytes()), Ok(message.clone()));
        if let Ok(key) = message.content_key(&DeviceSecret::from_bytes([8; 32])) {
            let _opened_or_changed = message.open(&key);
        }
    }
});
