use std::collections::BTreeMap;

use cid::Cid;

use super::{
    Ask, FRAME_HEAD_BYTES, FrameError, FrameHead, Hello, Kind, Open, Proof, ProofError, Published, Shown,
    ShownParts, Statement, Want,
};
use crate::{
    Ability, CoreId, EoaKey, Genesis, Login, Scheme, SessionKey, SignIn, Unchecked, Verb,
    limits::{
        ASK_OPS_MAX, BODY_BYTES_MAX, LOGIN_BYTES_MAX, PROOF_AGE_MS_MAX, PUBLISHED_IDS_MAX, SIGNED_BYTES_MAX,
        WANTS_MAX,
    },
};

const NOW_MS: u64 = 1_800_000_000_000;

struct World {
    core: CoreId,
    login: Login,
    key: SessionKey,
    from: SessionKey,
    to: SessionKey,
    nonce: [u8; 32],
}

impl World {
    fn new(abilities: &[&str]) -> Self {
        let wallet = EoaKey::from_secret(&[7; 32]).expect("a fixed key");
        let core = Genesis::Private { root: wallet.account() }.id();
        let key = SessionKey::from_seed([1; 32]);
        let mut abilities: Vec<Ability> =
            abilities.iter().map(|text| text.parse().expect("an ability")).collect();
        abilities.sort();
        let message = SignIn {
            scheme: None,
            domain: "localhost".to_owned(),
            account: wallet.account(),
            chain_id: 1,
            session: key.public(),
            nonce: "abcdefgh1".to_owned(),
            issued_at_ms: NOW_MS - 1_000,
            expires_ms: NOW_MS + 3_600_000,
            abilities: BTreeMap::from([(core, abilities)]),
            heads: BTreeMap::new(),
            held_by_node: true,
        };
        let message = message.message().expect("a message");
        let signature = wallet.sign(message.as_bytes()).to_vec();
        let login = Login::new(message, Scheme::Eip191, signature, None);
        let (from, to) = (SessionKey::from_seed([2; 32]), SessionKey::from_seed([3; 32]));
        Self { core, login, key, from, to, nonce: [9; 32] }
    }

    fn proof(&self, at_ms: u64) -> Proof {
        let (from, to) = (self.from.public(), self.to.public());
        let (nonce, core, login) = (&self.nonce, self.core, self.login.id());
        let statement = Statement { from: &from, to: &to, nonce, core, login, at_ms };
        Proof::sign(self.login.encode(), &self.key, &statement)
    }

    fn check(&self, proof: &Proof, now_ms: u64) -> Result<(), ProofError> {
        let (from, to) = (self.from.public(), self.to.public());
        proof.check(self.core, &from, &to, &self.nonce, now_ms, &Unchecked).map(drop)
    }
}

#[test]
fn a_proof_is_good_for_one_connection_one_core_and_a_short_while() {
    let world = World::new(&["replicate **"]);
    let proof = world.proof(NOW_MS);
    world.check(&proof, NOW_MS).expect("is good");
    world.check(&proof, NOW_MS + PROOF_AGE_MS_MAX).expect("is good still");
    assert!(matches!(world.check(&proof, NOW_MS + PROOF_AGE_MS_MAX + 1), Err(ProofError::Date)));
    assert!(matches!(world.check(&proof, NOW_MS - 2_000), Err(ProofError::Date)), "before the sign-in");
    assert!(matches!(
        world.check(&world.proof(NOW_MS + 3_600_000), NOW_MS + 3_600_000),
        Err(ProofError::Date)
    ));
    let (from, to) = (world.from.public(), world.to.public());
    let other = CoreId::of(b"another");
    let elsewhere = [
        proof.check(world.core, &to, &from, &world.nonce, NOW_MS, &Unchecked),
        proof.check(world.core, &from, &from, &world.nonce, NOW_MS, &Unchecked),
        proof.check(world.core, &from, &to, &[8; 32], NOW_MS, &Unchecked),
    ];
    assert!(elsewhere.iter().all(|result| matches!(result, Err(ProofError::Signature(_)))));
    assert!(matches!(
        proof.check(other, &from, &to, &world.nonce, NOW_MS, &Unchecked),
        Err(ProofError::Ability)
    ));
    let redated = Proof { at_ms: NOW_MS + 1, ..proof.clone() };
    assert!(matches!(world.check(&redated, NOW_MS), Err(ProofError::Signature(_))));
    let mut forged = proof;
    forged.login[10] ^= 1;
    assert!(world.check(&forged, NOW_MS).is_err());
}

