use ipld_core::ipld::Ipld;
use serde::Deserialize;
use serde_json::Value;

use super::{TypedDataError, digest, json};
use crate::{
    Act, Body, EoaKey, Genesis, Header, Hlc, LoginId, OpId, Principal, Scheme, SessionKey, SignatureError,
    Unchecked, Verdict,
    op::Signed,
    signature::verify_signed,
    words::{self, WordsError},
};

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

/// What ethers makes of `typed_data`.
#[derive(Deserialize)]
struct Case {
    typed_data: Value,
    digest: String,
    signature: String,
}

fn wallet() -> EoaKey {
    EoaKey::from_secret(&[7; 32]).expect("a secret key")
}

fn header(body: &Body) -> Header {
    let by = wallet().account();
    let core = Genesis::Private { root: by.clone() }.id();
    Header {
        v: 1,
        core,
        prev: vec![],
        by,
        login: None,
        auth: core.as_root(),
        at: Hlc::from_ms(1_800_000_000_000),
        votes: vec![],
        verb: body.act.verb(),
        body: body.id(),
    }
}

fn grant() -> Body {
    let to = Principal::threshold(2, (1..=3).map(|n| crate::Account::Eoa([n; 20])).collect()).expect("fits");
    let can = ["put content/gr\u{fc}n/**", "put content/\u{202e}x/**"];
    let mut can = can.map(|text| text.parse().expect("an ability")).to_vec();
    can.sort();
    let act = Act::Grant { to, role: Some("\"developer\"\nCore: x".to_owned()), can, wait_ms: None };
    Body::new([1; 16], act)
}

/// A vote on the grant, and the words it is on.
fn vote(approve: bool, carries: bool) -> (Body, String) {
    let what = words::of_proposal(&wallet().account(), &grant()).expect("has words");
    let act = Act::Vote {
        proposal: header(&grant()).proposal(),
        approve,
        shown: words::hash(&what).into(),
        what: carries.then(|| what.clone()),
        expires: Hlc::from_ms(1_800_000_600_000),
    };
    (Body::new([2; 16], act), what)
}

fn cases() -> Vec<(Body, Option<String>)> {
    let (yes, what) = vote(true, false);
    let (no, _) = vote(false, false);
    let seal = Body::new([3; 16], Act::Seal { state: None });
    vec![(grant(), None), (seal, None), (yes, Some(what.clone())), (no, Some(what))]
}

#[test]
fn ethers_makes_the_same_of_it() {
    let vectors = include_str!("../../../../spec/vectors/typed-data.json");
    let vectors: Vectors = serde_json::from_str(vectors).expect("vectors");
    assert_eq!(vectors.cases.len(), cases().len());
    for (case, (body, what)) in vectors.cases.iter().zip(cases()) {
        let header = header(&body);
        let made = json(&header, &body, what.as_deref()).expect("is signed so");
        assert_eq!(made, case.typed_data);
        assert_eq!(
            hex::encode(digest(&header, &body).expect("is signed so")),
            case.digest.trim_start_matches("0x")
        );
        let signed = wallet().sign_typed(header, &body).expect("is signed so");
        assert_eq!(hex::encode(&signed.signature), case.signature.trim_start_matches("0x"));
        assert_eq!(verify_signed(&signed, Some(&body), None, &Unchecked), Ok(Verdict::Valid));
    }
}

#[test]
fn a_vote_is_signed_over_the_words_it_is_on() {
    let (bare, what) = vote(true, false);
    let (carrying, _) = vote(true, true);
    assert_eq!(json(&header(&bare), &bare, None), Err(WordsError::VoteWords.into()));
    assert_eq!(json(&header(&bare), &bare, Some("Clear \"a\".")), Err(TypedDataError::OtherWords));
    let message = json(&header(&carrying), &carrying, None).expect("it brings them");
    assert_eq!(message["message"]["what"], Value::String(what));
    // As a text it must bring them.
    assert_eq!(wallet().sign_op(header(&bare), &bare), Err(WordsError::VoteWords));
    let signed = wallet().sign_op(header(&carrying), &carrying).expect("has words");
    assert_eq!(verify_signed(&signed, Some(&carrying), None, &Unchecked), Ok(Verdict::Valid));
}

