//! Heirs: named, claiming, waiting, refused.

use super::{DAY_MS, Intent, Refusal, START_MS, World, account, login, put};
use crate::{
    Ability, Account, Act, OpId, Principal, Verb,
    limits::{HEIR_WAIT_MS_MIN, LOGIN_GRACE_MS},
    log::{Entry, HEIR_ROLE},
};

const WAIT_MS: u64 = 30 * DAY_MS;

fn named(to: &Account, wait_ms: u64) -> Act {
    let mut can: Vec<Ability> = [Verb::Read, Verb::Put, Verb::Seal].map(Ability::everywhere).into();
    can.sort_unstable();
    let to = Principal::One(to.clone());
    Act::Grant { to, role: Some(HEIR_ROLE.to_owned()), can, wait_ms: Some(wait_ms) }
}

fn claim_of(root: &Account) -> Act {
    Act::Claim { of: root.clone(), wait_ms: WAIT_MS }
}

/// A private core, its root, an heir, and the grant that names them.
fn world() -> (World, Account, Account, OpId) {
    let (root, heir) = (account(1), account(2));
    let mut world = World::private(&root);
    let given = world.act(&root, named(&heir, WAIT_MS));
    (world, root, heir, given)
}

impl World {
    fn core(&self) -> OpId {
        self.log.core().as_root()
    }

    fn claim(&mut self, heir: &Account) -> OpId {
        let act = self.log.heir_by(heir).expect("is named").claim();
        self.act(heir, act)
    }

    /// A claim made on a fork that knows `prev` alone.
    fn claim_at(&mut self, heir: &Account, given: OpId, prev: OpId, at_ms: u64) -> Entry {
        let act = self.log.heir_by(heir).expect("is named").claim();
        self.fork(Intent::new(heir.clone(), None, act), given, &[prev], at_ms)
    }

    fn may_put(&self, account: &Account) -> bool {
        self.log.may(account, Verb::Put, Some(&"a".parse().expect("a path"))).is_some()
    }
}

#[test]
fn an_heir_claims_waits_and_then_acts() {
    let (mut world, root, heir, given) = world();
    let early = world.fork(Intent::new(heir.clone(), None, put("a")), given, &[given], world.now_ms + 1);
    assert_eq!(world.log.check(&early), Err(Refusal::Wait(given)));
    let first = world.claim(&heir);
    let standing = world.log.heir_by(&heir).expect("is named");
    assert_eq!((standing.claimed, standing.is_over), (world.log.date(&first), false));
    assert!(!world.may_put(&heir) && !world.log.has_part(&heir) && world.log.may_sign(&heir));
    assert!(world.log.session_abilities(&heir).is_empty(), "who waits sees nothing");
    world.now_ms += WAIT_MS - 2_000;
    world.claim(&heir);
    assert!(!world.may_put(&heir), "a second too early");
    world.claim(&heir);
    assert!(world.may_put(&heir) && world.log.heir_by(&heir).is_some_and(|heir| heir.is_over));
    let written = world.act(&heir, put("a"));
    assert!(world.counts(written));
    world.act(&root, Act::Revoke { grant: given, from: None });
    assert!(world.counts(written), "what the revocation knows stays");
    assert!(!world.may_put(&heir) && world.log.heirs().is_empty() && !world.log.may_sign(&heir));
}

#[test]
fn a_claim_follows_nothing_that_would_tell_of_the_owner() {
    let (mut world, root, heir, given) = world();
    let hidden = world.act(&root, put("diary"));
    let act = claim_of(&root);
    let first = world.make(Intent::new(heir.clone(), None, act.clone()));
    assert_eq!(first.header().prev, [given]);
    world.add(&first);
    world.act(&root, put("diary"));
    let second = world.make(Intent::new(heir, None, act));
    assert_eq!(second.header().prev, [first.id()]);
    assert!(world.counts(hidden));
}

#[test]
fn an_heir_cannot_date_the_claim_back_behind_a_sign_of_life() {
    let (mut world, root, heir, given) = world();
    world.now_ms += WAIT_MS + DAY_MS;
    // The root's sign-in names what its side knows.
    let signed_in = login(7, &root, world.now_ms, world.now_ms + DAY_MS, world.log.heads());
    let act = world.make(Intent::new(root.clone(), Some(signed_in), put("b")));
    world.add(&act);
    let claim = world.claim_at(&heir, given, given, START_MS + 5_000);
    world.add(&claim);
    let second = world.claim_at(&heir, given, claim.id(), world.now_ms + 1);
    world.add(&second);
    let escape = Intent::new(heir.clone(), None, put("a"));
    let escape = world.fork(escape, given, &[second.id()], world.now_ms + 2);
    world.add(&escape);
    assert!(!world.counts(claim.id()), "the root's sign-in does not know it");
    assert!(!world.counts(escape.id()) && !world.may_put(&heir));
    // The honest wait begins with the claim that stands.
    let standing = world.log.heir_by(&heir).expect("is named");
    assert_eq!(standing.claimed, world.log.date(&second.id()));
}

