//! What is unpublished is closed at the very next request: on every route, for the root and for every block in it.

use std::convert::Infallible;

use axum::body::Body;
use kubelt_content::{
    Block, Cid, Codec,
    car::CarWriter,
    unixfs::{DirectoryBuilder, Importer, Profile},
};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Person, TestNode},
    routes::{FORMATS, Place},
};

const PAGE: &[u8] = b"a page that is taken back";
const LEAF: &[u8] = b"a leaf that is taken back";

/// Stands in a route for the path that the DAG is published at.
const PATH: &str = "PATH";
/// Stands in a route for the root that the core's name leads to meanwhile.
const PUBLIC_ROOT: &str = "PUBLIC";

/// How often a test looks whether a pin has its blocks.
const LOOKS_MAX: usize = 100_000;

/// A DAG with directories, small files and one file of several blocks.
struct Dag {
    blocks: Vec<Block>,
    root: Cid,
    /// What lies in it: path below the root (none for a block within a file), and CID.
    parts: Vec<(Option<&'static str>, Cid)>,
}

impl Dag {
    fn new() -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        let mut keep = |block: Block| {
            blocks.push(block);
            Ok::<_, Infallible>(())
        };
        let raw = |bytes: &'static [u8]| Block::new(Codec::Raw, bytes.into()).expect("a small block");
        let (page, leaf) = (raw(PAGE), raw(LEAF));
        let mut importer = Importer::new(Profile::V1_2025);
        let Ok(()) = importer.write(&vec![7; 1_100_000], &mut keep);
        let Ok(big) = importer.finish(&mut keep);
        let mut deep = DirectoryBuilder::new(Profile::V1_2025);
        deep.add("leaf.txt", *leaf.cid(), LEAF.len() as u64).expect("a good name");
        let deep = deep.finish(&mut keep).expect("never fails");
        let mut root = DirectoryBuilder::new(Profile::V1_2025);
        root.add("page.html", *page.cid(), PAGE.len() as u64).expect("a good name");
        root.add("big.bin", big.cid, big.dag_size).expect("a good name");
        root.add("deep", deep.cid, deep.dag_size).expect("a good name");
        let root = root.finish(&mut keep).expect("never fails");
        let chunk = *blocks[0].cid();
        let parts = vec![
            (Some(""), root.cid),
            (Some("page.html"), *page.cid()),
            (Some("big.bin"), big.cid),
            (Some("deep"), deep.cid),
            (Some("deep/leaf.txt"), *leaf.cid()),
            (None, chunk),
        ];
        blocks.extend([page, leaf]);
        Self { blocks, root: root.cid, parts }
    }

    fn car(&self) -> Vec<u8> {
        let (mut writer, header) = CarWriter::v1(&[self.root]);
        let mut car = header.to_vec();
        for block in &self.blocks {
            writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
        }
        car
    }
}

/// How content is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `DELETE` of its path.
    Deleted,
    /// The same, in a core that publishes something else too.
    DeletedBesideAnother,
    /// Its path is written again, and is private.
    MadePrivate,
    /// Its path is given other content.
    Replaced,
    /// Its exits are closed by a setting.
    Closed,
    /// It was published as a pin, and the pin is removed.
    Unpinned,
}

struct Scene {
    node: TestNode,
    core: String,
    token: String,
    stranger: String,
    dag: Dag,
    name: String,
}

impl Scene {
    async fn new() -> Self {
        let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
        let token = node.sign_in(&alice).await.token;
        let stranger = node.sign_in(&eve).await.token;
        let (core, dag) = (alice.core(), Dag::new());
        let car = [("content-type", "application/vnd.ipld.car")];
        node.call("POST", &format!("{core}/-/car"), Some(&token), &car, dag.car()).await.expect(201);
        let id = kubelt_node::Cores::resolve(&[alice.account()]);
        let name = node.node.ipns.name_of(&id).await.expect("a name").to_string();
        Self { node, core, token, stranger, dag, name }
    }

    async fn own(&self, method: &str, rest: &str, body: impl Into<Body>) -> Answer {
        self.node.call(method, &format!("{}/-/{rest}", self.core), Some(&self.token), &[], body).await
    }

    /// Publishes the DAG; gives its path.
    async fn publish(&self, way: Way) -> String {
        let root = self.dag.root;
        if way == Way::Unpinned {
            let pin = json!({ "cid": root.to_string() }).to_string();
            let pin: Value = self.own("POST", "pins", pin).await.expect(202).json();
            let path = format!("pins/{}", pin["requestid"].as_str().expect("an id"));
            for _ in 0..LOOKS_MAX {
                let pin: Value = self.own("GET", &path, "").await.expect(200).json();
                if pin["status"] == "pinned" {
                    return path;
                }
                tokio::task::yield_now().await;
            }
            panic!("the pin never has its blocks");
        }
        self.own("PUT", &format!("content/site?cid={root}&visibility=public"), "").await.expect(201);
        self.own("DELETE", "state/config/exposure", "").await;
        "site".to_owned()
    }

