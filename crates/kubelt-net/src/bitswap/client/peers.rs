//! Peers that come, go and stall.

use std::collections::BTreeSet;

use cid::Cid;
use kubelt_content::bitswap::Want;
use libp2p::PeerId;

use super::{Asked, Client, Source, State};
use crate::bitswap::{
    engine::SessionId,
    limits::{
        GRUDGE_MS, GRUDGES_MAX, MEMBERS_MAX, NUDGE_MS, SCORE_BANNED, SCORE_STALL, SEEK_AGAIN_MS, SEEK_MS,
        SEEKS_ALONE_MAX, STALL_MS,
    },
};

impl Client {
    pub(crate) fn speaks(&mut self, now_ms: u64, peer: PeerId) {
        if self.sources.contains_key(&peer) {
            return;
        }
        let mut source = Source { heard_ms: now_ms, ..Source::default() };
        self.grudges.retain(|(_, _, until_ms)| *until_ms > now_ms);
        if let Some((_, score, _)) = self.grudges.iter().find(|(one, _, _)| *one == peer) {
            source.ledger.score = *score;
        }
        self.sources.insert(peer, source);
        // It may have what others lack.
        let (mut sought, mut expecting) = (Vec::new(), Vec::new());
        for (id, session) in &mut self.sessions {
            if session.expected.remove(&peer) {
                expecting.push(*id);
            } else {
                let lacked = session.starved.iter().chain(&session.seeking);
                sought.extend(lacked.take(SEEKS_ALONE_MAX).copied());
            }
        }
        for id in expecting {
            self.enlist(id, peer);
        }
        for cid in sought {
            self.seek(now_ms, &cid);
        }
        self.pump_all(now_ms);
    }

    pub(crate) fn gone(&mut self, now_ms: u64, peer: &PeerId) {
        let Some(source) = self.sources.remove(peer) else { return };
        if source.ledger.score < 0 {
            self.grudges.retain(|(one, _, _)| one != peer);
            self.grudges.push_back((*peer, source.ledger.score, now_ms.saturating_add(GRUDGE_MS)));
            if self.grudges.len() > GRUDGES_MAX {
                self.grudges.pop_front();
            }
        }
        for session in self.sessions.values_mut() {
            session.members.retain(|one| one != peer);
        }
        for (cid, asked) in source.asked {
            let Some(wish) = self.wants.get_mut(&cid) else { continue };
            wish.asked.retain(|one| one != peer);
            wish.lacking.remove(peer);
            match (asked, wish.state) {
                (Asked::Block { .. }, State::Asked(_)) => self.give_back(&cid),
                (Asked::Have, State::Sought { .. }) => self.seek_on(now_ms, &cid),
                _ => {}
            }
        }
        self.pump_all(now_ms);
    }

    /// Peers that are said to have what a session wants: they are asked first.
    pub(crate) fn hint(&mut self, now_ms: u64, id: SessionId, peers: Vec<PeerId>) {
        for peer in peers {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            if self.sources.contains_key(&peer) {
                self.enlist(id, peer);
            } else if session.expected.len() < MEMBERS_MAX {
                session.expected.insert(peer);
            }
        }
        self.pump(now_ms, id);
    }

    pub(crate) fn progress(&mut self, now_ms: u64, peer: &PeerId) {
        if let Some(source) = self.sources.get_mut(peer) {
            source.hear(now_ms);
        }
    }

    pub(crate) fn tick(&mut self, now_ms: u64) {
        let stalled =
            |source: &Source| source.blocks_asked > 0 && now_ms >= source.heard_ms.saturating_add(STALL_MS);
        let mut stalling: Vec<PeerId> =
            self.sources.iter().filter(|(_, source)| stalled(source)).map(|(peer, _)| *peer).collect();
        stalling.sort_unstable();
        for peer in stalling {
            self.stalled(now_ms, &peer);
        }
        for source in self.sources.values_mut() {
            let is_quiet = now_ms >= source.heard_ms.saturating_add(NUDGE_MS);
            if source.blocks_asked > 0 && !source.nudged && is_quiet {
                source.nudge();
            }
        }
        self.try_stalled(now_ms);
        let mut again = Vec::new();
        for session in self.sessions.values() {
            again.extend(session.seeking.iter().copied());
            again.extend(session.starved.iter().take(SEEKS_ALONE_MAX).copied());
        }
        for cid in again {
            self.seek_late(now_ms, &cid);
        }
        self.pump_all(now_ms);
    }

