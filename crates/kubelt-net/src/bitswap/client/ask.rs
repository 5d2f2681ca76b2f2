//! Whom to ask for a block.

use cid::Cid;
use kubelt_content::bitswap::{Want, WantKind};
use libp2p::PeerId;

use super::{Asked, Client, Session, Source, State, Wish};
use crate::bitswap::{
    engine::{Output, SessionId},
    limits::{
        ASKED_AGAIN_PART, ASKED_BYTES_PER_PEER_MAX, BLOCKS_PER_PEER_MAX, BLOCKS_PER_PEER_MIN, LATE_MAX,
        MEMBERS_MAX, SCORE_BANNED, SEEK_PEERS_MAX, SEEKS_ALONE_MAX, SEEKS_MAX,
    },
};

/// Priorities fall with each block that is asked for, so that peers keep the order.
const PRIORITY: i32 = i32::MAX;

enum Choice {
    Ask(PeerId),
    /// Those who may have it are asked for enough already.
    Busy,
    Nobody,
}

impl Client {
    pub(super) fn pump_all(&mut self, now_ms: u64) {
        let waiting = self.sessions.iter().filter(|(_, session)| !session.waiting.is_empty());
        for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.pump(now_ms, id);
        }
    }

    /// Asks for what waits in a session, as far as there is room.
    pub(super) fn pump(&mut self, now_ms: u64, id: SessionId) {
        loop {
            let Some(session) = self.sessions.get_mut(&id).filter(|session| session.has_room()) else {
                return;
            };
            let Some(cid) = session.waiting.pop_front() else { return };
            // Others may be in the queue still that are not wanted any more, or twice.
            let is_due = |wish: &Wish| wish.state == State::Waiting && wish.sessions.first() == Some(&id);
            if !self.wants.get(&cid).is_some_and(is_due) {
                continue;
            }
            match self.choose(id, &cid) {
                Choice::Ask(peer) => self.ask(now_ms, id, &cid, peer),
                Choice::Nobody if self.is_hopeless(id) => self.starve(now_ms, &cid),
                Choice::Nobody if self.may_seek(id) => self.seek(now_ms, &cid),
                Choice::Busy | Choice::Nobody => {
                    if let Some(session) = self.sessions.get_mut(&id) {
                        session.waiting.push_front(cid);
                    }
                    return;
                }
            }
        }
    }

    fn may_seek(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| {
            let max = if session.members.is_empty() { SEEKS_ALONE_MAX } else { SEEKS_MAX };
            session.seeking.len() < max
        })
    }

    /// Whether nobody has the first blocks of a session: everybody is not asked for every other one then.
    fn is_hopeless(&self, id: SessionId) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|session| session.members.is_empty() && session.starved.len() >= SEEKS_ALONE_MAX)
    }

    /// The member that would send the block soonest.
    fn choose(&mut self, id: SessionId, cid: &Cid) -> Choice {
        let (Some(session), Some(wish)) = (self.sessions.get(&id), self.wants.get(cid)) else {
            return Choice::Nobody;
        };
        let most = (ASKED_BYTES_PER_PEER_MAX / session.mean_bytes.max(1))
            .clamp(BLOCKS_PER_PEER_MIN, BLOCKS_PER_PEER_MAX);
        let mut best: Option<(u64, PeerId)> = None;
        let mut is_busy = false;
        for peer in &session.members {
            let Some(source) = self.sources.get_mut(peer) else { continue };
            if wish.lacking.contains(peer) || source.ledger.score <= SCORE_BANNED {
                continue;
            }
            if source.is_full_at(most) {
                is_busy = true;
                continue;
            }
            let cost = (source.blocks_asked as u64 + 1).saturating_mul(source.pace_us + 1);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, *peer));
            }
        }
        match best {
            Some((_, peer)) => Choice::Ask(peer),
            None if is_busy => Choice::Busy,
            None => Choice::Nobody,
        }
    }

    /// Asks a peer for a block on behalf of the session that drives it.
    pub(super) fn ask(&mut self, now_ms: u64, id: SessionId, cid: &Cid, peer: PeerId) {
        let (Some(source), Some(wish)) = (self.sources.get_mut(&peer), self.wants.get_mut(cid)) else {
            return;
        };
        source.ask(now_ms, cid, Asked::Block { promised: false });
        if !wish.asked.contains(&peer) {
            wish.asked.push(peer);
        }
        let before = std::mem::replace(&mut wish.state, State::Asked(peer));
        if let Some(session) = self.sessions.get_mut(&id) {
            session.put_down(cid, before);
            session.live += 1;
        }
    }

    /// Asks peers outside the session whether they have a block; where there is none left, it starves.
    pub(super) fn seek(&mut self, now_ms: u64, cid: &Cid) {
        let Some(wish) = self.wants.get_mut(cid) else { return };
        let mut is_awaited = false;
        let mut peers: Vec<(i32, PeerId)> = Vec::new();
        for (peer, source) in &self.sources {
            if source.asked.get(cid) == Some(&Asked::Have) {
                is_awaited = true;
            } else if source.ledger.score > SCORE_BANNED && !wish.lacking.contains(peer) {
                peers.push((source.ledger.score, *peer));
            }
        }
        // The best first; then by id, so that a run can be repeated.
        peers.sort_unstable_by(|a, b| b.cmp(a));
        peers.truncate(SEEK_PEERS_MAX);
        if peers.is_empty() && !is_awaited {
            self.starve(now_ms, cid);
            return;
        }
        for (_, peer) in &peers {
            if let Some(source) = self.sources.get_mut(peer) {
                source.ask(now_ms, cid, Asked::Have);
            }
            if !wish.asked.contains(peer) {
                wish.asked.push(*peer);
            }
        }
        let before = std::mem::replace(&mut wish.state, State::Sought { since_ms: now_ms });
        if let Some(session) = wish.sessions.first().and_then(|id| self.sessions.get_mut(id)) {
            session.put_down(cid, before);
            session.seeking.insert(*cid);
        }
    }

    /// Seeks further once everybody who was asked has answered.
    pub(super) fn seek_on(&mut self, now_ms: u64, cid: &Cid) {
        let is_sought = |wish: &&Wish| matches!(wish.state, State::Sought { .. });
        let Some(wish) = self.wants.get(cid).filter(is_sought) else { return };
        let is_awaited = wish.asked.iter().any(|peer| {
            self.sources.get(peer).is_some_and(|source| source.asked.get(cid) == Some(&Asked::Have))
        });
        if !is_awaited {
            self.seek(now_ms, cid);
        }
    }

    fn starve(&mut self, now_ms: u64, cid: &Cid) {
        let Some(wish) = self.wants.get_mut(cid) else { return };
        let before = std::mem::replace(&mut wish.state, State::Starved { since_ms: now_ms });
        if let Some(session) = wish.sessions.first().and_then(|id| self.sessions.get_mut(id)) {
            session.put_down(cid, before);
            session.starved.insert(*cid);
        }
        if !matches!(before, State::Starved { .. }) {
            self.outputs.extend(wish.sessions.iter().map(|id| Output::Starved(*id, *cid)));
        }
    }

    /// A peer says that it has a block.
    pub(super) fn has(&mut self, now_ms: u64, peer: &PeerId, cid: &Cid) {
        let Some(source) = self.sources.get_mut(peer) else { return };
        let Some(asked) = source.asked.get_mut(cid).filter(|asked| !asked.is_block()) else { return };
        *asked = Asked::Answered { has: true };
        source.hear(now_ms);
        let is_good = source.ledger.score > SCORE_BANNED;
        self.revive(peer);
        if !is_good {
            return self.seek_on(now_ms, cid);
        }
        let Some(wish) = self.wants.get(cid) else { return };
        let (state, driver) = (wish.state, wish.sessions.first().copied());
        for id in wish.sessions.clone() {
            self.enlist(id, *peer);
        }
        if let (State::Sought { .. } | State::Starved { .. }, Some(id)) = (state, driver) {
            self.ask(now_ms, id, cid, *peer);
        }
    }

    /// A peer has blocks of a session: it may have those that nobody else has.
    pub(super) fn enlist(&mut self, id: SessionId, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !session.join(peer) {
            return;
        }
        for cid in std::mem::take(&mut session.starved) {
            if let Some(wish) = self.wants.get_mut(&cid) {
                wish.state = State::Waiting;
                session.waiting.push_back(cid);
            }
        }
    }

    /// A block that was asked for in vain waits for its turn again, before all others.
    pub(super) fn give_back(&mut self, cid: &Cid) {
        let Some(wish) = self.wants.get_mut(cid) else { return };
        let before = std::mem::replace(&mut wish.state, State::Waiting);
        if let Some(session) = wish.sessions.first().and_then(|id| self.sessions.get_mut(id)) {
            session.put_down(cid, before);
            session.waiting.push_front(*cid);
        }
    }
}

