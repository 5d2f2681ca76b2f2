//! The protocols that this node speaks over libp2p.

use std::io;

use libp2p::{
    allow_block_list::{self, BlockedPeers},
    autonat::v2 as autonat,
    dcutr, identify,
    identity::PublicKey,
    kad, mdns, ping, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};

use crate::{
    admission, bitswap, candidates,
    config::NetConfig,
    kad::{OwnProvided, store::Records},
    limits::RELAY_CIRCUIT_BYTES_MAX,
    provide::push,
    replicate_stream,
};

/// What the node calls itself to peers (identify).
const AGENT: &str = concat!("kubelt/", env!("CARGO_PKG_VERSION"));
/// The family of protocols that IPFS nodes share (identify).
const FAMILY: &str = "ipfs/0.1.0";

/// All protocols, one field each.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    // First, so that a connection that is over a limit, or of a banned peer, reaches no other protocol.
    pub(crate) admission: admission::Behaviour,
    pub(crate) banned: allow_block_list::Behaviour<BlockedPeers>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) bitswap: bitswap::Behaviour,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    /// Whether others reach an address, asked of them and told to them.
    pub(crate) reached: candidates::Behaviour,
    reach: autonat::server::Behaviour,
    relayed: relay::client::Behaviour,
    relay: Toggle<relay::Behaviour>,
    punch: dcutr::Behaviour,
    pub(crate) push: push::Behaviour,
    pub(crate) replicate: replicate_stream::Behaviour,
    pub(crate) kad: Toggle<kad::Behaviour<Records>>,
}

impl Behaviour {
    pub(crate) fn new(
        key: PublicKey,
        config: &NetConfig,
        provided: OwnProvided,
        relayed: relay::client::Behaviour,
    ) -> io::Result<Self> {
        let own = key.to_peer_id();
        let kad = crate::kad::behaviour(own, config.dht, config.dht_scope, provided);
        let identify = identify::Config::new(FAMILY.to_owned(), key).with_agent_version(AGENT.to_owned());
        let mdns =
            config.mdns.then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), own)).transpose()?;
        let relaying =
            relay::Config { max_circuit_bytes: RELAY_CIRCUIT_BYTES_MAX, ..relay::Config::default() };
        let relay = config.relay.then(|| relay::Behaviour::new(own, relaying));
        Ok(Self {
            admission: admission::Behaviour::default(),
            banned: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            bitswap: bitswap::Behaviour::new(),
            mdns: mdns.into(),
            reached: candidates::Behaviour::default(),
            reach: autonat::server::Behaviour::default(),
            relayed,
            relay: relay.into(),
            punch: dcutr::Behaviour::new(own),
            push: push::Behaviour::new(crate::kad::protocol(config.dht_scope)),
            replicate: replicate_stream::Behaviour::default(),
            kad: kad.into(),
        })
    }
}
