//! A node's place among peers: libp2p, and what is spoken over it.
//!
//! This crate translates between peers and the use cases of `kubelt-node`, and holds no rules: what a peer may have is
//! decided there. It is the only one that knows libp2p.
//!
//! Start at [`Net`], the handle that the rest of the node has; `swarm.rs` is the task behind it, and `behaviour.rs` the
//! list of the protocols. Cores are replicated past libp2p where nodes can reach each other (`direct.rs`), and over a
//! stream of it otherwise (`replicate_stream.rs`).

mod admission;
mod behaviour;
mod bitswap;
mod candidates;
mod config;
mod dialer;
mod direct;
mod fetch_port;
mod guard;
mod handshakes;
mod kad;
mod limits;
mod memory;
mod net;
mod provide;
mod replicate_stream;
mod routing;
mod scores;
mod stranger;
mod swarm;
mod transport;
mod wss;

pub use bitswap::{BitswapCounts, BlockSession, FetchError, Ledger, SessionEvent};
pub use config::{DhtMode, DhtScope, NetConfig, RootCertificate, RootError, public_bootstrap};
pub use dialer::NodeDialer;
pub use direct::{Direct, DirectStream, TlsError, direct_address, is_direct};
pub use kad::{FoundProvider, Provided, PutError, is_loopback};
pub use libp2p::{Multiaddr, PeerId, multiaddr};
pub use net::{Figures, Net, NetError, Peer};
pub use provide::provider;
pub use scores::Offence;
pub use wss::NodeCertificates;

#[cfg(test)]
mod tests;
