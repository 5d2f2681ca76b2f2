//! The console and the docs, as browsers meet them.

use axum::body::Body;
use kubelt_api::Code;

use crate::harness::TestNode;

#[tokio::test]
async fn pages_are_where_they_belong() {
    let node = TestNode::new();
    for (path, status, text) in [
        ("/_/", 200, "console"),
        ("/_/sw.js", 200, "worker"),
        ("/_/assets/app-1.js", 200, "app"),
        ("/_/docs/", 200, "docs"),
        ("/_/docs/start/first", 200, "first"),
        // Addresses that the console itself makes pages of.
        ("/_/cores", 200, "console"),
        ("/_/cores/acme/content/photo.jpg", 200, "console"),
        ("/_/cores/?tab=members", 200, "console"),
        ("/_/docs/start/none", 404, "no such page"),
        ("/_/docs/start/first/", 404, "no such page"),
    ] {
        let answer = node.get(path, None).await.expect(status);
        assert_eq!(answer.text(), text, "{path}");
    }
    for path in ["/_/assets/app-2.js", "/_/assets/", "/_/favicon.ico", "/_/.env"] {
        node.get(path, None).await.expect_problem(Code::NotFound);
    }
    for (path, to) in [("/", "/_/"), ("/_", "/_/"), ("/_/docs", "/_/docs/")] {
        assert_eq!(node.get(path, None).await.expect(302).header("location"), Some(to), "{path}");
    }
    node.call("POST", "/_/", None, &[], Body::empty()).await.expect_problem(Code::MethodNotAllowed);
}

#[tokio::test]
async fn pages_may_talk_to_their_node_and_to_nobody_else() {
    let node = TestNode::new();
    for path in ["/_/", "/_/assets/app-1.js", "/_/docs/", "/_/docs/none"] {
        let answer = node.get(path, None).await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ] {
            assert!(policy.split("; ").any(|given| given == part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
    }
}

#[tokio::test]
async fn hosts_of_content_have_none_of_them() {
    let node = TestNode::new();
    let alice = crate::harness::Person::new(1);
    let session = node.sign_in(&alice).await;
    let put = format!("{}/-/content/page.html?visibility=public", alice.core());
    let put = node.put(&put, &session.token, "published").await.expect(201).json::<serde_json::Value>();
    let cid = put["cid"].as_str().expect("a CID");
    for path in ["_/", "_/sw.js", "_/docs/", "_/assets/app-1.js"] {
        let at = |host: &str| format!("//{host}/{path}");
        assert_ne!(
            node.call_at("GET", &at(&format!("{cid}.ipfs.localhost")), None, &[]).await.status,
            200,
            "{path}"
        );
        assert_ne!(
            node.call_at("GET", &at("k51none.ipns.example.com"), None, &[]).await.status,
            200,
            "{path}"
        );
        let unknown = node.call_at("GET", &at("unknown.example"), None, &[]).await;
        assert!(unknown.expect_problem(Code::NotFound).detail.contains("--public-host"));
        // The node's own hosts have them.
        node.call_at("GET", &at("localhost:4747"), None, &[]).await.expect(200);
    }
}

#[tokio::test]
async fn each_client_gets_the_form_that_it_takes() {
    let node = TestNode::new();
    for (asked, encoding, text) in [
        ("gzip, deflate, br, zstd", Some("br"), "br of console"),
        ("gzip", Some("gzip"), "gz of console"),
        ("br;q=0, GZIP;q=0.5", Some("gzip"), "gz of console"),
        ("br; q=0.0, gzip;q=0", None, "console"),
        ("identity", None, "console"),
        ("", None, "console"),
        ("brr, gzipped", None, "console"),
    ] {
        let answer =
            node.call("GET", "/_/", None, &[("accept-encoding", asked)], Body::empty()).await.expect(200);
        assert_eq!((answer.header("content-encoding"), answer.text().as_str()), (encoding, text), "{asked}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let node = TestNode::new();
    let mut tags = Vec::new();
    for encoding in ["br", "gzip", "identity"] {
        let asked = ("accept-encoding", encoding);
        let first = node.call("GET", "/_/", None, &[asked], Body::empty()).await.expect(200);
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let tag = first.header("etag").expect("a tag").to_owned();
        let again =
            node.call("GET", "/_/", None, &[asked, ("if-none-match", &tag)], Body::empty()).await.expect(304);
        assert!(again.body.is_empty() && again.header("content-encoding").is_none());
        assert!(again.header("content-security-policy").is_some_and(|policy| policy.contains("'self'")));
        let head = node.call("HEAD", "/_/", None, &[asked], Body::empty()).await.expect(200);
        assert_eq!(head.header("content-length"), Some(first.body.len().to_string().as_str()));
        assert!(head.body.is_empty() && head.header("etag") == Some(&tag));
        tags.push(tag);
    }
    // Strong tags: other bytes have another.
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3);
    let hashed = node.get("/_/assets/app-1.js", None).await.expect(200);
    assert_eq!(hashed.header("cache-control"), Some("public, max-age=31536000, immutable"));
    // What is not there may come later.
    let lost =
        node.call("GET", "/_/docs/none", None, &[("if-none-match", "*")], Body::empty()).await.expect(404);
    assert_eq!(lost.header("cache-control"), Some("no-cache"));
}
