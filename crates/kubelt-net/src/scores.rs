//! What is remembered of peers that behaved badly: points, which are forgotten slowly, and bans, which end.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::PeerId;

use crate::limits::{BAN, BLAME_BANS_AT, BLAME_FORGOTTEN_EVERY, BLAMED_MAX};

/// What a peer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// It gave or brought a record that is not a valid one of its name.
    ForgedRecord,
    /// It gave bytes that do not have the hash that was asked for.
    ForgedBlock,
    /// It broke a protocol.
    Protocol,
    /// It sent more than it may.
    Flood,
}

impl Offence {
    /// How many points it costs.
    const fn points(self) -> u32 {
        match self {
            Self::ForgedRecord => 25,
            Self::ForgedBlock => 50,
            Self::Protocol => 20,
            Self::Flood => 10,
        }
    }
}

/// The peers that behaved badly of late.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    blamed: HashMap<PeerId, Blamed>,
    /// Offences ever.
    pub(crate) offences: u64,
}

#[derive(Debug)]
struct Blamed {
    points: u32,
    at: Instant,
    banned_until: Option<Instant>,
}

impl Scores {
    /// Remembers what a peer did; true where it is banned for that from now on.
    pub(crate) fn blame(&mut self, peer: PeerId, offence: Offence, now: Instant) -> bool {
        self.offences += 1;
        if !self.blamed.contains_key(&peer) && self.blamed.len() >= BLAMED_MAX {
            // Who has the fewest points goes; nobody gets out of a ban by making others be blamed.
            let least = self.blamed.iter().filter(|(_, one)| one.banned_until.is_none());
            let Some(least) = least.min_by_key(|(_, one)| one.left(now)).map(|(peer, _)| *peer) else {
                return false;
            };
            self.blamed.remove(&least);
        }
        let entry = self.blamed.entry(peer).or_insert(Blamed { points: 0, at: now, banned_until: None });
        entry.points = entry.left(now).saturating_add(offence.points());
        entry.at = now;
        let bans = entry.points >= BLAME_BANS_AT && entry.banned_until.is_none();
        if bans {
            entry.banned_until = Some(now + BAN);
        }
        bans
    }

    /// Forgets what is long past; gives those whose ban has ended.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<PeerId> {
        let mut free = Vec::new();
        self.blamed.retain(|peer, one| match one.banned_until {
            Some(until) if until <= now => {
                free.push(*peer);
                false
            }
            Some(_) => true,
            None => one.left(now) > 0,
        });
        free
    }

    /// How many are banned.
    pub(crate) fn banned(&self) -> usize {
        self.blamed.values().filter(|one| one.banned_until.is_some()).count()
    }
}

impl Blamed {
    /// The points that are not forgotten yet.
    fn left(&self, now: Instant) -> u32 {
        let past = now.saturating_duration_since(self.at);
        let forgotten = past.as_secs() / Duration::as_secs(&BLAME_FORGOTTEN_EVERY).max(1);
        self.points.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use libp2p::PeerId;

    use super::{Offence, Scores};
    use crate::limits::{BAN, BLAME_FORGOTTEN_EVERY, BLAMED_MAX};

    #[test]
    fn who_goes_on_is_banned_and_freed_again() {
        let (mut scores, peer, now) = (Scores::default(), PeerId::random(), Instant::now());
        let bans = [1, 2, 3, 4, 5].map(|_| scores.blame(peer, Offence::ForgedRecord, now));
        assert_eq!(bans, [false, false, false, true, false]);
        assert_eq!(scores.banned(), 1);
        assert!(scores.tick(now + BAN - Duration::from_millis(1)).is_empty());
        assert_eq!(scores.tick(now + BAN), [peer]);
        assert_eq!(scores.banned(), 0);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let (mut scores, peer, mut now) = (Scores::default(), PeerId::random(), Instant::now());
        for _ in 0..20 {
            assert!(!scores.blame(peer, Offence::Flood, now));
            now += BLAME_FORGOTTEN_EVERY * 10;
        }
        assert!(scores.tick(now + BLAME_FORGOTTEN_EVERY * 100).is_empty());
        assert!(scores.blamed.is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_bans_stay() {
        let (mut scores, now) = (Scores::default(), Instant::now());
        let banned = PeerId::random();
        for _ in 0..4 {
            scores.blame(banned, Offence::ForgedRecord, now);
        }
        for _ in 0..BLAMED_MAX + 10 {
            scores.blame(PeerId::random(), Offence::Flood, now);
        }
        assert_eq!(scores.blamed.len(), BLAMED_MAX);
        assert!(scores.blamed[&banned].banned_until.is_some());
    }
}
