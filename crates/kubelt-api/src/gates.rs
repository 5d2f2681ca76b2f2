//! Gates: what chains open to whom.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The gates of a core that whoever asks may know of, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateList {
    /// Them.
    pub gates: Vec<GateView>,
}

/// A gate. It is set and removed as `gates/<name>` of the core's map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateView {
    /// Its name.
    pub name: String,
    /// Patterns of the paths that it opens to those who pass.
    pub opens: Vec<String>,
    /// Who passes: one line for each part of the condition, parts of a part with two more spaces before them.
    pub condition: Vec<String>,
    /// The block at which chains are asked: `latest`, `safe` or `finalized`.
    pub at: String,
    /// How long what was found holds, in seconds.
    pub keep: u64,
    /// Whether strangers may know of it.
    pub shown: bool,
}

/// How an account fares at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateTrial {
    /// The gate's name.
    pub gate: String,
    /// The account.
    pub account: String,
    /// `yes`, `no`, or `unknown` where a chain or a contract has no answer. Only `yes` opens.
    pub passes: String,
    /// When it was tried (RFC 3339).
    pub at: String,
    /// The blocks at which contracts were asked.
    pub blocks: Vec<GateBlock>,
    /// What became of each test.
    pub tests: Vec<GateTest>,
}

/// A block at which contracts were asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateBlock {
    /// EIP-155 chain id.
    pub chain: u64,
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: String,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateTest {
    /// What must hold.
    pub test: String,
    /// `yes`, `no` or `unknown`.
    pub holds: String,
    /// What was found.
    pub why: String,
    /// The word that the contract answered, as 64 hex digits with `0x`: an owner's address, for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}
