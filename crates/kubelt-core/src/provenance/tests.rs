use super::{Authority, Proof, ProofOp, ProvenanceError};
use crate::{
    Ability, Account, Act, Body, ContentEntry, CoreId, EoaKey, Genesis, Header, Hlc, OpId, PathPattern,
    Principal, Scheme, Signed, Verb, Visibility, words,
};

const NOW_MS: u64 = 1_800_000_000_000;

fn wallet(seed: u8) -> EoaKey {
    EoaKey::from_secret(&[seed; 32]).expect("a key")
}

fn account(seed: u8) -> Account {
    wallet(seed).account()
}

fn shared(root: Principal) -> Genesis {
    Genesis::Shared { root, parent: None, name: "acme".to_owned(), nonce: [0; 16] }
}

/// An operation by the wallet of a seed.
fn op(core: CoreId, by: u8, auth: OpId, at_ms: u64, votes: &[OpId], act: Act) -> (OpId, ProofOp) {
    let body = Body::new([by; 16], act);
    let mut votes = votes.to_vec();
    votes.sort();
    let header = Header {
        v: 1,
        core,
        prev: Vec::new(),
        by: account(by),
        login: None,
        auth,
        at: Hlc::from_ms(at_ms),
        votes,
        verb: body.act.verb(),
        body: body.id(),
    };
    let id = header.id();
    // A vote that is signed as typed data names its words by their hash alone.
    if matches!(body.act, Act::Vote { .. }) {
        let signed = wallet(by).sign_typed(header, &body).expect("votes are typed data");
        return (id, ProofOp { signed: signed.encode().into(), body: body.encode().into() });
    }
    let text = Signed::signing_text(&header, Some(&body)).expect("has words");
    let signature = wallet(by).sign(text.as_bytes()).to_vec();
    let signed = Signed { header, scheme: Scheme::Eip191, signature, block: None };
    (id, ProofOp { signed: signed.encode().into(), body: body.encode().into() })
}

fn put(path: &str) -> Act {
    let entry = ContentEntry::new(CoreId::of(b"x").cid(), 7, "text/plain", Visibility::Public);
    Act::Put { path: path.parse().expect("a path"), value: entry.to_ipld() }
}

fn grant(to: u8, can: &[(Verb, &str)]) -> Act {
    let ability = |(verb, paths): &(Verb, &str)| Ability {
        verb: *verb,
        paths: if paths.is_empty() { PathPattern::All } else { paths.parse().expect("a pattern") },
    };
    let mut can: Vec<Ability> = can.iter().map(ability).collect();
    can.sort();
    Act::Grant { to: Principal::One(account(to)), role: Some("press".to_owned()), can, wait_ms: None }
}

fn check(genesis: &Genesis, put: ProofOp, chain: Vec<ProofOp>) -> Result<super::Provenance, ProvenanceError> {
    let proof = Proof::new(genesis.encode(), put, chain, Vec::new());
    Proof::decode(&proof.encode()).expect("comes back").check()
}

#[track_caller]
fn refused(result: Result<super::Provenance, ProvenanceError>) {
    assert!(matches!(result, Err(ProvenanceError::NotAllowed { .. })), "{result:?}");
}

#[test]
fn a_private_core_shows_its_owner() {
    let genesis = Genesis::Private { root: account(1) };
    let core = genesis.id();
    let (id, made) = op(core, 1, core.as_root(), NOW_MS, &[], put("content/a"));
    let shown = check(&genesis, made.clone(), Vec::new()).expect("good");
    assert_eq!((shown.core, shown.op, shown.by), (core, id, account(1)));
    assert!(shown.at.starts_with("2027-01-15T08:00:00"), "{}", shown.at);
    assert_eq!((shown.path.as_str(), shown.chain.len(), shown.session), ("content/a", 0, None));
    refused(check(&genesis, op(core, 2, core.as_root(), NOW_MS, &[], put("content/a")).1, Vec::new()));
    refused(check(&Genesis::Private { root: account(2) }, made.clone(), Vec::new()));
    let (_, other) = op(core, 1, core.as_root(), NOW_MS, &[], put("content/b"));
    let swapped = ProofOp { signed: made.signed.clone(), body: other.body };
    assert!(matches!(check(&genesis, swapped, Vec::new()), Err(ProvenanceError::Op { .. })));
    let mut forged = made;
    let last = forged.signed.len() - 3;
    forged.signed[last] ^= 1;
    assert!(check(&genesis, forged, Vec::new()).is_err());
    let (_, no_content) = op(core, 1, core.as_root(), NOW_MS, &[], grant(2, &[(Verb::Put, "")]));
    assert!(matches!(check(&genesis, no_content, Vec::new()), Err(ProvenanceError::NotContent(_))));
}

