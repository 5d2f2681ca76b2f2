//! Errors as RFC 9457 problem details.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error as a client sees it (RFC 9457). Never a stack trace, never whether a private thing exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable id of the kind of error: `urn:kubelt:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of error in words; the same for every error of its kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and what to do about it.
    pub detail: String,
    /// The request's id, which the node's log carries too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl Problem {
    /// The problem of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:kubelt:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            instance: None,
        }
    }

    /// The code in its `type`, where this version knows it.
    pub fn code(&self) -> Option<Code> {
        let name = self.kind.strip_prefix("urn:kubelt:problem:")?;
        Code::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)*) => {
        /// Every kind of error, with its stable name, HTTP status and title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: [Self; [$($status),*].len()] = [$(Self::$name),*];

            /// The stable name, as in `urn:kubelt:problem:not-found`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The title.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be understood.
    BadRequest = "bad-request", 400, "The request cannot be understood";
    /// A path breaks a rule.
    BadPath = "bad-path", 400, "The path is not allowed";
    /// A CID cannot be read.
    BadCid = "bad-cid", 400, "Not a CID";
    /// A CAR is malformed, truncated, or lies about a hash.
    BadCar = "bad-car", 400, "The CAR is not valid";
    /// A sign-in is wrong, altered, expired or replayed.
    BadSignIn = "bad-sign-in", 401, "The sign-in was refused";
    /// No session, or one that has ended.
    Unauthorized = "unauthorized", 401, "Sign in first";
    /// The session may not do this.
    Forbidden = "forbidden", 403, "Not allowed";
    /// Nothing here, or nothing that this reader may know of.
    NotFound = "not-found", 404, "Not found";
    /// The method does not fit the route.
    MethodNotAllowed = "method-not-allowed", 405, "Method not allowed";
    /// The representation asked for cannot be given.
    NotAcceptable = "not-acceptable", 406, "Not acceptable";
    /// The operator of this node does not serve it.
    Gone = "gone", 410, "Not served here";
    /// The request took too long to arrive.
    Timeout = "timeout", 408, "The request took too long";
    /// The state has changed, or what the request needs is not there yet.
    Conflict = "conflict", 409, "Conflict";
    /// Others must agree first.
    VotesNeeded = "votes-needed", 409, "Others must agree";
    /// The DAG is not whole.
    Incomplete = "incomplete", 409, "Blocks are missing";
    /// A precondition of the request fails.
    PreconditionFailed = "precondition-failed", 412, "Precondition failed";
    /// The body is too large.
    TooLarge = "too-large", 413, "Too large";
    /// The media type is not taken here.
    UnsupportedMediaType = "unsupported-media-type", 415, "Media type not supported";
    /// The range lies outside of the content.
    RangeNotSatisfiable = "range-not-satisfiable", 416, "Range not satisfiable";
    /// The content, or what the request asks of it, makes no sense.
    Unprocessable = "unprocessable", 422, "The content cannot be read";
    /// An operation breaks a rule of the log.
    BadOperation = "bad-operation", 422, "The operation was refused";
    /// An operation waits for something: its predecessors, or its date.
    Pending = "pending", 425, "The operation cannot be judged yet";
    /// Too many requests.
    RateLimited = "rate-limited", 429, "Too many requests";
    /// The core's quota is used up.
    QuotaExceeded = "quota-exceeded", 507, "The quota is used up";
    /// The node has failed.
    Internal = "internal", 500, "The node has failed";
    /// Not supported by this node yet.
    NotImplemented = "not-implemented", 501, "Not supported";
    /// Another node, which the request is about, was not reached or refused.
    Unreachable = "unreachable", 502, "The other node cannot be used";
    /// What others have did not arrive in time.
    GatewayTimeout = "gateway-timeout", 504, "The content did not arrive in time";
    /// The node cannot write at the moment: full or read-only disk, or shutting down.
    Unavailable = "unavailable", 503, "The node cannot do this at the moment";
}
