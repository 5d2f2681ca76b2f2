//! The direct transport: TLS 1.3 over plain TCP, both node keys proven by the certificates of libp2p's TLS handshake
//! (<https://github.com/libp2p/specs/blob/master/tls/tls.md>). One connection is one stream, so nothing lies between
//! the replication of cores and the sockets but TLS itself.
//!
//! An address is written `/ip4/192.0.2.1/tcp/4749/tls/p2p/12D3…`.

mod tls;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use kubelt_core::PublicKey;
use kubelt_node::{DialError, NodeAddress, NodeKey, Replication, peer_id};
use libp2p::{Multiaddr, multiaddr::Protocol};
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream, lookup_host},
    task::AbortHandle,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

pub use tls::TlsError;

use crate::{
    guard::Guard,
    limits::{DIRECT_BUFFER_BYTES, DIRECT_HANDSHAKE_TIME, DIRECT_HANDSHAKES_MAX},
};

/// How long the listener rests when the system gives it no connection, for lack of descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why an address is not connected to that is not public.
const NEAR: &str = "addresses of this node's machine and network are not connected to here; its operator can allow \
                    that: `allow_local` under `[network]`";

/// A TLS connection whose other end has proven its key.
pub type DirectStream = TlsStream<BufReader<TcpStream>>;

/// The direct transport of one node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Direct {
    tls: Arc<tls::Tls>,
    guard: Guard,
}

impl Direct {
    /// The transport of the node with this key.
    ///
    /// # Errors
    /// [`TlsError`] when no certificate can be made.
    pub fn new(key: &NodeKey) -> Result<Self, TlsError> {
        Ok(Self { tls: Arc::new(tls::Tls::new(key)?), guard: Guard::default() })
    }

    /// Connects to addresses of the public internet only.
    #[must_use]
    pub fn only_public(self) -> Self {
        Self { guard: Guard::new(true), ..self }
    }

    /// Connects to a node, and checks that it is the one that the address names.
    ///
    /// # Errors
    /// [`DialError`] says why it is not reached.
    pub async fn dial(&self, address: &NodeAddress) -> Result<DirectStream, DialError> {
        let (host, port) = place(address.place())
            .ok_or_else(|| DialError(format!("`{address}` is no address of TLS over TCP")))?;
        let near = host.parse::<IpAddr>().is_ok_and(|ip| !self.guard.allows(ip));
        if near {
            return Err(DialError(NEAR.to_owned()));
        }
        // Told alike, whether a port is closed or speaks something else, and whether a name leads to anywhere near: who
        // may name an address here must not learn what this node sees from where it stands.
        let failed = |error: io::Error| {
            tracing::debug!(%address, %error, "a node was not reached");
            DialError("no node answers there".to_owned())
        };
        let found = lookup_host((host.as_str(), port)).await.map_err(failed)?;
        // Exactly these are connected to: a second look-up could lead elsewhere.
        let found: Vec<SocketAddr> = found.filter(|at| self.guard.allows(at.ip())).collect();
        let tcp = TcpStream::connect(&*found).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let connector = TlsConnector::from(self.tls.client(&address.peer));
        let connecting = connector.connect(tls::nameless(), buffered(tcp));
        let mut tls = timeout(DIRECT_HANDSHAKE_TIME, connecting)
            .await
            .unwrap_or_else(|late| Err(late.into()))
            .map_err(failed)?;
        match tls::peer(tls.get_ref().1) {
            Some(peer) if peer == address.peer => {
                tls.get_mut().1.set_buffer_limit(Some(DIRECT_BUFFER_BYTES));
                Ok(tls.into())
            }
            _ => Err(DialError("another node answers there".to_owned())),
        }
    }

    /// Takes connections for ever, and hands each to `replication`.
    pub async fn serve(self, listener: TcpListener, replication: Replication) {
        // The oldest first. Where too many are at their handshake at once, the oldest gives way of those that come from
        // where most do: whoever connects and says nothing must not keep others out.
        let mut handshakes: Vec<(IpAddr, AbortHandle)> = Vec::new();
        loop {
            let (tcp, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no connection was accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            handshakes.retain(|(_, handshake)| !handshake.is_finished());
            if handshakes.len() >= DIRECT_HANDSHAKES_MAX {
                let addresses: Vec<IpAddr> = handshakes.iter().map(|(from, _)| *from).collect();
                handshakes.remove(gives_way(&addresses)).1.abort();
            }
            let (this, replication) = (self.clone(), replication.clone());
            let handshake = tokio::spawn(async move {
                match this.accept(tcp).await {
                    Ok((stream, peer)) => speak(replication, from, stream, peer),
                    Err(error) => tracing::debug!(%from, %error, "a handshake failed"),
                }
            });
            handshakes.push((from.ip(), handshake.abort_handle()));
        }
    }

    async fn accept(&self, tcp: TcpStream) -> io::Result<(DirectStream, PublicKey)> {
        tcp.set_nodelay(true)?;
        let acceptor = TlsAcceptor::from(self.tls.server());
        let mut tls = timeout(DIRECT_HANDSHAKE_TIME, acceptor.accept(buffered(tcp))).await??;
        let peer = tls::peer(tls.get_ref().1);
        let peer = peer.ok_or_else(|| io::Error::other("the certificate names no Ed25519 key"))?;
        tls.get_mut().1.set_buffer_limit(Some(DIRECT_BUFFER_BYTES));
        Ok((tls.into(), peer))
    }
}

/// Which of several connections gives way: the first of those from the address that has most of them.
pub(crate) fn gives_way<A: PartialEq>(from: &[A]) -> usize {
    let count = |of: &A| from.iter().filter(|other| *other == of).count();
    // Of several that have as many, `max_by_key` gives the last.
    let most = (0..from.len()).rev().max_by_key(|n| count(&from[*n]));
    most.unwrap_or_default()
}

/// rustls takes 4 KiB at once off what it reads from: each would be a call of the system, and a word to the peer that there
/// is room again.
fn buffered(tcp: TcpStream) -> BufReader<TcpStream> {
    BufReader::with_capacity(DIRECT_BUFFER_BYTES, tcp)
}

/// Lets `replication` speak with a peer, in a task of its own.
fn speak(replication: Replication, from: SocketAddr, stream: DirectStream, peer: PublicKey) {
    tokio::spawn(async move {
        if let Err(error) = replication.accept(stream, peer).await {
            tracing::debug!(%from, %peer, error = &error as &dyn std::error::Error, "a connection ended");
        }
    });
}

/// Whether an address is one of this transport.
pub fn is_direct(address: &NodeAddress) -> bool {
    place(address.place()).is_some()
}

/// The address of the node with this key, where it listens at a socket.
pub fn direct_address(at: SocketAddr, key: &PublicKey) -> Option<String> {
    let kind = match at.ip() {
        IpAddr::V4(_) => "ip4",
        IpAddr::V6(_) => "ip6",
    };
    Some(format!("/{kind}/{}/tcp/{}/tls/p2p/{}", at.ip(), at.port(), peer_id(key)?))
}

fn place(text: &str) -> Option<(String, u16)> {
    let address: Multiaddr = text.parse().ok()?;
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => ip.to_string(),
        Protocol::Ip6(ip) => ip.to_string(),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name.into_owned(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else { return None };
    (parts.next()? == Protocol::Tls && parts.next().is_none()).then_some((host, port))
}

#[cfg(test)]
mod tests;
