//! What the gateway specifications say of paths, forms, headers and conditions, with content of our own.

use std::collections::BTreeMap;

use axum::body::Body;
use bytes::Bytes;
use kubelt_content::{
    Block, Cid, Codec, Ipld,
    car::CarWriter,
    unixfs::{DirectoryBuilder, Importer, Metadata, Mtime, Profile, symlink},
};

use crate::harness::{Answer, Person, TestNode};

const TEXT: &[u8] = b"goodbye application/vnd.ipld.car\n";
const CAR: &str = "application/vnd.ipld.car";

/// A node with one public DAG that has something of every kind.
struct Site {
    node: TestNode,
    alice: Person,
    token: String,
    root: Cid,
    /// `a.txt`, in one block.
    text: Cid,
    /// `big.bin`: a root and three parts.
    big: Vec<Cid>,
    /// `d\u{105}/` with an index page, and the page.
    index: Cid,
    /// A value of dag-cbor with a link to `json`.
    cbor: Cid,
    json: Cid,
    plain_json: Cid,
    plain_cbor: Cid,
}

fn add(blocks: &mut Vec<Block>, codec: Codec, bytes: &[u8]) -> Cid {
    let block = Block::new(codec, Bytes::copy_from_slice(bytes)).expect("small");
    blocks.push(block.clone());
    *block.cid()
}

fn directory(blocks: &mut Vec<Block>, entries: &[(&str, Cid)]) -> Cid {
    let mut builder = DirectoryBuilder::new(Profile::V1_2025);
    for (name, cid) in entries {
        builder.add(*name, *cid, 1).expect("a good name");
    }
    let root = builder.finish::<std::convert::Infallible>(&mut |block| {
        blocks.push(block);
        Ok(())
    });
    root.expect("nothing fails").cid
}

fn map(fields: &[(&str, Ipld)]) -> Ipld {
    Ipld::Map(
        fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<BTreeMap<_, _>>(),
    )
}

