//! Bitswap as steps: events in, outputs out, no I/O.

use std::collections::HashMap;

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{
    Block,
    bitswap::{Message, Presence, Want},
};
use kubelt_node::PublishedBlock;
use libp2p::PeerId;

use super::{
    client::Client,
    server::{Load, Server},
};

/// A session of somebody who wants blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// What happens to the engine.
#[derive(Debug)]
pub(crate) enum Event {
    /// A peer is connected and speaks bitswap.
    Speaks(PeerId),
    /// It is gone, or its stream broke with all that was under way.
    Gone(PeerId),
    /// It sent a message.
    Received(PeerId, Received),
    /// It is sending a long one.
    Progress(PeerId),
    /// Bytes of blocks were written to it.
    Sent(PeerId, usize),
    /// The blocks were looked up that it wants: an answer for each, or for the first ones of them.
    Loaded(Load, Vec<PublishedBlock>),
    /// Something was published here.
    Published,
    /// Somebody wants blocks, at most so many bytes of them at once.
    Open(SessionId, usize),
    /// These.
    Want(SessionId, Vec<Cid>),
    /// These not any more.
    Forget(SessionId, Vec<Cid>),
    /// These peers are said to have them.
    Hint(SessionId, Vec<PeerId>),
    /// The blocks that came were taken.
    Consumed(SessionId, usize),
    /// Nobody wants them any more.
    Close(SessionId),
    /// Time has passed.
    Tick,
}

/// A message whose blocks were named by their bytes.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) full: bool,
    pub(crate) wants: Vec<Want>,
    pub(crate) presences: Vec<Presence>,
    pub(crate) blocks: Vec<Block>,
    /// Payloads that are no block at all.
    pub(crate) malformed: usize,
}

/// What shall be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send this.
    Send(PeerId, Message),
    /// Look these up, and say so by [`Event::Loaded`].
    Load(Load),
    /// A block for a session.
    Block(SessionId, PeerId, Cid, Bytes),
    /// Nobody who is connected has this block, for now.
    Starved(SessionId, Cid),
    /// Have nothing to do with this peer.
    Ban(PeerId),
}

/// What was exchanged with one peer while it was connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Bytes of blocks that it got.
    pub sent_bytes: u64,
    /// Blocks that it got.
    pub sent_blocks: u64,
    /// Bytes of blocks that came from it and were wanted.
    pub received_bytes: u64,
    /// Blocks that came from it and were wanted.
    pub received_blocks: u64,
    /// How it behaves: 0 at first, more for blocks, less for what is wrong.
    pub score: i32,
}

/// What bitswap has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BitswapCounts {
    /// Peers that are connected and speak it.
    pub peers: u64,
    /// Blocks sent.
    pub sent_blocks: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Blocks received that were wanted.
    pub received_blocks: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Blocks that came more than once.
    pub duplicates: u64,
    /// Blocks refused: forged, or never asked for.
    pub refused: u64,
    /// Wants answered with "not here".
    pub lacked: u64,
    /// Wants refused because a peer had too many.
    pub overflown: u64,
    /// Peers that were asked and sent nothing.
    pub stalls: u64,
    /// Blocks that are wanted now.
    pub wanted: u64,
}

/// Client and server.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    client: Client,
    server: Server,
}

impl Engine {
    /// One step, at a time in milliseconds that never goes back.
    pub(crate) fn step(&mut self, now_ms: u64, event: Event) -> Vec<Output> {
        let mut outputs = Vec::new();
        match event {
            Event::Speaks(peer) => {
                self.server.speaks(peer);
                self.client.speaks(now_ms, peer);
            }
            Event::Gone(peer) => {
                self.server.gone(&peer);
                self.client.gone(now_ms, &peer);
            }
            Event::Received(peer, received) => {
                let Received { full, wants, presences, blocks, malformed } = received;
                if full || !wants.is_empty() {
                    self.server.wants(&peer, full, wants);
                }
                self.client.received(now_ms, &peer, presences, blocks, malformed);
            }
            Event::Progress(peer) => self.client.progress(now_ms, &peer),
            Event::Sent(peer, bytes) => self.server.sent(&peer, bytes),
            Event::Loaded(load, found) => self.server.loaded(load, found),
            Event::Published => self.server.published(),
            Event::Open(session, budget_bytes) => self.client.open(session, budget_bytes),
            Event::Want(session, cids) => self.client.want(now_ms, session, cids),
            Event::Forget(session, cids) => self.client.forget(now_ms, session, &cids),
            Event::Hint(session, peers) => self.client.hint(now_ms, session, peers),
            Event::Consumed(session, bytes) => self.client.consumed(now_ms, session, bytes),
            Event::Close(session) => self.client.close(now_ms, session),
            Event::Tick => self.client.tick(now_ms),
        }
        self.client.flush(&mut outputs);
        self.server.flush(&mut outputs);
        outputs
    }

    pub(crate) fn counts(&self) -> BitswapCounts {
        let mut counts = self.client.counts();
        self.server.count(&mut counts);
        counts
    }

    /// The ledgers of all peers.
    pub(crate) fn ledgers(&self) -> HashMap<PeerId, Ledger> {
        let mut ledgers = self.client.ledgers();
        self.server.ledgers(&mut ledgers);
        ledgers
    }
}
