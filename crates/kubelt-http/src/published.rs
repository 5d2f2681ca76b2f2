//! `/@core/path`: what a core has published, for browsers and programs; `/@core` itself.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use kubelt_api::CoreView;
use kubelt_core::Genesis;
use kubelt_node::{ChildKind, Children, File, Found, Reached};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    file_response::{OWN_ORIGIN, Representation, cache_control, ranged, respond},
    gateway::{Disposition, Format, Wish, block_file, car_response, disposition, tar_response},
    limits::NAMES_PER_PAGE,
    member_routes::heir_views,
    page::{Crumb, DirectoryPage, HashLinks, PAGE_POLICY, directory_page},
    path::encode_segment,
    problem::ApiError,
    usage_routes::usage_view,
};

/// The file that stands for its directory.
const INDEX: &str = "index.html";

/// Serves `GET` and `HEAD` of `/@core[/path]`.
pub(crate) async fn serve(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(request.method_not_allowed());
    }
    let shows_site = request.path.is_empty()
        && match request.own_host {
            // The root of a host is a site, unless it is asked for as data.
            Some(_) => !wants_json(&request.headers),
            None => wants_html(&request.headers),
        };
    if request.path.is_empty() && !shows_site {
        return describe(routes, request).await;
    }
    if let Some(response) = exported(routes, request).await? {
        return Ok(response);
    }
    match routes.content.find(&request.reader, &request.core, &request.path).await? {
        Found::File(file) | Found::Block(file) => file_at(routes, request, &file),
        Found::Directory { .. } if !request.slash => Ok(with_slash(request)),
        Found::Directory { .. } => directory(routes, request).await,
    }
}

/// A file. On a host of its core a published program is free; everywhere else it shares its origin with others.
fn file_at(routes: &CoreRoutes, request: &CoreRequest, file: &File) -> Result<Response, ApiError> {
    let mut response = respond(&routes.content, file, &request.method, &request.headers)?;
    if request.own_host.is_some() {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, OWN_ORIGIN);
    }
    Ok(response)
}

