//! All routes of a node, and what goes around every one of them.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Extensions, HeaderName, HeaderValue, Method, Request as HttpRequest, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use kubelt_api::Code;
use kubelt_node::{Content, Moment, Node};
use parking_lot::Mutex;
use tower::{Service, ServiceExt as _};

use crate::{
    bound::BoundSites,
    core_routes::{self, CoreRoutes},
    delegated,
    ens_routes::{self, Accounts},
    forwarded::{Arrival, TrustedProxies},
    gateway::{self, Gateway},
    hosts::GatewayHosts,
    kept::{Kept, Key, body_to_keep},
    kubo::{self, KuboRoutes},
    member_routes::{self, MemberRoutes},
    metrics::Metrics,
    naming::{self, Naming, Secure},
    node_routes::{self, NodeRoutes},
    origin::Hosts,
    own_pages::{self, OwnPages},
    peer_routes,
    problem::ApiError,
    rate::{RateLimits, Rates},
    request_id,
    rpc::{inside::Inside, socket::Sockets},
    session_routes::{self, SessionRoutes},
    tls::{Certificates, OverTls},
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
    /// The console and the docs.
    pub pages: OwnPages,
    /// Whose word is taken for who asks, for which host, and by which scheme.
    pub proxies: TrustedProxies,
    /// The certificates that are shown over TLS, where there are any.
    pub certificates: Option<Arc<dyn Certificates>>,
    /// The port of `https` to which requests by plain HTTP are sent on for names that have a certificate; none where they
    /// are answered.
    pub redirect_port: Option<u16>,
}

type Request = HttpRequest<Body>;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How often quiet clients are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The edge of a node: all its routes, and what goes around every one of them; cheap to clone.
#[derive(Debug, Clone)]
pub struct Edge(Arc<Inner>);

/// What an edge is made of.
#[derive(Debug)]
pub(crate) struct Inner {
    routes: Router,
    content: Content,
    kept: Kept,
    rates: Rates,
    proxies: TrustedProxies,
    metrics: Metrics,
    sockets: Sockets,
    last_sweep: Mutex<Instant>,
}

/// The edge of a node.
pub fn router(node: &Node, config: HttpConfig) -> Edge {
    Edge(Arc::new_cyclic(|edge| make(node, config, Inside(edge.clone()))))
}

fn make(node: &Node, config: HttpConfig, inside: Inside) -> Inner {
    let rates = Rates::new(config.rates);
    let metrics = Metrics::new(node, config.certificates.clone());
    let accounts = Accounts { ens: node.ens.clone(), rates: rates.clone() };
    let sockets = Sockets::default();
    let cores = core_routes::routes(core_state(
        node,
        &config,
        accounts.clone(),
        rates.clone(),
        inside,
        sockets.clone(),
    ));
    let session = session_routes::routes(SessionRoutes {
        sessions: node.sessions.clone(),
        cores: node.cores.clone(),
        hosts: config.hosts.clone(),
        rates: rates.clone(),
    });
    let bound = bound_sites(node, &cores, &session);
    let gateway = Gateway {
        sessions: node.sessions.clone(),
        content: node.content.clone(),
        fetcher: node.fetcher.clone(),
    };
    let naming = Arc::new(Naming {
        gateway: gateway.clone(),
        bound,
        secure: Secure { certificates: config.certificates, redirect_port: config.redirect_port },
        resolver: node.resolver.clone(),
        ipns: node.ipns.clone(),
        rates: rates.clone(),
        public: config.hosts,
        hosts: Arc::new(config.gateway),
    });
    let members =
        MemberRoutes { sessions: node.sessions.clone(), members: node.members.clone(), rates: rates.clone() };
    let routes = node_routes::routes(about(node, metrics.clone(), rates.clone()))
        .merge(own_pages::routes(config.pages))
        .merge(peer_routes::routes(node.peers.clone()))
        .merge(delegated::routes(
            node.announced.clone(),
            node.providers.clone(),
            node.peers.clone(),
            rates.clone(),
        ))
        .merge(session)
        .merge(member_routes::routes(members))
        .merge(ens_routes::routes(accounts))
        .merge(gateway::routes(Arc::new(gateway)))
        .merge(naming::routes(Arc::clone(&naming)))
        .merge(kubo::routes(kubo_state(node, rates.clone())))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback_service(cores)
        .layer(middleware::from_fn_with_state(naming, naming::at_its_site));
    Inner {
        routes,
        content: node.content.clone(),
        kept: Kept::default(),
        rates,
        proxies: config.proxies,
        metrics,
        sockets,
        last_sweep: Mutex::new(Instant::now()),
    }
}

/// What answers on hosts that lead to cores.
fn bound_sites(node: &Node, cores: &Router, session: &Router) -> BoundSites {
    let session = session.clone().method_not_allowed_fallback(method_not_allowed).fallback(not_found);
    BoundSites {
        names: node.host_names.clone(),
        sessions: node.sessions.clone(),
        cores: cores.clone(),
        session,
    }
}

/// What the node's own routes use.
fn about(node: &Node, metrics: Metrics, rates: Rates) -> NodeRoutes {
    NodeRoutes {
        status: node.status.clone(),
        sessions: node.sessions.clone(),
        exchange: node.exchange.clone(),
        metrics,
        rates,
    }
}

/// What the routes for tools of IPFS use.
fn kubo_state(node: &Node, rates: Rates) -> KuboRoutes {
    KuboRoutes {
        sessions: node.sessions.clone(),
        rpc: node.rpc.clone(),
        content: node.content.clone(),
        pins: node.pins.clone(),
        resolver: node.resolver.clone(),
        ipns: node.ipns.clone(),
        rates,
    }
}

