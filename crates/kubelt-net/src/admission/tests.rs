use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    swarm::{
        ConnectionId, FromSwarm, ListenError, NetworkBehaviour as _,
        behaviour::{ConnectionClosed, ConnectionEstablished, ListenFailure},
    },
};

use super::{Behaviour, Place};
use crate::limits::{
    CONNECTIONS_INCOMING_MAX, CONNECTIONS_PENDING_INCOMING_MAX, CONNECTIONS_PENDING_PER_PLACE_MAX,
    CONNECTIONS_PER_PEER_MAX, CONNECTIONS_PER_PLACE_MAX, CONNECTIONS_PER_RELAY_MAX,
};

/// A node's connections under test.
#[derive(Default)]
struct Bench {
    behaviour: Behaviour,
    next: usize,
}

fn address(text: &str) -> Multiaddr {
    text.parse().expect("an address")
}

fn listener(local: &str, remote: &str) -> ConnectedPoint {
    ConnectedPoint::Listener { local_addr: address(local), send_back_addr: address(remote) }
}

const HERE: &str = "/ip4/8.8.4.4/tcp/4748";

impl Bench {
    /// Somebody begins to connect.
    fn begins(&mut self, local: &str, remote: &str) -> Option<ConnectionId> {
        let id = ConnectionId::new_unchecked(self.next);
        self.next += 1;
        let (local, remote) = (address(local), address(remote));
        let taken = self.behaviour.handle_pending_inbound_connection(id, &local, &remote);
        if taken.is_err() {
            self.fails(id, &local, &remote);
        }
        taken.ok().map(|()| id)
    }

    fn fails(&mut self, connection_id: ConnectionId, local_addr: &Multiaddr, send_back_addr: &Multiaddr) {
        let error = &ListenError::Aborted;
        let failure = ListenFailure { local_addr, send_back_addr, error, connection_id, peer_id: None };
        self.behaviour.on_swarm_event(FromSwarm::ListenFailure(failure));
    }

    /// Somebody connects; gives how to close it again.
    fn connects(&mut self, peer: PeerId, local: &str, remote: &str) -> Option<(PeerId, ConnectionId)> {
        let connection_id = self.begins(local, remote)?;
        let (local_addr, remote_addr) = (address(local), address(remote));
        let taken = self.behaviour.handle_established_inbound_connection(
            connection_id,
            peer,
            &local_addr,
            &remote_addr,
        );
        if taken.is_err() {
            self.fails(connection_id, &local_addr, &remote_addr);
            return None;
        }
        let made = ConnectionEstablished {
            peer_id: peer,
            connection_id,
            endpoint: &listener(local, remote),
            failed_addresses: &[],
            other_established: 0,
        };
        self.behaviour.on_swarm_event(FromSwarm::ConnectionEstablished(made));
        Some((peer, connection_id))
    }

    fn closes(&mut self, (peer_id, connection_id): (PeerId, ConnectionId), remote: &str) {
        let closed = ConnectionClosed {
            peer_id,
            connection_id,
            endpoint: &listener(HERE, remote),
            cause: None,
            remaining_established: 0,
        };
        self.behaviour.on_swarm_event(FromSwarm::ConnectionClosed(closed));
    }

    fn is_empty(&self) -> bool {
        let Behaviour { coming, open, of_peer, coming_from, open_from, incoming, .. } = &self.behaviour;
        coming.is_empty()
            && open.is_empty()
            && of_peer.is_empty()
            && coming_from.is_empty()
            && open_from.is_empty()
            && *incoming == 0
    }
}

#[test]
fn one_place_does_not_have_all_connections_however_many_keys_it_makes() {
    let (mut bench, enemy) = (Bench::default(), "/ip4/1.1.1.1/tcp/1");
    let mut held: Vec<_> = (0..CONNECTIONS_PER_PLACE_MAX)
        .map(|_| bench.connects(PeerId::random(), HERE, enemy).expect("is taken"))
        .collect();
    assert!(bench.begins(HERE, "/ip4/1.1.1.1/udp/7/quic-v1").is_none(), "whatever the transport");
    let other = bench.connects(PeerId::random(), HERE, "/ip4/1.1.1.2/tcp/1").expect("others are taken");
    bench.closes(held.pop().expect("some"), enemy);
    held.push(bench.connects(PeerId::random(), HERE, enemy).expect("there is a place again"));
    held.into_iter().for_each(|one| bench.closes(one, enemy));
    bench.closes(other, enemy);
    assert!(bench.is_empty(), "nothing is kept of who is gone");
}

#[test]
fn who_begins_many_and_ends_none_keeps_nobody_out() {
    let mut bench = Bench::default();
    let begun: Vec<_> = std::iter::from_fn(|| bench.begins(HERE, "/ip6/2606:4700:0:aa::1/tcp/1")).collect();
    assert_eq!(begun.len(), CONNECTIONS_PENDING_PER_PLACE_MAX);
    assert!(bench.begins(HERE, "/ip6/2606:4700:0:ab::7/tcp/1").is_none(), "the same subscriber");
    assert!(bench.begins(HERE, "/ip6/2606:4700:0:100::1/tcp/1").is_some(), "another one");
    for n in 0.. {
        if bench.begins(HERE, &format!("/ip4/9.9.{}.{}/tcp/1", n / 250, 1 + n % 250)).is_none() {
            break;
        }
    }
    assert_eq!(bench.behaviour.coming.len(), CONNECTIONS_PENDING_INCOMING_MAX);
    let (local, remote) = (address(HERE), address("/ip4/9.9.9.9/tcp/1"));
    for id in 0..bench.next {
        bench.fails(ConnectionId::new_unchecked(id), &local, &remote);
    }
    assert!(bench.is_empty());
}

#[test]
fn behind_a_relay_all_come_from_the_relay() {
    let (mut bench, relay) = (Bench::default(), PeerId::random());
    let through = format!("/ip4/8.8.8.8/tcp/1/p2p/{relay}/p2p-circuit");
    let remote = || format!("/p2p/{}", PeerId::random());
    for _ in 0..CONNECTIONS_PER_RELAY_MAX {
        bench.connects(PeerId::random(), &through, &remote()).expect("is taken");
    }
    assert!(bench.connects(PeerId::random(), &through, &remote()).is_none());
    let another = format!("/ip4/8.8.8.8/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
    assert!(bench.connects(PeerId::random(), &another, &remote()).is_some());
}

#[test]
fn what_is_near_counts_for_nobody_and_the_node_has_its_bounds() {
    let (mut bench, near) = (Bench::default(), "/ip4/127.0.0.1/tcp/1");
    for (remote, expected) in [(near, false), ("/ip4/10.1.2.3/tcp/1", false), ("/ip4/8.8.8.8/tcp/1", true)] {
        assert_eq!(Place::of(&address(HERE), &address(remote)).is_some(), expected, "{remote}");
    }
    let peer = PeerId::random();
    for _ in 0..CONNECTIONS_PER_PEER_MAX {
        bench.connects(peer, HERE, near).expect("is taken");
    }
    assert!(bench.connects(peer, HERE, near).is_none(), "one peer has so many");
    for _ in CONNECTIONS_PER_PEER_MAX..CONNECTIONS_INCOMING_MAX {
        bench.connects(PeerId::random(), HERE, near).expect("is taken");
    }
    assert!(bench.connects(PeerId::random(), HERE, near).is_none(), "peers open no more");
    bench = Bench::default();
    bench.behaviour.has_room = false;
    assert!(bench.begins(HERE, near).is_none(), "there is no memory");
}
