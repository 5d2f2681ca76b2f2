//! A file as an answer: entity tag, ranges, conditions, caching, and what keeps a page in its place.

use std::{collections::VecDeque, ops::Range};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use kubelt_api::Code;
use kubelt_core::schema::Visibility;
use kubelt_node::{Content, ContentError, ContentReader, File};

use crate::{
    body::{Pieces, PiecesBody},
    problem::ApiError,
    range::{Wanted, not_modified, precondition_failed, wanted},
    sniff::{SNIFFED_BYTES, sniff},
};

/// Published pages are other people's programs: on a shared origin they run in a sandbox of their own
/// (no `allow-same-origin`), away from the API and the console.
pub(crate) const SANDBOX: HeaderValue = HeaderValue::from_static(
    "sandbox allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox allow-modals allow-downloads",
);

/// On an origin of its own a published program is free.
pub(crate) const OWN_ORIGIN: HeaderValue = HeaderValue::from_static("frame-ancestors *");

/// Bytes of known size that can be read from anywhere.
#[derive(Debug)]
pub(crate) struct Representation<'a> {
    pub(crate) etag: &'a str,
    pub(crate) size: u64,
    pub(crate) media_type: HeaderValue,
}

/// Answers a GET or HEAD for bytes that `open` reads, with what conditions and ranges make of it.
pub(crate) fn ranged(
    method: &Method,
    headers: &HeaderMap,
    bytes: &Representation<'_>,
    open: impl Fn(Range<u64>) -> Result<ContentReader, ContentError> + Send + Unpin + 'static,
) -> Result<Response, ApiError> {
    if let Some(response) = conditional(headers, bytes.etag)? {
        return Ok(response);
    }
    let size = bytes.size;
    let (status, range) = match wanted(headers, size, bytes.etag) {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part { start, end } => (StatusCode::PARTIAL_CONTENT, start..end),
        Wanted::Unsatisfiable => return Ok(unsatisfiable(size)),
        Wanted::Parts(ranges) => return Ok(multipart(method, bytes, ranges, open)),
    };
    let len = range.end - range.start;
    let content_range = (status == StatusCode::PARTIAL_CONTENT)
        .then(|| format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        Body::new(PiecesBody::new(open(range)?, Some(len)))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let out = response.headers_mut();
    out.reserve(20);
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    out.insert(header::CONTENT_TYPE, bytes.media_type.clone());
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert_text(out, header::ETAG, bytes.etag);
    if let Some(content_range) = content_range {
        insert_text(out, header::CONTENT_RANGE, &content_range);
    }
    Ok(response)
}

/// What `If-Match` and `If-None-Match` make of a request for what has this entity tag; none where it is to be
/// answered.
pub(crate) fn conditional(headers: &HeaderMap, etag: &str) -> Result<Option<Response>, ApiError> {
    if precondition_failed(headers, Some(etag)) {
        return Err(ApiError::new(
            Code::PreconditionFailed,
            "the content is not the one that `If-Match` names",
        ));
    }
    if !not_modified(headers, etag) {
        return Ok(None);
    }
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    insert_text(response.headers_mut(), header::ETAG, etag);
    Ok(Some(response))
}

/// Several ranges as one answer (RFC 9110, section 14.6).
fn multipart(
    method: &Method,
    bytes: &Representation<'_>,
    ranges: Vec<Range<u64>>,
    open: impl Fn(Range<u64>) -> Result<ContentReader, ContentError> + Send + Unpin + 'static,
) -> Response {
    let kind = bytes.media_type.to_str().unwrap_or("application/octet-stream");
    let mut parts = VecDeque::new();
    // A file may say that it has nearly 2^64 bytes; what is around its parts must not go over that.
    let mut len = 0_u64;
    for range in ranges {
        let (start, end) = (range.start, range.end);
        let head = format!(
            "\r\n--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Range: bytes {start}-{}/{}\r\n\r\n",
            end - 1,
            bytes.size
        );
        len = len.saturating_add(head.len() as u64).saturating_add(end - start);
        parts.push_back((Bytes::from(head), range));
    }
    let tail = Bytes::from(format!("\r\n--{BOUNDARY}--\r\n"));
    len = len.saturating_add(tail.len() as u64);
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        Body::new(PiecesBody::new(Multipart { parts, current: None, tail: Some(tail), open }, Some(len)))
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let out = response.headers_mut();
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    insert_text(out, header::CONTENT_TYPE, &format!("multipart/byteranges; boundary={BOUNDARY}"));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert_text(out, header::ETAG, bytes.etag);
    response
}

/// Between the parts of an answer of several. Parts are told apart by their lengths, too, so what content says
/// cannot confuse who reads those.
const BOUNDARY: &str = "3d6b6a416f9b5c7e21kubelt";

struct Multipart<F> {
    parts: VecDeque<(Bytes, Range<u64>)>,
    current: Option<ContentReader>,
    tail: Option<Bytes>,
    open: F,
}

impl<F: Fn(Range<u64>) -> Result<ContentReader, ContentError> + Unpin> Pieces for Multipart<F> {
    fn next(&mut self) -> Option<Result<Bytes, ContentError>> {
        if let Some(piece) = self.current.as_mut().and_then(Iterator::next) {
            return Some(piece);
        }
        let Some((_, range)) = self.parts.front() else { return self.tail.take().map(Ok) };
        match (self.open)(range.clone()) {
            Ok(reader) => self.current = Some(reader),
            Err(error) => return Some(Err(error)),
        }
        self.parts.pop_front().map(|(head, _)| Ok(head))
    }
}

/// Answers a GET or HEAD for `file`, found by a path of a core.
pub(crate) fn respond(
    content: &Content,
    file: &File,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let etag = etag(file);
    let bytes = Representation { etag: &etag, size: file.size, media_type: media_type(content, file)? };
    let (reading, file_read) = (content.clone(), file.clone());
    let response = ranged(method, headers, &bytes, move |range| reading.read(&file_read, range))?;
    Ok(describe(response, file))
}

fn etag(file: &File) -> String {
    format!("\"{}\"", file.cid)
}

fn describe(mut response: Response, file: &File) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, cache_control(file.visibility));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    if let Some(op) = file.op {
        insert_text(headers, HeaderName::from_static("x-kubelt-op"), &op.to_string());
        headers.insert("x-kubelt-visibility", HeaderValue::from_static(file.visibility.as_str()));
    }
    response
}

