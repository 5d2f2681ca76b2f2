//! By which ways blocks come, and how far a fetch is.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The way on which a block came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchWay {
    /// It was on this node, where its reader may see it.
    Local,
    /// It was fetched for a reader a while ago.
    Cache,
    /// From a peer that was connected.
    Peer,
    /// From a node that holds the core.
    Host,
    /// The same, over the transport of replication.
    Replication,
    /// The same, over HTTP.
    HostHttp,
    /// From a peer that was found because it is said to have the block.
    Bitswap,
    /// From somebody over HTTP who is said to have it.
    Http,
    /// From a trustless gateway.
    Gateway,
    /// In a CAR from a gateway that is known.
    Car,
}

impl FetchWay {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 10] = [
        Self::Local,
        Self::Cache,
        Self::Peer,
        Self::Host,
        Self::Replication,
        Self::HostHttp,
        Self::Bitswap,
        Self::Http,
        Self::Gateway,
        Self::Car,
    ];

    /// The word for it in figures and headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Cache => "cache",
            Self::Peer => "peer",
            Self::Host => "host",
            Self::Replication => "replication",
            Self::HostHttp => "host-http",
            Self::Bitswap => "bitswap",
            Self::Http => "http",
            Self::Gateway => "gateway",
            Self::Car => "car",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Local => "from this node",
            Self::Cache => "from its cache",
            Self::Peer => "from connected peers",
            Self::Host => "from hosts of the core",
            Self::Replication => "from hosts of the core by replication",
            Self::HostHttp => "from hosts of the core over HTTP",
            Self::Bitswap => "by bitswap from providers",
            Self::Http => "over HTTP from providers",
            Self::Gateway => "from gateways",
            Self::Car => "in CARs from gateways",
        }
    }

    /// Whether it leads to others.
    pub(super) const fn is_remote(self) -> bool {
        !matches!(self, Self::Local | Self::Cache)
    }
}

/// Blocks and their bytes, by the way on which they came.
#[derive(Debug, Default)]
pub(super) struct Counts([(AtomicU64, AtomicU64); FetchWay::ALL.len()]);

impl Counts {
    pub(super) fn came(&self, way: FetchWay, bytes: usize) {
        let (blocks, all) = &self.0[way as usize];
        blocks.fetch_add(1, Ordering::Relaxed);
        all.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The ways that were taken, with their blocks and bytes.
    pub(super) fn taken(&self) -> impl Iterator<Item = (FetchWay, u64, u64)> + '_ {
        let count = |way: FetchWay| {
            let (blocks, bytes) = &self.0[way as usize];
            (way, blocks.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed))
        };
        FetchWay::ALL.into_iter().map(count)
    }
}

/// How far a fetch is; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FetchProgress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    came: Counts,
    wanted: AtomicU64,
}

impl FetchProgress {
    pub(super) fn came(&self, way: FetchWay, bytes: usize) {
        self.0.came.came(way, bytes);
    }

    pub(super) fn wants(&self, blocks: usize) {
        self.0.wanted.store(blocks as u64, Ordering::Relaxed);
    }

    /// Blocks that came from elsewhere.
    pub fn fetched(&self) -> u64 {
        self.taken().filter(|(way, _)| way.is_remote()).map(|(_, blocks)| blocks).sum()
    }

    /// The ways that were taken, in the order in which they are tried, and how many blocks came by each.
    pub fn taken(&self) -> impl Iterator<Item = (FetchWay, u64)> + '_ {
        self.0.came.taken().filter(|(_, blocks, _)| *blocks > 0).map(|(way, blocks, _)| (way, blocks))
    }

    /// It in words: how much came, by which way, and how many blocks are asked for.
    pub fn text(&self) -> String {
        format!(
            "fetching: {}, {} asked for",
            self.came_text(),
            blocks_text(self.0.wanted.load(Ordering::Relaxed))
        )
    }

    /// The same once it is over.
    pub(crate) fn text_of_end(&self) -> String {
        format!("fetched: {}", self.came_text())
    }

    fn came_text(&self) -> String {
        let mut text = String::new();
        for (way, blocks) in self.taken() {
            // Writing to a string does not fail.
            let _ = write!(text, "{} {}, ", blocks_text(blocks), way.in_words());
        }
        let bytes: u64 = self.0.came.taken().map(|(_, _, bytes)| bytes).sum();
        let _ = write!(text, "{bytes} bytes");
        text
    }
}

fn blocks_text(count: u64) -> String {
    if count == 1 { "1 block".to_owned() } else { format!("{count} blocks") }
}
