//! Somebody wants another person's private core.

use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubelt_api::{Code, ContentReceipt, CoreView, OpsPage, SessionList, StatePage};
use kubelt_content::{
    Block, Cid, Codec,
    car::CarWriter,
    unixfs::{DirectoryBuilder, Profile},
};
use kubelt_http::RateLimits;
use kubelt_store::Quota;
use serde_json::{Value, json};

use crate::harness::{Answer, HOST, Person, TestNode};

const CAR: [(&str, &str); 1] = [("content-type", "application/vnd.ipld.car")];

/// A node on which Alice keeps a secret, and Eve has signed in.
struct Scene {
    node: TestNode,
    alice: Person,
    alice_token: String,
    eve: Person,
    eve_token: String,
    secret: ContentReceipt,
}

impl Scene {
    async fn new() -> Self {
        let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
        let (alice_token, eve_token) = (node.sign_in(&alice).await.token, node.sign_in(&eve).await.token);
        let path = format!("{}/-/content/notes/secret.txt", alice.core());
        let secret = node.put(&path, &alice_token, "alice's secret").await.expect(201).json();
        Self { node, alice, alice_token, eve, eve_token, secret }
    }

    async fn alice_puts(&self, path: &str, visibility: &str, text: &'static str) -> ContentReceipt {
        let path = format!("{}/-/content/{path}?visibility={visibility}", self.alice.core());
        self.node.put(&path, &self.alice_token, text).await.expect(201).json()
    }
}

fn car_of(root: Cid, blocks: &[Block]) -> Vec<u8> {
    let (mut writer, header) = CarWriter::v1(&[root]);
    let mut car = header.to_vec();
    for block in blocks {
        writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
    }
    car
}

/// A directory block that names `target` as `x`, which its maker need not have.
fn directory_naming(target: &str) -> Block {
    let mut blocks = Vec::new();
    let mut directory = DirectoryBuilder::new(Profile::V1_2025);
    directory.add("x", target.parse().expect("a CID"), 14).expect("a good name");
    let made = directory.finish(&mut |block: Block| {
        blocks.push(block);
        Ok::<_, std::convert::Infallible>(())
    });
    made.expect("never fails");
    blocks.pop().expect("one block")
}

/// The bytes of a directory, uploaded as a plain file, are a leaf: all of it is there. Read as the directory
/// that they also are, they must not lead to what others have.
#[tokio::test]
async fn bytes_read_as_another_codec_open_nothing() {
    let scene = Scene::new().await;
    let directory = directory_naming(&scene.secret.cid);
    let path = format!("{}/-/content/d?visibility=public", scene.eve.core());
    let leaf: ContentReceipt =
        scene.node.put(&path, &scene.eve_token, directory.data().to_vec()).await.expect(201).json();
    let leaf_cid: Cid = leaf.cid.parse().expect("a CID");
    assert_eq!(leaf_cid.hash(), directory.cid().hash());
    let v0 = Cid::new_v0(*directory.cid().hash()).expect("sha2-256").to_string();
    for cid in
        [directory.cid().to_string(), v0, Cid::new_v1(Codec::DagCbor.code(), *leaf_cid.hash()).to_string()]
    {
        for path in [format!("/ipfs/{cid}/x"), format!("/ipfs/{cid}/"), format!("/ipfs/{cid}")] {
            for token in [None, Some(scene.eve_token.as_str())] {
                let answer = scene.node.get(&path, token).await;
                assert!(!answer.text().contains("alice's secret"), "{path} leads to the secret");
                answer.expect_problem(Code::NotFound);
            }
        }
    }
    scene.node.get(&format!("/ipfs/{}", leaf.cid), None).await.expect(200);
}

/// The same trick with a path of the map, and with blocks that come in a CAR.
#[tokio::test]
async fn a_directory_of_foreign_blocks_stays_closed() {
    let scene = Scene::new().await;
    let directory = directory_naming(&scene.secret.cid);
    let car = car_of(*directory.cid(), std::slice::from_ref(&directory));
    let upload = format!("{}/-/car", scene.eve.core());
    scene.node.call("POST", &upload, Some(&scene.eve_token), &CAR, car).await.expect(201);
    let content = format!("{}/-/content", scene.eve.core());
    let raw = Cid::new_v1(Codec::Raw.code(), *directory.cid().hash());
    let link = |name: &str, cid: &Cid| format!("{content}/{name}?visibility=public&cid={cid}");
    scene.node.put(&link("leaf", &raw), &scene.eve_token, "").await.expect(201);
    scene
        .node
        .put(&link("dir", directory.cid()), &scene.eve_token, "")
        .await
        .expect_problem(Code::Incomplete);
    for path in [
        format!("/ipfs/{}/x", directory.cid()),
        format!("{}/leaf/x", scene.eve.core()),
        format!("{}/dir/x", scene.eve.core()),
    ] {
        scene.node.get(&path, Some(&scene.eve_token)).await.expect_problem(Code::NotFound);
    }
}

