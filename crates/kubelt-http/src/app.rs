//! All routes of a node, and what goes around every one of them.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{Extensions, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use kubelt_node::Node;
use parking_lot::Mutex;

use crate::{
    core_routes::{self, CoreRoutes},
    gateway::{self, Gateway},
    hosts::GatewayHosts,
    kubo::{self, KuboRoutes},
    metrics::Metrics,
    naming::{self, Naming},
    node_routes::{self, NodeRoutes},
    origin::Hosts,
    rate::{RateLimits, Rates},
    request_id,
    session_routes::{self, SessionRoutes},
};

/// How the edge behaves.
#[derive(Debug, Clone, Default)]
pub struct HttpConfig {
    /// Under which hosts people may sign in.
    pub hosts: Hosts,
    /// How many requests clients may make.
    pub rates: RateLimits,
    /// Under which hosts content is served that has an origin of its own.
    pub gateway: GatewayHosts,
}

/// How often quiet clients are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The routes of a node.
pub fn router(node: &Node, config: HttpConfig) -> Router {
    let rates = Rates::new(config.rates);
    let metrics = Metrics::new(node.status.clone());
    let around = Around {
        rates: rates.clone(),
        metrics: metrics.clone(),
        last_sweep: Arc::new(Mutex::new(Instant::now())),
    };
    let sessions =
        SessionRoutes { sessions: node.sessions.clone(), hosts: config.hosts.clone(), rates: rates.clone() };
    let gateway = Gateway { sessions: node.sessions.clone(), content: node.content.clone() };
    let naming = Arc::new(Naming {
        gateway: gateway.clone(),
        resolver: node.resolver.clone(),
        ipns: node.ipns.clone(),
        rates: rates.clone(),
        public: config.hosts,
        hosts: Arc::new(config.gateway),
    });
    let kubo = KuboRoutes {
        sessions: node.sessions.clone(),
        rpc: node.rpc.clone(),
        content: node.content.clone(),
        pins: node.pins.clone(),
        resolver: node.resolver.clone(),
        ipns: node.ipns.clone(),
        rates: rates.clone(),
    };
    let cores = CoreRoutes {
        sessions: node.sessions.clone(),
        content: node.content.clone(),
        exchange: node.exchange.clone(),
        ipns: node.ipns.clone(),
        pins: node.pins.clone(),
        identity: node.identity.clone(),
        remote_pins: node.remote_pins.clone(),
        rates: rates.clone(),
    };
    let about = NodeRoutes {
        status: node.status.clone(),
        sessions: node.sessions.clone(),
        exchange: node.exchange.clone(),
        metrics,
        rates,
    };
    node_routes::routes(about)
        .merge(session_routes::routes(sessions))
        .merge(gateway::routes(Arc::new(gateway)))
        .merge(naming::routes(Arc::clone(&naming)))
        .merge(kubo::routes(kubo))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback_service(core_routes::routes(cores))
        .layer(middleware::from_fn_with_state(naming, naming::at_its_site))
        .layer(middleware::from_fn_with_state(around, around_every_request))
}

async fn method_not_allowed() -> Response {
    crate::problem::ApiError::new(kubelt_api::Code::MethodNotAllowed, "that method does not work here")
        .into_response()
}

/// What every request passes through.
#[derive(Debug, Clone)]
struct Around {
    rates: Rates,
    metrics: Metrics,
    last_sweep: Arc<Mutex<Instant>>,
}

async fn around_every_request(State(around): State<Around>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id::next();
    let method = request.method().clone();
    let path = request.uri().path().chars().take(256).collect::<String>();
    let client = client(request.extensions());
    let signed_in = request.headers().contains_key(header::AUTHORIZATION);
    around.sweep(began);
    let mut response = request_id::scope(id.clone(), async {
        if let Err(error) = around.rates.request(client) {
            return error.into_response();
        }
        if method == Method::OPTIONS {
            return preflight();
        }
        next.run(request).await
    })
    .await;
    dress(&mut response, &id, signed_in);
    let status = response.status().as_u16();
    let took = began.elapsed();
    around.metrics.answered(method.as_str(), status, took);
    tracing::debug!(%method, path, status, id, micros = took.as_micros(), "answered");
    response
}

impl Around {
    fn sweep(&self, now: Instant) {
        if let Some(mut last) = self.last_sweep.try_lock()
            && now.duration_since(*last) > SWEEP_EVERY
        {
            *last = now;
            self.rates.sweep();
        }
    }
}

/// The address that a request came from.
pub(crate) fn client(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::from([127, 0, 0, 1]), |ConnectInfo(peer)| peer.ip())
}

/// Tokens are never sent by browsers on their own, so any page may ask: it gets what anybody gets.
fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// What pages of other origins may send and see (path gateway specification, "CORS").
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS, POST, PUT, DELETE");
const TAKEN_HEADERS: HeaderValue = HeaderValue::from_static(
    "Content-Type, Range, User-Agent, X-Requested-With, Authorization, If-Match, If-None-Match, If-Range, \
     Idempotency-Key",
);
const SHOWN_HEADERS: HeaderValue = HeaderValue::from_static(
    "Content-Range, Content-Length, X-Ipfs-Path, X-Ipfs-Roots, X-Chunked-Output, X-Stream-Output, ETag, \
     Accept-Ranges, X-Request-Id, X-Kubelt-Op, X-Kubelt-Visibility",
);

/// Headers of every answer.
fn dress(response: &mut Response, id: &str, signed_in: bool) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, TAKEN_HEADERS);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN_HEADERS);
    // What does not say otherwise is nobody's to keep, and no program: not even an error is. And what was made
    // for somebody who signed in is kept only where anybody would have got the same.
    let may_keep = |value: &HeaderValue| !signed_in || value.as_bytes().starts_with(b"public");
    if !headers.get(header::CACHE_CONTROL).is_some_and(may_keep) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-request-id", id);
    }
}
