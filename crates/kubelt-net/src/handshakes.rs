//! Handshakes of peers that connect: where one too many goes on, the oldest gives way of those that come from where most
//! do. Whoever connects and says nothing must not keep others out.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, future::BoxFuture};
use libp2p::{
    Multiaddr, Transport,
    core::transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
};
use tokio::sync::oneshot;

use crate::{admission::address_of, direct::gives_way, limits::HANDSHAKES_MAX, transport::Connected};

/// A transport with so many handshakes at once.
pub(crate) struct Handshakes {
    inner: Boxed<Connected>,
    /// Those that go on, the oldest first, and where they come from. One ends when its sender is dropped.
    begun: Vec<(Option<IpAddr>, oneshot::Sender<Infallible>)>,
}

impl Handshakes {
    pub(crate) const fn new(inner: Boxed<Connected>) -> Self {
        Self { inner, begun: Vec::new() }
    }

    /// Takes up a handshake.
    fn begin(
        &mut self,
        upgrade: <Self as Transport>::ListenerUpgrade,
        from: Option<IpAddr>,
    ) -> <Self as Transport>::ListenerUpgrade {
        self.begun.retain(|(_, handshake)| !handshake.is_closed());
        if self.begun.len() >= HANDSHAKES_MAX {
            let places: Vec<Option<IpAddr>> = self.begun.iter().map(|(from, _)| *from).collect();
            self.begun.remove(gives_way(&places));
        }
        let (begun, given_up) = oneshot::channel();
        self.begun.push((from, begun));
        async move {
            tokio::select! {
                connected = upgrade => connected,
                _ = given_up => Err(io::Error::other("many connect, and this one was too slow")),
            }
        }
        .boxed()
    }
}

impl Transport for Handshakes {
    type Output = Connected;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Connected>>;
    type Dial = <Boxed<Connected> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, opts)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = ready!(Pin::new(&mut self.inner).poll(cx));
        let from = match &event {
            TransportEvent::Incoming { send_back_addr, .. } => address_of(send_back_addr),
            _ => None,
        };
        Poll::Ready(event.map_upgrade(|upgrade| self.begin(upgrade, from)))
    }
}
