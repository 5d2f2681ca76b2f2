//! Passkeys as signers of shared cores: beside others, never alone, and with one verdict everywhere.

use kubelt_core::{
    Account, Act, Body, CheckedLogin, EoaKey, Genesis, Hlc, Intent, Log, Login, LoginError, OpId, PasskeyKey,
    Principal, Refusal, Replica, Scheme, SignIn, Signed, Unchecked, Verb, Verdict,
    log::Entry,
    replica::Taken,
    role::Role,
    signature::{SignatureError, scheme_by, verify_signed},
    sync::Received,
    webauthn::{AssertionError, challenge_for, challenge_of},
    words,
};

const NOW_MS: u64 = 1_800_000_000_000;
const ORIGIN: &str = "https://kubelt.example";
const PARTY: &str = "kubelt.example";

fn wallet(secret: u8) -> EoaKey {
    EoaKey::from_secret(&[secret; 32]).expect("a secret key")
}

fn passkey(secret: u8) -> PasskeyKey {
    PasskeyKey::from_secret(&[secret; 32]).expect("a secret key")
}

fn shared(root: Principal) -> Genesis {
    Genesis::Shared { root, parent: None, name: "acme".to_owned(), nonce: [0; 16] }
}

fn threshold(m: u8, of: &[Account]) -> Principal {
    Principal::threshold(m, of.to_vec()).expect("fits")
}

/// A log, and the operations that made it, each with its body.
struct World {
    log: Log,
    ops: Vec<(Signed, Body)>,
}

impl World {
    fn new(root: Principal) -> Self {
        Self { log: Log::new(shared(root)), ops: Vec::new() }
    }

    fn draft(&self, intent: Intent) -> (kubelt_core::Header, Body) {
        let salt = (self.ops.len() as u128 + 1).to_be_bytes();
        self.log.draft(intent, salt, NOW_MS + 1_000 * self.ops.len() as u64).expect("may")
    }

    fn take(&mut self, signed: Signed, body: Body) -> OpId {
        assert_eq!(verify_signed(&signed, Some(&body), None, &Unchecked), Ok(Verdict::Valid));
        let entry = Entry::new(signed.header.clone(), Some(body.clone()), None).expect("fits together");
        assert!(self.log.insert(&entry, u64::MAX >> 16).expect("is well-formed").effective);
        self.ops.push((signed, body));
        entry.id()
    }

    fn by_wallet(&mut self, key: &EoaKey, intent: Intent) -> OpId {
        let (header, body) = self.draft(intent);
        let signed = key.sign_op(header, &body).expect("has words");
        self.take(signed, body)
    }

    fn by_passkey(&mut self, key: &PasskeyKey, intent: Intent) -> OpId {
        let (header, body) = self.draft(intent);
        let signed = key.sign_op(header, &body, ORIGIN, PARTY).expect("has words");
        self.take(signed, body)
    }
}

fn put(path: &str) -> Act {
    Act::Put { path: path.parse().expect("a path"), value: true.into() }
}

fn grant(to: &Account, role: &str) -> Act {
    let role = Role::named(role).expect("is ready-made");
    let to = Principal::One(to.clone());
    Act::Grant { to, role: Some(role.name.to_owned()), can: role.abilities(), wait_ms: None }
}

