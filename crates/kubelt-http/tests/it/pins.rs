//! Pins, by the Pinning Service API.

use axum::body::Body;
use kubelt_api::{PinFailure, PinResults, PinState};
use kubelt_content::{
    Block, Cid, Codec,
    car::CarWriter,
    unixfs::{DirectoryBuilder, Profile},
};
use kubelt_store::Quota;
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestNode};

const CAR: [(&str, &str); 1] = [("content-type", "application/vnd.ipld.car")];
/// How often a test asks again before it says that nothing comes.
const ASKS_MAX: usize = 100_000;

struct Scene {
    node: TestNode,
    ann: Person,
    token: String,
}

impl Scene {
    async fn new() -> Self {
        Self::on(TestNode::new()).await
    }

    async fn on(node: TestNode) -> Self {
        let ann = Person::new(1);
        let token = node.sign_in(&ann).await.token;
        Self { node, ann, token }
    }

    fn pins(&self, rest: &str) -> String {
        format!("{}/-/pins{rest}", self.ann.core())
    }

    async fn get(&self, rest: &str) -> Answer {
        self.node.get(&self.pins(rest), Some(&self.token)).await
    }

    async fn list(&self, query: &str) -> PinResults {
        self.get(query).await.expect(200).json()
    }

    async fn post(&self, rest: &str, body: &Value) -> Answer {
        self.node.post(&self.pins(rest), Some(&self.token), body).await
    }

    async fn pin(&self, cid: impl ToString) -> PinState {
        self.post("", &json!({ "cid": cid.to_string() })).await.expect(202).json()
    }

    /// What a pin says once the node has done looking for its blocks.
    async fn looked(&self, id: &str) -> PinState {
        for _ in 0..ASKS_MAX {
            let state: PinState = self.get(&format!("/{id}")).await.expect(200).json();
            if state.status != "pinning" {
                return state;
            }
            tokio::task::yield_now().await;
        }
        panic!("the node looks for ever");
    }

    async fn upload(&self, root: &Block, blocks: &[&Block]) {
        let (mut writer, header) = CarWriter::v1(&[*root.cid()]);
        let mut car = header.to_vec();
        for block in blocks {
            writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
        }
        let path = format!("{}/-/car", self.ann.core());
        self.node.call("POST", &path, Some(&self.token), &CAR, car).await.expect(201);
    }
}

fn raw(bytes: &'static [u8]) -> Block {
    Block::new(Codec::Raw, bytes.into()).expect("a small block")
}

fn random_cid(n: u64) -> Cid {
    *Block::new(Codec::Raw, n.to_be_bytes().to_vec().into()).expect("a small block").cid()
}

/// A directory of one file.
fn directory(file: &Block) -> Block {
    let mut blocks = Vec::new();
    let mut directory = DirectoryBuilder::new(Profile::V1_2025);
    directory.add("x", *file.cid(), file.data().len() as u64).expect("a good name");
    let made = directory.finish(&mut |block: Block| {
        blocks.push(block);
        Ok::<_, std::convert::Infallible>(())
    });
    made.expect("never fails");
    blocks.pop().expect("one block")
}

#[track_caller]
fn expect_failure(answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let failure: PinFailure = answer.json();
    assert_eq!(failure.error.reason, reason);
}

#[tokio::test]
async fn a_pin_waits_for_its_blocks_and_is_open_with_them() {
    let scene = Scene::new().await;
    let file = raw(b"pinned bytes");
    let root = directory(&file);
    let asked = json!({ "cid": root.cid().to_string(), "name": "a name", "origins": ["/dns/a/p2p/b"], "meta": { "k": "v" } });
    let state: PinState = scene.post("", &asked).await.expect(202).json();
    assert_eq!((state.status.as_str(), state.delegates.len()), ("queued", 1));
    assert_eq!(serde_json::to_value(&state.pin).expect("JSON"), asked);
    let waiting = scene.looked(&state.requestid).await;
    assert_eq!(waiting.status, "queued");
    assert!(waiting.info["status_details"].contains("blocks are missing"));
    let gateway = format!("/ipfs/{}/x", root.cid());
    scene.node.get(&gateway, None).await.expect(404);

    scene.upload(&root, &[&root]).await;
    assert_eq!(scene.get(&format!("/{}", state.requestid)).await.json::<PinState>().status, "queued");
    scene.upload(&root, &[&file]).await;
    let pinned: PinState = scene.get(&format!("/{}", state.requestid)).await.json();
    assert_eq!((pinned.status.as_str(), pinned.info.len()), ("pinned", 0));
    assert_eq!((pinned.created, pinned.pin), (state.created, state.pin));
    assert_eq!(scene.node.get(&gateway, None).await.expect(200).text(), "pinned bytes");

    let path = scene.pins(&format!("/{}", state.requestid));
    let removed = scene.node.call("DELETE", &path, Some(&scene.token), &[], Body::empty()).await.expect(202);
    assert!(removed.body.is_empty());
    scene.node.get(&gateway, None).await.expect(404);
    expect_failure(&scene.get(&format!("/{}", state.requestid)).await, 404, "NOT_FOUND");
    let again = scene.node.call("DELETE", &path, Some(&scene.token), &[], Body::empty()).await;
    expect_failure(&again, 404, "NOT_FOUND");
}