fn big_bytes() -> Vec<u8> {
    (0..2_500_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect()
}

impl Site {
    async fn new() -> Self {
        let mut blocks = Vec::new();
        let text = add(&mut blocks, Codec::Raw, TEXT);
        let metadata =
            Metadata { mode: Some(0o644), mtime: Some(Mtime { seconds: 784_111_777, nanoseconds: 0 }) };
        let mut importer = Importer::with_metadata(Profile::V1_2025, metadata);
        let mut parts = Vec::new();
        let mut sink = |block: Block| {
            parts.push(block);
            Ok::<_, std::convert::Infallible>(())
        };
        importer.write(&big_bytes(), &mut sink).expect("nothing fails");
        let big_root = importer.finish(&mut sink).expect("nothing fails").cid;
        let mut big: Vec<Cid> = parts.iter().map(|block| *block.cid()).collect();
        big.rotate_right(1);
        assert_eq!((big[0], big.len()), (big_root, 4));
        blocks.extend(parts);
        let page = add(&mut blocks, Codec::Raw, b"<h1>index</h1>");
        let index = directory(&mut blocks, &[("index.html", page), ("other", text)]);
        let link = symlink(Profile::V1_2025, "a.txt", Metadata::default()).expect("short");
        let link_cid = *link.cid();
        blocks.push(link);
        let value = |codec: Codec, value: &Ipld| codec.encode(value).expect("has a form");
        let leaf_map = map(&[("hello", Ipld::String("not a link".to_owned()))]);
        let json = value(Codec::DagJson, &leaf_map);
        let json = add(&mut blocks, Codec::DagJson, &json);
        let cbor = map(&[("foo", map(&[("link", Ipld::Link(json))])), ("text", Ipld::Link(text))]);
        let cbor = value(Codec::DagCbor, &cbor);
        let cbor = add(&mut blocks, Codec::DagCbor, &cbor);
        let plain_json = add(&mut blocks, Codec::Json, br#"{ "plain": true }"#);
        let plain_cbor = add(&mut blocks, Codec::Cbor, b"\xa1\x65plain\xf5");
        let root = directory(
            &mut blocks,
            &[
                ("50%25 off=a b.txt", text),
                ("a.txt", text),
                ("big.bin", big_root),
                ("cbor", cbor),
                ("copy.txt", text),
                ("d\u{105}", index),
                ("link", link_cid),
                ("plain.cbor", plain_cbor),
                ("plain.json", plain_json),
            ],
        );
        let (mut writer, head) = CarWriter::v1(&[root]);
        let mut car = head.to_vec();
        for block in &blocks {
            writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
        }
        let (node, alice) = (TestNode::new(), Person::new(1));
        let token = node.sign_in(&alice).await.token;
        let kind = [("content-type", CAR)];
        node.call("POST", &format!("{}/-/car", alice.core()), Some(&token), &kind, car).await.expect(201);
        let path = format!("{}/-/content/site?cid={root}&visibility=public", alice.core());
        node.put(&path, &token, "").await.expect(201);
        Self { node, alice, token, root, text, big, index, cbor, json, plain_json, plain_cbor }
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.node.call("GET", path, None, headers, Body::empty()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(path, &[]).await
    }

    /// `/ipfs/{root}/…`.
    fn at(&self, path: &str) -> String {
        format!("/ipfs/{}/{path}", self.root)
    }
}

/// The CIDs of a CAR's blocks, in order.
fn car_cids(car: &[u8]) -> Vec<Cid> {
    fn varint(input: &mut &[u8]) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = input[0];
            *input = &input[1..];
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    let mut rest = car;
    let header = varint(&mut rest);
    rest = &rest[header..];
    let mut cids = Vec::new();
    while !rest.is_empty() {
        let length = varint(&mut rest);
        let mut section = &rest[..length];
        cids.push(Cid::read_bytes(&mut section).expect("a CID"));
        rest = &rest[length..];
    }
    cids
}

#[tokio::test]
async fn statuses_are_those_of_the_specification() {
    let site = Site::new().await;
    let missing = "bafkreihhpc5y2pqvl5rbe5uuyhqjouybfs3rvlmisccgzue2kkt5zq6upq";
    let check = async |path: &str, accept: &str, status: u16| {
        let answer = site.ask(path, &[("accept", accept)]).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {accept}: {}", answer.text());
    };
    for (path, status) in [
        ("/ipfs/QmInvalid".to_owned(), 400),
        (format!("/ipfs/{missing}"), 404),
        (site.at("no"), 404),
        (site.at("a.txt/below"), 404),
        (site.at("link/below"), 404),
        (site.at("cbor/nothing"), 404),
        (site.at("cbor/foo"), 501),
        (site.at("cbor/foo/link/hello?format=dag-json"), 501),
        (site.at("cbor/foo/link"), 200),
        (site.at("cbor/text"), 200),
        (site.at("a.txt?format=dag-json"), 406),
        (site.at("a.txt?format=dag-cbor"), 406),
        (site.at("cbor?format=dag-json"), 406),
        (site.at("cbor?format=json"), 406),
        (site.at("cbor/foo/link?format=dag-cbor"), 406),
        (site.at("cbor?format=tar"), 406),
        (site.at("a.txt?format=unheard-of"), 200),
        (site.at("a.txt?format=car&dag-scope=none"), 400),
        (site.at("a.txt?format=car&entity-bytes=x"), 400),
        (site.at("a.txt?format=ipns-record"), 400),
        (site.at("d%C4%85"), 301),
        (site.at("d%C4%85/"), 200),
        (site.at("a%2Ftxt"), 400),
        (format!("/ipfs/{}", site.root), 301),
    ] {
        check(&path, "*/*", status).await;
    }
    check(&site.at("a.txt"), "application/vnd.ipld.dag-json", 406).await;
    check(&site.at("a.txt"), "application/json", 200).await;
    check(&site.at("cbor"), "application/vnd.ipld.dag-cbor", 200).await;
    let answer = site.node.call("POST", &site.at("a.txt"), None, &[], Body::empty()).await;
    assert_eq!(answer.status.as_u16(), 405);
    let text = site.get("/ipfs/QmInvalid").await.text();
    assert!(text.contains("invalid path \"/ipfs/QmInvalid\""), "{text}");
    let cached = [("cache-control", "only-if-cached")];
    site.ask(&format!("/ipfs/{missing}"), &cached).await.expect(412);
    site.ask(&site.at("a.txt"), &cached).await.expect(200);
}

#[tokio::test]
async fn files_tell_what_they_are() {
    let site = Site::new().await;
    let answer = site.get(&site.at("a.txt")).await.expect(200);
    assert_eq!(answer.body, TEXT);
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "33"),
        ("cache-control", "public, max-age=29030400, immutable"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("etag", &format!("\"{}\"", site.text)),
        ("x-ipfs-path", &site.at("a.txt")),
        ("x-ipfs-roots", &format!("{},{}", site.root, site.text)),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let index = site.get(&site.at("d%C4%85/")).await.expect(200);
    assert_eq!(index.text(), "<h1>index</h1>");
    assert_eq!(index.header("etag"), Some(format!("\"{}\"", site.index).as_str()));
    assert_eq!(index.header("x-ipfs-roots"), Some(format!("{},{}", site.root, site.index).as_str()));
    assert!(index.header("content-security-policy").is_some_and(|csp| csp.starts_with("sandbox")));
    let moved = site.get(&site.at("d%C4%85?a=b")).await.expect(301);
    assert_eq!(moved.header("location"), Some(site.at("d%C4%85/?a=b").as_str()));
    assert_eq!(site.get(&site.at("50%2525%20off=a%20b.txt")).await.expect(200).body, TEXT);
    assert_eq!(site.get(&site.at("link")).await.expect(200).text(), "a.txt");
    let big = site.get(&site.at("big.bin")).await.expect(200);
    assert_eq!(big.header("last-modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(big.body, big_bytes());
    for (cid, kind) in [(site.plain_json, "application/json"), (site.plain_cbor, "application/cbor")] {
        assert_eq!(site.get(&format!("/ipfs/{cid}")).await.expect(200).header("content-type"), Some(kind));
    }
    let page = site.get(&site.at("a.txt?filename=t%D0%B5.html&download=true")).await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let disposition = "attachment; filename=\"t_.html\"; filename*=UTF-8''t%D0%B5.html";
    assert_eq!(page.header("content-disposition"), Some(disposition));
}

#[tokio::test]
async fn content_in_a_cid_needs_no_store_and_opens_none() {
    let site = Site::new().await;
    assert!(site.get("/ipfs/bafkqaaa").await.expect(200).body.is_empty());
    let raw = site.ask("/ipfs/bafkqaaa", &[("accept", "application/vnd.ipld.raw")]).await.expect(200);
    assert_eq!(raw.header("content-type"), Some("application/vnd.ipld.raw"));
    assert_eq!(site.get("/ipfs/bafkqabtimvwgy3yk").await.expect(200).text(), "hello\n");
    let car = site.get("/ipfs/bafkqabtimvwgy3yk?format=car&car-dups=y").await.expect(200);
    assert!(car_cids(&car.body).is_empty());
    // A private file is not reached through a value that anybody can write into a CID.
    let path = format!("{}/-/content/secret", site.alice.core());
    let receipt: kubelt_api::ContentReceipt =
        site.node.put(&path, &site.token, "secret").await.expect(201).json();
    let secret = kubelt_content::parse_cid(&receipt.cid).expect("a CID");
    let value = Codec::DagCbor.encode(&map(&[("s", Ipld::Link(secret))])).expect("has a form");
    let mut bytes = vec![1, 0x71, 0, u8::try_from(value.len()).expect("short")];
    bytes.extend_from_slice(&value);
    let inline = kubelt_content::cid_from_bytes(&bytes).expect("an identity CID");
    for query in ["", "?format=raw", "?format=car"] {
        for path in [secret.to_string(), format!("{inline}/s")] {
            let answer = site.get(&format!("/ipfs/{path}{query}")).await;
            assert_eq!(answer.status.as_u16(), 404, "{path}{query}");
        }
    }
    assert_eq!(site.get(&format!("/ipfs/{inline}")).await.expect(200).body, value);
}

#[tokio::test]
async fn conditions_and_ranges_hold_for_every_form() {
    let site = Site::new().await;
    for (path, etag) in [
        (site.at("a.txt"), format!("\"{}\"", site.text)),
        (site.at("a.txt?format=raw"), format!("\"{}.raw\"", site.text)),
        (site.at("cbor"), format!("\"{}.dag-cbor\"", site.cbor)),
        (site.at("cbor/foo/link"), format!("\"{}.dag-json\"", site.json)),
        (site.at("cbor/foo/link?format=json"), format!("\"{}.json\"", site.json)),
    ] {
        let whole = site.get(&path).await.expect(200);
        assert_eq!(whole.header("etag"), Some(etag.as_str()), "{path}");
        for tags in [etag.clone(), format!("W/{etag}"), format!("\"x\", \"y\", {etag}"), "*".to_owned()] {
            let answer = site.ask(&path, &[("if-none-match", &tags)]).await.expect(304);
            assert_eq!((answer.body.len(), answer.header("etag")), (0, Some(etag.as_str())), "{tags}");
        }
        let size = whole.body.len();
        let part = site.ask(&path, &[("range", "bytes=2-4")]).await.expect(206);
        assert_eq!(part.body, &whole.body[2..5]);
        assert_eq!(part.header("content-range"), Some(format!("bytes 2-4/{size}").as_str()));
        assert_eq!(part.header("content-type"), whole.header("content-type"));
        let parts = site.ask(&path, &[("range", "bytes=4-6,0-1")]).await.expect(206);
        let kind = parts.header("content-type").unwrap_or_default().to_owned();
        assert!(kind.starts_with("multipart/byteranges; boundary="), "{kind}");
        assert_eq!(parts.header("content-length"), Some(parts.body.len().to_string().as_str()));
        let found = |bytes: &[u8]| parts.body.windows(bytes.len()).any(|window| window == bytes);
        assert!(
            found(format!("Content-Range: bytes 4-6/{size}\r\n\r\n").as_bytes()) && found(&whole.body[4..7])
        );
        assert!(found(format!("Content-Range: bytes 0-1/{size}\r\n\r\n").as_bytes()));
        site.ask(&path, &[("range", "bytes=900000000-")]).await.expect(416);
        let head = site.node.call("HEAD", &path, None, &[], Body::empty()).await.expect(200);
        assert_eq!((head.body.len(), head.header("content-length")), (0, Some(size.to_string().as_str())));
    }
    for path in [site.at(""), site.at("a.txt?format=car"), site.at("a.txt?format=tar")] {
        let etag = site.get(&path).await.expect(200).header("etag").expect("a tag").to_owned();
        site.ask(&path, &[("if-none-match", &etag)]).await.expect(304);
    }
}

#[tokio::test]
async fn a_car_holds_what_its_scope_says() {
    let site = Site::new().await;
    let (root, text, big) = (site.root, site.text, &site.big);
    let check = async |path: &str, expected: &[Cid]| {
        let answer = site.get(&site.at(path)).await.expect(200);
        assert_eq!(car_cids(&answer.body), expected, "{path}");
        assert_eq!(answer.header("accept-ranges"), Some("none"));
        assert_eq!(answer.header("content-length"), None);
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/vnd.ipld.car; version=1; order=dfs; dups="), "{kind}");
        assert!(answer.header("content-disposition").is_some_and(|text| text.ends_with(".car\"")));
    };
    check("a.txt?format=car", &[root, text]).await;
    check("big.bin?format=car", &[&[root], big.as_slice()].concat()).await;
    check("big.bin?format=car&dag-scope=block", &[root, big[0]]).await;
    check("big.bin?format=car&dag-scope=entity&entity-bytes=0:0", &[root, big[0], big[1]]).await;
    check("big.bin?format=car&dag-scope=entity&entity-bytes=1048576:-1", &[root, big[0], big[2], big[3]])
        .await;
    check("?format=car&dag-scope=entity", &[root]).await;
    check("cbor?format=car&dag-scope=entity", &[root, site.cbor]).await;
    check("cbor/foo/link?format=car", &[root, site.cbor, site.json]).await;
    let dups = format!("{CAR}; order=dfs; dups=y");
    let twice = site.ask(&site.at(""), &[("accept", &dups)]).await.expect(200);
    let count = car_cids(&twice.body).iter().filter(|cid| **cid == text).count();
    assert_eq!(count, 5, "three names, an entry beside the index, and a value");
    let once = site.get(&site.at("?format=car")).await.expect(200);
    assert_eq!(car_cids(&once.body).iter().filter(|cid| **cid == text).count(), 1);
    let head = site.node.call("HEAD", &site.at("?format=car"), None, &[], Body::empty()).await.expect(200);
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn pages_have_links_that_lead_on() {
    let site = Site::new().await;
    let root = site.root;
    let answer = site.get(&site.at("")).await.expect(200);
    let page = answer.text();
    for part in [
        "Index of".to_owned(),
        format!("/ipfs/<a href=\"/ipfs/{root}\">{root}</a>"),
        format!("<a href=\"/ipfs/{root}/d\u{105}\">").replace('\u{105}', "%C4%85"),
        format!("href=\"/ipfs/{}?filename=50%252525%2520off%253Da%2520b.txt\"", site.text),
    ] {
        assert!(page.contains(&part), "{part} in {page}");
    }
    assert!(!page.contains(">..</a>"), "there is nothing above a root");
    assert_eq!(
        answer.header("cache-control"),
        Some("public, max-age=604800, stale-while-revalidate=2678400")
    );
    assert!(answer.header("etag").is_some_and(|tag| tag.starts_with("\"DirIndex-")));
    let html = [("accept", "text/html")];
    let document = site.ask(&site.at("cbor"), &html).await.expect(200);
    assert!(document.text().contains(&format!("<a href=\"/ipfs/{}\">", site.json)), "{}", document.text());
    assert!(document.header("etag").is_some_and(|tag| tag.starts_with("\"DagIndex-")));
    assert_eq!(document.header("content-disposition"), None);
    let listing: serde_json::Value = site.get(&site.at("?format=json")).await.expect(200).json();
    assert_eq!(listing["entries"][1]["name"], "a.txt");
    assert_eq!(listing["entries"][1]["cid"], site.text.to_string());
}

#[tokio::test]
async fn pages_of_other_origins_may_read() {
    let site = Site::new().await;
    for method in ["GET", "OPTIONS"] {
        let answer = site.node.call(method, &site.at("a.txt"), None, &[], Body::empty()).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        for (name, words) in [
            ("access-control-allow-methods", "GET HEAD OPTIONS"),
            ("access-control-allow-headers", "Content-Type Range User-Agent X-Requested-With"),
            (
                "access-control-expose-headers",
                "Content-Range Content-Length X-Ipfs-Path X-Ipfs-Roots X-Chunked-Output X-Stream-Output",
            ),
        ] {
            let value = answer.header(name).unwrap_or_default();
            let has = |word: &str| value.split(',').any(|part| part.trim() == word);
            assert!(words.split(' ').all(has), "{method} {name}: {value}");
        }
    }
}

#[tokio::test]
async fn a_core_exports_its_paths_to_whoever_may_read_them() {
    let site = Site::new().await;
    let core = site.alice.core();
    let car = site.get(&format!("{core}/site/big.bin?format=car")).await.expect(200);
    assert_eq!(car_cids(&car.body), [&[site.root], site.big.as_slice()].concat());
    let path = format!("{core}/-/content/secret.txt");
    site.node.put(&path, &site.token, "secret").await.expect(201);
    for format in ["car", "raw", "tar"] {
        let url = format!("{core}/secret.txt?format={format}");
        let mine = site.node.get(&url, Some(&site.token)).await.expect(200);
        assert!(mine.body.windows(6).any(|window| window == b"secret"), "{format}");
        assert_eq!(mine.header("cache-control"), Some("private, no-store"));
        let mut others = site.get(&url).await.expect(404);
        let mut missing = site.get(&format!("{core}/nothing.txt?format={format}")).await.expect(404);
        others.headers.remove("x-request-id");
        missing.headers.remove("x-request-id");
        assert_eq!(others.headers, missing.headers);
    }
}
