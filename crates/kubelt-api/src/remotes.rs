//! Other nodes that hold a core.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks the node to exchange a core with another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteRequest {
    /// Where the other node is, as it prints it itself.
    #[schema(example = "/ip4/192.0.2.1/tcp/4749/tls/p2p/12D3KooW…")]
    pub address: String,
    /// Whether to name both nodes as hosts in the core's map, so that they go on without this session.
    #[serde(default = "yes")]
    pub hosts: bool,
}

const fn yes() -> bool {
    true
}

/// The other nodes that hold a core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemoteList {
    /// Each of them.
    pub remotes: Vec<RemoteView>,
}

/// Another node, and how far the core is with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemoteView {
    /// The node's peer id.
    pub peer: String,
    /// Its `did:key`, as it stands in the core's map.
    pub key: String,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// Whether the core's map names it as a host.
    pub host: bool,
    /// Whether somebody added it on this node.
    pub added: bool,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether both sides have all that the other has.
    pub settled: bool,
    /// When that was so last (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<String>,
    /// Operations that came from it since this node was started.
    pub ops: u64,
    /// Blocks that came from it.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Paths of content of which it lacks blocks that this node lacks.
    pub incomplete: u64,
    /// Why it is not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
