//! Answers kept in memory: small published files that strangers ask for again and again.
//!
//! An answer is kept under everything of its request that it may depend on: host, address and `Accept`. A request
//! with any other header that could matter is not answered from here, and neither is one with a token. What is kept
//! holds for one [`Moment`]: whatever is written, opened, closed or denied anywhere on this node ends it at once, and
//! everything that was kept with it.

use std::collections::HashMap;

use axum::{
    body::{Body, HttpBody as _},
    http::{
        HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use kubelt_node::Moment;
use parking_lot::RwLock;

use crate::limits::{KEPT_BODY_BYTES_MAX, KEPT_BYTES_MAX, KEPT_KEY_BYTES_MAX};

/// What a route puts on an answer that anybody would get who asks the same, for as long as nothing changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MayBeKept;

/// What an answer takes in memory beside its key and body, about, in bytes.
const HEAD_BYTES: usize = 4 * 1_024;

/// Headers that no route which marks its answers with [`MayBeKept`] looks at. What is not named here may matter.
const WITHOUT_MEANING: [HeaderName; 13] = [
    header::USER_AGENT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONNECTION,
    header::REFERER,
    header::ORIGIN,
    header::COOKIE,
    header::DNT,
    header::UPGRADE_INSECURE_REQUESTS,
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("sec-fetch-user"),
];

/// Under what an answer is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(Box<[u8]>);

#[derive(Debug, Clone)]
struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

/// The answers.
#[derive(Debug, Default)]
pub(crate) struct Kept(RwLock<Answers>);

#[derive(Debug, Default)]
struct Answers {
    moment: Moment,
    by_key: HashMap<Key, Answer>,
    bytes: usize,
}

impl Key {
    /// The key of a request; none where its answer may depend on more.
    pub(crate) fn of<B>(request: &Request<B>, is_https: bool) -> Option<Self> {
        if request.method() != Method::GET {
            return None;
        }
        let (mut host, mut accept) = (None, None);
        for (name, value) in request.headers() {
            let place = match name {
                name if name == header::HOST => &mut host,
                name if name == header::ACCEPT => &mut accept,
                name if WITHOUT_MEANING.contains(name) => continue,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        key(request.uri(), is_https, host, accept)
    }
}

fn text(value: Option<&HeaderValue>) -> &str {
    value.map_or("", |value| value.to_str().unwrap_or("\0"))
}

/// No part holds a zero byte: neither an address nor the value of a header can.
fn key(uri: &Uri, is_https: bool, host: Option<&HeaderValue>, accept: Option<&HeaderValue>) -> Option<Key> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let address = uri.path_and_query()?.as_str();
    let parts = [
        text(host),
        if is_https { "https" } else { uri.scheme_str().unwrap_or("") },
        authority,
        address,
        text(accept),
    ];
    let len: usize = parts.iter().map(|part| part.len() + 1).sum();
    if len > KEPT_KEY_BYTES_MAX || parts.iter().any(|part| part.contains('\0')) {
        return None;
    }
    let mut key = Vec::with_capacity(len);
    for part in parts {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
    Some(Key(key.into_boxed_slice()))
}

impl Kept {
    /// The answer under `key`, if what it rests on is still so `now`.
    pub(crate) fn find(&self, key: &Key, now: Moment) -> Option<Response<Body>> {
        let answers = self.0.read();
        let answer = answers.by_key.get(key).filter(|_| answers.moment == now)?;
        let mut response = Response::new(Body::from(answer.body.clone()));
        *response.headers_mut() = answer.headers.clone();
        Some(response)
    }

    /// Keeps an answer that was begun at `begun`, when it is `now`.
    pub(crate) fn keep(&self, key: Key, headers: &HeaderMap, body: Bytes, begun: Moment, now: Moment) {
        if begun != now {
            return;
        }
        let bytes = key.0.len() + body.len() + HEAD_BYTES;
        let mut answers = self.0.write();
        if answers.moment != begun || answers.bytes + bytes > KEPT_BYTES_MAX {
            *answers = Answers { moment: begun, ..Answers::default() };
        }
        if answers.by_key.insert(key, Answer { headers: headers.clone(), body }).is_none() {
            answers.bytes += bytes;
        }
    }
}

/// Reads the body of an answer that may be kept; none of any other.
///
/// # Errors
/// When the bytes cannot be read.
pub(crate) async fn body_to_keep(response: &mut Response<Body>) -> Result<Option<Bytes>, axum::Error> {
    let is_marked = response.extensions_mut().remove::<MayBeKept>().is_some();
    let is_small = response.body().size_hint().upper().is_some_and(|bytes| bytes <= KEPT_BODY_BYTES_MAX);
    if !is_marked || !is_small || response.status() != StatusCode::OK {
        return Ok(None);
    }
    // A slice of a segment would keep all of that segment in its place.
    let body = std::mem::take(response.body_mut()).collect().await?.to_bytes();
    let body = Bytes::copy_from_slice(&body);
    *response.body_mut() = Body::from(body.clone());
    Ok(Some(body))
}
