//! Content by name, and content under hosts of its own.
//!
//! Every request is sent to its site first ([`at_its_site`]): under a host that stands for content, that content
//! is all there is, for anybody alike; no API, no session, no other content. Under a gateway host, `/ipfs/…` and
//! `/ipns/…` are sent on to such hosts. Whatever is left goes to the node's own routes, `/ipns/…` among them.

mod record;
mod redirects;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use kubelt_api::{Code, NameView, Problem};
use kubelt_content::Cid;
use kubelt_node::{Ipns, NameRef, Reader, ResolveError, Resolver};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    app::client,
    auth,
    bound::BoundSites,
    forwarded::Arrival,
    gateway::{ContentRequest, Gateway, Lasts, Named, Place, serve},
    hosts::{
        GatewayHosts, LabelError, Origin, Site, Space, direct_host, ipfs_label, ipns_label, read_ipfs_label,
        read_ipns_label,
    },
    origin::Hosts,
    own_pages,
    path::segments,
    problem::ApiError,
    query::Query,
    rate::Rates,
    tls::Certificates,
};

/// What serving by name uses.
#[derive(Debug, Clone)]
pub(crate) struct Naming {
    pub(crate) gateway: Gateway,
    pub(crate) bound: BoundSites,
    pub(crate) secure: Secure,
    pub(crate) resolver: Resolver,
    pub(crate) ipns: Ipns,
    pub(crate) rates: Rates,
    /// Hosts of the node itself.
    pub(crate) public: Hosts,
    pub(crate) hosts: Arc<GatewayHosts>,
}

/// What is answered in plain HTTP for the sake of TLS.
#[derive(Debug, Clone)]
pub(crate) struct Secure {
    pub(crate) certificates: Option<Arc<dyn Certificates>>,
    pub(crate) redirect_port: Option<u16>,
}

impl Secure {
    /// The answer to who looks whether this node is at a name (RFC 8555, section 8.3), or the way to the same address by
    /// `https`; none for any other request.
    fn answer(&self, arrival: &Arrival, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        /// Where the answer stands.
        const PROOF: &str = "/.well-known/acme-challenge/";
        let certificates = self.certificates.as_ref()?;
        let host = arrival.host.clone().or_else(|| direct_host(uri, headers).ok().flatten())?;
        let name = host.host().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        if let Some(token) = uri.path().strip_prefix(PROOF) {
            let proof = certificates.http_proof(name, token)?;
            return Some(plain(StatusCode::OK, proof));
        }
        let port = self.redirect_port.filter(|_| arrival.https != Some(true))?;
        certificates.find(Some(name))?;
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        let target = format!("https://{name}{port}{}", uri.path());
        Some(redirect(StatusCode::PERMANENT_REDIRECT, &target, uri.query()))
    }
}

pub(crate) fn routes(state: Arc<Naming>) -> Router {
    Router::new()
        .route("/ipns/{*path}", any(by_name))
        .route("/routing/v1/ipns/{name}", any(record::route))
        .route("/-/resolve/{name}", get(resolve))
        .with_state(state)
}

/// Sends a request to the site that it was made for.
pub(crate) async fn at_its_site(State(naming): State<Arc<Naming>>, request: Request, next: Next) -> Response {
    let arrival = Arrival::of(request.extensions());
    if let Some(answer) = naming.secure.answer(&arrival, request.uri(), request.headers()) {
        return answer;
    }
    let is_bound = |name: &str| naming.bound.names.find(name).is_some();
    let site = match naming.hosts.site(&arrival, request.uri(), request.headers(), is_bound) {
        Ok(site) => site,
        Err(error) => return error.into_response(),
    };
    let answered = match site {
        Site::Node => None,
        Site::Gateway(origin) => to_its_origin(&origin, &request),
        Site::Subdomain { space, label, gateway } => {
            let (parts, _body) = request.into_parts();
            return naming.subdomain(space, &label, gateway, parts).await.unwrap_or_else(as_text);
        }
        Site::Other { name, host } if naming.is_own(&name, &host) => None,
        Site::Other { name, host } => {
            // Large, and for few requests.
            match Box::pin(naming.bound.find(&name, &host, request.uri().path(), request.headers())).await {
                Ok(Some(bound)) => return Box::pin(naming.bound.answer(bound, request)).await,
                Ok(None) => {}
                Err(error) => return error.into_response(),
            }
            if naming.has_dnslink(&name).await {
                let (parts, _body) = request.into_parts();
                return naming.dnslink(name, host, parts).await.unwrap_or_else(as_text);
            }
            own_pages::refused_elsewhere(request.uri().path())
        }
    };
    let answered = answered.or_else(|| from_uri(request.uri()));
    match answered {
        Some(response) => response,
        None => next.run(request).await,
    }
}

