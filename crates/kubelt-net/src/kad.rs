//! The DHT of IPFS (Kademlia DHT, libp2p specification; `/ipfs/kad/1.0.0`): who provides what, and records of names.
//!
//! The walks are libp2p's. What is kept of others ([`store`]), what counts as a record, and when a look-up has
//! enough are this node's own.

mod lookup;
pub(crate) mod routed;
pub(crate) mod spot;
pub(crate) mod store;

use std::num::NonZeroUsize;

use kubelt_node::is_public_address;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    kad::{Behaviour, BucketInserts, Caching, Config, Mode, StoreInserts},
    multiaddr::Protocol,
};

pub(crate) use self::lookup::{Ask, Dht, Heed};
pub use self::lookup::{FoundProvider, PutError};
pub(crate) use self::store::OwnProvided;
pub use self::store::Provided;
use self::store::Records;
use crate::{
    config::{DhtMode, DhtScope},
    limits::{
        ADDRESS_BYTES_MAX, DHT_MESSAGE_BYTES_MAX, PEER_ADDRESSES_TOLD_BYTES_MAX, PEER_ADDRESSES_TOLD_MAX,
        PROVIDER_LIFE, RECORD_LIFE, WALK_TIMEOUT,
    },
};

/// Peers that a record is put to, and that are closest to a key.
pub(crate) const CLOSEST: usize = 20;

/// The protocol of a DHT.
pub(crate) const fn protocol(scope: DhtScope) -> StreamProtocol {
    match scope {
        DhtScope::Wan => StreamProtocol::new("/ipfs/kad/1.0.0"),
        DhtScope::Lan => StreamProtocol::new("/ipfs/lan/kad/1.0.0"),
    }
}

/// The protocol's state; none where the node takes no part.
pub(crate) fn behaviour(
    own: PeerId,
    mode: DhtMode,
    scope: DhtScope,
    provided: OwnProvided,
) -> Option<Behaviour<Records>> {
    let mode = match mode {
        DhtMode::Off => return None,
        DhtMode::Auto => None,
        DhtMode::Client => Some(Mode::Client),
        DhtMode::Server => Some(Mode::Server),
    };
    let mut config = Config::new(protocol(scope));
    config
        .set_query_timeout(WALK_TIMEOUT)
        .set_max_packet_size(DHT_MESSAGE_BYTES_MAX)
        .set_replication_factor(NonZeroUsize::new(CLOSEST).expect("a constant"))
        // One liar on the way must not lead the whole walk astray (S/Kademlia).
        .disjoint_query_paths(true)
        .set_record_ttl(Some(RECORD_LIFE))
        .set_provider_record_ttl(Some(PROVIDER_LIFE))
        // Records come from us to be judged, and only then into the store.
        .set_record_filtering(StoreInserts::FilterBoth)
        // What is to be announced again is announced by a schedule of our own.
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_kbucket_inserts(BucketInserts::Manual)
        .set_caching(Caching::Enabled { max_peers: 1 });
    let mut behaviour = Behaviour::with_config(own, Records::new(own, provided), config);
    behaviour.set_mode(mode);
    Some(behaviour)
}

/// Whether an address may go into the routing table, where it is told to others.
pub(crate) fn is_routable(address: &Multiaddr, scope: DhtScope) -> bool {
    scope == DhtScope::Lan || is_public(address)
}

/// The addresses of one peer that are kept and told to others: few, and no long ones.
fn told(addresses: impl IntoIterator<Item = Multiaddr>) -> Vec<Multiaddr> {
    let mut left = PEER_ADDRESSES_TOLD_BYTES_MAX;
    let mut fits = |address: &Multiaddr| {
        let rest = left.checked_sub(address.len()).filter(|_| address.len() <= ADDRESS_BYTES_MAX);
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    addresses.into_iter().filter(|address| fits(address)).take(PEER_ADDRESSES_TOLD_MAX).collect()
}

/// Whether strangers can reach an address, as far as it says.
pub(crate) fn is_public(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => is_public_address(ip.into()),
        Some(Protocol::Ip6(ip)) => ip.to_ipv4_mapped().is_none() && is_public_address(ip.into()),
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) | Protocol::Dnsaddr(name)) => {
            name != "localhost" && !name.ends_with(".localhost") && !name.ends_with(".local")
        }
        _ => false,
    }
}

/// Whether only this machine reaches an address.
pub fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

/// Whether an address is that of a gateway, and no peer's.
pub(crate) fn is_http(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Http | Protocol::Https))
}

#[cfg(test)]
mod tests;
