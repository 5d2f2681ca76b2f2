//! The node itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The node, to anybody.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NodeInfo {
    /// `kubelt`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What goes on in the background; for the operator, on the node's own machine, and left out for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerInfo>,
}

/// One worker of a node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkerInfo {
    /// Its name.
    pub name: String,
    /// `idle`, `busy`, `failing` or `stopped`.
    pub state: String,
    /// Steps that it has done.
    pub steps: u64,
    /// Steps that failed.
    pub errors: u64,
    /// How much waits for it, in its own unit.
    pub waiting: u64,
    /// Why the last step failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What it is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
}

/// Whether the node is alive or ready.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is wrong.
    pub status: String,
    /// `read-write` or `read-only`.
    pub store: String,
}

/// A core was imported from a CAR.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CoreImport {
    /// The core's id.
    pub core: String,
    /// Where it is on this node.
    pub path: String,
    /// Operations in the CAR.
    pub ops: u64,
    /// Of them, those that were new here.
    pub ops_new: u64,
    /// Of them, those that count.
    pub ops_effective: u64,
    /// Content blocks in the CAR.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Paths whose content is not whole here.
    pub incomplete: Vec<String>,
}
