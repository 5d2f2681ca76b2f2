//! Cores over libp2p streams: past the direct transport, and through a relay.

use std::{sync::Arc, time::Duration};

use kubelt_node::{Node, NodeAddress, SystemClock};
use kubelt_store::{Options, Store};
use libp2p::Multiaddr;

use super::{assert_equal, sign_in, write};
use crate::{DhtMode, Direct, Net, NetConfig, NodeDialer};

/// The longest that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node and its network, which replicates if `speaks`.
async fn node(listen: &[&str], relay: bool, speaks: bool) -> (Node, Net) {
    let node = Node::new(Store::memory(Options::default()), Arc::new(SystemClock));
    let key = node.identity.key().await.expect("a key").clone();
    let listen = listen.iter().map(|address| address.parse().expect("an address")).collect();
    let mut config = NetConfig { listen, relay, dht: DhtMode::Off, ..NetConfig::default() };
    if relay {
        config.announce = vec!["/ip4/127.0.0.1/tcp/1".parse().expect("an address")];
    }
    let net = Net::start(&key, &config).await.expect("starts");
    if speaks {
        net.serve_replication(node.replication.clone());
    }
    let direct = Direct::new(&key).expect("a certificate");
    node.remotes.dial_by(Arc::new(NodeDialer::new(direct, Vec::new()).with_net(net.clone())));
    (node, net)
}

fn at(net: &Net) -> Multiaddr {
    net.addresses().into_iter().next().expect("it listens")
}

async fn travels(from: &Node, to: &Node, address: &str) {
    let address: NodeAddress = address.parse().expect("an address");
    let (first, second) = (sign_in(from).await, sign_in(to).await);
    write(from, &first).await;
    let added = to.remotes.add(&second, second.core, address, true).await.expect("is added");
    assert!(added.exchanged.settled && added.host);
    assert_equal(from, to, &second).await;
}

#[tokio::test]
async fn a_core_travels_over_a_stream_of_every_transport() {
    for listen in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"] {
        let (from, net) = node(&[listen], false, true).await;
        let (to, _net) = node(&[], false, true).await;
        travels(&from, &to, &at(&net).to_string()).await;
    }
}

#[tokio::test]
async fn a_core_of_a_node_that_nobody_reaches_travels_through_a_relay() {
    let (_relay, relay) = node(&["/ip4/127.0.0.1/tcp/0"], true, false).await;
    let circuit = format!("{}/p2p-circuit", at(&relay));
    let (from, hidden) = node(&[&circuit], false, true).await;
    let waiting = async {
        while !hidden.addresses().iter().any(|address| address.to_string().contains("p2p-circuit")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it has a place at the relay");
    let (to, _net) = node(&[], false, true).await;
    travels(&from, &to, &format!("{circuit}/p2p/{}", hidden.id())).await;
}

#[tokio::test]
async fn nothing_travels_to_a_node_that_is_not_there_or_does_not_replicate() {
    let (_from, mute) = node(&["/ip4/127.0.0.1/tcp/0"], false, false).await;
    let (to, net) = node(&[], false, true).await;
    let session = sign_in(&to).await;
    let gone = at(&mute).to_string().replace("/tcp/", "/tcp/1/tcp/");
    for address in [at(&mute).to_string(), gone] {
        let address: NodeAddress = address.parse().expect("an address");
        to.remotes.add(&session, session.core, address, false).await.expect_err("nobody speaks");
    }
    assert!(net.peers().iter().any(|peer| peer.id == mute.id()), "it is connected, and says nothing");
}
