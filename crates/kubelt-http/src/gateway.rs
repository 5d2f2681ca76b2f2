//! `/ipfs/{cid}[/path]`: published content by its hash.

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use kubelt_api::Code;
use kubelt_content::parse_cid;
use kubelt_node::{Content, ContentError, Found, Reader, Sessions, Within};

use crate::{
    auth,
    file_response::{Caching, respond},
    listing_page::listing_page,
    path::{encode_segment, segments},
    problem::ApiError,
};

/// What these routes use.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub(crate) sessions: Sessions,
    pub(crate) content: Content,
}

pub(crate) fn routes(state: Gateway) -> Router {
    Router::new().route("/ipfs/{*path}", axum::routing::any(serve)).with_state(state)
}

async fn serve(State(gateway): State<Gateway>, request: Request) -> Result<Response, ApiError> {
    let (request, _body) = request.into_parts();
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(ApiError::new(
            Code::MethodNotAllowed,
            format!("`{}` does not work here", request.method),
        ));
    }
    let reader = auth::reader(&gateway.sessions, &request.headers)?;
    let raw = request.uri.path().strip_prefix("/ipfs/").unwrap_or_default();
    let (mut path, slash) = segments(raw)?;
    if path.is_empty() {
        return Err(ApiError::new(Code::BadCid, "the address names no CID"));
    }
    let text = path.remove(0);
    let cid = parse_cid(&text).map_err(|error| ApiError::new(Code::BadCid, error.to_string()))?;
    match gateway.content.find_cid(&reader, &cid, &path).await? {
        Found::File(file) | Found::Block(file) => {
            respond(&gateway.content, &file, &request.method, &request.headers, Caching::Immutable)
        }
        Found::Directory { .. } if !slash => Ok(with_slash(&text, &path)),
        Found::Directory { cid: Some(directory), within, .. } => {
            index_or_listing(&gateway, &reader, &request, (&text, &cid), path, (&directory, within)).await
        }
        Found::Directory { cid: None, .. } => Err(ApiError::not_found()),
    }
}

fn with_slash(cid: &str, path: &[String]) -> Response {
    let path: String = path.iter().map(|segment| format!("/{}", encode_segment(segment))).collect();
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(target) = HeaderValue::from_str(&format!("/ipfs/{}{path}/", encode_segment(cid))) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

async fn index_or_listing(
    gateway: &Gateway,
    reader: &Reader,
    request: &Parts,
    (text, root): (&str, &kubelt_content::Cid),
    path: Vec<String>,
    (directory, within): (&kubelt_content::Cid, Within),
) -> Result<Response, ApiError> {
    let title = format!("/ipfs/{text}/{}", path.join("/"));
    let mut index = path;
    index.push("index.html".to_owned());
    match gateway.content.find_cid(reader, root, &index).await {
        Ok(Found::File(file)) => {
            respond(&gateway.content, &file, &request.method, &request.headers, Caching::Immutable)
        }
        Ok(_) | Err(ContentError::NotFound) => {
            let query = crate::query::Query::parse(request.uri.query().unwrap_or_default())?;
            let page = gateway.content.list_cid(directory, within, query.get("cursor"), 1_000)?;
            Ok(listing_page(&title, &page))
        }
        Err(error) => Err(error.into()),
    }
}
