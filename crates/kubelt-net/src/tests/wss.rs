//! Secure WebSockets that a node listens for itself.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::Multiaddr;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{sockets::certified, start, until};
use crate::{
    DhtMode, DhtScope, Net, NetConfig, NetError, NodeCertificates, RootCertificate,
    limits::{HANDSHAKE_TIME, HANDSHAKES_MAX, SOCKET_MESSAGE_BYTES_MAX},
};

/// The certificates of a node by its names, of which some may be held.
#[derive(Debug, Default)]
struct Held(Mutex<BTreeMap<String, Option<Arc<CertifiedKey>>>>);

impl Held {
    fn new(names: &[&str]) -> Arc<Self> {
        let held = Self::default();
        held.0.lock().extend(names.iter().map(|name| ((*name).to_owned(), None)));
        Arc::new(held)
    }

    /// Has another certificate made for a name; gives who has signed it.
    fn renew(&self, name: &str) -> Vec<RootCertificate> {
        let (held, roots) = certified(&[name]);
        self.0.lock().insert(name.to_owned(), Some(held));
        roots
    }
}

impl ResolvesServerCert for Held {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.lock().get(hello.server_name()?)?.clone()
    }
}

impl NodeCertificates for Held {
    fn own(&self) -> Vec<(String, bool)> {
        self.0.lock().iter().map(|(name, held)| (name.clone(), held.is_some())).collect()
    }
}

fn listening(at: &[&str], held: &Arc<Held>) -> NetConfig {
    let listen = at.iter().map(|address| address.parse().expect("an address")).collect();
    let certificates = Some(Arc::clone(held) as _);
    NetConfig { listen, certificates, dht: DhtMode::Off, dht_scope: DhtScope::Lan, ..NetConfig::default() }
}

async fn client(seed: u8, wss_roots: Vec<RootCertificate>) -> Net {
    start(seed, &NetConfig { wss_roots, dht: DhtMode::Off, ..NetConfig::default() }).await
}

fn port(net: &Net) -> u16 {
    let address = net.addresses()[0].to_string();
    address.split('/').nth(4).and_then(|port| port.parse().ok()).expect("a port")
}