#[test]
fn a_passkey_writes_invites_and_votes_and_every_replica_agrees() {
    let (root, key, guest) = (wallet(1), passkey(2), passkey(3));
    let (by, of) = (key.account(), threshold(2, &[root.account(), key.account(), wallet(4).account()]));
    let mut world = World::new(of);
    let proposal = grant(&guest.account(), "developer");
    let (header, body) = {
        // Asked for by the wallet; the passkey's vote tells nobody the words.
        let salt = [9; 16];
        let intent = Intent::new(root.account(), None, proposal.clone());
        let refused = world.log.draft(intent, salt, NOW_MS);
        assert!(refused.is_err(), "two must agree");
        let body = Body::new(salt, proposal.clone());
        let auth = world.log.root_auth();
        (kubelt_core::op::proposal_of(world.log.core(), auth, &root.account(), body.id()), body)
    };
    let vote = Act::Vote {
        proposal: header,
        approve: true,
        shown: words::shown(&root.account(), &body).expect("has words").into(),
        what: None,
        expires: Hlc::from_ms(NOW_MS + 60_000_000),
    };
    let vote = world.by_passkey(&key, Intent::new(by.clone(), None, vote));
    let auth = Some(world.log.root_auth());
    let intent = Intent { auth, votes: vec![vote], ..Intent::new(root.account(), None, proposal) };
    let (header, body) = world.log.draft(intent, [9; 16], NOW_MS + 5_000).expect("two agree");
    let granted = world.take(root.sign_op(header, &body).expect("has words"), body);
    let written = world.by_passkey(&guest, Intent::new(guest.account(), None, put("content/a")));
    assert!(world.log.is_effective(&granted) && world.log.is_effective(&written));
    // In any order, and with the twin of a signature among them, which is nothing.
    for reversed in [false, true] {
        let mut replica = Replica::new(world.log.genesis().clone());
        let mut ops = world.ops.clone();
        if reversed {
            ops.reverse();
        }
        for (signed, body) in ops {
            let op = |signed| Received { signed, login: None, body: Some(body.clone()) };
            if signed.scheme == Scheme::Webauthn {
                let twin = replica.take(op(twin(&signed)), NOW_MS + 60_000, &Unchecked);
                assert!(twin.is_err(), "{twin:?}");
            }
            let taken = replica.take(op(signed), NOW_MS + 60_000, &Unchecked).expect("is good");
            assert!(matches!(taken, Taken::In | Taken::Waits));
        }
        assert_eq!(replica.log().heads(), world.log.heads());
        assert!(replica.log().ops().all(|(_, _, _, effective)| effective));
    }
}

/// The same operation, with the other `s` that fits its signature.
fn twin(signed: &Signed) -> Signed {
    let mut assertion = kubelt_core::webauthn::Assertion::decode(&signed.signature).expect("is one");
    let rs = p256::ecdsa::Signature::from_slice(assertion.signature.as_slice()).expect("scalars");
    let s = -*rs.s();
    let high = p256::ecdsa::Signature::from_scalars(*rs.r(), s).expect("scalars");
    assertion.signature = <[u8; 64]>::from(high.to_bytes()).into();
    Signed { signature: assertion.encode(), ..signed.clone() }
}

#[test]
fn passkeys_alone_are_the_root_of_no_core_of_several_people() {
    let [one, two] = [passkey(1).account(), passkey(2).account()];
    let [eve, bob] = [wallet(3).account(), wallet(4).account()];
    for (root, good) in [
        (Principal::One(one.clone()), false),
        (Principal::One(eve.clone()), true),
        (threshold(1, &[one.clone(), eve.clone()]), false),
        (threshold(2, &[one.clone(), eve.clone()]), true),
        (threshold(2, &[one.clone(), two.clone(), eve.clone()]), false),
        (threshold(3, &[one.clone(), two.clone(), eve.clone()]), true),
        (threshold(2, &[one.clone(), eve.clone(), bob.clone()]), true),
        (threshold(2, &[one.clone(), two.clone()]), false),
        (threshold(1, &[eve.clone(), bob.clone()]), true),
    ] {
        assert_eq!(root.is_of_passkeys(), !good, "{root:?}");
        assert_eq!(Genesis::decode(&shared(root.clone()).encode()).is_ok(), good, "{root:?}");
        let world = World::new(Principal::One(eve.clone()));
        let rotate = Intent::new(eve.clone(), None, Act::Rotate { root });
        let drafted = world.log.draft(rotate, [1; 16], NOW_MS);
        match good {
            true => assert!(drafted.is_ok()),
            false => assert_eq!(drafted, Err(Refusal::Passkeys.into())),
        }
    }
    // One's own core is one's own, whatever one signs with.
    assert!(Genesis::decode(&Genesis::Private { root: one.clone() }.encode()).is_ok());
    // Below the root a passkey is a member like any other.
    let mut world = World::new(Principal::One(eve.clone()));
    let given = world.by_wallet(&wallet(3), Intent::new(eve, None, grant(&one, "owner")));
    let invited = world.by_passkey(&passkey(1), Intent::new(one.clone(), None, grant(&bob, "reader")));
    assert!(world.log.is_effective(&given) && world.log.is_effective(&invited));
    assert!(world.log.may(&one, Verb::Rotate, None).is_none());
}

