//! What waits to be written to a peer: messages before blocks, and blocks of all channels in turn.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use cid::Cid;
use kubelt_core::{
    limits::WANTS_MAX,
    peer::{FRAME_HEAD_BYTES, FrameHead, Kind},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{PeerFault, gate::Gate};
use crate::limits::PEER_OUT_BYTES_MAX;

/// The two ends of it: whoever has something to say, and the task that writes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
    overflow: Notify,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Bytes>,
    message_bytes: usize,
    /// Whether the peer waits for the answer to a ping.
    pong: bool,
    /// Blocks that the peer waits for, by channel.
    wants: BTreeMap<u32, Wants>,
    /// The channel whose turn was last.
    last: u32,
    /// Whether more waited than may: nothing is written any more.
    overflowed: bool,
}

/// What a frame that waits takes beyond its bytes.
const FRAME_KEPT_BYTES: usize = 64;

#[derive(Debug)]
struct Wants {
    gate: Arc<Gate>,
    cids: VecDeque<Cid>,
}

/// What is to be written next.
#[derive(Debug)]
pub(super) enum Next {
    /// A frame.
    Frame(Bytes),
    /// The answer to a wish for a block.
    Block { channel: u32, gate: Arc<Gate>, cid: Cid },
}

impl Outbox {
    /// Adds a message. This never waits: a side that waits here and does not read would wait for ever for one that does
    /// the same. A peer that does not read what it makes this side say is given up instead ([`Outbox::overflow`]).
    pub(super) fn say(&self, channel: u32, kind: Kind, payload: &[u8]) {
        let mut frame = BytesMut::with_capacity(FRAME_HEAD_BYTES + payload.len());
        frame.put_slice(&FrameHead { len: payload.len(), channel, kind }.encode());
        frame.put_slice(payload);
        let mut state = self.state.lock();
        if state.overflowed {
            return;
        }
        state.message_bytes += frame.len() + FRAME_KEPT_BYTES;
        if state.message_bytes > PEER_OUT_BYTES_MAX {
            *state = State { overflowed: true, ..State::default() };
            drop(state);
            self.overflow.notify_one();
            return;
        }
        state.messages.push_back(frame.freeze());
        drop(state);
        self.filled.notify_one();
    }

    /// Answers a ping: once, however many have come since the last answer was written.
    pub(super) fn pong(&self) {
        self.state.lock().pong = true;
        self.filled.notify_one();
    }

    /// Adds wishes for blocks.
    ///
    /// # Errors
    /// [`PeerFault::Wants`] when the channel has more of them than it may.
    pub(super) fn want(&self, channel: u32, gate: &Arc<Gate>, cids: Vec<Cid>) -> Result<(), PeerFault> {
        let mut state = self.state.lock();
        if state.overflowed {
            return Ok(());
        }
        let wants = state
            .wants
            .entry(channel)
            .or_insert_with(|| Wants { gate: Arc::clone(gate), cids: VecDeque::new() });
        if wants.cids.len() + cids.len() > 2 * WANTS_MAX {
            return Err(PeerFault::Wants);
        }
        wants.gate = Arc::clone(gate);
        wants.cids.extend(cids);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Forgets the wishes of a channel.
    pub(super) fn close(&self, channel: u32) {
        self.state.lock().wants.remove(&channel);
    }

    /// Waits until more waits than may.
    pub(super) async fn overflow(&self) {
        self.overflow.notified().await;
    }

    /// Bytes that wait, blocks aside.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.state.lock().message_bytes
    }

    /// What is to be written next; none where nothing waits.
    pub(super) fn next(&self) -> Option<Next> {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.pong) {
            let pong = FrameHead { len: 0, channel: 0, kind: Kind::Pong }.encode();
            return Some(Next::Frame(Bytes::copy_from_slice(&pong)));
        }
        if let Some(frame) = state.messages.pop_front() {
            state.message_bytes -= frame.len() + FRAME_KEPT_BYTES;
            return Some(Next::Frame(frame));
        }
        let after = state.last + 1;
        let turn = state.wants.range(after..).chain(state.wants.range(..after)).next();
        let channel = *turn?.0;
        state.last = channel;
        let wants = state.wants.get_mut(&channel)?;
        let (gate, cid) = (Arc::clone(&wants.gate), wants.cids.pop_front());
        if wants.cids.is_empty() {
            state.wants.remove(&channel);
        }
        cid.map(|cid| Next::Block { channel, gate, cid })
    }

    /// Waits until something was added.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }
}
