//! Hosts that lead to cores: one place under two addresses, an origin of its own, sign-ins that stay in the core, and
//! nothing that tells of a core which shows nothing.

use std::{collections::BTreeMap, sync::Arc};

use axum::{body::Body, http::Request};
use kubelt_api::{Challenge, Code, CoreMade, CoreView, HostNameList, HostNameView, SessionCreated};
use kubelt_node::{Looking, TxtAnswer, TxtLookup};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestNode};

const HOST: &str = "widgets.acme.org";
const SANDBOX: &str = "sandbox";

/// A DNS that a test writes: texts by name.
#[derive(Debug, Default)]
struct Dns(Mutex<BTreeMap<String, String>>);

impl TxtLookup for Dns {
    fn txt<'a>(&'a self, name: &'a str) -> Looking<'a> {
        let records = self.0.lock().get(name).map(|text| text.clone().into_bytes()).into_iter().collect();
        Box::pin(async move { Ok(TxtAnswer { records, ttl: None }) })
    }

    fn alias<'a>(&'a self, _: &'a str) -> Looking<'a, Option<String>> {
        Box::pin(async { Ok(None) })
    }
}

/// `@acme` with a child `@widget`, both of Alice's, and a page in each.
struct Scene {
    node: TestNode,
    dns: Arc<Dns>,
    alice: Person,
    token: String,
    acme: String,
    widget: String,
}

impl Scene {
    async fn new() -> Self {
        let (node, alice) = (TestNode::new(), Person::new(1));
        let dns = Arc::new(Dns::default());
        node.node.dnslinks.look_up_by(Arc::clone(&dns) as Arc<dyn TxtLookup>);
        let token = node.sign_in(&alice).await.token;
        let mut scene = Self { node, dns, alice, token, acme: String::new(), widget: String::new() };
        let own = scene.alice.core();
        scene.acme = scene.make(&own, "acme", &[]).await;
        let acme = scene.acme.clone();
        scene.widget = scene.make(&format!("/@{acme}"), "widget", &[&acme]).await;
        for core in [&scene.acme, &scene.widget] {
            scene.publish(core, "index.html", &format!("the site of {core}")).await;
            scene.publish(core, "docs/a b.txt", "words").await;
        }
        scene
    }

    async fn make(&mut self, from: &str, name: &str, others: &[&str]) -> String {
        let made: CoreMade = self
            .node
            .post(&format!("{from}/-/cores"), Some(&self.token), &json!({ "name": name }))
            .await
            .expect(201)
            .json();
        let cores = [others, &[made.core.as_str()]].concat();
        self.token = self.node.sign_in_to(&self.alice, Some(&self.token), &cores).await.token;
        let put = json!({ "put": { "path": "profile/name", "value": name } });
        self.node.act(&self.alice, &self.token, &made.core, put).await.expect(201);
        made.core
    }

    async fn publish(&self, core: &str, path: &str, text: &str) {
        let path = path.replace(' ', "%20");
        let at = format!("/@{core}/-/content/{path}?visibility=public");
        self.node.put(&at, &self.token, text.to_owned()).await.expect(201);
    }

    /// Binds the host to a core, with the record that proves it.
    async fn bind(&self, core: &str, host: &str) {
        self.dns.0.lock().insert(format!("_kubelt.{host}"), format!("core={core}"));
        self.set(core, &format!("names/{host}"), &json!({})).await.expect(200);
        self.look().await;
    }

    async fn set(&self, core: &str, path: &str, value: &Value) -> Answer {
        self.node.put(&format!("/@{core}/-/state/{path}"), &self.token, value.to_string()).await
    }

    async fn look(&self) {
        let worker = self.node.node.workers.get("hosts").expect("a worker");
        while worker.step().await.expect("a step") == kubelt_node::worker::Step::More {}
    }

    async fn at(&self, path: &str) -> Answer {
        self.ask("GET", HOST, path, None, &[], Body::empty()).await
    }

    async fn ask(
        &self,
        method: &str,
        host: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.node.send(request.body(body.into()).expect("a request")).await
    }

    async fn post(&self, host: &str, path: &str, body: &Value) -> Answer {
        self.ask("POST", host, path, None, &[("content-type", "application/json")], body.to_string()).await
    }
}

