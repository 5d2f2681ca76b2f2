//! `_redirects` of a site (Web Redirects File Specification), applied only where the site has an origin of its
//! own: its rules are about paths from the root.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kubelt_api::Code;
use kubelt_content::{
    limits::REDIRECTS_BYTES_MAX,
    redirects::{self, Redirects, RedirectsError},
};
use kubelt_node::{ContentError, Found, Retrieval};

use super::plain;
use crate::{
    gateway::{Arrivals, ContentRequest, Gateway, Lasts, serve},
    path::{encode_segment, segments},
    problem::ApiError,
};

/// The name of the file, at the root of a site.
const FILE: &str = "_redirects";

/// Serves what is at the path, or else what the site's rules say of it.
pub(super) async fn serve_site(gateway: &Gateway, request: ContentRequest) -> Result<Response, ApiError> {
    let again = request.clone();
    let missing = match serve(gateway, request).await {
        Err(error) if error.code() == Code::NotFound => error,
        answered => return answered,
    };
    let Some(rules) = rules(gateway, &again).await? else { return Err(missing) };
    let rules = match rules {
        Ok(rules) => rules,
        Err(error) => {
            let text = format!("could not parse {FILE}: {error}\n");
            return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, text));
        }
    };
    let path: String = again.segments.iter().map(|segment| format!("/{}", encode_segment(segment))).collect();
    let path = if again.slash || path.is_empty() { format!("{path}/") } else { path };
    match rules.find(&path) {
        Some(found) => apply(gateway, again, &found).await,
        None => Err(missing),
    }
}

/// The rules of a site; none where it has no such file.
async fn rules(
    gateway: &Gateway,
    request: &ContentRequest,
) -> Result<Option<Result<Redirects, RedirectsError>>, ApiError> {
    let mut path = request.hidden.clone();
    path.push(FILE.to_owned());
    let (elsewhere, mut arrivals) = (gateway.elsewhere(request), Arrivals::default());
    loop {
        match read_rules(gateway, request, elsewhere.as_ref(), &path).await {
            Err(error) => arrivals.wait(error).await?,
            read => return read,
        }
    }
}

/// The rules, as far as they can be read of what is here now.
async fn read_rules(
    gateway: &Gateway,
    request: &ContentRequest,
    elsewhere: Option<&Retrieval>,
    path: &[String],
) -> Result<Option<Result<Redirects, RedirectsError>>, ApiError> {
    let file = match gateway.content.find_cid(&request.reader, elsewhere, &request.root, path).await {
        Ok(Found::File(file) | Found::Block(file)) => file,
        Ok(Found::Directory { .. }) | Err(ContentError::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if file.size > REDIRECTS_BYTES_MAX as u64 {
        return Ok(Some(Err(RedirectsError::TooLarge(file.size))));
    }
    let mut bytes = Vec::new();
    for piece in gateway.content.read(&file, 0..file.size)? {
        bytes.extend_from_slice(&piece?);
        if bytes.len() > REDIRECTS_BYTES_MAX {
            return Ok(Some(Err(RedirectsError::TooLarge(bytes.len() as u64))));
        }
    }
    Ok(Some(Redirects::parse(&bytes)))
}

async fn apply(
    gateway: &Gateway,
    request: ContentRequest,
    found: &redirects::Found,
) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(found.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_redirection() {
        let query = Some(request.query.as_str()).filter(|query| !query.is_empty());
        return Ok(sent_on(status, &found.with_query(query), request.named.lasts));
    }
    let to = found.path();
    let (path, _slash) = segments(to.strip_prefix('/').unwrap_or(to))?;
    let mut request = ContentRequest { segments: path, slash: true, ..request };
    if status == StatusCode::OK {
        return serve(gateway, request).await;
    }
    // A page that says what is wrong is itself whole, and is what it is whatever the client has.
    without_conditions(&mut request.headers);
    let mut response = serve(gateway, request).await?;
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    Ok(response)
}

fn sent_on(status: StatusCode, to: &str, lasts: Lasts) -> Response {
    let Ok(target) = HeaderValue::from_str(to) else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, format!("could not parse {FILE}: no such target\n"));
    };
    let mut response = status.into_response();
    response.headers_mut().insert(header::LOCATION, target);
    let cache = match lasts {
        Lasts::Forever => "public, max-age=29030400, immutable".to_owned(),
        Lasts::Seconds(seconds) => format!("public, max-age={}", seconds.unwrap_or(60)),
    };
    if let Ok(cache) = HeaderValue::from_str(&cache) {
        response.headers_mut().insert(header::CACHE_CONTROL, cache);
    }
    response
}

fn without_conditions(headers: &mut HeaderMap) {
    for name in [
        header::IF_NONE_MATCH,
        header::IF_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::RANGE,
    ] {
        headers.remove(name);
    }
}
