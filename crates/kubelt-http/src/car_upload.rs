//! `POST /@core/-/car`: blocks from a CAR, and paths for its roots.

use axum::{
    Json,
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use kubelt_api::{CAR, CarReceipt, Code, ContentReceipt};
use kubelt_content::Cid;
use kubelt_node::Target;

use crate::{
    body::{next_bytes, read_out},
    content_routes::{partial, receipt, visibility},
    core_routes::{CoreRequest, CoreRoutes},
    limits::CAR_PUBLISHED_ROOTS_MAX,
    path::segments,
    problem::ApiError,
};

/// Takes in the blocks, and gives the roots paths where `to` names one: a single root that very path, each of
/// several a path below it, named by its CID. Blocks that arrived stay when the CAR turns out bad or breaks off.
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    mut body: Body,
) -> Result<Response, ApiError> {
    let session = request.session()?;
    routes.rates.write(session.account())?;
    routes.content.may_upload(&session, &request.core).await?;
    check_media_type(request)?;
    let (visibility, partial) = (visibility(request)?, partial(request)?);
    let to = request.query.get("to").map(|to| segments(to.trim_matches('/'))).transpose()?;
    if let Some((to, _slash)) = &to {
        let path = kubelt_node::content_path(to)?;
        routes.content.may_write(&session, &request.core, &path).await?;
    }
    let mut upload = routes.content.upload_car(request.core).await;
    loop {
        match next_bytes(&mut body).await {
            Ok(None) => break,
            Ok(Some(bytes)) => {
                if let Err(error) = upload.write(bytes).await {
                    // Why the CAR was refused is what its sender should hear, though nothing could be kept.
                    let _not_kept = upload.keep().await;
                    read_out(body).await;
                    return Err(error.into());
                }
            }
            Err(error) => {
                let _not_kept = upload.keep().await;
                return Err(error);
            }
        }
    }
    let taken = upload.finish().await?;
    routes.pins.blocks_came(&request.core).await?;
    let mut published: Vec<ContentReceipt> = Vec::new();
    if let Some((to, _slash)) = to {
        for (root, path) in places(&taken.roots, &to)? {
            let target =
                Target { path: kubelt_node::content_path(&path)?, visibility, partial, media_type: None };
            let stored = routes.content.link(&session, &request.core, target, root).await?;
            published.push(receipt(&path, &stored));
        }
    }
    let roots = taken.roots.iter().map(ToString::to_string).collect();
    let receipt = CarReceipt { roots, blocks: taken.blocks, bytes: taken.bytes, published };
    Ok((StatusCode::CREATED, Json(receipt)).into_response())
}

/// Which root goes where.
fn places(roots: &[Cid], to: &[String]) -> Result<Vec<(Cid, Vec<String>)>, ApiError> {
    let refuse = |detail: String| Err(ApiError::new(Code::BadRequest, detail));
    match roots {
        [] => refuse("the CAR names no root; give a path with `/-/content/{path}?cid=…`".to_owned()),
        [root] => Ok(vec![(*root, to.to_vec())]),
        roots if roots.len() > CAR_PUBLISHED_ROOTS_MAX => refuse(format!(
            "the CAR names {} roots; {CAR_PUBLISHED_ROOTS_MAX} at most are given paths at once",
            roots.len()
        )),
        roots => {
            let below = |root: &Cid| to.iter().cloned().chain([root.to_string()]).collect();
            Ok(roots.iter().map(|root| (*root, below(root))).collect())
        }
    }
}

fn check_media_type(request: &CoreRequest) -> Result<(), ApiError> {
    let kind =
        request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().is_some_and(|kind| kind.trim() == CAR) {
        return Ok(());
    }
    Err(ApiError::new(Code::UnsupportedMediaType, format!("send a CAR with `Content-Type: {CAR}`")))
}