#[tokio::test]
async fn a_host_and_an_address_are_one_place() {
    let scene = Scene::new().await;
    scene.bind(&scene.acme, HOST).await;
    let acme = format!("/@{}", scene.acme);
    for (on_host, by_address) in [
        ("/", format!("{acme}/index.html")),
        ("/index.html", format!("{acme}/index.html")),
        ("/docs/a%20b.txt", format!("{acme}/docs/a%20b.txt")),
        ("/@widget/docs/a%20b.txt", format!("{acme}/@widget/docs/a%20b.txt")),
        ("/@widget/index.html", format!("/@{}/index.html", scene.widget)),
    ] {
        let (one, other) =
            (scene.at(on_host).await.expect(200), scene.node.get(&by_address, None).await.expect(200));
        assert_eq!((one.text(), one.header("etag")), (other.text(), other.header("etag")), "{on_host}");
    }
    // The host stands first in an address, too, in whatever case.
    let by_name = scene.node.get("/@Widgets.Acme.ORG/@widget/index.html", None).await.expect(200);
    assert_eq!(by_name.text(), format!("the site of {}", scene.widget));
    // Whatever the spelling and the port of the host.
    for host in ["WIDGETS.acme.ORG", "widgets.acme.org:8443", "widgets.acme.org."] {
        let answer = scene.ask("GET", host, "/", None, &[], Body::empty()).await.expect(200);
        assert_eq!(answer.text(), format!("the site of {}", scene.acme), "{host}");
    }
    let json = [("accept", "application/json")];
    let view: CoreView = scene.ask("GET", HOST, "/", None, &json, Body::empty()).await.expect(200).json();
    assert_eq!(view.core, scene.acme);
    assert_eq!(scene.at("/docs").await.expect(302).header("location"), Some("/docs/"));
    assert_eq!(scene.at("/@widget/docs").await.expect(302).header("location"), Some("/@widget/docs/"));
    let listing = scene.at("/docs/").await.expect(200).text();
    assert!(listing.contains("href=\"/docs/a%20b.txt\"") && listing.contains(HOST), "{listing}");
    assert!(!listing.contains("href=\"/ipfs/"), "{listing}");
}

#[tokio::test]
async fn a_host_of_a_core_is_an_origin_for_that_core_and_nothing_else() {
    let scene = Scene::new().await;
    scene.bind(&scene.acme, HOST).await;
    let policy = |answer: &Answer| answer.header("content-security-policy").unwrap_or_default().to_owned();
    assert!(!policy(&scene.at("/").await).contains(SANDBOX), "a site on an origin of its own is free");
    assert!(policy(&scene.at("/@widget/index.html").await).contains(SANDBOX), "a child's is somebody else's");
    let by_address = scene.node.get(&format!("/@{}/index.html", scene.acme), None).await;
    assert!(policy(&by_address).contains(SANDBOX), "elsewhere it shares its origin");
    // Neither the node, nor its other content, nor any other core.
    let cid = scene.node.get(&format!("/@{}/index.html", scene.widget), None).await;
    let cid = cid.header("etag").expect("a CID").trim_matches('"').to_owned();
    let other = scene.alice.core();
    for path in [
        "/healthz",
        "/metrics",
        "/_/",
        "/_/docs/",
        "/openapi.json",
        "/-/node",
        "/-/peers",
        "/-/resolve/x.example",
        "/routing/v1/providers/x",
        "/api/v0/id",
        &format!("/ipfs/{cid}"),
        &format!("/ipns/{cid}"),
        &other,
        &format!("/@{}/index.html", scene.acme),
        "/@acme/index.html",
        "/@widgets.acme.org/index.html",
        "/ipfs/?uri=ipfs://x",
    ] {
        scene.at(path).await.expect_problem(Code::NotFound);
    }
    for path in ["//evil.example/x", "/../x", "/%2e%2e/x", "/@widget//x"] {
        assert_eq!(scene.at(path).await.status, 400, "{path}");
    }
    // Its own API is all that is at `/-/`.
    scene.at("/-/content/docs?list").await.expect(200);
    scene.at("/@widget/-/heads").await.expect(200);
}