    async fn take_back(&self, way: Way, path: &str) {
        let root = self.dag.root;
        match way {
            Way::Deleted | Way::DeletedBesideAnother => {
                let answer = self.own("DELETE", &format!("content/{path}"), "").await;
                assert!(answer.status.is_success(), "{}", answer.text());
            }
            Way::MadePrivate => {
                self.own("PUT", &format!("content/{path}?cid={root}"), "").await.expect(201);
            }
            Way::Replaced => {
                self.own("PUT", &format!("content/{path}"), "something private").await.expect(201);
            }
            Way::Closed => {
                let closed = json!({ "network": false, "ipfs": false, "http": false }).to_string();
                self.own("PUT", "state/config/exposure", closed).await.expect(200);
            }
            Way::Unpinned => {
                self.own("DELETE", path, "").await.expect(202);
            }
        }
    }

    /// The root that the core's name leads to.
    async fn public_root(&self) -> String {
        let answer = self.node.get(&format!("/ipns/{}/", self.name), None).await.expect(200);
        answer.header("x-ipfs-roots").expect("roots").to_owned()
    }

    /// Every route on which a part of the DAG can leave, with [`PATH`] and [`PUBLIC_ROOT`] where those go.
    fn routes(&self) -> Vec<String> {
        let (core, root, name) = (&self.core, self.dag.root, &self.name);
        let (path, public_root) = (PATH, PUBLIC_ROOT);
        let mut routes = vec![
            format!("/ipfs/{public_root}/"),
            format!("/ipfs/{public_root}?format=car"),
            format!("/ipfs/{public_root}?format=raw"),
            format!("{core}/-/content?list"),
            format!("{core}/{path}/?list"),
        ];
        for (below, cid) in &self.dag.parts {
            let cid = cid.to_string();
            if let Some(below) = below {
                let at = format!("{path}/{below}");
                let at = at.trim_end_matches('/');
                let place = Place { core, path: at, cid: &cid, name };
                let state = format!("/-/state/content/{at}");
                // Of the map there is only what the DAG's own path has.
                let is_there = |route: &String| below.is_empty() || !route.ends_with(&state);
                routes.extend(place.routes().into_iter().map(|(_exit, route)| route).filter(is_there));
                for query in FORMATS {
                    routes.push(format!("/ipfs/{root}/{below}{query}"));
                    routes.push(format!("//{root}.ipfs.localhost/{below}{query}"));
                    routes.push(format!("/ipfs/{public_root}/{at}{query}"));
                }
                if matches!(*below, "" | "deep") {
                    routes.push(format!("{core}/-/content/{at}?list"));
                    routes.push(format!("/ipfs/{cid}/?format=json"));
                }
            }
            for query in
                FORMATS.into_iter().chain(["?format=car&dag-scope=block", "?format=car&dag-scope=entity"])
            {
                routes.push(format!("/ipfs/{cid}{query}"));
            }
            routes.push(format!("/ipfs/{cid}/"));
            routes.push(format!("//{cid}.ipfs.localhost/"));
        }
        routes.sort();
        routes.dedup();
        routes
    }

    /// Calls of Kubo's RPC that read.
    fn calls(&self) -> Vec<String> {
        let commands = [
            "cat",
            "get",
            "ls",
            "block/get",
            "block/stat",
            "dag/get",
            "dag/export",
            "dag/stat",
            "dag/resolve",
            "refs",
            "resolve",
            "files/stat",
        ];
        let mut paths: Vec<String> = self.dag.parts.iter().map(|(_, cid)| format!("/ipfs/{cid}")).collect();
        paths.push(format!("/ipfs/{}/deep/leaf.txt", self.dag.root));
        let calls = commands
            .iter()
            .flat_map(|command| paths.iter().map(move |path| format!("/api/v0/{command}?arg={path}")));
        calls.collect()
    }

    /// Asks for a route in every way there is, as nobody and as a stranger who signed in.
    async fn ask(&self, route: &str, etag: Option<&str>) -> Vec<(String, Answer)> {
        let mut answers = Vec::new();
        if route.starts_with("/api/") {
            let answer = self.node.call_at("POST", route, Some(&self.stranger), &[]).await;
            return vec![(format!("POST {route}"), answer)];
        }
        let etag = etag.unwrap_or("*");
        for reader in [None, Some(self.stranger.as_str())] {
            for (method, headers) in [
                ("GET", vec![]),
                ("HEAD", vec![]),
                ("GET", vec![("range", "bytes=0-3")]),
                ("GET", vec![("if-none-match", etag)]),
                ("HEAD", vec![("if-none-match", "*")]),
                ("GET", vec![("accept", "text/html")]),
            ] {
                let answer = self.node.call_at(method, route, reader, &headers).await;
                answers.push((format!("{method} {route} {headers:?} as {reader:?}"), answer));
            }
        }
        answers
    }

