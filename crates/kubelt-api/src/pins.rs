//! Pins, as the IPFS Pinning Service API 1.0.0 writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody wants pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Pin)]
pub struct PinObject {
    /// The root of the DAG.
    #[schema(example = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")]
    pub cid: String,
    /// A name, for people; 255 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Multiaddrs of peers that are known to have it; 20 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<String>>,
    /// Whatever else is to be kept with the pin; 1,000 pairs at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<BTreeMap<String, String>>,
}

/// A pin and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PinStatus)]
pub struct PinState {
    /// The id of the request for the pin.
    pub requestid: String,
    /// `queued`, `pinning`, `pinned` or `failed`.
    pub status: String,
    /// When it was asked for (RFC 3339, to the millisecond); no two pins of a core have the same.
    pub created: String,
    /// What was asked for.
    pub pin: PinObject,
    /// Multiaddrs that take the data.
    pub delegates: Vec<String>,
    /// More about it: `status_details` says why it waits or failed, how far it is, or by which ways it came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub info: BTreeMap<String, String>,
}

/// Pins, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PinResults {
    /// How many there are that fit the query.
    pub count: u64,
    /// The newest of them.
    pub results: Vec<PinState>,
}

/// An error of the Pinning Service API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Failure)]
pub struct PinFailure {
    /// What went wrong.
    pub error: PinFailureReason,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FailureReason)]
pub struct PinFailureReason {
    /// A word for programs, such as `NOT_FOUND`.
    pub reason: String,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// Asks the node to deliver published content to a pinning service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemotePinSetting {
    /// The service's URL before `/pins`.
    #[schema(example = "https://pins.example/api")]
    pub endpoint: String,
    /// Paths of content; what is public at and below each is delivered.
    pub paths: Vec<String>,
    /// The access token, kept on this node alone and never shown; the one that is there stays when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Where a core's published content is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemotePinList {
    /// Each setting, by name.
    pub services: Vec<RemotePinService>,
}

/// One setting, and how far its paths are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemotePinService {
    /// Its name.
    pub name: String,
    /// The service's URL before `/pins`.
    pub endpoint: String,
    /// Paths of content.
    pub paths: Vec<String>,
    /// Whether this node has a token for it; without one it delivers nothing.
    pub has_token: bool,
    /// What is delivered.
    pub pins: Vec<RemotePinView>,
}

/// How far one path is at a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemotePinView {
    /// The path of content.
    pub path: String,
    /// Its root.
    pub cid: String,
    /// `waiting`, `replacing`, `removing`, or the service's own `queued`, `pinning`, `pinned`, `failed`.
    pub status: String,
    /// The id of the pin at the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestid: Option<String>,
    /// Why it is not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
