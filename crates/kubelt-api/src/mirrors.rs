//! What other cores have published, kept and served by this node.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks the node to mirror what a core has published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MirrorRequest {
    /// The core: an account or a core id.
    #[schema(example = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F")]
    pub core: String,
    /// A node that holds it, as it prints its address itself; or a DNS name whose TXT records at `_kubelt.NAME` name
    /// nodes, or `dht` to ask the DHT who has it.
    #[serde(default = "dht")]
    pub from: String,
    /// Seconds between two looks, from a minute to 30 days; changes come live where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<u64>,
}

fn dht() -> String {
    "dht".to_owned()
}

/// The mirrors of an account on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MirrorList {
    /// Each of them.
    pub mirrors: Vec<MirrorView>,
}

/// A mirror, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MirrorView {
    /// The core's id.
    pub core: String,
    /// Where nodes are that it comes from.
    pub sources: Vec<String>,
    /// Seconds between two looks; not there where changes come live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<u64>,
    /// Whether one of these nodes is connected.
    pub connected: bool,
    /// Whether all that is published there is served here, as far as it can be.
    pub settled: bool,
    /// When that was so last (RFC 3339), since this node was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<String>,
    /// Paths that are served.
    pub paths: u64,
    /// Paths that are published there and are not served: they do not prove themselves, or their content is not here.
    pub lacking: u64,
    /// Those of them that are over the quota of a core on this node.
    pub over_quota: u64,
    /// Operations that came since this node was started.
    pub ops: u64,
    /// Blocks that came over the last connection.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why no source is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
