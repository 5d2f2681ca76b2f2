//! What a channel tells of itself.

use std::sync::Arc;

use kubelt_core::OpId;

/// How far a core is with a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Syncs that were done.
    pub rounds: u64,
    /// When both sides had everything last, in milliseconds since the Unix epoch.
    pub settled_ms: Option<u64>,
    /// Whether all that the last sync told of is here, and what this side told of is there.
    pub settled: bool,
    /// Whether both sides had the same heads after the last sync.
    pub equal: bool,
    /// The heads of both sides after the last sync, where they were the same.
    pub heads: Option<Arc<[OpId]>>,
    /// Operations that came and were new.
    pub ops: u64,
    /// Blocks that came.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Paths of content of which the peer lacks blocks that this node lacks.
    pub incomplete: u64,
    /// Paths of content of which the peer still lacks blocks.
    pub incomplete_there: u64,
}
