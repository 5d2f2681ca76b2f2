//! A client of a node's HTTP API: one blocking connection pool, typed calls, errors in words.
//!
//! [`calls`] has one method for each route that the command line uses; the types are those of `kubelt-api`.

mod calls;
mod error;
mod node_url;
mod pins;
mod place;

use std::io::{self, Read};

use kubelt_api::{PROBLEM_JSON, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{HeaderName, Method, Response, header, request};
use ureq::{Agent, Body, SendBody};

pub(crate) use calls::{Link, Sending};
pub(crate) use error::ClientError;
pub(crate) use node_url::NodeUrl;
pub(crate) use place::{CorePlace, encode as encode_segment, gateway_path};

use crate::limits::{CONNECT_TIME_MAX, JSON_BYTES_MAX, PROBLEM_BYTES_MAX, SILENCE_TIME_MAX};

/// A node, and the session that requests to it carry. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
    node: NodeUrl,
    token: Option<String>,
}

/// Bytes that are coming, and what the node says of them.
pub(crate) struct Download {
    /// The CID in the `ETag`, where it names one.
    pub(crate) cid: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) bytes: Option<u64>,
    /// Whether this is only a part of the content.
    pub(crate) partial: bool,
    /// By which ways the node has fetched what it did not have, as far as it had when it answered.
    pub(crate) ways: Vec<String>,
    pub(crate) body: Box<dyn Read>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("cid", &self.cid).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of `node`, with the token of a session or as anybody.
    pub(crate) fn new(node: NodeUrl, token: Option<String>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIME_MAX))
            .timeout_per_read(Some(SILENCE_TIME_MAX))
            .timeout_per_write(Some(SILENCE_TIME_MAX))
            .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { agent, node, token }
    }

    /// The node.
    pub(crate) const fn node(&self) -> &NodeUrl {
        &self.node
    }

    fn request(&self, method: Method, path: &str) -> request::Builder {
        let request = request::Builder::new().method(method).uri(format!("{}{path}", self.node));
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// Sends a request; an answer that is not a success is an error.
    fn send(&self, request: request::Builder, body: SendBody<'_>) -> Result<Response<Body>, ClientError> {
        let request = request.body(body)?;
        let response = self.agent.run(request).map_err(|error| ClientError::transport(&self.node, error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response)) }
    }

    fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = self.request(Method::GET, path).header(header::ACCEPT, "application/json");
        self.read_json(self.send(request, SendBody::none())?)
    }

    fn post_json<T: DeserializeOwned>(&self, path: &str, value: &impl Serialize) -> Result<T, ClientError> {
        self.read_json(self.post(path, value)?)
    }

    fn post(&self, path: &str, value: &impl Serialize) -> Result<Response<Body>, ClientError> {
        let json = serde_json::to_vec(value).expect("wire types are always JSON");
        let request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, json.len());
        self.send(request, SendBody::from_reader(&mut json.as_slice()))
    }

    fn read_json<T: DeserializeOwned>(&self, mut response: Response<Body>) -> Result<T, ClientError> {
        response
            .body_mut()
            .with_config()
            .limit(JSON_BYTES_MAX)
            .read_json()
            .map_err(|source| ClientError::Unreadable { node: self.node.clone(), source: Box::new(source) })
    }

    fn read_bytes(&self, mut response: Response<Body>, bytes_max: u64) -> Result<Vec<u8>, ClientError> {
        let read = response.body_mut().with_config().limit(bytes_max).read_to_vec();
        read.map_err(|source| ClientError::Unreadable { node: self.node.clone(), source: Box::new(source) })
    }

    fn refusal(&self, mut response: Response<Body>) -> ClientError {
        let status = response.status().as_u16();
        let text = |name| response.headers().get(name)?.to_str().ok();
        let retry_after = text(header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        if let Some(path) = text(header::LOCATION).filter(|_| response.status().is_redirection()) {
            return ClientError::Moved { node: self.node.clone(), path: path.to_owned() };
        }
        let is_problem = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with(PROBLEM_JSON));
        let problem = response.body_mut().with_config().limit(PROBLEM_BYTES_MAX).read_json::<Problem>();
        match problem {
            Ok(problem) if is_problem => ClientError::Problem { problem, retry_after },
            _ => ClientError::NotANode { node: self.node.clone(), status },
        }
    }

    fn download(&self, request: request::Builder) -> Result<Download, ClientError> {
        let response = self.send(request, SendBody::none())?;
        let text = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let cid =
            text(header::ETAG).and_then(|tag| Some(tag.strip_prefix('"')?.strip_suffix('"')?.to_owned()));
        Ok(Download {
            cid,
            media_type: text(header::CONTENT_TYPE),
            bytes: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            partial: response.status().as_u16() == 206,
            ways: text(HeaderName::from_static("server-timing")).map_or_else(Vec::new, |text| ways(&text)),
            body: Box::new(response.into_body().into_reader()),
        })
    }
}

/// The ways in a `Server-Timing` by which blocks came from elsewhere.
fn ways(text: &str) -> Vec<String> {
    let names = text.split(',').filter(|entry| entry.contains("block"));
    let names = names.map(|entry| entry.split(';').next().unwrap_or_default().trim().to_owned());
    names.filter(|name| name != "local").collect()
}

/// Remembers a failure of the reader itself, so that it is not taken for one of the connection.
struct Watched<'a> {
    reader: &'a mut dyn Read,
    failure: Option<io::Error>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failure = Some(error);
            kind.into()
        })
    }
}

#[cfg(test)]
mod tests;
