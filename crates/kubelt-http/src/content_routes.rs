//! `/@core/-/content/…`: content written, read, listed and removed; `/@core/-/possession`.

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use kubelt_api::{
    Code, ContentReceipt, ContentVersion, ContentVersions, Listing, ListingEntry, ListingKind, Possession,
    PossessionRequest, Visibility as WireVisibility,
};
use kubelt_content::{Cid, parse_cid};
use kubelt_core::schema::Visibility;
use kubelt_node::{Child, ChildKind, Content, Found, Stored, Target};

use crate::{
    body::{next_bytes, read_out},
    core_routes::{CoreRequest, CoreRoutes},
    file_response::respond,
    json,
    limits::{JSON_BYTES_MAX, POSSESSION_CIDS_MAX},
    problem::ApiError,
    range::precondition_failed,
    time::rfc3339,
    usage_routes,
};

/// Serves `/@core/-/content/{path}`.
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    match request.method {
        Method::PUT => put(routes, request, body).await,
        Method::DELETE => remove(routes, request).await,
        Method::GET | Method::HEAD if request.query.has("list") => list(&routes.content, request).await,
        Method::GET | Method::HEAD if request.query.has("versions") => {
            versions(&routes.content, request).await
        }
        Method::GET | Method::HEAD => read(&routes.content, request).await,
        _ => Err(request.method_not_allowed()),
    }
}

async fn put(routes: &CoreRoutes, request: &CoreRequest, mut body: Body) -> Result<Response, ApiError> {
    let session = request.session()?;
    routes.rates.write(session.account())?;
    let target = Target {
        path: kubelt_node::content_path(&request.path)?,
        visibility: visibility(request)?,
        partial: partial(request)?,
        media_type: media_type(&request.headers)?,
    };
    let content = &routes.content;
    content.may_write(&session, &request.core, &target.path).await?;
    check_precondition(content, request).await?;
    let stored = match request.query.get("cid") {
        Some(cid) => content.link(&session, &request.core, target, cid_of(cid)?).await?,
        None => {
            let mut upload = content.upload(session, request.core, target).await;
            while let Some(bytes) = next_bytes(&mut body).await? {
                if let Err(error) = upload.write(bytes).await {
                    read_out(body).await;
                    return Err(error.into());
                }
            }
            upload.finish().await?
        }
    };
    Ok((StatusCode::CREATED, Json(receipt(&request.path, &stored))).into_response())
}

