//! Small DAGs that unfold into huge things: reading takes what was asked for, never the whole.

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;
use kubelt_content::dag_pb::{PbLink, PbNode};
use kubelt_content::read::{Blocks, FileReader, Listing, MissingBlock, Walk, WalkLimits, resolve, stat};
use kubelt_content::tar::TarStream;
use kubelt_content::unixfs::{Data, Kind};
use kubelt_content::{Block, Cid, Codec};

/// Blocks in memory that count how often they are asked for.
#[derive(Default)]
struct Counted {
    blocks: BTreeMap<Cid, Bytes>,
    asked: Cell<usize>,
}

impl Blocks for Counted {
    type Error = MissingBlock;

    fn block(&self, cid: &Cid) -> Result<Bytes, MissingBlock> {
        self.asked.set(self.asked.get() + 1);
        self.blocks.block(cid)
    }
}

impl Counted {
    fn put(&mut self, codec: Codec, bytes: Vec<u8>) -> Cid {
        let (cid, data) = Block::new(codec, bytes.into()).expect("below the limit").into_parts();
        self.blocks.insert(cid, data);
        cid
    }

    fn put_node(&mut self, data: &Data<'_>, links: Vec<PbLink<'_>>) -> Cid {
        let data = data.encode();
        let node = PbNode { links, data: Some(&data) };
        self.put(Codec::DagPb, node.encode().to_vec())
    }

    fn asked(&self) -> usize {
        self.asked.take()
    }
}

/// A file whose every node links one child a thousand times: 1000^5 times four bytes.
fn endless_file(blocks: &mut Counted) -> (Cid, u64) {
    let mut cid = blocks.put(Codec::Raw, b"four".to_vec());
    let mut size = 4;
    for _ in 0..5 {
        let mut data = Data::new(Kind::File);
        data.block_sizes = vec![size; 1_000];
        size *= 1_000;
        data.file_size = Some(size);
        let link = PbLink { cid, name: Some(""), tsize: Some(1) };
        cid = blocks.put_node(&data, vec![link; 1_000]);
    }
    (cid, size)
}

/// A directory in which every entry of every level is the same directory: 100^10 files.
fn endless_tree(blocks: &mut Counted) -> Cid {
    let mut cid = blocks.put(Codec::Raw, b"four".to_vec());
    let names: Vec<String> = (0..100).map(|index| format!("{index:02}")).collect();
    for _ in 0..10 {
        let links = names.iter().map(|name| PbLink { cid, name: Some(name), tsize: Some(1) }).collect();
        cid = blocks.put_node(&Data::new(Kind::Directory), links);
    }
    cid
}

#[test]
fn a_range_of_an_endless_file_takes_one_way_down() {
    let mut blocks = Counted::default();
    let (cid, size) = endless_file(&mut blocks);
    assert_eq!(size, 4_000_000_000_000_000);
    let file = FileReader::open(&blocks, &cid).expect("a file");
    let mut file = file.range(size - 6..size - 1).expect("inside");
    let mut out = Vec::new();
    while let Some(slice) = file.next(&blocks).expect("whole") {
        out.extend_from_slice(&slice);
    }
    assert_eq!(out, b"urfou");
    assert!(blocks.asked() <= 7);
}

#[test]
fn an_endless_tree_is_listed_resolved_and_walked_like_any_other() {
    let mut blocks = Counted::default();
    let root = endless_tree(&mut blocks);
    let mut listing = Listing::open(&blocks, &root).expect("a directory");
    while listing.next(&blocks).expect("whole").is_some() {}
    assert_eq!(blocks.asked(), 1);
    assert!(stat(&blocks, &root).is_ok());
    let deepest = resolve(&blocks, &root, ["07"; 10]).expect("a file");
    assert_eq!(deepest.dag_size, 4);
    blocks.asked();
    let mut walk = Walk::new([root], WalkLimits::default());
    while walk.next(&blocks).expect("whole").is_some() {}
    assert_eq!((walk.visited(), blocks.asked()), (11, 11));
}

#[test]
fn archives_of_endless_things_come_piece_by_piece() {
    let mut blocks = Counted::default();
    let (file, _) = endless_file(&mut blocks);
    let tree = endless_tree(&mut blocks);
    for root in [file, tree] {
        let mut archive = TarStream::open(&blocks, &root, "root").expect("can be packed");
        blocks.asked();
        for _ in 0..2_000 {
            let piece = archive.next(&blocks).expect("goes on").expect("and on");
            assert!(piece.len() <= 1_536);
        }
        // A piece asks for the block that it comes from, and now and then for those above it.
        assert!(blocks.asked() <= 4_100);
    }
}

#[test]
fn a_long_chain_is_walked_to_the_limit() {
    let mut blocks = Counted::default();
    let mut cid = blocks.put(Codec::Raw, b"end".to_vec());
    for _ in 0..20_000 {
        let link = PbLink { cid, name: Some("a"), tsize: Some(1) };
        cid = blocks.put_node(&Data::new(Kind::Directory), vec![link]);
    }
    let mut walk = Walk::new([cid], WalkLimits::default());
    while let Ok(Some(_)) = walk.next(&blocks) {}
    assert!(blocks.asked() <= WalkLimits::default().depth_max + 1);
    let mut archive = TarStream::open(&blocks, &cid, "root").expect("begins well");
    while let Ok(Some(_)) = archive.next(&blocks) {}
    assert!(blocks.asked() <= 1_100);
}
