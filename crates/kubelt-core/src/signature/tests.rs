use proptest::prelude::*;
use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest, Sha256};

use super::{
    Account, ContractQuestion, ContractSignatures, ContractVerdict, SignatureError, Unchecked, Verdict,
    address_of, eip191_hash, recover, verify, verify_pinned, verify_signed,
};
use crate::{
    Act, Body, EoaKey, Genesis, Header, Hlc, LoginId, PublicKey, Scheme, SessionKey, Signed, login::BlockRef,
    words::WordsError,
};

#[derive(Deserialize)]
struct Wycheproof {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: u32,
    comment: String,
    #[serde(deserialize_with = "hex_bytes")]
    key: Vec<u8>,
    #[serde(deserialize_with = "hex_bytes")]
    message: Vec<u8>,
    #[serde(deserialize_with = "hex_bytes")]
    signature: Vec<u8>,
    result: String,
}

fn hex_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    hex::decode(String::deserialize(from)?).map_err(D::Error::custom)
}

/// How our verdicts lie beside Wycheproof's.
#[derive(Default, PartialEq, Eq, Debug)]
struct Tally {
    taken: usize,
    refused: usize,
    /// Good for Wycheproof, high `s` for us.
    high_s: usize,
}

fn cases(json: &str) -> Vec<Case> {
    serde_json::from_str::<Wycheproof>(json).expect("vectors").cases
}

fn secret(byte: u8) -> EoaKey {
    EoaKey::from_secret(&[byte; 32]).expect("a secret key")
}

#[test]
fn wycheproof_ed25519() {
    let mut tally = Tally::default();
    for case in cases(include_str!("../../../../spec/vectors/wycheproof/ed25519.json")) {
        let key = PublicKey::ed25519(case.key.as_slice().try_into().expect("32 bytes")).expect("a key");
        let ours = verify(&Account::Key(key), Scheme::Ed25519, &case.message, &case.signature).is_ok();
        assert_eq!(ours, case.result == "valid", "case {}: {}", case.id, case.comment);
        if ours { tally.taken += 1 } else { tally.refused += 1 }
    }
    assert_eq!(tally, Tally { taken: 88, refused: 62, high_s: 0 });
}

#[test]
fn wycheproof_p256() {
    let mut tally = Tally::default();
    for case in cases(include_str!("../../../../spec/vectors/wycheproof/p256.json")) {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&case.key).expect("a key");
        let key = key.to_sec1_point(true).as_bytes().try_into().expect("33 bytes");
        let account = Account::Key(PublicKey::p256(key).expect("a key"));
        match verify(&account, Scheme::P256, &case.message, &case.signature) {
            Ok(verdict) => {
                assert_eq!((verdict, case.result.as_str()), (Verdict::Valid, "valid"), "case {}", case.id);
                tally.taken += 1;
            }
            Err(SignatureError::HighS) if case.result == "valid" => tally.high_s += 1,
            Err(error) => {
                assert_eq!(case.result, "invalid", "case {}: {}: {error}", case.id, case.comment);
                tally.refused += 1;
            }
        }
    }
    assert_eq!(tally, Tally { taken: 102, refused: 83, high_s: 67 });
}

/// The same over secp256k1, where we recover and compare addresses and try both recovery bytes.
#[test]
fn wycheproof_secp256k1() {
    let mut tally = Tally::default();
    for case in cases(include_str!("../../../../spec/vectors/wycheproof/secp256k1.json")) {
        let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(&case.key).expect("a key");
        let hash: [u8; 32] = Sha256::digest(&case.message).into();
        let recovered = [27, 28].map(|v| recover(&hash, &[case.signature.as_slice(), &[v]].concat()));
        let good = recovered.iter().filter(|found| **found == Ok(Some(address_of(&key)))).count();
        if case.signature.len() != 64 {
            assert_eq!((good, case.result.as_str()), (0, "invalid"), "case {}", case.id);
            tally.refused += 1;
        } else if case.result == "invalid" {
            assert_eq!(good, 0, "case {}: {}", case.id, case.comment);
            tally.refused += 1;
        } else if recovered.contains(&Err(SignatureError::HighS)) {
            tally.high_s += 1;
        } else {
            assert_eq!(good, 1, "case {}: {}", case.id, case.comment);
            tally.taken += 1;
        }
    }
    assert_eq!(tally, Tally { taken: 94, refused: 79, high_s: 69 });
}

