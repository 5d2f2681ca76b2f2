//! IPNS records themselves: for trustless clients, and by delegated routing (Delegated Routing V1 HTTP API).

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, Limited};
use kubelt_api::Code;
use kubelt_content::{
    ipns::{Name, Record},
    limits::IPNS_RECORD_BYTES_MAX,
};
use kubelt_node::{OwnNameError, PutRecordError, Resolver};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::{Naming, plain};
use crate::{app::client, problem::ApiError, query::Query, range::not_modified};

/// What stands for itself in the long form of a file name, if not all that may (RFC 5987).
const FILE_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The media type of a record.
pub(super) const MEDIA_TYPE: &str = "application/vnd.ipfs.ipns-record";

/// Answers with the record of a name, to be kept as a file.
pub(super) async fn serve(
    resolver: &Resolver,
    name: &Name,
    method: &Method,
    query: &str,
) -> Result<Response, ApiError> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(ApiError::new(Code::MethodNotAllowed, format!("`{method}` does not work here")));
    }
    let Some(mut response) = answer(resolver, name, &HeaderMap::new()).await? else {
        return Ok(plain(StatusCode::BAD_GATEWAY, "no valid record of this name is known here\n".to_owned()));
    };
    let query = Query::parse(query).unwrap_or_default();
    let file = query.get("filename").map_or_else(|| format!("{name}.ipns-record"), str::to_owned);
    attach(response.headers_mut(), &file);
    if let Ok(path) = HeaderValue::from_str(&format!("/ipns/{name}")) {
        response.headers_mut().insert("x-ipfs-path", path);
    }
    Ok(response)
}

/// `GET` and `PUT /routing/v1/ipns/{name}`.
pub(super) async fn route(
    State(naming): State<Arc<Naming>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let name: Name = name
        .parse()
        .map_err(|error| ApiError::new(Code::BadRequest, format!("`{name}` is no name: {error}")))?;
    match *request.method() {
        Method::GET | Method::HEAD => {
            if !accepts_records(request.headers()) {
                return Err(ApiError::new(
                    Code::NotAcceptable,
                    format!("records come as `{MEDIA_TYPE}` alone"),
                ));
            }
            let found = answer(&naming.resolver, &name, request.headers()).await?;
            Ok(found.unwrap_or_else(|| {
                plain(StatusCode::NOT_FOUND, "no record of this name is known here\n".into())
            }))
        }
        Method::PUT => put(&naming, &name, request).await,
        _ => Err(ApiError::new(Code::MethodNotAllowed, format!("`{}` does not work here", request.method()))),
    }
}

async fn put(naming: &Naming, name: &Name, request: Request) -> Result<Response, ApiError> {
    naming.rates.record(client(request.extensions()))?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if !essence.is_some_and(|kind| kind.eq_ignore_ascii_case(MEDIA_TYPE)) {
        return Err(ApiError::new(Code::NotAcceptable, format!("send the record as `{MEDIA_TYPE}`")));
    }
    let bytes = read(request.into_body()).await?;
    let record = Record::decode(bytes).map_err(PutRecordError::from)?;
    naming.ipns.put(name, record).await?;
    Ok(StatusCode::OK.into_response())
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let reading = Limited::new(body, IPNS_RECORD_BYTES_MAX).collect();
    let read = tokio::time::timeout(crate::limits::BODY_IDLE_TIMEOUT, reading).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::new(
            Code::TooLarge,
            format!("a record is over the limit of {IPNS_RECORD_BYTES_MAX} bytes"),
        )),
        Ok(Err(_cut_off)) => {
            Err(ApiError::new(Code::BadRequest, "the request ended in the middle of its body"))
        }
        Err(_elapsed) => Err(ApiError::new(Code::Timeout, "the body did not arrive in time")),
    }
}

/// The record of a name, with what says how long it may be kept.
async fn answer(resolver: &Resolver, name: &Name, asked: &HeaderMap) -> Result<Option<Response>, ApiError> {
    let Some((record, ttl)) = resolver.record(name).await? else { return Ok(None) };
    let bytes = record.encode().clone();
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&bytes)[..16]));
    let status = if not_modified(asked, &etag) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if status == StatusCode::OK { Body::from(bytes) } else { Body::empty() };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    let cache = format!("public, max-age={}", ttl.map_or(60, |ttl| ttl.as_secs()));
    for (name, text) in [(header::ETAG, etag), (header::CACHE_CONTROL, cache)] {
        headers.insert(name, HeaderValue::from_str(&text).expect("digits and plain words"));
    }
    Ok(Some(response))
}

/// `Content-Disposition` of a file to be kept (RFC 6266).
fn attach(headers: &mut HeaderMap, name: &str) {
    let is_plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let all = utf8_percent_encode(name, FILE_NAME);
    let text = match plain == name {
        true => format!("attachment; filename=\"{plain}\""),
        false => format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{all}"),
    };
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&text).expect("plain ASCII"));
}

/// Whether a client takes records; one that says nothing takes anything.
fn accepts_records(headers: &HeaderMap) -> bool {
    let mut accept = headers.get_all(header::ACCEPT).iter().peekable();
    let takes = |kind: &str| {
        matches!(kind.trim().to_ascii_lowercase().as_str(), MEDIA_TYPE | "application/*" | "*/*" | "")
    };
    accept.peek().is_none()
        || accept.any(|value| {
            let text = value.to_str().unwrap_or_default();
            text.split(',').any(|range| takes(range.split(';').next().unwrap_or_default()))
        })
}

impl From<OwnNameError> for ApiError {
    fn from(error: OwnNameError) -> Self {
        tracing::error!(%error, "a name of this node could not be had");
        Self::new(Code::Unavailable, "the name cannot be had at the moment")
    }
}

impl From<PutRecordError> for ApiError {
    fn from(error: PutRecordError) -> Self {
        match error {
            PutRecordError::Record(_) | PutRecordError::Invalid(_) => {
                Self::new(Code::BadRequest, crate::problem::chain(&error))
            }
            PutRecordError::Older { .. } => Self::new(Code::Conflict, error.to_string()),
            PutRecordError::Store(error) => error.into(),
            PutRecordError::Tx(error) => error.into(),
            PutRecordError::Commit(error) => error.into(),
        }
    }
}
