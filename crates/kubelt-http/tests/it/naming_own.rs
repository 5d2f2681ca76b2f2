//! Names of the node's own cores.

use axum::body::Body;
use kubelt_content::ipns::{Name, Record};
use kubelt_core::CoreId;
use kubelt_node::worker::Step;

use crate::harness::{Person, TestNode};

struct Own {
    node: TestNode,
    token: String,
    alice: Person,
    core: CoreId,
    name: Name,
}

impl Own {
    async fn new() -> Self {
        let (node, alice) = (TestNode::new(), Person::new(1));
        let token = node.sign_in(&alice).await.token;
        let core = kubelt_node::Cores::resolve(&[alice.account()]);
        let name = node.node.ipns.name_of(&core).await.expect("a name");
        Self { node, token, alice, core, name }
    }

    async fn put(&self, path: &str, visibility: &str, text: &str) {
        let path = format!("{}/-/content/{path}?visibility={visibility}", self.alice.core());
        self.node.put(&path, &self.token, text.to_owned()).await.expect(201);
    }

    async fn remove(&self, path: &str) {
        let path = format!("{}/-/content/{path}", self.alice.core());
        self.node.call("DELETE", &path, Some(&self.token), &[], Body::empty()).await;
    }

    async fn set(&self, path: &str, value: &str) {
        let path = format!("{}/-/state/{path}", self.alice.core());
        let kind = [("content-type", "application/json")];
        let answer = self.node.call("PUT", &path, Some(&self.token), &kind, value.to_owned()).await;
        assert!(answer.status.is_success(), "{}", answer.text());
    }

    async fn read(&self, path: &str) -> (u16, String) {
        let answer = self.node.get(&format!("/ipns/{}{path}", self.name), None).await;
        (answer.status.as_u16(), answer.text())
    }

    async fn record(&self) -> Option<Record> {
        let answer = self.node.get(&format!("/routing/v1/ipns/{}", self.name), None).await;
        (answer.status == 200).then(|| Record::decode(answer.body).expect("a record"))
    }

    async fn step(&self) {
        self.node.node.workers.get("ipns").expect("there is one").step().await.expect("a step");
    }
}

#[tokio::test]
async fn a_core_has_a_name_that_follows_what_it_publishes() {
    let own = Own::new().await;
    assert!(own.record().await.is_none());
    assert_eq!(own.read("/").await.0, 502);
    own.put("site/index.html", "public", "home").await;
    own.put("site/draft.html", "private", "draft").await;
    own.put("notes/members.txt", "members", "members").await;
    let record = own.record().await.expect("published");
    assert!(record.value().starts_with(b"/ipfs/"));
    assert_eq!(record.sequence(), 0);
    assert_eq!(own.read("/site/index.html").await, (200, "home".to_owned()));
    assert_eq!(own.read("/site/").await, (200, "home".to_owned()));
    for path in ["/site/draft.html", "/notes/members.txt", "/notes/"] {
        assert_eq!(own.read(path).await.0, 404, "{path}");
    }
    // The blocks of the public root are anybody's.
    let root = String::from_utf8_lossy(record.value()).into_owned();
    own.node.get(&format!("{root}/site/index.html"), None).await.expect(200);

    own.put("site/index.html", "public", "home, changed").await;
    assert_eq!(own.read("/site/index.html").await, (200, "home, changed".to_owned()));
    assert_eq!(own.record().await.expect("published").sequence(), 1);
    // What has changed nothing public changes no record.
    own.put("notes/more.txt", "private", "more").await;
    assert_eq!(own.record().await.expect("published").sequence(), 1);
    // The old root is nobody's any more.
    own.node.get(&root, None).await.expect(404);
    own.node.get(&format!("{root}/site/index.html"), None).await.expect(404);
}

