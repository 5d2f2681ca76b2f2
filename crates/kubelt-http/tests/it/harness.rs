//! A node in memory, people with wallets, and requests.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode},
};
use http_body_util::BodyExt as _;
use kubelt_api::{Challenge, Code, Problem, SessionCreated};
use kubelt_core::EoaKey;
use kubelt_http::{Edge, GatewayHosts, HttpConfig, OwnPage, RateLimits, router};
use kubelt_node::{Clock, Node};
use kubelt_store::{Options, Quota, Store};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const HOST: &str = "127.0.0.1:4747";

/// The node's own pages, in small.
pub(crate) const OWN_PAGES: [OwnPage; 6] = [
    OwnPage { gzip: Some(b"gz of console"), brotli: Some(b"br of console"), ..own_page("", "console") },
    own_page("sw.js", "worker"),
    own_page("assets/app-1.js", "app"),
    own_page("docs/", "docs"),
    own_page("docs/404", "no such page"),
    own_page("docs/start/first", "first"),
];

const fn own_page(path: &'static str, text: &'static str) -> OwnPage {
    let plain = text.as_bytes();
    OwnPage { path, media_type: "text/html; charset=utf-8", hash: text, plain, gzip: None, brotli: None }
}

/// A clock that a test moves.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct TestNode {
    pub(crate) node: Node,
    pub(crate) store: Store,
    router: Edge,
    clock: Arc<TestClock>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Checks that this is a problem document of `code`.
    #[track_caller]
    pub(crate) fn expect_problem(&self, code: Code) -> Problem {
        let problem: Problem = self.json();
        assert_eq!(problem.code(), Some(code), "{}", self.text());
        assert_eq!(self.status.as_u16(), code.status());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        problem
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

/// Somebody with a wallet.
pub(crate) struct Person {
    pub(crate) key: EoaKey,
}

impl Person {
    pub(crate) fn new(seed: u8) -> Self {
        Self { key: EoaKey::from_secret(&[seed; 32]).expect("a secret key") }
    }

    pub(crate) fn account(&self) -> String {
        self.key.account().to_string()
    }

    pub(crate) fn core(&self) -> String {
        format!("/@{}", self.account())
    }

    pub(crate) fn sign(&self, message: &str) -> String {
        format!("0x{}", hex::encode(self.key.sign(message.as_bytes())))
    }
}

impl TestNode {
    pub(crate) fn new() -> Self {
        Self::with(
            Quota::UNLIMITED,
            RateLimits {
                requests_per_second: 0,
                sign_ins_per_minute: 0,
                writes_per_second: 0,
                records_per_minute: 0,
                lookups_per_minute: 0,
            },
        )
    }

    pub(crate) fn with(quota: Quota, rates: RateLimits) -> Self {
        let store = Store::memory(Options { quota, ..Options::default() });
        let clock = Arc::new(TestClock(AtomicU64::new(1_800_000_000_000)));
        let node = Node::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        let gateway = GatewayHosts {
            subdomains: vec!["example.com".to_owned(), "localhost".to_owned()],
            ..GatewayHosts::default()
        };
        let pages = OWN_PAGES.iter().copied().collect();
        let config = HttpConfig { rates, gateway, pages, ..HttpConfig::default() };
        Self { router: router(&node, config), node, store, clock }
    }

    pub(crate) fn router(&self) -> Edge {
        self.router.clone()
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// A request without a body to `path`, or to `//host/path` of another host.
    pub(crate) async fn call_at(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let Some(other) = path.strip_prefix("//") else {
            return self.call(method, path, token, headers, Body::empty()).await;
        };
        let (host, path) = other.split_once('/').expect("a path");
        let mut request = Request::builder().method(method).uri(format!("/{path}")).header("host", host);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.call("GET", path, token, &[], Body::empty()).await
    }

    pub(crate) async fn put(&self, path: &str, token: &str, body: impl Into<Body>) -> Answer {
        self.call("PUT", path, Some(token), &[], body).await
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.call("POST", path, token, &[("content-type", "application/json")], body.to_string()).await
    }

    pub(crate) async fn challenge(&self, person: &Person) -> Challenge {
        self.post("/-/session/challenge", None, &json!({ "account": person.account() }))
            .await
            .expect(200)
            .json()
    }

    pub(crate) async fn sign_in(&self, person: &Person) -> SessionCreated {
        let challenge = self.challenge(person).await;
        let signature = person.sign(&challenge.message);
        let answer = json!({ "message": challenge.message, "signature": signature });
        self.post("/-/session", None, &answer).await.expect(201).json()
    }
}