/// Blocks of a log are never content, not even to its owner.
#[tokio::test]
async fn blocks_of_a_log_are_not_content() {
    let scene = Scene::new().await;
    scene.alice_puts("site/a.txt", "public", "hello").await;
    let url = format!("{}/-/ops", scene.alice.core());
    let page: OpsPage = scene.node.get(&url, Some(&scene.alice_token)).await.expect(200).json();
    let cid = |text: &str| {
        let bytes = STANDARD.decode(text).expect("base64");
        Block::new(Codec::DagCbor, bytes.into()).expect("small").cid().to_string()
    };
    let mut cids = vec![cid(&page.genesis)];
    for op in &page.ops {
        cids.push(op.id.clone());
        cids.push(cid(&op.signed));
        cids.extend(op.body.as_deref().map(cid));
        cids.extend(op.login.as_deref().map(cid));
    }
    assert!(cids.len() > 8, "{cids:?}");
    for cid in cids {
        for token in [None, Some(scene.alice_token.as_str())] {
            scene.node.get(&format!("/ipfs/{cid}"), token).await.expect_problem(Code::NotFound);
        }
    }
}

/// Eve imports an export of Alice's core, with blocks of her own in it, where Alice's core is.
#[tokio::test]
async fn nobody_imports_blocks_into_anothers_core() {
    let scene = Scene::new().await;
    let export = format!("{}/-/car", scene.alice.core());
    let mut car = scene.node.get(&export, Some(&scene.alice_token)).await.expect(200).body;
    let junk = Block::new(Codec::Raw, vec![7; 100_000].into()).expect("small");
    let (mut writer, _) = CarWriter::v1(&[*junk.cid()]);
    writer.section(&junk).iter().for_each(|piece| car.extend_from_slice(piece));
    let usage = async || -> u64 {
        let view: CoreView =
            scene.node.get(&scene.alice.core(), Some(&scene.alice_token)).await.expect(200).json();
        view.usage.expect("the owner sees it").block_bytes
    };
    let before = usage().await;
    let here = scene.node.call("POST", "/-/car", Some(&scene.eve_token), &CAR, car.clone()).await;
    assert_eq!(usage().await, before, "Alice pays for Eve's blocks");
    let asked = json!({ "cids": [junk.cid().to_string()] });
    let url = format!("{}/-/possession", scene.alice.core());
    let answer: Value = scene.node.post(&url, Some(&scene.alice_token), &asked).await.expect(200).json();
    assert_eq!(answer["missing"], asked["cids"]);
    // Where Alice's core is not, the answer is the same.
    let elsewhere = TestNode::new();
    let token = elsewhere.sign_in(&scene.eve).await.token;
    let there = elsewhere.call("POST", "/-/car", Some(&token), &CAR, car).await;
    assert_eq!(problem(&here), problem(&there));
    here.expect_problem(Code::Forbidden);
}

fn problem(answer: &Answer) -> Value {
    let mut problem: Value = answer.json();
    problem.as_object_mut().expect("an object").remove("instance");
    problem
}