impl Source {
    /// Whether it is asked for enough, where that is `most` blocks.
    const fn is_full_at(&mut self, most: usize) -> bool {
        let enough = if self.is_full { most - most / ASKED_AGAIN_PART } else { most };
        self.is_full = self.blocks_asked >= enough;
        self.is_full
    }

    /// It may send a block that it is not asked for any more.
    pub(super) fn may_be_late(&mut self, cid: Cid) {
        if self.late.len() >= LATE_MAX {
            self.late.clear();
        }
        self.late.insert(cid);
    }

    pub(super) const fn hear(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.nudged = false;
    }

    /// Asks again for all that it was asked for: it may have dropped some of it.
    pub(super) fn nudge(&mut self) {
        self.nudged = true;
        let mut asked: Vec<Cid> =
            self.asked.iter().filter(|(_, asked)| asked.is_block()).map(|(cid, _)| *cid).collect();
        asked.sort_unstable();
        self.changes.extend(asked.into_iter().map(|cid| Want::new(cid, WantKind::Block, 1)));
    }

    pub(super) fn ask(&mut self, now_ms: u64, cid: &Cid, asked: Asked) {
        let promised = self.asked.get(cid) == Some(&Asked::Answered { has: true });
        let asked = if asked.is_block() { Asked::Block { promised } } else { asked };
        let before = self.asked.insert(*cid, asked);
        self.blocks_asked -= usize::from(before.is_some_and(Asked::is_block));
        let kind = if asked.is_block() { WantKind::Block } else { WantKind::Have };
        if asked.is_block() {
            if self.blocks_asked == 0 {
                self.hear(now_ms);
            }
            self.blocks_asked += 1;
        }
        let behind = i32::try_from(self.asked.len()).unwrap_or(PRIORITY);
        self.changes.push(Want::new(*cid, kind, PRIORITY - behind));
    }
}

impl Session {
    /// Takes a peer in; false where it is in already, or there are too many.
    fn join(&mut self, peer: PeerId) -> bool {
        let is_new = self.members.len() < MEMBERS_MAX && !self.members.contains(&peer);
        if is_new {
            self.members.push(peer);
        }
        is_new
    }

    /// Forgets how far a block was that it drove.
    pub(super) fn put_down(&mut self, cid: &Cid, state: State) {
        match state {
            // It was taken from the queue, or is passed over there.
            State::Waiting => {}
            State::Asked(_) => self.live -= 1,
            State::Sought { .. } => {
                self.seeking.remove(cid);
            }
            State::Starved { .. } => {
                self.starved.remove(cid);
            }
        }
    }

    /// Drives a block that another session drove.
    pub(super) fn take_up(&mut self, cid: &Cid, state: State) {
        match state {
            State::Waiting => self.waiting.push_back(*cid),
            State::Asked(_) => self.live += 1,
            State::Sought { .. } => {
                self.seeking.insert(*cid);
            }
            State::Starved { .. } => {
                self.starved.insert(*cid);
            }
        }
    }
}
