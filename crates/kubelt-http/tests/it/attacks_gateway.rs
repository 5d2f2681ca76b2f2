//! Somebody wants to take the node down, or to mislead it, through what it serves to everybody.

use axum::body::Body;
use kubelt_api::{ContentReceipt, PinState};
use kubelt_content::{
    Block, Cid, Codec, Ipld,
    car::CarWriter,
    unixfs::{DirectoryBuilder, Profile},
};
use serde_json::json;

use crate::harness::{HOST, Person, TestNode};

const CAR: [(&str, &str); 1] = [("content-type", "application/vnd.ipld.car")];

fn car_of(root: &Cid, blocks: &[Block]) -> Vec<u8> {
    let (mut writer, header) = CarWriter::v1(&[*root]);
    let mut car = header.to_vec();
    for block in blocks {
        writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
    }
    car
}

/// A node of dag-pb as a block.
fn node(links: &[&Cid], data: Vec<u8>) -> Block {
    let link = |cid: &&Cid| {
        Ipld::Map(
            [("Hash".to_owned(), Ipld::Link(**cid)), ("Name".to_owned(), Ipld::String(String::new()))].into(),
        )
    };
    let links = Ipld::List(links.iter().map(link).collect());
    let value = Ipld::Map([("Data".to_owned(), Ipld::Bytes(data)), ("Links".to_owned(), links)].into());
    let bytes = Codec::DagPb.encode(&value).expect("a node of dag-pb");
    Block::new(Codec::DagPb, bytes).expect("a small block")
}

/// A directory of one block.
fn directory(entries: &[(&str, &Cid)]) -> Block {
    let mut blocks = Vec::new();
    let mut directory = DirectoryBuilder::new(Profile::V1_2025);
    for (name, cid) in entries {
        directory.add(*name, **cid, 1).expect("a good name");
    }
    let made = directory.finish(&mut |block: Block| {
        blocks.push(block);
        Ok::<_, std::convert::Infallible>(())
    });
    made.expect("never fails");
    blocks.pop().expect("one block")
}

async fn publish(node: &TestNode, person: &Person, token: &str, root: &Block, blocks: &[Block]) {
    let path = format!("{}/-/car?to=bomb&visibility=public", person.core());
    node.call("POST", &path, Some(token), &CAR, car_of(root.cid(), blocks)).await.expect(201);
}

/// A file that says it has all the bytes that a number can say: several ranges of it and what stands around them
/// have more.
#[tokio::test]
async fn ranges_of_the_largest_file_do_not_overflow() {
    let (test_node, eve) = (TestNode::new(), Person::new(2));
    let token = test_node.sign_in(&eve).await.token;
    let leaf = Block::new(Codec::Raw, b"x".to_vec().into()).expect("a small block");
    let most = [[0xff; 9].as_slice(), &[1]].concat();
    // UnixFS: type File, filesize, one block size.
    let data = [&[8, 2, 0x18], most.as_slice(), &[0x20], most.as_slice()].concat();
    let file = node(&[leaf.cid()], data);
    let root = directory(&[("file", file.cid())]);
    publish(&test_node, &eve, &token, &root, &[root.clone(), file.clone(), leaf]).await;
    for address in [
        format!("/ipfs/{}", file.cid()),
        format!("/ipfs/{}/file", root.cid()),
        format!("{}/bomb/file", eve.core()),
    ] {
        let range = format!("bytes=0-{},{}-", u64::MAX - 2, u64::MAX - 1);
        let answer = test_node.call("HEAD", &address, None, &[("range", &range)], Body::empty()).await;
        assert_eq!(answer.expect(206).header("content-length"), Some(u64::MAX.to_string().as_str()));
        for query in ["format=tar", "format=car&dag-scope=entity&entity-bytes=-1:*"] {
            test_node.call("HEAD", &format!("{address}?{query}"), None, &[], Body::empty()).await;
        }
    }
}

/// Somebody pins what others keep private: the pin waits as one for what nobody has, whoever looks at it, and whatever
/// is uploaded beside it.
#[tokio::test]
async fn pins_of_private_content_wait_like_pins_of_nothing() {
    let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let (alice_token, eve_token) = (node.sign_in(&alice).await.token, node.sign_in(&eve).await.token);
    let path = format!("{}/-/content/notes/secret.txt", alice.core());
    let secret: ContentReceipt = node.put(&path, &alice_token, "alice's secret").await.expect(201).json();
    let nothing = *Block::new(Codec::Raw, b"nobody has this".to_vec().into()).expect("a small block").cid();
    let pins = format!("{}/-/pins", eve.core());
    let mut shown = Vec::new();
    for cid in [secret.cid.clone(), nothing.to_string()] {
        let body = json!({ "cid": cid });
        let pin: PinState = node.post(&pins, Some(&eve_token), &body).await.expect(202).json();
        let other = Block::new(Codec::Raw, cid.clone().into_bytes().into()).expect("a small block");
        let car = car_of(other.cid(), std::slice::from_ref(&other));
        let url = format!("{}/-/car", eve.core());
        node.call("POST", &url, Some(&eve_token), &CAR, car).await.expect(201);
        let url = format!("{pins}/{}", pin.requestid);
        let mut state: PinState = node.get(&url, Some(&eve_token)).await.expect(200).json();
        for _ in 0..1_000 {
            if state.status != "pinning" {
                break;
            }
            tokio::task::yield_now().await;
            state = node.get(&url, Some(&eve_token)).await.expect(200).json();
        }
        // Neither does looking at it with eyes that may see the secret.
        node.get(&url, Some(&alice_token)).await.expect(404);
        node.get(&format!("/ipfs/{cid}"), None).await.expect(404);
        node.get(&format!("/ipfs/{cid}"), Some(&eve_token)).await.expect(404);
        shown.push((state.status, state.info));
    }
    assert_eq!(shown[0], shown[1]);
}