/// What the routes of cores use.
fn core_state(
    node: &Node,
    config: &HttpConfig,
    accounts: Accounts,
    rates: Rates,
    inside: Inside,
    sockets: Sockets,
) -> CoreRoutes {
    CoreRoutes {
        sessions: node.sessions.clone(),
        content: node.content.clone(),
        exchange: node.exchange.clone(),
        ipns: node.ipns.clone(),
        pins: node.pins.clone(),
        identity: node.identity.clone(),
        remote_pins: node.remote_pins.clone(),
        remotes: node.remotes.clone(),
        finder: node.finder.clone(),
        mirrors: node.mirrors.clone(),
        receipts: node.receipts.clone(),
        gates: node.gates.clone(),
        host_names: node.host_names.clone(),
        certificates: config.certificates.clone(),
        wallets: node.wallets.clone(),
        cores: node.cores.clone(),
        members: node.members.clone(),
        requests: node.requests.clone(),
        accounts,
        rates,
        inside,
        sockets,
    }
}

async fn method_not_allowed() -> Response {
    ApiError::new(Code::MethodNotAllowed, "that method does not work here").into_response()
}

async fn not_found() -> Response {
    ApiError::not_found().into_response()
}

impl Edge {
    pub(crate) const fn of(inner: Arc<Inner>) -> Self {
        Self(inner)
    }

    /// Closes the sockets, which have no connection to end with.
    pub(crate) async fn close_sockets(&self) {
        self.0.sockets.stop().await;
    }

    /// Answers a request that came from `peer`; `body` makes of its body what routes take.
    pub(crate) async fn answer<B>(
        &self,
        request: HttpRequest<B>,
        peer: SocketAddr,
        body: impl FnOnce(B) -> Body,
    ) -> Response {
        let edge = &*self.0;
        let began = Instant::now();
        let id = request_id::next();
        let method = request.method().clone();
        let logged = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| request.uri().path().chars().take(256).collect::<String>());
        edge.sweep(began);
        let mut request = request;
        let admitted = edge.arrival(&mut request, peer.ip()).and_then(|arrival| {
            edge.rates.request(arrival.client)?;
            Ok(arrival)
        });
        let mut response = match admitted {
            Err(error) => request_id::scope(id, async { refused(error) }).await,
            Ok(arrival) => {
                // First the moment, then whatever is looked at.
                let moment = edge.content.moment();
                let key = Key::of(&request, arrival.https == Some(true));
                match key.as_ref().and_then(|key| edge.kept.find(key, moment)) {
                    Some(response) => {
                        edge.metrics.was_kept();
                        response
                    }
                    None => {
                        let mut request = request.map(body);
                        let client = SocketAddr::new(arrival.client, peer.port());
                        request.extensions_mut().insert(ConnectInfo(client));
                        request.extensions_mut().insert(arrival);
                        // Large, and not needed where the answer is kept.
                        Box::pin(request_id::scope(id, edge.make(request, key, moment))).await
                    }
                }
            }
        };
        response.headers_mut().insert(X_REQUEST_ID, id.header());
        let status = response.status().as_u16();
        let took = began.elapsed();
        edge.metrics.answered(method.as_str(), status, took);
        if let Some(path) = logged {
            tracing::debug!(%method, path, status, id = id.as_str(), micros = took.as_micros(), "answered");
        }
        response
    }
}

impl Inner {
    /// How a request came: as a route says that asks in somebody's place, or as the connection and trusted proxies do.
    fn arrival<B>(&self, request: &mut HttpRequest<B>, peer: IpAddr) -> Result<Arrival, ApiError> {
        if let Some(arrival) = request.extensions_mut().remove::<Arrival>() {
            return Ok(arrival);
        }
        let mut arrival = self.proxies.arrival(peer, request.headers())?;
        let is_tls = request.extensions().get::<OverTls>().is_some();
        arrival.https = arrival.https.or(is_tls.then_some(true));
        Ok(arrival)
    }

    /// Has the routes answer, and keeps the answer if they say that it may be.
    async fn make(&self, request: Request, key: Option<Key>, begun: Moment) -> Response {
        let signed_in = request.headers().contains_key(header::AUTHORIZATION);
        let mut response = match request.method() {
            &Method::OPTIONS => preflight(),
            _ => self.routes.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
        };
        let body = match body_to_keep(&mut response).await {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "content could not be read");
                response = ApiError::new(Code::Internal, "the content could not be read").into_response();
                None
            }
        };
        dress(&mut response, signed_in);
        if let (Some(key), Some(body)) = (key, body) {
            self.kept.keep(key, response.headers(), body, begun, self.content.moment());
        }
        response
    }

    fn sweep(&self, now: Instant) {
        if let Some(mut last) = self.last_sweep.try_lock()
            && now.duration_since(*last) > SWEEP_EVERY
        {
            *last = now;
            self.rates.sweep();
        }
    }
}

/// For whoever has no connection: a request says in its extensions ([`ConnectInfo`]) where it came from.
impl Service<Request> for Edge {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let edge = self.clone();
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |ConnectInfo(peer)| *peer);
        Box::pin(async move { Ok(edge.answer(request, peer, |body| body).await) })
    }
}

/// The address that a request came from.
pub(crate) fn client(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::from([127, 0, 0, 1]), |ConnectInfo(peer)| peer.ip())
}

fn refused(error: ApiError) -> Response {
    let mut response = error.into_response();
    dress(&mut response, false);
    response
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
     Accept-Ranges, Server-Timing, X-Request-Id, X-Kubelt-Op, X-Kubelt-Visibility",
);

/// Headers of every answer.
fn dress(response: &mut Response, signed_in: bool) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
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
}
