//! What a core uses, what becomes of what it deletes, and that what it makes the node note counts too.

use axum::body::Body;
use kubelt_api::{Code, ContentReceipt, ContentRemoved, ContentVersions, CoreUsage, CoreView, Fate};
use kubelt_content::{
    Block, Cid, Codec,
    car::CarWriter,
    unixfs::{DirectoryBuilder, Profile},
};
use kubelt_store::Quota;
use serde_json::json;

use crate::harness::{Answer, Person, TestNode};

struct Scene {
    node: TestNode,
    core: String,
    token: String,
}

impl Scene {
    async fn new(quota: Quota) -> Self {
        let off = kubelt_http::RateLimits {
            requests_per_second: 0,
            sign_ins_per_minute: 0,
            writes_per_second: 0,
            records_per_minute: 0,
            lookups_per_minute: 0,
        };
        let (node, alice) = (TestNode::with(quota, off), Person::new(1));
        let token = node.sign_in(&alice).await.token;
        Self { node, core: alice.core(), token }
    }

    async fn own(&self, method: &str, rest: &str, body: impl Into<Body>) -> Answer {
        self.node.call(method, &format!("{}/-/{rest}", self.core), Some(&self.token), &[], body).await
    }

    async fn put(&self, path: &str, body: &'static str) -> String {
        let receipt = self.own("PUT", &format!("content/{path}"), body).await.expect(201);
        receipt.json::<ContentReceipt>().cid
    }

    async fn remove(&self, path: &str) -> ContentRemoved {
        self.own("DELETE", &format!("content/{path}"), "").await.expect(200).json()
    }

    async fn usage(&self) -> CoreUsage {
        self.own("GET", "usage", "").await.expect(200).json()
    }

    async fn upload(&self, blocks: &[Block]) {
        let (mut writer, header) = CarWriter::v1(&[]);
        let mut car = header.to_vec();
        for block in blocks {
            writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
        }
        let kind = [("content-type", "application/vnd.ipld.car")];
        let path = format!("{}/-/car", self.core);
        self.node.call("POST", &path, Some(&self.token), &kind, car).await.expect(201);
    }

    /// Lets the collector do all that is due.
    async fn collect(&self) {
        let collector = self.node.node.workers.get("collector").expect("there is one");
        while collector.step().await.expect("a step") == kubelt_node::worker::Step::More {}
    }
}

fn raw(text: &str) -> Block {
    Block::new(Codec::Raw, text.as_bytes().to_vec().into()).expect("a small block")
}

/// A directory of these leaves, as one block.
fn directory(leaves: &[&Block]) -> Block {
    let mut blocks = Vec::new();
    let mut directory = DirectoryBuilder::new(Profile::V1_2025);
    for (n, leaf) in leaves.iter().enumerate() {
        directory.add(format!("{n}"), *leaf.cid(), leaf.data().len() as u64).expect("a good name");
    }
    let made = directory.finish(&mut |block: Block| {
        blocks.push(block);
        Ok::<_, std::convert::Infallible>(())
    });
    made.expect("never fails");
    assert_eq!(blocks.len(), 1);
    blocks.remove(0)
}

#[tokio::test]
async fn usage_tells_what_content_needs_from_what_is_loose() {
    let scene = Scene::new(Quota { blocks: 100, block_bytes: 1_000_000, ..Quota::UNLIMITED }).await;
    scene.put("a.txt?visibility=public", "four").await;
    scene.put("b.txt", "eight by").await;
    scene.upload(&[raw("loose")]).await;
    let told = scene.usage().await;
    let content = &told.content;
    assert_eq!((content.kept_blocks, content.kept_bytes), (2, 12));
    assert_eq!((content.loose_blocks, content.loose_bytes), (1, 5));
    assert!(content.complete);
    assert_eq!((told.usage.blocks, told.usage.blocks_max, told.usage.block_bytes), (3, 100, 17));
    assert_eq!((told.usage.reach_notes, told.usage.reach_note_bytes), (2, 0));
    assert_eq!(told.versions_kept, "1");
    let view: CoreView = scene.node.get(&scene.core, Some(&scene.token)).await.expect(200).json();
    assert_eq!(view.usage, Some(told.usage));

    // Let go, but not freed yet; then freed.
    scene.remove("a.txt").await;
    let content = scene.usage().await.content;
    assert_eq!((content.kept_blocks, content.loose_blocks, content.loose_bytes), (1, 2, 9));
    scene.node.pass(2 * 60 * 60 * 1_000);
    scene.collect().await;
    let told = scene.usage().await;
    assert_eq!((told.content.kept_bytes, told.content.loose_blocks), (8, 0));
    assert_eq!((told.usage.block_bytes, told.usage.reach_notes), (8, 1));

    // Nobody else is told, nor that there is anything to tell of.
    let eve = scene.node.sign_in(&Person::new(2)).await.token;
    let (there, absent) = (format!("{}/-/usage", scene.core), format!("{}/-/usage", Person::new(9).core()));
    for reader in [None, Some(eve.as_str())] {
        for path in [&there, &absent] {
            scene.node.get(path, reader).await.expect(404);
        }
    }
}

