//! What is asked of whom. A session belongs to one DAG: who had some of its blocks is asked for the others, and only
//! while nobody is known, or where those who are known lack a block, everybody is asked whether they have it.

mod ask;
mod peers;
mod recent;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    mem::take,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{
    Block,
    bitswap::{Message, Presence, Want},
};
use libp2p::PeerId;

use self::recent::Recent;
use super::{
    engine::{BitswapCounts, Ledger, Output, SessionId},
    limits::{
        BLOCK_BYTES_GUESS, BLOCKS_PER_SESSION_MAX, SCORE_BANNED, SCORE_LIED, SCORE_MAX, SCORE_REFUSED,
        SESSIONS_MAX, WANTS_PER_MESSAGE_MAX,
    },
};

/// The client's side.
#[derive(Debug, Default)]
pub(crate) struct Client {
    sources: HashMap<PeerId, Source>,
    wants: HashMap<Cid, Wish>,
    sessions: BTreeMap<SessionId, Session>,
    recent: Recent,
    /// Bad scores of peers that are gone, and until when they count.
    grudges: VecDeque<(PeerId, i32, u64)>,
    outputs: Vec<Output>,
    counts: BitswapCounts,
}

/// A peer that speaks bitswap.
#[derive(Debug, Default)]
struct Source {
    /// Entries of our want list there.
    asked: HashMap<Cid, Asked>,
    blocks_asked: usize,
    /// Whether it was asked for all that it may be, and has not sent a good part of that since. Asked for one block
    /// more whenever one came, it would send each in a message of its own.
    is_full: bool,
    /// When something came from it last, or it was first asked for something since.
    heard_ms: u64,
    /// When it was asked once more, if it was since then.
    nudged: bool,
    /// Microseconds between its blocks, on average.
    pace_us: u64,
    changes: Vec<Want>,
    /// What it was asked for in vain, until it says anything again.
    in_vain: Vec<Cid>,
    /// Blocks that it was asked for and that others have sent, or are to send: it may be about to, and does nothing wrong.
    late: HashSet<Cid>,
    /// When it is tried again then.
    tried_ms: u64,
    /// Whether the whole want list was sent once.
    greeted: bool,
    ledger: Ledger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Whether it has the block.
    Have,
    /// For the block; whether it said before that it has it.
    Block { promised: bool },
    /// It has answered that it has, or has not.
    Answered { has: bool },
}

impl Asked {
    const fn is_block(self) -> bool {
        matches!(self, Self::Block { .. })
    }
}

/// A block that is wanted.
#[derive(Debug)]
struct Wish {
    /// By whom; the first session drives.
    sessions: Vec<SessionId>,
    state: State,
    /// Peers whose want list may name it.
    asked: Vec<PeerId>,
    /// Peers that lack it, or were asked in vain.
    lacking: HashSet<PeerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its turn will come.
    Waiting,
    /// A peer was asked for it.
    Asked(PeerId),
    /// Peers were asked whether they have it.
    Sought { since_ms: u64 },
    /// Nobody has it.
    Starved { since_ms: u64 },
}

/// One DAG that somebody wants.
#[derive(Debug, Default)]
struct Session {
    /// Who had some of its blocks.
    members: Vec<PeerId>,
    /// Who is said to have some, and is not connected yet.
    expected: HashSet<PeerId>,
    /// All that it wants.
    wants: HashSet<Cid>,
    waiting: VecDeque<Cid>,
    seeking: HashSet<Cid>,
    starved: HashSet<Cid>,
    /// Blocks that are asked for.
    live: usize,
    /// Bytes that came and were not taken.
    unconsumed_bytes: usize,
    budget_bytes: usize,
    /// How large its blocks are, on average.
    mean_bytes: usize,
}

impl Session {
    fn has_room(&self) -> bool {
        let bytes = self.live.saturating_mul(self.mean_bytes).saturating_add(self.unconsumed_bytes);
        let is_first = self.live == 0 && self.unconsumed_bytes < self.budget_bytes;
        self.live < BLOCKS_PER_SESSION_MAX && (bytes < self.budget_bytes || is_first)
    }
}

