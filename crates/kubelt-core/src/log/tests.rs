mod heirs;

use std::sync::Arc;

use ipld_core::ipld::Ipld;

use super::{Entry, Intent, Log, LoginFacts, Refusal};
use crate::{
    Ability, Account, Act, Genesis, Hlc, LoginId, OpId, Principal, Verb,
    limits::{CLOCK_AHEAD_MS_MAX, GRANT_DEPTH_MAX, LOGIN_GRACE_MS, PREV_MAX, WAITING_OPS_MAX},
};

const START_MS: u64 = 1_700_000_000_000;
const DAY_MS: u64 = 86_400_000;

/// One core, with a clock that moves one second with every operation and a salt that never repeats.
struct World {
    log: Log,
    now_ms: u64,
    salt: u128,
}

impl World {
    fn shared(root: Principal) -> Self {
        Self::of(Genesis::Shared { root, parent: None, name: "test".to_owned(), nonce: [0; 16] })
    }

    fn private(root: &Account) -> Self {
        Self::of(Genesis::Private { root: root.clone() })
    }

    fn of(genesis: Genesis) -> Self {
        Self { log: Log::new(genesis), now_ms: START_MS, salt: 0 }
    }

    fn make(&mut self, intent: Intent) -> Entry {
        self.now_ms += 1_000;
        self.salt += 1;
        let login = intent.login.clone();
        let (header, body) = self.log.draft(intent, self.salt.to_be_bytes(), self.now_ms).expect("may");
        Entry::new(header, Some(body), login).expect("fits together")
    }

    /// The same act, but following only `prev` and dated `at_ms`.
    fn fork(&mut self, intent: Intent, auth: OpId, prev: &[OpId], at_ms: u64) -> Entry {
        self.salt += 1;
        let Intent { by, login, act, votes, .. } = intent;
        let body = crate::Body::new(self.salt.to_be_bytes(), act);
        let mut prev = prev.to_vec();
        prev.sort_unstable();
        let header = crate::Header {
            v: 1,
            core: self.log.core(),
            prev,
            by,
            login: login.as_ref().map(|login| login.id),
            auth,
            at: Hlc::from_ms(at_ms),
            votes,
            verb: body.act.verb(),
            body: body.id(),
        };
        Entry::new(header, Some(body), login).expect("fits together")
    }

    fn add(&mut self, entry: &Entry) -> Vec<(OpId, bool)> {
        let inserted = self.log.insert(entry, u64::MAX >> 16).expect("well-formed");
        self.check_scratch();
        inserted.changes
    }

    fn act(&mut self, by: &Account, act: Act) -> OpId {
        let entry = self.make(Intent::new(by.clone(), None, act));
        self.add(&entry);
        entry.id()
    }

    /// The quick way and judging everything anew agree.
    fn check_scratch(&mut self) {
        assert_eq!(self.log.evaluate_all(), vec![]);
    }

    fn counts(&self, id: OpId) -> bool {
        self.log.is_effective(&id)
    }
}

fn account(n: u8) -> Account {
    Account::Eoa([n; 20])
}

fn put(path: &str) -> Act {
    Act::Put { path: path.parse().expect("a path"), value: Ipld::Bool(true) }
}

fn grant(to: &Account, can: &[&str]) -> Act {
    let mut can: Vec<Ability> = can.iter().map(|text| text.parse().expect("an ability")).collect();
    can.sort();
    Act::Grant { to: Principal::One(to.clone()), role: None, can, wait_ms: None }
}

fn login(n: u8, by: &Account, issued_ms: u64, expires_ms: u64, heads: Vec<OpId>) -> Arc<LoginFacts> {
    Arc::new(LoginFacts {
        id: LoginId::from_digest([n; 32]),
        account: by.clone(),
        abilities: vec![Ability::everywhere(Verb::Put), Ability::everywhere(Verb::Vote)],
        issued_ms,
        from_ms: issued_ms,
        expires_ms,
        heads,
    })
}

