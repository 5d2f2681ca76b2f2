//! The transports of libp2p, guarded where they connect: TCP and QUIC, found by name, and WebSocket.
//!
//! Secure WebSockets are dialled by libp2p's transport and listened for by our own (`wss.rs`).

use std::{io, sync::Arc};

use futures::{
    AsyncRead, AsyncWrite, FutureExt as _, TryFutureExt as _,
    future::{BoxFuture, Either},
};
use libp2p::{
    PeerId, Transport,
    core::{
        muxing::{StreamMuxer, StreamMuxerBox},
        transport::{Boxed, OptionalTransport},
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version},
    },
    dns,
    identity::Keypair,
    noise, quic, tcp, tls, websocket, yamux,
};

use tokio_util::compat::{FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

use crate::{
    RootCertificate,
    guard::{Guard, Guarded},
    handshakes::Handshakes,
    limits::{SOCKET_MESSAGE_BYTES_MAX, YAMUX_STREAMS_MAX},
    wss::{self, NodeCertificates},
};

/// A connection: who is at its other end, and the streams on it.
pub(crate) type Connected = (PeerId, StreamMuxerBox);

/// All transports but that through relays.
pub(crate) fn build(
    key: &Keypair,
    guard: &Guard,
    wss_roots: &[RootCertificate],
    certificates: Option<&Arc<dyn NodeCertificates>>,
) -> io::Result<Boxed<Connected>> {
    let secured = Secured {
        tls: tls::Config::new(key).map_err(io::Error::other)?,
        noise: noise::Config::new(key).map_err(io::Error::other)?,
    };
    let tcp =
        || Guarded::new(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)), guard.clone());
    let streams = connected(tcp(), &secured);
    let datagrams = Guarded::new(quic::tokio::Transport::new(quic::Config::new(key)), guard.clone())
        .map(|connected, _| boxed(connected));
    let either = streams.or_transport(datagrams).map(|either, _| either.into_inner());
    let named = dns::tokio::Transport::system(either)?;
    let mut dialling = sockets(dns::tokio::Transport::system(tcp())?);
    dialling.set_tls_config(trusting(wss_roots)?);
    let dialling = connected(dialling, &secured);
    let listening = certificates.map(|certificates| {
        let acceptor = wss::acceptor(certificates);
        let ended = tcp().and_then(|socket, _| async move {
            io::Result::Ok(acceptor.accept(socket.compat()).await?.compat())
        });
        connected(wss::Listener::new(sockets(ended), &**certificates), &secured)
    });
    let listening = listening.map_or_else(OptionalTransport::none, OptionalTransport::some);
    let all = listening.or_transport(dialling).map(|either, _| either.into_inner());
    let all = all.or_transport(named).map(|either, _| either.into_inner());
    Ok(Handshakes::new(all.boxed()).boxed())
}

/// WebSockets over a transport of streams.
fn sockets<T>(streams: T) -> websocket::Config<T>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let mut sockets = websocket::Config::new(streams);
    sockets.set_max_data_size(SOCKET_MESSAGE_BYTES_MAX);
    sockets
}

/// Who is at the other end of the streams of a transport, and many streams over each.
fn connected<T>(streams: T, secured: &Secured) -> Boxed<Connected>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let secured = streams.upgrade(Version::V1Lazy).authenticate(secured.clone());
    secured.multiplex(multiplexed()).map(|connected, _| boxed(connected)).boxed()
}

/// Whose certificates count where a secure WebSocket is dialled: those of the authorities that browsers trust, and of these.
fn trusting(roots: &[RootCertificate]) -> io::Result<websocket::tls::Config> {
    let mut trusted = websocket::tls::Config::builder();
    for RootCertificate(root) in roots {
        let root = websocket::tls::Certificate::new(root.to_vec());
        trusted.add_trust(&root).map_err(io::Error::other)?;
    }
    Ok(trusted.finish())
}

/// Streams with windows of a MiB at most. Peers in JavaScript send frames as large as a window, and this implementation
/// drops connections over frames that are larger than a MiB. The window itself cannot be set, only what is left for it: of
/// a GiB for one connection 256 KiB are set aside for each stream that there may be, and one stream can have the rest.
pub(crate) fn multiplexed() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(YAMUX_STREAMS_MAX);
    config
}

fn boxed<M>((peer, muxer): (PeerId, M)) -> Connected
where
    M: StreamMuxer + Send + 'static,
    M::Substream: Send + 'static,
    M::Error: Send + Sync + 'static,
{
    (peer, StreamMuxerBox::new(muxer))
}

/// TLS, or Noise with whoever does not speak that.
#[derive(Clone)]
struct Secured {
    tls: tls::Config,
    noise: noise::Config,
}

/// The protocol of [`tls`] (libp2p specification).
const TLS: &str = "/tls/1.0.0";
/// The protocol of [`noise`] (libp2p specification).
const NOISE: &str = "/noise";

impl UpgradeInfo for Secured {
    type Info = &'static str;
    type InfoIter = [&'static str; 2];

    fn protocol_info(&self) -> Self::InfoIter {
        [TLS, NOISE]
    }
}

type SecuredBy<S> = (PeerId, Either<tls::TlsStream<S>, noise::Output<S>>);

impl<S> InboundConnectionUpgrade<S> for Secured
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = SecuredBy<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<SecuredBy<S>>>;

    fn upgrade_inbound(self, socket: S, protocol: &'static str) -> Self::Future {
        if protocol == TLS {
            let upgraded = self.tls.upgrade_inbound(socket, protocol).map_err(io::Error::other);
            upgraded.map_ok(|(peer, stream)| (peer, Either::Left(stream))).boxed()
        } else {
            let upgraded = self.noise.upgrade_inbound(socket, protocol).map_err(io::Error::other);
            upgraded.map_ok(|(peer, stream)| (peer, Either::Right(stream))).boxed()
        }
    }
}

impl<S> OutboundConnectionUpgrade<S> for Secured
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = SecuredBy<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<SecuredBy<S>>>;

    fn upgrade_outbound(self, socket: S, protocol: &'static str) -> Self::Future {
        if protocol == TLS {
            let upgraded = self.tls.upgrade_outbound(socket, protocol).map_err(io::Error::other);
            upgraded.map_ok(|(peer, stream)| (peer, Either::Left(stream))).boxed()
        } else {
            let upgraded = self.noise.upgrade_outbound(socket, protocol).map_err(io::Error::other);
            upgraded.map_ok(|(peer, stream)| (peer, Either::Right(stream))).boxed()
        }
    }
}
