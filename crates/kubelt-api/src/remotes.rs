//! Other nodes that hold a core.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks the node to exchange a core with another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteRequest {
    /// Where the other node is, as it prints it itself; or a DNS name whose TXT records at `_kubelt.NAME` name it, an ENS
    /// name whose text record `kubelt` does, or `dht` to ask the DHT who has the core.
    #[schema(example = "/ip4/192.0.2.1/tcp/4749/tls/p2p/12D3KooW…")]
    pub address: String,
    /// Whether to name both nodes as hosts in the core's map, so that they go on without this session.
    #[serde(default = "yes")]
    pub hosts: bool,
    /// Whether to name the other node as a spare host instead, which gets the core when copies are missing. Nothing is
    /// exchanged then.
    #[serde(default)]
    pub spare: bool,
}

const fn yes() -> bool {
    true
}

/// The other nodes that hold a core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemoteList {
    /// Each of them.
    pub remotes: Vec<RemoteView>,
    /// How many nodes hold all of the core.
    pub copies: CopiesView,
}

/// How many nodes hold all of a core, and how many are to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CopiesView {
    /// How many its map asks for (`config/copies`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u16>,
    /// How many there are, this node among them where it has all content itself.
    pub held: u16,
    /// Whether there are fewer than wanted.
    pub under_replicated: bool,
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
    /// Whether that names it as spare.
    #[serde(default)]
    pub spare: bool,
    /// How much of the core it holds: `whole`, `behind`, `left` (it had all when it was connected, a moment ago), `away`
    /// or `spare` (not needed).
    pub holding: String,
    /// For how long it has not had everything, in milliseconds, where it ever had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
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
