//! Answers kept in memory: they are given again, and never once their content was closed, by whatever means.

use axum::{body::Body, http::Request};
use kubelt_api::ContentReceipt;
use kubelt_content::denylist::Denylist;
use kubelt_http::RateLimits;
use kubelt_store::Quota;

use crate::harness::{Answer, Person, TestNode};

const TEXT: &str = "a small public file";

struct Scene {
    node: TestNode,
    alice: Person,
    token: String,
    cid: String,
}

/// A way to close content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    Unpublish,
    Hide,
    Overwrite,
    Expose,
    ExposePath,
    Deny,
}

const WAYS: [Close; 6] =
    [Close::Unpublish, Close::Hide, Close::Overwrite, Close::Expose, Close::ExposePath, Close::Deny];

impl Scene {
    async fn new() -> Self {
        let (node, alice) = (TestNode::new(), Person::new(1));
        let token = node.sign_in(&alice).await.token;
        let mut scene = Self { node, alice, token, cid: String::new() };
        scene.cid = scene.publish(TEXT, "public").await;
        scene
    }

    async fn publish(&self, text: &'static str, visibility: &str) -> String {
        let path = format!("{}/-/content/site/a.txt?visibility={visibility}", self.alice.core());
        let answer = self.node.put(&path, &self.token, text).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        answer.json::<ContentReceipt>().cid
    }

    /// Addresses at which the file is found by its CID: host and path.
    fn addresses(&self) -> [(String, String); 3] {
        let cid = &self.cid;
        [
            ("127.0.0.1:4747".to_owned(), format!("/ipfs/{cid}")),
            ("127.0.0.1:4747".to_owned(), format!("/ipfs/{cid}?filename=b.html")),
            (format!("{cid}.ipfs.localhost"), "/".to_owned()),
        ]
    }

    async fn ask(&self, (host, path): &(String, String), headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.node.send(request.body(Body::empty()).expect("a request")).await
    }

    /// How many answers came from memory so far.
    async fn kept(&self) -> u64 {
        let text = self.node.get("/metrics", None).await.expect(200).text();
        let line = text.lines().find_map(|line| line.strip_prefix("kubelt_http_kept_answers_total "));
        line.expect("it is counted").parse().expect("a number")
    }

    async fn set(&self, place: &str, rule: &str) {
        let path = format!("{}/-/state/config/{place}", self.alice.core());
        self.node.call("PUT", &path, Some(&self.token), &[], Body::from(rule.to_owned())).await.expect(200);
    }

