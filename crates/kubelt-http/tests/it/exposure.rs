//! Every setting of exposure, on every route, for every kind of reader: what is closed reads like what is
//! missing, and its own people still have it.

use axum::body::Body;
use kubelt_api::ContentReceipt;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Person, TestNode},
    routes::Place,
};

/// The exits, as the settings name them.
const EXITS: [&str; 3] = ["network", "ipfs", "http"];

/// Where a rule stands, and whether it is about the path that is read.
const PLACES: [(&str, bool); 4] = [
    ("exposure", true),
    ("exposure/site", true),
    ("exposure/site/page.html", true),
    ("exposure/other", false),
];

/// A file with this text is public at `site/page.html`, and one private at `site/secret.html`.
const PAGE: &str = "a public page";
const SECRET: &str = "a private page";

struct Scene {
    node: TestNode,
    alice: Person,
    token: String,
    stranger: String,
    page: String,
    secret: String,
    /// The core's IPNS name.
    name: String,
}

impl Scene {
    async fn new() -> Self {
        let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
        let token = node.sign_in(&alice).await.token;
        let stranger = node.sign_in(&eve).await.token;
        let put = async |path: &str, text: &'static str| {
            let path = format!("{}/-/content/site/{path}", alice.core());
            node.put(&path, &token, text).await.expect(201).json::<ContentReceipt>().cid
        };
        let page = put("page.html?visibility=public", PAGE).await;
        let secret = put("secret.html", SECRET).await;
        let core = kubelt_node::Cores::resolve(&[alice.account()]);
        let name = node.node.ipns.name_of(&core).await.expect("a name").to_string();
        Self { node, alice, token, stranger, page, secret, name }
    }

    async fn set(&self, place: &str, value: Option<&Value>) {
        let path = format!("{}/-/state/config/{place}", self.alice.core());
        let (method, body) = value.map_or(("DELETE", String::new()), |value| ("PUT", value.to_string()));
        self.node.call(method, &path, Some(&self.token), &[], Body::from(body)).await.expect(200);
    }

    fn routes(&self) -> Vec<(&'static str, String)> {
        let core = self.alice.core();
        Place { core: &core, path: "site/page.html", cid: &self.page, name: &self.name }.routes()
    }

    async fn read(&self, method: &str, path: &str, reader: Option<&str>) -> Answer {
        self.node.call_at(method, path, reader, &[]).await
    }
}

/// Whether an answer tells of the page: its bytes, a name on its path or its CID.
fn tells(answer: &Answer, page: &str) -> bool {
    let text = answer.text();
    let words = [PAGE, "page.html", "\"site/\"", page];
    answer.status.is_success() && words.iter().any(|word| text.contains(word))
}

#[tokio::test]
async fn a_closed_exit_shows_strangers_nothing_and_its_people_everything() {
    let scene = Scene::new().await;
    for (place, concerns) in PLACES {
        for closed in 0..8_u8 {
            let is_closed = |exit: &str| {
                let bit = EXITS.iter().position(|known| *known == exit).expect("an exit");
                concerns && closed & (1 << bit) != 0
            };
            let rule: Value = EXITS
                .iter()
                .enumerate()
                .map(|(bit, exit)| ((*exit).to_owned(), json!(closed & (1 << bit) == 0)))
                .collect::<serde_json::Map<_, _>>()
                .into();
            scene.set(place, Some(&rule)).await;
            for (exit, route) in scene.routes() {
                for reader in [None, Some(scene.stranger.as_str())] {
                    let answer = scene.read("GET", &route, reader).await;
                    let case = format!("{place} {rule}: {route} as {reader:?}: {}", answer.text());
                    assert_eq!(tells(&answer, &scene.page), !is_closed(exit), "{case}");
                    assert!(
                        !answer.text().contains(SECRET) && !answer.text().contains(&scene.secret),
                        "{case}"
                    );
                    let head = scene.read("HEAD", &route, reader).await;
                    assert!(
                        head.status == answer.status || route.contains("/-/car"),
                        "HEAD answers {} where GET answers {}: {case}",
                        head.status,
                        answer.status
                    );
                }
                let own = scene.read("GET", &route, Some(&scene.token)).await;
                if !route.starts_with("/@") && !route.starts_with("/ipfs/") && is_closed(exit) {
                    // A name says what strangers may have, and other hosts know nobody's session.
                    assert!(!tells(&own, &scene.page), "{place} {rule}: {route}: {}", own.text());
                    continue;
                }
                assert!(tells(&own, &scene.page), "its owner: {place} {rule}: {route}: {}", own.text());
                let kept = own.header("cache-control").unwrap_or_default();
                assert!(
                    !(is_closed(exit) && kept.starts_with("public")),
                    "a shared cache would keep what is closed: {place} {rule}: {route}: {kept}"
                );
            }
            scene.set(place, None).await;
        }
    }
}

