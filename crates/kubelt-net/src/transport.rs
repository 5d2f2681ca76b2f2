//! The transports of libp2p, guarded where they connect: TCP and QUIC, found by name, and WebSocket.

use std::io;

use futures::{
    AsyncRead, AsyncWrite, FutureExt as _, TryFutureExt as _,
    future::{BoxFuture, Either},
};
use libp2p::{
    PeerId, Transport as _,
    core::{
        muxing::{StreamMuxer, StreamMuxerBox},
        transport::Boxed,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version},
    },
    dns,
    identity::Keypair,
    noise, quic, tcp, tls, websocket, yamux,
};

use crate::{
    RootCertificate,
    guard::{Guard, Guarded},
    limits::YAMUX_STREAMS_MAX,
};

/// A connection: who is at its other end, and the streams on it.
pub(crate) type Connected = (PeerId, StreamMuxerBox);

/// All transports but that through relays.
pub(crate) fn build(
    key: &Keypair,
    guard: &Guard,
    wss_roots: &[RootCertificate],
) -> io::Result<Boxed<Connected>> {
    let secured = Secured {
        tls: tls::Config::new(key).map_err(io::Error::other)?,
        noise: noise::Config::new(key).map_err(io::Error::other)?,
    };
    let tcp =
        || Guarded::new(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)), guard.clone());
    let streams = tcp()
        .upgrade(Version::V1Lazy)
        .authenticate(secured.clone())
        .multiplex(multiplexed())
        .map(|connected, _| boxed(connected));
    let datagrams = Guarded::new(quic::tokio::Transport::new(quic::Config::new(key)), guard.clone())
        .map(|connected, _| boxed(connected));
    let either = streams.or_transport(datagrams).map(|either, _| either.into_inner());
    let named = dns::tokio::Transport::system(either)?;
    let mut sockets = websocket::Config::new(dns::tokio::Transport::system(tcp())?);
    sockets.set_tls_config(trusting(wss_roots)?);
    let sockets = sockets
        .upgrade(Version::V1Lazy)
        .authenticate(secured)
        .multiplex(multiplexed())
        .map(|connected, _| boxed(connected));
    Ok(sockets.or_transport(named).map(|either, _| either.into_inner()).boxed())
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
