use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{EntityBytes, Scope, ScopedBlocks};
use crate::codec::Codec;
use crate::read::handmade::{Memory, put, put_file, put_node, put_shard, slot};
use crate::read::{WalkError, WalkLimits, follow};
use crate::unixfs::{Data, Kind};

fn given(blocks: &Memory, root: &Cid, path: &[&str], scope: Scope, duplicates: bool) -> Vec<Cid> {
    let way = follow(blocks, root, path).expect("leads somewhere");
    let mut scoped = ScopedBlocks::new(&way, scope, duplicates, WalkLimits::default());
    let mut cids = Vec::new();
    while let Some(block) = scoped.next(blocks).expect("is whole as far as asked for") {
        cids.push(*block.cid());
    }
    cids
}

/// A file of two levels: parts of 4, 4 and 2 bytes, the first two below a node of their own.
fn file(blocks: &mut Memory) -> (Cid, [Cid; 4]) {
    let [one, two, three] =
        [&b"aaaa"[..], b"bbbb", b"cc"].map(|bytes| put(blocks, Codec::Raw, Bytes::from_static(bytes)));
    let inner = put_file(blocks, &[(one, 4), (two, 4)]);
    let root = put_file(blocks, &[(inner, 8), (three, 2)]);
    (root, [inner, one, two, three])
}

#[test]
fn bytes_of_a_file_take_only_the_blocks_that_hold_them() {
    let mut blocks = Memory::new();
    let (root, [inner, one, two, three]) = file(&mut blocks);
    let check = |from: i64, to: Option<i64>, expected: &[Cid]| {
        let scope = Scope::Entity(Some(EntityBytes { from, to }));
        let expected: Vec<Cid> = [&[root], expected].concat();
        assert_eq!(given(&blocks, &root, &[], scope, false), expected, "{from}:{to:?}");
        assert_eq!(given(&blocks, &root, &[], scope, true), expected, "{from}:{to:?}");
    };
    check(0, None, &[inner, one, two, three]);
    check(0, Some(0), &[inner, one]);
    check(3, Some(4), &[inner, one, two]);
    check(4, Some(7), &[inner, two]);
    check(8, None, &[three]);
    check(-2, None, &[three]);
    check(-3, Some(-3), &[inner, two]);
    check(0, Some(-3), &[inner, one, two]);
    check(i64::MIN, Some(i64::MAX), &[inner, one, two, three]);
    check(10, None, &[]);
    check(i64::MAX, Some(i64::MAX), &[]);
    check(0, Some(i64::MIN), &[]);
    // What is not asked for may be missing.
    blocks.remove(&two);
    let scope = Scope::Entity(Some(EntityBytes { from: 0, to: Some(3) }));
    assert_eq!(given(&blocks, &root, &[], scope, false), [root, inner, one]);
}

#[test]
fn scopes_end_at_a_block_an_entity_or_nowhere() {
    let mut blocks = Memory::new();
    let (file, [inner, one, two, three]) = file(&mut blocks);
    let shard = put_shard(&mut blocks, vec![(slot("f", 1), "f", file)]);
    let sharded = put_shard(&mut blocks, vec![(slot("f", 0), "", shard)]);
    let root = put_node(&mut blocks, &Data::new(Kind::Directory), &[("again", file), ("d", sharded)]);
    let check = |path: &[&str], scope: Scope, expected: &[Cid]| {
        assert_eq!(given(&blocks, &root, path, scope, false), expected, "{path:?} {scope:?}");
    };
    check(&[], Scope::Block, &[root]);
    check(&[], Scope::Entity(None), &[root]);
    check(&[], Scope::All, &[root, file, inner, one, two, three, sharded, shard]);
    check(&["d"], Scope::Block, &[root, sharded]);
    check(&["d"], Scope::Entity(None), &[root, sharded, shard]);
    check(&["d", "f"], Scope::Block, &[root, sharded, shard, file]);
    check(&["d", "f"], Scope::Entity(None), &[root, sharded, shard, file, inner, one, two, three]);
    let twice = given(&blocks, &root, &[], Scope::All, true);
    assert_eq!(twice.len(), 13, "the file is given where it stands");
}

#[test]
fn a_document_is_an_entity_without_what_it_links_to() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"leaf"));
    let value = Ipld::Map([("to".to_owned(), Ipld::Link(leaf))].into());
    let bytes = Codec::DagCbor.encode(&value).expect("has a form");
    let root = put(&mut blocks, Codec::DagCbor, bytes);
    assert_eq!(given(&blocks, &root, &[], Scope::Entity(None), false), [root]);
    assert_eq!(given(&blocks, &root, &[], Scope::All, false), [root, leaf]);
    assert_eq!(given(&blocks, &root, &["to"], Scope::All, false), [root, leaf]);
}

#[test]
fn a_dag_that_unfolds_without_end_is_cut_off() {
    let mut blocks = Memory::new();
    let mut cid = put(&mut blocks, Codec::Raw, Bytes::from_static(b"leaf"));
    for _ in 0..40 {
        cid = put_node(&mut blocks, &Data::new(Kind::Directory), &[("a", cid), ("b", cid)]);
    }
    assert_eq!(given(&blocks, &cid, &[], Scope::All, false).len(), 41);
    let way = follow(&blocks, &cid, &[] as &[&str]).expect("the root");
    let limits = WalkLimits { blocks_max: 1_000, ..WalkLimits::default() };
    let mut scoped = ScopedBlocks::new(&way, Scope::All, true, limits);
    let error = loop {
        match scoped.next(&blocks) {
            Ok(block) => assert!(block.is_some(), "does not end of itself"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WalkError::TooManyBlocks(1_000)));
    assert!(scoped.next(&blocks).expect("has ended").is_none());
}

#[test]
fn blocks_that_stand_in_their_cid_are_never_given() {
    let blocks = Memory::new();
    let hash = cid::multihash::Multihash::wrap(crate::block::HASH_IDENTITY, b"inline").expect("short");
    let root = Cid::new_v1(Codec::Raw.code(), hash);
    assert!(given(&blocks, &root, &[], Scope::All, true).is_empty());
}