#[tokio::test]
async fn what_is_closed_reads_like_what_is_missing() {
    let scene = Scene::new().await;
    scene.set("exposure", Some(&json!({ "network": false, "ipfs": false, "http": false }))).await;
    let nobody = Person::new(9);
    let missing = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let told = |answer: &Answer| {
        let mut headers: Vec<_> =
            answer.headers.iter().filter(|(name, _)| name.as_str() != "x-request-id").collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        let mut text = answer.text();
        for name in [scene.alice.account(), nobody.account(), scene.page.clone(), missing.to_owned()] {
            text = text.replace(&name, "NAME");
        }
        format!("{} {headers:?} {text}", answer.status)
    };
    for (_, route) in scene.routes() {
        if route.contains("ipns") {
            continue; // A name that this node does not know is another matter: nobody could say where it leads.
        }
        let absent = route.replace(&scene.alice.core(), &nobody.core()).replace(&scene.page, missing);
        for reader in [None, Some(scene.stranger.as_str())] {
            let closed = scene.read("GET", &route, reader).await;
            let absent = scene.read("GET", &absent, reader).await;
            let instance = |text: String| text.split("\"instance\"").next().unwrap_or_default().to_owned();
            assert_eq!(instance(told(&closed)), instance(told(&absent)), "{route} as {reader:?}");
        }
    }
}

#[tokio::test]
async fn one_open_path_opens_no_other() {
    let scene = Scene::new().await;
    scene.set("exposure", Some(&json!({ "network": false, "ipfs": false, "http": false }))).await;
    scene.set("exposure/open", Some(&json!({ "http": true, "network": true, "ipfs": true }))).await;
    let path = format!("{}/-/content/open/hello.txt?visibility=public", scene.alice.core());
    let open: ContentReceipt = scene.node.put(&path, &scene.token, "hello").await.expect(201).json();
    for route in ["/open/hello.txt", "/-/content/?list", "/-/ops", "/-/state", "/-/car", ""] {
        let answer = scene.read("GET", &format!("{}{route}", scene.alice.core()), None).await.expect(200);
        assert!(
            !answer.text().contains("site") && !answer.text().contains(PAGE),
            "{route}: {}",
            answer.text()
        );
    }
    scene.read("GET", &format!("/ipfs/{}", open.cid), None).await.expect(200);
    scene.read("GET", &format!("/ipfs/{}", scene.page), None).await.expect(404);
}

#[tokio::test]
async fn settings_are_for_their_own_people() {
    let scene = Scene::new().await;
    let path = format!("{}/-/state/config/exposure", scene.alice.core());
    let body = json!({ "http": false }).to_string();
    for reader in [None, Some(scene.stranger.as_str())] {
        scene.node.call("PUT", &path, reader, &[], body.clone()).await.expect(404);
        scene.node.call("DELETE", &path, reader, &[], Body::empty()).await.expect(404);
    }
    for bad in ["", "null", "{", "true", r#"{"http": 1}"#, r#"{"https": true}"#] {
        let answer = scene.node.call("PUT", &path, Some(&scene.token), &[], bad.to_owned()).await;
        assert!(answer.status.is_client_error(), "{bad}: {}", answer.text());
    }
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    scene.node.call("PUT", &path, Some(&scene.token), &[], long).await.expect(413);
    let content = format!("{}/-/state/content/x", scene.alice.core());
    scene.node.call("PUT", &content, Some(&scene.token), &[], "{}").await.expect(400);
    scene.set("exposure", Some(&json!({ "http": false }))).await;
    let seen = scene.read("GET", &format!("{}/-/state", scene.alice.core()), None).await.expect(200);
    assert!(!seen.text().contains("exposure"), "{}", seen.text());
}
