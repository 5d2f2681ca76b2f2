//! How many nodes hold all of a core, how many its owner wants, and what is done when these are too few.
//!
//! A copy is a node that has the same heads and all content, by its own answer: one that is connected, or one that was a
//! moment ago and has missed nothing since. Where there are fewer than the core's map asks for, short pauses before the next
//! try end at once, and hosts that the map names as spare are brought the core, in the order of their keys, until there
//! are enough. A spare that has the core is a host like any other from then on.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kubelt_core::{
    CoreId, MapPath, OpId, PublicKey, codec,
    limits::VALUE_BYTES_MAX,
    schema::{COPIES, Copies, Host},
};

use super::{RemoteNodeError, Remotes, keeper::State};
use crate::{StoreError, limits::COPY_AWAY_MAX_MS, replicate::Exchanged};

/// How much of a core another node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// All of it: it is connected, has the same heads, and all content.
    Whole,
    /// It is connected, and lacks something or is not known to lack nothing.
    Behind,
    /// It had all there is when it was connected last, a moment ago.
    Left,
    /// It is not connected.
    Away,
    /// It is named as spare, and not needed.
    Spare,
}

impl Holding {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Behind => "behind",
            Self::Left => "left",
            Self::Away => "away",
            Self::Spare => "spare",
        }
    }

    /// Whether it counts as a copy.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Whole | Self::Left)
    }
}

/// The copies of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopiesHeld {
    /// How many its map asks for.
    pub wanted: Option<u16>,
    /// How many there are, this node among them where it has all content itself.
    pub held: u16,
}

impl CopiesHeld {
    /// How many are missing.
    pub fn missing(&self) -> u16 {
        self.wanted.unwrap_or_default().saturating_sub(self.held)
    }
}

/// How a remote is, as far as connections of both directions tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) connected: bool,
    pub(super) exchanged: Exchanged,
    pub(super) error: Option<String>,
    pub(super) holding: Option<Holding>,
}

/// What the replicator remembers of repairs.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    /// Cores of this node that ask for copies.
    watched: BTreeSet<CoreId>,
    /// Spares that were brought in.
    drawn: HashSet<(CoreId, PublicKey)>,
    /// Copies that were missing at the last look, by core.
    missing: BTreeMap<CoreId, u16>,
}

impl Remotes {
    /// How many copies the core's map asks for.
    pub(super) fn copies_wanted(&self, core: &CoreId) -> Result<Option<u16>, StoreError> {
        let path = MapPath::new(COPIES).expect("a constant path");
        let Some(entry) = self.0.store.state(core, &path)? else { return Ok(None) };
        let value = codec::decode(&entry.value, VALUE_BYTES_MAX, "value").ok();
        Ok(value.and_then(|value| Copies::from_ipld(&value).ok()).map(|copies| copies.wanted))
    }

    /// How a remote is: by the connection that this node made, or by one that the other made.
    pub(super) fn seen(&self, core: &CoreId, peer: &PublicKey) -> Result<Seen, StoreError> {
        let state = self.0.kept.lock().get(&(*core, *peer)).map(super::Kept::state).unwrap_or_default();
        let answered = if state.connected { None } else { self.0.replication.answered(core, peer) };
        let heads = self.heads(core)?;
        let State { connected, exchanged, error, lost_ms, .. } = state;
        if let Some(exchanged) = answered {
            let holding = Some(connected_holding(&exchanged, &heads));
            return Ok(Seen { connected: true, exchanged, error: None, holding });
        }
        let holding = match (connected, lost_ms) {
            (true, _) => Some(connected_holding(&exchanged, &heads)),
            (false, Some(lost_ms)) => {
                let is_fresh = self.0.clock.now_ms().saturating_sub(lost_ms) <= COPY_AWAY_MAX_MS;
                let had_all = exchanged.incomplete_there == 0 && is_at(&exchanged, &heads);
                Some(if is_fresh && had_all { Holding::Left } else { Holding::Away })
            }
            (false, None) => None,
        };
        Ok(Seen { connected, exchanged, error, holding })
    }

    fn heads(&self, core: &CoreId) -> Result<Vec<OpId>, StoreError> {
        let mut heads = self.0.store.heads(core)?;
        heads.sort_unstable();
        Ok(heads)
    }

    /// The copies of a core.
    pub(super) fn held(&self, core: &CoreId) -> Result<CopiesHeld, RemoteNodeError> {
        let own = self.0.identity.known();
        let (mut held, mut lacks_content) = (0_u16, false);
        let mut peers: BTreeSet<PublicKey> = self.hosts(core)?.into_keys().collect();
        peers.extend(self.rows(core)?.into_keys());
        for peer in peers.into_iter().filter(|peer| Some(*peer) != own) {
            let seen = self.seen(core, &peer)?;
            held += u16::from(seen.holding.is_some_and(Holding::counts));
            lacks_content |= seen.connected && seen.exchanged.incomplete > 0;
        }
        Ok(CopiesHeld { wanted: self.copies_wanted(core)?, held: held + u16::from(!lacks_content) })
    }

