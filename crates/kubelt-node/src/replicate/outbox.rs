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
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Bytes>,
    message_bytes: usize,
    /// Blocks that the peer waits for, by channel.
    wants: BTreeMap<u32, Wants>,
    /// The channel whose turn was last.
    last: u32,
    overflowed: bool,
}

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
    /// the same. A peer that does not read what it makes this side say is given up instead ([`Outbox::overflowed`]).
    pub(super) fn say(&self, channel: u32, kind: Kind, payload: &[u8]) {
        let mut frame = BytesMut::with_capacity(FRAME_HEAD_BYTES + payload.len());
        frame.put_slice(&FrameHead { len: payload.len(), channel, kind }.encode());
        frame.put_slice(payload);
        let mut state = self.state.lock();
        state.message_bytes += frame.len();
        state.messages.push_back(frame.freeze());
        state.overflowed |= state.message_bytes > PEER_OUT_BYTES_MAX;
        drop(state);
        self.filled.notify_one();
    }

    /// Adds wishes for blocks.
    ///
    /// # Errors
    /// [`PeerFault::Wants`] when the channel has more of them than it may.
    pub(super) fn want(&self, channel: u32, gate: &Arc<Gate>, cids: Vec<Cid>) -> Result<(), PeerFault> {
        let mut state = self.state.lock();
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

    /// Whether more waits than may.
    pub(super) fn overflowed(&self) -> bool {
        self.state.lock().overflowed
    }

    /// What is to be written next; none where nothing waits.
    pub(super) fn next(&self) -> Option<Next> {
        let mut state = self.state.lock();
        if let Some(frame) = state.messages.pop_front() {
            state.message_bytes -= frame.len();
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
