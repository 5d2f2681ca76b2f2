//! Limits of what peers may cost.

use std::time::Duration;

/// Connections that may be open, both ways together.
pub(crate) const CONNECTIONS_MAX: u32 = 1_000;
/// Connections that peers opened.
pub(crate) const CONNECTIONS_INCOMING_MAX: u32 = 800;
/// Connections that are being opened by peers.
pub(crate) const CONNECTIONS_PENDING_INCOMING_MAX: u32 = 128;
/// Connections that are being opened to peers.
pub(crate) const CONNECTIONS_PENDING_OUTGOING_MAX: u32 = 256;
/// Connections with one peer.
pub(crate) const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// How long a connection stays that nobody uses.
pub(crate) const CONNECTION_IDLE: Duration = Duration::from_secs(60);
/// Commands that wait for the task of the network.
pub(crate) const COMMANDS_WAITING_MAX: usize = 1_024;
/// Addresses of one peer that are remembered while it is connected.
pub(crate) const PEER_ADDRESSES_MAX: usize = 32;
