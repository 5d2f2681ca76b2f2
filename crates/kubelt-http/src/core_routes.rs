//! `/@core/…`: what cores publish, and their API.
//!
//! The address is read once ([`crate::path::Address`]), the core is found, and one match sends the request
//! on. A core that is not here and one that shows nothing to this reader take the same way to the same answer.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts as _, Request, State, ws::WebSocketUpgrade},
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use kubelt_api::Code;
use kubelt_core::{CoreId, EnsName};
use kubelt_node::{
    Content, Cores, Exchange, Gates, HostFinder, HostNames, Identity, Ipns, Members, Mirrors, Pins, Reader,
    Receipts, RemotePins, Remotes, Requests, Sessions, Wallets,
};

use crate::{
    app::client,
    auth,
    bound::BoundHost,
    content_routes,
    ens_routes::Accounts,
    event_routes,
    forwarded::Arrival,
    gate_routes,
    kept::MayBeKept,
    log_routes, member_routes, mirror_routes, name_routes,
    path::{Address, Tail, encode_segment},
    pin_routes, pinning_routes,
    problem::ApiError,
    proof_routes, published,
    query::Query,
    rate::Rates,
    receipt_routes, remote_routes, request_routes, rpc,
    rpc::{
        inside::Inside,
        socket::{self, Sockets},
    },
    sealed_routes, state_routes,
    tls::Certificates,
    usage_routes,
};

/// What these routes use.
#[derive(Debug, Clone)]
pub(crate) struct CoreRoutes {
    pub(crate) sessions: Sessions,
    pub(crate) content: Content,
    pub(crate) exchange: Exchange,
    pub(crate) ipns: Ipns,
    pub(crate) pins: Pins,
    pub(crate) identity: Identity,
    pub(crate) remote_pins: RemotePins,
    pub(crate) remotes: Remotes,
    pub(crate) finder: HostFinder,
    pub(crate) mirrors: Mirrors,
    pub(crate) receipts: Receipts,
    pub(crate) gates: Gates,
    pub(crate) host_names: HostNames,
    pub(crate) certificates: Option<Arc<dyn Certificates>>,
    pub(crate) wallets: Wallets,
    pub(crate) cores: Cores,
    pub(crate) members: Members,
    pub(crate) requests: Requests,
    pub(crate) accounts: Accounts,
    pub(crate) rates: Rates,
    /// All routes, for those that answer by others.
    pub(crate) inside: Inside,
    pub(crate) sockets: Sockets,
}

/// A request to one core.
#[derive(Debug)]
pub(crate) struct CoreRequest {
    pub(crate) core: CoreId,
    /// `/@0x…`, as the request wrote it; on a host that leads to a core what stands behind the host.
    pub(crate) address: String,
    /// The host, where that leads to this very core: what the core publishes has an origin of its own then.
    pub(crate) own_host: Option<String>,
    /// Whether the host leads to this core or to one above it, so that it serves nothing else.
    pub(crate) is_at_host: bool,
    pub(crate) reader: Reader,
    /// The address that it came from.
    pub(crate) client: IpAddr,
    /// And by which way.
    pub(crate) arrival: Arrival,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    /// Segments after the route's own name.
    pub(crate) path: Vec<String>,
    /// Whether the path ended in a slash.
    pub(crate) slash: bool,
}

pub(crate) fn routes(state: CoreRoutes) -> Router {
    Router::new().fallback(dispatch).with_state(state)
}

