//! Listings: no page costs more than its entries, however large the directory or the blocks in it.

use std::{collections::BTreeSet, convert::Infallible};

use kubelt_api::{Listing, ListingKind};
use kubelt_content::{
    Block, Cid, Codec,
    car::CarWriter,
    unixfs::{DirectoryBuilder, Profile},
};

use crate::harness::{Person, TestNode};

struct Scene {
    node: TestNode,
    core: String,
    token: String,
}

impl Scene {
    async fn new() -> Self {
        let (node, alice) = (TestNode::new(), Person::new(1));
        let token = node.sign_in(&alice).await.token;
        Self { node, core: alice.core(), token }
    }

    /// Uploads a directory of these entries, with these blocks too, and puts it at `path` for everybody.
    async fn publish(&self, path: &str, entries: &[(String, Cid)], mut blocks: Vec<Block>) -> Cid {
        let mut directory = DirectoryBuilder::new(Profile::V1_2025);
        for (name, cid) in entries {
            directory.add(name, *cid, 5).expect("a good name");
        }
        let made = directory.finish(&mut |block: Block| {
            blocks.push(block);
            Ok::<_, Infallible>(())
        });
        let root = made.expect("never fails").cid;
        let (mut writer, header) = CarWriter::v1(&[root]);
        let mut car = header.to_vec();
        for block in &blocks {
            writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
        }
        let kind = [("content-type", "application/vnd.ipld.car")];
        let to = format!("{}/-/car?to={path}&visibility=public", self.core);
        self.node.call("POST", &to, Some(&self.token), &kind, car).await.expect(201);
        root
    }

    async fn put(&self, path: &str, query: &str) {
        let path = format!("{}/-/content/{path}{query}", self.core);
        self.node.put(&path, &self.token, "over it").await.expect(201);
    }

    /// All pages of a listing, as anybody or as its owner.
    async fn pages(&self, path: &str, limit: usize, reader: Option<&str>) -> Vec<Listing> {
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let route = format!("{}/-/content/{path}?list&limit={limit}{cursor}", self.core);
            let page: Listing = self.node.get(&route, reader).await.expect(200).json();
            let next = page.next.clone();
            pages.push(page);
            match next {
                Some(next) => cursor = format!("&cursor={}", next.replace('/', "%2F")),
                None => return pages,
            }
        }
    }
}

#[tokio::test]
async fn a_hamt_is_paged_in_its_own_order_behind_what_lies_over_it() {
    let scene = Scene::new().await;
    let leaf = Block::new(Codec::Raw, "a leaf".as_bytes().into()).expect("a small block");
    let long = "n".repeat(200);
    let entries: Vec<(String, Cid)> = (0..3_000).map(|n| (format!("{long}-{n:04}"), *leaf.cid())).collect();
    scene.publish("big", &entries, vec![leaf]).await;
    let all: BTreeSet<String> = entries.iter().map(|(name, _)| name.clone()).collect();
    let names = |pages: &[Listing]| -> Vec<String> {
        pages.iter().flat_map(|page| page.entries.iter().map(|entry| entry.name.clone())).collect()
    };
    let seen = names(&scene.pages("big", 700, None).await);
    assert_eq!(seen.len(), 3_000);
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), all);

    // Entries of the map lie over it: new names, the name of an entry, a directory in the place of one.
    for n in 0..7 {
        scene.put(&format!("big/extra-{n}"), "?visibility=public").await;
    }
    scene.put(&format!("big/{long}-0005"), "?visibility=public").await;
    scene.put(&format!("big/{long}-0006/below"), "?visibility=public").await;
    scene.put("big/private", "").await;
    for (limit, reader, private) in
        [(3, None, 0), (1_000, None, 0), (3, Some(scene.token.as_str()), 1), (9, Some(&scene.token), 1)]
    {
        let pages = scene.pages("big", limit, reader).await;
        let seen = names(&pages);
        assert_eq!(seen.len(), 3_007 + private, "pages of {limit}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "none comes twice");
        assert!(pages.iter().all(|page| page.entries.len() <= limit));
        assert_eq!(seen.contains(&"private".to_owned()), private == 1);
        let entries: Vec<_> = pages.iter().flat_map(|page| &page.entries).collect();
        let kind = |name: &str| entries.iter().find(|entry| entry.name == name).expect("it is listed");
        assert_eq!(kind(&format!("{long}-0005")).size, Some(7));
        assert_eq!(kind(&format!("{long}-0006")).kind, ListingKind::Directory);
        assert_eq!(kind(&format!("{long}-0007")).kind, ListingKind::File);
    }
}

#[tokio::test]
async fn a_page_ends_before_it_reads_a_gigabyte() {
    let scene = Scene::new().await;
    // Directories of one block of a megabyte each, all of them different.
    let leaf = Block::new(Codec::Raw, "a leaf".as_bytes().into()).expect("a small block");
    let mut blocks = vec![leaf.clone()];
    let mut entries = Vec::new();
    for n in 0..12 {
        let mut pb = Vec::new();
        // A dag-pb node: links with long names, then the data of a directory.
        for link in 0..1_000 {
            let name = format!("{:0>1000}", n * 10_000 + link);
            let cid = leaf.cid().to_bytes();
            let mut body = vec![0x0a, u8::try_from(cid.len()).expect("a short CID")];
            body.extend(&cid);
            body.extend([0x12, 0xe8, 0x07]);
            body.extend(name.as_bytes());
            body.extend([0x18, 5]);
            let len = body.len();
            let byte = |n: usize| u8::try_from(n).expect("seven bits and a mark");
            pb.extend([0x12, byte(len & 0x7f | 0x80), byte(len >> 7)]);
            pb.extend(body);
        }
        pb.extend([0x0a, 2, 8, 1]);
        let block = Block::new(Codec::DagPb, pb.into()).expect("under two megabytes");
        entries.push((format!("{n:02}"), *block.cid()));
        blocks.push(block);
    }
    let root = scene.publish("wide", &entries, blocks).await;
    let pages = scene.pages("wide", 500, None).await;
    assert!(pages.len() > 1, "all of it in one page");
    let kinds = pages.iter().flat_map(|page| &page.entries).map(|entry| entry.kind).collect::<Vec<_>>();
    assert_eq!(kinds, vec![ListingKind::Directory; 12]);
    let page = scene.node.get(&format!("/ipfs/{root}/?format=json"), None).await.expect(200);
    let page: serde_json::Value = page.json();
    assert!(page["next"].is_string() && page["entries"].as_array().is_some_and(|page| page.len() < 12));
}