/// A path may lead elsewhere tomorrow: ask again, by entity tag.
pub(crate) fn cache_control(visibility: Visibility) -> HeaderValue {
    HeaderValue::from_static(match visibility {
        Visibility::Public => "public, no-cache",
        Visibility::Members | Visibility::Private => "private, no-store",
    })
}

/// The media type that the writer gave, or one guessed from the name or the first bytes; text is UTF-8.
///
/// # Errors
/// [`ContentError::Away`] where the first bytes are on their way here.
pub(crate) fn media_type(content: &Content, file: &File) -> Result<HeaderValue, ContentError> {
    let by_name = || {
        let name = file.name.as_deref()?;
        mime_guess::from_path(name).first_raw()
    };
    let by_bytes = || {
        let end = file.size.min(SNIFFED_BYTES);
        let mut head = Vec::new();
        for piece in content.read(file, 0..end)? {
            match piece {
                Ok(piece) => head.extend_from_slice(&piece),
                Err(away @ ContentError::Away(_)) => return Err(away),
                Err(_broken) => break,
            }
        }
        Ok(sniff(&head, end == file.size))
    };
    if let Some(given) = &file.media_type {
        return Ok(with_charset(given));
    }
    Ok(with_charset(match by_name() {
        Some(kind) => kind,
        None => by_bytes()?,
    }))
}

fn with_charset(kind: &str) -> HeaderValue {
    let is_text = kind.starts_with("text/") || kind == "application/javascript";
    let value = if is_text && !kind.contains("charset") {
        HeaderValue::from_str(&format!("{kind}; charset=utf-8"))
    } else {
        HeaderValue::from_str(kind)
    };
    value.unwrap_or_else(|_bad| HeaderValue::from_static("application/octet-stream"))
}

fn unsatisfiable(size: u64) -> Response {
    let detail = format!("the content has {size} bytes");
    let mut response = ApiError::new(Code::RangeNotSatisfiable, detail).into_response();
    insert_text(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

/// Inserts text that is known to be plain ASCII.
pub(crate) fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    headers.insert(name, HeaderValue::from_str(text).expect("ids, tags and numbers are plain ASCII"));
}
