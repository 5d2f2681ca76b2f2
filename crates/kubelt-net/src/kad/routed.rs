//! Who is in the routing table, and at which addresses. libp2p keeps all addresses that it is ever given of a peer, and
//! knows no difference between peers of one owner and of many.

use std::{collections::HashMap, net::IpAddr};

use libp2p::{Multiaddr, PeerId, kad::Behaviour};

use super::{is_routable, store::Records, told};
use crate::{admission::address_of, config::DhtScope, limits::ROUTED_PER_NETWORK_MAX};

/// From which networks the peers of the routing table are connected.
#[derive(Debug, Default)]
pub(crate) struct Routed(HashMap<PeerId, Option<IpAddr>>);

impl Routed {
    /// Puts a peer into the routing table at the addresses where it says it listens, in the place of those that it said
    /// before. In the public DHT few are taken whose connections come from one network: what they say of themselves is
    /// free, where they are is not.
    pub(crate) fn put(
        &mut self,
        kad: &mut Behaviour<Records>,
        scope: DhtScope,
        peer: PeerId,
        connected: Option<&Multiaddr>,
        listens: &[Multiaddr],
    ) {
        let told = told(listens.iter().filter(|one| is_routable(one, scope)).cloned());
        let told: Vec<Multiaddr> = told.into_iter().filter_map(|one| one.with_p2p(peer).ok()).collect();
        if told.is_empty() || !self.admits(peer, scope, connected, |one| !routed_at(kad, one).is_empty()) {
            return;
        }
        for address in &told {
            kad.add_address(&peer, address.clone());
        }
        for before in routed_at(kad, &peer).iter().filter(|before| !told.contains(before)) {
            kad.remove_address(&peer, before);
        }
    }

    fn admits(
        &mut self,
        peer: PeerId,
        scope: DhtScope,
        connected: Option<&Multiaddr>,
        mut is_routed: impl FnMut(&PeerId) -> bool,
    ) -> bool {
        if scope == DhtScope::Lan || (self.0.contains_key(&peer) && is_routed(&peer)) {
            return true;
        }
        let network = connected.and_then(address_of).map(network);
        self.0.retain(|one, _| is_routed(one));
        let others = self.0.values().filter(|other| **other == network).count();
        let admitted = others < ROUTED_PER_NETWORK_MAX;
        if admitted {
            self.0.insert(peer, network);
        }
        admitted
    }
}

/// What one provider has of networks, about.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & 0xffff_0000).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 96)).into()),
    }
}

/// The addresses of a peer in the routing table; none of one that is not there.
fn routed_at(kad: &mut Behaviour<Records>, peer: &PeerId) -> Vec<Multiaddr> {
    let Some(bucket) = kad.kbucket(*peer) else { return Vec::new() };
    let entry = bucket.iter().find(|entry| entry.node.key.preimage() == peer);
    entry.map(|entry| entry.node.value.iter().cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use libp2p::{Multiaddr, PeerId, kad::Behaviour};

    use super::{DhtScope, Records, Routed, routed_at};
    use crate::limits::{ADDRESS_BYTES_MAX, PEER_ADDRESSES_TOLD_MAX, ROUTED_PER_NETWORK_MAX};

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    fn kad() -> Behaviour<Records> {
        let own = PeerId::random();
        Behaviour::new(own, Records::new(own, Arc::default()))
    }

    #[tokio::test]
    async fn a_peer_has_the_addresses_that_it_says_now_and_few_of_them() {
        let (mut routed, mut kad, peer) = (Routed::default(), kad(), PeerId::random());
        let from = address("/ip4/1.1.1.1/tcp/1");
        for round in 0..50 {
            let listens: Vec<Multiaddr> =
                (1..40).map(|n| address(&format!("/ip4/8.8.{round}.{n}/tcp/4001"))).collect();
            routed.put(&mut kad, DhtScope::Wan, peer, Some(&from), &listens);
        }
        let known = routed_at(&mut kad, &peer);
        assert_eq!(known.len(), PEER_ADDRESSES_TOLD_MAX);
        assert!(known.iter().all(|one| one.to_string().starts_with("/ip4/8.8.49.")), "{known:?}");
        let long = format!("/dns4/{}.example/tcp/1", "a".repeat(ADDRESS_BYTES_MAX));
        let near = "/ip4/10.0.0.1/tcp/1";
        routed.put(&mut kad, DhtScope::Wan, peer, Some(&from), &[address(&long), address(near)]);
        assert_eq!(routed_at(&mut kad, &peer), known, "what nobody can use says nothing");
    }

    #[tokio::test]
    async fn one_network_does_not_fill_the_routing_table() {
        let (mut routed, mut kad) = (Routed::default(), kad());
        let mut put = |from: &str, scope| {
            let peer = PeerId::random();
            routed.put(&mut kad, scope, peer, Some(&address(from)), &[address("/ip4/9.9.9.9/tcp/1")]);
            !routed_at(&mut kad, &peer).is_empty()
        };
        let enemies = (0..50).filter(|n| put(&format!("/ip4/1.1.{n}.7/tcp/1"), DhtScope::Wan)).count();
        assert_eq!(enemies, ROUTED_PER_NETWORK_MAX);
        let relayed = (0..50).filter(|_| put("/p2p-circuit", DhtScope::Wan)).count();
        assert_eq!(relayed, ROUTED_PER_NETWORK_MAX);
        assert!(put("/ip4/1.2.0.1/tcp/1", DhtScope::Wan), "others are taken");
        assert!(put("/ip6/2606:4700::1/tcp/1", DhtScope::Wan));
        assert!((0..10).all(|_| put("/ip4/127.0.0.1/tcp/1", DhtScope::Lan)), "a local network is one");
    }
}
