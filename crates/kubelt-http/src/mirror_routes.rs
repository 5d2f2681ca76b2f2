//! `/@me/-/mirrors`: what other cores have published, kept and served by this node for an account of it.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use kubelt_api::{Code, MirrorList, MirrorRequest, MirrorView};
use kubelt_core::{Account, CoreId};
use kubelt_node::{Cores, Mirror, Mirrored, Place, RemoteNodeError};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::ANONYMOUS_JSON_BYTES_MAX,
    problem::ApiError,
    time::rfc3339,
};

/// Serves `/@me/-/mirrors` (GET lists, POST adds) and `/@me/-/mirrors/{core}` (DELETE removes).
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let session = request.session()?;
    let (mirrors, account) = (&routes.mirrors, request.core);
    if request.method != Method::GET {
        routes.rates.write(session.account())?;
    }
    match (request.method.clone(), request.path.as_slice()) {
        (Method::GET, []) => {
            let mirrors = mirrors.list(&session, account).await?.into_iter().map(view).collect();
            Ok(Json(MirrorList { mirrors }).into_response())
        }
        (Method::POST, []) => {
            let MirrorRequest { core, from, every_s } = json::read(body, ANONYMOUS_JSON_BYTES_MAX).await?;
            let (core, every) = (read_core(&core)?, every_s.map(Duration::from_secs));
            let place: Place = from.parse().map_err(RemoteNodeError::from)?;
            let added = mirrors.add(&session, account, core, place, every).await?;
            Ok((StatusCode::CREATED, Json(view(added))).into_response())
        }
        (Method::DELETE, [core]) => {
            mirrors.remove(&session, account, read_core(core)?).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (_, [] | [_]) => Err(request.method_not_allowed()),
        _ => Err(ApiError::not_found()),
    }
}

fn read_core(text: &str) -> Result<CoreId, ApiError> {
    let name = text.trim_start_matches('@');
    let is_account = || name.parse::<Account>().or_else(|_case| name.to_ascii_lowercase().parse()).is_ok();
    if name.parse::<CoreId>().is_err() && !is_account() {
        return Err(ApiError::new(Code::BadRequest, format!("`{text}` is neither an account nor a core id")));
    }
    Ok(Cores::resolve(&[name.to_owned()]))
}

fn view(mirror: Mirror) -> MirrorView {
    let Mirror { core, sources, every, connected, mirrored, paths, error } = mirror;
    let Mirrored { settled, settled_ms, lacking, over_quota, ops, blocks, bytes, .. } = mirrored;
    MirrorView {
        core: core.to_string(),
        sources,
        every_s: every.map(|every| every.as_secs()),
        connected,
        settled,
        settled_at: settled_ms.map(rfc3339),
        paths,
        lacking,
        over_quota,
        ops,
        blocks,
        bytes,
        error,
    }
}
