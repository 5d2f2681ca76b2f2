//! Answers in Kubo's form.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use kubelt_node::{ResolveError, RpcError, UploadError};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use crate::{limits::CAR_PIECES_AHEAD, problem::ApiError};

/// Set where the body is a row of JSON values, one a line.
const CHUNKED_OUTPUT: HeaderName = HeaderName::from_static("x-chunked-output");
/// Set where the body is bytes.
const STREAM_OUTPUT: HeaderName = HeaderName::from_static("x-stream-output");
/// How many bytes are to come, where that is known.
const CONTENT_LENGTH: HeaderName = HeaderName::from_static("x-content-length");

/// What a command answers when it cannot do what was asked.
#[derive(Debug)]
pub(super) struct KuboError {
    status: StatusCode,
    message: String,
    plain: bool,
}

impl KuboError {
    /// A command that failed: 500, as Kubo answers nearly everything.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message: message.into(), plain: false }
    }

    /// A call that cannot be read.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into(), plain: true }
    }

    pub(super) fn unknown_command() -> Self {
        Self { status: StatusCode::NOT_FOUND, message: "404 page not found".to_owned(), plain: true }
    }

    pub(super) fn unauthorized() -> Self {
        let message = "this needs a session; sign in and send its token as `Authorization: Bearer …`";
        Self { status: StatusCode::UNAUTHORIZED, message: message.to_owned(), plain: false }
    }

    pub(super) fn forbidden(message: &str) -> Self {
        Self { status: StatusCode::FORBIDDEN, message: message.to_owned(), plain: false }
    }

    /// What went wrong.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for KuboError {
    fn into_response(self) -> Response {
        if self.plain {
            return (self.status, self.message).into_response();
        }
        let body = json!({ "Message": self.message, "Code": 0, "Type": "error" });
        (self.status, axum::Json(body)).into_response()
    }
}

impl From<ApiError> for KuboError {
    fn from(error: ApiError) -> Self {
        Self::failed(error.detail())
    }
}

impl From<RpcError> for KuboError {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::Upload(error) => error.into(),
            RpcError::Load(error) => ApiError::from(error).into(),
            RpcError::Store(error) => ApiError::from(error).into(),
            RpcError::Forbidden => Self::forbidden(&error.to_string()),
            RpcError::Read(source) => Self::failed(chain(&*source)),
            RpcError::Walk(source) => Self::failed(chain(&*source)),
            other => Self::failed(chain(&other)),
        }
    }
}

impl From<ResolveError> for KuboError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Own(_) => {
                tracing::error!(error = chain(&error), "a name could not be brought up to date");
                Self::failed("the name of the core could not be brought up to date; try again")
            }
            other => Self::failed(format!("could not resolve name: {}", chain(&other))),
        }
    }
}

impl From<UploadError> for KuboError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Forbidden(_) | UploadError::NotFound => Self::forbidden(&error.to_string()),
            other => ApiError::from(other).into(),
        }
    }
}

/// An error with its causes; none of those that come here holds anything of the machine.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// One JSON value.
pub(super) fn one(value: &Value) -> Response {
    typed(Body::from(line(value)), "application/json")
}

/// JSON values, one a line, all there already.
pub(super) fn lines(values: &[Value]) -> Response {
    let body: Vec<u8> = values.iter().flat_map(line).collect();
    chunked(Body::from(body))
}

/// A body of JSON values, one a line.
pub(super) fn chunked(body: Body) -> Response {
    let mut response = typed(body, "application/json");
    response.headers_mut().insert(CHUNKED_OUTPUT, HeaderValue::from_static("1"));
    response
}

/// A body of bytes.
pub(super) fn bytes(body: Body, media_type: &'static str, length: Option<u64>) -> Response {
    let mut response = typed(body, media_type);
    let headers = response.headers_mut();
    headers.insert(STREAM_OUTPUT, HeaderValue::from_static("1"));
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

pub(super) fn typed(body: Body, media_type: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type)], body).into_response()
}

pub(super) fn line(value: &Value) -> Bytes {
    let mut text = value.to_string();
    text.push('\n');
    Bytes::from(text)
}

/// A body of pieces that are made as the client takes them. What fails before the first piece is an answer of its
/// own; what fails later breaks the body off, which every client notices.
pub(super) async fn stream<I>(mut pieces: I) -> Result<Body, KuboError>
where
    I: Iterator<Item = Result<Bytes, KuboError>> + Send + 'static,
{
    let making = tokio::task::spawn_blocking(move || {
        let first = pieces.next();
        (pieces, first)
    });
    let (pieces, first) = making.await.expect("making a piece does not panic");
    let Some(first) = first.transpose()? else { return Ok(Body::empty()) };
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(send(pieces, sender));
    let rest = ReceiverStream::new(receiver);
    let all = tokio_stream::once(Ok(first)).chain(rest);
    Ok(Body::new(StreamBody::new(all.map(|piece| piece.map(Frame::data)))))
}

/// A body of lines that a task sends.
pub(super) async fn sent(mut lines: mpsc::Receiver<Result<Bytes, KuboError>>) -> Result<Body, KuboError> {
    let Some(first) = lines.recv().await.transpose()? else { return Ok(Body::empty()) };
    let rest = ReceiverStream::new(lines).map(|line| line.map_err(broken));
    let all = tokio_stream::once(Ok(first)).chain(rest);
    Ok(Body::new(StreamBody::new(all.map(|piece| piece.map(Frame::data)))))
}

async fn send<I>(mut pieces: I, sender: mpsc::Sender<Result<Bytes, std::io::Error>>)
where
    I: Iterator<Item = Result<Bytes, KuboError>> + Send + 'static,
{
    loop {
        let making = tokio::task::spawn_blocking(move || {
            let made: Vec<_> = pieces.by_ref().take(CAR_PIECES_AHEAD).collect();
            (pieces, made)
        });
        let (rest, made) = making.await.expect("making pieces does not panic");
        pieces = rest;
        if made.is_empty() {
            return;
        }
        for piece in made {
            let is_broken = piece.is_err();
            // The receiver is gone when the client is.
            if sender.send(piece.map_err(broken)).await.is_err() || is_broken {
                return;
            }
        }
    }
}

fn broken(error: KuboError) -> std::io::Error {
    tracing::debug!(error = error.message, "an answer was broken off");
    std::io::Error::other(error.message)
}