#[test]
fn a_member_writes_until_it_is_removed_and_its_fork_counts_for_nothing() {
    let (root, member) = (account(1), account(2));
    let mut world = World::shared(Principal::One(root.clone()));
    let given = world.act(&root, grant(&member, &["put content/**"]));
    let known = world.act(&member, put("content/a"));
    let late = world.make(Intent::new(member.clone(), None, put("content/b")));
    world.act(&root, Act::Revoke { grant: given, from: None });
    let backdated =
        world.fork(Intent::new(member.clone(), None, put("content/c")), given, &[given], START_MS + 1_500);
    assert!(world.counts(known));
    for escape in [&late, &backdated] {
        world.add(escape);
        assert!(!world.counts(escape.id()));
    }
    assert_eq!(world.log.may(&member, Verb::Put, Some(&"content/a".parse().expect("a path"))), None);
    assert_eq!(world.log.grants().count(), 0);
}

#[test]
fn a_revocation_from_a_fork_voids_what_it_does_not_know() {
    let (root, member) = (account(1), account(2));
    let mut world = World::shared(Principal::One(root.clone()));
    let given = world.act(&root, grant(&member, &["put content/**"]));
    let known = world.act(&member, put("content/a"));
    let unknown = world.act(&member, put("content/b"));
    let at_ms = world.now_ms + 1;
    let genesis = world.log.core().as_root();
    let revoke = world.fork(
        Intent::new(root, None, Act::Revoke { grant: given, from: None }),
        genesis,
        &[known],
        at_ms,
    );
    assert_eq!(world.add(&revoke), vec![(unknown, false)]);
    assert!(world.counts(known));
}

#[test]
fn a_grant_only_narrows() {
    let (root, admin, member) = (account(1), account(2), account(3));
    let mut world = World::shared(Principal::One(root.clone()));
    let given = world.act(&root, grant(&admin, &["grant **", "put content/**"]));
    let wide = world.fork(
        Intent::new(admin.clone(), None, grant(&member, &["put **"])),
        given,
        &world.log.heads(),
        world.now_ms + 1,
    );
    assert!(matches!(world.log.check(&wide), Err(Refusal::Delegation(_))));
    world.act(&admin, grant(&member, &["put content/blog/**"]));
    let path = |text: &str| text.parse().expect("a path");
    assert!(world.log.may(&member, Verb::Put, Some(&path("content/blog/a"))).is_some());
    assert_eq!(world.log.may(&member, Verb::Put, Some(&path("content/a"))), None);
    assert_eq!(world.log.may(&member, Verb::Grant, None), None);
}

#[test]
fn a_private_core_has_one_signer() {
    let (root, other) = (account(1), account(2));
    let mut world = World::private(&root);
    world.act(&root, put("content/a"));
    let genesis = world.log.core().as_root();
    let second = world.fork(Intent::new(other.clone(), None, put("content/a")), genesis, &[], START_MS);
    assert!(matches!(world.log.check(&second), Err(Refusal::NotHolder { .. })));
    let member = world.fork(Intent::new(root, None, grant(&other, &["put **"])), genesis, &[], START_MS);
    assert_eq!(world.log.check(&member), Err(Refusal::PrivateCore));
}

#[test]
fn an_operation_waits_for_what_it_follows_and_for_its_date() {
    let root = account(1);
    let mut world = World::private(&root);
    let genesis = world.log.core().as_root();
    let first = world.fork(Intent::new(root.clone(), None, put("content/a")), genesis, &[], START_MS);
    let second = world.fork(Intent::new(root, None, put("content/a")), genesis, &[first.id()], START_MS + 1);
    let lacks = Refusal::UnknownPrev(vec![first.id()]);
    assert_eq!(world.log.insert(&second, START_MS), Err(lacks));
    let early_ms = START_MS - CLOCK_AHEAD_MS_MAX;
    assert_eq!(world.log.insert(&first, early_ms - 1), Err(Refusal::Ahead { until_ms: early_ms }));
    assert!(world.log.insert(&first, early_ms).expect("not too far ahead").effective);
    assert!(world.log.insert(&second, START_MS).expect("known").effective);
}

