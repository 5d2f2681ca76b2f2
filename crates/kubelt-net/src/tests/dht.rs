//! A DHT of several nodes in this process, some of which lie.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use kubelt_content::ipns::{Generations, NewRecord, Record as IpnsRecord, SecretKey};
use libp2p::{
    Multiaddr, StreamProtocol, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    kad::{self, Record, store::MemoryStore, store::RecordStore as _},
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};

use super::start;
use crate::{DhtMode, DhtScope, Net, NetConfig, Provided, provide::message};

/// The longest that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);
const SERVERS: u8 = 8;

fn config(mode: DhtMode) -> NetConfig {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")];
    NetConfig { listen, dht: mode, dht_scope: DhtScope::Lan, ..NetConfig::default() }
}

fn at(net: &Net) -> Multiaddr {
    net.addresses().into_iter().next().expect("it listens")
}

/// Nodes that know each other through the first one.
async fn servers() -> Vec<Net> {
    let mut nets: Vec<Net> = Vec::new();
    for seed in 1..=SERVERS {
        let net = start(seed, &config(DhtMode::Server)).await;
        if let Some(first) = nets.first() {
            net.connect(at(first)).await.expect("connects");
        }
        nets.push(net);
    }
    for net in &nets {
        knows(net, usize::from(SERVERS) - 1).await;
    }
    nets
}

