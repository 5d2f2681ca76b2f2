//! Peers who may have something, found and connected to.

use std::collections::HashSet;

use kubelt_content::Cid;
use tokio::time::{Instant, timeout_at};

use super::super::doors;
use crate::{
    limits::{
        FETCH_ADDRESSES_MAX, FETCH_DOORS_MAX, FETCH_FIND_TIME_MAX, FETCH_PROVIDERS_MAX,
        FETCH_PROVIDERS_TRIED_MAX,
    },
    routing::{Peers, Provider, Providers},
};

/// Who was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Peers that are connected now, by their ids.
    pub(super) peers: Vec<String>,
    /// URLs of those who answer HTTP.
    pub(super) urls: Vec<String>,
}

/// Connects to nodes that hold the core.
pub(super) async fn connect_to_hosts(hosts: Vec<Provider>, connected: Peers) -> Found {
    let mut found = Found::default();
    let Some(network) = connected.network() else { return found };
    let until = Instant::now() + FETCH_FIND_TIME_MAX;
    for host in hosts {
        let is_for_peers = |address: &&String| {
            (!address.contains("/tls") || address.contains("/ws")) && doors::url_of(address).is_none()
        };
        let mut addresses: Vec<String> = host.addresses.iter().filter(is_for_peers).cloned().collect();
        if addresses.is_empty()
            && let Ok(Some(known)) = timeout_at(until, network.find_peer(&host.peer)).await
        {
            addresses = known.addresses;
        }
        if connect(&*network, &Provider { peer: host.peer.clone(), addresses }, until).await {
            found.peers.push(host.peer);
        }
    }
    found
}

/// Connects to some of those who say that they have a block, and knows where others of them answer HTTP.
pub(super) async fn find_and_connect(providers: Providers, connected: Peers, cid: Cid) -> Found {
    let mut found = Found::default();
    let network = connected.network();
    let until = Instant::now() + FETCH_FIND_TIME_MAX;
    let mut finding = providers.find(&cid);
    let mut tried = HashSet::new();
    while let Ok(Some(mut provider)) = timeout_at(until, finding.recv()).await {
        if !tried.insert(provider.peer.clone()) {
            continue;
        }
        let urls = provider.addresses.iter().filter_map(|address| doors::url_of(address));
        let room = FETCH_DOORS_MAX - found.urls.len();
        found.urls.extend(urls.take(room));
        provider.addresses.retain(|address| doors::url_of(address).is_none());
        if let Some(network) = &network
            && connect(&**network, &provider, until).await
        {
            found.peers.push(provider.peer);
        }
        if found.peers.len() >= FETCH_PROVIDERS_MAX || tried.len() >= FETCH_PROVIDERS_TRIED_MAX {
            break;
        }
        // Who answers HTTP is asked at once, whoever else may be found.
        if !found.urls.is_empty() && found.peers.is_empty() && finding.is_empty() {
            break;
        }
    }
    found
}

/// Connects to a peer at one of its addresses.
async fn connect(network: &dyn crate::routing::PeerNetwork, provider: &Provider, until: Instant) -> bool {
    for address in provider.addresses.iter().take(FETCH_ADDRESSES_MAX) {
        let address = match address.contains("/p2p/") {
            true => address.clone(),
            false => format!("{address}/p2p/{}", provider.peer),
        };
        if let Ok(Ok(_)) = timeout_at(until, network.connect(&address)).await {
            return true;
        }
    }
    false
}
