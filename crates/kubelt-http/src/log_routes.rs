//! `/@core/-/ops`, `heads`, `car`, and `/-/car`: logs and whole cores.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use kubelt_api::{
    Code, CoreImport, Heads, OpPost, OpPostEntry, OpReceipt, OpReceipts, OpView, OpsPage, SignatureScheme,
};
use kubelt_core::{Header, Hlc, OpId, Scheme, Signed, signature::scheme_of};
use kubelt_node::{
    Exchange, OpsOrder, Session,
    exchange::{CoreExport, ExportError, LoggedOp, PostedOp},
};
use tokio::sync::mpsc;

use crate::{
    body::{next_bytes, read_out},
    car_upload,
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::{ANONYMOUS_JSON_BYTES_MAX, CAR_PIECES_AHEAD, JSON_BYTES_MAX, OPS_PER_POST_MAX},
    passkey,
    problem::ApiError,
    time::rfc3339,
};

/// Serves `/@core/-/ops`.
pub(crate) async fn ops(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    match request.method {
        Method::GET | Method::HEAD => read_ops(&routes.exchange, request).await,
        Method::POST => post_ops(routes, request, body).await,
        _ => Err(request.method_not_allowed()),
    }
}

async fn read_ops(exchange: &Exchange, request: &CoreRequest) -> Result<Response, ApiError> {
    let order = match request.query.get("order") {
        None | Some("asc") => OpsOrder::Forward,
        Some("desc") => OpsOrder::Backward,
        Some(_) => return Err(ApiError::new(Code::BadRequest, "`order` is `asc` or `desc`")),
    };
    let after = request.query.get("cursor").map(read_cursor).transpose()?;
    let limit = request.query.limit()?;
    let page = exchange.ops(&request.reader, &request.core, after, order, limit).await?;
    let view = OpsPage {
        genesis: STANDARD.encode(&page.genesis),
        ops: page.ops.into_iter().map(op_view).collect(),
        next: page.next.map(|(at, id)| format!("{:x}-{id}", at.bits())),
    };
    Ok(Json(view).into_response())
}

fn read_cursor(text: &str) -> Result<(Hlc, OpId), ApiError> {
    let read = || {
        let (at, id) = text.split_once('-')?;
        Some((Hlc::from_bits(u64::from_str_radix(at, 16).ok()?), id.parse().ok()?))
    };
    read().ok_or_else(|| ApiError::new(Code::BadRequest, "`cursor` is not one that this list gave out"))
}

fn op_view(op: LoggedOp) -> OpView {
    OpView {
        id: op.id.to_string(),
        at: rfc3339(op.signed.header.at.ms()),
        by: op.signed.header.by.to_string(),
        verb: op.signed.header.verb.to_string(),
        path: op.path.map(|path| path.to_string()),
        effective: op.effective,
        signed: STANDARD.encode(&op.signed_bytes),
        body: op.body.map(|body| STANDARD.encode(body)),
        login: op.login.map(|login| STANDARD.encode(login)),
    }
}

async fn post_ops(routes: &CoreRoutes, request: &CoreRequest, body: Body) -> Result<Response, ApiError> {
    let bytes_max = match request.reader.session() {
        Some(session) => {
            routes.rates.write(session.account())?;
            JSON_BYTES_MAX
        }
        None => {
            routes.rates.sign_in(request.client)?;
            ANONYMOUS_JSON_BYTES_MAX
        }
    };
    let post: OpPost = json::read(body, bytes_max).await?;
    if post.ops.len() > OPS_PER_POST_MAX {
        return Err(ApiError::new(Code::TooLarge, format!("post {OPS_PER_POST_MAX} operations at most")));
    }
    let posted = post.ops.iter().map(posted).collect::<Result<Vec<_>, _>>()?;
    let mut receipts = Vec::with_capacity(posted.len());
    for result in routes.exchange.post(&request.reader, &request.core, &posted).await {
        let written = result?;
        receipts.push(OpReceipt { id: written.id.to_string(), effective: written.effective });
    }
    Ok((StatusCode::CREATED, Json(OpReceipts { ops: receipts })).into_response())
}

