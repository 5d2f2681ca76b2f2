//! Replication over a libp2p stream, for nodes that cannot reach each other directly: behind NATs a relayed or
//! hole-punched connection is what there is. The stream is long-lived and carries what a direct connection carries.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use kubelt_node::{Replication, peer_key};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

use crate::limits::{REPLICATE_STREAMS_OPENING_MAX, REPLICATE_STREAMS_PER_CONNECTION_MAX};

/// What both sides must say they speak.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/kubelt/replicate/1");

/// Who waits for a stream.
pub(crate) type Answer = oneshot::Sender<Result<Stream, String>>;

/// Who speaks on the streams that peers open; nobody as long as it is not set.
pub(crate) type Speaker = Arc<OnceLock<Replication>>;

/// A connection on which streams may be opened.
#[derive(Debug, Clone, Copy)]
struct Connection {
    id: ConnectionId,
    is_relayed: bool,
}

/// The behaviour: has the node speak on streams that peers open, and opens streams to peers that are connected.
#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    pub(crate) speaker: Speaker,
    connections: HashMap<PeerId, Vec<Connection>>,
    asked: VecDeque<(PeerId, ConnectionId, Answer)>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// Opens a stream to a peer that is connected: past a relay where that is possible.
    pub(crate) fn open(&mut self, peer: PeerId, answer: Answer) {
        let all = self.connections.get(&peer).map_or(&[][..], Vec::as_slice);
        let Some(best) = all.iter().rfind(|one| !one.is_relayed).or(all.last()).copied() else {
            // Whoever asked may be gone, here and below.
            let _ = answer.send(Err("the peer is not connected any more".to_owned()));
            return;
        };
        if self.asked.len() >= REPLICATE_STREAMS_OPENING_MAX {
            let _ = answer.send(Err("too many streams are being opened".to_owned()));
            return;
        }
        self.asked.push_back((peer, best.id, answer));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _connection: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(peer, Arc::clone(&self.speaker)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(peer, Arc::clone(&self.speaker)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(made) => {
                let made_now = Connection { id: made.connection_id, is_relayed: made.endpoint.is_relayed() };
                self.connections.entry(made.peer_id).or_default().push(made_now);
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(all) = self.connections.get_mut(&closed.peer_id) {
                    all.retain(|connection| connection.id != closed.connection_id);
                    if all.is_empty() {
                        self.connections.remove(&closed.peer_id);
                    }
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

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.asked.pop_front() {
            Some((peer_id, connection, answer)) => Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event: answer,
            }),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// One connection: streams are handed on as they come.
#[derive(Debug)]
pub(crate) struct Handler {
    peer: PeerId,
    speaker: Speaker,
    /// Streams of the peer that may still be open.
    places: Arc<Semaphore>,
    asked: VecDeque<Answer>,
    waker: Option<Waker>,
}

impl Handler {
    fn new(peer: PeerId, speaker: Speaker) -> Self {
        let places = Arc::new(Semaphore::new(REPLICATE_STREAMS_PER_CONNECTION_MAX));
        Self { peer, speaker, places, asked: VecDeque::new(), waker: None }
    }

    /// Speaks on a stream that the peer has opened. Where that cannot be, it is closed by being dropped.
    fn opened(&self, stream: Stream) {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let (Some(replication), Some(key), Ok(place)) =
            (self.speaker.get().cloned(), peer_key(&self.peer.to_string()), place)
        else {
            tracing::debug!(peer = %self.peer, "a stream for replication was turned away");
            return;
        };
        tokio::spawn(async move {
            if let Err(error) = replication.accept(stream.compat(), key).await {
                tracing::debug!(peer = %key, error = &error as &dyn std::error::Error, "a stream ended");
            }
            drop(place);
        });
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Answer;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Answer;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn on_behaviour_event(&mut self, answer: Answer) {
        self.asked.push_back(answer);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        match self.asked.pop_front() {
            Some(answer) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), answer),
            }),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                self.opened(stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: answer,
            }) => {
                let _ = answer.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: answer, error }) => {
                let why = match error {
                    StreamUpgradeError::Timeout => "the stream was not opened in time".to_owned(),
                    StreamUpgradeError::NegotiationFailed => "the peer does not replicate cores".to_owned(),
                    StreamUpgradeError::Io(error) => error.to_string(),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                let _ = answer.send(Err(why));
            }
            _ => {}
        }
    }
}
