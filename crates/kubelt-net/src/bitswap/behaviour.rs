//! The engine among the protocols of a node: events of connections and of sessions go in, its outputs go out.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
};

use futures::FutureExt as _;
use kubelt_content::bitswap::{Message, WantKind};
use kubelt_node::{PublishedBlock, PublishedBlocks};
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
        THandlerInEvent, ToSwarm,
    },
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, Interval, MissedTickBehavior, interval},
};

use super::{
    engine::{Engine, Event, Output, SessionId},
    frames::ReadingRoom,
    handler::{FromHandler, Handler},
    limits::{LOAD_BYTES_MAX, TICK},
    server::Load,
    session::{Command, Handle, SessionEvent, Shared},
};
use crate::scores::Offence;

/// A peer did what it may not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Misbehaved(pub(crate) PeerId, pub(crate) Offence);

/// Bitswap as one protocol of a swarm.
#[derive(Debug)]
pub(crate) struct Behaviour {
    engine: Engine,
    began: Instant,
    handle: Handle,
    commands: mpsc::UnboundedReceiver<Command>,
    sessions: HashMap<SessionId, mpsc::UnboundedSender<SessionEvent>>,
    /// Connections with peers that speak bitswap; messages go out on the first.
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    loads: JoinSet<(Load, Vec<PublishedBlock>)>,
    events: VecDeque<ToSwarm<Misbehaved, Message>>,
    room: ReadingRoom,
    clock: Interval,
    /// How often something was published here when that was last looked at.
    openings: u64,
    /// Ticks that still look again for what peers want: a look that began before something was published may end late.
    looks_again: u8,
}

impl Behaviour {
    /// An engine that serves nothing yet. It needs the runtime of tokio.
    pub(crate) fn new() -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        let mut clock = interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            engine: Engine::default(),
            began: Instant::now(),
            handle: Handle { commands: sender, shared: Arc::new(Shared::default()) },
            commands,
            sessions: HashMap::new(),
            connections: HashMap::new(),
            loads: JoinSet::new(),
            events: VecDeque::new(),
            room: ReadingRoom::default(),
            clock,
            openings: 0,
            looks_again: 0,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn step(&mut self, event: Event) {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        for output in self.engine.step(now_ms, event) {
            match output {
                Output::Send(peer, message) => self.send(peer, message),
                Output::Load(load) => {
                    let published = self.handle.shared.published.get().cloned();
                    self.loads.spawn(look_up(published, load));
                }
                Output::Block(session, peer, cid, data) => {
                    self.tell(session, SessionEvent::Block { cid, data, peer });
                }
                Output::Starved(session, cid) => self.tell(session, SessionEvent::Starved(cid)),
                Output::Ban(peer_id) => {
                    tracing::debug!(%peer_id, "a peer of bitswap behaves badly: its connection is closed");
                    self.events.push_back(ToSwarm::GenerateEvent(Misbehaved(peer_id, Offence::ForgedBlock)));
                    let connection = CloseConnection::All;
                    self.events.push_back(ToSwarm::CloseConnection { peer_id, connection });
                }
            }
        }
    }

    /// Looks up what peers want in vain, where something was published meanwhile.
    fn look_again(&mut self) {
        let openings = self.handle.shared.published.get().map_or(0, |published| published.openings());
        if std::mem::replace(&mut self.openings, openings) != openings {
            self.looks_again = 2;
        }
        if self.looks_again > 0 {
            self.looks_again -= 1;
            self.step(Event::Published);
        }
    }