/// An operation as it was posted, whole or as a draft and its signature.
pub(crate) fn posted(op: &OpPostEntry) -> Result<PostedOp, ApiError> {
    let decode = |text: &str| {
        STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(|_cause| ApiError::new(Code::BadRequest, "a block is not base64"))
    };
    let signed = match (&op.signed, &op.header, &op.signature, &op.passkey) {
        (Some(signed), None, None, None) => decode(signed)?,
        (None, Some(header), Some(signature), None) => join(&decode(header)?, signature, op.scheme)?,
        (None, Some(header), None, Some(response)) => {
            let signature = passkey::signature(response, Code::BadOperation)?;
            Signed { header: header_of(&decode(header)?)?, scheme: Scheme::Webauthn, signature, block: None }
                .encode()
                .into()
        }
        _ => {
            return Err(ApiError::new(
                Code::BadRequest,
                "an operation is posted as `signed`, or as `header` and `signature` or `passkey`",
            ));
        }
    };
    Ok(PostedOp { signed, body: decode(&op.body)?, login: op.login.as_deref().map(decode).transpose()? })
}

/// The signed header of a draft and its account's signature.
fn join(header: &[u8], signature: &str, scheme: Option<SignatureScheme>) -> Result<Bytes, ApiError> {
    let header = header_of(header)?;
    let signature = signature
        .strip_prefix("0x")
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or_else(|| ApiError::new(Code::BadOperation, "the signature is not hex with `0x`"))?;
    let scheme = match scheme {
        None | Some(SignatureScheme::Text) => scheme_of(&header.by),
        Some(SignatureScheme::TypedData) => Scheme::Eip712,
    };
    Ok(Signed { header, scheme, signature, block: None }.encode().into())
}

fn header_of(header: &[u8]) -> Result<Header, ApiError> {
    Header::decode(header).map_err(|error| ApiError::new(Code::BadOperation, error.to_string()))
}

/// Serves `/@core/-/heads`.
pub(crate) async fn heads(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(request.method_not_allowed());
    }
    let (heads, count) = routes.exchange.heads(&request.reader, &request.core).await?;
    Ok(Json(Heads { heads: heads.iter().map(ToString::to_string).collect(), count }).into_response())
}

/// Serves `/@core/-/car`: GET exports the core, POST uploads blocks to it.
pub(crate) async fn car(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    match request.method {
        Method::GET => export(&routes.exchange, request).await,
        Method::POST => car_upload::serve(routes, request, body).await,
        _ => Err(request.method_not_allowed()),
    }
}

async fn export(exchange: &Exchange, request: &CoreRequest) -> Result<Response, ApiError> {
    let export = exchange.export(&request.reader, &request.core).await?;
    let (pieces, stream) = mpsc::channel(1);
    tokio::spawn(send(export, pieces));
    let stream = tokio_stream::StreamExt::map(tokio_stream::wrappers::ReceiverStream::new(stream), |piece| {
        piece.map(Frame::data)
    });
    let mut response = Body::new(StreamBody::new(stream)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.ipld.car; version=1"));
    let name = format!("attachment; filename=\"{}.car\"", request.core);
    headers
        .insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).expect("a core id is plain ASCII"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// Sends an export as fast as its client takes it. A thread is held only while pieces are made, not while
/// they wait: a client that takes nothing keeps nothing busy.
async fn send(mut export: CoreExport, pieces: mpsc::Sender<Result<Bytes, ExportError>>) {
    loop {
        let making = tokio::task::spawn_blocking(move || {
            let made: Vec<_> = export.by_ref().take(CAR_PIECES_AHEAD).collect();
            (export, made)
        });
        let (rest, made) = making.await.expect("reading an export does not panic");
        export = rest;
        if made.is_empty() {
            return;
        }
        for piece in made {
            let broken = piece.is_err();
            // The receiver is gone when the client is.
            if pieces.send(piece).await.is_err() || broken {
                return;
            }
        }
    }
}

/// Imports a whole core (`POST /-/car`).
pub(crate) async fn import(
    exchange: &Exchange,
    session: Arc<Session>,
    mut body: Body,
) -> Result<Response, ApiError> {
    let mut import = exchange.import(session);
    while let Some(bytes) = next_bytes(&mut body).await? {
        if let Err(error) = import.write(bytes).await {
            read_out(body).await;
            return Err(error.into());
        }
    }
    let done = import.finish().await?;
    let name = done.account.map_or_else(|| done.core.to_string(), |account| account.to_string());
    let view = CoreImport {
        core: done.core.to_string(),
        path: format!("/@{name}"),
        ops: done.ops,
        ops_new: done.ops_new,
        ops_effective: done.ops_effective,
        blocks: done.blocks,
        bytes: done.bytes,
        incomplete: done.incomplete.iter().map(ToString::to_string).collect(),
    };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}