impl Client {
    pub(crate) fn open(&mut self, id: SessionId, budget_bytes: usize) {
        if self.sessions.len() < SESSIONS_MAX {
            let session = Session { budget_bytes, mean_bytes: BLOCK_BYTES_GUESS, ..Session::default() };
            self.sessions.insert(id, session);
        }
    }

    pub(crate) fn want(&mut self, now_ms: u64, id: SessionId, cids: Vec<Cid>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            // There are too many sessions.
            self.outputs.extend(cids.into_iter().map(|cid| Output::Starved(id, cid)));
            return;
        };
        for cid in cids {
            if !session.wants.insert(cid) {
                continue;
            }
            if let Some(wish) = self.wants.get_mut(&cid) {
                wish.sessions.push(id);
                if matches!(wish.state, State::Starved { .. }) {
                    self.outputs.push(Output::Starved(id, cid));
                }
                continue;
            }
            let wish = Wish {
                sessions: vec![id],
                state: State::Waiting,
                asked: Vec::new(),
                lacking: HashSet::new(),
            };
            self.wants.insert(cid, wish);
            session.waiting.push_back(cid);
        }
        self.pump(now_ms, id);
    }

    pub(crate) fn consumed(&mut self, now_ms: u64, id: SessionId, bytes: usize) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.unconsumed_bytes = session.unconsumed_bytes.saturating_sub(bytes);
            self.pump(now_ms, id);
        }
    }

    pub(crate) fn forget(&mut self, now_ms: u64, id: SessionId, cids: &[Cid]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let cids: Vec<Cid> = cids.iter().filter(|cid| session.wants.remove(*cid)).copied().collect();
        for cid in &cids {
            self.leave(id, cid);
        }
        self.pump_all(now_ms);
    }

    pub(crate) fn close(&mut self, now_ms: u64, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        for cid in take(&mut session.wants) {
            self.leave(id, &cid);
        }
        self.sessions.remove(&id);
        self.pump_all(now_ms);
    }

    /// A session does not want a block any more: another one that does goes on with it, or it is cancelled.
    fn leave(&mut self, id: SessionId, cid: &Cid) {
        let Some(wish) = self.wants.get_mut(cid) else { return };
        let was_driven = wish.sessions.first() == Some(&id);
        wish.sessions.retain(|one| *one != id);
        if !was_driven {
            return;
        }
        let state = wish.state;
        let next = wish.sessions.first().copied();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.put_down(cid, state);
        }
        match next.and_then(|next| self.sessions.get_mut(&next)) {
            Some(session) => session.take_up(cid, state),
            None => {
                let Some(wish) = self.wants.remove(cid) else { return };
                self.recent.insert(*cid);
                self.withdraw(cid, &wish, None);
            }
        }
    }

    /// Takes a block off the want lists of all peers but one, which has sent it.
    fn withdraw(&mut self, cid: &Cid, wish: &Wish, sender: Option<&PeerId>) {
        for peer in &wish.asked {
            let Some(source) = self.sources.get_mut(peer) else { continue };
            let Some(asked) = source.asked.remove(cid) else { continue };
            source.blocks_asked -= usize::from(asked.is_block());
            if asked.is_block() && sender != Some(peer) {
                source.may_be_late(*cid);
            }
            // Who sends a block takes it off the list itself.
            if sender != Some(peer) || !asked.is_block() {
                source.changes.push(Want::cancel(*cid));
            }
        }
    }

    pub(crate) fn received(
        &mut self,
        now_ms: u64,
        peer: &PeerId,
        presences: Vec<Presence>,
        blocks: Vec<Block>,
        malformed: usize,
    ) {
        for _ in 0..malformed {
            self.refuse(peer);
        }
        for block in blocks {
            let (cid, data) = block.into_parts();
            self.block(now_ms, peer, cid, data);
        }
        for Presence { cid, has } in presences {
            if has {
                self.has(now_ms, peer, &cid);
            } else {
                self.has_not(now_ms, peer, &cid);
            }
        }
        self.pump_all(now_ms);
    }

    /// A block came whose bytes give this name.
    fn block(&mut self, now_ms: u64, peer: &PeerId, cid: Cid, data: Bytes) {
        let Some(wish) = self.wants.remove(&cid) else {
            let was_asked = self.sources.get_mut(peer).is_some_and(|source| source.late.remove(&cid));
            if was_asked || self.recent.contains(&cid) {
                self.counts.duplicates += 1;
            } else {
                self.refuse(peer);
            }
            return;
        };
        self.counts.received_blocks += 1;
        self.counts.received_bytes += data.len() as u64;
        if let Some(source) = self.sources.get_mut(peer) {
            let gap_us = now_ms.saturating_sub(source.heard_ms).saturating_mul(1_000);
            source.pace_us = (source.pace_us * 7 + gap_us) / 8;
            source.hear(now_ms);
            source.ledger.received_blocks += 1;
            source.ledger.received_bytes += data.len() as u64;
            source.ledger.score = (source.ledger.score + 1).min(SCORE_MAX);
        }
        self.withdraw(&cid, &wish, Some(peer));
        self.recent.insert(cid);
        self.revive(peer);
        for (index, id) in wish.sessions.iter().enumerate() {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            session.wants.remove(&cid);
            if index == 0 {
                session.put_down(&cid, wish.state);
            }
            session.unconsumed_bytes += data.len();
            session.mean_bytes = (session.mean_bytes * 7 + data.len()) / 8;
            self.enlist(*id, *peer);
            self.outputs.push(Output::Block(*id, *peer, cid, data.clone()));
        }
    }

    /// A block that nobody asked for: what a forger sends has another name than what was wanted.
    fn refuse(&mut self, peer: &PeerId) {
        self.counts.refused += 1;
        self.blame(peer, SCORE_REFUSED);
    }

    fn blame(&mut self, peer: &PeerId, score: i32) {
        let Some(source) = self.sources.get_mut(peer) else { return };
        let before = source.ledger.score;
        source.ledger.score += score;
        if before > SCORE_BANNED && source.ledger.score <= SCORE_BANNED {
            self.outputs.push(Output::Ban(*peer));
        }
    }

    fn has_not(&mut self, now_ms: u64, peer: &PeerId, cid: &Cid) {
        let Some(source) = self.sources.get_mut(peer) else { return };
        let Some(asked) = source.asked.insert(*cid, Asked::Answered { has: false }) else {
            // Not asked: nothing to learn from it.
            source.asked.remove(cid);
            return;
        };
        source.hear(now_ms);
        source.blocks_asked -= usize::from(asked.is_block());
        self.revive(peer);
        if let Some(wish) = self.wants.get_mut(cid) {
            wish.lacking.insert(*peer);
            match (asked, wish.state) {
                (Asked::Block { .. }, State::Asked(_)) => self.give_back(cid),
                (Asked::Have, State::Sought { .. }) => self.seek_on(now_ms, cid),
                _ => {}
            }
        }
        if asked == (Asked::Block { promised: true }) {
            self.blame(peer, SCORE_LIED);
        }
    }

    pub(crate) fn flush(&mut self, outputs: &mut Vec<Output>) {
        for (peer, source) in &mut self.sources {
            if source.changes.is_empty() {
                continue;
            }
            let changes = take(&mut source.changes);
            for piece in changes.chunks(WANTS_PER_MESSAGE_MAX) {
                let full = !source.greeted;
                source.greeted = true;
                let message = Message { full, wants: piece.to_vec(), ..Message::default() };
                self.outputs.push(Output::Send(*peer, message));
            }
        }
        outputs.append(&mut take(&mut self.outputs));
    }

    pub(crate) fn counts(&self) -> BitswapCounts {
        BitswapCounts { wanted: self.wants.len() as u64, ..self.counts }
    }

    pub(crate) fn ledgers(&self) -> HashMap<PeerId, Ledger> {
        self.sources.iter().map(|(peer, source)| (*peer, source.ledger)).collect()
    }
}

#[cfg(test)]
mod tests;