    fn send(&mut self, peer_id: PeerId, message: Message) {
        let connection = self.connections.get(&peer_id).and_then(|connections| connections.first());
        if let Some(connection) = connection {
            let handler = NotifyHandler::One(*connection);
            self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: message });
        }
    }

    fn tell(&self, session: SessionId, event: SessionEvent) {
        if let Some(told) = self.sessions.get(&session) {
            // One that was dropped says so, too.
            let _ = told.send(event);
        }
    }

    fn asked(&mut self, command: Command) {
        match command {
            Command::Open(session, budget_bytes, told) => {
                self.sessions.insert(session, told);
                self.step(Event::Open(session, budget_bytes));
            }
            Command::Want(session, cids) => self.step(Event::Want(session, cids)),
            Command::Forget(session, cids) => self.step(Event::Forget(session, cids)),
            Command::Hint(session, peers) => self.step(Event::Hint(session, peers)),
            Command::Consumed(session, bytes) => self.step(Event::Consumed(session, bytes)),
            Command::Close(session) => {
                self.sessions.remove(&session);
                self.step(Event::Close(session));
            }
        }
    }

    fn speaks(&mut self, peer: PeerId, connection: ConnectionId) {
        let connections = self.connections.entry(peer).or_default();
        if !connections.contains(&connection) {
            connections.push(connection);
        }
        if connections.len() == 1 {
            self.step(Event::Speaks(peer));
        }
    }

    /// A connection is of no use any more. What was under way on it begins anew on another one.
    fn silent(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(connections) = self.connections.get_mut(&peer) else { return };
        let was_first = connections.first() == Some(&connection);
        connections.retain(|one| *one != connection);
        let has_others = !connections.is_empty();
        if !has_others {
            self.connections.remove(&peer);
        }
        if was_first {
            self.begin_anew(peer, has_others);
        }
    }

    fn begin_anew(&mut self, peer: PeerId, is_connected: bool) {
        self.step(Event::Gone(peer));
        if is_connected {
            self.step(Event::Speaks(peer));
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Misbehaved;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(self.room.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(self.room.clone()))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(closed) = event {
            self.silent(closed.peer_id, closed.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: FromHandler) {
        match event {
            FromHandler::Speaks => self.speaks(peer, connection),
            FromHandler::Silent => self.silent(peer, connection),
            FromHandler::Lost => {
                if self.connections.get(&peer).is_some_and(|all| all.first() == Some(&connection)) {
                    self.begin_anew(peer, true);
                }
            }
            FromHandler::Received(received) => self.step(Event::Received(peer, received)),
            FromHandler::Progress => self.step(Event::Progress(peer)),
            FromHandler::Sent(bytes) => self.step(Event::Sent(peer, bytes)),
            FromHandler::Flood => {
                self.events.push_back(ToSwarm::GenerateEvent(Misbehaved(peer, Offence::Flood)));
            }
            FromHandler::Nonsense => {
                let received = super::engine::Received { malformed: 1, ..Default::default() };
                self.step(Event::Received(peer, received));
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Misbehaved, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            if let Poll::Ready(Some(command)) = self.commands.poll_recv(cx) {
                self.asked(command);
                continue;
            }
            if let Poll::Ready(Some(loaded)) = self.loads.poll_join_next(cx) {
                if let Ok((load, found)) = loaded {
                    self.step(Event::Loaded(load, found));
                }
                continue;
            }
            if self.clock.poll_tick(cx).is_ready() {
                self.step(Event::Tick);
                self.look_again();
                *self.handle.shared.ledgers.lock() = self.engine.ledgers();
                continue;
            }
            *self.handle.shared.counts.lock() = self.engine.counts();
            return Poll::Pending;
        }
    }
}

/// Looks blocks up for a peer, as many as a message holds.
async fn look_up(published: Option<Arc<dyn PublishedBlocks>>, load: Load) -> (Load, Vec<PublishedBlock>) {
    let Some(published) = published else {
        let found = vec![PublishedBlock::Missing; load.wants.len()];
        return (load, found);
    };
    let asked: Vec<_> =
        load.wants.iter().map(|wanted| (wanted.cid, wanted.kind == WantKind::Block)).collect();
    let looking = AssertUnwindSafe(published.look_up(asked, LOAD_BYTES_MAX)).catch_unwind();
    // A look that panicked finds nothing, and gives its place back; the log says where.
    let mut found = looking.await.unwrap_or_else(|_panic| vec![PublishedBlock::Missing; load.wants.len()]);
    found.truncate(load.wants.len());
    (load, found)
}