#[test]
fn a_sign_in_that_may_not_replicate_proves_nothing() {
    let world = World::new(&["read **", "put **"]);
    assert!(matches!(world.check(&world.proof(NOW_MS), NOW_MS), Err(ProofError::Ability)));
    assert!(Verb::Replicate.session_may());
}

#[test]
fn heads_of_frames_are_read_as_they_were_written() {
    for kind in Kind::ALL {
        let of_connection = matches!(kind, Kind::Hello | Kind::Ping | Kind::Pong);
        let channel = if of_connection { 0 } else { 7 };
        for len in [0, kind.bytes_max()] {
            let head = FrameHead { len, channel, kind };
            assert_eq!(FrameHead::decode(&head.encode()), Ok(head));
        }
        let over = FrameHead { len: kind.bytes_max() + 1, channel, kind };
        assert!(matches!(FrameHead::decode(&over.encode()), Err(FrameError::TooLong { .. })), "{kind:?}");
        let astray = FrameHead { len: 0, channel: 7 - channel, kind };
        assert!(matches!(FrameHead::decode(&astray.encode()), Err(FrameError::Channel { .. })), "{kind:?}");
    }
    assert_eq!(FrameHead::decode(&[0, 0, 0, 0, 0, 0, 0, 1, 99]), Err(FrameError::Kind(99)));
    assert_eq!(FRAME_HEAD_BYTES, 9);
}

#[test]
fn messages_are_read_as_they_were_written_and_no_longer_than_they_may_be() {
    let world = World::new(&["replicate **"]);
    let open = Open { core: world.core, live: true, proof: Some(world.proof(NOW_MS)) };
    assert_eq!(Open::decode(&open.encode()).expect("is read"), open);
    let hello = Hello { v: 1, nonce: [5; 32] };
    assert_eq!(Hello::decode(&hello.encode()).expect("is read"), hello);
    assert!(Hello::decode(&Hello { v: 0, nonce: [5; 32] }.encode()).is_err());
    let cid: Cid = world.core.cid();
    for (count, good) in [(0, false), (1, true), (WANTS_MAX, true), (WANTS_MAX + 1, false)] {
        let want = Want { cids: vec![cid; count] };
        assert_eq!(Want::decode(&want.encode()).is_ok(), good, "{count}");
    }
    let payload = [cid.to_bytes(), b"data".to_vec()].concat();
    assert_eq!(super::read_block(&payload), Ok((cid, b"data".as_slice())));
    assert_eq!(super::read_block(&payload[..20]), Err(FrameError::Cid));
}

#[test]
fn what_mirrors_are_told_has_limits() {
    let ops = |count: usize| vec![CoreId::of(b"one").as_root(); count];
    let published = |open, closed| Published { open: ops(open), closed: ops(closed), more: false };
    let full = published(PUBLISHED_IDS_MAX / 2, PUBLISHED_IDS_MAX / 2);
    assert!(full.encode().len() <= Kind::Published.bytes_max());
    assert_eq!(Published::decode(&full.encode()).expect("is one"), full);
    Published::decode(&published(PUBLISHED_IDS_MAX / 2 + 1, PUBLISHED_IDS_MAX / 2).encode())
        .expect_err("too many");
    Published::decode(&published(0, 0).encode()).expect("nothing is open");
    let ask = Ask { ops: ops(ASK_OPS_MAX) };
    assert_eq!(Ask::decode(&ask.encode()).expect("is one"), ask);
    for count in [0, ASK_OPS_MAX + 1] {
        Ask::decode(&Ask { ops: ops(count) }.encode()).expect_err("too few or too many");
    }
    let shown = |signed, body, login| {
        let block = |len: usize| vec![0; len].into();
        let parts = ShownParts { signed: block(signed), body: block(body), login: Some(block(login)) };
        Shown { op: CoreId::of(b"one").as_root(), parts: Some(parts) }
    };
    let largest = shown(SIGNED_BYTES_MAX, BODY_BYTES_MAX, LOGIN_BYTES_MAX);
    assert!(largest.encode().len() <= Kind::Shown.bytes_max());
    assert_eq!(Shown::decode(&largest.encode()).expect("is one"), largest);
    for (signed, body, login) in
        [(SIGNED_BYTES_MAX + 1, 1, 1), (1, BODY_BYTES_MAX + 1, 1), (1, 1, LOGIN_BYTES_MAX + 1)]
    {
        Shown::decode(&shown(signed, body, login).encode()).expect_err("too large");
    }
}