#[test]
fn a_seal_closes_expired_sign_ins_for_what_it_does_not_know() {
    let root = account(1);
    let mut world = World::private(&root);
    let session = login(7, &root, START_MS, START_MS + DAY_MS, vec![]);
    let intent = || Intent::new(root.clone(), Some(Arc::clone(&session)), put("content/a"));
    let first = world.make(intent());
    world.add(&first);
    world.now_ms = START_MS + DAY_MS + LOGIN_GRACE_MS + 1_000;
    world.act(&root, Act::Seal { state: None });
    let genesis = world.log.core().as_root();
    let late = world.fork(intent(), genesis, &[first.id()], START_MS + 5_000);
    world.add(&late);
    assert!(world.counts(first.id()) && !world.counts(late.id()));
}

#[test]
fn a_sign_in_is_a_seal_of_the_heads_it_names() {
    let root = account(1);
    let mut world = World::private(&root);
    let old = login(7, &root, START_MS, START_MS + DAY_MS, vec![]);
    let intent =
        |login: &Arc<LoginFacts>| Intent::new(root.clone(), Some(Arc::clone(login)), put("content/a"));
    let known = world.make(intent(&old));
    world.add(&known);
    let unknown = world.make(intent(&old));
    world.add(&unknown);
    let issued_ms = START_MS + DAY_MS + LOGIN_GRACE_MS + 1;
    let new = login(8, &root, issued_ms, issued_ms + DAY_MS, vec![known.id()]);
    world.now_ms = issued_ms;
    let after = world.make(intent(&new));
    assert_eq!(world.add(&after), vec![(unknown.id(), false)]);
    assert!(world.counts(known.id()) && world.counts(after.id()));
}

#[test]
fn two_of_three_agree_or_nothing_happens() {
    let of: Vec<Account> = (1..=3).map(account).collect();
    let root = Principal::threshold(2, of.clone()).expect("fits");
    let mut world = World::shared(root);
    let genesis = world.log.core().as_root();
    let alone = world.fork(Intent::new(of[0].clone(), None, put("config/a")), genesis, &[], START_MS);
    assert_eq!(world.log.check(&alone), Err(Refusal::Quorum { have: 1, need: 2 }));
    let proposal = alone.header().proposal();
    let shown = crate::words::shown(&of[0], alone.body().expect("is here")).expect("has words").into();
    let expires = Hlc::from_ms(START_MS + DAY_MS);
    let vote = Act::Vote { proposal, approve: true, shown, what: None, expires };
    let vote = world.act(&of[1], vote);
    let paid = |prev: &[OpId], at_ms| {
        let mut header = alone.header().clone();
        (header.votes, header.prev, header.at) = (vec![vote], prev.to_vec(), Hlc::from_ms(at_ms));
        Entry::new(header, alone.body().cloned(), None).expect("fits")
    };
    let (first, again) = (paid(&[vote], START_MS + 5_000), paid(&[vote], START_MS + 4_000));
    world.add(&first);
    assert!(world.counts(first.id()));
    assert_eq!(world.add(&again), vec![(first.id(), false)]);
    assert!(world.counts(again.id()));
    let expired = paid(&[vote], START_MS + DAY_MS);
    assert_eq!(world.log.check(&expired), Err(Refusal::Quorum { have: 1, need: 2 }));
}

