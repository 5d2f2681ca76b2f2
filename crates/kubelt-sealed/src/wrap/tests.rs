use std::convert::Infallible;

use hpke::rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

use super::{UnwrapError, open, seal, unwrap, wrap};
use crate::{ContentKey, DeviceSecret, Entropy, PublicKey};

/// The bytes of a test vector, once.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("only bytes are asked for")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("only bytes are asked for")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        assert_eq!(bytes.len(), self.0.len());
        bytes.copy_from_slice(&std::mem::take(&mut self.0));
        Ok(())
    }
}

impl TryCryptoRng for Given {}

#[test]
fn wraps_are_those_of_rfc_9180() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../spec/vectors/sealed/hpke.json")).expect("JSON");
    for vector in vectors["vectors"].as_array().expect("a list") {
        let bytes = |name: &str| hex::decode(vector[name].as_str().expect("text")).expect("hex");
        let key = |name: &str| <[u8; 32]>::try_from(bytes(name)).expect("32 bytes");
        let (info, aad, plain) = (bytes("info"), bytes("aad"), bytes("pt"));
        let sealed = seal(&key("pkRm"), &info, &aad, &plain, &mut Given(bytes("ikmE")));
        assert_eq!(hex::encode(&sealed), hex::encode([bytes("enc"), bytes("ct")].concat()));
        let opened = open(&sealed, &key("skRm"), &info, &aad);
        assert_eq!(opened.expect("opens").as_slice(), plain);
    }
}

#[test]
fn a_wrap_opens_with_its_key_and_file_alone() {
    let mut entropy = Entropy::new(&[3; 32]);
    let (ours, other) = (DeviceSecret::random(&mut entropy), DeviceSecret::random(&mut entropy));
    let content = ContentKey::random(&mut entropy);
    let wrapped = wrap(&content, &ours.public(), b"file", &mut entropy).expect("an X25519 key");
    assert_eq!(unwrap(&wrapped, &ours, b"file").expect("opens").as_bytes(), content.as_bytes());
    let refused =
        |result: Result<ContentKey, UnwrapError>| assert_eq!(result.err(), Some(UnwrapError::Refused));
    refused(unwrap(&wrapped, &other, b"file"));
    refused(unwrap(&wrapped, &ours, b"another file"));
    for at in 0..wrapped.len() {
        let mut changed = wrapped;
        changed[at] ^= 1;
        refused(unwrap(&changed, &ours, b"file"));
    }
    let mut small = wrapped;
    small[..32].fill(0);
    refused(unwrap(&small, &ours, b"file"));
    let generator = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                     4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let point = hex::decode(generator).expect("hex");
    let x = point[..32].try_into().expect("32 bytes");
    let curve = PublicKey::p256(x, point[32..].try_into().expect("32 bytes")).expect("a point");
    assert_eq!(wrap(&content, &curve, b"file", &mut entropy), None, "of another curve");
}
