//! The node's ports to other nodes, over this network.

use cid::{Cid, multihash::Multihash};
use kubelt_content::ipns::{Name, Record};
use kubelt_node::{
    Announced, ConnectedPeer, Heard, PeerNetwork, Provider, ProviderRouting, RecordRouting, Routing,
    RoutingError, StrangerError,
};
use libp2p::{Multiaddr, PeerId};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    kad::{FoundProvider, Heed, Provided},
    limits::{ANNOUNCED_ADDRESSES_MAX, HEARD_TIME},
    net::{Net, Peer},
    stranger,
};

impl RecordRouting for Net {
    fn find_record<'a>(&'a self, name: &'a Name) -> Routing<'a, Option<Record>> {
        Box::pin(self.find_record(name))
    }

    fn find_record_elsewhere<'a>(&'a self, name: &'a Name) -> Routing<'a, Option<Record>> {
        Box::pin(self.record(name, Heed::Others))
    }

    fn put_record<'a>(&'a self, name: &'a Name, record: Record) -> Routing<'a, Result<usize, RoutingError>> {
        Box::pin(async move {
            self.put_record(name, record).await.map_err(|error| RoutingError(error.to_string()))
        })
    }
}

impl ProviderRouting for Net {
    fn find_providers<'a>(&'a self, cid: &'a Cid) -> Routing<'a, mpsc::Receiver<Provider>> {
        Box::pin(async move {
            let own = self.id();
            let mut found = self.find_providers(&cid.hash().to_bytes()).await;
            let (told, telling) = mpsc::channel(1);
            tokio::spawn(async move {
                while let Some(provider) = tokio::select! {
                    () = told.closed() => None,
                    next = found.recv() => next,
                } {
                    if provider.peer != own && told.send(provider.into()).await.is_err() {
                        return;
                    }
                }
            });
            telling
        })
    }
}

impl PeerNetwork for Net {
    fn own(&self) -> Provider {
        let addresses = self.addresses().iter().map(ToString::to_string).collect();
        Provider { peer: self.id().to_string(), addresses }
    }

    fn tried(&self) -> Vec<(String, bool)> {
        self.tried().into_iter().map(|(address, reached)| (address.to_string(), reached)).collect()
    }

    fn secure(&self) -> Vec<(String, bool)> {
        self.secure_addresses().into_iter().map(|(address, is_held)| (address.to_string(), is_held)).collect()
    }

    fn peers(&self) -> Vec<ConnectedPeer> {
        self.peers().into_iter().map(Into::into).collect()
    }

    fn connect_as_told<'a>(&'a self, address: &'a str) -> Routing<'a, Result<String, RoutingError>> {
        Box::pin(async move {
            let peer = self.connect_as_told(parse(address)?).await;
            peer.map(|peer| peer.to_string()).map_err(|error| RoutingError(error.to_string()))
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> Routing<'a, Result<String, RoutingError>> {
        Box::pin(async move {
            let peer = self.connect(parse(address)?).await;
            peer.map(|peer| peer.to_string()).map_err(|error| RoutingError(error.to_string()))
        })
    }

    fn announced(&self) -> Provider {
        let addresses = self.announced_addresses(ANNOUNCED_ADDRESSES_MAX);
        FoundProvider { peer: self.id(), addresses }.into()
    }

    fn find_peer<'a>(&'a self, peer: &'a str) -> Routing<'a, Option<Provider>> {
        Box::pin(async move {
            let id: PeerId = peer.parse().ok()?;
            let found = self.closest_peers(&id.to_bytes()).await;
            found.into_iter().find(|found| found.peer == id && !found.addresses.is_empty()).map(Into::into)
        })
    }

    fn heard_of<'a>(&'a self, cid: &'a Cid) -> Routing<'a, Heard> {
        Box::pin(async move {
            if !self.has_dht() {
                return Heard::default();
            }
            let (mut found, own) = (self.providers(&cid.hash().to_bytes(), Heed::Others).await, self.id());
            let mut providers = Vec::new();
            let until = Instant::now() + HEARD_TIME;
            while let Ok(Some(FoundProvider { peer, .. })) = timeout_at(until, found.recv()).await {
                providers.push(peer.to_string());
                // That is what was to be heard.
                if peer == own {
                    break;
                }
            }
            Heard { peers: Some(self.figures().dht_peers), providers }
        })
    }

    fn ask_as_stranger<'a>(
        &'a self,
        addresses: &'a [String],
        cid: &'a Cid,
    ) -> Routing<'a, Result<(), StrangerError>> {
        Box::pin(stranger::ask(addresses, cid, self.own_guard()))
    }

