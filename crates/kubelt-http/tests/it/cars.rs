//! CARs uploaded: their blocks, and paths for their roots.

use axum::body::Body;
use kubelt_api::{CarReceipt, Code};
use kubelt_content::{Block, Cid, Codec, car::CarWriter};

use crate::harness::{Person, TestNode};

const CAR: [(&str, &str); 1] = [("content-type", "application/vnd.ipld.car")];

fn raw(text: &'static str) -> Block {
    Block::new(Codec::Raw, text.into()).expect("small")
}

/// A dag-json node that links to `targets`.
fn node(targets: &[&Block]) -> Block {
    let links: Vec<String> = targets.iter().map(|block| format!("{{\"/\":\"{}\"}}", block.cid())).collect();
    Block::new(Codec::DagJson, format!("[{}]", links.join(",")).into()).expect("small")
}

fn car(v2: bool, roots: &[Cid], blocks: &[&Block]) -> Vec<u8> {
    let (mut v1, header) = CarWriter::v1(roots);
    let mut sections = header.to_vec();
    for block in blocks {
        v1.section(block).iter().for_each(|piece| sections.extend_from_slice(piece));
    }
    if !v2 {
        return sections;
    }
    // Pragma, header with a data offset behind padding and an index offset, then an index nobody trusts.
    let (padding, len) = (7_u64, sections.len() as u64);
    let mut out = hex::decode("0aa16776657273696f6e02").expect("the pragma");
    out.extend([0; 16]);
    for number in [51 + padding, len, 51 + padding + len] {
        out.extend(number.to_le_bytes());
    }
    out.extend(vec![0; usize::try_from(padding).expect("small")]);
    out.extend(sections);
    out.extend(b"\x80\x08 an index");
    out
}

#[tokio::test]
async fn the_root_of_a_car_is_published_in_the_same_call() {
    let (node_, alice) = (TestNode::new(), Person::new(1));
    let token = node_.sign_in(&alice).await.token;
    let leaf = raw("a leaf");
    let root = node(&[&leaf]);
    for (v2, path) in [(false, "one"), (true, "two")] {
        let upload = format!("{}/-/car?to=dags/{path}&visibility=public", alice.core());
        let car = car(v2, &[*root.cid()], &[&root, &leaf]);
        let receipt: CarReceipt =
            node_.call("POST", &upload, Some(&token), &CAR, car).await.expect(201).json();
        assert_eq!(receipt.published.len(), 1);
        assert_eq!(receipt.published[0].path, format!("dags/{path}"));
        assert_eq!(receipt.published[0].cid, root.cid().to_string());
        node_.get(&format!("/ipfs/{}", root.cid()), None).await.expect(200);
    }
    assert_eq!(node_.get(&format!("/ipfs/{}", leaf.cid()), None).await.expect(200).text(), "a leaf");
}

#[tokio::test]
async fn several_roots_go_below_the_path() {
    let (node_, alice) = (TestNode::new(), Person::new(1));
    let token = node_.sign_in(&alice).await.token;
    let (a, b) = (raw("a"), raw("b"));
    let upload = format!("{}/-/car?to=both", alice.core());
    let body = car(false, &[*a.cid(), *b.cid()], &[&a, &b]);
    let receipt: CarReceipt = node_.call("POST", &upload, Some(&token), &CAR, body).await.expect(201).json();
    let paths: Vec<&str> = receipt.published.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, [format!("both/{}", a.cid()), format!("both/{}", b.cid())]);
    let none = car(false, &[], &[&a]);
    node_.call("POST", &upload, Some(&token), &CAR, none).await.expect(400);
}

