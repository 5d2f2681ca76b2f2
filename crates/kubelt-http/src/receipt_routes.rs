//! `/@core/-/receipts/{path}`: whether a stranger can fetch what is published there.

use std::convert::Infallible;

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use kubelt_api::{ReceiptOf, Visibility, WayView};
use kubelt_core::schema;
use kubelt_node::{Published, Way};
use serde::Serialize;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    delegated::wants_ndjson,
    problem::ApiError,
};

/// Serves `GET` of `/@core/-/receipts/{path}`: all at once as JSON, or as NDJSON, first what it is about, then each
/// way as soon as it was tried.
pub(crate) async fn serve(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let session = request.session()?;
    if request.method != Method::GET {
        return Err(request.method_not_allowed());
    }
    routes.rates.lookup(request.client)?;
    let (published, ways) = routes.receipts.make(&session, request.core, &request.path).await?;
    let (of, mut ways) = (about(published), ReceiverStream::new(ways).map(view));
    let mut response = if wants_ndjson(&request.headers) {
        let lines = tokio_stream::once(line(&of)).chain(ways.map(|way| line(&way)));
        let mut response = Body::from_stream(lines).into_response();
        let kind = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    } else {
        let mut all = Vec::new();
        while let Some(way) = ways.next().await {
            all.push(way);
        }
        Json(kubelt_api::Receipt::new(of, all)).into_response()
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    Ok(response)
}

fn line(value: &impl Serialize) -> Result<Bytes, Infallible> {
    let mut line = serde_json::to_vec(value).expect("wire types are always JSON");
    line.push(b'\n');
    Ok(line.into())
}

fn about(published: Published) -> ReceiptOf {
    let (visibility, readers) = match published.visibility {
        schema::Visibility::Public => (Visibility::Public, "anybody, on the ways that are open"),
        schema::Visibility::Members => (
            Visibility::Members,
            "members of the core who may read this path, with a session; strangers have no way in",
        ),
        schema::Visibility::Private => {
            (Visibility::Private, "the owner of the core alone, with a session; strangers have no way in")
        }
    };
    ReceiptOf {
        core: published.core.to_string(),
        path: published.path,
        cid: published.cid.to_string(),
        visibility,
        readers: readers.to_owned(),
    }
}

fn view(way: Way) -> WayView {
    let Way { kind, at, outcome } = way;
    let view = WayView {
        way: kind.as_str().to_owned(),
        at,
        open: outcome.is_ok(),
        from: None,
        step: None,
        detail: String::new(),
        remedy: None,
    };
    match outcome {
        Ok(open) => WayView { from: Some(open.nearness.as_str().to_owned()), detail: open.detail, ..view },
        Err(shut) => WayView {
            step: Some(shut.step.as_str().to_owned()),
            detail: shut.why,
            remedy: shut.remedy,
            ..view
        },
    }
}
