//! The node's peers, for its operator: a peer's address tells who talks to this node.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    extract::{ConnectInfo, FromRequest as _, Request, State},
    routing::get,
};
use kubelt_api::{Code, PeerConnect, PeerConnected, PeerList, PeerView, SecureAddress, TriedAddress};
use kubelt_node::{ConnectedPeer, Peers};

use crate::{json::JsonBody, origin::Hosts, problem::ApiError};

pub(crate) fn routes(peers: Peers) -> Router {
    Router::new().route("/-/peers", get(list).post(connect)).with_state(peers)
}

/// Lists the peers that are connected. Answered to the machine itself.
#[utoipa::path(get, path = "/-/peers", tag = "node", operation_id = "list_peers",
    responses((status = 200, body = PeerList), (status = 404, description = "asked from elsewhere", body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(State(peers): State<Peers>, request: Request) -> Result<Json<PeerList>, ApiError> {
    for_operator(&request)?;
    let network = peers.network().ok_or_else(alone)?;
    let own = network.own();
    let mut peers: Vec<PeerView> = network.peers().into_iter().map(view).collect();
    peers.sort_by(|one, other| one.id.cmp(&other.id));
    let tried = network.tried().into_iter().map(|(address, reached)| TriedAddress { address, reached });
    let secure = network.secure().into_iter();
    let secure = secure.map(|(address, certificate)| SecureAddress { address, certificate }).collect();
    Ok(Json(PeerList { id: own.peer, addresses: own.addresses, tried: tried.collect(), secure, peers }))
}

/// Connects to a peer. Answered to the machine itself.
#[utoipa::path(post, path = "/-/peers", tag = "node", request_body = PeerConnect,
    responses((status = 200, body = PeerConnected), (status = "4XX", body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn connect(
    State(peers): State<Peers>,
    request: Request,
) -> Result<Json<PeerConnected>, ApiError> {
    for_operator(&request)?;
    let JsonBody(PeerConnect { address }) = JsonBody::from_request(request, &()).await?;
    let network = peers.network().ok_or_else(alone)?;
    let connected = network.connect_as_told(&address).await;
    let id = connected.map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
    Ok(Json(PeerConnected { id }))
}

/// Refuses whoever is not on this machine, and pages of other origins that a browser there has open.
fn for_operator(request: &Request) -> Result<(), ApiError> {
    let (uri, headers) = (request.uri(), request.headers());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let allowed = peer.is_some_and(|ConnectInfo(peer)| Hosts::is_operators(peer.ip(), uri, headers));
    if allowed { Ok(()) } else { Err(ApiError::not_found()) }
}

fn alone() -> ApiError {
    ApiError::new(Code::Unavailable, "this node is in no network: it has no key of its own")
}

fn view(peer: ConnectedPeer) -> PeerView {
    let ConnectedPeer { peer, addresses, agent, protocols, ping } = peer;
    let ping_ms = ping.map(|ping| ping.as_secs_f64() * 1_000.0);
    PeerView { id: peer, addresses, agent, ping_ms, protocols }
}
