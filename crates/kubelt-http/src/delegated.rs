//! Delegated routing (Delegated Routing V1 HTTP API; IPIP-337, 417, 484): who provides content, and where a peer is.
//! Records of names are in `naming/record.rs`.
//!
//! Anybody may ask, so answers hold what is public alone: what this node itself tells the DHT, and what others tell it
//! there. Look-ups cost others time, so only so many run at once; beyond that the answer is what is known here.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use kubelt_api::Code;
use kubelt_content::{ipns::Name, parse_cid};
use kubelt_node::{Announced, Peers, Provider, Providers};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, timeout_at},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use crate::{
    app::client,
    limits::{DELEGATED_FOUND_MAX, DELEGATED_LOOKUPS_MAX, DELEGATED_TIME_MAX},
    problem::ApiError,
    query::Query,
    rate::Rates,
};

/// What these routes use.
#[derive(Debug, Clone)]
pub(crate) struct Delegated(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    announced: Announced,
    providers: Providers,
    peers: Peers,
    rates: Rates,
    looking: Arc<Semaphore>,
}

pub(crate) fn routes(announced: Announced, providers: Providers, peers: Peers, rates: Rates) -> Router {
    let looking = Arc::new(Semaphore::new(DELEGATED_LOOKUPS_MAX));
    Router::new()
        .route("/routing/v1/providers/{cid}", get(of_content))
        .route("/routing/v1/peers/{peer}", get(of_peer))
        .with_state(Delegated(Arc::new(Inner { announced, providers, peers, rates, looking })))
}

/// A record of the schema `peer`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PeerRecord {
    schema: &'static str,
    #[serde(rename = "ID")]
    id: String,
    addrs: Vec<String>,
    protocols: Vec<&'static str>,
}

