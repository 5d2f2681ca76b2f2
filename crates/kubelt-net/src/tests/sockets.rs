//! Secure WebSockets, dialled: who has a certificate for the name that is dialled is connected to, and nobody else. Before
//! the node is a reverse proxy.

use std::sync::Arc;

use libp2p::Multiaddr;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        crypto::aws_lc_rs::default_provider,
        pki_types::PrivateKeyDer,
        sign::{CertifiedKey, SingleCertAndKey},
    },
};

use super::start;
use crate::{DhtMode, Net, NetConfig, NetError, RootCertificate, guard::Guard};

fn config(listen: &[&str], wss_roots: Vec<RootCertificate>) -> NetConfig {
    let listen = listen.iter().map(|address| address.parse().expect("an address")).collect();
    NetConfig { listen, wss_roots, dht: DhtMode::Off, ..NetConfig::default() }
}

/// A certificate for these names with its key, and as whoever made it hands it out.
pub(super) fn certified(names: &[&str]) -> (Arc<CertifiedKey>, Vec<RootCertificate>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let chain = vec![made.cert.der().clone()];
    let held = CertifiedKey::from_der(chain, key, &default_provider()).expect("a certificate and its key");
    (Arc::new(held), vec![RootCertificate(made.cert.der().clone())])
}

/// A proxy that ends TLS with a certificate for these names, and passes on what is in it to a node's plain WebSockets.
/// Gives its port, and its certificate as whoever made it hands it out.
async fn proxy(names: &[&str], node: &Net) -> (u16, Vec<RootCertificate>) {
    let (held, roots) = certified(names);
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let tls = tls.with_safe_default_protocol_versions().expect("usual versions").with_no_client_auth();
    let tls = tls.with_cert_resolver(Arc::new(SingleCertAndKey::from(held)));
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("is bound").port();
    let inner = node.addresses()[0].to_string();
    let inner: u16 = inner.split('/').nth(4).and_then(|port| port.parse().ok()).expect("a port");
    tokio::spawn(async move {
        while let Ok((outer, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not believe the certificate goes away.
                let mut outer = acceptor.accept(outer).await?;
                let mut inner = TcpStream::connect(("127.0.0.1", inner)).await?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    });
    (port, roots)
}

async fn dial(client: &Net, place: &str, node: &Net) -> Result<(), NetError> {
    let address: Multiaddr = format!("{place}/p2p/{}", node.id()).parse().expect("an address");
    client.connect(address).await.map(drop)
}

#[tokio::test]
async fn a_secure_websocket_is_dialled_where_its_certificate_is_good() {
    let node = start(1, &config(&["/ip4/127.0.0.1/tcp/0/ws"], Vec::new())).await;
    let (port, roots) = proxy(&["localhost", "127.0.0.1"], &node).await;
    let places =
        ["/dns4/localhost/tcp/PORT/wss", "/dns/localhost/tcp/PORT/tls/ws", "/ip4/127.0.0.1/tcp/PORT/tls/ws"];
    for (seed, place) in (2..).zip(places.map(|place| place.replace("PORT", &port.to_string()))) {
        let client = start(seed, &config(&[], roots.clone())).await;
        dial(&client, &place, &node).await.unwrap_or_else(|error| panic!("{place}: {error}"));
        // Who is not told of that authority does not believe it.
        let other = start(seed + 10, &config(&[], Vec::new())).await;
        let refused = dial(&other, &place, &node).await.expect_err("nobody has signed it");
        assert!(refused.to_string().contains("UnknownIssuer"), "{place}: {refused}");
    }
    // It must be for the name that is dialled.
    let (port, roots) = proxy(&["node.example"], &node).await;
    let client = start(30, &config(&[], roots)).await;
    for place in [format!("/dns4/localhost/tcp/{port}/wss"), format!("/ip4/127.0.0.1/tcp/{port}/wss")] {
        let refused = dial(&client, &place, &node).await.expect_err("it is for another name");
        assert!(refused.to_string().contains("not valid for name"), "{place}: {refused}");
    }
    let named = format!("/ip4/127.0.0.1/tcp/{port}/tls/sni/node.example/ws");
    dial(&client, &named, &node).await.expect("the name stands in the address");
}

#[tokio::test]
async fn whoever_ends_tls_must_still_lead_to_the_node_that_is_named_and_be_somewhere_public() {
    let node = start(1, &config(&["/ip4/127.0.0.1/tcp/0/ws"], Vec::new())).await;
    let other = start(2, &config(&["/ip4/127.0.0.1/tcp/0/ws"], Vec::new())).await;
    let (port, roots) = proxy(&["localhost"], &other).await;
    let place = format!("/dns4/localhost/tcp/{port}/wss");
    let client = start(3, &config(&[], roots.clone())).await;
    dial(&client, &place, &node).await.expect_err("another node is behind it");
    dial(&client, &place, &other).await.expect("it is this one");
    let key = kubelt_node::NodeKey::from_seed([4; 32]);
    let guarded = Net::start_guarded(&key, &config(&[], roots), Guard::new(true)).await.expect("starts");
    dial(&guarded, &place, &other).await.expect_err("the name leads to this machine");
}

#[test]
fn authorities_are_read_as_they_are_handed_out() {
    let made = || rcgen::generate_simple_self_signed(vec!["node.example".to_owned()]).expect("a certificate");
    let both = [made().cert, made().cert];
    let text: String = both.iter().map(rcgen::Certificate::pem).collect();
    let read = RootCertificate::read(text.as_bytes()).expect("are read");
    assert!(read.iter().map(|root| &root.0).eq(both.iter().map(|one| one.der())));
    for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"] {
        RootCertificate::read(bad.as_bytes()).expect_err("is none");
    }
}