/// `/ipns/{name}[/path]` on the path gateway.
async fn by_name(State(naming): State<Arc<Naming>>, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    naming.path(parts).await.unwrap_or_else(as_text)
}

/// Says where a name leads.
#[utoipa::path(get, path = "/-/resolve/{name}", tag = "names",
    params(("name" = String, Path, description = "an IPNS name or a DNS name")),
    responses((status = 200, body = NameView), (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn resolve(
    State(naming): State<Arc<Naming>>,
    Path(text): Path<String>,
) -> Result<Json<NameView>, ApiError> {
    let name = NameRef::parse(&text).map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
    let resolved = naming.resolver.resolve(&name, &[]).await.map_err(|error| match error {
        ResolveError::Own(error) => error.into(),
        ResolveError::Denied => ApiError::new(Code::Gone, error.to_string()),
        other => ApiError::new(Code::NotFound, crate::problem::chain(&other)),
    })?;
    let below: String = resolved.segments.iter().map(|segment| format!("/{segment}")).collect();
    Ok(Json(NameView {
        name: name.to_string(),
        path: format!("/ipfs/{}{below}", resolved.root),
        ttl_seconds: resolved.ttl.map(|ttl| ttl.as_secs()),
    }))
}

impl Naming {
    async fn path(&self, parts: Parts) -> Result<Response, ApiError> {
        let reader = auth::reader(&self.gateway.sessions, &parts.headers)?;
        let client = client(&parts.extensions);
        let raw = parts.uri.path().strip_prefix("/ipns/").unwrap_or_default();
        let (mut path, slash) = segments(raw)?;
        if path.is_empty() {
            return Err(ApiError::new(Code::BadRequest, "the address names nothing behind `/ipns/`"));
        }
        let text = path.remove(0);
        let name = NameRef::parse(&text).map_err(|error| bad_path(parts.uri.path(), &error))?;
        let spelled = name.to_string();
        if spelled != text {
            let (_, rest) = split_first(raw);
            return Ok(redirect(StatusCode::FOUND, &format!("/ipns/{spelled}{rest}"), parts.uri.query()));
        }
        let query = parts.uri.query().unwrap_or_default();
        if let NameRef::Ipns(key) = &name
            && wants_record(&parts)
        {
            return record::serve(&self.resolver, key, &parts.method, query).await;
        }
        let resolved = match self.resolver.resolve(&name, &path).await {
            Ok(resolved) => resolved,
            Err(error) => return Ok(unresolved(&error)),
        };
        let named =
            Named { base: format!("/ipns/{spelled}"), place: Place::Path, lasts: lasts(resolved.ttl) };
        let request = ContentRequest {
            named,
            root: resolved.root,
            hidden: resolved.segments,
            segments: path,
            slash,
            reader,
            client,
            query: query.to_owned(),
            method: parts.method,
            headers: parts.headers,
        };
        serve(&self.gateway, request).await
    }

    async fn subdomain(
        &self,
        space: Space,
        label: &str,
        gateway: Origin,
        parts: Parts,
    ) -> Result<Response, ApiError> {
        let moved = |label: &str| {
            let target = format!("{}{}", gateway.of_content(space, label), parts.uri.path());
            Ok(redirect(StatusCode::MOVED_PERMANENTLY, &target, parts.uri.query()))
        };
        match space {
            Space::Ipfs => {
                let (root, is_right) = read_ipfs_label(label)?;
                if !is_right {
                    return moved(&ipfs_label(&root)?);
                }
                let named = Named {
                    base: format!("/ipfs/{label}"),
                    place: Place::Subdomain { gateway: gateway.host },
                    lasts: Lasts::Forever,
                };
                self.site(named, root, Vec::new(), parts).await
            }
            Space::Ipns => {
                let (text, is_right) = read_ipns_label(label, gateway.https)?;
                if !is_right {
                    return moved(&ipns_label(&text)?);
                }
                let name = NameRef::parse(&text).map_err(|error| bad_host(&error))?;
                self.named_site(&name, Place::Subdomain { gateway: gateway.host }, parts).await
            }
        }
    }

    async fn dnslink(&self, name: String, host: String, parts: Parts) -> Result<Response, ApiError> {
        self.named_site(&NameRef::Dns(name), Place::DnsLink { host }, parts).await
    }

    async fn named_site(&self, name: &NameRef, place: Place, parts: Parts) -> Result<Response, ApiError> {
        if let NameRef::Ipns(key) = name
            && wants_record(&parts)
        {
            let query = parts.uri.query().unwrap_or_default();
            return record::serve(&self.resolver, key, &parts.method, query).await;
        }
        let (path, _slash) = segments(parts.uri.path().trim_start_matches('/'))?;
        let resolved = match self.resolver.resolve(name, &path).await {
            Ok(resolved) => resolved,
            Err(error) => return Ok(unresolved(&error)),
        };
        let named = Named { base: format!("/ipns/{name}"), place, lasts: lasts(resolved.ttl) };
        self.site(named, resolved.root, resolved.segments, parts).await
    }

    /// Serves a whole origin: what lies below a root, for anybody, and what its `_redirects` makes of the rest.
    async fn site(
        &self,
        named: Named,
        root: Cid,
        hidden: Vec<String>,
        parts: Parts,
    ) -> Result<Response, ApiError> {
        let raw = parts.uri.path();
        let (path, slash) = segments(raw.strip_prefix('/').unwrap_or(raw))?;
        let request = ContentRequest {
            named,
            root,
            hidden,
            segments: path,
            slash,
            // Whoever is signed in is so with the node, and this is another origin.
            reader: Reader::Anonymous,
            client: client(&parts.extensions),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            headers: parts.headers,
        };
        redirects::serve_site(&self.gateway, request).await
    }

    /// Whether a host is one of the node itself.
    fn is_own(&self, name: &str, host: &str) -> bool {
        let is_it = |public: &String| {
            public.eq_ignore_ascii_case(host)
                || public
                    .rsplit_once(':')
                    .map_or(public.as_str(), |(name, _port)| name)
                    .eq_ignore_ascii_case(name)
        };
        self.public.public.iter().any(is_it)
    }

    /// Whether a host that is neither the node's nor a gateway's has a DNSLink.
    async fn has_dnslink(&self, name: &str) -> bool {
        if self.resolver.is_mapped(name) {
            return true;
        }
        self.hosts.dnslink_by_dns
            && match self.resolver.resolve(&NameRef::Dns(name.to_owned()), &[]).await {
                Ok(_) => true,
                Err(ResolveError::NoLink(at)) => at != name,
                Err(ResolveError::NoLookup(_)) => false,
                // It may well have one: what is served instead must not be the node.
                Err(_) => true,
            }
    }
}

/// Sends a request by path under a gateway host on to the host of that content.
///
/// Requests for verifiable bytes and those of programs that sign in are left here: they need no origin of their
/// own, and programs often cannot resolve names below `localhost`.
fn to_its_origin(origin: &Origin, request: &Request) -> Option<Response> {
    let path = request.uri().path();
    let (space, rest) = match (path.strip_prefix("/ipfs/"), path.strip_prefix("/ipns/")) {
        (Some(rest), _) => (Space::Ipfs, rest),
        (_, Some(rest)) => (Space::Ipns, rest),
        (None, None) => return None,
    };
    let (text, rest) = split_first(rest);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if text.is_empty() || !reads || stays(request) {
        return None;
    }
    let label = match space {
        Space::Ipfs => match kubelt_content::parse_cid(text) {
            Ok(cid) => ipfs_label(&cid),
            Err(error) => return Some(as_text(bad_path(path, &error))),
        },
        Space::Ipns => ipns_label(text),
    };
    let label = match label {
        Ok(label) => label,
        Err(LabelError::Neither(_)) => {
            return Some(as_text(bad_path(path, &"no CID, key or DNS name stands behind `/ipns/`")));
        }
        Err(error) => return Some(as_text(error.into())),
    };
    let rest = if rest.is_empty() { "/" } else { rest };
    let target = format!("{}{rest}", origin.of_content(space, &label));
    Some(redirect(StatusCode::MOVED_PERMANENTLY, &target, request.uri().query()))
}

/// Whether a request by path is answered under a gateway host itself.
fn stays(request: &Request) -> bool {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return true;
    }
    let (query, headers) = (request.uri().query(), request.headers());
    ["raw", "car", "ipns-record"].iter().any(|format| wants(query, headers, format))
}

/// `/ipfs/?uri=ipfs://{cid}/…` and `/ipns/?uri=ipns://{name}/…`: addresses as browsers hand them over that were
/// told to open such schemes here.
fn from_uri(uri: &Uri) -> Option<Response> {
    if !matches!(uri.path(), "/ipfs/" | "/ipns/" | "/ipfs" | "/ipns") {
        return None;
    }
    let query = Query::parse(uri.query()?).ok()?;
    let address = query.get("uri")?;
    let (scheme, rest) = address.split_once("://")?;
    let space = if scheme.eq_ignore_ascii_case("ipfs") {
        Space::Ipfs
    } else if scheme.eq_ignore_ascii_case("ipns") {
        Space::Ipns
    } else {
        return Some(as_text(ApiError::new(
            Code::BadRequest,
            "`uri` must begin with `ipfs://` or `ipns://`",
        )));
    };
    let rest = rest.trim_start_matches('/');
    if segments(rest).is_err() || rest.is_empty() {
        return Some(as_text(ApiError::new(Code::BadRequest, "`uri` holds no content path")));
    }
    let target = format!("/{}/{rest}", space.as_str());
    Some(redirect(StatusCode::MOVED_PERMANENTLY, &target, None))
}

/// Whether a request asks for the record of a name instead of what it names.
fn wants_record(parts: &Parts) -> bool {
    wants(parts.uri.query(), &parts.headers, "ipns-record")
}

/// Whether a request asks for a format of verifiable bytes: in its query, or else in `Accept` (IPIP-523).
fn wants(query: Option<&str>, headers: &HeaderMap, format: &str) -> bool {
    let query = Query::parse(query.unwrap_or_default()).unwrap_or_default();
    if let Some(asked) = query.get("format") {
        return asked == format;
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind.strip_prefix("application/vnd.").and_then(|kind| kind.split_once('.')).is_some_and(
            |(family, kind)| matches!(family, "ipld" | "ipfs") && kind.eq_ignore_ascii_case(format),
        )
    })
}

