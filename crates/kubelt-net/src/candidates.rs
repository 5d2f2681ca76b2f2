//! Addresses under which this node may be reached, as peers say: they are tried by asking others (AutoNAT). libp2p keeps
//! every one that it ever hears of, and has others dial it; here the first ones are heard, and no more than some.

use std::{
    collections::HashSet,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    autonat::v2::client,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};

use crate::limits::{ADDRESS_BYTES_MAX, CANDIDATES_MAX};

/// AutoNAT's client, which hears of few addresses.
#[derive(Default)]
pub(crate) struct Behaviour {
    inner: client::Behaviour,
    heard: Heard,
}

/// The addresses that it has heard of.
#[derive(Debug, Default)]
struct Heard(HashSet<Multiaddr>);

impl Heard {
    /// Whether an address is one of those that are tried.
    fn takes(&mut self, address: &Multiaddr) -> bool {
        let is_known = self.0.contains(address);
        let has_room = self.0.len() < CANDIDATES_MAX && address.len() <= ADDRESS_BYTES_MAX;
        if !is_known && has_room {
            self.0.insert(address.clone());
        }
        is_known || has_room
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <client::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = client::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::NewExternalAddrCandidate(candidate) = &event
            && !self.heard.takes(candidate.addr)
        {
            return;
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<client::Event, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use libp2p::Multiaddr;

    use super::Heard;
    use crate::limits::{ADDRESS_BYTES_MAX, CANDIDATES_MAX};

    #[test]
    fn whoever_makes_addresses_up_fills_no_memory() {
        let address = |n: usize| format!("/ip4/8.8.8.8/tcp/{n}").parse::<Multiaddr>().expect("an address");
        let mut heard = Heard::default();
        assert!(
            !heard.takes(&format!("/dns4/{}/tcp/1", "a".repeat(ADDRESS_BYTES_MAX)).parse().expect("one"))
        );
        let taken = (1..=60_000).filter(|n| heard.takes(&address(*n))).count();
        assert_eq!((taken, heard.0.len()), (CANDIDATES_MAX, CANDIDATES_MAX));
        assert!(heard.takes(&address(1)), "those that were heard of are heard of again");
    }
}
