//! Announcements to peers that are known: many in one stream, without a walk for each.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    io,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{AsyncWriteExt as _, FutureExt as _, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint,
        transport::PortUse,
        upgrade::{DeniedUpgrade, ReadyUpgrade},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandlerInEvent, THandlerOutEvent, ToSwarm,
        dial_opts::DialOpts,
        handler::{ConnectionEvent, FullyNegotiatedOutbound},
    },
};
use tokio::{sync::oneshot, time::timeout};

use crate::limits::{PUSH_TIMEOUT, PUSHES_PER_PEER_MAX};

/// Messages for one peer. Whoever waits hears that they were sent; where that fails, the answer is dropped.
#[derive(Debug)]
pub(crate) struct Push {
    /// Messages, each with its length in front.
    pub(crate) messages: Bytes,
    pub(crate) answer: oneshot::Sender<()>,
}

/// Sends what is to be announced.
#[derive(Debug)]
pub(crate) struct Behaviour {
    protocol: StreamProtocol,
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    dialled: HashMap<PeerId, Vec<Push>>,
    events: VecDeque<ToSwarm<Infallible, Push>>,
}

impl Behaviour {
    pub(crate) fn new(protocol: StreamProtocol) -> Self {
        let (connections, dialled, events) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Self { protocol, connections, dialled, events }
    }

    /// Sends messages to a peer, to which a connection is made where there is none.
    pub(crate) fn push(&mut self, peer_id: PeerId, addresses: Vec<Multiaddr>, push: Push) {
        if let Some(connection) = self.connections.get(&peer_id).and_then(|all| all.first()) {
            let handler = NotifyHandler::One(*connection);
            self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: push });
            return;
        }
        let waiting = self.dialled.entry(peer_id).or_default();
        if waiting.is_empty() {
            let opts = DialOpts::peer_id(peer_id).addresses(addresses).extend_addresses_through_behaviour();
            self.events.push_back(ToSwarm::Dial { opts: opts.build() });
        }
        if waiting.len() < PUSHES_PER_PEER_MAX {
            waiting.push(push);
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _connection: ConnectionId,
        _peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(self.protocol.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        _peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port_use: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(self.protocol.clone()))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                let peer = established.peer_id;
                self.connections.entry(peer).or_default().push(established.connection_id);
                for push in self.dialled.remove(&peer).unwrap_or_default() {
                    self.push(peer, Vec::new(), push);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(all) = self.connections.get_mut(&closed.peer_id) {
                    all.retain(|one| *one != closed.connection_id);
                    if all.is_empty() {
                        self.connections.remove(&closed.peer_id);
                    }
                }
            }
            FromSwarm::DialFailure(failure) => {
                // What waits is dropped, and whoever waits for it hears of that.
                if let Some(peer) = failure.peer_id
                    && !self.connections.contains_key(&peer)
                {
                    self.dialled.remove(&peer);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// One connection: each push has a stream of its own.
pub(crate) struct Handler {
    protocol: StreamProtocol,
    /// Those for which no stream is asked for yet, and those for which one is.
    asked: VecDeque<Push>,
    opening: VecDeque<Push>,
    sending: Option<BoxFuture<'static, ()>>,
}

impl Handler {
    fn new(protocol: StreamProtocol) -> Self {
        Self { protocol, asked: VecDeque::new(), opening: VecDeque::new(), sending: None }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Push;
    type ToBehaviour = Infallible;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        // What peers announce is read by libp2p's own part of the DHT.
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn connection_keep_alive(&self) -> bool {
        self.sending.is_some() || !self.asked.is_empty() || !self.opening.is_empty()
    }

    fn on_behaviour_event(&mut self, push: Push) {
        if self.asked.len() + self.opening.len() < PUSHES_PER_PEER_MAX {
            self.asked.push_back(push);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), Infallible>> {
        if let Some(sending) = &mut self.sending
            && sending.poll_unpin(cx).is_ready()
        {
            self.sending = None;
        }
        if self.sending.is_none()
            && self.opening.is_empty()
            && let Some(push) = self.asked.pop_front()
        {
            self.opening.push_back(push);
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, DeniedUpgrade, ReadyUpgrade<StreamProtocol>>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream, ..
            }) => {
                if let Some(push) = self.opening.pop_front() {
                    self.sending = Some(send(stream, push).boxed());
                }
            }
            ConnectionEvent::DialUpgradeError(_) => {
                self.opening.pop_front();
            }
            _ => {}
        }
    }
}

async fn send(mut stream: Stream, Push { messages, answer }: Push) {
    let written = async {
        stream.write_all(&messages).await?;
        stream.close().await?;
        io::Result::Ok(())
    };
    if let Ok(Ok(())) = timeout(PUSH_TIMEOUT, written).await {
        // Whoever waited may be gone.
        let _ = answer.send(());
    }
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler").field("asked", &self.asked.len()).finish_non_exhaustive()
    }
}
