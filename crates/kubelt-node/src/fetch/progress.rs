//! How far a fetch is, in words.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How far a fetch is; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FetchProgress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    here: AtomicU64,
    peers: AtomicU64,
    gateways: AtomicU64,
    bytes: AtomicU64,
    wanted: AtomicU64,
}

/// The way on which a block came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Here,
    Peers,
    Gateway,
}

impl FetchProgress {
    pub(super) fn came(&self, way: Way, bytes: usize) {
        let count = match way {
            Way::Here => &self.0.here,
            Way::Peers => &self.0.peers,
            Way::Gateway => &self.0.gateways,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn wants(&self, blocks: usize) {
        self.0.wanted.store(blocks as u64, Ordering::Relaxed);
    }

    /// Blocks that came from elsewhere.
    pub fn fetched(&self) -> u64 {
        self.0.peers.load(Ordering::Relaxed) + self.0.gateways.load(Ordering::Relaxed)
    }

    /// It in words: how much came, by which way, and how many blocks are asked for.
    pub fn text(&self) -> String {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut text = String::from("fetching:");
        let ways = [
            ("from this node", &self.0.here),
            ("by bitswap", &self.0.peers),
            ("from gateways", &self.0.gateways),
        ];
        for (way, count) in ways {
            let blocks = load(count);
            if blocks > 0 {
                // Writing to a string does not fail.
                let _ = write!(text, " {blocks} blocks {way},");
            }
        }
        let _ = write!(text, " {} bytes, {} blocks asked for", load(&self.0.bytes), load(&self.0.wanted));
        text
    }
}