#[tokio::test]
async fn a_host_that_lies_leads_nowhere_else() {
    let scene = Scene::new().await;
    scene.bind(&scene.acme, HOST).await;
    let site = format!("the site of {}", scene.acme);
    for host in [
        "acme.org",
        "x.widgets.acme.org",
        "widgets.acme.org.evil.example",
        "widgets_acme.org",
        "*.acme.org",
        "widgets.acme.org..",
        "localhost",
        "127.0.0.1",
    ] {
        let answer = scene.ask("GET", host, "/", None, &[("accept", "text/html")], Body::empty()).await;
        assert_ne!(answer.text(), site, "{host}");
    }
    for host in ["widgets.acme.org@evil.example", "widgets.acme.org/x", "widgets acme.org"] {
        assert_eq!(scene.ask("GET", host, "/", None, &[], Body::empty()).await.status, 400, "{host}");
    }
    // Two hosts in one request, of which a proxy may have looked at either.
    let twice = Request::builder().uri("/").header("host", HOST).header("host", "other.example");
    let twice = scene.node.send(twice.body(Body::empty()).expect("a request")).await;
    assert_eq!(twice.status, 400);
}

#[tokio::test]
async fn who_signs_in_on_a_host_stays_in_its_core() {
    let scene = Scene::new().await;
    scene.bind(&scene.acme, HOST).await;
    let (bob, challenge) = (Person::new(2), "/-/session/challenge");
    let ask = |within: Option<&str>, cores: &[&str]| {
        let cores: Vec<Value> = cores.iter().map(|core| json!({ "core": core })).collect();
        json!({ "account": bob.account(), "within": within, "cores": cores })
    };
    // The core admits nobody as yet.
    assert!(scene.post(HOST, challenge, &ask(None, &[])).await.status.is_client_error());
    scene.set(&scene.acme, "config/template", &json!({ "user": {} })).await.expect(200);
    let outside = bob.core();
    let private = outside.trim_start_matches("/@");
    let private =
        kubelt_core::Genesis::Private { root: private.parse().expect("an account") }.id().to_string();
    for (within, cores) in [
        (Some(private.as_str()), vec![]),
        (None, vec![private.as_str()]),
        (Some(scene.acme.as_str()), vec![private.as_str()]),
    ] {
        let refused = scene.post(HOST, challenge, &ask(within, &cores)).await;
        assert!(refused.status.is_client_error(), "{within:?} {cores:?}: {}", refused.text());
    }
    let asked = scene.post(HOST, challenge, &ask(None, &[&scene.widget])).await.expect(200);
    let message = asked.json::<Challenge>().message;
    assert!(message.starts_with(&format!("{HOST} wants you to sign in")), "{message}");
    assert!(!message.contains(&private), "{message}");
    let answer = json!({ "message": message, "signature": bob.sign(&message) });
    // It was given out for this host.
    assert!(scene.node.post("/-/session", None, &answer).await.status.is_client_error());
    let asked = scene.post(HOST, challenge, &ask(None, &[])).await.expect(200).json::<Challenge>();
    let answer = json!({ "message": asked.message, "signature": bob.sign(&asked.message) });
    let opened: SessionCreated = scene.post(HOST, "/-/session", &answer).await.expect(201).json();
    assert_eq!(opened.within.as_ref(), Some(&scene.acme));
    let mine = format!("/@{}/-/content/note?visibility=private", bob.account());
    scene.ask("PUT", HOST, &mine, Some(&opened.token), &[], "mine").await.expect(201);
    let elsewhere = format!("{outside}/-/content/note?visibility=private");
    assert!(scene.node.put(&elsewhere, &opened.token, "not mine").await.status.is_client_error());
    // Pages of another origin do not sign in here.
    for origin in ["https://evil.example", "null", "https://x.widgets.acme.org"] {
        let headers = [("content-type", "application/json"), ("origin", origin)];
        scene
            .ask("POST", HOST, challenge, None, &headers, ask(None, &[]).to_string())
            .await
            .expect_problem(Code::Forbidden);
    }
    scene.ask("DELETE", HOST, "/-/session", Some(&opened.token), &[], Body::empty()).await.expect(204);
}