/// The example of the documentation of web3.js: `eth.accounts.sign("Some data", …)`.
#[test]
fn a_personal_message_of_another_implementation() {
    let secret = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
    let key = EoaKey::from_secret(&bytes(secret)).expect("a secret key");
    assert_eq!(key.account().to_string(), "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23");
    let signature = key.sign(b"Some data");
    assert_eq!(
        hex::encode(eip191_hash(b"Some data")),
        "1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655"
    );
    assert_eq!(
        hex::encode(signature),
        "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c"
    );
    assert_eq!(verify(&key.account(), Scheme::Eip191, b"Some data", &signature), Ok(Verdict::Valid));
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).expect("hex").try_into().expect("the right length")
}

#[test]
fn every_fault_of_an_eoa_signature_has_its_name() {
    let account = secret(7).account();
    let good = secret(7).sign(b"text").to_vec();
    let check = |signature: &[u8]| verify(&account, Scheme::Eip191, b"text", signature);
    let with = |at: std::ops::Range<usize>, byte| {
        let mut changed = good.clone();
        changed[at].fill(byte);
        changed
    };
    let mut short_v = good.clone();
    short_v[64] -= 27;
    assert_eq!(check(&short_v), Ok(Verdict::Valid));
    assert_eq!(check(&with(64..65, 2)), Err(SignatureError::RecoveryByte(2)));
    assert_eq!(check(&with(64..65, 29)), Err(SignatureError::RecoveryByte(29)));
    assert_eq!(check(&with(0..32, 0)), Err(SignatureError::Range));
    assert_eq!(check(&with(32..64, 0)), Err(SignatureError::Range));
    assert_eq!(check(&with(0..32, 255)), Err(SignatureError::Range));
    assert_eq!(
        check(&good[..64]),
        Err(SignatureError::Length { scheme: Scheme::Eip191, len: 64, expected: 65 })
    );
    let other = secret(8).sign(b"text");
    assert!(matches!(
        check(&other),
        Err(SignatureError::OtherAddress { recovered, .. }) if recovered == secret(8).address()
    ));
}

/// The twin `(r, n - s)` of a good signature.
#[test]
fn the_twin_of_a_signature_is_refused() {
    let good = secret(7).sign(b"text");
    let rs = k256::ecdsa::Signature::from_slice(&good[..64]).expect("a signature");
    let twin = k256::ecdsa::Signature::from_scalars(rs.r(), -rs.s()).expect("a signature");
    let twin = [twin.to_bytes().as_slice(), &[55 - good[64]]].concat();
    let check = |signature: &[u8]| verify(&secret(7).account(), Scheme::Eip191, b"text", signature);
    assert_eq!(check(&twin), Err(SignatureError::HighS));
}

#[test]
fn schemes_fit_one_kind_of_account_each() {
    let key = SessionKey::from_seed([1; 32]);
    let signature = key.sign(b"text");
    assert_eq!(verify(&key.account(), Scheme::Ed25519, b"text", &signature), Ok(Verdict::Valid));
    for scheme in [Scheme::Eip191, Scheme::P256, Scheme::Eip1271] {
        assert!(matches!(
            verify(&key.account(), scheme, b"text", &signature),
            Err(SignatureError::Scheme { expected: Scheme::Ed25519, .. })
        ));
    }
    let contract = Account::Contract { chain: 1, address: secret(7).address() };
    let eoa = secret(7).sign(b"text");
    assert!(matches!(verify(&contract, Scheme::Eip191, b"text", &eoa), Err(SignatureError::Scheme { .. })));
    assert_eq!(verify(&contract, Scheme::Eip1271, b"text", &eoa), Ok(Verdict::Pending));
}

/// A key of small order under which one signature fits every message.
#[test]
fn a_key_of_small_order_signs_nothing() {
    let mut point = [0; 32];
    point[0] = 1;
    let account = Account::Solana { cluster: "mainnet".to_owned(), key: point };
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(matches!(
        verify(&account, Scheme::Ed25519, b"anything", &signature),
        Err(SignatureError::Key(_))
    ));
}