    /// Whether a request is for a list of all that the core publishes, its log among them, or its name's root.
    fn is_about_all(&self, case: &str) -> bool {
        let route = case.split(' ').nth(1).unwrap_or_default();
        let all = ["", "/?list", "/-/content?list", "/-/ops", "/-/state", "/-/state/content/site", "/-/car"];
        all.iter().any(|rest| *route == format!("{}{rest}", self.core))
            || route == format!("/ipns/{}/", self.name)
    }

    fn assert_closed(&self, way: Way, case: &str, answer: &Answer) {
        let status = answer.status.as_u16();
        let is_any_tag = case.contains("if-none-match\", \"*");
        let expected = match case {
            // Kubo answers 500 to whatever it has not.
            _ if case.contains(" /api/") => 500,
            // The core publishes nothing any more, so its name leads nowhere.
            _ if case.contains(&self.name) && way != Way::DeletedBesideAnother => 502,
            // What is about the core as a whole, and says what else it publishes.
            _ if way == Way::DeletedBesideAnother
                && self.is_about_all(case)
                && (matches!(status, 200 | 302) || is_any_tag && status == 304) =>
            {
                status
            }
            _ if case.starts_with("HEAD") && case.contains("/-/car ") => 405,
            _ => 404,
        };
        assert_eq!(status, expected, "{way:?}: {case}: {} {:?}", answer.text(), answer.headers);
        let expected = if matches!(expected, 302 | 304) { 200 } else { expected };
        let kept = answer.header("cache-control").unwrap_or_default();
        assert!(!kept.starts_with("public") || expected == 200, "{way:?}: {case}: {kept}");
        let tag = answer.header("etag").is_some();
        assert!(!tag || expected == 200, "{way:?}: {case}: {:?}", answer.headers);
        let text = answer.text();
        let mut words: Vec<String> =
            [PAGE, LEAF].map(|word| String::from_utf8_lossy(word).into_owned()).into();
        if expected == 200 {
            words.extend(self.dag.parts.iter().map(|(_, cid)| cid.to_string()));
            words.extend(["site", "page.html", "leaf.txt"].map(str::to_owned));
        }
        for word in words {
            assert!(!text.contains(&word), "{way:?}: {case}: {word} in {text}");
        }
    }
}

async fn check(way: Way) {
    let scene = Scene::new().await;
    if way == Way::DeletedBesideAnother {
        scene.own("PUT", "content/other.txt?visibility=public", "another").await.expect(201);
    }
    let mut routes = scene.routes();
    routes.extend(scene.calls());
    let mut last = (String::new(), String::new());
    let (mut opened, mut asked) = (0, 0);
    for route in &routes {
        // Everything that could be kept in memory is asked for while it is open; what comes right after it was
        // taken back is this route.
        let path = scene.publish(way).await;
        let public_root = scene.public_root().await;
        let route = route.replace(PATH, &path).replace(PUBLIC_ROOT, &public_root);
        let mut etag = None;
        for (case, answer) in scene.ask(&route, None).await {
            let status = answer.status.as_u16();
            opened += usize::from(matches!(status, 200 | 206 | 301 | 302 | 304));
            assert_ne!(status, 404, "{way:?}: it was open: {case}: {}", answer.text());
            etag = etag.or_else(|| answer.header("etag").map(str::to_owned));
        }
        scene.take_back(way, &path).await;
        for (case, answer) in scene.ask(&route, etag.as_deref()).await {
            scene.assert_closed(way, &case, &answer);
            asked += 1;
        }
        last = (path, public_root);
    }
    assert!(opened > 1_000 && asked > 1_000, "{opened} {asked}");
    // Nor does knowing the CID help anybody to make it their own.
    let (eve, root) = (Person::new(2).core(), scene.dag.root);
    let put = format!("{eve}/-/content/mine?cid={root}&visibility=public");
    scene.node.put(&put, &scene.stranger, "").await.expect(409);
    let pin = format!("/api/v0/pin/add?arg={root}");
    scene.node.call_at("POST", &pin, Some(&scene.stranger), &[]).await.expect(500);
    for route in &routes {
        let route = route.replace(PATH, &last.0).replace(PUBLIC_ROOT, &last.1);
        for (case, answer) in scene.ask(&route, None).await {
            scene.assert_closed(way, &case, &answer);
        }
    }
}

#[tokio::test]
async fn deleted() {
    check(Way::Deleted).await;
}