#[tokio::test]
async fn calls_by_json_rpc_on_a_host_reach_its_core() {
    let scene = Scene::new().await;
    scene.bind(&scene.acme, HOST).await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "kb_listNames" });
    let headers = [("content-type", "application/json")];
    let answer =
        scene.ask("POST", HOST, "/-/rpc", Some(&scene.token), &headers, call.to_string()).await.expect(200);
    assert_eq!(answer.json::<Value>()["result"]["names"][0]["host"], HOST, "{}", answer.text());
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "kb_node" });
    let answer =
        scene.ask("POST", HOST, "/-/rpc", Some(&scene.token), &headers, call.to_string()).await.expect(200);
    assert!(
        answer.json::<Value>()["error"].is_object(),
        "the node is not to be had there: {}",
        answer.text()
    );
}

#[tokio::test]
async fn a_trusted_proxy_may_name_the_host_and_a_page_on_it_may_not_name_another() {
    let scene = Scene::new().await;
    scene.bind(&scene.acme, HOST).await;
    let (site, behind) = (format!("the site of {}", scene.acme), "backend.internal:4747");
    let named =
        [("x-forwarded-host", HOST), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
    let answer = scene.ask("GET", behind, "/", None, &named, Body::empty()).await.expect(200);
    assert_eq!(answer.text(), site);
    let standard = [("forwarded", "for=203.0.113.9;host=widgets.acme.org;proto=https")];
    assert_eq!(scene.ask("GET", behind, "/", None, &standard, Body::empty()).await.expect(200).text(), site);
    // Calls from inside keep to the host that the proxy named.
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "kb_listNames" }).to_string();
    let headers = [&[("content-type", "application/json")][..], &named].concat();
    let answer = scene.ask("POST", behind, "/-/rpc", Some(&scene.token), &headers, call).await.expect(200);
    assert_eq!(answer.json::<Value>()["result"]["names"][0]["host"], HOST, "{}", answer.text());
    // A page on the host can send headers to its own host, and reaches the node by none of them.
    for other in ["localhost", "127.0.0.1:4747", "example.com"] {
        let named = [("x-forwarded-host", other)];
        scene.ask("GET", HOST, "/healthz", None, &named, Body::empty()).await.expect_problem(Code::NotFound);
        let named = [("forwarded", &*format!("for=203.0.113.9;host=\"{other}\""))];
        scene.ask("GET", HOST, "/healthz", None, &named, Body::empty()).await.expect_problem(Code::NotFound);
    }
}

/// An answer without what differs between any two.
fn plainly(answer: &Answer, host: &str) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").replace(host, "HOST")))
        .collect();
    headers.sort();
    let id = answer.header("x-request-id").expect("every answer has one");
    (answer.status.as_u16(), headers, answer.text().replace(id, "ID").replace(host, "HOST"))
}

#[tokio::test]
async fn a_host_of_a_core_that_shows_nothing_is_like_one_that_nobody_knows() {
    let scene = Scene::new().await;
    // Alice's private core shows nothing to anybody else.
    let mine: CoreView = scene.node.get(&scene.alice.core(), Some(&scene.token)).await.expect(200).json();
    let at = format!("/@{}/-/content/secret.txt?visibility=private", mine.core);
    scene.node.put(&at, &scene.token, "secret").await.expect(201);
    scene.bind(&mine.core, "private.example").await;
    let bob = scene.node.sign_in(&Person::new(2)).await.token;
    let challenge = json!({ "account": scene.alice.account() }).to_string();
    for token in [None, Some(bob.as_str()), Some("kb1_nonsense")] {
        for (method, path, body) in [
            ("GET", "/", ""),
            ("GET", "/secret.txt", ""),
            ("GET", "/@widget", ""),
            ("GET", "/-/names", ""),
            ("GET", "/-/heads", ""),
            ("GET", "/-/session", ""),
            ("POST", "/-/session/challenge", challenge.as_str()),
            ("PUT", "/-/content/x", "x"),
            ("GET", "/healthz", ""),
            ("GET", "/.well-known/acme-challenge/x", ""),
        ] {
            let headers = [("content-type", "application/json")];
            let mut answers = Vec::new();
            for host in ["private.example", "unknown.example"] {
                let answer = scene.ask(method, host, path, token, &headers, body.to_owned()).await;
                answers.push(plainly(&answer, host));
            }
            assert_eq!(answers[0], answers[1], "{method} {path} {token:?}");
        }
        let (known, unknown) = ("/@private.example/secret.txt", "/@unknown.example/secret.txt");
        let asked = [scene.node.get(known, token).await, scene.node.get(unknown, token).await];
        assert_eq!(plainly(&asked[0], "private.example"), plainly(&asked[1], "unknown.example"));
    }
    // Its own people find it there.
    let read =
        scene.ask("GET", "private.example", "/secret.txt", Some(&scene.token), &[], Body::empty()).await;
    assert_eq!(read.expect(200).text(), "secret");
    // A core that closes is gone from its host at the next request.
    scene.bind(&scene.acme, HOST).await;
    scene.at("/docs/a%20b.txt").await.expect(200);
    scene.set(&scene.acme, "config/exposure", &json!({ "http": false })).await.expect(200);
    let (closed, unknown) = (
        scene.at("/docs/a%20b.txt").await,
        scene.ask("GET", "unknown.example", "/docs/a%20b.txt", None, &[], Body::empty()).await,
    );
    assert_eq!(plainly(&closed, HOST), plainly(&unknown, "unknown.example"));
}