#[test]
fn blocks_belong_to_contracts_alone() {
    struct Never;
    impl ContractSignatures for Never {
        fn check(&self, _: &ContractQuestion) -> ContractVerdict {
            panic!("nobody is asked about a plain key, even where it has code")
        }
    }
    let block = BlockRef { chain: 1, number: 1, hash: [0; 32] };
    let account = secret(7).account();
    let signature = secret(7).sign(b"text");
    let check = |block| verify_pinned(&account, Scheme::Eip191, b"text", &signature, block, 1, &Never);
    assert_eq!(check(None), Ok(Verdict::Valid));
    assert_eq!(check(Some(&block)), Err(SignatureError::BlockUnexpected));
}

fn header(login: Option<LoginId>) -> Header {
    let by = secret(7).account();
    let core = Genesis::Private { root: by.clone() }.id();
    let body = body();
    Header {
        v: 1,
        core,
        prev: vec![],
        by,
        login,
        auth: core.as_root(),
        at: Hlc::from_ms(1),
        votes: vec![],
        verb: body.act.verb(),
        body: body.id(),
    }
}

fn body() -> Body {
    Body::new([0; 16], Act::Logout { login: LoginId::of(b"login") })
}

#[test]
fn operations_are_signed_by_the_account_or_by_its_session() {
    let session = SessionKey::from_seed([1; 32]);
    let key = session.public();
    let own = secret(7).sign_op(header(None), &body()).expect("has words");
    assert_eq!(verify_signed(&own, Some(&body()), None, &Unchecked), Ok(Verdict::Valid));
    assert_eq!(verify_signed(&own, Some(&body()), Some(&key), &Unchecked), Err(SignatureError::Session));
    let missing = Err(SignatureError::Words(WordsError::BodyMissing));
    assert_eq!(verify_signed(&own, None, None, &Unchecked), missing, "it says in words what it does");
    let other = Body::new([1; 16], body().act);
    assert_eq!(verify_signed(&own, Some(&other), None, &Unchecked), missing);
    let by_session = session.sign_header(header(Some(LoginId::of(b"login"))));
    assert_eq!(verify_signed(&by_session, None, Some(&key), &Unchecked), Ok(Verdict::Valid));
    assert_eq!(verify_signed(&by_session, None, None, &Unchecked), Err(SignatureError::Session));
    let stranger = SessionKey::from_seed([2; 32]).public();
    assert!(verify_signed(&by_session, None, Some(&stranger), &Unchecked).is_err());
    let stolen = Signed { header: header(None), ..by_session };
    assert!(verify_signed(&stolen, None, None, &Unchecked).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_verifies_and_nothing_beside_it(
        secret in 1_u8..255, message in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let eoa = EoaKey::from_secret(&[secret; 32]).expect("a secret key");
        let session = SessionKey::from_seed([secret; 32]);
        let signatures = [
            (eoa.account(), Scheme::Eip191, eoa.sign(&message).to_vec()),
            (session.account(), Scheme::Ed25519, session.sign(&message).to_vec()),
        ];
        for (account, scheme, signature) in signatures {
            prop_assert_eq!(verify(&account, scheme, &message, &signature), Ok(Verdict::Valid));
            let mut changed = signature.clone();
            changed[at.index(signature.len())] ^= 1 << bit;
            prop_assert!(verify(&account, scheme, &message, &changed).is_err());
            if !message.is_empty() {
                let mut other = message.clone();
                other[at.index(message.len())] ^= 1 << bit;
                prop_assert!(verify(&account, scheme, &other, &signature).is_err());
            }
        }
    }

    #[test]
    fn no_signature_is_made_up(
        kind in 0..3_usize, message in any::<Vec<u8>>(), signature in proptest::collection::vec(any::<u8>(), 60..70),
    ) {
        let signed: Signed = secret(7).sign_op(header(None), &body()).expect("has words");
        let account = [signed.header.by, SessionKey::from_seed([1; 32]).account(), Account::Key(P256)][kind].clone();
        prop_assert!(verify(&account, super::scheme_of(&account), &message, &signature).is_err());
    }
}

/// The generator of P-256.
const P256: PublicKey = PublicKey::P256([
    3, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77,
    0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
]);