#[test]
fn only_what_a_wallet_signs_itself_is_typed_data() {
    let put = Body::new([4; 16], Act::Put { path: "content/a".parse().expect("a path"), value: Ipld::Null });
    assert_eq!(digest(&header(&put), &put), Err(TypedDataError::Put));
    let grant = grant();
    let by_session = Header { login: Some(LoginId::of(b"login")), ..header(&grant) };
    assert_eq!(digest(&by_session, &grant), Err(TypedDataError::Session));
    let other = Body::new([5; 16], grant.act.clone());
    assert_eq!(digest(&header(&grant), &other), Err(TypedDataError::Body));

    let signed = wallet().sign_typed(header(&grant), &grant).expect("is signed so");
    let session = SessionKey::from_seed([1; 32]).public();
    let check = |signed: &Signed, body: Option<&Body>| verify_signed(signed, body, None, &Unchecked);
    assert_eq!(check(&signed, None), Err(WordsError::BodyMissing.into()));
    assert_eq!(check(&signed, Some(&other)), Err(TypedDataError::Body.into()));
    assert_eq!(
        verify_signed(&signed, Some(&grant), Some(&session), &Unchecked),
        Err(TypedDataError::Session.into())
    );
    let as_put = Signed { header: header(&put), ..signed.clone() };
    assert_eq!(check(&as_put, None), Err(TypedDataError::Put.into()));
    assert_eq!(check(&as_put, Some(&put)), Err(TypedDataError::Put.into()));
    let as_text = Signed { scheme: Scheme::Eip191, ..signed.clone() };
    assert!(matches!(
        check(&as_text, Some(&grant)),
        Err(SignatureError::OtherAddress { .. } | SignatureError::Mismatch(_))
    ));
    let by_key = Header { by: SessionKey::from_seed([1; 32]).account(), ..header(&grant) };
    assert!(matches!(
        check(&Signed { header: by_key, ..signed.clone() }, Some(&grant)),
        Err(SignatureError::Scheme { expected: Scheme::Ed25519, given: Scheme::Eip712, .. })
    ));
}

#[test]
fn a_signature_fits_one_operation_and_has_one_spelling() {
    let grant = grant();
    let signed = wallet().sign_typed(header(&grant), &grant).expect("is signed so");
    let check = |signed: &Signed| verify_signed(signed, Some(&grant), None, &Unchecked);
    let core = Genesis::Private { root: crate::Account::Eoa([9; 20]) }.id();
    for header in [
        Header { core, ..signed.header.clone() },
        Header { auth: OpId::from_digest([3; 32]), ..signed.header.clone() },
        Header { at: Hlc::from_ms(1_800_000_000_001), ..signed.header.clone() },
        Header { votes: vec![OpId::from_digest([3; 32])], ..signed.header.clone() },
    ] {
        let moved = Signed { header, ..signed.clone() };
        assert!(matches!(
            check(&moved),
            Err(SignatureError::OtherAddress { .. } | SignatureError::Mismatch(_))
        ));
    }
    // The twin with high `s`.
    let rs = k256::ecdsa::Signature::from_slice(&signed.signature[..64]).expect("a signature");
    let twin = k256::ecdsa::Signature::from_scalars(rs.r(), -rs.s()).expect("a signature");
    let signature = [twin.to_bytes().as_slice(), &[55 - signed.signature[64]]].concat();
    let twin = Signed { signature, ..signed.clone() };
    assert_eq!(check(&twin), Err(SignatureError::HighS));
    let mut short = signed.clone();
    short.signature.pop();
    assert_eq!(check(&short), Err(SignatureError::Length { scheme: Scheme::Eip712, len: 64, expected: 65 }));
    for at in 0..65 {
        let mut changed = signed.clone();
        changed.signature[at] ^= 4;
        assert!(check(&changed).is_err(), "byte {at}");
    }
}
