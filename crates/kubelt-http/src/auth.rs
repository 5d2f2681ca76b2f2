//! Bearer tokens (RFC 6750).

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use kubelt_node::{Reader, Session, Sessions};

use crate::problem::ApiError;

/// Somebody who signed in.
#[derive(Debug)]
pub(crate) struct SignedIn(pub(crate) Arc<Session>);

impl SignedIn {
    /// The session of the request's token.
    ///
    /// # Errors
    /// 401 where there is no token, or its session has ended.
    pub(crate) fn from_headers(sessions: &Sessions, headers: &HeaderMap) -> Result<Self, ApiError> {
        match reader(sessions, headers)? {
            Reader::Session(session) => Ok(Self(session)),
            Reader::Anonymous => Err(ApiError::unauthorized()),
        }
    }
}

/// Who asks: a token that is there must be good.
pub(crate) fn reader(sessions: &Sessions, headers: &HeaderMap) -> Result<Reader, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Reader::Anonymous) };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let session = sessions.authenticate(token.ok_or_else(ApiError::unauthorized)?)?;
    session.map(Reader::Session).ok_or_else(ApiError::unauthorized)
}