fn texts(addresses: Vec<Multiaddr>) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_node_listens_for_secure_websockets_itself() {
    let held = Held::new(&["node.example"]);
    let roots = held.renew("node.example");
    for (seed, way) in (1..).zip(["tls/ws", "wss"]) {
        let node = start(seed, &listening(&[&format!("/ip4/127.0.0.1/tcp/0/{way}")], &held)).await;
        let (id, port) = (node.id(), port(&node));
        let own = format!("/ip4/127.0.0.1/tcp/{port}/tls/sni/node.example/ws/p2p/{id}");
        assert_eq!(texts(node.addresses()), [own.as_str()]);
        let trusting = client(seed + 10, roots.clone()).await;
        let met = trusting.connect(own.parse().expect("an address")).await;
        assert_eq!(met.expect("connects"), id);
        until(|| !node.peers().is_empty()).await;
        // Where the peer really is, not what is before it.
        let from = node.peers()[0].addresses[0].to_string();
        assert!(from.starts_with("/ip4/127.0.0.1/tcp/") && from.ends_with("/tls/ws"), "{from}");
        let usual = client(seed + 20, Vec::new()).await;
        let refused =
            usual.connect(own.parse().expect("an address")).await.expect_err("nobody has signed it");
        assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
        // For another name there is no certificate, and for none either.
        for other in ["sni/other.example/ws", "ws"] {
            let other = format!("/ip4/127.0.0.1/tcp/{port}/tls/{other}/p2p/{id}");
            let refused =
                client(seed + 30, roots.clone()).await.connect(other.parse().expect("an address")).await;
            let refused = refused.expect_err("no certificate").to_string();
            assert!(refused.contains("AccessDenied"), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_renewed_is_shown_from_then_on() {
    let held = Held::new(&["node.example"]);
    let node = start(1, &listening(&["/ip4/127.0.0.1/tcp/0/tls/ws", "/ip4/127.0.0.1/tcp/0"], &held)).await;
    let place = format!("/ip4/127.0.0.1/tcp/{}/tls/sni/node.example/ws/p2p/{}", port(&node), node.id());
    let place: Multiaddr = place.parse().expect("an address");
    let none = client(2, Vec::new()).await.connect(place.clone()).await;
    assert!(none.expect_err("there is none yet").to_string().contains("AccessDenied"));
    let first = held.renew("node.example");
    let before = client(3, first.clone()).await;
    before.connect(place.clone()).await.expect("connects");
    let second = held.renew("node.example");
    client(4, second).await.connect(place.clone()).await.expect("connects");
    let old = client(5, first).await.connect(place.clone()).await;
    let refused = old.expect_err("the old one is not shown").to_string();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    assert_eq!(before.peers().len(), 1, "connections stay");
    // It never kept the others from listening.
    let other = node.addresses().into_iter().find(|at| !at.to_string().contains("tls")).expect("listens");
    client(6, Vec::new()).await.connect(other).await.expect("connects");
}

#[tokio::test]
async fn names_with_a_certificate_are_announced() {
    let at = ["/ip4/127.0.0.1/tcp/0/tls/ws"];
    let held = Held::new(&["a.example", "b.example"]);
    let mut config = listening(&at, &held);
    let node = start(1, &config).await;
    let [a, b] = ["a", "b"].map(|name| format!("/dns4/{name}.example/tcp/{}/tls/ws", port(&node)));
    assert!(node.announced_addresses(8).is_empty());
    held.renew("b.example");
    assert_eq!(texts(node.announced_addresses(8)), [b.as_str()]);
    let id = node.id();
    let told: Vec<(String, bool)> =
        node.secure_addresses().into_iter().map(|(at, is_held)| (at.to_string(), is_held)).collect();
    assert_eq!(told, [(format!("{a}/p2p/{id}"), false), (format!("{b}/p2p/{id}"), true)]);
    held.0.lock().insert("b.example".to_owned(), None);
    assert!(node.announced_addresses(8).is_empty());
    held.renew("b.example");
    // Where the operator names the address it counts alone.
    config.announce = vec!["/dns4/c.example/tcp/443/wss".parse().expect("an address")];
    let node = start(2, &config).await;
    assert_eq!(texts(node.announced_addresses(8)), ["/dns4/c.example/tcp/443/wss"]);
    assert!(node.secure_addresses().is_empty());
    // Who listens on loopback is reached there by nobody of the public DHT.
    let node = start(3, &NetConfig { dht_scope: DhtScope::Wan, ..listening(&at, &held) }).await;
    assert!(node.secure_addresses().is_empty() && node.announced_addresses(8).is_empty());
}

#[tokio::test]
async fn without_certificates_nobody_listens_for_secure_websockets() {
    let config =
        NetConfig { certificates: None, ..listening(&["/ip4/127.0.0.1/tcp/0/wss"], &Held::new(&[])) };
    let refused = Net::start(&kubelt_node::NodeKey::from_seed([1; 32]), &config).await;
    assert!(matches!(refused, Err(NetError::NoCertificates(_))), "{refused:?}");
}

/// Reads until the other side closes; gives how long that took.
async fn closed(mut socket: TcpStream) -> Duration {
    let began = Instant::now();
    let mut read = Vec::new();
    // Cut off is closed, too.
    let _ = tokio::time::timeout(3 * HANDSHAKE_TIME, socket.read_to_end(&mut read)).await.expect("is closed");
    began.elapsed()
}

#[tokio::test]
async fn whoever_says_nothing_is_dropped_and_keeps_nobody_out() {
    let held = Held::new(&["node.example"]);
    let roots = held.renew("node.example");
    let check = async |seed, way: &str| {
        let node = start(seed, &listening(&[&format!("/ip4/127.0.0.1/tcp/0{way}")], &held)).await;
        let mut silent = Vec::new();
        for _ in 0..HANDSHAKES_MAX + 8 {
            silent.push(TcpStream::connect(("127.0.0.1", port(&node))).await.expect("connects"));
        }
        let honest = client(seed + 10, roots.clone()).await;
        honest.connect(node.addresses().remove(0)).await.expect("connects");
        let last = silent.pop().expect("many");
        let (oldest, last) = tokio::join!(closed(silent.remove(0)), closed(last));
        assert!(oldest < HANDSHAKE_TIME / 2, "{way}: the oldest gave way after {oldest:?}");
        assert!(last > HANDSHAKE_TIME / 2, "{way}: the last one had its time, {last:?}");
    };
    tokio::join!(check(1, "/tls/ws"), check(2, ""));
}

#[tokio::test]
async fn a_message_is_no_larger_than_its_limit() {
    let node = start(1, &listening(&["/ip4/127.0.0.1/tcp/0/ws"], &Held::new(&[]))).await;
    for (bytes, is_closed) in [(SOCKET_MESSAGE_BYTES_MAX, false), (SOCKET_MESSAGE_BYTES_MAX + 1, true)] {
        let mut socket = TcpStream::connect(("127.0.0.1", port(&node))).await.expect("connects");
        let hello = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        socket.write_all(hello.as_bytes()).await.expect("is sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(socket.read_u8().await.expect("an answer"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"));
        // The head of one binary frame that is the whole message, masked.
        socket.write_all(&[0x82, 0xff]).await.expect("is sent");
        socket.write_u64(bytes as u64).await.expect("is sent");
        socket.write_all(&[0; 4]).await.expect("is sent");
        assert_eq!(closed(socket).await < HANDSHAKE_TIME / 2, is_closed, "{bytes}");
    }
}
