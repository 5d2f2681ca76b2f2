//! When which keys are announced, and to whom: a sweep through the key space instead of one walk for each key.
//!
//! A round takes [`ROUND`] and goes through the key space in [`STEPS`] equal steps. At each, the keys that lie there
//! are read from the node, so that what was unpublished is not announced again. The peers closest to one key are also
//! those of its neighbours: one walk serves a whole region, however many keys it has. What was not announced before is
//! looked for now and then, and announced out of turn.
//!
//! This is the plan alone, without clock, network and node; `worker.rs` carries it out.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use crate::{
    kad::{CLOSEST, spot::Spot},
    limits::{GATHERED_KEYS_MAX, NEWS_COST_RATIO, NEWS_EVERY, REMEMBERED_KEYS_MAX, ROUND, STEPS},
};

/// A key to announce: a multihash.
pub(crate) type Key = Vec<u8>;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read the keys that the node has, and offer each to this.
    Gather(Gather),
    /// Find the peers closest to this key.
    Walk(Key),
    /// Nothing for so long.
    Wait(Duration),
}

/// The plan, and how far it is.
#[derive(Debug)]
pub(crate) struct Plan {
    round_at: Duration,
    /// How many steps of the round are done.
    steps_done: u64,
    /// Within the step that is due, the last key that was announced.
    after: Option<Spot>,
    news_at: Duration,
    work: Option<Work>,
    /// The keys announced in this round and in the one before, by the start of their place.
    known: [HashSet<u64>; 2],
    /// Keys announced, each as often as it was.
    pub(crate) announced: u64,
    /// Walks that were made.
    pub(crate) walks: u64,
    /// Rounds that are over.
    pub(crate) rounds: u64,
}

/// Keys that were gathered, in order of their places.
#[derive(Debug)]
struct Work {
    purpose: Purpose,
    keys: BTreeMap<Spot, Key>,
    is_cut: bool,
    last: Option<Spot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Step(u64),
    News,
}

/// Takes the keys of one step, or those that are new; the first ones, if they are too many.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gather {
    purpose: Purpose,
    after: Option<Spot>,
    keys: BTreeMap<Spot, Key>,
    is_cut: bool,
}

impl Gather {
    /// Takes a key, if it is wanted.
    pub(crate) fn offer(&mut self, key: &[u8], plan: &Plan) {
        let spot = Spot::of(key);
        let is_wanted = match self.purpose {
            Purpose::Step(step) => step_of(&spot) == step && self.after.is_none_or(|after| spot > after),
            Purpose::News => !plan.knows(&spot),
        };
        // Where there is no room, what lies behind the last one would not stay.
        let is_behind = self.keys.len() >= GATHERED_KEYS_MAX
            && self.keys.last_key_value().is_some_and(|(last, _)| spot > *last);
        if !is_wanted || is_behind {
            self.is_cut |= is_wanted;
            return;
        }
        self.keys.insert(spot, key.to_vec());
        if self.keys.len() > GATHERED_KEYS_MAX {
            self.keys.pop_last();
            self.is_cut = true;
        }
    }
}

/// The step in which a place is announced.
fn step_of(spot: &Spot) -> u64 {
    u64::try_from((u128::from(spot.head()) * u128::from(STEPS)) >> 64).expect("less than `STEPS`")
}

impl Plan {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            round_at: now,
            steps_done: 0,
            after: None,
            news_at: now,
            work: None,
            known: Default::default(),
            announced: 0,
            walks: 0,
            rounds: 0,
        }
    }

    /// What to do next.
    pub(crate) fn next(&mut self, now: Duration) -> Next {
        if let Some((_, key)) = self.work.as_ref().and_then(|work| work.keys.first_key_value()) {
            return Next::Walk(key.clone());
        }
        if self.steps_done >= STEPS && now >= self.round_at + ROUND {
            // Whoever slept over a round does not make up for it by haste.
            self.round_at = if now >= self.round_at + ROUND * 2 { now } else { self.round_at + ROUND };
            self.steps_done = 0;
            self.rounds += 1;
            self.known = [std::mem::take(&mut self.known[1]), HashSet::new()];
        }
        let gather =
            |purpose, after| Next::Gather(Gather { purpose, after, keys: BTreeMap::new(), is_cut: false });
        let step_at = self.round_at
            + ROUND / u32::try_from(STEPS).expect("few") * u32::try_from(self.steps_done).expect("few");
        if self.steps_done < STEPS && now >= step_at {
            return gather(Purpose::Step(self.steps_done), self.after);
        }
        if now >= self.news_at {
            return gather(Purpose::News, None);
        }
        Next::Wait(step_at.min(self.news_at).saturating_sub(now))
    }

    /// The keys that were asked for, which took `took` to read.
    pub(crate) fn gathered(&mut self, gather: Gather, now: Duration, took: Duration) {
        let Gather { purpose, keys, is_cut, .. } = gather;
        if purpose == Purpose::News {
            self.news_at = now + (took * NEWS_COST_RATIO).max(NEWS_EVERY);
        }
        let last = keys.last_key_value().map(|(spot, _)| *spot);
        self.work = Some(Work { purpose, keys, is_cut, last });
        self.finish(now);
    }

    /// The keys that are to be announced to the peers found by a walk to the first one, which are these.
    ///
    /// All peers that share more bits with the key than the farthest found are found: a closer one would have taken its
    /// place. So for every key with so many bits in common they are the closest, too.
    pub(crate) fn walked(&mut self, peers: &[Spot]) -> Vec<Key> {
        self.walks += 1;
        let Some(work) = &mut self.work else { return Vec::new() };
        let Some((&first, _)) = work.keys.first_key_value() else { return Vec::new() };
        let bits = peers.iter().map(|peer| peer.shared_bits(&first)).min().unwrap_or(0);
        let is_all = peers.len() < CLOSEST;
        let mut region = Vec::new();
        while let Some(entry) = work.keys.first_entry() {
            if !is_all && !region.is_empty() && entry.key().shared_bits(&first) <= bits {
                break;
            }
            region.push(entry.remove());
        }
        region
    }

    /// These keys were announced.
    pub(crate) fn done(&mut self, keys: &[Key], now: Duration) {
        self.announced += keys.len() as u64;
        for key in keys {
            if self.known[1].len() < REMEMBERED_KEYS_MAX {
                self.known[1].insert(Spot::of(key).head());
            }
        }
        self.finish(now);
    }

    /// How many keys are gathered and wait.
    pub(crate) fn waiting(&self) -> usize {
        self.work.as_ref().map_or(0, |work| work.keys.len())
    }

    /// How many steps of the round are done, of how many.
    pub(crate) const fn step(&self) -> (u64, u64) {
        (self.steps_done, STEPS)
    }

    /// Whether a key counts as announced. Where there are too many to remember, all do: each has its turn in its round.
    fn knows(&self, spot: &Spot) -> bool {
        self.known.iter().any(|known| known.contains(&spot.head()) || known.len() >= REMEMBERED_KEYS_MAX)
    }

    /// Goes on where all that was gathered is announced.
    fn finish(&mut self, now: Duration) {
        let Some(work) = self.work.take_if(|work| work.keys.is_empty()) else { return };
        match work.purpose {
            Purpose::Step(_) if work.is_cut => self.after = work.last,
            Purpose::Step(step) => (self.steps_done, self.after) = (step + 1, None),
            Purpose::News if work.is_cut => self.news_at = now,
            Purpose::News => {}
        }
    }
}

#[cfg(test)]
mod tests;
