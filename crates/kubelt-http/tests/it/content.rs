use axum::body::Body;
use kubelt_api::{
    CarReceipt, Code, ContentReceipt, ContentVersions, CoreView, Listing, ListingKind, Possession,
};
use kubelt_content::{
    Block, Codec,
    car::CarWriter,
    unixfs::{DirectoryBuilder, Importer, Profile},
};
use kubelt_http::RateLimits;
use kubelt_store::Quota;
use serde_json::json;

use crate::harness::{Person, TestNode};

async fn signed_in() -> (TestNode, Person, String) {
    let (node, alice) = (TestNode::new(), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    (node, alice, token)
}

#[tokio::test]
async fn content_is_written_read_and_removed() {
    let (node, alice, token) = signed_in().await;
    let path = format!("{}/-/content/site/index.html", alice.core());
    let receipt: ContentReceipt =
        node.put(&format!("{path}?visibility=public"), &token, "<h1>hi</h1>").await.expect(201).json();
    assert_eq!((receipt.size, receipt.path.as_str()), (11, "site/index.html"));
    let published = format!("{}/site/index.html", alice.core());
    let answer = node.get(&published, None).await.expect(200);
    assert_eq!(answer.text(), "<h1>hi</h1>");
    assert_eq!(answer.header("etag"), Some(format!("\"{}\"", receipt.cid).as_str()));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        answer
            .header("content-security-policy")
            .is_some_and(|csp| csp.starts_with("sandbox") && !csp.contains("allow-same-origin"))
    );
    assert_eq!(node.get(&format!("/ipfs/{}", receipt.cid), None).await.expect(200).text(), "<h1>hi</h1>");
    // The directory leads to its index, behind a slash.
    let answer = node.get(&format!("{}/site", alice.core()), None).await.expect(302);
    assert_eq!(answer.header("location"), Some(format!("{}/site/", alice.core()).as_str()));
    assert_eq!(node.get(&format!("{}/site/", alice.core()), None).await.expect(200).text(), "<h1>hi</h1>");

    node.call("DELETE", &path, Some(&token), &[], Body::empty()).await.expect(200);
    node.get(&published, None).await.expect_problem(Code::NotFound);
    node.get(&format!("/ipfs/{}", receipt.cid), None).await.expect_problem(Code::NotFound);
    let versions: ContentVersions =
        node.get(&format!("{path}?versions"), Some(&token)).await.expect(200).json();
    assert_eq!(versions.versions.len(), 2);
    assert_eq!(
        (versions.versions[0].cid.as_deref(), versions.versions[1].cid.as_deref()),
        (None, Some(receipt.cid.as_str()))
    );
}

#[tokio::test]
async fn ranges_and_conditions_are_answered() {
    let (node, alice, token) = signed_in().await;
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    let path = format!("{}/-/content/video.mp4?visibility=public", alice.core());
    let receipt: ContentReceipt = node.put(&path, &token, data.clone()).await.expect(201).json();
    let url = format!("{}/video.mp4", alice.core());
    let with =
        async |name: &str, value: &str| node.call("GET", &url, None, &[(name, value)], Body::empty()).await;
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=1048570-1048580", 1_048_570, 1_048_581),
        ("bytes=-5", 2_999_995, 3_000_000),
        ("bytes=2000000-", 2_000_000, 3_000_000),
    ] {
        let answer = with("range", range).await.expect(206);
        assert_eq!(answer.body, &data[start..end], "{range}");
        assert_eq!(
            answer.header("content-range"),
            Some(format!("bytes {start}-{}/3000000", end - 1).as_str())
        );
    }
    let answer = with("range", "bytes=3000000-").await;
    answer.expect_problem(Code::RangeNotSatisfiable);
    assert_eq!(answer.header("content-range"), Some("bytes */3000000"));
    let etag = format!("\"{}\"", receipt.cid);
    let answer = with("if-none-match", &etag).await.expect(304);
    assert!(answer.body.is_empty());
    with("if-match", "\"other\"").await.expect_problem(Code::PreconditionFailed);
    let head = node.call("HEAD", &url, None, &[], Body::empty()).await.expect(200);
    assert!(head.body.is_empty());
    assert_eq!(
        (head.header("content-length"), head.header("content-type")),
        (Some("3000000"), Some("video/mp4"))
    );
    assert_eq!(node.get(&url, None).await.expect(200).body, data);
    assert_eq!(receipt.cid, reference_cid(&data));
}

