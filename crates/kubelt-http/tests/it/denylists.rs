//! What the operator denies is gone on every route, for everybody, and tells nothing of what is private.

use axum::body::Body;
use kubelt_api::{Code, ContentReceipt};
use kubelt_content::denylist::Denylist;

use crate::{
    content::directory_car,
    harness::{Person, TestNode},
};

fn deny(node: &TestNode, rules: &str) {
    let mut list = Denylist::default();
    assert_eq!(list.read(rules), Ok(vec![]));
    node.node.content.denylists().set(list);
}

#[tokio::test]
async fn denied_content_is_gone_for_everybody() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let base = format!("{}/-/content", alice.core());
    let bad: ContentReceipt = node
        .put(&format!("{base}/bad.txt?visibility=public"), &token, "something bad")
        .await
        .expect(201)
        .json();
    let good: ContentReceipt = node
        .put(&format!("{base}/good.txt?visibility=public"), &token, "something good")
        .await
        .expect(201)
        .json();
    deny(&node, &format!("/ipfs/{}", bad.cid));
    for reader in [None, Some(token.as_str())] {
        for path in [
            format!("/ipfs/{}", bad.cid),
            format!("/ipfs/{}?format=raw", bad.cid),
            format!("/ipfs/{}?format=car", bad.cid),
            format!("{}/bad.txt", alice.core()),
            format!("{base}/bad.txt"),
        ] {
            node.get(&path, reader).await.expect(410).expect_problem(Code::Gone);
            node.call("HEAD", &path, reader, &[], Body::empty()).await.expect(410);
        }
        node.get(&format!("/ipfs/{}", good.cid), reader).await.expect(200);
        let export = node.get(&format!("{}/-/car", alice.core()), reader).await.expect(200).text();
        assert!(export.contains("something good") && !export.contains("something bad"));
    }
    deny(&node, "");
    node.get(&format!("/ipfs/{}", bad.cid), None).await.expect(200);
}

#[tokio::test]
async fn a_denied_path_is_gone_under_every_name_of_its_root() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let (root, _, car) = directory_car();
    let kind = [("content-type", "application/vnd.ipld.car")];
    node.call("POST", &format!("{}/-/car", alice.core()), Some(&token), &kind, car).await.expect(201);
    let link = format!("{}/-/content/site?visibility=public&cid={root}", alice.core());
    node.put(&link, &token, "").await.expect(201);
    deny(&node, &format!("/ipfs/{root}/a*\n!/ipfs/{root}/allowed"));
    let names = [
        format!("/ipfs/{root}"),
        format!("{}/site", alice.core()),
        format!("{}/-/content/site", alice.core()),
    ];
    for name in names {
        for reader in [None, Some(token.as_str())] {
            let denied = node.get(&format!("{name}/a.txt"), reader).await;
            denied.expect(410).expect_problem(Code::Gone);
            node.get(&format!("{name}/b.css"), reader).await.expect(200);
            node.get(&format!("{name}/allowed"), reader).await.expect(404);
        }
    }
}

#[tokio::test]
async fn a_denied_private_file_reads_like_a_missing_one() {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let path = format!("{}/-/content/secret.txt", alice.core());
    let secret: ContentReceipt = node.put(&path, &token, "a secret").await.expect(201).json();
    deny(&node, &format!("/ipfs/{}", secret.cid));
    node.get(&format!("/ipfs/{}", secret.cid), None).await.expect(404);
    node.get(&path, None).await.expect(404);
    node.get(&path, Some(&token)).await.expect(410);
}