    /// A peer was asked and sends nothing: others are asked, and it last from now on. Until it answers for one of these
    /// blocks, it is asked for none.
    fn stalled(&mut self, now_ms: u64, peer: &PeerId) {
        self.counts.stalls += 1;
        let Some(source) = self.sources.get_mut(peer) else { return };
        let asked: Vec<Cid> =
            source.asked.iter().filter(|(_, asked)| asked.is_block()).map(|(cid, _)| *cid).collect();
        source.blocks_asked = 0;
        for cid in &asked {
            source.asked.insert(*cid, Asked::Answered { has: false });
            source.changes.push(Want::cancel(*cid));
            source.may_be_late(*cid);
        }
        source.in_vain.extend(&asked);
        source.tried_ms = now_ms;
        for session in self.sessions.values_mut() {
            session.members.retain(|one| one != peer);
        }
        for cid in asked {
            if let Some(wish) = self.wants.get_mut(&cid) {
                wish.lacking.insert(*peer);
                self.give_back(&cid);
            }
        }
        // A slow peer is asked last, and is no enemy.
        let score = self.sources.get(peer).map_or(0, |source| source.ledger.score);
        self.blame(peer, SCORE_STALL.max(SCORE_BANNED + 1 - score).min(0));
    }

    /// Asks those who stalled whether they have one of the blocks that they did not send.
    fn try_stalled(&mut self, now_ms: u64) {
        for (peer, source) in &mut self.sources {
            if source.in_vain.is_empty() || now_ms < source.tried_ms.saturating_add(SEEK_MS) {
                continue;
            }
            source.tried_ms = now_ms;
            // Others may have sent them, or be about to.
            let is_starved = |cid: &Cid| {
                self.wants.get(cid).is_some_and(|wish| matches!(wish.state, State::Starved { .. }))
            };
            source.in_vain.retain(|cid| self.wants.contains_key(cid));
            let tried = source.in_vain.iter().find(|cid| is_starved(cid)).copied();
            let Some((cid, wish)) = tried.and_then(|cid| Some((cid, self.wants.get_mut(&cid)?))) else {
                continue;
            };
            if !wish.asked.contains(peer) {
                wish.asked.push(*peer);
            }
            source.ask(now_ms, &cid, Asked::Have);
        }
    }

    /// A peer that stalled has said something: it is asked again for what it did not send, however many blocks
    /// that are.
    pub(super) fn revive(&mut self, peer: &PeerId) {
        let Some(source) = self.sources.get_mut(peer) else { return };
        let mut sessions = BTreeSet::new();
        for cid in std::mem::take(&mut source.in_vain) {
            let Some(wish) = self.wants.get_mut(&cid) else { continue };
            wish.lacking.remove(peer);
            sessions.extend(wish.sessions.iter().copied());
            if let State::Starved { .. } = wish.state
                && let Some(session) = wish.sessions.first().and_then(|id| self.sessions.get_mut(id))
            {
                session.put_down(&cid, wish.state);
                wish.state = State::Waiting;
                session.waiting.push_back(cid);
            }
        }
        for id in sessions {
            self.enlist(id, *peer);
        }
    }

    /// Who does not say in time whether it has a block counts as lacking it; and after a while all are asked again.
    fn seek_late(&mut self, now_ms: u64, cid: &Cid) {
        let Some(wish) = self.wants.get_mut(cid) else { return };
        match wish.state {
            State::Sought { since_ms } if now_ms >= since_ms.saturating_add(SEEK_MS) => {
                for peer in &wish.asked {
                    let asked = self.sources.get_mut(peer).and_then(|source| source.asked.get_mut(cid));
                    if let Some(asked) = asked.filter(|asked| **asked == Asked::Have) {
                        *asked = Asked::Answered { has: false };
                        wish.lacking.insert(*peer);
                    }
                }
                self.seek(now_ms, cid);
            }
            State::Starved { since_ms } if now_ms >= since_ms.saturating_add(SEEK_AGAIN_MS) => {
                wish.lacking.clear();
                self.seek(now_ms, cid);
            }
            _ => {}
        }
    }
}