#[tokio::test]
async fn deletion_says_what_becomes_of_the_bytes() {
    let scene = Scene::new(Quota::UNLIMITED).await;
    let cid = scene.put("a.txt", "the same").await;
    scene.put("b.txt", "the same").await;
    let told = scene.remove("a.txt").await;
    assert_eq!((told.fate, told.other_paths, told.cid), (Fate::UsedByOthers, 1, Some(cid)));
    let told = scene.remove("b.txt").await;
    assert_eq!(told.fate, Fate::Queued);
    let blocks = told.blocks.expect("it is one block");
    assert_eq!((blocks.freed, blocks.freed_bytes, blocks.stay), (1, 8, 0));
    assert_eq!(scene.remove("b.txt").await.fate, Fate::Nothing);

    // Two directories that share a leaf.
    let (shared, mine) = (raw("shared"), raw("mine"));
    let (one, two) = (directory(&[&shared, &mine]), directory(&[&shared]));
    let (first, second) = (*one.cid(), *two.cid());
    scene.upload(&[shared, mine, one, two]).await;
    for (path, root) in [("one", first), ("two", second)] {
        scene.own("PUT", &format!("content/{path}?cid={root}"), "").await.expect(201);
    }
    let blocks = scene.remove("one").await.blocks.expect("a few blocks");
    assert_eq!((blocks.freed, blocks.stay, blocks.stay_bytes), (2, 1, 6));
}

#[tokio::test]
async fn versions_that_are_kept_are_told_from_those_that_are_not() {
    let scene = Scene::new(Quota::UNLIMITED).await;
    let held = async |path: &str| {
        let all = scene.own("GET", &format!("content/{path}?versions"), "").await.expect(200);
        all.json::<ContentVersions>().versions.iter().map(|version| version.held).collect::<Vec<_>>()
    };
    for text in ["one", "two", "three"] {
        scene.put("a.txt", text).await;
    }
    assert_eq!(held("a.txt").await, [true, false, false], "only the newest unless told otherwise");
    scene.own("PUT", "state/config/versions", json!({ "keep": 2 }).to_string()).await.expect(200);
    for text in ["four", "five", "six"] {
        scene.put("b.txt", text).await;
    }
    assert_eq!(held("b.txt").await, [true, true, false]);
    let told = scene.remove("b.txt").await;
    assert_eq!((told.fate, told.versions_kept.as_str()), (Fate::KeptAsVersion, "2"));
    assert_eq!(held("b.txt").await, [false, true, false, false], "what cleared it counts, and holds nothing");
    scene.own("PUT", "state/config/versions", json!({ "keep": "all" }).to_string()).await.expect(200);
    let told = scene.remove("a.txt").await;
    assert_eq!((told.fate, told.versions_kept.as_str()), (Fate::KeptAsVersion, "all"));
}

#[tokio::test]
async fn notes_of_what_roots_reach_are_bounded_by_the_quota() {
    let scene = Scene::new(Quota { block_bytes: 400_000, ..Quota::UNLIMITED }).await;
    let leaves: Vec<Block> = (0..200).map(|n| raw(&format!("leaf {n}"))).collect();
    scene.upload(&leaves).await;
    let (mut roots, mut refused): (Vec<Cid>, Option<Answer>) = (Vec::new(), None);
    for n in 0..50 {
        // Nearly the same directory again and again: one small block each, and 200 notes.
        let all: Vec<&Block> = leaves.iter().skip(n % 2).chain([&leaves[n]]).collect();
        let root = directory(&all);
        let cid = *root.cid();
        scene.upload(&[root]).await;
        let answer = scene.own("PUT", &format!("content/{n}?cid={cid}"), "").await;
        if answer.status.as_u16() != 201 {
            refused = Some(answer);
            break;
        }
        roots.push(cid);
    }
    let refused = refused.expect("somewhere it ends");
    let problem = refused.expect_problem(Code::QuotaExceeded);
    assert!(problem.detail.contains("notes"), "{}", problem.detail);
    let usage = scene.usage().await.usage;
    let last = 20_000; // the block of the root that was refused
    assert!(usage.block_bytes + usage.reach_note_bytes <= 400_000 + last, "{usage:?}");
    assert!(roots.len() >= 5 && usage.reach_notes >= 1_000, "{} roots, {usage:?}", roots.len());
    // What is removed makes room.
    for n in 0..roots.len() {
        scene.remove(&n.to_string()).await;
    }
    scene.collect().await;
    assert_eq!(scene.usage().await.usage.reach_notes, 0);
}