#[tokio::test]
async fn deleted_beside_another() {
    check(Way::DeletedBesideAnother).await;
}

#[tokio::test]
async fn made_private() {
    check(Way::MadePrivate).await;
}

#[tokio::test]
async fn replaced() {
    check(Way::Replaced).await;
}

#[tokio::test]
async fn closed() {
    check(Way::Closed).await;
}

#[tokio::test]
async fn unpinned() {
    check(Way::Unpinned).await;
}

#[tokio::test]
async fn nobody_hides_a_block_by_publishing_it_and_closing_it_again() {
    let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let token = node.sign_in(&alice).await.token;
    let eves = node.sign_in(&eve).await.token;
    let leaf = Block::new(Codec::Raw, LEAF.into()).expect("a small block");
    let directory = |name: &str| {
        let mut blocks = Vec::new();
        let mut directory = DirectoryBuilder::new(Profile::V1_2025);
        directory.add(name, *leaf.cid(), LEAF.len() as u64).expect("a good name");
        let mut keep = |block: Block| {
            blocks.push(block);
            Ok::<_, Infallible>(())
        };
        directory.finish(&mut keep).expect("never fails");
        blocks.remove(0)
    };
    let publish = async |person: &Person, token: &str, roots: &[Block]| {
        let (mut writer, header) = CarWriter::v1(&[]);
        let mut car = header.to_vec();
        for block in roots.iter().chain([&leaf]) {
            writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
        }
        let kind = [("content-type", "application/vnd.ipld.car")];
        node.call("POST", &format!("{}/-/car", person.core()), Some(token), &kind, car).await.expect(201);
        for root in roots {
            let cid = root.cid();
            let put = format!("{}/-/content/{cid}?cid={cid}&visibility=public", person.core());
            node.put(&put, token, "").await.expect(201);
        }
    };
    // Eve picks roots that sort before Alice's.
    let mine = directory("mine");
    let before: Vec<Block> = (0..)
        .map(|n: u32| directory(&format!("{n}")))
        .filter(|root| root.cid().to_bytes() < mine.cid().to_bytes())
        .take(1_100)
        .collect();
    let close = async |closed: bool| {
        let path = format!("{}/-/state/config/exposure", eve.core());
        node.call("PUT", &path, Some(&eves), &[], json!({ "ipfs": !closed }).to_string()).await.expect(200);
    };
    close(true).await;
    publish(&alice, &token, std::slice::from_ref(&mine)).await;
    let read = async || node.get(&format!("/ipfs/{}", leaf.cid()), None).await.status.as_u16();
    publish(&eve, &eves, &before[..100]).await;
    assert_eq!(read().await, 200);
    publish(&eve, &eves, &before[100..]).await;
    assert_eq!(read().await, 200, "it was open before");
    assert_eq!(node.get(&format!("/ipfs/{}/mine", mine.cid()), None).await.status.as_u16(), 200);
    // And it is shut when its own door is.
    let path = format!("{}/-/content/{}", alice.core(), mine.cid());
    node.call("DELETE", &path, Some(&token), &[], Body::empty()).await.expect(200);
    assert_eq!(read().await, 404);
    close(false).await;
    assert_eq!(read().await, 200);
}

/// However often others name a root, where strangers cannot see it, it stays open where its publisher has it.
#[tokio::test]
async fn nobody_hides_a_root_by_naming_it() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let put = format!("{}/-/content/mine?visibility=public", alice.core());
    let cid = node.put(&put, &token, "mine").await.expect(201).json::<kubelt_api::ContentReceipt>().cid;
    let alices = node.get(&format!("{}/-/heads", alice.core()), Some(&token)).await;
    assert_eq!(alices.status.as_u16(), 200);
    // Whose names come before hers, and whose settings close what is public.
    for seed in 2..6 {
        let eve = Person::new(seed);
        let eves = node.sign_in(&eve).await.token;
        let settings = format!("{}/-/state/config/exposure", eve.core());
        let shut = json!({ "ipfs": seed % 2 == 0 }).to_string();
        node.call("PUT", &settings, Some(&eves), &[], shut).await.expect(200);
        node.put(&format!("{}/-/content/first", eve.core()), &eves, "mine").await.expect(201);
        for n in 0..300 {
            let visibility = if seed % 2 == 0 { "private" } else { "public" };
            let put = format!("{}/-/content/{n}?cid={cid}&visibility={visibility}", eve.core());
            node.put(&put, &eves, "").await.expect(201);
        }
    }
    node.get(&format!("/ipfs/{cid}"), None).await.expect(200);
    node.call("DELETE", &format!("{}/-/content/mine", alice.core()), Some(&token), &[], Body::empty())
        .await
        .expect(200);
    node.get(&format!("/ipfs/{cid}"), None).await.expect(404);
}
