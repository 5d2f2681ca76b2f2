//! Whatever the order of delivery, every replica agrees with the rules.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kubelt_core::{Entry, Log, MapState, OpId, Refusal, Verb, log::Waiting, sync::Allowed};
use proptest::prelude::*;

use crate::{
    dice::Dice,
    history::{History, NEVER_AHEAD_MS},
    naive::Naive,
    network::{Ended, Peer, sync},
};

fn flags(log: &Log) -> BTreeMap<OpId, bool> {
    log.ops().map(|(id, _, _, effective)| (id, effective)).collect()
}

fn scratch_state(entries: &[Entry], log: &Log) -> MapState {
    let mut state = MapState::new();
    entries.iter().for_each(|entry| state.enter(entry, log.is_effective(&entry.id())));
    state
}

/// The same operations in an order of delivery that has parents anywhere.
fn deliver(history: &History, order: &[Entry], dice: &mut Dice) -> (Log, MapState) {
    let (mut log, mut state, mut waiting) =
        (Log::new(history.genesis.clone()), MapState::new(), Waiting::new());
    for (i, entry) in order.iter().enumerate() {
        if dice.once_in(8) {
            check_midway(history, &log, &order[..i]);
        }
        let mut open = vec![entry.clone()];
        while let Some(entry) = open.pop() {
            match log.insert(&entry, NEVER_AHEAD_MS) {
                Ok(inserted) => {
                    state.enter(&entry, inserted.effective);
                    state.apply(&inserted.changes);
                    open.extend(waiting.arrived(&entry.id()));
                }
                Err(Refusal::UnknownPrev(lacks)) => assert!(waiting.park(entry, &lacks), "room to wait"),
                Err(other) => panic!("`{}` was well-formed before: {other}", entry.id()),
            }
        }
    }
    assert!(waiting.is_empty() && waiting.wanted().is_empty());
    (log, state)
}

/// What was judged step by step is what is judged at once.
fn check_midway(history: &History, log: &Log, delivered: &[Entry]) {
    let mut known: Vec<Entry> = delivered.iter().filter(|entry| log.contains(&entry.id())).cloned().collect();
    known.sort_by_key(|entry| (entry.header().at, entry.id()));
    let scratch = Log::load(history.genesis.clone(), known).expect("well-formed before");
    assert_eq!(flags(log), flags(&scratch), "midway");
}

fn check(history: &History, dice: &mut Dice) {
    let expected = Naive::judge(&history.genesis, &history.entries);
    assert_eq!(flags(&history.log), expected, "one after the other");
    let mut order = history.entries.clone();
    order.sort_by_key(|entry| (entry.header().at, entry.id()));
    let loaded = Log::load(history.genesis.clone(), order.clone()).expect("well-formed before");
    assert_eq!(flags(&loaded), expected, "loaded");
    let state = scratch_state(&history.entries, &loaded);
    for _ in 0..2 {
        dice.shuffle(&mut order);
        let (log, delivered) = deliver(history, &order, dice);
        assert_eq!(flags(&log), expected, "shuffled");
        assert_eq!(log.heads(), history.log.heads());
        assert_eq!(log.root(), history.log.root());
        assert_eq!(grants(&log), grants(&history.log));
        assert!(delivered == state, "the state differs");
    }
    let (first, second) = history.entries.split_at(dice.below(history.entries.len() + 1));
    let mut log = Log::new(history.genesis.clone());
    first.iter().for_each(|entry| drop(log.insert(entry, NEVER_AHEAD_MS).expect("well-formed before")));
    let batch = log.insert_many(second, NEVER_AHEAD_MS);
    assert!(batch.results.iter().all(Result::is_ok));
    assert_eq!(flags(&log), expected, "in a batch");
}

fn grants(log: &Log) -> BTreeSet<OpId> {
    log.grants().map(|grant| grant.id).collect()
}