/// `If-Match` and `If-None-Match: *` guard a write against another one in between.
pub(crate) async fn check_precondition(content: &Content, request: &CoreRequest) -> Result<(), ApiError> {
    let guarded =
        request.headers.contains_key(header::IF_MATCH) || request.headers.contains_key(header::IF_NONE_MATCH);
    if !guarded {
        return Ok(());
    }
    let now = match content.find(&request.reader, &request.core, &request.path).await {
        Ok(Found::File(file) | Found::Block(file)) => Some(format!("\"{}\"", file.cid)),
        Ok(Found::Directory { cid, .. }) => cid.map(|cid| format!("\"{cid}\"")),
        Err(kubelt_node::ContentError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let taken = now.is_some() && request.headers.contains_key(header::IF_NONE_MATCH);
    if taken || precondition_failed(&request.headers, now.as_deref()) {
        return Err(ApiError::new(
            Code::PreconditionFailed,
            "the content there is not the one that the request expects",
        ));
    }
    Ok(())
}

pub(crate) fn receipt(path: &[String], stored: &Stored) -> ContentReceipt {
    ContentReceipt {
        cid: stored.cid.to_string(),
        size: stored.size,
        path: path.join("/"),
        op: stored.op.to_string(),
    }
}

pub(crate) fn visibility(request: &CoreRequest) -> Result<Visibility, ApiError> {
    match request.query.get("visibility") {
        None | Some("private") => Ok(Visibility::Private),
        Some("members") => Ok(Visibility::Members),
        Some("public") => Ok(Visibility::Public),
        Some(_) => Err(ApiError::new(Code::BadRequest, "`visibility` is `public`, `members` or `private`")),
    }
}

/// Whether a DAG with blocks missing is taken, and marked as such.
pub(crate) fn partial(request: &CoreRequest) -> Result<bool, ApiError> {
    match request.query.get("partial") {
        None | Some("refuse") => Ok(false),
        Some("allow") => Ok(true),
        Some(_) => Err(ApiError::new(Code::BadRequest, "`partial` is `refuse` or `allow`")),
    }
}

/// The type that the client gives, unless it is what clients send when they know none.
fn media_type(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let value = value
        .to_str()
        .map_err(|_cause| ApiError::new(Code::BadRequest, "`Content-Type` is not plain text"))?;
    let unknown = ["application/octet-stream", "application/x-www-form-urlencoded"].contains(&value);
    Ok((!unknown).then(|| value.to_owned()))
}

pub(crate) fn cid_of(text: &str) -> Result<Cid, ApiError> {
    parse_cid(text).map_err(|error| ApiError::new(Code::BadCid, error.to_string()))
}

async fn remove(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let session = request.session()?;
    routes.rates.write(session.account())?;
    let path = kubelt_node::content_path(&request.path)?;
    routes.content.may_write(&session, &request.core, &path).await?;
    let removed = routes.content.remove_and_tell(&session, &request.core, path).await?;
    Ok(Json(usage_routes::removed(&request.path, &removed)).into_response())
}

async fn read(content: &Content, request: &CoreRequest) -> Result<Response, ApiError> {
    match content.find(&request.reader, &request.core, &request.path).await? {
        Found::File(file) | Found::Block(file) => respond(content, &file, &request.method, &request.headers),
        Found::Directory { .. } => Err(ApiError::new(
            Code::Conflict,
            "this is a directory; add `?list` to the URL to see what is in it",
        )),
    }
}

async fn list(content: &Content, request: &CoreRequest) -> Result<Response, ApiError> {
    let cursor = request.query.get("cursor");
    let children =
        content.list(&request.reader, &request.core, &request.path, cursor, request.query.limit()?).await?;
    let entries = children.entries.into_iter().map(listing_entry).collect();
    Ok(Json(Listing { path: request.path.join("/"), entries, next: children.next }).into_response())
}

pub(crate) fn listing_entry(child: Child) -> ListingEntry {
    let (kind, size) = match child.kind {
        ChildKind::File { size } => (ListingKind::File, Some(size)),
        ChildKind::Directory => (ListingKind::Directory, None),
        ChildKind::Symlink => (ListingKind::Symlink, None),
        // What a core lists is here.
        ChildKind::Unknown { .. } => (ListingKind::File, None),
    };
    ListingEntry {
        name: child.name,
        kind,
        cid: child.cid.map(|cid| cid.to_string()),
        size,
        media_type: child.media_type,
        visibility: child.visibility.map(wire_visibility),
    }
}

pub(crate) fn wire_visibility(visibility: Visibility) -> WireVisibility {
    match visibility {
        Visibility::Public => WireVisibility::Public,
        Visibility::Members => WireVisibility::Members,
        Visibility::Private => WireVisibility::Private,
    }
}

async fn versions(content: &Content, request: &CoreRequest) -> Result<Response, ApiError> {
    let found =
        content.versions(&request.reader, &request.core, &request.path, request.query.limit()?).await?;
    let versions = found
        .into_iter()
        .map(|version| ContentVersion {
            op: version.op.to_string(),
            at: rfc3339(version.at_ms),
            cid: version.cid.map(|cid| cid.to_string()),
            size: version.size,
            effective: version.effective,
            held: version.held,
        })
        .collect();
    Ok(Json(ContentVersions { path: request.path.join("/"), versions }).into_response())
}

/// Serves `POST /@core/-/possession`: which of these blocks has this core never uploaded? It speaks only of
/// the core's own uploads, so nobody learns what other cores hold.
pub(crate) async fn possession(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    if request.method != Method::POST {
        return Err(request.method_not_allowed());
    }
    let session = request.session()?;
    routes.content.may_upload(&session, &request.core).await?;
    let asked: PossessionRequest = json::read(body, JSON_BYTES_MAX).await?;
    if asked.cids.len() > POSSESSION_CIDS_MAX {
        return Err(ApiError::new(Code::TooLarge, format!("ask for {POSSESSION_CIDS_MAX} CIDs at most")));
    }
    let cids = asked.cids.iter().map(|text| cid_of(text)).collect::<Result<Vec<_>, _>>()?;
    let missing = routes.content.missing(&request.core, &cids).await?;
    Ok(Json(Possession { missing: missing.iter().map(ToString::to_string).collect() }).into_response())
}