/// Pages and cursors show nothing of what is not public: neither its names nor that there is any.
#[tokio::test]
async fn pages_do_not_tell_of_hidden_things() {
    let scene = Scene::new().await;
    scene.alice_puts("m/public.txt", "public", "1").await;
    for path in ["a", "n", "z/deep/hidden"] {
        scene.alice_puts(path, "private", "hidden").await;
    }
    let core = scene.alice.core();
    for order in ["asc", "desc"] {
        let ops: OpsPage =
            scene.node.get(&format!("{core}/-/ops?limit=1&order={order}"), None).await.expect(200).json();
        assert_eq!((ops.ops.len(), ops.next), (1, None), "{order}");
    }
    let state: StatePage = scene.node.get(&format!("{core}/-/state?limit=1"), None).await.expect(200).json();
    assert_eq!((state.entries.len(), state.next), (1, None));
    for under in ["content/m", "content"] {
        let url = format!("{core}/-/state/{under}?limit=1&cursor=content/a");
        let state: StatePage = scene.node.get(&url, None).await.expect(200).json();
        assert_eq!((state.entries.len(), state.next), (1, None), "{under}");
    }
    // Two public paths still make two pages.
    scene.alice_puts("m2/other.txt", "public", "2").await;
    let mut paths = Vec::new();
    let mut cursor = String::new();
    loop {
        let url = format!("{core}/-/state?limit=1{cursor}");
        let state: StatePage = scene.node.get(&url, None).await.expect(200).json();
        paths.extend(state.entries.into_iter().map(|entry| entry.path));
        match state.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paths, ["content/m/public.txt", "content/m2/other.txt"]);
    let ops: OpsPage = scene.node.get(&format!("{core}/-/ops?limit=1"), None).await.expect(200).json();
    let next = ops.next.expect("there is one more");
    let url = format!("{core}/-/ops?limit=1&cursor={next}");
    let rest: OpsPage = scene.node.get(&url, None).await.expect(200).json();
    assert_eq!((rest.ops.len(), rest.next), (1, None));
    // `m` and `m2` are not taken for each other.
    let state: StatePage =
        scene.node.get(&format!("{core}/-/state/content/m"), None).await.expect(200).json();
    assert_eq!(state.entries.len(), 1);
}

/// Figures of the store would tell whether a block was here before it was sent.
#[tokio::test]
async fn figures_are_for_the_machine_itself() {
    let scene = Scene::new().await;
    let ask = async |host: &'static str, forwarded: bool| {
        let mut request = Request::get("/metrics").header("host", host);
        if forwarded {
            request = request.header("x-forwarded-for", "203.0.113.9");
        }
        scene.node.send(request.body(Body::empty()).expect("a request")).await
    };
    ask(HOST, false).await.expect(200);
    ask("kubelt.example", false).await.expect_problem(Code::NotFound);
    ask(HOST, true).await.expect_problem(Code::NotFound);
    // Nor are they for pages that somebody there has open.
    for path in ["/metrics", "/-/node"] {
        let request = Request::get(path).header("host", HOST).header("origin", "https://evil.example");
        let answer = scene.node.send(request.body(Body::empty()).expect("a request")).await;
        assert!(!answer.text().contains("collector"), "{path}");
        assert!(path == "/-/node" || answer.status.as_u16() == 404, "{path}");
    }
}

#[tokio::test]
async fn other_pages_do_not_sign_people_in() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let ask = json!({ "account": alice.account() }).to_string();
    let json = ("content-type", "application/json");
    for origin in ["https://evil.example", "null", "http://127.0.0.1:4748"] {
        for path in ["/-/session/challenge", "/-/session", "/-/session/end/challenge", "/-/session/end"] {
            let body = match path {
                "/-/session/challenge" => ask.clone(),
                "/-/session" => json!({ "message": "", "signature": "0x" }).to_string(),
                "/-/session/end" => json!({ "nonce": "", "signature": "0x" }).to_string(),
                _ => json!({ "account": alice.account(), "session": "x" }).to_string(),
            };
            let answer = node.call("POST", path, None, &[json, ("origin", origin)], body).await;
            answer.expect_problem(Code::Forbidden);
        }
    }
    let own = format!("http://{HOST}");
    node.call("POST", "/-/session/challenge", None, &[json, ("origin", &own)], ask).await.expect(200);
}

/// A challenge costs the node a few hundred bytes, whatever is asked for.
#[tokio::test]
async fn a_challenge_is_never_large() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let ask = async |abilities: Vec<String>| {
        let ask = json!({ "account": alice.account(), "abilities": abilities });
        node.post("/-/session/challenge", None, &ask).await
    };
    ask((0..65).map(|n| format!("put content/{n}/**")).collect()).await.expect_problem(Code::BadRequest);
    let long = "x".repeat(250);
    let wide = (0..64).map(|n| format!("put content/{long}/{long}/{long}/{n}/**")).collect();
    ask(wide).await.expect_problem(Code::BadRequest);
    ask(vec!["x".repeat(300_000)]).await.expect_problem(Code::TooLarge);
    let heads = vec!["bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"; 1];
    let ask = json!({ "account": alice.account(), "heads": heads });
    node.post("/-/session/challenge", None, &ask).await.expect(200);
}

