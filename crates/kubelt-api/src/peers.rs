//! The peers of a node, for its operator.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The node among its peers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PeerList {
    /// The node's own id.
    pub id: String,
    /// Where peers reach it, with its id at the end.
    pub addresses: Vec<String>,
    /// Addresses that others were asked to reach it at (AutoNAT), with what they found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<TriedAddress>,
    /// Where secure WebSockets lead to it under its own names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secure: Vec<SecureAddress>,
    /// The peers that are connected.
    pub peers: Vec<PeerView>,
}

/// An address of the node that somebody else tried to reach it at.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TriedAddress {
    /// The address.
    pub address: String,
    /// Whether that worked, the last time.
    pub reached: bool,
}

/// An address of secure WebSockets that the node ends TLS of itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SecureAddress {
    /// The address, with the node's id at the end.
    pub address: String,
    /// Whether there is a certificate for its name. Without one nobody connects to it, and it is not announced.
    pub certificate: bool,
}

/// A peer that is connected.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    /// Its id.
    pub id: String,
    /// Where the connections lead, or come from: one for each of them, those through relays last.
    pub addresses: Vec<String>,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// How long a ping took last, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping_ms: Option<f64>,
    /// What it says it speaks.
    pub protocols: Vec<String>,
}

/// Asks the node to connect to a peer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PeerConnect {
    /// Where the peer is, with its id at the end: `/ip4/192.0.2.1/tcp/4748/p2p/12D3…`.
    pub address: String,
}

/// The peer that the node connected to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PeerConnected {
    /// Its id.
    pub id: String,
}
