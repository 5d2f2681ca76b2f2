//! The node's own pages at `/_/`: the web console, and the docs below `/_/docs/`.
//!
//! They are programs that may sign people in, so they are served under hosts of the node itself alone: requests to hosts of
//! content never come as far as this, and under names that nobody gave the node they are refused (`naming.rs`). What they may do in a browser is [`POLICY`]: talk to this node.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use kubelt_api::Code;

use crate::{
    file_response::{conditional, insert_text},
    problem::ApiError,
};

/// One of the node's own files.
#[derive(Debug, Clone, Copy)]
pub struct OwnPage {
    /// Where it stands below `/_/`; empty for the console's page.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// The hash of its bytes, as text.
    pub hash: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// Its bytes by gzip.
    pub gzip: Option<&'static [u8]>,
    /// Its bytes by Brotli.
    pub brotli: Option<&'static [u8]>,
}

/// The node's own files; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct OwnPages(Arc<HashMap<&'static str, OwnPage>>);

impl FromIterator<OwnPage> for OwnPages {
    fn from_iter<T: IntoIterator<Item = OwnPage>>(pages: T) -> Self {
        Self(Arc::new(pages.into_iter().map(|page| (page.path, page)).collect()))
    }
}

/// What the pages may do: run what came with them, ask this node, and show what they got from it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob: data:; \
     media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'none'",
);

const FOLDER: &str = "/_/";
/// Below this, names hold the hash of what they name.
const HASHED: &str = "assets/";
const DOCS: &str = "docs/";
const NO_SUCH_DOC: &str = "docs/404";

pub(crate) fn routes(pages: OwnPages) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/_", get(home))
        .route("/_/", get(page))
        .route("/_/{*path}", get(page))
        .with_state(pages)
}

/// The answer under a name that is none of the node's own, where its pages are asked for: what was published under that name
/// before could still be at work in browsers, with a service worker.
pub(crate) fn refused_elsewhere(path: &str) -> Option<Response> {
    let is_asked = matches!(path, "/" | "/_") || path.starts_with(FOLDER);
    is_asked.then(|| {
        let remedy =
            "this node has no pages under that host; its operator can name the host with `--public-host`";
        ApiError::new(Code::NotFound, remedy).into_response()
    })
}

async fn home() -> Response {
    moved(FOLDER)
}

async fn page(State(pages): State<OwnPages>, request: Request) -> Result<Response, ApiError> {
    let path = request.uri().path();
    match pages.find(path.strip_prefix(FOLDER).unwrap_or_default()) {
        Found::Page(status, page) => page.serve(status, request.headers()),
        Found::Folder => Ok(moved(&format!("{path}/"))),
        Found::Nothing => Err(ApiError::not_found()),
    }
}

enum Found<'a> {
    Page(StatusCode, &'a OwnPage),
    /// The same address with a slash at its end has a page.
    Folder,
    Nothing,
}

impl OwnPages {
    fn find(&self, path: &str) -> Found<'_> {
        if let Some(page) = self.0.get(path) {
            return Found::Page(StatusCode::OK, page);
        }
        if !path.ends_with('/') && self.0.contains_key(format!("{path}/").as_str()) {
            return Found::Folder;
        }
        let (status, instead) = if path.starts_with(DOCS) {
            (StatusCode::NOT_FOUND, NO_SUCH_DOC)
        } else if is_of_console(path) {
            (StatusCode::OK, "")
        } else {
            return Found::Nothing;
        };
        self.0.get(instead).map_or(Found::Nothing, |page| Found::Page(status, page))
    }
}

/// Whether the console itself makes a page of this address: it is no file that could be. (Further down, addresses of the
/// console hold names of people's files.)
fn is_of_console(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    !path.starts_with(HASHED) && !first.contains('.')
}

impl OwnPage {
    fn serve(&self, status: StatusCode, asked: &HeaderMap) -> Result<Response, ApiError> {
        let (encoding, bytes) = match (self.brotli, self.gzip) {
            (Some(bytes), _) if takes(asked, "br") => (Some("br"), bytes),
            (_, Some(bytes)) if takes(asked, "gzip") => (Some("gzip"), bytes),
            _ => (None, self.plain),
        };
        let etag =
            format!("\"{}{}\"", self.hash, encoding.map(|name| format!("-{name}")).unwrap_or_default());
        let unchanged = if status.is_success() { conditional(asked, &etag)? } else { None };
        let is_whole = unchanged.is_none();
        let mut response =
            unchanged.unwrap_or_else(|| (status, Body::from(Bytes::from_static(bytes))).into_response());
        let headers = response.headers_mut();
        if is_whole {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
            if let Some(encoding) = encoding {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
        }
        let lasts =
            if self.path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
        insert_text(headers, header::ETAG, &etag);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lasts));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        // Requests of these pages must say where they come from, or no sign-in is taken from them.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        let same_origin = HeaderValue::from_static("same-origin");
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone());
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin);
        Ok(response)
    }
}

/// Whether a client takes a coding (RFC 9110, section 12.5.3). What none of them is named for goes out as it is.
fn takes(asked: &HeaderMap, coding: &str) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(coding) && weight.is_some_and(|weight| weight > 0.0)
    })
}

fn moved(to: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    insert_text(response.headers_mut(), header::LOCATION, to);
    response
}