#[tokio::test]
async fn what_is_public_here_is_pinned_and_what_is_private_is_unknown() {
    let scene = Scene::new().await;
    let bob = Person::new(2);
    let bobs = scene.node.sign_in(&bob).await.token;
    let put = async |visibility: &str, text: &'static str| {
        let path = format!("{}/-/content/{text}?visibility={visibility}", bob.core());
        scene.node.put(&path, &bobs, text).await.expect(201).json::<kubelt_api::ContentReceipt>().cid
    };
    let (public, private) = (put("public", "for-all").await, put("private", "for-bob").await);
    let taken = scene.pin(&public).await;
    let hidden = scene.pin(&private).await;
    let nowhere = scene.pin(random_cid(1)).await;
    for _ in 0..ASKS_MAX {
        if scene.looked(&taken.requestid).await.status == "pinned" {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.looked(&taken.requestid).await.status, "pinned");
    let (hidden, nowhere) = (scene.looked(&hidden.requestid).await, scene.looked(&nowhere.requestid).await);
    assert_eq!((&hidden.status, &hidden.info), (&nowhere.status, &nowhere.info));
    assert_eq!(hidden.status, "queued");
    scene.node.get(&format!("/ipfs/{private}"), Some(&scene.token)).await.expect(404);

    // The core keeps what it took, also when the one it came from lets it go.
    let path = format!("{}/-/content/for-all", bob.core());
    scene.node.call("DELETE", &path, Some(&bobs), &[], Body::empty()).await.expect(200);
    assert_eq!(scene.node.get(&format!("/ipfs/{public}"), None).await.expect(200).text(), "for-all");
}

#[tokio::test]
async fn pins_are_found_by_what_is_said_of_them() {
    let scene = Scene::new().await;
    let mut states = Vec::new();
    for n in 0..12_u64 {
        let name = if n == 3 { "Photo ü".to_owned() } else { format!("n{n}") };
        let meta = json!({ "n": n.to_string(), "all": "yes" });
        let asked = json!({ "cid": random_cid(n).to_string(), "name": name, "meta": meta });
        states.push(scene.post("", &asked).await.expect(202).json::<PinState>());
    }
    let dates: std::collections::BTreeSet<_> = states.iter().map(|state| &state.created).collect();
    assert_eq!(dates.len(), 12, "every pin has a date of its own");
    let all = "?status=queued,pinning,pinned,failed";
    let first = scene.list(all).await;
    assert_eq!((first.count, first.results.len()), (12, 10));
    assert_eq!(first.results[0].requestid, states[11].requestid);
    let oldest = &first.results[9].created;
    let second = scene.list(&format!("{all}&before={oldest}")).await;
    assert_eq!((second.count, second.results.len()), (2, 2));
    assert_eq!(second.results[1].requestid, states[0].requestid);
    assert_eq!(scene.list(&format!("{all}&after={oldest}&limit=1000")).await.results.len(), 9);
    assert_eq!(scene.list("").await.count, 0, "none is pinned");
    for (query, count) in [
        ("?name=Photo%20%C3%BC", 1),
        ("?name=photo%20%C3%BC", 0),
        ("?name=PHOTO%20%C3%9C&match=iexact", 1),
        ("?name=hot&match=partial", 1),
        ("?name=HOT&match=ipartial", 1),
        ("?meta=%7B%22all%22%3A%22yes%22%7D", 12),
        ("?meta=%7B%22all%22%3A%22yes%22%2C%22n%22%3A%224%22%7D", 1),
        ("?name=n1&status=pinned", 0),
    ] {
        assert_eq!(scene.list(query).await.count, count, "{query}");
    }
    let cids = format!("?cid={},{}", random_cid(1), random_cid(2));
    assert_eq!(scene.list(&cids).await.count, 2);
}

#[tokio::test]
async fn one_cid_may_be_pinned_twice_and_a_pin_replaced_once() {
    let scene = Scene::new().await;
    let (one, two) = (scene.pin(random_cid(1)).await, scene.pin(random_cid(1)).await);
    assert_ne!(one.requestid, two.requestid);
    let asked = json!({ "cid": random_cid(2).to_string() });
    let place = format!("/{}", one.requestid);
    let (a, b) = tokio::join!(scene.post(&place, &asked), scene.post(&place, &asked));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 404]);
    expect_failure(&scene.get(&place).await, 404, "NOT_FOUND");
    assert_eq!(scene.list("?status=queued,pinning,pinned,failed").await.count, 2);
}