async fn dispatch(State(routes): State<CoreRoutes>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(address) = Address::parse(parts.uri.path()) else {
        return ApiError::not_found().into_response();
    };
    let is_pins =
        matches!(&address, Ok(Address { tail: Tail::Api { name, .. }, .. }) if name == pin_routes::NAME);
    let result = async {
        let address = address?;
        let mut upgrade = None;
        if matches!(&address.tail, Tail::Api { name, .. } if name == "rpc")
            && socket::is_wanted(&parts.headers)
        {
            let bad = |error: axum::extract::ws::rejection::WebSocketUpgradeRejection| {
                ApiError::new(Code::BadRequest, error.body_text())
            };
            upgrade = Some(WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(bad)?);
            socket::take_token(&mut parts);
        }
        let reader = auth::reader(&routes.sessions, &parts.headers)?;
        let client = client(&parts.extensions);
        let bound = parts.extensions.remove::<BoundHost>();
        // The first name of an address on a host that leads to a core is the host.
        let written = &address.cores[usize::from(bound.is_some())..];
        let is_at_host = bound.is_some();
        let own_host = bound.filter(|_| written.is_empty()).map(|bound| bound.host);
        let written = written.iter().map(|name| format!("/@{}", encode_segment(name))).collect();
        let is_named = address.cores.iter().any(|name| EnsName::is_meant(name));
        let cores = routes.accounts.unnamed(address.cores, client).await?;
        let request = CoreRequest {
            core: routes.cores.resolve_for(&reader, &cores).await?,
            address: written,
            own_host,
            is_at_host,
            reader,
            query: Query::parse(parts.uri.query().unwrap_or_default())?,
            client,
            arrival: Arrival::of(&parts.extensions),
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            path: Vec::new(),
            slash: false,
        };
        let mut response = route(&routes, address.tail, request, upgrade, body).await?;
        if is_named {
            // Where a name leads changes without any change here.
            response.extensions_mut().remove::<MayBeKept>();
        }
        Ok::<_, ApiError>(response)
    };
    match result.await {
        Err(error) if is_pins => error.into_pin_failure(),
        result => result.unwrap_or_else(IntoResponse::into_response),
    }
}

async fn route(
    routes: &CoreRoutes,
    tail: Tail,
    request: CoreRequest,
    upgrade: Option<WebSocketUpgrade>,
    body: Body,
) -> Result<Response, ApiError> {
    match tail {
        Tail::Published { path, slash } => {
            published::serve(routes, &CoreRequest { path, slash, ..request }).await
        }
        Tail::Api { name, path, slash } => {
            let request = &CoreRequest { path, slash, ..request };
            match name.as_str() {
                "content" => content_routes::serve(routes, request, body).await,
                "possession" => content_routes::possession(routes, request, body).await,
                "car" => log_routes::car(routes, request, body).await,
                "ops" => log_routes::ops(routes, request, body).await,
                "heads" => log_routes::heads(routes, request).await,
                "events" => event_routes::serve(routes, request).await,
                "state" => state_routes::serve(routes, request, body).await,
                "proofs" => proof_routes::serve(routes, request).await,
                "sealed" => sealed_routes::serve(routes, request, body).await,
                "keys" => sealed_routes::keys(routes, request),
                "usage" => usage_routes::serve(routes, request).await,
                "gates" => gate_routes::serve(routes, request).await,
                "names" => name_routes::serve(routes, request).await,
                "receipts" => receipt_routes::serve(routes, request).await,
                "mirrors" => mirror_routes::serve(routes, request, body).await,
                "remotes" => remote_routes::serve(routes, request, body).await,
                // Large, and seldom.
                "rpc" => Box::pin(rpc::serve(routes, request, upgrade, body)).await,
                "cores" => member_routes::cores(routes, request, body).await,
                "members" => member_routes::members(routes, request).await,
                "invites" => member_routes::invites(routes, request).await,
                "heirs" => member_routes::heirs(routes, request).await,
                "requests" => request_routes::serve(routes, request, body).await,
                "drafts" => member_routes::drafts(routes, request, body).await,
                "pinning" => pinning_routes::serve(routes, request, body).await,
                pin_routes::NAME => pin_routes::serve(routes, request, body).await,
                _ => Err(ApiError::not_found()),
            }
        }
    }
}

impl CoreRequest {
    /// The session that asks. Without one the answer is that of a core which is not here.
    pub(crate) fn session(&self) -> Result<Arc<kubelt_node::Session>, ApiError> {
        self.reader.session().cloned().ok_or_else(ApiError::not_found)
    }

    /// The refusal of a method that the route does not have.
    pub(crate) fn method_not_allowed(&self) -> ApiError {
        ApiError::new(Code::MethodNotAllowed, format!("`{}` does not work here", self.method))
    }
}
