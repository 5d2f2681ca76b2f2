//! The node itself: its health, its figures, its description, and whole cores in.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kubelt_api::{CAR, Code, Health, NodeInfo, WorkerInfo};
use kubelt_node::{Exchange, Mode, Sessions, Status, worker::WorkerStatus};

use crate::{
    auth::SignedIn, log_routes, metrics::Metrics, openapi::openapi_json, origin::Hosts, problem::ApiError,
    rate::Rates,
};

/// What these routes use.
#[derive(Debug, Clone)]
pub(crate) struct NodeRoutes {
    pub(crate) status: Status,
    pub(crate) sessions: Sessions,
    pub(crate) exchange: Exchange,
    pub(crate) metrics: Metrics,
    pub(crate) rates: Rates,
}

pub(crate) fn routes(state: NodeRoutes) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .route("/-/node", get(info))
        .route("/-/car", post(import))
        .with_state(state)
}

/// Says that the process answers.
#[utoipa::path(get, path = "/healthz", tag = "node", responses((status = 200, body = Health)))]
pub(crate) async fn healthz(State(routes): State<NodeRoutes>) -> Json<Health> {
    Json(health(&routes.status))
}

/// Says whether the node takes reads and writes.
#[utoipa::path(get, path = "/readyz", tag = "node",
    responses((status = 200, body = Health), (status = 503, description = "the store cannot be read, or takes no writes", body = Health)))]
pub(crate) async fn readyz(State(routes): State<NodeRoutes>) -> Response {
    let health = health(&routes.status);
    let ready = health.status == "ok" && routes.status.mode() == Mode::ReadWrite;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

fn health(node: &Status) -> Health {
    let status = match node.check() {
        Ok(()) => "ok".to_owned(),
        Err(error) => {
            tracing::error!(%error, "the store cannot be read");
            "the store cannot be read".to_owned()
        }
    };
    let store = match node.mode() {
        Mode::ReadWrite => "read-write",
        Mode::ReadOnly { .. } => "read-only",
    };
    Health { status, store: store.to_owned() }
}

/// Figures are for the operator: how many blocks are stored tells whether one that was just sent was here
/// before.
async fn metrics(
    State(routes): State<NodeRoutes>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !Hosts::is_operators(peer.ip(), &uri, &headers) {
        return Err(ApiError::not_found());
    }
    let text = routes.metrics.text()?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response())
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json()).into_response()
}

/// Says what this node is.
#[utoipa::path(get, path = "/-/node", tag = "node", responses((status = 200, body = NodeInfo)))]
pub(crate) async fn info(
    State(routes): State<NodeRoutes>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
) -> Json<NodeInfo> {
    let workers = match Hosts::is_operators(peer.ip(), &uri, &headers) {
        true => routes.status.workers().into_iter().map(worker_info).collect(),
        false => Vec::new(),
    };
    Json(NodeInfo { name: "kubelt".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), workers })
}

fn worker_info(status: WorkerStatus) -> WorkerInfo {
    WorkerInfo {
        name: status.name.to_owned(),
        state: status.state.as_str().to_owned(),
        steps: status.steps,
        errors: status.errors,
        waiting: status.waiting,
        last_error: status.last_error,
        progress: status.progress,
    }
}

/// Imports a whole core from a CAR that another node exported.
#[utoipa::path(post, path = "/-/car", tag = "cores", security(("bearer" = [])),
    request_body(content_type = "application/vnd.ipld.car", description = "an exported core"),
    responses((status = 201, body = kubelt_api::CoreImport), (status = "4XX", body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn import(
    State(routes): State<NodeRoutes>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let SignedIn(session) = SignedIn::from_headers(&routes.sessions, &headers)?;
    routes.rates.write(session.account())?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().is_none_or(|kind| kind.trim() != CAR) {
        return Err(ApiError::new(
            Code::UnsupportedMediaType,
            format!("send a CAR with `Content-Type: {CAR}`"),
        ));
    }
    log_routes::import(&routes.exchange, session, body).await
}
