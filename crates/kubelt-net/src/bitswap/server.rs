//! Who is served when: one peer after the other, a bounded piece each, and none further than it takes.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    mem::take,
};

use cid::Cid;
use kubelt_content::bitswap::{Message, Payload, Presence, Want, WantKind};
use kubelt_node::PublishedBlock;
use libp2p::PeerId;

use super::{
    engine::{BitswapCounts, Ledger, Output},
    limits::{
        LOADS_MAX, MESSAGE_BYTES_AIM, UNMET_MAX, UNMET_PER_PEER_MAX, UNSENT_BYTES_MAX, WANTS_PER_LOAD_MAX,
        WANTS_PER_PEER_MAX,
    },
};

/// What a peer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) cid: Cid,
    pub(crate) kind: WantKind,
    priority: i32,
    send_dont_have: bool,
    /// Whether it was not here when it was looked up before.
    is_again: bool,
}

/// Blocks to look up for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) peer: PeerId,
    serial: u64,
    pub(crate) wants: Vec<Wanted>,
}

/// The server's side.
#[derive(Debug, Default)]
pub(crate) struct Server {
    peers: HashMap<PeerId, Served>,
    /// Whose turn it is; a peer is in it once.
    turns: VecDeque<PeerId>,
    loads: usize,
    /// Wants of all peers that could not be met.
    unmet: usize,
    next: u64,
    outputs: Vec<Output>,
    counts: BitswapCounts,
}

#[derive(Debug, Default)]
struct Served {
    waiting: BTreeMap<(Reverse<i32>, u64), Wanted>,
    places: HashMap<Cid, (Reverse<i32>, u64)>,
    /// What it wants and is not here.
    unmet: HashMap<Cid, Wanted>,
    /// What is being looked up, without what was cancelled meanwhile; none while nothing is.
    loading: Option<HashSet<Cid>>,
    /// Which look that is: one from before it was gone for a moment is none of its.
    serial: u64,
    has_turn: bool,
    unsent_bytes: usize,
    ledger: Ledger,
}

impl Served {
    fn remove(&mut self, cid: &Cid) {
        if let Some(place) = self.places.remove(cid) {
            self.waiting.remove(&place);
        }
        if let Some(loading) = &mut self.loading {
            loading.remove(cid);
        }
    }

    /// Puts a want in its place: what was looked up in vain before comes last.
    fn wait(&mut self, next: &mut u64, wanted: Wanted) {
        let place = (Reverse(if wanted.is_again { i32::MIN } else { wanted.priority }), *next);
        *next += 1;
        self.waiting.insert(place, wanted);
        self.places.insert(wanted.cid, place);
    }

    fn is_due(&self) -> bool {
        !self.waiting.is_empty()
            && self.loading.is_none()
            && !self.has_turn
            && self.unsent_bytes < UNSENT_BYTES_MAX
    }
}

impl Server {
    pub(crate) fn speaks(&mut self, peer: PeerId) {
        self.peers.entry(peer).or_default();
    }

    /// Nothing of it stays. A look that is under way has its place until it comes back, to nobody: whoever goes and comes
    /// again would have begun as many as it likes.
    pub(crate) fn gone(&mut self, peer: &PeerId) {
        if let Some(served) = self.peers.remove(peer) {
            self.turns.retain(|one| one != peer);
            self.unmet -= served.unmet.len();
        }
    }

    pub(crate) fn wants(&mut self, peer: &PeerId, full: bool, wants: Vec<Want>) {
        let Some(served) = self.peers.get_mut(peer) else { return };
        if full {
            served.waiting.clear();
            served.places.clear();
            self.unmet -= served.unmet.len();
            served.unmet.clear();
            served.loading.as_mut().map(HashSet::clear);
        }
        let mut refused = Vec::new();
        for Want { cid, priority, cancel, kind, send_dont_have } in wants {
            let before = served.places.get(&cid).and_then(|place| served.waiting.get(place)).copied();
            served.remove(&cid);
            self.unmet -= usize::from(served.unmet.remove(&cid).is_some());
            if cancel {
                continue;
            }
            if served.waiting.len() >= WANTS_PER_PEER_MAX {
                self.counts.overflown += 1;
                if send_dont_have {
                    refused.push(Presence { cid, has: false });
                }
                continue;
            }
            // Who wants the block wants no less when it also asks whether it is there.
            let kind = match before {
                Some(before) if before.kind == WantKind::Block => WantKind::Block,
                _ => kind,
            };
            served.wait(&mut self.next, Wanted { cid, kind, priority, send_dont_have, is_again: false });
        }
        if !refused.is_empty() {
            let message = Message { presences: refused, ..Message::default() };
            self.outputs.push(Output::Send(*peer, message));
        }
        self.enqueue(peer);
    }

