//! Secure WebSockets that the node listens for itself (`/ip4/…/tcp/…/tls/ws`), with no proxy before it.
//!
//! libp2p's transport has one certificate for good. So TLS is ended below it, where each handshake looks for its
//! certificate and one that was renewed is shown from then on. For that transport the sockets are plain ones; their
//! addresses are put right above it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    multiaddr::Protocol,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, server::ResolvesServerCert},
};

/// The protocol of HTTP that becomes a WebSocket; browsers offer no other one for it.
const HTTP: &[u8] = b"http/1.1";

/// The certificates of a node. One is looked for in each handshake; without one there is no connection.
pub trait NodeCertificates: ResolvesServerCert {
    /// The node's own names, and whether there is a certificate for each.
    fn own(&self) -> Vec<(String, bool)>;
}

/// What ends TLS with these certificates.
pub(crate) fn acceptor(certificates: &Arc<dyn NodeCertificates>) -> TlsAcceptor {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider has all versions");
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(certificates) as _);
    config.alpn_protocols = vec![HTTP.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Whether an address is one of secure WebSockets.
pub(crate) fn is_secure(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Wss(_)))
        || (address.iter().any(|part| matches!(part, Protocol::Ws(_)))
            && address.iter().any(|part| part == Protocol::Tls))
}

/// Where a name leads that stands for the address of a listener for secure WebSockets; none for other listeners.
pub(crate) fn named(listening: &Multiaddr, name: &str) -> Option<Multiaddr> {
    let mut parts = listening.iter();
    let host = match parts.next()? {
        Protocol::Ip4(_) => Protocol::Dns4(name.into()),
        Protocol::Ip6(_) => Protocol::Dns6(name.into()),
        _ => return None,
    };
    let port = parts.next()?;
    let place = Multiaddr::empty().with(host).with(port);
    is_secure(listening).then(|| place.with(Protocol::Tls).with(Protocol::Ws("/".into())))
}

/// Listens for secure WebSockets, over a transport of plain ones below which TLS has been ended. It dials nobody.
#[derive(Debug)]
pub(crate) struct Listener<T> {
    sockets: T,
    /// The name for which whoever comes by an address of this machine finds a certificate.
    name: Option<String>,
}

impl<T> Listener<T> {
    pub(crate) fn new(sockets: T, certificates: &dyn NodeCertificates) -> Self {
        let own = certificates.own();
        let held = own.iter().find(|(_, is_held)| *is_held).or(own.first());
        Self { sockets, name: held.map(|(name, _)| name.clone()) }
    }

    /// This machine's end of a plain socket, as whoever dials it has to write it.
    fn told(&self, address: Multiaddr) -> Multiaddr {
        secure(address, self.name.as_deref())
    }
}

/// The address of a plain socket, `/ws`, as that of a secure one.
fn secure(mut address: Multiaddr, name: Option<&str>) -> Multiaddr {
    let socket = address.pop().expect("it ends in `/ws`");
    address.push(Protocol::Tls);
    if let Some(name) = name {
        address.push(Protocol::Sni(name.into()));
    }
    address.with(socket)
}

/// The address of the plain sockets below: `/tls/ws` and `/wss` become `/ws`.
fn plain(address: &Multiaddr) -> Option<Multiaddr> {
    let mut plain = address.clone();
    match plain.pop()? {
        Protocol::Wss(path) => Some(plain.with(Protocol::Ws(path))),
        Protocol::Ws(path) => (plain.pop()? == Protocol::Tls).then(|| plain.with(Protocol::Ws(path))),
        _ => None,
    }
}

impl<T: Transport + Unpin> Transport for Listener<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<T::Error>> {
        let plain = plain(&address).ok_or(TransportError::MultiaddrNotSupported(address))?;
        self.sockets.listen_on(id, plain)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.sockets.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, _opts: DialOpts) -> Result<T::Dial, TransportError<T::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, T::Error>> {
        let event = ready!(Pin::new(&mut self.sockets).poll(cx));
        Poll::Ready(match event {
            TransportEvent::NewAddress { listener_id, listen_addr } => {
                TransportEvent::NewAddress { listener_id, listen_addr: self.told(listen_addr) }
            }
            TransportEvent::AddressExpired { listener_id, listen_addr } => {
                TransportEvent::AddressExpired { listener_id, listen_addr: self.told(listen_addr) }
            }
            TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                TransportEvent::Incoming {
                    listener_id,
                    upgrade,
                    local_addr: self.told(local_addr),
                    send_back_addr: secure(send_back_addr, None),
                }
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use libp2p::Multiaddr;

    use super::{is_secure, named, plain, secure};

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    #[test]
    fn plain_sockets_have_secure_addresses() {
        for (told, expected) in [
            ("/ip4/0.0.0.0/tcp/1/tls/ws", Some("/ip4/0.0.0.0/tcp/1/ws")),
            ("/ip6/::/tcp/1/wss", Some("/ip6/::/tcp/1/ws")),
            ("/ip4/0.0.0.0/tcp/1/ws", None),
            ("/ip4/0.0.0.0/tcp/1/tls", None),
            ("/ip4/0.0.0.0/tcp/1", None),
            ("/ws", None),
            ("/wss", Some("/ws")),
        ] {
            assert_eq!(plain(&address(told)), expected.map(address), "{told}");
            assert_eq!(is_secure(&address(told)), expected.is_some(), "{told}");
        }
        let told = secure(address("/ip4/192.0.2.1/tcp/1/ws"), Some("a.example"));
        assert_eq!(told, address("/ip4/192.0.2.1/tcp/1/tls/sni/a.example/ws"));
        assert!(is_secure(&told));
        assert_eq!(secure(address("/ip6/::1/tcp/1/ws"), None), address("/ip6/::1/tcp/1/tls/ws"));
    }

    #[test]
    fn a_name_stands_for_the_address_of_a_listener() {
        for (listening, expected) in [
            ("/ip4/192.0.2.1/tcp/1/tls/sni/b.example/ws", Some("/dns4/a.example/tcp/1/tls/ws")),
            ("/ip6/2001:db8::1/tcp/1/tls/ws", Some("/dns6/a.example/tcp/1/tls/ws")),
            ("/ip4/192.0.2.1/tcp/1/ws", None),
            ("/ip4/192.0.2.1/udp/1/quic-v1", None),
        ] {
            assert_eq!(named(&address(listening), "a.example"), expected.map(address), "{listening}");
        }
    }
}