    async fn close(&self, way: Close) {
        let path = format!("{}/-/content/site/a.txt", self.alice.core());
        match way {
            Close::Unpublish => {
                let gone = self.node.call("DELETE", &path, Some(&self.token), &[], Body::empty()).await;
                assert!(gone.status.is_success(), "{}", gone.text());
            }
            Close::Hide => drop(self.publish(TEXT, "private").await),
            Close::Overwrite => drop(self.publish("something else", "public").await),
            Close::Expose => self.set("exposure", r#"{"ipfs": false}"#).await,
            Close::ExposePath => self.set("exposure/site/a.txt", r#"{"ipfs": false}"#).await,
            Close::Deny => {
                let mut list = Denylist::default();
                assert_eq!(list.read(&format!("/ipfs/{}", self.cid)), Ok(vec![]));
                self.node.node.content.denylists().set(list);
            }
        }
    }

    async fn open(&self, way: Close) {
        match way {
            Close::Unpublish | Close::Hide | Close::Overwrite => drop(self.publish(TEXT, "public").await),
            Close::Expose => self.set("exposure", r#"{"ipfs": true}"#).await,
            Close::ExposePath => self.set("exposure/site/a.txt", r#"{"ipfs": true}"#).await,
            Close::Deny => self.node.node.content.denylists().set(Denylist::default()),
        }
    }
}

#[tokio::test]
async fn whatever_closes_content_closes_it_for_the_very_next_request() {
    for way in WAYS {
        let scene = Scene::new().await;
        for _ in 0..2 {
            for address in scene.addresses() {
                let before = scene.kept().await;
                for _ in 0..3 {
                    assert_eq!(scene.ask(&address, &[]).await.expect(200).text(), TEXT);
                }
                assert!(scene.kept().await >= before + 2, "{address:?}");
            }
            let before = scene.kept().await;
            scene.close(way).await;
            for address in scene.addresses() {
                let answer = scene.ask(&address, &[]).await;
                let expected = if way == Close::Deny { 410 } else { 404 };
                assert_eq!(answer.status, expected, "{way:?} {address:?}");
                assert!(!answer.text().contains(TEXT), "{way:?} {address:?}");
            }
            scene.open(way).await;
            assert_eq!(scene.ask(&scene.addresses()[0], &[]).await.expect(200).text(), TEXT);
            assert_eq!(scene.kept().await, before, "{way:?}");
        }
    }
}

#[tokio::test]
async fn what_only_its_people_see_is_kept_for_nobody() {
    let scene = Scene::new().await;
    scene.publish(TEXT, "private").await;
    let bearer = format!("Bearer {}", scene.token);
    for address in scene.addresses().iter().take(2) {
        for _ in 0..3 {
            assert_eq!(scene.ask(address, &[("authorization", &bearer)]).await.expect(200).text(), TEXT);
            assert_eq!(scene.ask(address, &[]).await.status, 404);
            assert_eq!(scene.ask(address, &[("authorization", "Bearer wrong")]).await.status, 401);
        }
    }
    assert_eq!(scene.kept().await, 0);
}

#[tokio::test]
async fn a_kept_answer_is_given_to_the_same_question_alone() {
    let scene = Scene::new().await;
    let [address, ..] = scene.addresses();
    let first = scene.ask(&address, &[]).await.expect(200);
    let again = scene.ask(&address, &[("user-agent", "x"), ("accept-encoding", "gzip")]).await.expect(200);
    assert_eq!(scene.kept().await, 1);
    for (name, value) in &first.headers {
        let other = again.headers.get(name);
        assert_eq!(other == Some(value), name != "x-request-id", "{name}");
    }
    assert_eq!(first.headers.len(), again.headers.len());
    let etag = first.header("etag").expect("a tag").to_owned();
    let check = async |headers: &[(&str, &str)], status: u16, text: &str| {
        let answer = scene.ask(&address, headers).await.expect(status);
        assert_eq!(answer.text(), text, "{headers:?}");
    };
    check(&[("range", "bytes=0-6")], 206, "a small").await;
    check(&[("if-none-match", &etag)], 304, "").await;
    scene.ask(&address, &[("if-match", "\"other\"")]).await.expect(412);
    check(&[("accept", "application/vnd.ipld.raw")], 200, TEXT).await;
    let raw = scene.ask(&address, &[("accept", "application/vnd.ipld.raw")]).await;
    assert_eq!(raw.header("content-type"), Some("application/vnd.ipld.raw"));
    scene.ask(&address, &[("accept", "application/json")]).await;
    let head = scene.node.call("HEAD", &address.1, None, &[], Body::empty()).await.expect(200);
    assert_eq!((head.header("content-length"), head.text().as_str()), (Some("19"), ""));
    let forwarded = [("x-forwarded-host", "localhost")];
    assert_eq!(scene.ask(&address, &forwarded).await.status, 301, "it goes to an origin of its own");
    assert_eq!(scene.ask(&("localhost".to_owned(), address.1.clone()), &[]).await.status, 301);
    let page =
        scene.ask(&(address.0.clone(), format!("{}?filename=b.html", address.1)), &[]).await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(scene.kept().await, 1);
}

#[tokio::test]
async fn kept_answers_count_against_the_rate() {
    let rates = RateLimits { requests_per_second: 30, ..RateLimits::default() };
    let (node, alice) = (TestNode::with(Quota::UNLIMITED, rates), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let path = format!("{}/-/content/site/a.txt?visibility=public", alice.core());
    let cid = node.put(&path, &token, TEXT).await.expect(201).json::<ContentReceipt>().cid;
    let mut refused = 0;
    for _ in 0..60 {
        refused += u32::from(node.get(&format!("/ipfs/{cid}"), None).await.status == 429);
    }
    assert!(refused > 0);
}