/// What a wallet signs for one purpose is good for no other.
#[tokio::test]
async fn signatures_serve_one_purpose() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let session = node.sign_in(&alice).await;
    let ask = json!({ "account": alice.account(), "session": session.id });
    let ending: kubelt_api::Challenge =
        node.post("/-/session/end/challenge", None, &ask).await.expect(200).json();
    let signed = alice.sign(&ending.message);
    // The message that ends a session opens none, and the one that opens ends none.
    let open = json!({ "message": ending.message, "signature": signed });
    node.post("/-/session", None, &open).await.expect_problem(Code::BadSignIn);
    let opening = node.challenge(&alice).await;
    let end = json!({ "nonce": opening.nonce, "signature": alice.sign(&opening.message) });
    node.post("/-/session/end", None, &end).await.expect_problem(Code::BadSignIn);
    let open = json!({ "message": opening.message, "signature": alice.sign(&opening.message) });
    node.post("/-/session", None, &open).await.expect_problem(Code::BadSignIn);
    // Nothing of the log shows in what anybody may ask for.
    let put = format!("{}/-/content/secret", alice.core());
    let receipt: ContentReceipt = node.put(&put, &session.token, "x").await.expect(201).json();
    let ending: kubelt_api::Challenge =
        node.post("/-/session/end/challenge", None, &ask).await.expect(200).json();
    assert!(!ending.message.contains(&receipt.op));
    let list: SessionList = node.get("/-/session", Some(&session.token)).await.expect(200).json();
    assert_eq!(list.sessions.len(), 1);
}

#[tokio::test]
async fn an_account_never_has_more_than_a_hundred_sessions() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    for _ in 0..98 {
        node.sign_in(&alice).await;
    }
    let mut answers = Vec::new();
    for _ in 0..8 {
        let challenge = node.challenge(&alice).await;
        answers.push(json!({ "message": challenge.message, "signature": alice.sign(&challenge.message) }));
    }
    let open = |answer| {
        let node = &node;
        async move { node.post("/-/session", None, answer).await.status.as_u16() }
    };
    let [a, b, c, d, e, f, g, h] = &answers[..] else { panic!("eight answers") };
    let statuses: [u16; 8] =
        tokio::join!(open(a), open(b), open(c), open(d), open(e), open(f), open(g), open(h)).into();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 2, "{statuses:?}");
}

/// Whatever is published, and every error about it, runs nowhere but in a sandbox.
#[tokio::test]
async fn nothing_runs_on_the_origin_of_the_api() {
    let scene = Scene::new().await;
    let page: ContentReceipt = scene.alice_puts("p/page.html", "public", "<script>alert(1)</script>").await;
    let evil =
        format!("{}/-/content/x/%3Cimg%20src=x%20onerror=alert(1)%3E?visibility=public", scene.alice.core());
    scene.node.put(&evil, &scene.alice_token, "x").await.expect(201);
    let core = scene.alice.core();
    let tag = format!("\"{}\"", page.cid);
    let html = ("accept", "text/html");
    let requests = [
        (format!("{core}/p/page.html"), vec![], 200),
        (format!("{core}/p/page.html"), vec![("range", "bytes=0-3")], 206),
        (format!("{core}/p/page.html"), vec![("range", "bytes=900-")], 416),
        (format!("{core}/p/page.html"), vec![("if-none-match", &tag)], 304),
        (format!("/ipfs/{}", page.cid), vec![], 200),
        (format!("{core}/x/"), vec![html], 200),
        (format!("{core}/%3Cscript%3E"), vec![html], 404),
        (format!("{core}/p"), vec![html], 302),
        ("/-/session/%3Cscript%3E".to_owned(), vec![html], 405),
    ];
    for (path, headers, status) in requests {
        let answer = scene.node.call("GET", &path, None, &headers, Body::empty()).await.expect(status);
        let csp = answer.header("content-security-policy").unwrap_or_default();
        assert!(csp.contains("sandbox") && !csp.contains("allow-same-origin"), "{path} {headers:?}: {csp}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(!answer.text().contains("<img"), "{path}");
    }
}

/// What is private is kept by no cache, whichever route it left by.
#[tokio::test]
async fn private_answers_are_not_kept() {
    let scene = Scene::new().await;
    let core = scene.alice.core();
    for path in [
        "",
        "/",
        "/notes/",
        "/notes/secret.txt",
        "/-/content/notes/secret.txt",
        "/-/content/notes?list",
        "/-/ops",
        "/-/state",
        "/-/heads",
        "/-/car",
        "/-/content/notes/secret.txt?versions",
    ] {
        let answer = scene.node.get(&format!("{core}{path}"), Some(&scene.alice_token)).await.expect(200);
        let kept = answer.header("cache-control").unwrap_or_default();
        assert!(kept.contains("no-store"), "{path}: {kept}");
    }
}

#[tokio::test]
async fn request_ids_do_not_count() {
    let node = TestNode::new();
    let mut ids = Vec::new();
    for _ in 0..4 {
        let answer = node.get("/healthz", None).await;
        ids.push(u64::from_str_radix(answer.header("x-request-id").expect("an id"), 16).expect("hex"));
    }
    assert!(ids.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1_000_000), "{ids:x?}");
}

