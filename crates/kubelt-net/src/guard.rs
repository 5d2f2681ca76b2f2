//! Where the node connects to when others name the address.
//!
//! Anybody can write an address into the map of a core, into the DHT, or into DNS. A node that strangers use must not
//! connect for them to what only it can reach: this machine, and the networks around it. So sockets are guarded, behind
//! the look-up of names: a name that leads to such an address leads nowhere. Peers that the operator named are exempt.

use std::{
    collections::HashSet,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use kubelt_node::is_public_address;
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    multiaddr::Protocol,
};
use parking_lot::Mutex;

use crate::limits::TOLD_PEERS_MAX;

/// The rule of a node; cheap to clone, and all clones see a change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    only_public: bool,
    /// Peers that the operator has named.
    told: Mutex<HashSet<PeerId>>,
    /// Peers that the local network has, where the operator looks for peers there: anybody in it can make up many.
    near: Mutex<HashSet<PeerId>>,
}

impl Guard {
    pub(crate) fn new(only_public: bool) -> Self {
        Self(Arc::new(Inner { only_public, told: Mutex::default(), near: Mutex::default() }))
    }

    /// Connects to this peer wherever it is.
    pub(crate) fn exempt(&self, peer: PeerId) {
        put(&self.0.told, peer);
    }

    /// The same of one that says that it is near.
    pub(crate) fn exempt_near(&self, peer: PeerId) {
        put(&self.0.near, peer);
    }

    /// Whether the node connects to an address that anybody may have named.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        !self.0.only_public || is_public_address(address)
    }

    /// The same of one that a transport is given, which names its peer at its end.
    fn allows_place(&self, address: &Multiaddr) -> bool {
        let ip = match address.iter().next() {
            Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
            Some(Protocol::Ip6(ip)) => IpAddr::V6(ip),
            // Names come here as what they lead to.
            _ => return !self.0.only_public,
        };
        let is_told = || match address.iter().last() {
            Some(Protocol::P2p(peer)) => {
                self.0.told.lock().contains(&peer) || self.0.near.lock().contains(&peer)
            }
            _ => false,
        };
        self.allows(ip) || is_told()
    }
}

/// Puts a peer among others, which all go where they are too many.
fn put(peers: &Mutex<HashSet<PeerId>>, peer: PeerId) {
    let mut peers = peers.lock();
    if peers.len() >= TOLD_PEERS_MAX {
        peers.clear();
    }
    peers.insert(peer);
}

/// A transport that connects where the guard allows it.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    inner: T,
    guard: Guard,
}

impl<T> Guarded<T> {
    pub(crate) const fn new(inner: T, guard: Guard) -> Self {
        Self { inner, guard }
    }
}

impl<T: Transport + Unpin> Transport for Guarded<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<T::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, opts: DialOpts) -> Result<T::Dial, TransportError<T::Error>> {
        if !self.guard.allows_place(&address) {
            tracing::debug!(%address, "not connected to: it is no public address");
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.inner.dial(address, opts)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, T::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::Guard;
    use crate::limits::TOLD_PEERS_MAX;

    #[test]
    fn what_is_near_is_for_peers_of_the_operator_only() {
        let (told, other) = (PeerId::random(), PeerId::random());
        let guard = Guard::new(true);
        guard.exempt(told);
        for (place, by_anybody) in [
            ("/ip4/127.0.0.1/tcp/1", false),
            ("/ip4/192.168.1.1/udp/1/quic-v1", false),
            ("/ip6/::ffff:10.0.0.1/tcp/1", false),
            ("/ip4/169.254.169.254/tcp/80", false),
            ("/dns4/node.example/tcp/1", false),
            ("/ip4/8.8.8.8/tcp/1", true),
            ("/ip6/2606:4700::1111/tcp/1", true),
        ] {
            let allows =
                |end: &str| guard.allows_place(&format!("{place}{end}").parse().expect("an address"));
            assert_eq!(allows(""), by_anybody, "{place}");
            assert_eq!(allows(&format!("/p2p/{other}")), by_anybody, "{place}");
            assert_eq!(allows(&format!("/p2p/{told}")), by_anybody || place.starts_with("/ip"), "{place}");
        }
        assert!(Guard::new(false).allows_place(&"/ip4/127.0.0.1/tcp/1".parse().expect("an address")));
        let near = PeerId::random();
        guard.exempt_near(near);
        let at = |peer: &PeerId| format!("/ip4/10.0.0.1/tcp/1/p2p/{peer}").parse().expect("an address");
        assert!(guard.allows_place(&at(&near)));
        for _ in 0..2 * TOLD_PEERS_MAX {
            guard.exempt_near(PeerId::random());
        }
        assert!(
            guard.allows_place(&at(&told)),
            "who makes up neighbours pushes none of the operator's peers out"
        );
        assert!(guard.0.near.lock().len() <= TOLD_PEERS_MAX);
        for _ in 0..2 * TOLD_PEERS_MAX {
            guard.exempt(PeerId::random());
        }
        assert!(guard.0.told.lock().len() <= TOLD_PEERS_MAX);
    }
}
