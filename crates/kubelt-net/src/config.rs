//! What an operator decides about the network.

use std::sync::Arc;

use libp2p::Multiaddr;
use tokio_rustls::rustls::pki_types::{
    CertificateDer,
    pem::{self, PemObject as _},
};

use crate::wss::NodeCertificates;

/// How a node takes part in the network. The default listens nowhere and knows nobody: it can still be told to
/// connect.
#[derive(Debug, Clone, Default)]
pub struct NetConfig {
    /// Where the node listens: `/ip4/0.0.0.0/tcp/4748`, `/ip4/0.0.0.0/udp/4748/quic-v1`, `/ip4/…/tcp/…/ws`; with
    /// certificates `/ip4/…/tcp/…/tls/ws`.
    pub listen: Vec<Multiaddr>,
    /// Where peers reach the node, where that is known: behind a forwarded port, or under a DNS name.
    pub announce: Vec<Multiaddr>,
    /// Peers that are connected to at the start, with their ids (`…/p2p/12D3…`).
    pub bootstrap: Vec<Multiaddr>,
    /// Whether nodes in the same local network find each other (mDNS).
    pub mdns: bool,
    /// Whether the node relays for nodes that nobody reaches, within the limits of circuit relay v2.
    pub relay: bool,
    /// Bytes of memory over which no further connections are taken; none for half of the machine's.
    pub memory_bytes_max: Option<u64>,
    /// How the node takes part in the DHT.
    pub dht: DhtMode,
    /// Which DHT that is.
    pub dht_scope: DhtScope,
    /// Whether peers are connected to at addresses of the public internet only, unless they are named here.
    pub only_public: bool,
    /// Who may sign certificates of secure WebSockets, besides the authorities that browsers trust.
    pub wss_roots: Vec<RootCertificate>,
    /// What secure WebSockets are listened for with.
    pub certificates: Option<Arc<dyn NodeCertificates>>,
}

/// The certificate of an authority that the operator trusts.
#[derive(Debug, Clone)]
pub struct RootCertificate(pub(crate) CertificateDer<'static>);

/// Why certificates are not taken.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// It is no PEM, or there is something else in it.
    #[error("no certificates in PEM")]
    Pem(#[from] pem::Error),
    /// There is none.
    #[error("no certificate is in it")]
    None,
}

impl RootCertificate {
    /// The certificates in a text of PEM.
    ///
    /// # Errors
    /// [`RootError`] when there are none.
    pub fn read(pem: &[u8]) -> Result<Vec<Self>, RootError> {
        let found = CertificateDer::pem_slice_iter(pem).map(|certificate| certificate.map(Self));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() { Err(RootError::None) } else { Ok(found) }
    }
}

/// How a node takes part in the DHT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DhtMode {
    /// It answers others once it is known to be reachable, and asks them before.
    #[default]
    Auto,
    /// It asks others and answers nobody.
    Client,
    /// It answers others.
    Server,
    /// Neither.
    Off,
}

/// Which DHT a node takes part in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DhtScope {
    /// The public one of IPFS (`/ipfs/kad/1.0.0`), in which only public addresses count.
    #[default]
    Wan,
    /// That of a local network (`/ipfs/lan/kad/1.0.0`): any address counts.
    Lan,
}

/// The bootstrap peers of the public IPFS network, as other implementations have them.
const PUBLIC_BOOTSTRAP: [&str; 6] = [
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmQCU2EcMqAqQPR2i9bChDtGNJchTbq5TbXJJ16u19uLTa",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
    "/ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
    "/ip4/104.131.131.82/udp/4001/quic-v1/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
];

/// The bootstrap peers of the public IPFS network.
pub fn public_bootstrap() -> impl Iterator<Item = Multiaddr> {
    PUBLIC_BOOTSTRAP.into_iter().map(|address| address.parse().expect("a constant address"))
}
