//! The task that owns the swarm: one loop over commands of the node and events of peers.

use std::{collections::HashMap, sync::Arc, time::Instant};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    autonat::v2 as autonat,
    core::{ConnectedPoint, transport::ListenerId},
    dcutr, identify,
    identity::Keypair,
    kad::{self, InboundRequest},
    mdns,
    multiaddr::Protocol,
    noise,
    swarm::{
        ConnectionId, DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tls,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    behaviour::{Behaviour, BehaviourEvent},
    bitswap::Misbehaved,
    config::{DhtScope, NetConfig},
    guard::Guard,
    kad::{Dht, OwnProvided, is_http, is_routable, protocol, routed::Routed, store::now},
    limits::{
        CONNECTION_IDLE, HANDSHAKE_TIME, MDNS_DIALS_MAX, PEER_ADDRESSES_MAX, RECORDS_SWEPT_EVERY,
        RETRY_TICKS, STREAMS_NEGOTIATED_MAX, TICK,
    },
    memory::{half_of_all, resident_bytes},
    net::{Command, Figures, NetError, Peer, State},
    scores::{Offence, Scores},
};

/// A swarm that speaks all transports and listens nowhere yet.
pub(crate) fn build(
    key: Keypair,
    config: &NetConfig,
    provided: OwnProvided,
    guard: &Guard,
) -> Result<Box<Swarm<Behaviour>>, NetError> {
    let transport = |error: &dyn std::fmt::Display| NetError::Transport(error.to_string());
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_other_transport(|key| {
            let certificates = config.certificates.as_ref();
            crate::transport::build(key, guard, &config.wss_roots, certificates).map_err(Into::into)
        })
        .map_err(|error| transport(&error))?
        .with_relay_client((tls::Config::new, noise::Config::new), crate::transport::multiplexed)
        .map_err(|error| transport(&error))?
        .with_behaviour(|key, relayed| {
            Behaviour::new(key.public(), config, provided, relayed).map_err(Into::into)
        })
        .map_err(|error| transport(&error))?
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(CONNECTION_IDLE)
                .with_max_negotiating_inbound_streams(STREAMS_NEGOTIATED_MAX)
        });
    Ok(Box::new(swarm.with_connection_timeout(HANDSHAKE_TIME).build()))
}

/// The swarm, and who waits for what.
pub(crate) struct Task {
    swarm: Box<Swarm<Behaviour>>,
    commands: mpsc::Receiver<Command>,
    state: Arc<State>,
    guard: Guard,
    dials: HashMap<PeerId, Vec<Dial>>,
    scope: DhtScope,
    dht: Dht,
    routed: Routed,
    scores: Scores,
    swept_at: Instant,
    /// Relays through which others are to reach this node, while they do.
    circuits: Vec<(Multiaddr, Option<ListenerId>)>,
    memory_bytes_max: Option<u64>,
    has_room: bool,
    ticks: u64,
}

/// Somebody who waits for a connection, and which one is being made for that.
struct Dial {
    id: ConnectionId,
    address: Multiaddr,
    answer: oneshot::Sender<Result<PeerId, NetError>>,
}

impl Task {
    pub(crate) fn new(
        mut swarm: Box<Swarm<Behaviour>>,
        commands: mpsc::Receiver<Command>,
        state: Arc<State>,
        guard: Guard,
        config: &NetConfig,
    ) -> Self {
        // Where the gateway is says nothing of whether peers reach the node.
        for address in config.announce.iter().filter(|address| !is_http(address)) {
            swarm.add_external_address(address.clone());
        }
        state.external.lock().extend(config.announce.iter().cloned());
        let (dials, dht, scores) = (HashMap::new(), Dht::new(config.dht_scope), Scores::default());
        Self {
            swarm,
            commands,
            state,
            guard,
            dials,
            scope: config.dht_scope,
            dht,
            routed: Routed::default(),
            scores,
            swept_at: Instant::now(),
            circuits: Vec::new(),
            memory_bytes_max: config.memory_bytes_max.or_else(half_of_all),
            has_room: true,
            ticks: 0,
        }
    }