#[test]
fn an_assertion_is_good_for_one_operation_in_one_place() {
    let (root, key) = (wallet(1), passkey(2));
    let mut world = World::new(Principal::One(root.account()));
    world.by_wallet(&root, Intent::new(root.account(), None, grant(&key.account(), "developer")));
    let intent = |path| Intent::new(key.account(), None, put(path));
    let (header, body) = world.draft(intent("content/a"));
    let signed = key.sign_op(header.clone(), &body, ORIGIN, PARTY).expect("is made");
    assert_eq!(verify_signed(&signed, None, None, &Unchecked), Ok(Verdict::Valid), "a put needs no body");
    let (other, other_body) = world.draft(intent("content/b"));
    let moved = Signed { header: other, ..signed.clone() };
    let found = verify_signed(&moved, Some(&other_body), None, &Unchecked);
    assert_eq!(found, Err(AssertionError::Challenge.into()));
    let elsewhere = key.sign_op(header.clone(), &body, "https://evil.example", PARTY).expect("is made");
    let found = verify_signed(&elsewhere, Some(&body), None, &Unchecked);
    assert!(matches!(found, Err(SignatureError::Assertion(AssertionError::Origin(_)))), "{found:?}");
    // A session's key signs what it signs itself.
    let login = Some(kubelt_core::LoginId::of(b"login"));
    let session = Signed { header: kubelt_core::Header { login, ..header.clone() }, ..signed.clone() };
    let Account::Key(public) = key.account() else { panic!("a key") };
    let found = verify_signed(&session, Some(&body), Some(&public), &Unchecked);
    assert_eq!(found, Err(SignatureError::Session));
    let block = Some(kubelt_core::BlockRef { chain: 1, number: 1, hash: [0; 32] });
    let found = verify_signed(&Signed { block, ..signed.clone() }, Some(&body), None, &Unchecked);
    assert_eq!(found, Err(SignatureError::BlockUnexpected));
    // What needs words needs its body, and is bound to them.
    let revoke = grant(&wallet(5).account(), "reader");
    let (header, body) =
        world.log.draft(Intent::new(root.account(), None, revoke), [7; 16], NOW_MS + 9_000).expect("may");
    let challenge = challenge_for(&header, Some(&body)).expect("has words");
    assert!(challenge_for(&header, None).is_err());
    assert_ne!(
        challenge,
        challenge_of(Signed::signing_text(&header, Some(&body)).expect("has words").as_bytes())
    );
}

#[test]
fn a_passkey_signs_in_where_it_was_asked_and_nowhere_else() {
    let key = passkey(2);
    let session = kubelt_core::SessionKey::from_seed([1; 32]).public();
    let sign_in = |domain: &str| {
        SignIn {
            scheme: None,
            domain: domain.to_owned(),
            account: key.account(),
            chain_id: 1,
            session,
            nonce: "0123456789abcdef".to_owned(),
            issued_at_ms: NOW_MS,
            expires_ms: NOW_MS + 60_000,
            abilities: Default::default(),
            heads: Default::default(),
            held_by_node: false,
        }
        .message()
        .expect("makes a message")
    };
    let login = |domain: &str, origin: &str, party: &str| {
        let message = sign_in(domain);
        let signature = key.assert(&challenge_of(message.as_bytes()), origin, party).encode();
        let scheme = scheme_by(&key.account(), &signature);
        CheckedLogin::check(&Login::new(message, scheme, signature, None), &Unchecked)
    };
    let good = login("kubelt.example", ORIGIN, PARTY).expect("signs in").valid().expect("is known");
    assert_eq!(good.account, key.account());
    assert!(login("localhost:4747", "http://localhost:4747", "localhost").is_ok());
    for (domain, origin) in [
        ("kubelt.example", "https://www.kubelt.example"),
        ("www.kubelt.example", ORIGIN),
        ("kubelt.example", "https://kubelt.example:8443"),
    ] {
        let refused = login(domain, origin, PARTY);
        assert!(matches!(refused, Err(LoginError::Origin { .. })), "{refused:?}");
    }
    let refused = login("evil.example", "https://evil.example", PARTY);
    assert!(matches!(refused, Err(LoginError::Signature(SignatureError::Assertion(_)))), "{refused:?}");
}
