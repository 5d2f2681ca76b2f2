//! Requests to a node that may be killed at any moment.

use std::{io::Read, sync::mpsc::Sender, time::Duration};

use kubelt_api::{Challenge, SessionCreated};
use kubelt_core::EoaKey;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::{
    Agent, SendBody,
    http::{Request, header},
};

pub(super) const CAR: &str = "application/vnd.ipld.car";
/// Nothing here takes so long; without it a test could hang.
const TIME_MAX: Duration = Duration::from_secs(60);
const BODY_BYTES_MAX: u64 = 256 << 20;

/// The connection broke before the whole answer was there: nobody knows what became of the request.
#[derive(Debug)]
pub(super) struct Gone;

/// What whoever decides on the moment of a kill is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// The node acknowledged a write.
    Acknowledged,
    /// So many bytes of a body are on their way.
    Sent(u64),
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) etag: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(super) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Checks that this is the problem document `name`, such as `unavailable`.
    #[track_caller]
    pub(super) fn expect_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.kind.as_deref(), Some("application/problem+json"));
        assert_eq!(self.json::<Value>()["type"], format!("urn:kubelt:problem:{name}"));
    }
}

/// A client of one node, with connections of its own.
pub(super) struct Api {
    agent: Agent,
    url: String,
    events: Option<Sender<Event>>,
}

impl Api {
    pub(super) fn new(url: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIME_MAX));
        Self { agent: config.build().into(), url: url.to_owned(), events: None }
    }

    /// One that tells of its progress.
    pub(super) fn telling(url: &str, events: Sender<Event>) -> Self {
        Self { events: Some(events), ..Self::new(url) }
    }

    /// Tells that the node acknowledged a write.
    pub(super) fn acknowledged(&self) {
        self.tell(Event::Acknowledged);
    }

    pub(super) fn get(&self, path: &str, token: Option<&str>) -> Result<Answer, Gone> {
        self.call("GET", path, token, None)
    }

    pub(super) fn post(&self, path: &str, token: Option<&str>, value: &Value) -> Result<Answer, Gone> {
        self.call("POST", path, token, Some(("application/json", value.to_string().as_bytes())))
    }

    /// Sends a request; the body comes with its type.
    pub(super) fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<(&str, &[u8])>,
    ) -> Result<Answer, Gone> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let answered = match body {
            Some((kind, bytes)) => {
                request =
                    request.header(header::CONTENT_TYPE, kind).header(header::CONTENT_LENGTH, bytes.len());
                let mut body = Telling { api: self, bytes };
                self.agent.run(request.body(SendBody::from_reader(&mut body)).expect("a good request"))
            }
            None => self.agent.run(request.body(SendBody::none()).expect("a good request")),
        };
        let mut response = answered.map_err(|_broken| Gone)?;
        let text = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (etag, kind) = (text(header::ETAG), text(header::CONTENT_TYPE));
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec();
        Ok(Answer { status: response.status().as_u16(), etag, kind, body: body.map_err(|_broken| Gone)? })
    }

    /// Signs in with a wallet; with `session_key` the session's key is the client's.
    pub(super) fn sign_in(
        &self,
        key: &EoaKey,
        session_key: Option<String>,
    ) -> Result<(SessionCreated, SignedMessage), Gone> {
        let (message, answer) = self.try_sign_in(key, session_key)?;
        Ok((answer.expect(201).json(), message))
    }

    /// Signs in with a wallet; whatever the node answers at the end.
    pub(super) fn try_sign_in(
        &self,
        key: &EoaKey,
        session_key: Option<String>,
    ) -> Result<(SignedMessage, Answer), Gone> {
        let mut ask = json!({ "account": key.account().to_string() });
        if let Some(session_key) = session_key {
            ask["session_key"] = session_key.into();
        }
        let challenge: Challenge = self.post("/-/session/challenge", None, &ask)?.expect(200).json();
        let signature = key.sign(challenge.message.as_bytes()).to_vec();
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = json!({ "message": challenge.message, "signature": format!("0x{hex}") });
        let answer = self.post("/-/session", None, &answer)?;
        Ok((SignedMessage { message: challenge.message, signature }, answer))
    }

    fn tell(&self, event: Event) {
        if let Some(events) = &self.events {
            // After the kill nobody listens any more.
            let _ = events.send(event);
        }
    }
}

/// What a wallet signed to open a session.
pub(super) struct SignedMessage {
    pub(super) message: String,
    pub(super) signature: Vec<u8>,
}

/// A body that tells how much of it has gone.
struct Telling<'a> {
    api: &'a Api,
    bytes: &'a [u8],
}

impl Read for Telling<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.api.tell(Event::Sent(count as u64));
        Ok(count)
    }
}
