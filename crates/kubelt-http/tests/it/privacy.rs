//! A private thing answers exactly like a missing one, on every route, to everybody else.

use axum::body::Body;
use kubelt_api::ContentReceipt;
use serde_json::json;

use crate::harness::{Answer, Person, TestNode};

/// What an answer tells, without what differs from request to request.
fn told(answer: &Answer, names: &[&str]) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name.as_str() != "x-request-id")
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    let mut body = match serde_json::from_slice::<serde_json::Value>(&answer.body) {
        Ok(mut value) => {
            value.as_object_mut().map(|fields| fields.remove("instance"));
            value.to_string()
        }
        Err(_) => answer.text(),
    };
    for name in names {
        body = body.replace(name, "NAME");
        headers.iter_mut().for_each(|(_, value)| *value = value.replace(name, "NAME"));
    }
    (answer.status.as_u16(), headers, body)
}

/// Method, path, headers and body of a request.
type Sent = (&'static str, String, Vec<(&'static str, &'static str)>, Vec<u8>);

/// Every route of a core with every method, and bodies that reach deep.
fn requests(core: &str, cid: &str, session: &str) -> Vec<Sent> {
    let json = vec![("content-type", "application/json")];
    let car = vec![("content-type", "application/vnd.ipld.car")];
    let mut all = Vec::new();
    let paths = [
        "",
        "/",
        "/notes",
        "/notes/",
        "/notes/secret.txt",
        "/notes/secret.txt/",
        "/-",
        "/-/",
        "/-/nothing",
        "/-/content",
        "/-/content/",
        "/-/content/?list",
        "/-/content/notes?list",
        "/-/content/notes/secret.txt",
        "/-/content/notes/secret.txt?versions",
        "/-/content/notes/secret.txt?list",
        "/-/content/notes/new.txt?visibility=public",
        "/-/content/notes/other?cid=bafkqaaa",
        "/-/possession",
        "/-/car",
        "/-/ops",
        "/-/ops?order=desc&limit=5",
        "/-/heads",
        "/-/state",
        "/-/state/content",
        "/-/state/content/notes/secret.txt",
        "/-/usage",
        "/-/cores",
        "/-/members",
        "/-/invites",
        "/-/drafts",
        "/@child",
        "/@child/x",
    ];
    for path in paths {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"] {
            all.push((method, format!("{core}{path}"), vec![], vec![]));
        }
        all.push(("GET", format!("{core}{path}"), vec![("accept", "text/html")], vec![]));
        all.push((
            "GET",
            format!("{core}{path}"),
            vec![("range", "bytes=0-1"), ("if-none-match", "*")],
            vec![],
        ));
        all.push(("PUT", format!("{core}{path}"), vec![("if-none-match", "*")], b"x".to_vec()));
        all.push((
            "POST",
            format!("{core}{path}"),
            json.clone(),
            json!({ "cids": [cid] }).to_string().into_bytes(),
        ));
        all.push((
            "POST",
            format!("{core}{path}"),
            json.clone(),
            json!({ "ops": [{ "signed": "AA==", "body": "AA==" }] }).to_string().into_bytes(),
        ));
        all.push(("POST", format!("{core}{path}"), car.clone(), vec![0]));
    }
    all.push(("GET", format!("/ipfs/{cid}"), vec![], vec![]));
    all.push(("HEAD", format!("/ipfs/{cid}"), vec![], vec![]));
    all.push(("GET", format!("/ipfs/{cid}/x"), vec![], vec![]));
    all.push(("DELETE", format!("/-/session/{session}"), vec![], vec![]));
    all
}

