//! How many connections there may be: in all, with one peer, and from one place.
//!
//! Keys cost nothing, addresses do: whoever makes a thousand keys must not have all the connections that peers may open,
//! nor keep others out by beginning many and ending none. So they are counted by the network that they come from; through
//! a relay all come from that relay.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
};

use kubelt_node::is_public_address;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

use crate::limits::{
    CONNECTIONS_INCOMING_MAX, CONNECTIONS_MAX, CONNECTIONS_PENDING_INCOMING_MAX,
    CONNECTIONS_PENDING_OUTGOING_MAX, CONNECTIONS_PENDING_PER_PLACE_MAX, CONNECTIONS_PER_PEER_MAX,
    CONNECTIONS_PER_PLACE_MAX, CONNECTIONS_PER_RELAY_MAX,
};

/// Where connections come from that count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// One address, or the network that one subscriber has.
    Network(IpAddr),
    /// A relay, whoever is behind it.
    Relay(PeerId),
}

/// Why a connection is not taken.
#[derive(Debug, thiserror::Error)]
#[error("there are too many connections {0}")]
struct TooMany(&'static str);

/// Takes connections as long as there are not too many.
#[derive(Debug)]
pub(crate) struct Behaviour {
    /// Whether peers may open any.
    pub(crate) has_room: bool,
    dialled: HashSet<ConnectionId>,
    /// Those that peers are opening.
    coming: HashMap<ConnectionId, Option<Place>>,
    open: HashMap<ConnectionId, Connection>,
    incoming: usize,
    of_peer: HashMap<PeerId, usize>,
    coming_from: HashMap<Place, usize>,
    open_from: HashMap<Place, usize>,
}

#[derive(Debug)]
struct Connection {
    peer: PeerId,
    is_incoming: bool,
    place: Option<Place>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            has_room: true,
            dialled: HashSet::new(),
            coming: HashMap::new(),
            open: HashMap::new(),
            incoming: 0,
            of_peer: HashMap::new(),
            coming_from: HashMap::new(),
            open_from: HashMap::new(),
        }
    }
}

impl Place {
    /// Where a connection comes from. Behind a proxy on this machine, or in a network of its own, many are one address:
    /// they count for nobody.
    fn of(local: &Multiaddr, remote: &Multiaddr) -> Option<Self> {
        if local.iter().any(|part| part == Protocol::P2pCircuit) {
            let relay =
                local.iter().take_while(|part| *part != Protocol::P2pCircuit).find_map(|part| match part {
                    Protocol::P2p(relay) => Some(relay),
                    _ => None,
                });
            return relay.map(Self::Relay);
        }
        let address = address_of(remote)?;
        is_public_address(address).then(|| Self::Network(subscriber(address)))
    }

    const fn connections_max(self) -> usize {
        match self {
            Self::Network(_) => CONNECTIONS_PER_PLACE_MAX,
            Self::Relay(_) => CONNECTIONS_PER_RELAY_MAX,
        }
    }
}

/// The IP address that an address begins with.
pub(crate) fn address_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    }
}

/// What one subscriber has: an address, or of version 6 as much as providers give to one.
fn subscriber(address: IpAddr) -> IpAddr {
    const BITS: u32 = 56;
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << (128 - BITS))).into()),
    }
}

impl Behaviour {
    fn check(&self, peer: &PeerId, incoming: Option<Option<Place>>) -> Result<(), TooMany> {
        if self.open.len() >= CONNECTIONS_MAX {
            return Err(TooMany("in all"));
        }
        if self.of_peer.get(peer).is_some_and(|count| *count >= CONNECTIONS_PER_PEER_MAX) {
            return Err(TooMany("with this peer"));
        }
        let Some(place) = incoming else { return Ok(()) };
        if !self.has_room || self.incoming >= CONNECTIONS_INCOMING_MAX {
            return Err(TooMany("that peers have opened"));
        }
        self.check_place(place)
    }

    /// Whether one more may come from a place.
    fn check_place(&self, place: Option<Place>) -> Result<(), TooMany> {
        let is_full =
            |place: &Place| self.open_from.get(place).is_some_and(|n| *n >= place.connections_max());
        if place.as_ref().is_some_and(is_full) { Err(TooMany("from there")) } else { Ok(()) }
    }

    /// One that a peer was opening is open, or was not taken.
    fn came(&mut self, connection: ConnectionId) {
        if let Some(Some(place)) = self.coming.remove(&connection) {
            put_back(&mut self.coming_from, &place);
        }
    }

    fn opened(&mut self, id: ConnectionId, connection: Connection) {
        *self.of_peer.entry(connection.peer).or_default() += 1;
        self.incoming += usize::from(connection.is_incoming);
        if let Some(place) = connection.place {
            *self.open_from.entry(place).or_default() += 1;
        }
        self.open.insert(id, connection);
    }

    fn closed(&mut self, id: ConnectionId) {
        let Some(Connection { peer, is_incoming, place }) = self.open.remove(&id) else { return };
        put_back(&mut self.of_peer, &peer);
        self.incoming -= usize::from(is_incoming);
        if let Some(place) = place {
            put_back(&mut self.open_from, &place);
        }
    }
}

/// One less; whoever has none takes no memory.
fn put_back<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let place = Place::of(local, remote);
        let begun = place.and_then(|place| self.coming_from.get(&place)).copied().unwrap_or_default();
        if !self.has_room
            || self.coming.len() >= CONNECTIONS_PENDING_INCOMING_MAX
            || begun >= CONNECTIONS_PENDING_PER_PLACE_MAX
        {
            return Err(ConnectionDenied::new(TooMany("that are being opened")));
        }
        self.check_place(place).map_err(ConnectionDenied::new)?;
        self.coming.insert(connection, place);
        if let Some(place) = place {
            *self.coming_from.entry(place).or_default() += 1;
        }
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, Some(Place::of(local, remote))).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _peer: Option<PeerId>,
        _addresses: &[Multiaddr],
        _role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.dialled.len() >= CONNECTIONS_PENDING_OUTGOING_MAX {
            return Err(ConnectionDenied::new(TooMany("that are being made")));
        }
        self.dialled.insert(connection);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, None).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(made) => {
                self.dialled.remove(&made.connection_id);
                self.came(made.connection_id);
                let (is_incoming, place) = match made.endpoint {
                    libp2p::core::ConnectedPoint::Dialer { .. } => (false, None),
                    libp2p::core::ConnectedPoint::Listener { local_addr, send_back_addr } => {
                        (true, Place::of(local_addr, send_back_addr))
                    }
                };
                self.opened(made.connection_id, Connection { peer: made.peer_id, is_incoming, place });
            }
            FromSwarm::ConnectionClosed(closed) => self.closed(closed.connection_id),
            FromSwarm::DialFailure(failure) => {
                self.dialled.remove(&failure.connection_id);
            }
            FromSwarm::ListenFailure(failure) => self.came(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
