//! Delegated routers: services that are asked who provides content and what names point to (Delegated Routing V1 HTTP
//! API). The operator names them, and what they answer is believed no more than what the DHT answers.

use std::sync::Arc;

use anyhow::bail;
use kubelt_content::{
    Cid,
    ipns::{Name, Record},
    limits::IPNS_RECORD_BYTES_MAX,
};
use kubelt_node::{Provider, ProviderRouting, RecordRouting, Routing, RoutingError};
use serde::Deserialize;
use tokio::sync::mpsc;
use ureq::{Agent, http::header};

use crate::limits::{ROUTER_ANSWER_BYTES_MAX, ROUTER_CALL_TIME_MAX, ROUTER_PROVIDERS_MAX};

/// The media type of records.
const RECORD: &str = "application/vnd.ipfs.ipns-record";

/// One router.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    agent: Agent,
    /// Without `/routing/v1`.
    base: Arc<str>,
}

/// Several records, of which others than those of peers are passed over.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(rename = "Providers", default)]
    providers: Option<Vec<serde_json::Value>>,
}

#[derive(Debug, Deserialize)]
struct PeerRecord {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Addrs", default)]
    addresses: Option<Vec<String>>,
}

impl Router {
    /// The router at this URL, with `/routing/v1` at its end or not.
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            bail!("`{url}` is no router; write `https://router.example`");
        }
        let base = url.trim_end_matches('/').trim_end_matches("/routing/v1").trim_end_matches('/');
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(ROUTER_CALL_TIME_MAX))
            .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self { agent, base: base.into() })
    }

    /// The body of an answer that is a success; none of any other.
    fn get(&self, path: &str, accept: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, ureq::Error> {
        let url = format!("{}/routing/v1/{path}", self.base);
        let mut response = self.agent.get(url).header(header::ACCEPT, accept).call()?;
        if response.status().as_u16() != 200 {
            return Ok(None);
        }
        response.body_mut().with_config().limit(bytes_max).read_to_vec().map(Some)
    }

    fn providers(&self, cid: &Cid) -> Vec<Provider> {
        let answer = self.get(&format!("providers/{cid}"), "application/json", ROUTER_ANSWER_BYTES_MAX);
        match answer {
            Ok(body) => read_providers(&body.unwrap_or_default()),
            Err(error) => {
                tracing::debug!(router = %self.base, %error, "a router gave no answer");
                Vec::new()
            }
        }
    }

    fn record(&self, name: &Name) -> Option<Record> {
        match self.get(&format!("ipns/{name}"), RECORD, IPNS_RECORD_BYTES_MAX as u64) {
            // Whether it is one of this name is judged where it is kept.
            Ok(body) => Record::decode(body?).ok(),
            Err(error) => {
                tracing::debug!(router = %self.base, %error, "a router gave no answer");
                None
            }
        }
    }
}

fn read_providers(body: &[u8]) -> Vec<Provider> {
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    let records = answer.providers.unwrap_or_default().into_iter().take(ROUTER_PROVIDERS_MAX);
    let peers = records.filter_map(|record| {
        let is_peer =
            matches!(record.get("Schema").and_then(|schema| schema.as_str()), Some("peer" | "bitswap"));
        let peer: PeerRecord = serde_json::from_value(record).ok().filter(|_| is_peer)?;
        Some(Provider { peer: peer.id, addresses: peer.addresses.unwrap_or_default() })
    });
    peers.collect()
}

impl ProviderRouting for Router {
    fn find_providers<'a>(&'a self, cid: &'a Cid) -> Routing<'a, mpsc::Receiver<Provider>> {
        let (told, telling) = mpsc::channel(ROUTER_PROVIDERS_MAX);
        let (router, cid) = (self.clone(), *cid);
        tokio::task::spawn_blocking(move || {
            for provider in router.providers(&cid) {
                // There is room for all; who asked may be gone.
                let _ = told.try_send(provider);
            }
        });
        Box::pin(async { telling })
    }
}

/// Asks several for records of names, and takes the best of what they answer.
#[derive(Debug)]
pub(crate) struct AllOf {
    pub(crate) network: Arc<dyn RecordRouting>,
    pub(crate) routers: Vec<Router>,
}

impl AllOf {
    /// The best of what the network finds and what the routers answer.
    async fn best_of(&self, name: &Name, in_network: Routing<'_, Option<Record>>) -> Option<Record> {
        let mut asking = tokio::task::JoinSet::new();
        for router in &self.routers {
            let (router, name) = (router.clone(), *name);
            asking.spawn_blocking(move || router.record(&name));
        }
        let mut best = in_network.await;
        while let Some(found) = asking.join_next().await {
            // An unchecked one must not push out a checked one: it is checked here, too.
            let found = found.ok().flatten().filter(|record| record.validate(name, now()).is_ok());
            let is_better = |record: &Record| best.as_ref().is_none_or(|best| record.compare(best).is_gt());
            if let Some(found) = found.filter(is_better) {
                best = Some(found);
            }
        }
        best
    }
}

impl RecordRouting for AllOf {
    fn find_record<'a>(&'a self, name: &'a Name) -> Routing<'a, Option<Record>> {
        Box::pin(self.best_of(name, self.network.find_record(name)))
    }

    fn find_record_elsewhere<'a>(&'a self, name: &'a Name) -> Routing<'a, Option<Record>> {
        Box::pin(self.best_of(name, self.network.find_record_elsewhere(name)))
    }

    fn put_record<'a>(&'a self, name: &'a Name, record: Record) -> Routing<'a, Result<usize, RoutingError>> {
        self.network.put_record(name, record)
    }
}

fn now() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Router, read_providers};

    #[test]
    fn records_of_peers_are_read_and_others_passed_over() {
        let body = br#"{"Providers":[
            {"Schema":"peer","ID":"12D3KooWA","Addrs":["/ip4/192.0.2.1/tcp/1"],"Protocols":["transport-bitswap"],"x":1},
            {"Schema":"peer","ID":"12D3KooWB","Addrs":null},
            {"Schema":"other","ID":"12D3KooWC"}, {"Schema":"peer"}, 7]}"#;
        let found = read_providers(body);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].peer.as_str(), found[0].addresses.len()), ("12D3KooWA", 1));
        for nothing in [&b"{\"Providers\":null}"[..], b"{}", b"[]", b"", b"\xff"] {
            assert!(read_providers(nothing).is_empty());
        }
    }

    #[test]
    fn a_router_is_a_url() {
        for url in ["https://a.example", "https://a.example/", "https://a.example/routing/v1/"] {
            assert_eq!(&*Router::new(url).expect("a router").base, "https://a.example");
        }
        assert!(Router::new("a.example").is_err());
    }
}
