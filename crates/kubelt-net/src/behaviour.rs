//! The protocols that this node speaks over libp2p.

use libp2p::{
    allow_block_list::{self, BlockedPeers},
    connection_limits, identify,
    identity::PublicKey,
    kad, ping,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};

use crate::{
    bitswap,
    config::NetConfig,
    kad::{OwnProvided, store::Records},
    limits::{
        CONNECTIONS_INCOMING_MAX, CONNECTIONS_MAX, CONNECTIONS_PENDING_INCOMING_MAX,
        CONNECTIONS_PENDING_OUTGOING_MAX, CONNECTIONS_PER_PEER_MAX,
    },
    provide::push,
};

/// What the node calls itself to peers (identify).
const AGENT: &str = concat!("kubelt/", env!("CARGO_PKG_VERSION"));
/// The family of protocols that IPFS nodes share (identify).
const FAMILY: &str = "ipfs/0.1.0";

/// All protocols, one field each.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    // First, so that a connection that is over a limit, or of a banned peer, reaches no other protocol.
    limits: connection_limits::Behaviour,
    pub(crate) banned: allow_block_list::Behaviour<BlockedPeers>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) bitswap: bitswap::Behaviour,
    pub(crate) push: push::Behaviour,
    pub(crate) kad: Toggle<kad::Behaviour<Records>>,
}

impl Behaviour {
    pub(crate) fn new(key: PublicKey, config: &NetConfig, provided: OwnProvided) -> Self {
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_established(Some(CONNECTIONS_MAX))
            .with_max_established_incoming(Some(CONNECTIONS_INCOMING_MAX))
            .with_max_pending_incoming(Some(CONNECTIONS_PENDING_INCOMING_MAX))
            .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_OUTGOING_MAX))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
        let own = key.to_peer_id();
        let kad = crate::kad::behaviour(own, config.dht, config.dht_scope, provided);
        let identify = identify::Config::new(FAMILY.to_owned(), key).with_agent_version(AGENT.to_owned());
        Self {
            limits: connection_limits::Behaviour::new(limits),
            banned: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            bitswap: bitswap::Behaviour::new(),
            push: push::Behaviour::new(crate::kad::protocol(config.dht_scope)),
            kad: kad.into(),
        }
    }
}