#[test]
fn authority_is_traced_to_the_root_and_only_narrows() {
    let genesis = shared(Principal::One(account(1)));
    let core = genesis.id();
    let whole: &[(Verb, &str)] = &[(Verb::Grant, ""), (Verb::Put, "content/press/**")];
    let (first, a) = op(core, 1, core.as_root(), NOW_MS, &[], grant(2, whole));
    let (second, b) = op(core, 2, first, NOW_MS + 1, &[], grant(3, &[(Verb::Put, "content/press/**")]));
    let write = |by, auth, path: &str| op(core, by, auth, NOW_MS + 2, &[], put(path)).1;
    let shown =
        check(&genesis, write(3, second, "content/press/a"), vec![b.clone(), a.clone()]).expect("good");
    let role = Some("press".to_owned());
    let expected = [
        Authority { id: second, by: account(2), role: role.clone() },
        Authority { id: first, by: account(1), role },
    ];
    assert_eq!(shown.chain, expected);
    let chain = || vec![a.clone(), b.clone()];
    refused(check(&genesis, write(3, second, "content/other"), chain()));
    refused(check(&genesis, write(4, second, "content/press/a"), chain()));
    refused(check(&genesis, write(3, core.as_root(), "content/press/a"), chain()));
    let left_out = check(&genesis, write(3, second, "content/press/a"), vec![b.clone()]);
    assert!(matches!(left_out, Err(ProvenanceError::Missing(id)) if id == first));
    // Who has not what is handed on.
    let (wide, c) = op(core, 2, first, NOW_MS + 1, &[], grant(3, &[(Verb::Put, "")]));
    refused(check(&genesis, write(3, wide, "content/press/a"), vec![a.clone(), c]));
    // A grant that is younger than what rests on it.
    let (late, d) = op(core, 1, core.as_root(), NOW_MS + 9, &[], grant(3, &[(Verb::Put, "")]));
    refused(check(&genesis, write(3, late, "content/press/a"), vec![d]));
}

#[test]
fn where_several_must_agree_their_votes_are_counted() {
    let both = Principal::threshold(2, vec![account(1), account(2)]).expect("fits");
    let genesis = shared(both);
    let core = genesis.id();
    let (_, alone) = op(core, 1, core.as_root(), NOW_MS + 5, &[], put("content/a"));
    let body = Body::new([1; 16], put("content/a"));
    let proposal = crate::op::proposal_of(core, core.as_root(), &account(1), body.id());
    let vote = |by, shown: [u8; 32]| {
        let expires = Hlc::from_ms(NOW_MS + 100);
        let act = Act::Vote { proposal, approve: true, shown: shown.into(), what: None, expires };
        op(core, by, core.as_root(), NOW_MS, &[], act)
    };
    let shown = words::shown(&account(1), &body).expect("has words");
    let with = |by, shown| {
        let (id, vote) = vote(by, shown);
        let (_, put) = op(core, 1, core.as_root(), NOW_MS + 5, &[id], put("content/a"));
        check(&genesis, put, vec![vote])
    };
    assert_eq!(with(2, shown).expect("both agree").voters, [account(2)]);
    refused(check(&genesis, alone, Vec::new()));
    refused(with(1, shown));
    refused(with(3, shown));
    refused(with(2, [0; 32]));
}

#[test]
fn what_is_no_proof_is_refused() {
    let genesis = Genesis::Private { root: account(1) };
    let core = genesis.id();
    let (_, made) = op(core, 1, core.as_root(), NOW_MS, &[], put("content/a"));
    let mut proof = Proof::new(genesis.encode(), made.clone(), Vec::new(), Vec::new());
    proof.kind = "kubelt-core".to_owned();
    assert!(matches!(Proof::decode(&proof.encode()), Err(ProvenanceError::Kind)));
    let many = vec![made.clone(); crate::limits::PROVENANCE_OPS_MAX + 1];
    let proof = Proof::new(genesis.encode(), made, many, Vec::new());
    assert!(matches!(Proof::decode(&proof.encode()), Err(ProvenanceError::TooMany)));
    for bytes in [&b""[..], b"\xa0", b"text"] {
        assert!(matches!(Proof::decode(bytes), Err(ProvenanceError::Decode(_))));
    }
}
