//! Blocks of peers for the node that wants some.

use kubelt_content::{Block, Cid};
use kubelt_node::{Coming, FromPeers, PeerBlocks, PeerSession};
use libp2p::PeerId;

use crate::{BlockSession, Net, SessionEvent};

/// A session, and what it could not want.
#[derive(Debug)]
struct Session {
    blocks: BlockSession,
    refused: Vec<Cid>,
}

impl PeerBlocks for Net {
    fn session(&self, budget_bytes: usize) -> Box<dyn PeerSession> {
        Box::new(Session { blocks: self.block_session(budget_bytes), refused: Vec::new() })
    }
}

impl PeerSession for Session {
    fn want(&mut self, cids: Vec<Cid>) {
        if self.blocks.want(cids.clone()).is_err() {
            self.refused.extend(cids);
        }
    }

    fn forget(&mut self, cids: Vec<Cid>) {
        self.blocks.forget(cids);
    }

    fn hint(&mut self, peers: Vec<String>) {
        self.blocks.hint(peers.iter().filter_map(|peer| peer.parse::<PeerId>().ok()).collect());
    }

    fn next(&mut self) -> Coming<'_> {
        Box::pin(async move {
            if let Some(cid) = self.refused.pop() {
                return Some(FromPeers::Nobody(cid));
            }
            Some(match self.blocks.next().await? {
                // Bitswap names blocks by hashing them.
                SessionEvent::Block { cid, data, peer } => {
                    FromPeers::Block { block: Block::trusted(cid, data), peer: peer.to_base58() }
                }
                SessionEvent::Starved(cid) => FromPeers::Nobody(cid),
            })
        })
    }
}