    /// Listens at these addresses; gives the task back when it does.
    pub(crate) async fn listening(mut self, addresses: &[Multiaddr]) -> Result<Self, NetError> {
        let mut awaited: HashMap<ListenerId, Multiaddr> = HashMap::new();
        let through_relay = |address: &&Multiaddr| address.iter().any(|part| part == Protocol::P2pCircuit);
        self.circuits =
            addresses.iter().filter(through_relay).map(|address| (address.clone(), None)).collect();
        self.keep_circuits();
        for address in addresses.iter().filter(|address| !through_relay(address)) {
            let refused = |error: &dyn std::fmt::Display| NetError::Listen {
                address: address.clone(),
                reason: error.to_string(),
            };
            let id = self.swarm.listen_on(address.clone()).map_err(|error| refused(&error))?;
            awaited.insert(id, address.clone());
        }
        while !awaited.is_empty() {
            let event = self.swarm.select_next_some().await;
            match &event {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    awaited.remove(listener_id);
                }
                SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. } => {
                    if let Some(address) = awaited.remove(listener_id) {
                        return Err(NetError::Listen { address, reason: error.to_string() });
                    }
                }
                _ => {}
            }
            self.heard(event);
        }
        Ok(self)
    }

    /// Runs until nobody has a handle any more.
    pub(crate) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.tick(Instant::now()),
                event = self.swarm.select_next_some() => self.heard(event),
                command = self.commands.recv() => match command {
                    Some(command) => self.asked(command),
                    None => return,
                },
            }
        }
    }

    fn asked(&mut self, command: Command) {
        match command {
            Command::Connect { address, answer } => self.connect(address, answer),
            Command::Dht(ask) => match self.swarm.behaviour_mut().kad.as_mut() {
                Some(kad) => self.dht.ask(ask, kad),
                None => ask.refuse(),
            },
            Command::Push { peer, addresses, push } => {
                self.swarm.behaviour_mut().push.push(peer, addresses, push);
            }
            Command::Replicate { peer, answer } => self.swarm.behaviour_mut().replicate.open(peer, answer),
            Command::Blame { peer, offence } => self.blame(peer, offence),
        }
    }

    /// Listens through relays to which that is not the case.
    fn keep_circuits(&mut self) {
        for (address, listener) in self.circuits.iter_mut().filter(|(_, listener)| listener.is_none()) {
            match self.swarm.listen_on(address.clone()) {
                Ok(id) => *listener = Some(id),
                Err(error) => tracing::warn!(%address, %error, "no place at a relay"),
            }
        }
    }

    /// Takes no further connections of peers while the process has more memory than it should.
    fn look_at_memory(&mut self) {
        let over = |max: u64| resident_bytes().is_some_and(|bytes| bytes > max);
        let has_room = !self.memory_bytes_max.is_some_and(over);
        if has_room != self.has_room {
            tracing::warn!(has_room, "the node's memory decides whether peers may connect");
            self.has_room = has_room;
            self.swarm.behaviour_mut().admission.has_room = has_room;
        }
    }

    /// What is to be done now and then.
    fn tick(&mut self, now: Instant) {
        self.ticks += 1;
        if self.ticks.is_multiple_of(RETRY_TICKS) {
            self.keep_circuits();
            self.keep_neighbours();
        }
        self.look_at_memory();
        for peer in self.scores.tick(now) {
            self.swarm.behaviour_mut().banned.unblock_peer(peer);
        }
        let sweeps = now.duration_since(self.swept_at) >= RECORDS_SWEPT_EVERY;
        if sweeps {
            self.swept_at = now;
        }
        let mut figures =
            Figures { offences: self.scores.offences, banned: self.scores.banned(), ..Figures::default() };
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
            self.dht.tick(now, kad);
            if sweeps {
                kad.store_mut().sweep(now);
            }
            (figures.dht_records, figures.dht_provider_records) = kad.store_mut().counts();
            figures.dht_peers = kad.kbuckets().map(|bucket| bucket.num_entries()).sum();
            figures.dht_server = kad.mode() == kad::Mode::Server;
        }
        (figures.dht_walks, figures.dht_walks_refused) = (self.dht.begun, self.dht.refused);
        (figures.dht_taken, figures.dht_rejected) = (self.dht.taken, self.dht.rejected);
        *self.state.figures.lock() = figures;
    }

    /// Connects to nodes of the local network that were found: at all their addresses at once, since while one is being dialled no other
    /// would be.
    fn meet_neighbours(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let mut neighbours: HashMap<PeerId, Vec<Multiaddr>> = HashMap::new();
        for (peer, address) in found {
            neighbours.entry(peer).or_default().push(address);
        }
        neighbours.retain(|peer, _| !self.swarm.is_connected(peer));
        for (peer, mut addresses) in neighbours.into_iter().take(MDNS_DIALS_MAX) {
            addresses.truncate(PEER_ADDRESSES_MAX);
            self.guard.exempt_near(peer);
            // One that is being dialled already is not dialled again.
            let _ = self.swarm.dial(DialOpts::peer_id(peer).addresses(addresses).build());
        }
    }

    /// Connects again to the nodes of the local network that are known and not connected: each is told of once in minutes,
    /// and a dial may fail, or its connection be closed because nobody used it.
    fn keep_neighbours(&mut self) {
        let Some(mdns) = self.swarm.behaviour().mdns.as_ref() else { return };
        let apart = mdns.discovered_nodes().filter(|peer| !self.swarm.is_connected(peer));
        for peer in apart.copied().take(MDNS_DIALS_MAX).collect::<Vec<_>>() {
            self.guard.exempt_near(peer);
            // Where it listens is what it told. One that is being dialled already is not dialled again.
            let _ = self.swarm.dial(DialOpts::peer_id(peer).build());
        }
    }

    /// Remembers what a peer did, and sends it away where that is too much.
    fn blame(&mut self, peer: PeerId, offence: Offence) {
        tracing::debug!(%peer, ?offence, "a peer behaved badly");
        let bans = self.scores.blame(peer, offence, Instant::now());
        {
            let mut figures = self.state.figures.lock();
            (figures.offences, figures.banned) = (self.scores.offences, self.scores.banned());
        }
        if bans {
            tracing::info!(%peer, "a peer is banned for a while");
            self.swarm.behaviour_mut().banned.block_peer(peer);
            if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                kad.remove_peer(&peer);
            }
        }
    }

    fn connect(&mut self, address: Multiaddr, answer: oneshot::Sender<Result<PeerId, NetError>>) {
        let Some(Protocol::P2p(peer)) = address.iter().last() else {
            // Whoever asked may be gone, here and below.
            let _ = answer.send(Err(NetError::NoPeer(address)));
            return;
        };
        if self.swarm.is_connected(&peer) {
            let _ = answer.send(Ok(peer));
            return;
        }
        let begun = self.dials.get(&peer).into_iter().flatten().find(|dial| dial.address == address);
        let begun = begun.map(|dial| dial.id);
        // Whatever else is being tried with the peer, such as meeting it past a relay, says nothing of this address.
        let dial = DialOpts::peer_id(peer).addresses(vec![address.clone()]).condition(PeerCondition::Always);
        let dial = dial.build();
        let id = begun.unwrap_or(dial.connection_id());
        match begun.map_or_else(|| self.swarm.dial(dial), |_| Ok(())) {
            Ok(()) => self.dials.entry(peer).or_default().push(Dial { id, address, answer }),
            Err(error) => {
                let _ = answer.send(Err(NetError::Connect { address, reason: error.to_string() }));
            }
        }
    }

    /// A connection was not made.
    fn not_connected(&mut self, peer: PeerId, id: ConnectionId, error: &DialError) {
        let dials = self.dials.remove(&peer).unwrap_or_default();
        let (failed, others): (Vec<Dial>, Vec<Dial>) = dials.into_iter().partition(|dial| dial.id == id);
        if !others.is_empty() {
            self.dials.insert(peer, others);
        }
        for Dial { address, answer, .. } in failed {
            let _ = answer.send(Err(NetError::Connect { address, reason: error.to_string() }));
        }
    }

    fn heard(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => self.state.listening.lock().push(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.state.listening.lock().retain(|one| *one != address);
            }
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                for (_, listener) in &mut self.circuits {
                    if *listener == Some(listener_id) {
                        *listener = None;
                    }
                }
            }
            SwarmEvent::ExternalAddrConfirmed { address } => {
                let mut external = self.state.external.lock();
                if !external.contains(&address) && external.len() < PEER_ADDRESSES_MAX {
                    external.push(address);
                }
            }
            SwarmEvent::ExternalAddrExpired { address } => {
                self.state.external.lock().retain(|one| *one != address);
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                self.connected(peer_id, &endpoint);
                for Dial { answer, .. } in self.dials.remove(&peer_id).unwrap_or_default() {
                    let _ = answer.send(Ok(peer_id));
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.state.peers.lock().remove(&peer_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, endpoint, .. } => {
                if let Some(peer) = self.state.peers.lock().get_mut(&peer_id) {
                    let closed = endpoint.get_remote_address();
                    let at = peer.addresses.iter().position(|address| address == closed);
                    at.map(|at| peer.addresses.remove(at));
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), connection_id, error } => {
                self.not_connected(peer, connection_id, &error);
            }
            SwarmEvent::Behaviour(event) => self.heard_protocol(event),
            _ => {}
        }
    }

    fn connected(&self, id: PeerId, endpoint: &ConnectedPoint) {
        let mut peers = self.state.peers.lock();
        let peer = peers.entry(id).or_insert_with(|| Peer {
            id,
            addresses: Vec::new(),
            agent: None,
            protocols: Vec::new(),
            ping: None,
        });
        // One for each connection, those past relays first.
        let place = if endpoint.is_relayed() { peer.addresses.len() } else { 0 };
        peer.addresses.insert(place, endpoint.get_remote_address().clone());
    }

    fn heard_protocol(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.route(peer_id, &info);
                if let Some(peer) = self.state.peers.lock().get_mut(&peer_id) {
                    peer.agent = Some(info.agent_version);
                    peer.protocols = info.protocols.iter().map(ToString::to_string).collect();
                }
            }
            BehaviourEvent::Ping(event) => {
                if let (Some(peer), Ok(took)) = (self.state.peers.lock().get_mut(&event.peer), event.result) {
                    peer.ping = Some(took);
                }
            }
            BehaviourEvent::Kad(event) => self.heard_kad(event),
            BehaviourEvent::Reached(autonat::client::Event { tested_addr, result, .. }) => {
                let mut tried = self.state.tried.lock();
                if tried.contains_key(&tested_addr) || tried.len() < PEER_ADDRESSES_MAX {
                    tried.insert(tested_addr, result.is_ok());
                }
            }
            BehaviourEvent::Punch(dcutr::Event { remote_peer_id, result }) => {
                let error = result.err().map(|error| error.to_string());
                tracing::debug!(peer = %remote_peer_id, error, "both sides tried to meet past the relay");
            }
            BehaviourEvent::Bitswap(Misbehaved(peer, offence)) => self.blame(peer, offence),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                self.meet_neighbours(found);
            }
            _ => {}
        }
    }

    /// Puts a peer that answers in the DHT into the routing table.
    fn route(&mut self, peer: PeerId, info: &identify::Info) {
        let scope = self.scope;
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else { return };
        if !info.protocols.contains(&protocol(scope)) {
            return;
        }
        let connected = self.state.peers.lock().get(&peer).and_then(|peer| peer.addresses.first().cloned());
        self.routed.put(kad, scope, peer, connected.as_ref(), &info.listen_addrs);
    }

    fn heard_kad(&mut self, event: kad::Event) {
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else { return };
        match event {
            kad::Event::OutboundQueryProgressed { id, result, step, stats } => {
                for (peer, offence) in self.dht.progressed(id, result, &stats, step.last, kad) {
                    self.blame(peer, offence);
                }
            }
            kad::Event::InboundRequest { request: InboundRequest::AddProvider { record: Some(record) } } => {
                let mut record = record;
                record.addresses.retain(|address| is_routable(address, self.scope));
                let taken = kad.store_mut().take_provider(record, Instant::now());
                *(if taken { &mut self.dht.taken } else { &mut self.dht.rejected }) += 1;
            }
            kad::Event::InboundRequest {
                request: InboundRequest::PutRecord { source, record: Some(record), .. },
            } => match kad.store_mut().take_record(record, now()) {
                Ok(true) => self.dht.taken += 1,
                // Not as good as what is here, or no room.
                Ok(false) => self.dht.rejected += 1,
                Err(bad) => {
                    self.dht.rejected += 1;
                    tracing::debug!(%source, error = &bad as &dyn std::error::Error, "a record was refused");
                    if bad.is_forged() {
                        self.blame(source, Offence::ForgedRecord);
                    }
                }
            },
            _ => {}
        }
    }
}
