//! `/ipfs/{cid}[/path]`: published content by its hash, and the answers of every other address that leads to a
//! root ([`serve`]).

mod request;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use kubelt_api::Code;
use kubelt_content::{Cid, parse_cid};
use kubelt_node::{Content, ContentError, Found, Sessions, Within};

pub(crate) use self::request::{ContentRequest, Lasts, Named, Place};
use crate::{
    auth,
    file_response::{Caching, respond},
    listing_page::listing_page,
    path::{encode_segment, segments},
    problem::ApiError,
};

/// What the gateway uses.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub(crate) sessions: Sessions,
    pub(crate) content: Content,
}

pub(crate) fn routes(state: Gateway) -> Router {
    Router::new().route("/ipfs/{*path}", axum::routing::any(by_cid)).with_state(state)
}

async fn by_cid(State(gateway): State<Gateway>, request: Request) -> Result<Response, ApiError> {
    let (request, _body) = request.into_parts();
    let reader = auth::reader(&gateway.sessions, &request.headers)?;
    let raw = request.uri.path().strip_prefix("/ipfs/").unwrap_or_default();
    let (mut path, slash) = segments(raw)?;
    if path.is_empty() {
        return Err(ApiError::new(Code::BadCid, "the address names no CID"));
    }
    let text = path.remove(0);
    let root = parse_cid(&text).map_err(|error| ApiError::new(Code::BadCid, error.to_string()))?;
    let request = ContentRequest {
        named: Named { base: format!("/ipfs/{text}"), place: Place::Path, lasts: Lasts::Forever },
        root,
        hidden: Vec::new(),
        segments: path,
        slash,
        reader,
        method: request.method,
        query: request.uri.query().unwrap_or_default().to_owned(),
        headers: request.headers,
    };
    serve(&gateway, request).await
}

/// Answers a request for content below a root, however the address names it.
///
/// # Errors
/// 404 alike for what is missing and for what the reader may not see.
pub(crate) async fn serve(gateway: &Gateway, request: ContentRequest) -> Result<Response, ApiError> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(ApiError::new(
            Code::MethodNotAllowed,
            format!("`{}` does not work here", request.method),
        ));
    }
    let path = request.path();
    match gateway.content.find_cid(&request.reader, &request.root, &path).await? {
        Found::File(file) | Found::Block(file) => {
            respond(&gateway.content, &file, &request.method, &request.headers, Caching::Immutable)
        }
        Found::Directory { .. } if !request.slash => Ok(with_slash(&request)),
        Found::Directory { cid: Some(directory), within, .. } => {
            index_or_listing(gateway, &request, path, (&directory, within)).await
        }
        Found::Directory { cid: None, .. } => Err(ApiError::not_found()),
    }
}

fn with_slash(request: &ContentRequest) -> Response {
    let path: String =
        request.segments.iter().map(|segment| format!("/{}", encode_segment(segment))).collect();
    let base = match request.named.place {
        Place::Path => request.named.base.as_str(),
        Place::Subdomain { .. } | Place::DnsLink { .. } => "",
    };
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(target) = HeaderValue::from_str(&format!("{base}{path}/")) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

async fn index_or_listing(
    gateway: &Gateway,
    request: &ContentRequest,
    path: Vec<String>,
    (directory, within): (&Cid, Within),
) -> Result<Response, ApiError> {
    let title = format!("{}/{}", request.named.base, request.segments.join("/"));
    let mut index = path;
    index.push("index.html".to_owned());
    match gateway.content.find_cid(&request.reader, &request.root, &index).await {
        Ok(Found::File(file)) => {
            respond(&gateway.content, &file, &request.method, &request.headers, Caching::Immutable)
        }
        Ok(_) | Err(ContentError::NotFound) => {
            let query = crate::query::Query::parse(&request.query)?;
            let page = gateway.content.list_cid(directory, within, query.get("cursor"), 1_000)?;
            Ok(listing_page(&title, &page))
        }
        Err(error) => Err(error.into()),
    }
}