    /// Whether a host is not to be connected to, as long as there are enough copies without it.
    pub(super) fn rests(&self, core: &CoreId, host: &Host, own: Option<&Host>) -> bool {
        let own_is_spare = own.is_some_and(|own| own.spare);
        // A spare that holds the core connects to the others itself.
        host.spare && !own_is_spare && !self.0.repairs.lock().drawn.contains(&(*core, host.peer))
    }

    /// Counts the copies of a core from now on, if its map asks for some.
    pub(super) fn watch_copies(&self, core: CoreId) -> Result<(), StoreError> {
        let wanted = self.copies_wanted(&core)?;
        let mut repairs = self.0.repairs.lock();
        match wanted {
            Some(_) => repairs.watched.insert(core),
            None => repairs.watched.remove(&core),
        };
        Ok(())
    }

    /// Looks whether there are as many copies as cores ask for, and sees to it where there are not. Gives whether any asks
    /// for copies.
    pub(super) fn repair(&self) -> Result<bool, RemoteNodeError> {
        let cores = self.0.repairs.lock().watched.clone();
        let (counted, mut missing) = (!cores.is_empty(), BTreeMap::new());
        for core in cores {
            let held = self.held(&core)?;
            if held.missing() > 0 {
                missing.insert(core, held.missing());
                self.repair_core(&core, held)?;
            }
        }
        self.0.repairs.lock().missing = missing;
        Ok(counted)
    }

    fn repair_core(&self, core: &CoreId, held: CopiesHeld) -> Result<(), RemoteNodeError> {
        for ((of, _), kept) in self.0.kept.lock().iter() {
            if of == core {
                kept.hurry();
            }
        }
        let drawn: Vec<PublicKey> = {
            let mut repairs = self.0.repairs.lock();
            // One that was brought in and does not have the core yet is on its way; one that cannot be reached is passed
            // over.
            let spares = self.hosts(core)?.into_values().filter(|host| host.spare);
            let mut under_way = 0;
            let mut chosen = Vec::new();
            for spare in spares {
                if repairs.drawn.contains(&(*core, spare.peer)) {
                    let seen = self.seen(core, &spare.peer)?;
                    under_way += u16::from(seen.holding == Some(Holding::Behind));
                } else {
                    chosen.push(spare.peer);
                }
            }
            chosen.truncate(usize::from(held.missing().saturating_sub(under_way)));
            repairs.drawn.extend(chosen.iter().map(|peer| (*core, *peer)));
            chosen
        };
        if !drawn.is_empty() {
            tracing::info!(%core, held = held.held, wanted = held.wanted, spares = drawn.len(), "copies are missing: spare hosts are brought the core");
            self.tend(core)?;
        }
        Ok(())
    }

    /// What is counted of replication, by name and meaning.
    pub fn figures(&self) -> Vec<(&'static str, &'static str, u64)> {
        let (short, missing) = {
            let repairs = self.0.repairs.lock();
            (repairs.missing.len() as u64, repairs.missing.values().map(|n| u64::from(*n)).sum())
        };
        let (remotes, connected) = self.counts();
        let (dials, unanswered) = self.0.dials.counts();
        let given_up = self.0.kept.lock().values().filter(|kept| kept.state().given_up).count();
        let mut figures = vec![
            ("replication_remotes", "Cores and other nodes that they are exchanged with", remotes as u64),
            ("replication_remotes_connected", "Those of them that are connected", connected as u64),
            ("replication_remotes_given_up", "Those that are not tried any more", given_up as u64),
            ("replication_dials", "Connections to other nodes that were begun", dials),
            ("replication_dials_failed", "Those of them that did not come about", unanswered),
            ("replication_cores_short", "Cores that fewer nodes hold than their maps ask for", short),
            ("replication_copies_missing", "Copies that are missing of all cores together", missing),
        ];
        figures.extend(self.0.replication.figures());
        figures
    }
}

fn is_at(exchanged: &Exchanged, heads: &[OpId]) -> bool {
    exchanged.heads.as_deref() == Some(heads)
}

fn connected_holding(exchanged: &Exchanged, heads: &[OpId]) -> Holding {
    let is_whole = exchanged.settled && exchanged.incomplete_there == 0 && is_at(exchanged, heads);
    if is_whole { Holding::Whole } else { Holding::Behind }
}