/// Relative links work only below a slash. The target is made of decoded names, so it stays on this host.
fn with_slash(request: &CoreRequest) -> Response {
    let path: String = request.path.iter().map(|segment| format!("/{}", encode_segment(segment))).collect();
    let target = format!("{}{path}/", request.address);
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

async fn directory(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let mut index = request.path.clone();
    index.push(INDEX.to_owned());
    match routes.content.find(&request.reader, &request.core, &index).await {
        Ok(Found::File(file)) => return file_at(routes, request, &file),
        Ok(_) | Err(kubelt_node::ContentError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    let cursor = request.query.get("cursor");
    let page =
        routes.content.list(&request.reader, &request.core, &request.path, cursor, NAMES_PER_PAGE).await?;
    let mut href = request.address.clone();
    let mut crumbs = vec![match &request.own_host {
        Some(host) => Crumb { href: "/".to_owned(), text: host.clone() },
        None => Crumb { href: href.clone(), text: request.address.clone() },
    }];
    for segment in &request.path {
        href.push('/');
        href.push_str(&encode_segment(segment));
        crumbs.push(Crumb { href: href.clone(), text: segment.clone() });
    }
    let html = directory_page(&DirectoryPage {
        space: "",
        crumbs,
        base: href,
        has_parent: !request.path.is_empty(),
        hashes: match request.is_at_host {
            true => HashLinks::About,
            false => HashLinks::Gateway(String::new()),
        },
        cid: None,
        children: &page,
        is_later: cursor.is_some(),
    });
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    Ok(response)
}

/// The content at a path as blocks or as an archive, where the query asks for it: what `/ipfs/{cid}` gives, but for
/// whoever may read this path.
async fn exported(routes: &CoreRoutes, request: &CoreRequest) -> Result<Option<Response>, ApiError> {
    let wish = Wish::read(&request.headers, &request.query)?;
    let Some(format) = wish.format.filter(|_| wish.is_explicit) else { return Ok(None) };
    if !matches!(format, Format::Car(_) | Format::Raw | Format::Tar) {
        return Ok(None);
    }
    let reached = routes.content.reach_path(&request.reader, &request.core, &request.path).await?;
    let name = request.path.last().map_or("content", String::as_str);
    let (mut response, extension) = match format {
        Format::Car(form) => (car_response(&routes.content, &reached, form, &request.method)?, "car"),
        Format::Tar => (tar_response(&routes.content, &reached, name, &request.method)?, "tar"),
        _ => (raw(routes, request, &reached)?, "bin"),
    };
    let headers = response.headers_mut();
    let given = request.query.get("filename").map(str::to_owned);
    let file = given.unwrap_or_else(|| format!("{name}.{extension}"));
    disposition(headers, Disposition::Attachment, &file);
    headers.insert(header::CACHE_CONTROL, cache_control(reached.visibility));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    Ok(Some(response))
}

fn raw(routes: &CoreRoutes, request: &CoreRequest, reached: &Reached) -> Result<Response, ApiError> {
    if reached.way.remainder > 0 {
        return Err(ApiError::not_found());
    }
    let file = block_file(&routes.content, reached)?;
    let media_type = HeaderValue::from_static("application/vnd.ipld.raw");
    let bytes = Representation { etag: &format!("\"{}.raw\"", file.cid), size: file.size, media_type };
    let content = routes.content.clone();
    ranged(&request.method, &request.headers, &bytes, move |range| content.read(&file, range))
}

async fn describe(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let summary = routes.exchange.summary(&request.reader, &request.core).await?;
    let summary = summary.ok_or_else(ApiError::not_found)?;
    let (kind, name) = match &summary.genesis {
        Genesis::Private { .. } => ("private", None),
        Genesis::User { .. } => ("user", None),
        Genesis::Shared { name, .. } => ("shared", Some(name.clone())),
    };
    let listed = routes.content.list(&request.reader, &request.core, &[], None, 100).await;
    let content = listed.map(names).unwrap_or_default();
    let usage = match summary.tells_usage {
        true => Some(usage_view(&routes.content.used(&request.core)?)),
        false => None,
    };
    let heirs = match summary.tells_usage {
        true => heir_views(routes.cores.heirs(&request.core).await?),
        false => Vec::new(),
    };
    let own = matches!(summary.genesis, Genesis::Private { .. });
    let account = summary.account.map(|account| account.to_string());
    let path = account.clone().filter(|_| own).unwrap_or_else(|| summary.core.to_string());
    // Where the store takes no writes, a core that had no name yet gets none.
    let ipns = routes.ipns.name_of(&summary.core).await.ok().map(|name| name.to_string());
    let view = CoreView {
        core: summary.core.to_string(),
        kind: kind.to_owned(),
        path: format!("/@{path}"),
        account,
        name,
        parent: summary.parent.map(|parent| parent.to_string()),
        content,
        ipns,
        usage,
        heirs,
    };
    Ok(([(header::VARY, "Accept, Authorization"), (header::CACHE_CONTROL, "no-cache")], Json(view))
        .into_response())
}

fn names(page: Children) -> Vec<String> {
    let name = |child: kubelt_node::Child| match child.kind {
        ChildKind::Directory => format!("{}/", child.name),
        ChildKind::File { .. } | ChildKind::Symlink | ChildKind::Unknown { .. } => child.name,
    };
    page.entries.into_iter().map(name).collect()
}

/// Whether JSON is named in what the client takes, and not after HTML.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !wants_html(headers)
}

/// Whether the client is a browser that shows a page: HTML is named, and not after JSON.
fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let place = |kind: &str| accept.find(kind);
    match (place("text/html"), place("application/json")) {
        (Some(html), Some(json)) => html < json,
        (html, _) => html.is_some(),
    }
}
