//! Kubo's RPC: who may do what, and what is refused.

use axum::body::Body;
use serde_json::{Value, json};

use crate::{
    harness::{Person, TestNode},
    kubo::{BOUNDARY, add, ask, call, ended, file, part},
};

/// Every command, with arguments that make it run.
fn commands(cid: &str) -> Vec<String> {
    let plain =
        ["version", "id", "repo/stat", "repo/version", "key/list", "key/gen?arg=x", "pin/ls", "pin/verify"];
    let files = ["add", "block/put", "dag/put", "dag/import"];
    let on_cid = [
        "cat",
        "get",
        "ls",
        "block/get",
        "block/rm",
        "block/stat",
        "dag/export",
        "dag/get",
        "dag/resolve",
        "dag/stat",
        "pin/add",
        "pin/rm",
        "refs",
        "name/publish",
        "resolve",
        "name/resolve",
    ];
    let paths = on_cid.iter().map(|command| format!("{command}?arg={cid}"));
    let more = [format!("files/stat?arg=/ipfs/{cid}"), format!("pin/update?arg={cid}&arg={cid}")];
    plain.iter().chain(&files).map(|&command| command.to_owned()).chain(paths).chain(more).collect()
}

async fn private_file(node: &TestNode, person: &Person, token: &str) -> String {
    let path = format!("{}/-/content/secret.txt", person.core());
    let stored: Value = node.put(&path, token, "a secret").await.expect(201).json();
    stored["cid"].as_str().expect("a CID").to_owned()
}

#[tokio::test]
async fn nothing_works_without_a_token_or_from_other_pages() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let cid = private_file(&node, &alice, &token).await;
    for command in commands(&cid) {
        let path = format!("/api/v0/{command}");
        let stranger = node.call("POST", &path, None, &[], Body::empty()).await.expect(401);
        assert_eq!(stranger.json::<Value>()["Type"], "error", "{command}");
        for header in
            [("origin", "https://evil.example"), ("referer", "https://evil.example/x"), ("origin", "null")]
        {
            node.call("POST", &path, Some(&token), &[header], Body::empty()).await.expect(403);
        }
        for method in ["GET", "PUT", "DELETE"] {
            node.call(method, &path, Some(&token), &[], Body::empty()).await.expect(405);
        }
    }
    call(&node, &token, "swarm/peers", Vec::new()).await.expect(404);
    call(&node, &token, "config/show", Vec::new()).await.expect(404);
    let own = [("origin", "http://127.0.0.1:4747"), ("referer", "http://127.0.0.1:4747/")];
    node.call("POST", "/api/v0/version", Some(&token), &own, Body::empty()).await.expect(200);
}

#[tokio::test]
async fn foreign_private_content_reads_as_missing_content() {
    let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let (hers, theirs) = (node.sign_in(&alice).await.token, node.sign_in(&eve).await.token);
    let secret = private_file(&node, &alice, &hers).await;
    assert_eq!(
        call(&node, &hers, &format!("cat?arg={secret}"), Vec::new()).await.expect(200).text(),
        "a secret"
    );
    let other = TestNode::new();
    let nowhere = private_file(&other, &alice, &other.sign_in(&alice).await.token).await;
    assert_eq!(nowhere, secret);
    // The same question to a node that has it and to one that has not.
    let strange = other.sign_in(&eve).await.token;
    let third = TestNode::new();
    let empty = third.sign_in(&eve).await.token;
    for command in commands(&secret) {
        if ["id", "key/list", "name/resolve"].iter().any(|name| command.starts_with(name)) {
            continue;
        }
        let here = call(&node, &theirs, &command, Vec::new()).await;
        let there = call(&other, &strange, &command, Vec::new()).await;
        let missing = call(&third, &empty, &command, Vec::new()).await;
        assert_eq!((here.status, here.text()), (missing.status, missing.text()), "{command}");
        assert_eq!((there.status, there.text()), (missing.status, missing.text()), "{command}");
    }
    // Naming a foreign block in one's own DAG opens nothing.
    let value = format!("{{\"x\":{{\"/\":\"{secret}\"}}}}");
    let put = call(&node, &theirs, "dag/put", ended(&[file("", value.as_bytes())])).await.expect(200);
    let root = put.json::<Value>()["Cid"]["/"].as_str().expect("a CID").to_owned();
    for command in
        [format!("cat?arg={root}/x"), format!("pin/add?arg={root}"), format!("dag/stat?arg={root}")]
    {
        let refused = call(&node, &theirs, &command, Vec::new()).await.expect(500);
        assert!(!refused.text().contains("a secret"), "{command}");
    }
    call(&node, &theirs, &format!("block/get?arg={secret}"), Vec::new()).await.expect(500);
}