#[tokio::test]
async fn private_answers_like_missing() {
    let (node, alice, eve, nobody) = (TestNode::new(), Person::new(1), Person::new(2), Person::new(3));
    let token = node.sign_in(&alice).await;
    let path = format!("{}/-/content/notes/secret.txt", alice.core());
    let secret: ContentReceipt = node.put(&path, &token.token, "a secret").await.expect(201).json();
    let members = format!("{}/-/content/notes/members.txt?visibility=members", alice.core());
    node.put(&members, &token.token, "for members").await.expect(201);
    let stranger = node.sign_in(&eve).await.token;
    let missing_cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let missing_session = "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let (alice_account, nobody_account) = (alice.account(), nobody.account());
    let names =
        [alice_account.as_str(), &nobody_account, &secret.cid, missing_cid, &token.id, missing_session];
    let mut compared = 0;
    for reader in [None, Some(stranger.as_str())] {
        let there = requests(&alice.core(), &secret.cid, &token.id);
        let missing = requests(&nobody.core(), missing_cid, missing_session);
        for ((method, there, headers, body), (_, missing, _, missing_body)) in there.into_iter().zip(missing)
        {
            let private = node.call(method, &there, reader, &headers, Body::from(body)).await;
            let absent = node.call(method, &missing, reader, &headers, Body::from(missing_body)).await;
            assert_eq!(
                told(&private, &names),
                told(&absent, &names),
                "{method} {there} {headers:?} as {reader:?}"
            );
            assert!(
                !private.status.is_success() || there.starts_with("/-/"),
                "{method} {there} told something"
            );
            compared += 1;
        }
    }
    assert!(compared > 600, "{compared}");
    // The owner still reads it.
    assert_eq!(node.get(&path, Some(&token.token)).await.expect(200).text(), "a secret");
    assert_eq!(
        node.get(&format!("/ipfs/{}", secret.cid), Some(&token.token)).await.expect(200).text(),
        "a secret"
    );
    let answer = node.get(&path, Some(&token.token)).await;
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
}

#[tokio::test]
async fn one_public_path_shows_nothing_of_the_others() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let base = format!("{}/-/content", alice.core());
    node.put(&format!("{base}/notes/secret.txt"), &token, "a secret").await.expect(201);
    node.put(&format!("{base}/site/index.html?visibility=public"), &token, "hello").await.expect(201);
    node.put(&format!("{base}/site/draft.html"), &token, "a draft").await.expect(201);
    for path in
        ["", "/-/ops", "/-/state", "/-/state/content", "/-/content/?list", "/-/content/site?list", "/-/car"]
    {
        let answer = node.get(&format!("{}{path}", alice.core()), None).await.expect(200);
        for secret in ["secret", "draft"] {
            assert!(!answer.text().contains(secret), "{path} tells of {secret}: {}", answer.text());
        }
    }
    let ops: kubelt_api::OpsPage =
        node.get(&format!("{}/-/ops", alice.core()), None).await.expect(200).json();
    assert_eq!(ops.ops.len(), 1, "only what proves the public path");
    node.get(&format!("{}/-/heads", alice.core()), None).await.expect(404);
    node.get(&format!("{}/notes/", alice.core()), None).await.expect(404);
    node.get(&format!("{}/site/draft.html", alice.core()), None).await.expect(404);
    // Made private again, it is gone from everywhere.
    node.put(&format!("{base}/site/index.html"), &token, "hello").await.expect(201);
    for path in ["", "/-/ops", "/-/state", "/-/car", "/site/index.html", "/site/"] {
        node.get(&format!("{}{path}", alice.core()), None).await.expect(404);
    }
}

#[tokio::test]
async fn a_token_opens_only_its_own_core() {
    let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let token = node.sign_in(&alice).await.token;
    let eve_token = node.sign_in(&eve).await.token;
    node.put(&format!("{}/-/content/a", alice.core()), &token, "x").await.expect(201);
    node.put(&format!("{}/-/content/a", alice.core()), &eve_token, "y").await.expect(404);
    node.call("DELETE", &format!("{}/-/content/a", alice.core()), Some(&eve_token), &[], Body::empty())
        .await
        .expect(404);
    node.get(&format!("{}/-/car", alice.core()), Some(&eve_token)).await.expect(404);
    for bad in ["", "kb1_", "kb1_00", &"x".repeat(10_000), &format!("{token}0")] {
        node.get(&format!("{}/-/content/a", alice.core()), Some(bad)).await.expect(401);
    }
    assert_eq!(
        node.get(&format!("{}/-/content/a", alice.core()), Some(&token)).await.expect(200).text(),
        "x"
    );
}
