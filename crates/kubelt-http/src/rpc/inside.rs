//! Calls answered by the node's own routes: what a client could ask by HTTP, asked from inside with its credentials.

use std::{net::SocketAddr, sync::Weak};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, Request, Uri, header, uri::PathAndQuery},
    response::Response,
};
use http_body_util::{BodyExt as _, Limited};
use kubelt_api::Problem;
use kubelt_node::WalletFault;
use serde_json::{Value, json};

use super::operations::{Asked, Operation};
use crate::{
    app::{Edge, Inner},
    forwarded::Arrival,
    limits::RPC_ANSWER_BYTES_MAX,
};

/// The edge, as its own routes reach it.
#[derive(Debug, Clone)]
pub(crate) struct Inside(pub(crate) Weak<Inner>);

/// A request as it came, of which others are made.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) uri: Uri,
    /// The address of the core in it, `/@0x…`.
    pub(crate) core: String,
    pub(crate) headers: HeaderMap,
    pub(crate) arrival: Arrival,
}

/// Headers that say something of one request and not of who asks. All others are handed on: what a route is told of
/// who asks, and by which way, must not be lost.
const OF_ONE_REQUEST: [HeaderName; 17] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
];

impl Inside {
    /// Answers a call of a method that stands for an operation of the API.
    pub(crate) async fn call(
        &self,
        origin: &Origin,
        operation: &Operation,
        params: &Value,
    ) -> Result<Value, WalletFault> {
        let asked = operation.asked(&origin.core, params)?;
        if operation.is_bytes {
            let message = "make this request with your token; bytes do not travel by JSON-RPC";
            return Ok(json!({"method": asked.method, "path": asked.path, "note": message}));
        }
        let failed = || WalletFault::new(WalletFault::INTERNAL, "the node stops");
        let edge = Edge::of(self.0.upgrade().ok_or_else(failed)?);
        let path = asked.path.clone();
        let request = origin.request(asked)?;
        let peer = SocketAddr::new(origin.arrival.client, 0);
        // Large, and one inside of another.
        let response = Box::pin(edge.answer(request, peer, |body| body)).await;
        read(response, &path).await
    }
}

impl Origin {
    fn request(&self, asked: Asked) -> Result<Request<Body>, WalletFault> {
        let bad = |_cause| WalletFault::new(WalletFault::INVALID_PARAMS, "that makes no address");
        let mut uri = self.uri.clone().into_parts();
        uri.path_and_query = Some(asked.path.parse::<PathAndQuery>().map_err(bad)?);
        let uri = Uri::from_parts(uri).expect("only the path has changed");
        let mut request = Request::builder().method(asked.method.as_str()).uri(uri);
        if let Some(headers) = request.headers_mut() {
            *headers = self.headers.clone();
            OF_ONE_REQUEST.iter().for_each(|name| drop(headers.remove(name)));
            if asked.body.is_some() {
                headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            }
        }
        if let Some(extensions) = request.extensions_mut() {
            extensions.insert(self.arrival.clone());
        }
        let body = asked.body.map_or_else(Body::empty, Body::from);
        Ok(request.body(body).expect("a method of the description, and headers that came"))
    }
}

/// What a route has answered, as a result or an error.
async fn read(response: Response, path: &str) -> Result<Value, WalletFault> {
    let (parts, body) = response.into_parts();
    if !parts.status.is_success() {
        return Err(parts.extensions.get::<Problem>().map_or_else(
            || WalletFault::new(WalletFault::INTERNAL, format!("the route answered {}", parts.status)),
            fault,
        ));
    }
    let body = Limited::new(body, RPC_ANSWER_BYTES_MAX).collect().await.map_err(|_cause| {
        let message =
            format!("the answer is over {RPC_ANSWER_BYTES_MAX} bytes; ask for less, or by HTTP: {path}");
        WalletFault::new(WalletFault::LIMIT, message)
    })?;
    let bytes = body.to_bytes();
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes)
        .map_err(|_cause| WalletFault::new(WalletFault::INTERNAL, "the route answered no JSON"))
}

/// A problem as an error of JSON-RPC: the number says of which sort it is (EIP-1193, EIP-1474), the problem in its `data` the rest.
pub(super) fn fault(problem: &Problem) -> WalletFault {
    const FAILED: i64 = -32_000;
    const NOT_FOUND: i64 = -32_001;
    const UNAVAILABLE: i64 = -32_002;
    const UNSUPPORTED: i64 = -32_004;
    let code = match problem.status {
        401 | 403 => WalletFault::UNAUTHORIZED,
        404 | 410 => NOT_FOUND,
        405 | 501 => UNSUPPORTED,
        429 => WalletFault::LIMIT,
        400 | 413 | 415 | 422 => WalletFault::INVALID_PARAMS,
        502..=504 => UNAVAILABLE,
        500 => WalletFault::INTERNAL,
        _ => FAILED,
    };
    let data = serde_json::to_value(problem).expect("a problem is plain JSON");
    WalletFault { code, message: problem.detail.clone(), data: Some(data) }
}