/// Waits until a node finds so many others.
async fn knows(net: &Net, others: usize) {
    let known = async {
        while net.closest_peers(&net.id().to_bytes()).await.len() < others {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.expect("the nodes find each other");
}

async fn joins(config: &NetConfig, seed: u8, first: &Net) -> Net {
    let net = start(seed, config).await;
    net.connect(at(first)).await.expect("connects");
    knows(&net, 1).await;
    net
}

#[derive(Debug)]
struct Has(Vec<u8>);

impl Provided for Has {
    fn provides(&self, multihash: &[u8]) -> bool {
        self.0 == multihash
    }
}

fn record(secret: &SecretKey, sequence: u64) -> IpnsRecord {
    let end = crate::kad::store::now() + Duration::from_secs(3_600);
    let value = format!("/ipfs/bafkqaa{}", ["a", "b", "c"][usize::try_from(sequence).expect("small") % 3]);
    let new = NewRecord { value: value.as_bytes(), sequence, validity_end: end, ttl: Duration::ZERO };
    IpnsRecord::create(secret, &new, Generations::V1AndV2).expect("a record")
}

#[tokio::test]
async fn a_record_put_by_one_node_is_found_by_another() {
    let servers = servers().await;
    let client = joins(&config(DhtMode::Client), 100, &servers[3]).await;
    let secret = SecretKey::from_seed(&[7; 32]);
    let name = secret.name();
    assert_eq!(client.find_record(&name).await, None);
    let first = record(&secret, 1);
    let took = servers[5].put_record(&name, first.clone()).await.expect("put");
    assert_eq!(took, usize::from(SERVERS) - 1, "all that there are are among the closest");
    assert_eq!(client.find_record(&name).await, Some(first.clone()));
    let second = record(&secret, 2);
    client.put_record(&name, second.clone()).await.expect("put");
    // An older one does not come back.
    let _ = servers[1].put_record(&name, first).await;
    for net in &servers {
        assert_eq!(net.find_record(&name).await, Some(second.clone()));
    }
}

#[tokio::test]
async fn who_provides_is_found_with_its_addresses() {
    let servers = servers().await;
    let hash = b"\x12\x20-a-multihash-of-some-32-bytes--".to_vec();
    let provider = joins(&config(DhtMode::Server), 200, &servers[0]).await;
    provider.provide(Arc::new(Has(hash.clone())));
    knows(&provider, usize::from(SERVERS)).await;
    // It is asked as one of the closest, and answers for itself from what it has.
    let client = joins(&config(DhtMode::Client), 101, &servers[0]).await;
    let mut finding = client.find_providers(&hash).await;
    let found = tokio::time::timeout(PATIENCE, finding.recv()).await.expect("in time").expect("somebody");
    assert_eq!(found.peer, provider.id());
    let listening = provider.addresses();
    let is_its =
        |address: &Multiaddr| listening.iter().any(|one| one.to_string().starts_with(&address.to_string()));
    assert!(found.addresses.iter().any(is_its), "{:?}", found.addresses);
    assert_eq!(finding.recv().await, None, "nobody else");
    let mut finding = client.find_providers(b"nobody has this").await;
    assert_eq!(finding.recv().await, None);
}

#[tokio::test]
async fn announcements_for_a_region_reach_all_its_peers() {
    let servers = servers().await;
    let provider = joins(&config(DhtMode::Server), 200, &servers[0]).await;
    knows(&provider, usize::from(SERVERS)).await;
    let keys: Vec<Vec<u8>> = (0..500_u32).map(|i| [b"key".as_slice(), &i.to_be_bytes()].concat()).collect();
    let peers = provider.closest_peers(&keys[0]).await;
    let own = message::provider(&provider.id(), &provider.announced_addresses(8));
    let messages = keys.iter().flat_map(|key| message::add_provider(key, &own)).collect();
    assert_eq!(provider.push(&peers, &messages).await, usize::from(SERVERS));
    let client = joins(&config(DhtMode::Client), 101, &servers[7]).await;
    for key in keys.iter().step_by(100) {
        // The stream was written, and is read in its time.
        let found = async {
            loop {
                if let Some(found) = client.find_providers(key).await.recv().await {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await.expect("it is known");
        assert_eq!(found.peer, provider.id());
        assert!(!found.addresses.is_empty());
    }
    // Nobody speaks for others.
    let forged = message::provider(&servers[0].id(), &[]);
    let messages = message::add_provider(b"forged", &forged).into();
    assert_eq!(provider.push(&peers, &messages).await, usize::from(SERVERS));
    assert_eq!(client.find_providers(b"forged").await.recv().await, None);
    let nobody = crate::FoundProvider { peer: libp2p::PeerId::random(), addresses: Vec::new() };
    assert_eq!(provider.push(&[nobody], &messages).await, 0);
}

/// What a peer without this node's rules speaks.
#[derive(NetworkBehaviour)]
struct Liar {
    identify: identify::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
}

/// A peer that gives out whatever it was given.
async fn liar(record: Record, first: Multiaddr) -> Swarm<Liar> {
    let key = Keypair::generate_ed25519();
    let id = key.public().to_peer_id();
    let mut liar = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|key| {
            let config = kad::Config::new(StreamProtocol::new("/ipfs/lan/kad/1.0.0"));
            let mut kad = kad::Behaviour::with_config(id, MemoryStore::new(id), config);
            kad.set_mode(Some(kad::Mode::Server));
            kad.store_mut().put(record).expect("kept");
            let identify = identify::Config::new("ipfs/0.1.0".to_owned(), key.public());
            Liar { identify: identify::Behaviour::new(identify), kad }
        })
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
        .build();
    liar.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("listens");
    while !matches!(liar.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
    liar.dial(first).expect("dials");
    while !matches!(
        liar.select_next_some().await,
        SwarmEvent::Behaviour(LiarEvent::Identify(identify::Event::Received { .. }))
    ) {}
    liar
}

#[tokio::test]
async fn liars_are_not_believed_and_remembered() {
    let servers = servers().await;
    let (secret, other) = (SecretKey::from_seed(&[7; 32]), SecretKey::from_seed(&[8; 32]));
    let name = secret.name();
    // Signed by another key, with a sequence that would win.
    let forged = Record::new(name.routing_key(), record(&other, 9).encode().to_vec());
    for _ in 0..3 {
        let mut liar = liar(forged.clone(), at(&servers[0])).await;
        tokio::spawn(async move {
            loop {
                liar.select_next_some().await;
            }
        });
    }
    knows(&servers[2], usize::from(SERVERS) + 2).await;
    assert_eq!(servers[2].find_record(&name).await, None);
    assert!(servers[2].figures().offences >= 3, "{:?}", servers[2].figures());
    let real = record(&secret, 1);
    servers[4].put_record(&name, real.clone()).await.expect("put");
    for net in &servers {
        assert_eq!(net.find_record(&name).await, Some(real.clone()));
    }
}

#[tokio::test]
async fn a_forged_record_is_refused_where_it_is_put() {
    let server = start(1, &config(DhtMode::Server)).await;
    let (secret, other) = (SecretKey::from_seed(&[7; 32]), SecretKey::from_seed(&[8; 32]));
    let forged = Record::new(secret.name().routing_key(), record(&other, 9).encode().to_vec());
    let mut liar = liar(forged.clone(), at(&server)).await;
    let put = async {
        for _ in 0..4 {
            let to = std::iter::once(server.id());
            liar.behaviour_mut().kad.put_record_to(forged.clone(), to, kad::Quorum::One);
            while server.figures().offences == 0 || server.figures().banned == 0 {
                tokio::select! {
                    event = liar.select_next_some() => {
                        if let SwarmEvent::Behaviour(LiarEvent::Kad(kad::Event::OutboundQueryProgressed { .. })) = event {
                            break;
                        }
                    }
                    () = tokio::task::yield_now() => {}
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, put).await.expect("answered");
    let banned = async {
        while server.figures().banned == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, banned).await.expect("four forged records ban");
    assert_eq!(server.find_record(&secret.name()).await, None);
    assert!(server.peers().is_empty() || server.figures().banned == 1);
}
