//! A file as an answer: entity tag, ranges, conditions, caching, and what keeps a page in its place.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use kubelt_api::Code;
use kubelt_core::schema::Visibility;
use kubelt_node::{Content, File};

use crate::{
    body::FileBody,
    problem::ApiError,
    range::{Wanted, not_modified, precondition_failed, wanted},
};

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caching {
    /// The URL names these very bytes (`/ipfs/{cid}`).
    Immutable,
    /// The URL may lead elsewhere tomorrow: ask again, by entity tag.
    Revalidate,
}

/// Published pages are other people's programs: on a shared origin they run in a sandbox of their own
/// (no `allow-same-origin`), away from the API and the console.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "sandbox allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox allow-modals allow-downloads",
);

/// Answers a GET or HEAD for `file`.
pub(crate) fn respond(
    content: &Content,
    file: &File,
    method: &Method,
    headers: &HeaderMap,
    caching: Caching,
) -> Result<Response, ApiError> {
    let etag = etag(file);
    if precondition_failed(headers, Some(&etag)) {
        return Err(ApiError::new(
            Code::PreconditionFailed,
            "the content is not the one that `If-Match` names",
        ));
    }
    if not_modified(headers, &etag) {
        return Ok(describe(StatusCode::NOT_MODIFIED.into_response(), file, &etag, caching));
    }
    let (status, range) = match wanted(headers, file.size, &etag) {
        Wanted::Whole => (StatusCode::OK, 0..file.size),
        Wanted::Part { start, end } => (StatusCode::PARTIAL_CONTENT, start..end),
        Wanted::Unsatisfiable => return Ok(unsatisfiable(file.size)),
    };
    let len = range.end - range.start;
    let content_range = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), file.size);
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        Body::new(FileBody::new(content.read(file, range)?, len))
    };
    let mut response = (status, body).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    out.insert(header::CONTENT_TYPE, media_type(file));
    if status == StatusCode::PARTIAL_CONTENT {
        insert_text(out, header::CONTENT_RANGE, &content_range);
    }
    Ok(describe(response, file, &etag, caching))
}

fn etag(file: &File) -> String {
    format!("\"{}\"", file.cid)
}

fn describe(mut response: Response, file: &File, etag: &str, caching: Caching) -> Response {
    let headers = response.headers_mut();
    insert_text(headers, header::ETAG, etag);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, cache_control(file.visibility, caching));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    if let Some(op) = file.op {
        insert_text(headers, HeaderName::from_static("x-kubelt-op"), &op.to_string());
        headers.insert("x-kubelt-visibility", HeaderValue::from_static(file.visibility.as_str()));
    }
    response
}

fn cache_control(visibility: Visibility, caching: Caching) -> HeaderValue {
    HeaderValue::from_static(match (visibility, caching) {
        (Visibility::Public, Caching::Immutable) => "public, max-age=29030400, immutable",
        (Visibility::Public, Caching::Revalidate) => "public, no-cache",
        (Visibility::Members | Visibility::Private, _) => "private, no-store",
    })
}

/// The media type that the writer gave, or one guessed from the name; text is UTF-8.
fn media_type(file: &File) -> HeaderValue {
    let guess = || {
        let name = file.name.as_deref()?;
        mime_guess::from_path(name).first_raw().map(str::to_owned)
    };
    let kind =
        file.media_type.clone().or_else(guess).unwrap_or_else(|| "application/octet-stream".to_owned());
    let is_text = kind.starts_with("text/") || kind == "application/javascript";
    let kind = if is_text && !kind.contains("charset") { format!("{kind}; charset=utf-8") } else { kind };
    HeaderValue::from_str(&kind).unwrap_or_else(|_bad| HeaderValue::from_static("application/octet-stream"))
}

fn unsatisfiable(size: u64) -> Response {
    let detail = format!("the content has {size} bytes");
    let mut response = ApiError::new(Code::RangeNotSatisfiable, detail).into_response();
    insert_text(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

/// Inserts text that is known to be plain ASCII.
fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    headers.insert(name, HeaderValue::from_str(text).expect("ids, tags and numbers are plain ASCII"));
}
