//! A core and its state.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A core, as its reader may know it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CoreView {
    /// Its id: the CID of its genesis.
    pub core: String,
    /// `private`, `user` or `shared`.
    pub kind: String,
    /// The account it belongs to, for private and user cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Its name, for shared cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id of the core that it lies in, where that one names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Where it is on this node.
    pub path: String,
    /// Paths of content that this reader may read, 100 at most.
    pub content: Vec<String>,
    /// The IPNS name that follows what it publishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipns: Option<String>,
    /// What it uses; only for its members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageView>,
    /// Heirs, and which of them claim the core; only for whoever may hold a copy of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heirs: Vec<crate::HeirView>,
}

/// What a core uses, and may. A maximum of 2^64 - 1 is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageView {
    /// Operations.
    pub ops: u64,
    /// Operations allowed.
    pub ops_max: u64,
    /// Bytes of operations with their bodies.
    pub op_bytes: u64,
    /// Bytes of operations allowed.
    pub op_bytes_max: u64,
    /// Bytes of blocks.
    pub block_bytes: u64,
    /// Bytes of blocks allowed.
    pub block_bytes_max: u64,
    /// Blocks.
    pub blocks: u64,
    /// Blocks allowed.
    pub blocks_max: u64,
    /// Notes of which root reaches which block: as many for each root as it has blocks.
    pub reach_notes: u64,
    /// What those notes count for, in bytes, beside the blocks when something is published: one for each block is free.
    pub reach_note_bytes: u64,
}

/// What a core uses, and what of it its content needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoreUsage {
    /// What counts.
    pub usage: UsageView,
    /// How many versions of each path are kept: a number, or `all`; `all` too where the setting cannot be read.
    pub versions_kept: String,
    /// What becomes of the blocks.
    pub content: ContentUsage,
}

/// What becomes of the blocks that a core has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentUsage {
    /// Blocks that paths keep, with the versions that are kept.
    pub kept_blocks: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Blocks that were uploaded and that no path names yet, or that no path keeps any more: they are freed unless
    /// something is made of them.
    pub loose_blocks: u64,
    /// Their bytes.
    pub loose_bytes: u64,
    /// Whether all blocks were looked at; the figures are those of the first ones otherwise.
    pub complete: bool,
}

/// The operations that no other operation follows.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Heads {
    /// Their ids.
    pub heads: Vec<String>,
    /// How many operations there are in all.
    pub count: u64,
}

/// The value at a path and the operation that decides it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StateEntry {
    /// The path.
    pub path: String,
    /// The value, as dag-json.
    #[schema(value_type = Value)]
    pub value: serde_json::Value,
    /// The operation that decides it: its header, body and sign-in prove it.
    pub op: String,
    /// Its date (RFC 3339).
    pub at: String,
}

/// A page of the map.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StatePage {
    /// Sorted by path.
    pub entries: Vec<StateEntry>,
    /// Give it as `cursor` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which account an ENS name leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnsView {
    /// The name, normalised (ENSIP-15).
    pub name: String,
    /// The account: `0x…`, or `eip155:<chain>:0x…` where a contract is at the address.
    pub account: String,
    /// The address with its checksum.
    pub address: String,
    /// The chain of the names (EIP-155 id).
    pub chain: u64,
    /// The height of the block at which it was looked up, the last final one.
    pub block: u64,
    /// Its hash.
    pub block_hash: String,
}

/// Where a name leads.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NameView {
    /// The name: of a key in base36, or of the DNS.
    pub name: String,
    /// The content path at the end: `/ipfs/…`.
    pub path: String,
    /// How many seconds this may be kept; none where no record says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}