/// Says who provides a CID.
#[utoipa::path(get, path = "/routing/v1/providers/{cid}", tag = "names", params(("cid" = String, Path)),
    responses((status = 200, description = "records of the schema `peer`, as JSON or as NDJSON"), (status = "4XX", body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn of_content(
    State(delegated): State<Delegated>,
    Path(cid): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let inner = &*delegated.0;
    inner.rates.lookup(client(request.extensions()))?;
    let is_ndjson = wants_ndjson(request.headers());
    let cid = parse_cid(&cid).map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
    let filter = Filter::read(query.as_deref())?;
    let (found, finding) = mpsc::channel(DELEGATED_FOUND_MAX);
    let own = inner.peers.network().map(|network| network.announced());
    if let Some(own) = own.clone().filter(|own| !own.addresses.is_empty())
        && inner.announced.tells(&cid)?
    {
        // There is room for all.
        let _ = found.try_send(own);
    }
    if let Ok(permit) = Arc::clone(&inner.looking).try_acquire_owned() {
        let (mut others, own) = (inner.providers.find(&cid), own.map(|own| own.peer));
        tokio::spawn(async move {
            let until = Instant::now() + DELEGATED_TIME_MAX;
            let mut told = Vec::new();
            while let Ok(Some(provider)) = timeout_at(until, others.recv()).await {
                let is_new = own.as_ref() != Some(&provider.peer) && !told.contains(&provider.peer);
                if is_new {
                    told.push(provider.peer.clone());
                    if found.try_send(provider).is_err() {
                        break;
                    }
                }
            }
            drop(permit);
        });
    }
    Ok(answer(is_ndjson, "Providers", filter, finding).await)
}

/// Says where a peer is.
#[utoipa::path(get, path = "/routing/v1/peers/{peer}", tag = "names", params(("peer" = String, Path)),
    responses((status = 200, description = "records of the schema `peer`, as JSON or as NDJSON"), (status = "4XX", body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn of_peer(
    State(delegated): State<Delegated>,
    Path(peer): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let inner = &*delegated.0;
    inner.rates.lookup(client(request.extensions()))?;
    let is_ndjson = wants_ndjson(request.headers());
    let no_peer = |error| ApiError::new(Code::BadRequest, format!("`{peer}` is no peer id: {error}"));
    let id: Name = peer.parse().map_err(no_peer)?;
    let filter = Filter::read(query.as_deref())?;
    let (found, finding) = mpsc::channel(1);
    if let Some(network) = inner.peers.network() {
        let own = network.announced();
        if own.peer == id.to_peer_id() {
            let _ = found.try_send(own);
        } else if let Ok(_permit) = inner.looking.try_acquire()
            && let Ok(Some(provider)) =
                tokio::time::timeout(DELEGATED_TIME_MAX, network.find_peer(&id.to_peer_id())).await
        {
            let _ = found.try_send(provider);
        }
    }
    drop(found);
    Ok(answer(is_ndjson, "Peers", filter, finding).await)
}

pub(crate) fn wants_ndjson(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/x-ndjson"))
}

async fn answer(
    is_ndjson: bool,
    list: &'static str,
    filter: Filter,
    finding: mpsc::Receiver<Provider>,
) -> Response {
    let records = ReceiverStream::new(finding).filter_map(move |provider| filter.record(provider));
    let mut response = if is_ndjson {
        let line = |record: PeerRecord| {
            let mut line = serde_json::to_vec(&record).expect("plain JSON");
            line.push(b'\n');
            Ok::<_, std::convert::Infallible>(Bytes::from(line))
        };
        let mut response = Body::from_stream(records.map(line)).into_response();
        let kind = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    } else {
        let records: Vec<PeerRecord> = records.collect().await;
        let is_empty = records.is_empty();
        let mut response = axum::Json(serde_json::json!({ list: records })).into_response();
        let kept = if is_empty { "public, max-age=15" } else { "public, max-age=300" };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
        response
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// Which records and which addresses of them are asked for (IPIP-484).
#[derive(Debug, Clone, Default)]
struct Filter {
    addresses: Vec<String>,
    protocols: Vec<String>,
}

impl Filter {
    fn read(query: Option<&str>) -> Result<Self, ApiError> {
        let query = Query::parse(query.unwrap_or_default())?;
        let list = |name| -> Vec<String> {
            let text = query.get(name).unwrap_or_default().to_ascii_lowercase();
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        Ok(Self { addresses: list("filter-addrs"), protocols: list("filter-protocols") })
    }

    fn record(&self, provider: Provider) -> Option<PeerRecord> {
        let Provider { peer, mut addresses } = provider;
        let is_gateway = |address: &String| address.split('/').any(|part| matches!(part, "http" | "https"));
        let mut spoken = Vec::with_capacity(2);
        // That it is named for content says that it speaks bitswap, unless it has no address for that.
        if addresses.is_empty() || !addresses.iter().all(is_gateway) {
            spoken.push("transport-bitswap");
        }
        if addresses.iter().any(is_gateway) {
            spoken.push("transport-ipfs-gateway-http");
        }
        if !self.protocols.is_empty() && !self.protocols.iter().any(|one| spoken.contains(&one.as_str())) {
            return None;
        }
        let knew_none = addresses.is_empty();
        if !self.addresses.is_empty() {
            addresses.retain(|address| self.takes(address));
            let takes_unknown = self.addresses.iter().any(|one| one == "unknown");
            if addresses.is_empty() && !(knew_none && takes_unknown) {
                return None;
            }
        }
        Some(PeerRecord { schema: "peer", id: peer, addrs: addresses, protocols: spoken })
    }

    fn takes(&self, address: &str) -> bool {
        let has = |protocol: &str| address.split('/').any(|part| part == protocol);
        let (refused, wanted): (Vec<&String>, Vec<&String>) =
            self.addresses.iter().filter(|one| *one != "unknown").partition(|one| one.starts_with('!'));
        let is_refused = refused.iter().any(|one| has(&one[1..]));
        !is_refused && (wanted.is_empty() || wanted.iter().any(|one| has(one)))
    }
}

#[cfg(test)]
mod tests {
    use kubelt_node::Provider;

    use super::Filter;

    #[test]
    fn filters_keep_what_they_name() {
        let all =
            ["/ip4/1.1.1.1/tcp/1", "/ip4/1.1.1.1/udp/1/quic-v1", "/ip4/1.1.1.1/tcp/1/p2p/Qm/p2p-circuit"];
        let kept = |query: &str, addresses: &[&str]| {
            let addresses = addresses.iter().map(|one| (*one).to_owned()).collect();
            let filter = Filter::read(Some(query)).expect("a query");
            filter.record(Provider { peer: "Qm".to_owned(), addresses }).map(|record| record.addrs.len())
        };
        for (query, expected) in [
            ("", Some(3)),
            ("filter-addrs=tcp", Some(2)),
            ("filter-addrs=tcp,!p2p-circuit", Some(1)),
            ("filter-addrs=!p2p-circuit", Some(2)),
            ("filter-addrs=webtransport", None),
            ("filter-addrs=webtransport,unknown", None),
            ("filter-addrs=QUIC-V1", Some(1)),
            ("filter-protocols=transport-bitswap", Some(3)),
            ("filter-protocols=unknown,transport-bitswap", Some(3)),
            ("filter-protocols=transport-graphsync-filecoinv1", None),
        ] {
            assert_eq!(kept(query, &all), expected, "{query}");
        }
        assert_eq!(kept("filter-addrs=unknown", &[]), Some(0));
        assert_eq!(kept("filter-addrs=tcp", &[]), None);
    }

    #[test]
    fn a_gateway_is_told_by_its_address() {
        let (peer, gateway) = ("/ip4/192.0.2.1/tcp/1", "/dns4/node.example/tcp/443/tls/http");
        let check = |query: &str, addresses: &[&str], expected: Option<&[&str]>| {
            let addresses = addresses.iter().map(|one| (*one).to_owned()).collect();
            let filter = Filter::read(Some(query)).expect("a query");
            let record = filter.record(Provider { peer: "Qm".to_owned(), addresses });
            assert_eq!(record.map(|record| record.protocols).as_deref(), expected, "{query}");
        };
        let both = ["transport-bitswap", "transport-ipfs-gateway-http"];
        check("", &[gateway, peer], Some(&both));
        check("", &[gateway], Some(&both[1..]));
        check("filter-protocols=transport-ipfs-gateway-http", &[gateway, peer], Some(&both));
        check("filter-protocols=transport-ipfs-gateway-http", &[peer], None);
        check("filter-protocols=transport-bitswap", &[gateway], None);
        check("filter-addrs=https,http", &[gateway, peer], Some(&both));
    }
}
