//! `/@core/-/sealed/{path}`: sealed content and who can open it; `/@core/-/keys`: the keys to seal to.

use axum::{
    Json,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use kubelt_api::{Code, DeviceJwk, DeviceKeySet, KeyProof, SealedView};
use kubelt_content::{Codec, Ipld};
use kubelt_core::{ContentEntry, MapPath, SchemaError, schema};
use kubelt_node::exchange::PublishedKey;

use crate::{
    content_routes::{check_precondition, receipt, wire_visibility},
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::VALUE_JSON_BYTES_MAX,
    problem::ApiError,
    state_routes::dag_json,
};

/// Serves `/@core/-/sealed/{path}`: GET says who can open what stands there, PUT puts a sealed DAG there, whose blocks the
/// core has uploaded.
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    match request.method {
        Method::GET | Method::HEAD => read(routes, request).await,
        Method::PUT => put(routes, request, body).await,
        _ => Err(request.method_not_allowed()),
    }
}

async fn read(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let found = routes.content.sealed(&request.reader, &request.core, &request.path).await?;
    let encryption = Codec::DagJson
        .encode(&Ipld::Map(found.encryption.to_fields()))
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| ApiError::new(Code::Internal, "the entry cannot be shown; run `kubelt doctor`"))?;
    let view = SealedView {
        path: request.path.join("/"),
        cid: found.entry.cid.to_string(),
        size: found.entry.size,
        visibility: wire_visibility(found.entry.visibility),
        media_type: found.entry.media_type,
        op: found.op.to_string(),
        encryption,
    };
    Ok(Json(view).into_response())
}

async fn put(routes: &CoreRoutes, request: &CoreRequest, body: Body) -> Result<Response, ApiError> {
    let session = request.session()?;
    routes.rates.write(session.account())?;
    let path = kubelt_node::content_path(&request.path)?;
    let content = &routes.content;
    content.may_write(&session, &request.core, &path).await?;
    check_precondition(content, request).await?;
    let entry = sealed_entry(&json::bytes(body, VALUE_JSON_BYTES_MAX).await?, &path)?;
    let stored = content.put_entry(&session, &request.core, path, entry).await?;
    Ok((StatusCode::CREATED, Json(receipt(&request.path, &stored))).into_response())
}

/// Reads an entry of sealed content that is to stand at a path.
pub(crate) fn sealed_entry(json: &[u8], path: &MapPath) -> Result<ContentEntry, ApiError> {
    let value = dag_json(json)?;
    let entry = entry(&value)?;
    if entry.encryption.is_none() {
        return Err(ApiError::new(
            Code::BadOperation,
            "the field `encryption` is missing: this is not sealed",
        ));
    }
    let fits = schema::check_new(path, &value);
    fits.map_err(|error| ApiError::new(Code::BadOperation, error.to_string()))?;
    Ok(entry)
}

/// Reads an entry of content. (Its `encryption` is judged where the operation is made.)
pub(crate) fn entry(value: &Ipld) -> Result<ContentEntry, ApiError> {
    let refuse = |error: SchemaError| ApiError::new(Code::BadOperation, error.to_string());
    ContentEntry::from_ipld(value).map_err(refuse)
}

/// Serves `GET /@core/-/keys`.
pub(crate) fn keys(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(request.method_not_allowed());
    }
    let keys = routes.exchange.keys(&request.core)?.iter().map(jwk).collect();
    Ok(Json(DeviceKeySet { keys }).into_response())
}

fn jwk(key: &PublishedKey) -> DeviceJwk {
    DeviceJwk {
        kty: "OKP".to_owned(),
        crv: "X25519".to_owned(),
        x: URL_SAFE_NO_PAD.encode(key.key.x25519),
        kid: key.device.clone(),
        purpose: "enc".to_owned(),
        alg: "ECDH-ES+A256KW".to_owned(),
        proof: KeyProof { signed: STANDARD.encode(&key.signed), body: STANDARD.encode(&key.body) },
    }
}