/// One large block under many names is read once for a page, and the page is right.
#[tokio::test]
async fn a_block_under_many_names_is_listed_by_each() {
    let (test_node, eve) = (TestNode::new(), Person::new(2));
    let token = test_node.sign_in(&eve).await.token;
    let leaf = Block::new(Codec::Raw, b"x".to_vec().into()).expect("a small block");
    let large = node(&vec![leaf.cid(); 20_000], vec![8, 1]);
    let names: Vec<String> = (0..600).map(|n| format!("{n:03}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), large.cid())).collect();
    let root = directory(&entries);
    let blocks = [leaf, large.clone(), root.clone()];
    publish(&test_node, &eve, &token, &root, &blocks).await;
    for address in [format!("/ipfs/{}/", root.cid()), format!("{}/bomb/", eve.core())] {
        let page = test_node.call("GET", &address, None, &[("accept", "text/html")], Body::empty()).await;
        let page = page.expect(200).text();
        assert!(page.contains(">000<") && page.contains(">499<") && !page.contains(">500<"));
    }
}

/// Addresses that are sent on stay on this host, and no header is written by them.
#[tokio::test]
async fn nobody_is_sent_to_other_hosts() {
    let (node, eve) = (TestNode::new(), Person::new(2));
    let token = node.sign_in(&eve).await.token;
    let path = format!("{}/-/content/site/sub/x?visibility=public", eve.core());
    let file: ContentReceipt = node.put(&path, &token, "x").await.expect(201).json();
    let host = format!("{}.ipfs.localhost", file.cid);
    for (host, path) in [
        (HOST, "/ipfs/?uri=ipfs:////evil.example/".to_owned()),
        (HOST, "/ipfs/?uri=ipfs://%0d%0aX-Evil:1/".to_owned()),
        (HOST, "/ipns/?uri=ipns://evil.example%0d%0a".to_owned()),
        (HOST, "/ipfs/?uri=javascript://alert(1)".to_owned()),
        (&host, "//evil.example/..".to_owned()),
        (&host, "/%5cevil.example/".to_owned()),
        (&host, "/%2f%2fevil.example".to_owned()),
        ("localhost", format!("/ipfs/{}//evil.example", file.cid)),
        ("localhost", "/ipns/evil.example%2fx/".to_owned()),
        ("localhost:80@evil.example", format!("/ipfs/{}", file.cid)),
    ] {
        let request = axum::http::Request::builder().uri(&path).header("host", host);
        let answer = node.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.header("x-evil"), None, "{path}");
        let Some(to) = answer.header("location") else { continue };
        let stays = to.starts_with("/ipfs/") || to.starts_with("/ipns/") || to.contains(".localhost");
        assert!(stays && !to.starts_with("//"), "{host}{path} leads to {to}");
    }
}

/// Plain cbor has no links: a block of it is whole alone. A path through what looks like one in it must lead nowhere.
#[tokio::test]
async fn what_looks_like_a_link_in_plain_cbor_opens_nothing() {
    let (node, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let (alice_token, eve_token) = (node.sign_in(&alice).await.token, node.sign_in(&eve).await.token);
    let path = format!("{}/-/content/notes/secret.txt", alice.core());
    let secret: ContentReceipt = node.put(&path, &alice_token, "alice's secret").await.expect(201).json();
    let secret: Cid = secret.cid.parse().expect("a CID");
    let value = Ipld::Map([("x".to_owned(), Ipld::Link(secret))].into());
    let bytes = Codec::DagCbor.encode(&value).expect("a value");
    for codec in [Codec::Cbor, Codec::Json, Codec::Raw] {
        let bytes = match codec {
            Codec::Json => Codec::DagJson.encode(&value).expect("a value"),
            _ => bytes.clone(),
        };
        let block = Block::new(codec, bytes).expect("a small block");
        publish(&node, &eve, &eve_token, &block, std::slice::from_ref(&block)).await;
        let below = format!("/ipfs/{}/x", block.cid());
        for command in
            ["block/get", "cat", "dag/get", "dag/export", "dag/resolve", "dag/stat", "files/stat", "ls"]
        {
            let call = format!("/api/v0/{command}?arg={below}");
            let answer = node.call("POST", &call, Some(&eve_token), &[], Body::empty()).await;
            assert!(!answer.text().contains("alice's secret"), "{command} of {codec:?} leads to the secret");
        }
        let call = format!("/api/v0/block/get?arg={below}");
        node.call("POST", &call, Some(&eve_token), &[], Body::empty()).await.expect(500);
        for token in [None, Some(eve_token.as_str())] {
            let answer = node.get(&below, token).await;
            assert!(!answer.text().contains("alice's secret"), "{codec:?} leads to the secret");
        }
    }
}