#[tokio::test]
async fn posted_operations_are_counted_too() {
    let rates = RateLimits {
        requests_per_second: 0,
        sign_ins_per_minute: 5,
        writes_per_second: 2,
        records_per_minute: 0,
        lookups_per_minute: 0,
    };
    let (node, alice) = (TestNode::with(Quota::UNLIMITED, rates), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let post = json!({ "ops": [{ "signed": "AA==", "body": "AA==" }] });
    let url = format!("{}/-/ops", alice.core());
    for token in [Some(token.as_str()), None] {
        let mut statuses = Vec::new();
        for _ in 0..8 {
            statuses.push(node.post(&url, token, &post).await.status.as_u16());
        }
        assert!(statuses.contains(&429), "{token:?}: {statuses:?}");
    }
    let large = json!({ "ops": [{ "signed": "A".repeat(300_000), "body": "AA==" }] });
    let fresh = TestNode::new();
    fresh.post(&url, None, &large).await.expect_problem(Code::TooLarge);
}

/// Names with marks of query strings in them page like any others.
#[tokio::test]
async fn a_listing_goes_on_behind_any_name() {
    let scene = Scene::new().await;
    let core = scene.alice.core();
    for n in 0..501 {
        let url = format!("{core}/-/content/big/a&limit=x+b%23{n:04}?visibility=public");
        scene.node.put(&url, &scene.alice_token, "x").await.expect(201);
    }
    let page = scene.node.get(&format!("{core}/big/"), None).await.expect(200).text();
    let (_, after) = page.split_once("?cursor=").expect("a link to more");
    let (cursor, _) = after.split_once('"').expect("the link ends");
    let rest = scene.node.get(&format!("{core}/big/?cursor={cursor}"), None).await.expect(200).text();
    assert!(rest.contains("0500") && !rest.contains("0499"), "{rest}");
}

/// A partial DAG opens what its core has of it, and never what another core keeps private under the same root.
#[tokio::test]
async fn a_partial_dag_opens_only_what_its_core_has() {
    let scene = Scene::new().await;
    // Alice keeps the whole directory private; Eve knows its block, and claims the rest to be missing.
    let directory = directory_naming(&scene.secret.cid);
    let link = |core: &str, more: &str| format!("{core}/-/content/d?cid={}{more}", directory.cid());
    for (core, token) in [(scene.alice.core(), &scene.alice_token), (scene.eve.core(), &scene.eve_token)] {
        let car = car_of(*directory.cid(), std::slice::from_ref(&directory));
        scene.node.call("POST", &format!("{core}/-/car"), Some(token), &CAR, car).await.expect(201);
    }
    scene.node.put(&link(&scene.alice.core(), ""), &scene.alice_token, "").await.expect(201);
    let eve = scene.eve.core();
    scene.node.put(&link(&eve, "&visibility=public"), &scene.eve_token, "").await.expect(409);
    scene.node.put(&link(&eve, "&visibility=public&partial=maybe"), &scene.eve_token, "").await.expect(400);
    scene.node.put(&link(&eve, "&visibility=public&partial=allow"), &scene.eve_token, "").await.expect(201);
    for reader in [None, Some(scene.eve_token.as_str())] {
        let page = scene.node.get(&format!("{eve}/d/"), reader).await.expect(200);
        assert!(page.text().contains('x'), "what is there is shown");
        scene.node.get(&format!("/ipfs/{}/", directory.cid()), reader).await.expect(200);
        for path in [
            format!("{eve}/d/x"),
            format!("{eve}/-/content/d/x"),
            format!("/ipfs/{}/x", directory.cid()),
            format!("/ipfs/{}", scene.secret.cid),
        ] {
            let answer = scene.node.get(&path, reader).await;
            assert_eq!(answer.status, 404, "{path} as {reader:?}: {}", answer.text());
        }
    }
    let export = scene.node.get(&format!("{eve}/-/car"), Some(&scene.eve_token)).await.expect(200);
    assert!(!export.text().contains("alice's secret"));
    // Alice reads all of hers.
    let path = format!("{}/d/x", scene.alice.core());
    assert_eq!(scene.node.get(&path, Some(&scene.alice_token)).await.expect(200).text(), "alice's secret");
}
