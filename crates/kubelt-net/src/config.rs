//! What an operator decides about the network.

use libp2p::Multiaddr;

/// How a node takes part in the network. The default listens nowhere and knows nobody: it can still be told to
/// connect.
#[derive(Debug, Clone, Default)]
pub struct NetConfig {
    /// Where the node listens: `/ip4/0.0.0.0/tcp/4748`, `/ip4/0.0.0.0/udp/4748/quic-v1`, `/ip4/…/tcp/…/ws`.
    pub listen: Vec<Multiaddr>,
    /// Peers that are connected to at the start, with their ids (`…/p2p/12D3…`).
    pub bootstrap: Vec<Multiaddr>,
}