#[tokio::test]
async fn what_is_missing_is_named_or_marked() {
    let (node_, alice) = (TestNode::new(), Person::new(1));
    let token = node_.sign_in(&alice).await.token;
    let leaves: Vec<Block> =
        (0..12).map(|i| Block::new(Codec::Raw, format!("leaf {i}").into()).expect("small")).collect();
    let root = node(&leaves.iter().collect::<Vec<_>>());
    let upload = |more: &str| format!("{}/-/car?to=dag&visibility=public{more}", alice.core());
    let body = car(false, &[*root.cid()], &[&root, &leaves[0]]);
    let refused = node_.call("POST", &upload(""), Some(&token), &CAR, body.clone()).await.expect(409);
    let detail = refused.expect_problem(Code::Incomplete).detail;
    assert!(detail.contains(&leaves[1].cid().to_string()) && detail.contains("and more"), "{detail}");
    assert!(!detail.contains(&leaves[0].cid().to_string()), "{detail}");
    node_.get(&format!("/ipfs/{}", leaves[0].cid()), None).await.expect(404);
    node_.call("POST", &upload("&partial=allow"), Some(&token), &CAR, body).await.expect(201);
    node_.get(&format!("/ipfs/{}", leaves[0].cid()), None).await.expect(200);
    node_.get(&format!("/ipfs/{}", leaves[1].cid()), None).await.expect(404);
    let state = node_.get(&format!("{}/-/state/content/dag", alice.core()), Some(&token)).await.expect(200);
    assert!(state.text().contains("\"partial\":true"), "{}", state.text());
}

#[tokio::test]
async fn bad_cars_publish_nothing() {
    let (node_, alice, eve) = (TestNode::new(), Person::new(1), Person::new(2));
    let (token, stranger) = (node_.sign_in(&alice).await.token, node_.sign_in(&eve).await.token);
    let block = raw("good");
    let good = car(false, &[*block.cid()], &[&block]);
    let mut wrong = good.clone();
    *wrong.last_mut().expect("bytes") ^= 1;
    let cut = good[..good.len() - 2].to_vec();
    let mut trailing = good.clone();
    trailing.extend(b"\x05trailing");
    let upload = format!("{}/-/car?to=x&visibility=public", alice.core());
    for (what, body) in [("wrong", wrong), ("cut", cut), ("trailing", trailing), ("empty", vec![])] {
        let answer = node_.call("POST", &upload, Some(&token), &CAR, body).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        node_.get(&format!("{}/x", alice.core()), None).await.expect(404);
    }
    for reader in [None, Some(stranger.as_str())] {
        node_.call("POST", &upload, reader, &CAR, good.clone()).await.expect(404);
    }
    node_.call("POST", &upload, Some(&token), &[], Body::from(good.clone())).await.expect(415);
    for to in ["", "a//b", "..", "%2e%2e/x"] {
        let upload = format!("{}/-/car?to={to}", alice.core());
        let answer = node_.call("POST", &upload, Some(&token), &CAR, good.clone()).await;
        assert!(answer.status.is_client_error(), "`{to}`: {}", answer.text());
    }
}

#[tokio::test]
async fn blocks_of_a_car_that_breaks_off_stay() {
    let (node_, alice) = (TestNode::new(), Person::new(1));
    let token = node_.sign_in(&alice).await.token;
    let (leaf, other) = (raw("a leaf"), raw("another leaf"));
    let root = node(&[&leaf, &other]);
    let whole = car(false, &[*root.cid()], &[&root, &leaf, &other]);
    let upload = format!("{}/-/car?to=dag", alice.core());
    let ends_early = Body::from(whole[..whole.len() - 3].to_vec());
    let mut lying = whole.clone();
    *lying.last_mut().expect("bytes") ^= 1;
    for body in [ends_early, Body::from(lying)] {
        node_.call("POST", &upload, Some(&token), &CAR, body).await.expect_problem(Code::BadCar);
        let cids = [&root, &leaf, &other].map(|block| block.cid().to_string());
        let asked = serde_json::json!({ "cids": cids });
        let path = format!("{}/-/possession", alice.core());
        let lacks: kubelt_api::Possession = node_.post(&path, Some(&token), &asked).await.expect(200).json();
        assert_eq!(lacks.missing, [other.cid().to_string()]);
    }
    let rest = car(false, &[*root.cid()], &[&other]);
    node_.call("POST", &upload, Some(&token), &CAR, rest).await.expect(201);
}
