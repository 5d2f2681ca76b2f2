//! Assertions of passkeys: what decodes encodes to the same bytes, what a browser answers is kept in one spelling, and nothing
//! that was not signed is taken.
#![no_main]

use kubelt_core::webauthn::{Assertion, challenge_of};
use kubelt_core::{PasskeyKey, signature::verify_assertion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let key = PasskeyKey::from_secret(&[7; 32]).expect("a secret key");
    let challenge = challenge_of(b"a text");
    if let Ok(assertion) = Assertion::decode(data) {
        assert_eq!(assertion.encode(), data);
        if let Ok(origin) = assertion.check(&challenge) {
            assert!(origin.starts_with("http") && !origin.contains(['"', '\\']));
        }
        if verify_assertion(&key.account(), &challenge, data).is_ok() {
            assert!(assertion.check(&challenge).is_ok());
            let other = challenge_of(b"another text");
            assert!(verify_assertion(&key.account(), &other, data).is_err());
        }
    }
    // Two lengths, then authenticator data, client data and a signature.
    let Some(([a, b], rest)) = data.split_first_chunk::<2>() else { return };
    let (authenticator, rest) = rest.split_at(rest.len().min((*a).into()));
    let (client, signature) = rest.split_at(rest.len().min((*b).into()));
    if let Ok(assertion) = Assertion::from_browser(authenticator.to_vec(), client.to_vec(), signature) {
        assert_eq!(Assertion::decode(&assertion.encode()), Ok(assertion));
    }
});