fn reference_cid(data: &[u8]) -> String {
    let mut importer = Importer::new(Profile::V1_2025);
    let mut sink = |_block: Block| Ok::<_, std::convert::Infallible>(());
    importer.write(data, &mut sink).expect("never fails");
    importer.finish(&mut sink).expect("never fails").cid.to_string()
}

#[tokio::test]
async fn empty_content_and_guarded_writes() {
    let (node, alice, token) = signed_in().await;
    let path = format!("{}/-/content/empty", alice.core());
    let receipt: ContentReceipt = node.put(&path, &token, "").await.expect(201).json();
    assert_eq!(receipt.size, 0);
    assert_eq!(node.get(&path, Some(&token)).await.expect(200).body, b"");
    let guarded = async |name: &str, value: &str| {
        node.call("PUT", &path, Some(&token), &[(name, value)], Body::from("new")).await
    };
    guarded("if-none-match", "*").await.expect_problem(Code::PreconditionFailed);
    guarded("if-match", "\"other\"").await.expect_problem(Code::PreconditionFailed);
    guarded("if-match", &format!("\"{}\"", receipt.cid)).await.expect(201);
    assert_eq!(node.get(&path, Some(&token)).await.expect(200).body, b"new");
}

/// A directory of two files as a CAR, with the root and the blocks.
pub(crate) fn directory_car() -> (String, Vec<Block>, Vec<u8>) {
    let mut blocks = Vec::new();
    let mut sink = |block: Block| {
        blocks.push(block);
        Ok::<_, std::convert::Infallible>(())
    };
    let mut directory = DirectoryBuilder::new(Profile::V1_2025);
    for (name, text) in [("a.txt", "from the directory"), ("b.css", "body{}")] {
        let mut file = Importer::new(Profile::V1_2025);
        file.write(text.as_bytes(), &mut sink).expect("never fails");
        let root = file.finish(&mut sink).expect("never fails");
        directory.add(name, root.cid, root.dag_size).expect("a good name");
    }
    let root = directory.finish(&mut sink).expect("never fails");
    let (mut car, mut bytes) = (CarWriter::v1(&[root.cid]).0, CarWriter::v1(&[root.cid]).1.to_vec());
    for block in &blocks {
        car.section(block).iter().for_each(|piece| bytes.extend_from_slice(piece));
    }
    (root.cid.to_string(), blocks, bytes)
}