#[tokio::test]
async fn a_narrow_token_does_no_more_than_it_may() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let secret = private_file(&node, &alice, &token).await;
    add(&node, &token, "", &[file("a.txt", b"hello\n")]).await;
    let ask_for = json!({ "account": alice.account(), "abilities": ["put content/pins/**"] });
    let challenge: kubelt_api::Challenge =
        node.post("/-/session/challenge", None, &ask_for).await.expect(200).json();
    let answer = json!({ "message": challenge.message, "signature": alice.sign(&challenge.message) });
    let opened: kubelt_api::SessionCreated = node.post("/-/session", None, &answer).await.expect(201).json();
    let narrow = opened.token;
    add(&node, &narrow, "", &[file("b.txt", b"narrow\n")]).await;
    for command in ["pin/ls", "pin/verify", "repo/stat"] {
        call(&node, &narrow, command, Vec::new()).await.expect(403);
    }
    for command in ["cat", "block/get", "pin/add", "dag/export"] {
        call(&node, &narrow, &format!("{command}?arg={secret}"), Vec::new()).await.expect(500);
    }
    call(&node, &narrow, &format!("block/rm?arg={secret}"), Vec::new()).await.expect(200);
    assert_eq!(
        call(&node, &token, &format!("cat?arg={secret}"), Vec::new()).await.expect(200).text(),
        "a secret"
    );
    let hello = "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN";
    call(&node, &narrow, &format!("name/publish?arg={hello}"), Vec::new()).await.expect(403);
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let whole = ended(&[file("a.txt", &[1; 100])]);
    call(&node, &token, "add", whole[..whole.len() - 40].to_vec()).await.expect(400);
    assert_eq!(ask(&node, &token, "pin/ls").await, json!({ "Keys": {} }), "nothing of a cut body is pinned");
    call(&node, &token, "add", Vec::new()).await.expect(400);
    node.call("POST", "/api/v0/add", Some(&token), &[], "x").await.expect(400);

    let endless = format!("--{BOUNDARY}\r\nX-Long: {}", "x".repeat(300 * 1_024));
    call(&node, &token, "add", endless.into_bytes()).await.expect(400);
    for path in ["../x", "a/../b", "a/./b", &"d/".repeat(200)] {
        let path = format!("{path}x");
        let refused = call(&node, &token, "add", ended(&[file(&path, b"")])).await;
        assert!(refused.status.is_server_error(), "{path}");
    }
    let twice = [file("d/a", b"1"), file("d/a", b"2")];
    call(&node, &token, "add?silent=true", ended(&twice)).await.expect(500);
    let through = [file("d/a", b"1"), file("d/a/b", b"2")];
    call(&node, &token, "add?silent=true", ended(&through)).await.expect(500);
    let link = part("application/symlink", "l", &[b'x'; 5_000]);
    call(&node, &token, "add", ended(&[link])).await.expect(500);
    let large = vec![0; 2 * 1_024 * 1_024 + 1];
    call(&node, &token, "block/put", ended(&[file("", &large)])).await.expect(500);
    let not_a_car = ended(&[file("x.car", b"hello")]);
    call(&node, &token, "dag/import", not_a_car).await.expect(500);
    for options in [
        "hash=blake2b-256",
        "trickle=true",
        "inline=true",
        "chunker=rabin",
        "chunker=size-0",
        "chunker=size-9999999",
        "cid-version=2",
        "to-files=/x",
        "raw-leaves=true&mode=0644",
        "mtime-nsecs=5",
    ] {
        let refused = call(&node, &token, &format!("add?{options}"), whole.clone()).await;
        assert!(refused.status.is_server_error(), "{options}");
    }
    let long = format!("cat?arg={}", "x".repeat(7_000));
    call(&node, &token, &long, Vec::new()).await.expect(500);
    let many = format!("pin/add?{}", "arg=a&".repeat(1_001));
    call(&node, &token, &many, Vec::new()).await.expect(400);
    for path in ["bad", "/ipfs/", "/x/y", "/ipns/", ""] {
        call(&node, &token, &format!("cat?arg={path}"), Vec::new()).await.expect(500);
    }
    call(&node, &token, "cat", Vec::new()).await.expect(400);
}

/// Ten levels of a directory with ten links to the one below: 10^10 files of 1 KiB in eleven blocks.
#[tokio::test]
async fn bombs_of_trees_cost_what_is_taken_of_them() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let rows = add(&node, &token, "cid-version=1&pin=false", &[file("f", &[0; 1_024])]).await;
    let mut below = rows[0]["Hash"].as_str().expect("a hash").to_owned();
    for _ in 0..10 {
        let links: Vec<Value> =
            (0..10).map(|n| json!({ "Hash": { "/": below }, "Name": n.to_string(), "Tsize": 1 })).collect();
        let value = json!({ "Data": { "/": { "bytes": "CAE" } }, "Links": links }).to_string();
        let put =
            call(&node, &token, "dag/put?store-codec=dag-pb", ended(&[file("", value.as_bytes())])).await;
        below = put.expect(200).json::<Value>()["Cid"]["/"].as_str().expect("a CID").to_owned();
    }
    let stat = ask(&node, &token, &format!("dag/stat?arg={below}&progress=false")).await;
    assert_eq!(stat["UniqueBlocks"], 11);
    let refs = call(&node, &token, &format!("refs?arg={below}&recursive=true&unique=true"), Vec::new()).await;
    assert_eq!(refs.expect(200).text().lines().count(), 10);
    let listed = ask(&node, &token, &format!("ls?arg={below}")).await;
    assert_eq!(listed["Objects"][0]["Links"].as_array().map(Vec::len), Some(10));
    ask(&node, &token, &format!("pin/add?arg={below}")).await;
    assert_eq!(call(&node, &token, "pin/verify", Vec::new()).await.expect(200).text(), "");
}
