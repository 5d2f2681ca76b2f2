//! `/@core/-/proofs/{path}`: where content came from, as a block that anybody can check without a node.

use axum::{
    http::{Method, header},
    response::{IntoResponse, Response},
};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    problem::ApiError,
};

const DAG_CBOR: &str = "application/vnd.ipld.dag-cbor";

/// Serves `GET /@core/-/proofs/{path}`.
pub(crate) async fn serve(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(request.method_not_allowed());
    }
    let proof = routes.exchange.provenance(&request.reader, &request.core, &request.path).await?;
    Ok(([(header::CONTENT_TYPE, DAG_CBOR)], proof.encode()).into_response())
}