/// What no rule may ever let through, read off the history without the other implementation: nobody acts
/// under a grant that was taken back from above without the revocation knowing the act.
pub(crate) fn check_no_escape(history: &History) {
    let effective = flags(&history.log);
    let by_id: BTreeMap<OpId, &Entry> = history.entries.iter().map(|entry| (entry.id(), entry)).collect();
    for revoke in history.entries.iter().filter(|entry| entry.header().verb == Verb::Revoke) {
        let Some(kubelt_core::Act::Revoke { grant, .. }) = revoke.body().map(|body| &body.act) else {
            continue;
        };
        let proposal = |id: &OpId| by_id.get(id).map(|entry| entry.header().proposal());
        let resigned = proposal(grant) == proposal(&revoke.header().auth);
        if !effective[&revoke.id()] || resigned {
            continue;
        }
        let known: HashSet<OpId> = history.log.closure(&revoke.header().prev).into_iter().collect();
        for entry in history.entries.iter().filter(|entry| entry.header().verb != Verb::Logout) {
            let mut auth = entry.header().auth;
            while let Some(above) = by_id.get(&auth) {
                let hit = auth == *grant && !known.contains(&entry.id());
                assert!(!(hit && effective[&entry.id()]), "`{}` escapes `{}`", entry.id(), revoke.id());
                auth = above.header().auth;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_order_of_delivery_agrees_with_the_rules(script in prop::collection::vec(any::<u16>(), 0..900)) {
        let mut dice = Dice::scripted(script);
        let history = History::generate(&mut dice, 90);
        check(&history, &mut dice);
        check_no_escape(&history);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn two_replicas_with_any_divergence_become_equal(script in prop::collection::vec(any::<u16>(), 0..700)) {
        let mut dice = Dice::scripted(script);
        let history = History::generate(&mut dice, 60);
        let logins = history.logins();
        let mut peers = [Peer::new(&history.genesis), Peer::new(&history.genesis)];
        for peer in &mut peers {
            let known: Vec<OpId> = (0..dice.below(6))
                .filter_map(|_| Some(history.entries.get(dice.below(history.entries.len() + 1))?.id()))
                .collect();
            let known: HashSet<OpId> = history.log.closure(&known).into_iter().collect();
            let entries = history.entries.iter().filter(|entry| known.contains(&entry.id()));
            entries.for_each(|entry| peer.take(entry.clone()));
        }
        let union: HashSet<OpId> = peers.iter().flat_map(|peer| peer.entries.keys().copied()).collect();
        let [first, second] = &mut peers;
        let (ended, messages) = sync(first, second, (Allowed::Full, Allowed::Full), &logins, usize::MAX);
        prop_assert_eq!(ended, Ended::Finished { equal: true });
        prop_assert!(messages < 40, "{} messages for so little", messages);
        for peer in &peers {
            prop_assert_eq!(&peer.entries.keys().copied().collect::<HashSet<_>>(), &union);
        }
        prop_assert_eq!(flags(&peers[0].log), flags(&peers[1].log));
        prop_assert!(peers[0].state == peers[1].state);
    }
}

/// The histories must hold what they are meant to test.
#[test]
fn histories_are_rich() {
    let mut seen: BTreeMap<(Verb, bool), usize> = BTreeMap::new();
    let mut sessions: BTreeMap<bool, usize> = BTreeMap::new();
    let mut paid: BTreeMap<bool, usize> = BTreeMap::new();
    let mut waits: BTreeMap<bool, usize> = BTreeMap::new();
    for seed in 0..80 {
        let mut dice = Dice::seeded(seed);
        let history = History::generate(&mut dice, 120);
        check(&history, &mut dice);
        check_no_escape(&history);
        for entry in &history.entries {
            let effective = history.log.is_effective(&entry.id());
            let header = entry.header();
            *seen.entry((header.verb, effective)).or_default() += 1;
            if header.login.is_some() {
                *sessions.entry(effective).or_default() += 1;
            }
            if !header.votes.is_empty() {
                *paid.entry(effective).or_default() += 1;
            }
            let waited = history.log.grant(&header.auth).is_some_and(|grant| grant.wait_ms.is_some());
            if waited && header.verb == Verb::Put {
                *waits.entry(effective).or_default() += 1;
            }
        }
    }
    for verb in [Verb::Put, Verb::Grant, Verb::Revoke, Verb::Rotate, Verb::Seal, Verb::Vote] {
        for effective in [true, false] {
            let count = seen.get(&(verb, effective)).copied().unwrap_or(0);
            assert!(count >= 20, "only {count} of `{verb}` with standing {effective}: {seen:?}");
        }
    }
    for counts in [&sessions, &paid, &waits] {
        assert!(
            counts.len() == 2 && counts.values().all(|count| *count >= 5),
            "{sessions:?} {paid:?} {waits:?}"
        );
    }
}