#[tokio::test]
async fn a_child_that_shows_more_than_its_parent_is_found_below_the_host() {
    let scene = Scene::new().await;
    scene.bind(&scene.acme, HOST).await;
    for path in ["index.html", "docs/a%20b.txt"] {
        let at = format!("/@{}/-/content/{path}", scene.acme);
        scene.node.call("DELETE", &at, Some(&scene.token), &[], Body::empty()).await.expect(200);
    }
    scene.at("/@widget/index.html").await.expect(200);
}

#[tokio::test]
async fn the_owner_is_told_what_is_missing() {
    let scene = Scene::new().await;
    for bad in ["*.acme.org", "Acme.org", "acme.org:443", "127.0.0.1", "alice.eth", "acme.org."] {
        assert_eq!(scene.set(&scene.acme, &format!("names/{bad}"), &json!({})).await.status, 422, "{bad}");
    }
    scene.set(&scene.acme, &format!("names/{HOST}"), &json!({})).await.expect(200);
    let check = async || -> HostNameView {
        let path = format!("/@{}/-/names/{HOST}/check", scene.acme);
        scene.node.get(&path, Some(&scene.token)).await.expect(200).json()
    };
    let list = async || -> Vec<HostNameView> {
        let path = format!("/@{}/-/names", scene.acme);
        scene.node.get(&path, Some(&scene.token)).await.expect(200).json::<HostNameList>().names
    };
    assert_eq!(list().await[0].state, "unchecked");
    let view = check().await;
    assert_eq!((view.bound, view.leads_here, view.state.as_str()), (true, false, "unproved"));
    assert_eq!(
        (view.records[0].name.as_str(), view.records[0].kind.as_str()),
        ("_kubelt.widgets.acme.org", "TXT")
    );
    assert_eq!(view.records[0].value, format!("core={}", scene.acme));
    scene.dns.0.lock().insert(format!("_kubelt.{HOST}"), format!("core={}", scene.widget));
    let view = check().await;
    assert_eq!(view.state, "another");
    assert!(view.why.contains(&scene.widget), "{}", view.why);
    scene.dns.0.lock().insert(format!("_kubelt.{HOST}"), format!("core={}", scene.acme));
    let view = check().await;
    assert_eq!((view.state.as_str(), view.by.as_deref(), view.leads_here), ("proved", Some("txt"), true));
    scene.at("/").await.expect(200);
    assert_eq!(list().await, [view]);
    // Cleared, it leads nowhere at the next request.
    let at = format!("/@{}/-/state/names/{HOST}", scene.acme);
    scene.node.call("DELETE", &at, Some(&scene.token), &[], Body::empty()).await.expect(200);
    assert_ne!(scene.at("/").await.text(), format!("the site of {}", scene.acme));
    assert!(list().await.is_empty());
    // Strangers learn nothing.
    let path = format!("/@{}/-/names/{HOST}/check", scene.acme);
    scene.node.get(&path, None).await.expect_problem(Code::NotFound);
}
