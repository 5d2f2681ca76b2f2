//! Many replicas of one core over a bad network, from a seed that is printed. `KUBELT_SEED` runs one seed again.

use std::{
    collections::{BTreeMap, HashSet},
    env,
};

use ipld_core::ipld::Ipld;
use kubelt_core::{Act, Checkpoint, Entry, Intent, Log, OpId, sync::Allowed};

use crate::{
    dice::Dice,
    history::History,
    naive::Naive,
    network::{Ended, Logins, Peer, pair, sync},
    properties::check_no_escape,
};

const REPLICAS: usize = 5;
const SEEDS: u64 = 16;

#[test]
#[allow(clippy::disallowed_methods, reason = "the test, not the crate, is told which seed to run")]
fn replicas_over_a_bad_network_become_equal() {
    let seeds = match env::var("KUBELT_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("`KUBELT_SEED` is a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| run(seed));
        assert!(run.is_ok(), "failed; run it again with `KUBELT_SEED={seed}`");
    }
}

fn run(seed: u64) {
    let mut dice = Dice::seeded(seed);
    let mut history = History::generate(&mut dice, 100);
    let mut peers: Vec<Peer> = (0..REPLICAS).map(|_| Peer::new(&history.genesis)).collect();
    let logins = history.logins();
    deliver(&history, &mut peers, &mut dice);
    for round in 0..60 {
        honest_work(&mut history, &mut peers, &mut dice, round);
        let side = round % 2;
        let part = if round < 40 { &mut peers[side * 2..side * 2 + 3] } else { &mut peers[..] };
        let (a, b) = pair(part, &mut dice);
        let cut = if dice.once_in(2) { dice.below(20) } else { usize::MAX };
        if cut == usize::MAX {
            sync_fully(a, b, &logins);
        } else {
            sync(a, b, (Allowed::Full, Allowed::Full), &logins, cut);
        }
    }
    heal(&mut peers, &logins);
    agree(&history, &peers);
}

/// Hands every operation to some replica, some to several, some twice, children before parents.
fn deliver(history: &History, peers: &mut [Peer], dice: &mut Dice) {
    for peer in &mut *peers {
        let known = dice.pick(&history.entries).id();
        let closure = history.log.closure(&[known]);
        let known: HashSet<OpId> = closure.into_iter().collect();
        let mut entries: Vec<Entry> =
            history.entries.iter().filter(|entry| known.contains(&entry.id())).cloned().collect();
        if dice.once_in(2) {
            entries.extend(entries.clone());
        }
        dice.shuffle(&mut entries);
        entries.into_iter().for_each(|entry| peer.take(entry));
    }
    let mut rest = history.entries.clone();
    dice.shuffle(&mut rest);
    for entry in rest {
        peers[dice.below(REPLICAS)].take(entry);
    }
}

/// Somebody who may writes or seals, after all that their replica knows.
fn honest_work(history: &mut History, peers: &mut [Peer], dice: &mut Dice, round: usize) {
    let peer = &mut peers[dice.below(REPLICAS)];
    let mut accounts = peer.log.root().accounts().to_vec();
    accounts.extend(peer.log.grants().flat_map(|grant| grant.to.accounts().to_vec()));
    let by = dice.pick(&accounts).clone();
    let act = match dice.below(4) {
        0 => Act::Seal { state: None },
        n => Act::Put { path: "content/blog/a".parse().expect("a path"), value: Ipld::Integer(n as i128) },
    };
    let mut salt = [7; 16];
    salt[..8].copy_from_slice(&(round as u64).to_be_bytes());
    let now_ms = peer.log.next_at(0).map_or(0, |at| at.ms()) + 1_000;
    let Ok((header, body)) = peer.log.draft(Intent::new(by, None, act), salt, now_ms) else { return };
    let auth = header.auth;
    let entry = Entry::new(header, Some(body), None).expect("fits together");
    peer.take(entry.clone());
    assert!(
        peer.log.is_effective(&entry.id())
            || peer.log.grant(&auth).is_some_and(|grant| grant.wait_ms.is_some())
    );
    history.adopt(entry);
}

fn heal(peers: &mut [Peer], logins: &Logins) {
    // What waited on one replica is news to the others in the next round; every round but the last brings some.
    let differ =
        |peers: &[Peer]| peers.iter().any(|peer| peer.waits() || peer.log.heads() != peers[0].log.heads());
    let mut rounds = 0;
    while differ(peers) {
        rounds += 1;
        assert!(rounds < 100, "the replicas never become equal");
        for i in 1..peers.len() {
            let (first, rest) = peers.split_at_mut(1);
            sync_fully(&mut first[0], &mut rest[i - 1], logins);
        }
    }
}

/// One sync is enough, but where it brings what operations waited for: those go over in another one.
fn sync_fully(a: &mut Peer, b: &mut Peer, logins: &Logins) {
    let (mut ended, mut waited) = (Ended::Cut, true);
    while waited && ended != (Ended::Finished { equal: true }) {
        waited = a.waits() || b.waits();
        (ended, _) = sync(a, b, (Allowed::Full, Allowed::Full), logins, usize::MAX);
    }
    assert_eq!(ended, Ended::Finished { equal: true });
    assert_eq!(a.log.heads(), b.log.heads());
}

fn agree(history: &History, peers: &[Peer]) {
    let flags = |log: &Log| -> BTreeMap<OpId, bool> {
        log.ops().map(|(id, _, _, effective)| (id, effective)).collect()
    };
    let ordered: Vec<Entry> = {
        let mut entries: Vec<Entry> = peers[0].entries.values().cloned().collect();
        entries.sort_by_key(|entry| (entry.header().at, entry.id()));
        entries
    };
    let expected = Naive::judge(&history.genesis, &ordered);
    let scratch = Log::load(history.genesis.clone(), ordered).expect("well-formed before");
    assert_eq!(flags(&scratch), expected);
    let core = history.genesis.id();
    let digest = Checkpoint::of(core, &peers[0].state).id();
    for peer in peers {
        assert_eq!(peer.log.heads(), peers[0].log.heads());
        assert_eq!(flags(&peer.log), expected);
        assert_eq!(Checkpoint::of(core, &peer.state).id(), digest);
    }
    check_no_escape(history);
    assert_eq!(history.log.len(), peers[0].log.len());
}