#[test]
fn a_new_root_takes_over_and_keeps_the_grants() {
    let (root, next, member) = (account(1), account(2), account(3));
    let mut world = World::shared(Principal::One(root.clone()));
    let given = world.act(&root, grant(&member, &["put content/**"]));
    let fork = world.log.heads();
    world.act(&root, Act::Rotate { root: Principal::One(next.clone()) });
    assert_eq!(world.log.root(), &Principal::One(next.clone()));
    let genesis = world.log.core().as_root();
    let back =
        world.fork(Intent::new(root.clone(), None, put("content/a")), genesis, &fork, world.now_ms + 1);
    world.add(&back);
    assert!(!world.counts(back.id()));
    let kept = world.act(&member, put("content/b"));
    assert!(world.counts(kept));
    world.act(&next, Act::Revoke { grant: given, from: None });
    let path = "content/b".parse().expect("a path");
    assert_eq!(world.log.may(&member, Verb::Put, Some(&path)), None);
    assert_eq!(world.log.may(&root, Verb::Put, Some(&path)), None);
}

#[test]
fn resignations_do_not_chase_each_other_and_void_nothing_for_others() {
    let (root, admin, member) = (account(1), account(2), account(3));
    let mut world = World::shared(Principal::One(root.clone()));
    let given = world.act(&root, grant(&admin, &["grant **", "put **"]));
    let below = world.act(&admin, grant(&member, &["put **"]));
    let work = world.act(&member, put("a"));
    let heads = world.log.heads();
    let resign = || Intent::new(admin.clone(), None, Act::Revoke { grant: given, from: None });
    let one = world.fork(resign(), given, &heads, world.now_ms + 1);
    let other = world.fork(resign(), given, &heads, world.now_ms + 2);
    for resignation in [&one, &other] {
        world.add(resignation);
    }
    assert!(world.counts(one.id()) && world.counts(other.id()) && world.counts(work));
    world.act(&root, Act::Revoke { grant: given, from: None });
    // Backdated to before the work, after the removal: it would void the member's work.
    let late = world.fork(resign(), given, &[below], START_MS + 2_500);
    world.add(&late);
    assert!(!world.counts(late.id()) && world.counts(work));
}

#[test]
fn a_copy_of_a_grant_neither_voids_it_nor_outlives_its_revocation() {
    let (root, member) = (account(1), account(2));
    let mut world = World::shared(Principal::One(root.clone()));
    let first = world.make(Intent::new(root.clone(), None, grant(&member, &["put **"])));
    world.add(&first);
    let work = world.act(&member, put("a"));
    let copy = |prev: &[OpId], at_ms| {
        let mut header = first.header().clone();
        (header.prev, header.at) = (prev.to_vec(), Hlc::from_ms(at_ms));
        header.prev.sort_unstable();
        Entry::new(header, first.body().cloned(), None).expect("fits")
    };
    world.add(&copy(&[], START_MS - 1));
    assert!(world.counts(first.id()) && world.counts(work));
    world.act(&root, Act::Revoke { grant: first.id(), from: None });
    let replay = copy(&world.log.heads(), world.now_ms + 1);
    world.add(&replay);
    let again =
        world.fork(Intent::new(member, None, put("b")), replay.id(), &[replay.id()], world.now_ms + 2);
    world.add(&again);
    assert!(!world.counts(again.id()));
}

#[test]
fn only_its_own_account_ends_a_sign_in() {
    let (root, member) = (account(1), account(2));
    let mut world = World::shared(Principal::One(root.clone()));
    world.act(&root, grant(&member, &["put **"]));
    let session = login(7, &root, START_MS, START_MS + DAY_MS, vec![]);
    let intent = || Intent::new(root.clone(), Some(Arc::clone(&session)), put("a"));
    world.act(&member, Act::Logout { login: session.id });
    let kept = world.make(intent());
    world.add(&kept);
    assert!(world.counts(kept.id()));
    let known = world.log.heads();
    world.act(&root, Act::Logout { login: session.id });
    let genesis = world.log.core().as_root();
    let late = world.fork(intent(), genesis, &known, world.now_ms + 5);
    world.add(&late);
    assert!(!world.counts(late.id()) && world.counts(kept.id()));
}

