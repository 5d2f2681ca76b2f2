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
