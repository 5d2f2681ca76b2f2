use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use proptest::prelude::*;

use super::{Key, Next, Plan};
use crate::{
    kad::{CLOSEST, spot::Spot},
    limits::{NEWS_EVERY, ROUND, STEPS},
};

/// A network that finds what is closest, and a node with keys.
struct World {
    peers: Vec<Spot>,
    keys: BTreeSet<Key>,
    plan: Plan,
    now: Duration,
    announced: HashMap<Key, Vec<Duration>>,
    /// Of each announcement, how many of the closest peers heard of it.
    heard: Vec<usize>,
    /// How long it takes to read all keys.
    reading: Duration,
}

impl World {
    fn new(peers: u32, keys: u32) -> Self {
        let peers = (0..peers).map(|i| Spot::of(&i.to_le_bytes())).collect();
        let keys = (0..keys).map(key).collect();
        let (plan, announced, heard) = (Plan::new(Duration::ZERO), HashMap::new(), Vec::new());
        Self { peers, keys, plan, now: Duration::ZERO, announced, heard, reading: Duration::ZERO }
    }

    fn closest(&self, key: &[u8]) -> Vec<Spot> {
        let spot = Spot::of(key);
        let mut peers: Vec<_> = self.peers.iter().map(|peer| (peer.distance(&spot), *peer)).collect();
        if peers.len() > CLOSEST {
            peers.select_nth_unstable(CLOSEST);
        }
        peers.into_iter().take(CLOSEST).map(|(_, peer)| peer).collect()
    }

    /// Carries the plan out until a time.
    fn until(&mut self, end: Duration) {
        loop {
            match self.plan.next(self.now) {
                Next::Gather(mut gather) => {
                    self.keys.iter().for_each(|key| gather.offer(key, &self.plan));
                    self.plan.gathered(gather, self.now, self.reading);
                }
                Next::Walk(first) => {
                    let peers = self.closest(&first);
                    let region = self.plan.walked(&peers);
                    assert!(region.contains(&first), "a walk gets on");
                    for (i, key) in region.iter().enumerate() {
                        // Of a region the ends differ most.
                        if i == 0 || i + 1 == region.len() {
                            let closest = self.closest(key);
                            self.heard.push(closest.iter().filter(|peer| peers.contains(peer)).count());
                        }
                        self.announced.entry(key.clone()).or_default().push(self.now);
                    }
                    self.plan.done(&region, self.now);
                }
                Next::Wait(time) => {
                    assert!(!time.is_zero());
                    self.now += time;
                    if self.now >= end {
                        self.now = end;
                        return;
                    }
                }
            }
        }
    }
}

fn key(i: u32) -> Key {
    [b"key".as_slice(), &i.to_le_bytes()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_key_is_announced_once_in_every_interval(peers in 1_u32..150, keys in 1_u32..200) {
        let mut world = World::new(peers, keys);
        world.reading = Duration::from_secs(30);
        let rounds = 3;
        world.until(ROUND * rounds);
        for key in &world.keys {
            let times = &world.announced[key];
            prop_assert_eq!(times[0], Duration::ZERO, "new ones at once");
            for pair in times.windows(2) {
                prop_assert!(pair[1] - pair[0] <= ROUND, "{:?}", times);
            }
            prop_assert!(world.now - *times.last().expect("some") <= ROUND);
            // Once by its turn in each round, and once because it was new.
            let turns = usize::try_from(rounds).expect("small");
            prop_assert!((turns..=turns + 1).contains(&times.len()), "{:?}", times);
        }
    }
}

#[test]
fn the_cost_grows_with_regions_and_not_with_keys() {
    let walks = |peers, keys| {
        let mut world = World::new(peers, keys);
        world.reading = Duration::from_secs(30);
        world.until(ROUND);
        let first = world.plan.walks;
        world.until(ROUND * 2);
        assert_eq!(world.announced.len(), usize::try_from(keys).expect("small"));
        let heard = world.heard.iter().sum::<usize>() as f64 / world.heard.len() as f64;
        assert!(heard > 0.85 * CLOSEST as f64, "of the {CLOSEST} closest, {heard} hear of a key");
        world.plan.walks - first
    };
    let (few, many) = (walks(400, 200), walks(400, 2_000));
    assert!(many <= 400 / 4, "{many} walks for 400 peers");
    assert!(many < few * 3, "{few} walks for 200 keys, {many} for 2,000");
    let more_peers = walks(1_600, 2_000);
    assert!(more_peers > many && more_peers <= 1_600 / 4, "{more_peers} walks for 1,600 peers");
}

#[test]
fn what_is_new_is_announced_soon_and_what_is_gone_is_not() {
    let mut world = World::new(50, 100);
    world.until(ROUND / 3);
    world.keys.insert(key(1_000));
    let gone = key(7);
    world.keys.remove(&gone);
    let before = world.now;
    world.until(ROUND / 3 + NEWS_EVERY * 2);
    let new = world.announced[&key(1_000)][0];
    assert!(new - before <= NEWS_EVERY, "after {:?}", new - before);
    world.until(ROUND * 3);
    assert!(world.announced[&gone].iter().all(|at| *at <= before));
    // Published again, it is new again once it was forgotten.
    world.keys.insert(gone.clone());
    let before = world.now;
    world.until(before + NEWS_EVERY * 2);
    assert!(world.announced[&gone].last().is_some_and(|at| *at >= before));
}

#[test]
fn a_small_network_takes_one_walk_a_step() {
    let mut world = World::new(5, 1_000);
    world.until(Duration::from_secs(1));
    assert!(world.plan.walks <= 2, "{}", world.plan.walks);
    world.until(ROUND);
    assert!(world.plan.walks <= STEPS + 2, "{}", world.plan.walks);
    assert!(world.heard.iter().all(|heard| *heard == 5));
}

#[test]
fn who_slept_over_a_round_goes_on_at_the_same_pace() {
    let mut world = World::new(50, 200);
    world.until(ROUND);
    world.now = ROUND * 10;
    let announced = world.plan.announced;
    world.until(ROUND * 10 + Duration::from_secs(1));
    assert!(world.plan.announced - announced <= 200);
    world.until(ROUND * 12);
    assert!(world.announced.values().all(|times| world.now - *times.last().expect("some") <= ROUND));
}

#[test]
fn a_step_with_too_many_keys_is_done_in_pieces() {
    let keys = u32::try_from(crate::limits::GATHERED_KEYS_MAX).expect("small") + 100;
    let mut plan = Plan::new(Duration::ZERO);
    let mut done = BTreeSet::new();
    while done.len() < usize::try_from(keys).expect("small") {
        match plan.next(Duration::ZERO) {
            Next::Gather(mut gather) => {
                (0..keys).for_each(|i| gather.offer(&key(i), &plan));
                plan.gathered(gather, Duration::ZERO, Duration::ZERO);
            }
            Next::Walk(_) => {
                let region = plan.walked(&[]);
                plan.done(&region, Duration::ZERO);
                done.extend(region);
            }
            Next::Wait(_) => panic!("{} of {keys} are announced", done.len()),
        }
    }
}