#[test]
fn a_draft_follows_what_it_needs_where_there_are_too_many_heads() {
    let (root, member) = (account(1), account(2));
    let mut world = World::shared(Principal::One(root.clone()));
    let genesis = world.log.core().as_root();
    let given = world.act(&root, grant(&member, &["put **"]));
    for n in 0..40 {
        let fork = world.fork(Intent::new(root.clone(), None, put("a")), genesis, &[], START_MS + DAY_MS + n);
        world.add(&fork);
    }
    assert_eq!(world.log.heads().len(), 41);
    world.now_ms += 2 * DAY_MS;
    let entry = world.make(Intent::new(member, None, put("b")));
    assert_eq!(entry.header().prev.len(), PREV_MAX);
    assert!(entry.header().prev.contains(&given));
    world.add(&entry);
    assert_eq!(world.log.heads().len(), 41 - PREV_MAX + 1);
}

#[test]
fn those_that_wait_are_bounded() {
    let root = account(1);
    let mut world = World::private(&root);
    let genesis = world.log.core().as_root();
    let first = world.fork(Intent::new(root.clone(), None, put("a")), genesis, &[], START_MS);
    let mut waiting = super::Waiting::new();
    for n in 0..WAITING_OPS_MAX as u64 {
        let later =
            world.fork(Intent::new(root.clone(), None, put("a")), genesis, &[first.id()], START_MS + n + 1);
        assert!(waiting.park(later, &[first.id()]));
    }
    let ahead = world.fork(Intent::new(root, None, put("a")), genesis, &[], START_MS);
    assert!(!waiting.hold(ahead.clone()) && !waiting.park(ahead, &[first.id()]));
    assert_eq!(waiting.wanted(), vec![first.id()]);
    assert_eq!(waiting.arrived(&first.id()).len(), WAITING_OPS_MAX);
    assert!(waiting.is_empty() && waiting.wanted().is_empty());
}

/// Everybody takes back everybody: each admin on a chain as deep as chains may be revokes, on a fork of its own,
/// every grant below it; in a second round it resigns too.
#[test]
fn webs_of_grants_and_revocations_end_with_the_highest_standing() {
    for resigns in [false, true] {
        web(resigns);
    }
}

fn web(resigns: bool) {
    let root = account(1);
    let mut world = World::shared(Principal::One(root.clone()));
    let mut grants = Vec::new();
    let mut by = root;
    for n in 0..GRANT_DEPTH_MAX {
        let next = account(u8::try_from(n + 2).expect("few"));
        let given = world.act(&by, grant(&next, &["grant **", "put **", "revoke **"]));
        grants.push((given, next.clone()));
        by = next;
    }
    let too_deep = Intent::new(by.clone(), None, grant(&account(99), &["put **"]));
    assert_eq!(
        world.log.draft(too_deep, [0; 16], world.now_ms),
        Err(super::DraftError::Refused(Refusal::Depth))
    );
    let heads = world.log.heads();
    let mut revokes = Vec::new();
    for (above, (auth, by)) in grants.iter().enumerate() {
        for (below, (target, _)) in grants.iter().enumerate().skip(if resigns { above } else { above + 1 }) {
            let act = Act::Revoke { grant: *target, from: None };
            let at_ms = world.now_ms + 1 + below as u64;
            let entry = world.fork(Intent::new(by.clone(), None, act), *auth, &heads, at_ms);
            revokes.push((above, below, entry));
        }
    }
    let entries: Vec<Entry> = revokes.iter().map(|(_, _, entry)| entry.clone()).collect();
    let batch = world.log.insert_many(&entries, u64::MAX >> 16);
    assert!(batch.results.iter().all(Result::is_ok));
    // What the first admin took back is void with all below it. Its resignation knows nothing of the rest it did.
    for (above, below, entry) in revokes {
        let stands = above == 0 && (!resigns || below == 0);
        assert_eq!(world.counts(entry.id()), stands, "{above} revokes {below}");
    }
    assert_eq!(world.log.grants().count(), usize::from(!resigns));
}