#[tokio::test]
async fn what_breaks_a_limit_is_refused_in_the_words_of_that_api() {
    let scene = Scene::new().await;
    let cid = random_cid(1).to_string();
    for body in [
        json!({}),
        json!({ "cid": 5 }),
        json!({ "cid": cid, "name": "a".repeat(256) }),
        json!({ "cid": cid, "origins": vec!["/dns/a/p2p/b"; 21] }),
        json!({ "cid": cid, "origins": ["http://a"] }),
        json!({ "cid": cid, "meta": { "k": 1 } }),
        json!({ "cid": cid, "meta": (0..1_001).map(|n| (n.to_string(), "v")).collect::<std::collections::BTreeMap<_, _>>() }),
        json!({ "cid": cid, "meta": { "k": "v".repeat(40_000) } }),
    ] {
        expect_failure(&scene.post("", &body).await, 400, "BAD_REQUEST");
    }
    expect_failure(&scene.post("", &json!({ "cid": "bafy" })).await, 400, "BAD_CID");
    let huge = json!({ "cid": cid, "name": "a".repeat(300_000) });
    expect_failure(&scene.post("", &huge).await, 413, "TOO_LARGE");
    let eleven = (0..11).map(|n| random_cid(n).to_string()).collect::<Vec<_>>().join(",");
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?status=lost",
        "?match=fuzzy",
        "?before=yesterday",
        "?meta=x",
        "?meta=%7B%22a%22%3A1%7D",
        "?limit=1&limit=2",
        &format!("?cid={eleven}"),
    ] {
        expect_failure(&scene.get(query).await, 400, "BAD_REQUEST");
    }
    expect_failure(&scene.get("?cid=bafy").await, 400, "BAD_CID");
    for place in ["/a/b", "/unknown", &format!("/{}", "a".repeat(200))] {
        expect_failure(&scene.get(place).await, 404, "NOT_FOUND");
    }
    let put = scene.node.put(&scene.pins(""), &scene.token, "").await;
    expect_failure(&put, 405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn others_get_nothing() {
    let scene = Scene::new().await;
    let state = scene.pin(random_cid(1)).await;
    let eve = Person::new(3);
    let eves = scene.node.sign_in(&eve).await.token;
    let place = scene.pins(&format!("/{}", state.requestid));
    let nobody = format!("{}/-/pins", Person::new(9).core());
    for path in [&place, &scene.pins(""), &nobody] {
        expect_failure(&scene.node.get(path, None).await, 401, "UNAUTHORIZED");
        expect_failure(&scene.node.get(path, Some("kb1_bad")).await, 401, "UNAUTHORIZED");
        expect_failure(&scene.node.get(path, Some(&eves)).await, 404, "NOT_FOUND");
        let asked = json!({ "cid": random_cid(2).to_string() });
        expect_failure(&scene.node.post(path, Some(&eves), &asked).await, 404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_full_quota_reads_as_missing_funds_and_settings_keep_pins_private() {
    let quota = Quota { block_bytes: 4, ..Quota::UNLIMITED };
    let rates = kubelt_http::RateLimits {
        requests_per_second: 0,
        sign_ins_per_minute: 0,
        writes_per_second: 0,
        records_per_minute: 0,
        lookups_per_minute: 0,
    };
    let scene = Scene::on(TestNode::with(quota, rates)).await;
    let bob = Person::new(2);
    let bobs = scene.node.sign_in(&bob).await.token;
    // Two blocks within Bob's quota, one over it for Ann, who has one of the others already.
    let put = async |person: &Person, token: &str, text: &'static str| {
        let path = format!("{}/-/content/{text}?visibility=public", person.core());
        scene.node.put(&path, token, text).await.expect(201).json::<kubelt_api::ContentReceipt>().cid
    };
    put(&scene.ann, &scene.token, "abc").await;
    let cid = put(&bob, &bobs, "def").await;
    let state = scene.pin(&cid).await;
    let mut last = state.clone();
    for _ in 0..ASKS_MAX {
        last = scene.looked(&state.requestid).await;
        if last.status == "failed" {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(last.status, "failed");
    assert!(last.info["status_details"].contains("quota"));

    let setting = format!("{}/-/state/config/pins", scene.ann.core());
    scene.node.put(&setting, &scene.token, json!({ "visibility": "private" }).to_string()).await.expect(200);
    let block = raw(b"x");
    scene.upload(&block, &[&block]).await;
    let state = scene.pin(block.cid()).await;
    for _ in 0..ASKS_MAX {
        if scene.looked(&state.requestid).await.status == "pinned" {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.looked(&state.requestid).await.status, "pinned");
    scene.node.get(&format!("/ipfs/{}", block.cid()), None).await.expect(404);
    scene.node.get(&format!("/ipfs/{}", block.cid()), Some(&scene.token)).await.expect(200);
}

#[tokio::test]
async fn a_pin_that_waits_too_long_has_failed_until_its_blocks_come() {
    let scene = Scene::new().await;
    let block = raw(b"late");
    let state = scene.pin(block.cid()).await;
    scene.node.pass(24 * 60 * 60 * 1_000 + 1_000);
    let token = scene.node.sign_in(&scene.ann).await.token;
    let scene = Scene { token, ..scene };
    let late = scene.looked(&state.requestid).await;
    assert_eq!(late.status, "failed");
    assert!(late.info["status_details"].contains("in time"));
    scene.upload(&block, &[&block]).await;
    assert_eq!(scene.looked(&state.requestid).await.status, "pinned");
}
