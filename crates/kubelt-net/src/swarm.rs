//! The task that owns the swarm: one loop over commands of the node and events of peers.

use std::{collections::HashMap, sync::Arc};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    core::{ConnectedPoint, transport::ListenerId},
    identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise,
    swarm::{DialError, SwarmEvent, dial_opts::DialOpts},
    tcp, tls, yamux,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    behaviour::{Behaviour, BehaviourEvent},
    limits::{CONNECTION_IDLE, PEER_ADDRESSES_MAX},
    net::{Command, NetError, Peer, State},
};

/// A swarm that speaks all transports and listens nowhere yet.
pub(crate) fn build(key: Keypair) -> Result<Swarm<Behaviour>, NetError> {
    let transport = |error: &dyn std::fmt::Display| NetError::Transport(error.to_string());
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            (tls::Config::new, noise::Config::new),
            yamux::Config::default,
        )
        .map_err(|error| transport(&error))?
        .with_quic()
        .with_dns()
        .map_err(|error| transport(&error))?
        .with_behaviour(|key| Behaviour::new(key.public()))
        .map_err(|error| transport(&error))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(CONNECTION_IDLE));
    Ok(swarm.build())
}

/// The swarm, and who waits for what.
pub(crate) struct Task {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    state: Arc<State>,
    dials: HashMap<PeerId, Vec<Dial>>,
}

struct Dial {
    address: Multiaddr,
    answer: oneshot::Sender<Result<PeerId, NetError>>,
}

impl Task {
    pub(crate) fn new(swarm: Swarm<Behaviour>, commands: mpsc::Receiver<Command>, state: Arc<State>) -> Self {
        Self { swarm, commands, state, dials: HashMap::new() }
    }

    /// Listens at these addresses; gives the task back when it does.
    pub(crate) async fn listening(mut self, addresses: &[Multiaddr]) -> Result<Self, NetError> {
        let mut awaited: HashMap<ListenerId, Multiaddr> = HashMap::new();
        for address in addresses {
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
        loop {
            tokio::select! {
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
        let dial = DialOpts::peer_id(peer).addresses(vec![address.clone()]).build();
        match self.swarm.dial(dial) {
            // Being dialled already: the addresses of both count.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {
                self.dials.entry(peer).or_default().push(Dial { address, answer });
            }
            Err(error) => {
                let _ = answer.send(Err(NetError::Connect { address, reason: error.to_string() }));
            }
        }
    }

    fn heard(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => self.state.listening.lock().push(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.state.listening.lock().retain(|one| *one != address);
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
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                for Dial { address, answer } in self.dials.remove(&peer).unwrap_or_default() {
                    let _ = answer.send(Err(NetError::Connect { address, reason: error.to_string() }));
                }
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
        let address = endpoint.get_remote_address();
        if !peer.addresses.contains(address) && peer.addresses.len() < PEER_ADDRESSES_MAX {
            peer.addresses.push(address.clone());
        }
    }

    fn heard_protocol(&self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
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
            BehaviourEvent::Identify(_) => {}
        }
    }
}
