//! What can go wrong between here and a node.

use std::io;

use kubelt_api::{Code, Problem};

use super::NodeUrl;

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The node says what is wrong.
    #[error("{}", in_words(problem))]
    Problem {
        problem: Problem,
        /// Seconds after which the node wants to be asked again.
        retry_after: Option<u64>,
    },
    /// Nobody answers at this address.
    #[error(
        "no node at {node}: start one with `cargo xtask up` or `kubelt node`, or name another with `--node`"
    )]
    NoNode { node: NodeUrl },
    /// The connection was lost or never worked.
    #[error("the connection to {node} failed")]
    Connection { node: NodeUrl, source: Box<ureq::Error> },
    /// Whatever answers there does not speak this API.
    #[error("{node} answers with status {status} and no problem document; is it a kubelt node?")]
    NotANode { node: NodeUrl, status: u16 },
    /// The thing is at another address of the node.
    #[error("it is at {node}{path}")]
    Moved { node: NodeUrl, path: String },
    /// An answer that this version cannot read.
    #[error("cannot read the answer of {node}; it may be of another version")]
    Unreadable { node: NodeUrl, source: Box<ureq::Error> },
    /// A request that cannot be put into HTTP.
    #[error("the request cannot be made")]
    Request(#[from] ureq::http::Error),
    /// The file that is sent failed.
    #[error("cannot read what is to be sent")]
    Body(#[source] io::Error),
}

impl ClientError {
    pub(super) fn transport(node: &NodeUrl, error: ureq::Error) -> Self {
        let node = node.clone();
        match error {
            ureq::Error::Io(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                Self::NoNode { node }
            }
            ureq::Error::HostNotFound => Self::NoNode { node },
            error => Self::Connection { node, source: Box::new(error) },
        }
    }

    /// The node's own code for it.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Problem { problem, .. } => problem.code(),
            _ => None,
        }
    }

    /// Whether the same request may do better a little later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::NoNode { .. } | Self::Connection { .. } => true,
            Self::NotANode { status, .. } => matches!(status, 502..=504),
            Self::Problem { .. } => {
                matches!(self.code(), Some(Code::Timeout | Code::RateLimited | Code::Unavailable))
            }
            Self::Moved { .. } | Self::Unreadable { .. } | Self::Request(_) | Self::Body(_) => false,
        }
    }

    /// Seconds after which the node wants to be asked again.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// `the core is not yours (forbidden)`; where a session is missing, also how to get one.
fn in_words(problem: &Problem) -> String {
    let code = problem.kind.strip_prefix("urn:kubelt:problem:").unwrap_or(&problem.kind);
    let remedy = match problem.code() {
        Some(Code::Unauthorized) if !problem.detail.contains("kubelt login") => {
            "; sign in with `kubelt login --wallet NAME`"
        }
        _ => "",
    };
    let detail = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    format!("{detail}{remedy} ({code})")
}