#[tokio::test]
async fn unpublishing_closes_the_name_at_once() {
    let own = Own::new().await;
    own.put("a.txt", "public", "a").await;
    own.put("b.txt", "public", "b").await;
    let root = String::from_utf8_lossy(own.record().await.expect("published").value()).into_owned();
    own.node.get(&format!("{root}/a.txt"), None).await.expect(200);
    own.remove("a.txt").await;
    own.node.get(&format!("{root}/a.txt"), None).await.expect(404);
    own.node.get(&root, None).await.expect(404);
    assert_eq!(own.read("/a.txt").await.0, 404);
    assert_eq!(own.read("/b.txt").await, (200, "b".to_owned()));
    // Closing the exit for a path, and for the core, does so too.
    own.put("c.txt", "public", "c").await;
    let root = String::from_utf8_lossy(own.record().await.expect("published").value()).into_owned();
    own.set("config/exposure/b.txt", r#"{"ipfs":false}"#).await;
    own.node.get(&format!("{root}/b.txt"), None).await.expect(404);
    assert_eq!(own.read("/b.txt").await.0, 404);
    assert_eq!(own.read("/c.txt").await, (200, "c".to_owned()));
    own.set("config/exposure", r#"{"ipfs":false}"#).await;
    assert!(own.record().await.is_none());
    assert_eq!(own.read("/c.txt").await.0, 502);
    // An exit that is open below a closed one.
    own.set("config/exposure/c.txt", r#"{"ipfs":true}"#).await;
    assert_eq!(own.read("/c.txt").await, (200, "c".to_owned()));
    own.remove("c.txt").await;
    assert!(own.record().await.is_none());
}

#[tokio::test]
async fn paths_lie_over_directories_and_a_setting_chooses_one() {
    let own = Own::new().await;
    own.put("site/index.html", "public", "home").await;
    own.put("site/about/index.html", "public", "about").await;
    own.put("other.txt", "public", "other").await;
    own.set("config/ipns", r#"{"path":"other.txt"}"#).await;
    assert_eq!(own.read("").await, (200, "other".to_owned()));
    own.set("config/ipns", r#"{"path":"missing"}"#).await;
    assert!(own.record().await.is_none());
    let path = format!("{}/-/state/config/ipns", own.alice.core());
    own.node.call("DELETE", &path, Some(&own.token), &[], Body::empty()).await;
    assert_eq!(own.read("/site/about/index.html").await, (200, "about".to_owned()));
}

#[tokio::test]
async fn records_are_renewed_before_they_end() {
    const HOUR_MS: u64 = 60 * 60 * 1_000;
    let own = Own::new().await;
    own.put("a.txt", "public", "a").await;
    own.step().await;
    // It brings up to date what nobody has asked for.
    own.put("b.txt", "public", "b").await;
    own.step().await;
    let status = own.node.node.workers.get("ipns").expect("there is one").status();
    assert_eq!((status.errors, status.waiting), (0, 0));
    let first = own.record().await.expect("published");
    own.node.pass(23 * HOUR_MS);
    own.step().await;
    assert_eq!(own.record().await.expect("published"), first, "more than half its life is left");
    own.node.pass(2 * HOUR_MS);
    own.step().await;
    let renewed = own.record().await.expect("published");
    assert!(renewed.validity_end() > first.validity_end());
    assert_eq!((renewed.value(), renewed.sequence()), (first.value(), first.sequence()));
    // Even where the worker slept for long.
    own.node.pass(1_000 * HOUR_MS);
    assert_eq!(own.read("/a.txt").await.0, 200);
    let name = own.node.node.ipns.name_of(&own.core).await.expect("a name");
    assert_eq!(name, own.name, "a core keeps its name");
}

#[tokio::test]
async fn old_public_roots_are_collected_and_the_new_one_stays() {
    let own = Own::new().await;
    own.put("site/a.txt", "public", "a").await;
    let first = String::from_utf8_lossy(own.record().await.expect("published").value()).into_owned();
    let first = first.trim_start_matches("/ipfs/").to_owned();
    let missing = async |cid: &str| {
        let asked = serde_json::json!({ "cids": [cid] });
        let path = format!("{}/-/possession", own.alice.core());
        let answer = own.node.post(&path, Some(&own.token), &asked).await.expect(200);
        !answer.json::<kubelt_api::Possession>().missing.is_empty()
    };
    let collect = async || {
        let collector = own.node.node.workers.get("collector").expect("there is one");
        // Blocks that nobody brought as a DAG stay for an hour of grace, and are swept then.
        for _ in 0..2 {
            own.node.pass(2 * 60 * 60 * 1_000);
            while collector.step().await.expect("a step") == Step::More {}
        }
    };
    collect().await;
    assert_eq!(own.read("/site/a.txt").await, (200, "a".to_owned()), "what is named stays");
    own.put("b.txt", "public", "b").await;
    own.step().await;
    collect().await;
    assert!(missing(&first).await, "nothing names the old root");
    assert_eq!(own.read("/site/a.txt").await, (200, "a".to_owned()));
    // The same root again, with its blocks put anew.
    own.remove("b.txt").await;
    assert_eq!(own.read("/site/a.txt").await, (200, "a".to_owned()));
    let again = own.record().await.expect("published");
    assert_eq!(again.value(), format!("/ipfs/{first}").as_bytes());
    collect().await;
    assert_eq!(own.read("/site/a.txt").await, (200, "a".to_owned()));
}
