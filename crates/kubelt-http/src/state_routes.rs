//! `/@core/-/state/…`: the map of a core read, and its settings written.

use axum::{
    Json,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use kubelt_api::{Code, OpReceipt, StateEntry, StatePage};
use kubelt_content::{Codec, Ipld};
use kubelt_core::MapPath;
use kubelt_node::exchange::StateRow;

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::VALUE_JSON_BYTES_MAX,
    problem::ApiError,
    time::rfc3339,
};

/// Serves `/@core/-/state/{path}`: GET reads the state at and below it, PUT sets a value (dag-json), DELETE
/// clears it.
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    match request.method {
        Method::GET | Method::HEAD => read(routes, request).await,
        Method::PUT => set(routes, request, Some(body)).await,
        Method::DELETE => set(routes, request, None).await,
        _ => Err(request.method_not_allowed()),
    }
}

async fn set(routes: &CoreRoutes, request: &CoreRequest, body: Option<Body>) -> Result<Response, ApiError> {
    let session = request.session()?;
    routes.rates.write(session.account())?;
    let path = MapPath::new(request.path.join("/")).map_err(bad_path)?;
    routes.content.may_write(&session, &request.core, &path).await?;
    let value = match body {
        Some(body) => dag_json(&json::bytes(body, VALUE_JSON_BYTES_MAX).await?)?,
        None => Ipld::Null,
    };
    let written = routes.exchange.set(&session, &request.core, path, value).await?;
    let receipt = OpReceipt { id: written.id.to_string(), effective: written.effective };
    Ok((StatusCode::OK, Json(receipt)).into_response())
}

pub(crate) fn dag_json(bytes: &[u8]) -> Result<Ipld, ApiError> {
    let refuse = |error| ApiError::new(Code::BadRequest, format!("the value is not dag-json: {error}"));
    match Codec::DagJson.decode(bytes).map_err(refuse)? {
        Ipld::Null => Err(ApiError::new(Code::BadRequest, "null clears a path; use DELETE for that")),
        value => Ok(value),
    }
}

async fn read(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let after = request.query.get("cursor").map(MapPath::new).transpose().map_err(bad_path)?;
    let under = (!request.path.is_empty())
        .then(|| MapPath::new(request.path.join("/")))
        .transpose()
        .map_err(bad_path)?;
    let limit = request.query.limit()?;
    let page =
        routes.exchange.state(&request.reader, &request.core, under.as_ref(), after.as_ref(), limit).await?;
    let entries = page.rows.iter().map(state_entry).collect::<Result<_, _>>()?;
    Ok(Json(StatePage { entries, next: page.next.map(|path| path.to_string()) }).into_response())
}

fn bad_path(error: kubelt_core::PathError) -> ApiError {
    ApiError::new(Code::BadPath, error.to_string())
}

fn state_entry(row: &StateRow) -> Result<StateEntry, ApiError> {
    let damaged =
        || ApiError::new(Code::Internal, "a value of the state cannot be shown; run `kubelt doctor`");
    let value: Ipld = Codec::DagCbor.decode(&row.value).map_err(|_cause| damaged())?;
    let json = Codec::DagJson.encode(&value).map_err(|_cause| damaged())?;
    Ok(StateEntry {
        path: row.path.to_string(),
        value: serde_json::from_slice(&json).map_err(|_cause| damaged())?,
        op: row.op.to_string(),
        at: rfc3339(row.at.ms()),
    })
}