#[tokio::test]
async fn a_directory_is_uploaded_as_blocks_and_linked() {
    let (node, alice, token) = signed_in().await;
    let (root, blocks, car) = directory_car();
    let link = format!("{}/-/content/site?visibility=public&cid={root}", alice.core());
    node.put(&link, &token, "").await.expect_problem(Code::Incomplete);
    let cids: Vec<String> = blocks.iter().map(|block| block.cid().to_string()).collect();
    let asked =
        node.post(&format!("{}/-/possession", alice.core()), Some(&token), &json!({ "cids": cids })).await;
    assert_eq!(asked.expect(200).json::<Possession>().missing, cids);
    let upload = format!("{}/-/car", alice.core());
    let kind = [("content-type", "application/vnd.ipld.car")];
    let receipt: CarReceipt = node.call("POST", &upload, Some(&token), &kind, car).await.expect(201).json();
    assert_eq!((receipt.blocks, receipt.roots.first()), (3, Some(&root)));
    node.get(&format!("/ipfs/{root}"), None).await.expect_problem(Code::NotFound);
    node.put(&link, &token, "").await.expect(201);
    assert_eq!(
        node.get(&format!("{}/site/a.txt", alice.core()), None).await.expect(200).text(),
        "from the directory"
    );
    assert_eq!(
        node.get(&format!("/ipfs/{root}/b.css"), None).await.expect(200).header("content-type"),
        Some("text/css; charset=utf-8")
    );
    // A path of its own lies over the directory's, and only for those who may see it.
    node.put(&format!("{}/-/content/site/a.txt", alice.core()), &token, "private").await.expect(201);
    assert_eq!(
        node.get(&format!("{}/site/a.txt", alice.core()), Some(&token)).await.expect(200).text(),
        "private"
    );
    assert_eq!(
        node.get(&format!("{}/site/a.txt", alice.core()), None).await.expect(200).text(),
        "from the directory"
    );
    node.put(&format!("{}/-/content/site/deep/c.txt?visibility=public", alice.core()), &token, "c")
        .await
        .expect(201);
    let list: Listing =
        node.get(&format!("{}/-/content/site?list", alice.core()), None).await.expect(200).json();
    let names: Vec<_> = list.entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    assert_eq!(
        names,
        [("a.txt", ListingKind::File), ("b.css", ListingKind::File), ("deep", ListingKind::Directory)]
    );
    let first: Listing =
        node.get(&format!("{}/-/content/site?list&limit=2", alice.core()), None).await.expect(200).json();
    assert_eq!(first.next.as_deref(), Some("b.css"));
    let rest: Listing = node
        .get(&format!("{}/-/content/site?list&limit=2&cursor=b.css", alice.core()), None)
        .await
        .expect(200)
        .json();
    assert_eq!((rest.entries.len(), rest.next), (1, None));
    let page = node.get(&format!("{}/site/", alice.core()), None).await.expect(200).text();
    assert!(page.contains("/site/b.css\">b.css</a>") && page.contains("/site/deep\">deep</a>"), "{page}");
    let view: CoreView = node.get(&alice.core(), None).await.expect(200).json();
    assert_eq!(view.content, ["site/"]);
    assert!(view.usage.is_none());
}

#[tokio::test]
async fn naming_a_foreign_cid_opens_nothing() {
    let (node, alice, token) = signed_in().await;
    let eve = Person::new(2);
    let eve_token = node.sign_in(&eve).await.token;
    let secret: ContentReceipt = node
        .put(&format!("{}/-/content/secret", alice.core()), &token, "alice's own")
        .await
        .expect(201)
        .json();
    let link = format!("{}/-/content/mine?visibility=public&cid={}", eve.core(), secret.cid);
    node.put(&link, &eve_token, "").await.expect_problem(Code::Incomplete);
    let asked = node
        .post(&format!("{}/-/possession", eve.core()), Some(&eve_token), &json!({ "cids": [secret.cid] }))
        .await;
    assert_eq!(
        asked.expect(200).json::<Possession>().missing,
        [secret.cid.as_str()],
        "possession does not tell of others' blocks"
    );
    node.get(&format!("/ipfs/{}", secret.cid), Some(&eve_token)).await.expect_problem(Code::NotFound);
    // Even a directory of hers that links to it stays closed.
    let leaf: kubelt_content::Cid = secret.cid.parse().expect("a CID");
    let mut blocks = Vec::new();
    let mut directory = DirectoryBuilder::new(Profile::V1_2025);
    directory.add("x", leaf, 11).expect("a good name");
    let root = directory
        .finish(&mut |block: Block| {
            blocks.push(block);
            Ok::<_, std::convert::Infallible>(())
        })
        .expect("never fails");
    let (mut writer, header) = CarWriter::v1(&[root.cid]);
    let mut car = header.to_vec();
    blocks
        .iter()
        .for_each(|block| writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece)));
    let kind = [("content-type", "application/vnd.ipld.car")];
    node.call("POST", &format!("{}/-/car", eve.core()), Some(&eve_token), &kind, car).await.expect(201);
    let link = format!("{}/-/content/mine?visibility=public&cid={}", eve.core(), root.cid);
    node.put(&link, &eve_token, "").await.expect_problem(Code::Incomplete);
    node.get(&format!("/ipfs/{}/x", root.cid), None).await.expect_problem(Code::NotFound);
    // Once she uploads the same bytes herself, they are hers to show.
    node.put(&format!("{}/-/content/copy?visibility=public", eve.core()), &eve_token, "alice's own")
        .await
        .expect(201);
    node.get(&format!("/ipfs/{}", secret.cid), None).await.expect(200);
    node.get(&format!("{}/secret", alice.core()), None).await.expect_problem(Code::NotFound);
}