#[test]
fn a_claim_that_the_owner_never_saw_ends_with_the_next_sign_of_life() {
    let (mut world, root, heir, given) = world();
    let heads = world.log.heads();
    let claim = world.claim(&heir);
    // Elsewhere the owner seals without knowing of it, and says so only after the heir has acted.
    let at_ms = world.now_ms + LOGIN_GRACE_MS + 1;
    let seal = world.fork(Intent::new(root, None, Act::Seal { state: None }), world.core(), &heads, at_ms);
    world.now_ms += WAIT_MS;
    let second = world.claim(&heir);
    let written = world.act(&heir, put("a"));
    assert!(world.counts(written));
    world.add(&seal);
    assert!(!world.counts(claim) && !world.counts(written) && !world.may_put(&heir));
    assert!(world.counts(second), "this one was dated later: from it on the wait runs");
    assert_eq!(world.log.grant(&given).and_then(|grant| grant.wait_ms), Some(WAIT_MS));
}

#[test]
fn a_refusal_wins_over_an_end_that_it_does_not_know() {
    let (mut world, root, heir, given) = world();
    let claim = world.claim(&heir);
    let refusal = Intent::new(root, None, Act::Revoke { grant: given, from: None });
    world.now_ms += WAIT_MS;
    let core = world.core();
    let refusal = world.fork(refusal, core, &[claim], world.now_ms);
    let end = world.claim(&heir);
    let written = world.act(&heir, put("a"));
    assert!(world.counts(written));
    world.add(&refusal);
    assert!(world.counts(claim) && !world.counts(end) && !world.counts(written));
    assert!(world.log.heirs().is_empty());
}

#[test]
fn the_owner_goes_on_beside_the_heir_and_above_it() {
    let (mut world, root, heir, given) = world();
    world.claim(&heir);
    world.now_ms += WAIT_MS;
    world.act(&root, Act::Seal { state: None });
    assert!(world.log.heir_by(&heir).is_some_and(|heir| heir.claimed.is_some()), "a seal that knows of it");
    world.claim(&heir);
    let (own, other) = (world.act(&heir, put("a")), world.act(&root, put("a")));
    assert!(world.counts(own) && world.counts(other) && world.may_put(&root));
    // An heir who acts closes what has expired, like anybody who may seal.
    let seal = world.act(&heir, Act::Seal { state: None });
    assert!(world.counts(seal));
    let third = account(3);
    for grant in [named(&third, WAIT_MS), super::grant(&third, &["put **"])] {
        let below = Intent { auth: Some(given), ..Intent::new(heir.clone(), None, grant) };
        assert!(world.log.draft(below, [9; 16], world.now_ms).is_err(), "an heir names no heirs");
    }
    let rotate = Act::Rotate { root: Principal::One(heir.clone()) };
    assert!(world.log.draft(Intent::new(heir, None, rotate), [9; 16], world.now_ms).is_err());
}

#[test]
fn each_heir_waits_for_itself() {
    let (mut world, root, heir, given) = world();
    let (other, stranger) = (account(3), account(4));
    let second = world.act(&root, named(&other, HEIR_WAIT_MS_MIN));
    assert_eq!(world.log.heirs().iter().map(|heir| heir.grant.id).collect::<Vec<_>>(), [given, second]);
    world.claim(&other);
    world.now_ms += HEIR_WAIT_MS_MIN;
    world.claim(&other);
    assert!(world.may_put(&other) && !world.may_put(&heir));
    assert!(world.log.heir_by(&heir).is_some_and(|heir| heir.claimed.is_none()));
    assert!(world.log.heir_by(&stranger).is_none() && !world.log.may_sign(&stranger));
    // Naming the same account again begins anew.
    world.act(&root, Act::Revoke { grant: second, from: None });
    world.act(&root, named(&other, HEIR_WAIT_MS_MIN));
    assert!(!world.may_put(&other));
}

#[test]
fn claims_say_what_is_true_and_waits_are_long_enough() {
    let (mut world, root, heir, given) = world();
    let lie = |of: &Account, wait_ms| Act::Claim { of: of.clone(), wait_ms };
    for act in [lie(&root, WAIT_MS - 1), lie(&heir, WAIT_MS)] {
        let lie = world.fork(Intent::new(heir.clone(), None, act), given, &[given], world.now_ms + 1);
        assert_eq!(world.log.check(&lie), Err(Refusal::OtherClaim(given)));
    }
    let core = world.core();
    let own = world.fork(Intent::new(root.clone(), None, claim_of(&root)), core, &[given], world.now_ms + 1);
    assert_eq!(world.log.check(&own), Err(Refusal::NoWait(core)));
    let seal = Intent::new(heir.clone(), None, Act::Seal { state: None });
    let seal = world.fork(seal, given, &[given], world.now_ms + 1);
    assert_eq!(world.log.check(&seal), Err(Refusal::Wait(given)));
    let refused = |act| world.log.draft(Intent::new(root.clone(), None, act), [9; 16], world.now_ms).is_err();
    assert!(refused(named(&heir, HEIR_WAIT_MS_MIN - 1)));
    assert!(!refused(named(&heir, HEIR_WAIT_MS_MIN)));
    assert!(refused(super::grant(&heir, &["put **"])), "a private core has one signer");
}
