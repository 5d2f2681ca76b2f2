mod forgers;

use std::sync::Arc;

use kubelt_node::{Node, NodeAddress, NodeKey, SystemClock, peer_id};
use kubelt_store::{Options, Store};
use tokio::net::TcpListener;

use super::{Direct, direct_address, is_direct};
use crate::{
    limits::DIRECT_HANDSHAKES_MAX,
    tests::{assert_equal, sign_in, write},
};

/// A node that listens, and where.
async fn listening() -> (Node, NodeAddress) {
    let node = Node::new(Store::memory(Options::default()), Arc::new(SystemClock));
    let key = node.identity.key().await.expect("a key").clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let address = direct_address(at, &key.public()).expect("an Ed25519 key").parse().expect("an address");
    let direct = Direct::new(&key).expect("a certificate");
    tokio::spawn(direct.serve(listener, node.replication.clone()));
    (node, address)
}

#[tokio::test]
async fn both_ends_prove_their_keys() {
    let (_node, address) = listening().await;
    assert!(is_direct(&address));
    let key = NodeKey::from_seed([1; 32]);
    let direct = Direct::new(&key).expect("a certificate");
    direct.dial(&address).await.expect("is reached");
    let other = peer_id(&key.public()).expect("an id");
    let wrong: NodeAddress = format!("{}/p2p/{other}", address.place()).parse().expect("an address");
    direct.dial(&wrong).await.expect_err("another node answers");
}

#[tokio::test]
async fn a_stranger_who_speaks_tls_of_libp2p_only_is_turned_away() {
    let (_node, address) = listening().await;
    let port = address.place().split('/').nth(4).and_then(|port| port.parse::<u16>().ok()).expect("a port");
    let key = libp2p::identity::Keypair::generate_ed25519();
    let config = libp2p::tls::make_client_config(&key, None).expect("a certificate");
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    let connecting = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(super::tls::nameless(), tcp);
    connecting.await.expect_err("no protocol in common");
}

#[tokio::test]
async fn a_closed_port_and_one_that_speaks_something_else_look_alike() {
    let (_node, address) = listening().await;
    let id = address.text.rsplit('/').next().expect("an id").to_owned();
    let direct = Direct::new(&NodeKey::from_seed([1; 32])).expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let address: NodeAddress = format!("/ip4/127.0.0.1/tcp/{port}/tls/p2p/{id}").parse().expect("an address");
    let speaking = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("a connection");
        let said = tokio::io::AsyncWriteExt::write_all(&mut tcp, b"220 mail.example ESMTP\r\n").await;
        said.expect("is said");
    });
    let speaks = direct.dial(&address).await.expect_err("no TLS");
    speaking.await.expect("does not panic");
    let closed = direct.dial(&address).await.expect_err("nobody listens");
    assert_eq!(speaks, closed);
}

#[tokio::test]
async fn whoever_connects_and_says_nothing_keeps_nobody_out() {
    let (_node, address) = listening().await;
    let port = address.place().split('/').nth(4).and_then(|port| port.parse::<u16>().ok()).expect("a port");
    let mut silent = Vec::new();
    for _ in 0..DIRECT_HANDSHAKES_MAX + 10 {
        silent.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("it listens"));
    }
    let direct = Direct::new(&NodeKey::from_seed([1; 32])).expect("a certificate");
    direct.dial(&address).await.expect("is reached");
}

#[tokio::test]
async fn a_core_travels_over_it() {
    let (from, address) = listening().await;
    let (to, _) = listening().await;
    let (first, second) = (sign_in(&from).await, sign_in(&to).await);
    write(&from, &first).await;
    to.remotes.dial_by(Arc::new(crate::NodeDialer::new(
        Direct::new(to.identity.key().await.expect("a key")).expect("a certificate"),
        Vec::new(),
    )));
    let added = to.remotes.add(&second, second.core, address, true).await.expect("is added");
    assert!(added.exchanged.settled && added.host);
    assert_equal(&from, &to, &second).await;
}

#[tokio::test]
async fn what_is_near_is_not_connected_to_where_only_the_public_is() {
    let (_node, address) = listening().await;
    let port = address.place().split('/').nth(4).expect("a port").to_owned();
    let id = address.text.rsplit('/').next().expect("an id").to_owned();
    let direct = Direct::new(&NodeKey::from_seed([1; 32])).expect("a certificate");
    let there =
        |host: &str| format!("/{host}/tcp/{port}/tls/p2p/{id}").parse::<NodeAddress>().expect("an address");
    direct.dial(&there("dns4/localhost")).await.expect("is reached");
    let guarded = direct.only_public();
    for host in ["ip4/127.0.0.1", "ip4/10.0.0.1", "ip6/::1", "ip6/::ffff:127.0.0.1"] {
        let refused = guarded.dial(&there(host)).await.expect_err("it is near");
        assert!(refused.0.contains("`allow_local`"), "{host}: {refused}");
    }
    // A name tells nothing of where it leads.
    let nowhere = guarded.dial(&there("dns4/localhost")).await.expect_err("it leads near");
    assert_eq!(nowhere.0, "no node answers there");
}

#[test]
fn of_handshakes_those_of_one_address_give_way_first() {
    let at = |n: u8| std::net::IpAddr::from([192, 0, 2, n]);
    for (from, expected) in
        [(vec![1], 0), (vec![1, 2, 3], 0), (vec![1, 2, 2, 3], 1), (vec![1, 2, 3, 2, 3, 3], 2)]
    {
        let from: Vec<_> = from.into_iter().map(at).collect();
        assert_eq!(super::gives_way(&from), expected, "{from:?}");
    }
}