#[tokio::test]
async fn bad_cars_are_refused() {
    let (node, alice, token) = signed_in().await;
    let (_, blocks, car) = directory_car();
    let upload = async |bytes: Vec<u8>| {
        let kind = [("content-type", "application/vnd.ipld.car")];
        node.call("POST", &format!("{}/-/car", alice.core()), Some(&token), &kind, bytes).await
    };
    upload(car[..car.len() - 1].to_vec()).await.expect_problem(Code::BadCar);
    upload(Vec::new()).await.expect_problem(Code::BadCar);
    upload(vec![0xff; 64]).await.expect_problem(Code::BadCar);
    let mut lying = car.clone();
    *lying.last_mut().expect("not empty") ^= 1;
    upload(lying).await.expect_problem(Code::BadCar);
    // A header that promises a gigabyte.
    upload([0x80, 0x80, 0x80, 0x80, 0x04].repeat(3)).await.expect_problem(Code::BadCar);
    let json = node.call("POST", &format!("{}/-/car", alice.core()), Some(&token), &[], car).await;
    json.expect_problem(Code::UnsupportedMediaType);
    let other = Block::new(Codec::Raw, "other".into()).expect("small");
    assert!(blocks.iter().all(|block| block.cid() != other.cid()));
}

#[tokio::test]
async fn path_tricks_are_refused() {
    let (node, alice, token) = signed_in().await;
    let long = "a".repeat(300);
    for path in
        ["..", "a/../b", "%2e%2e/b", "a%2fb", "a%00b", "a//b", "a%5cb", "a%0ab", "", &long, &"x/".repeat(100)]
    {
        let answer = node.put(&format!("{}/-/content/{path}", alice.core()), &token, "x").await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        let code = answer.json::<kubelt_api::Problem>().code();
        assert!(matches!(code, Some(Code::BadPath | Code::BadOperation)), "{path}: {code:?}");
    }
    let megabyte = format!("{}/-/content/{}", alice.core(), "n".repeat(60_000));
    node.put(&megabyte, &token, "x").await.expect_problem(Code::BadPath);
    for cid in ["x", "bafybad", "Qm", "", "%00"] {
        let answer = node.get(&format!("/ipfs/{cid}"), None).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{cid}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_quota_stops_writes_and_nothing_of_them_stays() {
    let quota = Quota { block_bytes: 3 << 20, ..Quota::UNLIMITED };
    let rates = RateLimits {
        requests_per_second: 0,
        sign_ins_per_minute: 0,
        writes_per_second: 0,
        records_per_minute: 0,
        lookups_per_minute: 0,
    };
    let (node, alice) = (TestNode::with(quota, rates), Person::new(1));
    let token = node.sign_in(&alice).await.token;
    let path = format!("{}/-/content/big", alice.core());
    node.put(&path, &token, vec![1; 2 << 20]).await.expect(201);
    let more: Vec<u8> = (0..16_u32 << 20).map(|n| (n >> 20).to_le_bytes()[0]).collect();
    node.put(&format!("{}/-/content/more", alice.core()), &token, more)
        .await
        .expect_problem(Code::QuotaExceeded);
    node.get(&format!("{}/more", alice.core()), Some(&token)).await.expect_problem(Code::NotFound);
    assert_eq!(node.get(&path, Some(&token)).await.expect(200).body.len(), 2 << 20);
}