    pub(crate) fn sent(&mut self, peer: &PeerId, bytes: usize) {
        if let Some(served) = self.peers.get_mut(peer) {
            served.unsent_bytes = served.unsent_bytes.saturating_sub(bytes);
            self.enqueue(peer);
        }
    }

    pub(crate) fn loaded(&mut self, load: Load, found: Vec<PublishedBlock>) {
        let Load { peer, serial, wants } = load;
        self.loads -= 1;
        // A peer that went and came back meanwhile asks again.
        let Some(served) = self.peers.get_mut(&peer).filter(|served| served.serial == serial) else { return };
        let Some(still) = served.loading.take() else { return };
        let (mut message, mut message_bytes) = (Message::default(), 0);
        let answered = found.len();
        for (wanted, found) in wants.iter().zip(found) {
            let Wanted { cid, send_dont_have, is_again, .. } = *wanted;
            if !still.contains(&cid) {
                continue;
            }
            match found {
                PublishedBlock::Missing => {
                    self.counts.lacked += u64::from(!is_again);
                    if send_dont_have && !is_again {
                        message.presences.push(Presence { cid, has: false });
                    }
                    // One that was asked for anew meanwhile is looked up again as it is.
                    let has_room = served.unmet.len() < UNMET_PER_PEER_MAX && self.unmet < UNMET_MAX;
                    if has_room && !served.places.contains_key(&cid) {
                        let before = served.unmet.insert(cid, Wanted { is_again: true, ..*wanted });
                        self.unmet += usize::from(before.is_none());
                    }
                }
                PublishedBlock::Here => message.presences.push(Presence { cid, has: true }),
                PublishedBlock::Bytes(data) => {
                    served.unsent_bytes += data.len();
                    for ledger_bytes in [&mut served.ledger.sent_bytes, &mut self.counts.sent_bytes] {
                        *ledger_bytes += data.len() as u64;
                    }
                    served.ledger.sent_blocks += 1;
                    self.counts.sent_blocks += 1;
                    message_bytes += data.len();
                    message.payloads.push(Payload::of(&cid, data));
                    if message_bytes >= MESSAGE_BYTES_AIM {
                        self.outputs.push(Output::Send(peer, take(&mut message)));
                        message_bytes = 0;
                    }
                }
            }
        }
        // What did not fit waits at its place again, unless it was asked for anew.
        for wanted in wants.into_iter().skip(answered) {
            if still.contains(&wanted.cid) && !served.places.contains_key(&wanted.cid) {
                served.wait(&mut self.next, wanted);
            }
        }
        if !message.is_empty() {
            self.outputs.push(Output::Send(peer, message));
        }
        self.enqueue(&peer);
    }

    /// Something was published: what peers want and was not here is looked up again.
    pub(crate) fn published(&mut self) {
        let mut peers: Vec<PeerId> = Vec::new();
        for (peer, served) in &mut self.peers {
            self.unmet -= served.unmet.len();
            for (_, wanted) in take(&mut served.unmet) {
                served.wait(&mut self.next, wanted);
            }
            peers.push(*peer);
        }
        peers.iter().for_each(|peer| self.enqueue(peer));
    }

    fn enqueue(&mut self, peer: &PeerId) {
        if let Some(served) = self.peers.get_mut(peer).filter(|served| served.is_due()) {
            served.has_turn = true;
            self.turns.push_back(*peer);
        }
    }

    pub(crate) fn flush(&mut self, outputs: &mut Vec<Output>) {
        while self.loads < LOADS_MAX {
            let Some(peer) = self.turns.pop_front() else { break };
            let Some(served) = self.peers.get_mut(&peer) else { continue };
            served.has_turn = false;
            let mut wants = Vec::new();
            while wants.len() < WANTS_PER_LOAD_MAX {
                let Some((_, wanted)) = served.waiting.pop_first() else { break };
                served.places.remove(&wanted.cid);
                wants.push(wanted);
            }
            if wants.is_empty() {
                continue;
            }
            served.loading = Some(wants.iter().map(|wanted| wanted.cid).collect());
            served.serial = self.next;
            self.next += 1;
            self.loads += 1;
            self.outputs.push(Output::Load(Load { peer, serial: served.serial, wants }));
        }
        outputs.append(&mut take(&mut self.outputs));
    }

    pub(crate) fn count(&self, counts: &mut BitswapCounts) {
        counts.peers = self.peers.len() as u64;
        counts.sent_blocks = self.counts.sent_blocks;
        counts.sent_bytes = self.counts.sent_bytes;
        counts.lacked = self.counts.lacked;
        counts.overflown = self.counts.overflown;
    }

    pub(crate) fn ledgers(&self, ledgers: &mut HashMap<PeerId, Ledger>) {
        for (peer, served) in &self.peers {
            let ledger = ledgers.entry(*peer).or_default();
            ledger.sent_bytes = served.ledger.sent_bytes;
            ledger.sent_blocks = served.ledger.sent_blocks;
        }
    }
}

#[cfg(test)]
mod tests;
