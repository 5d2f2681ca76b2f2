//! Ways on which nodes reach each other: WebSockets, relays, and what others say of an address.

use libp2p::Multiaddr;

use super::{start, until};
use crate::{DhtMode, Net, NetConfig};

fn listening(at: &[&str]) -> NetConfig {
    let listen = at.iter().map(|address| address.parse().expect("an address")).collect();
    NetConfig { listen, dht: DhtMode::Off, ..NetConfig::default() }
}

fn at(net: &Net) -> Multiaddr {
    net.addresses().into_iter().next().expect("it listens")
}

#[tokio::test]
async fn nodes_meet_over_websockets() {
    let server = start(1, &listening(&["/ip4/127.0.0.1/tcp/0/ws"])).await;
    let client = start(2, &listening(&[])).await;
    assert!(at(&server).to_string().contains("/ws/p2p/"), "{}", at(&server));
    assert_eq!(client.connect(at(&server)).await.expect("connects"), server.id());
}

#[tokio::test]
async fn a_node_that_nobody_reaches_is_reached_through_a_relay() {
    let mut config = listening(&["/ip4/127.0.0.1/tcp/0"]);
    config.relay = true;
    config.announce = vec!["/ip4/127.0.0.1/tcp/1".parse().expect("an address")];
    let relay = start(1, &config).await;
    let circuit = format!("{}/p2p-circuit", at(&relay));
    let hidden = start(2, &listening(&[&circuit])).await;
    until(|| hidden.addresses().iter().any(|address| address.to_string().contains("p2p-circuit"))).await;
    let through: Multiaddr = format!("{circuit}/p2p/{}", hidden.id()).parse().expect("an address");
    let client = start(3, &listening(&[])).await;
    assert_eq!(client.connect(through.clone()).await.expect("connects"), hidden.id());
    until(|| hidden.peers().iter().any(|peer| peer.id == client.id())).await;
    // Who does not say so relays for nobody.
    let mut config = config.clone();
    config.relay = false;
    let other = start(4, &config).await;
    let circuit = format!("{}/p2p-circuit", at(&other));
    let hidden = start(5, &listening(&[&circuit])).await;
    until(|| hidden.peers().iter().any(|peer| peer.id == other.id())).await;
    let through: Multiaddr = format!("{circuit}/p2p/{}", hidden.id()).parse().expect("an address");
    client.connect(through).await.expect_err("no relay");
}

#[tokio::test]
async fn a_node_answers_in_the_dht_once_others_say_that_they_reach_it() {
    let mut config = listening(&["/ip4/127.0.0.1/tcp/0"]);
    let server = start(1, &config).await;
    config.dht = DhtMode::Auto;
    let node = start(2, &config).await;
    assert!(!node.figures().dht_server);
    node.connect(at(&server)).await.expect("connects");
    until(|| node.figures().dht_server).await;
    // Who listens nowhere is reached by nobody.
    config.listen.clear();
    let hidden = start(3, &config).await;
    hidden.connect(at(&server)).await.expect("connects");
    assert!(!hidden.figures().dht_server);
}