    fn figures(&self) -> Vec<(&'static str, &'static str, u64)> {
        let figures = self.figures();
        let count = |n: usize| n as u64;
        let blocks = self.bitswap_counts();
        vec![
            ("bitswap_peers", "Peers that speak bitswap", blocks.peers),
            ("bitswap_sent_blocks", "Blocks sent to peers", blocks.sent_blocks),
            ("bitswap_sent_bytes", "Bytes of the blocks sent to peers", blocks.sent_bytes),
            (
                "bitswap_received_blocks",
                "Blocks that came from peers and were wanted",
                blocks.received_blocks,
            ),
            ("bitswap_received_bytes", "Bytes of the blocks that came from peers", blocks.received_bytes),
            ("bitswap_duplicate_blocks", "Blocks that came from peers more than once", blocks.duplicates),
            ("bitswap_refused_blocks", "Blocks refused: forged, or never asked for", blocks.refused),
            ("bitswap_wants_lacked", "Wants of peers for blocks that are not here", blocks.lacked),
            ("bitswap_wants_overflown", "Wants refused because a peer had too many", blocks.overflown),
            ("bitswap_stalls", "Times that a peer was asked and sent nothing", blocks.stalls),
            ("bitswap_wanted_blocks", "Blocks that are wanted of peers now", blocks.wanted),
            ("peers", "Peers that are connected", count(self.peers().len())),
            ("peers_banned", "Peers that are banned for what they did", count(figures.banned)),
            ("peer_offences", "What peers did wrong", figures.offences),
            ("dht_peers", "Peers in the routing table of the DHT", count(figures.dht_peers)),
            ("dht_server", "Whether this node answers others in the DHT", u64::from(figures.dht_server)),
            ("dht_walks", "Walks through the DHT that were begun", figures.dht_walks),
            (
                "dht_walks_refused",
                "Walks through the DHT refused, because there were too many",
                figures.dht_walks_refused,
            ),
            (
                "dht_keys_announced",
                "Keys announced to the DHT, each as often as it was",
                figures.keys_announced,
            ),
            ("dht_announcing_walks", "Walks through the DHT made to announce keys", figures.announcing_walks),
            ("dht_records", "Records of others kept for the DHT", count(figures.dht_records)),
            (
                "dht_provider_records",
                "Provider records of others kept for the DHT",
                count(figures.dht_provider_records),
            ),
            ("dht_taken", "Records and provider records of others taken in", figures.dht_taken),
            ("dht_rejected", "Records and provider records of others refused", figures.dht_rejected),
        ]
    }
}

fn parse(address: &str) -> Result<Multiaddr, RoutingError> {
    let no_address = |_error| {
        RoutingError(format!("`{address}` is no multiaddr; write `/ip4/192.0.2.1/tcp/4748/p2p/12D3…`"))
    };
    address.parse().map_err(no_address)
}

impl From<FoundProvider> for Provider {
    fn from(found: FoundProvider) -> Self {
        let addresses = found.addresses.iter().map(ToString::to_string).collect();
        Self { peer: found.peer.to_string(), addresses }
    }
}

impl From<Peer> for ConnectedPeer {
    fn from(peer: Peer) -> Self {
        let Peer { id, addresses, agent, protocols, ping } = peer;
        let addresses = addresses.iter().map(ToString::to_string).collect();
        Self { peer: id.to_string(), addresses, agent, protocols, ping }
    }
}

impl Provided for Announced {
    fn provides(&self, multihash: &[u8]) -> bool {
        let Ok(hash) = Multihash::from_bytes(multihash) else { return false };
        self.has(&hash).unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "what is published cannot be read");
            false
        })
    }
}
