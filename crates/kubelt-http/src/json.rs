//! JSON bodies: bounded, and refused with a problem document.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::header,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kubelt_api::Code;
use serde::de::DeserializeOwned;

use crate::{body::within_time, limits::ANONYMOUS_JSON_BYTES_MAX, problem::ApiError};

/// A JSON body of `T`.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let is_json =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(
                |value| {
                    value
                        .split(';')
                        .next()
                        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
                },
            );
        if !is_json {
            return Err(ApiError::new(
                Code::UnsupportedMediaType,
                "send JSON with `Content-Type: application/json`",
            ));
        }
        read(request.into_body(), ANONYMOUS_JSON_BYTES_MAX).await.map(Self)
    }
}

/// Reads a JSON body of `bytes_max` at most.
pub(crate) async fn read<T: DeserializeOwned>(body: Body, bytes_max: usize) -> Result<T, ApiError> {
    let bytes = bytes(body, bytes_max).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::new(Code::BadRequest, format!("not the JSON expected: {error}")))
}

/// Reads a body of `bytes_max` at most.
pub(crate) async fn bytes(body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let collected = within_time(Limited::new(body, bytes_max).collect()).await?;
    let collected = collected.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => ApiError::new(Code::TooLarge, format!("the body is over {bytes_max} bytes")),
        None => ApiError::new(Code::BadRequest, "the body broke off"),
    })?;
    Ok(collected.to_bytes())
}
