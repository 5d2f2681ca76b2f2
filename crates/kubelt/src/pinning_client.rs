//! Calls to the pinning services of others (IPFS Pinning Service API 1.0.0).
//!
//! The owner of a core chooses where the node dials, so the node looks before it does: a name is resolved once, every
//! address that is not of the public internet is left out, and exactly what remains is dialled. Redirects are not
//! followed. An operator may allow local targets, for services in the same house.

use std::time::Duration;

use kubelt_api::{PinFailure, PinObject, PinState};
use kubelt_node::{PinningClient, RemoteCall, RemoteError, RemotePin, RemoteService};
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, header};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, SendBody};

use crate::limits::{PINNING_ANSWER_BYTES_MAX, PINNING_CALL_TIME_MAX};
use crate::public_only::PublicOnly;

/// Speaks to pinning services.
#[derive(Debug)]
pub(crate) struct HttpPinning {
    agent: Agent,
    allow_local: bool,
}

impl HttpPinning {
    pub(crate) fn new(allow_local: bool) -> Self {
        Self::with_time(allow_local, PINNING_CALL_TIME_MAX)
    }

    fn with_time(allow_local: bool, call_time_max: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(call_time_max))
            // A proxy of the environment would dial for us, and look at nothing.
            .proxy(None)
            .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
            .build();
        let resolver = PublicOnly::new(allow_local);
        Self { agent: Agent::with_parts(config, DefaultConnector::default(), resolver), allow_local }
    }

    fn send(
        &self,
        service: &RemoteService,
        method: Method,
        id: Option<&str>,
        body: Option<&PinObject>,
    ) -> Result<Answer, RemoteError> {
        let endpoint = service.endpoint.trim_end_matches('/');
        if !endpoint.starts_with("https://") && !self.allow_local {
            return Err(RemoteError::Failed("a pinning service is reached by https".to_owned()));
        }
        let url = match id {
            Some(id) => format!("{endpoint}/pins/{}", encode(id)),
            None => format!("{endpoint}/pins"),
        };
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, format!("Bearer {}", service.token))
            .header(header::ACCEPT, "application/json");
        let failed = |error: &dyn std::fmt::Display| RemoteError::Failed(format!("no answer: {error}"));
        let sent = match body {
            Some(body) => {
                let json = serde_json::to_vec(body).expect("wire types are always JSON");
                let request = request
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::CONTENT_LENGTH, json.len())
                    .body(SendBody::from_owned_reader(std::io::Cursor::new(json)));
                self.agent.run(request.map_err(|error| failed(&error))?)
            }
            None => self.agent.run(request.body(SendBody::none()).map_err(|error| failed(&error))?),
        };
        let mut response = sent.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let bytes = response.body_mut().with_config().limit(PINNING_ANSWER_BYTES_MAX).read_to_vec();
        Ok(Answer { status, body: bytes.map_err(|error| failed(&error))? })
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn pin(self) -> Result<RemotePin, RemoteError> {
        let state: PinState = self.good()?;
        let details = state.info.get("status_details").cloned();
        Ok(RemotePin { id: state.requestid, status: state.status, cid: state.pin.cid, details })
    }

    fn good<T: DeserializeOwned>(self) -> Result<T, RemoteError> {
        self.check()?;
        serde_json::from_slice(&self.body)
            .map_err(|_cause| RemoteError::Failed("the service answers something else than a pin".to_owned()))
    }

    fn check(&self) -> Result<(), RemoteError> {
        match self.status {
            200..300 => Ok(()),
            404 => Err(RemoteError::Gone),
            status => {
                let said = serde_json::from_slice::<PinFailure>(&self.body).ok();
                let said = said.map(|failure| match failure.error.details {
                    Some(details) => format!(": {details}"),
                    None => format!(": {}", failure.error.reason),
                });
                Err(RemoteError::Failed(format!("the service answers {status}{}", said.unwrap_or_default())))
            }
        }
    }
}

impl PinningClient for HttpPinning {
    fn call(&self, service: &RemoteService, call: &RemoteCall) -> Result<RemotePin, RemoteError> {
        let object = |cid: &cid::Cid, name: &String| PinObject {
            cid: cid.to_string(),
            name: Some(name.clone()),
            ..PinObject::default()
        };
        match call {
            RemoteCall::Add { cid, name } => {
                self.send(service, Method::POST, None, Some(&object(cid, name)))?.pin()
            }
            RemoteCall::Replace { id, cid, name } => {
                self.send(service, Method::POST, Some(id), Some(&object(cid, name)))?.pin()
            }
            RemoteCall::Status { id } => self.send(service, Method::GET, Some(id), None)?.pin(),
            RemoteCall::Remove { id } => {
                self.send(service, Method::DELETE, Some(id), None)?.check()?;
                Ok(RemotePin::default())
            }
        }
    }
}

fn encode(id: &str) -> impl std::fmt::Display + '_ {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
}

#[cfg(test)]
mod tests;