/// The first segment, and what follows with its slash.
fn split_first(raw: &str) -> (&str, &str) {
    raw.split_at(raw.find('/').unwrap_or(raw.len()))
}

fn lasts(ttl: Option<Duration>) -> Lasts {
    Lasts::Seconds(ttl.map(|ttl| ttl.as_secs()))
}

/// Sends on to `target`, which is as it stood in the request, with its query.
fn redirect(status: StatusCode, target: &str, query: Option<&str>) -> Response {
    /// What no header may hold; all else stays as it was written.
    const HEADER: &AsciiSet = &CONTROLS.add(b' ');
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{target}{query}");
    let Ok(target) = HeaderValue::from_str(&utf8_percent_encode(&target, HEADER).to_string()) else {
        return ApiError::new(Code::BadRequest, "the address cannot be sent on").into_response();
    };
    let mut response = status.into_response();
    response.headers_mut().insert(header::LOCATION, target);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// An error as plain text: what people see here are pages, not an API.
fn as_text(error: ApiError) -> Response {
    let text = format!("{}\n", error.detail());
    let mut response = error.into_response();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = text.into();
    response
}

fn plain(status: StatusCode, text: String) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "private, no-store")];
    (status, headers, text).into_response()
}

fn bad_path(path: &str, cause: &dyn std::fmt::Display) -> ApiError {
    let path: String = path.chars().take(256).collect();
    ApiError::new(Code::BadPath, format!("invalid path \"{path}\": {cause}"))
}

fn bad_host(cause: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(Code::BadRequest, cause.to_string())
}

impl From<LabelError> for ApiError {
    fn from(error: LabelError) -> Self {
        bad_host(&error)
    }
}

/// Why a name leads nowhere (path gateway specification, "Response Status Codes").
fn unresolved(error: &ResolveError) -> Response {
    let status = match error {
        ResolveError::NoLink(_) => StatusCode::NOT_FOUND,
        ResolveError::Denied => StatusCode::GONE,
        ResolveError::Lookup { source: kubelt_node::LookupError::Timeout, .. } => StatusCode::GATEWAY_TIMEOUT,
        ResolveError::Own(error) => {
            tracing::error!(%error, "a name of this node could not be resolved");
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "the name cannot be resolved at the moment\n".into(),
            );
        }
        ResolveError::NoRecord(_)
        | ResolveError::NoLookup(_)
        | ResolveError::Lookup { .. }
        | ResolveError::Value { .. }
        | ResolveError::Loop(_)
        | ResolveError::TooLong => StatusCode::BAD_GATEWAY,
    };
    plain(status, format!("failed to resolve: {error}\n"))
}
