use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{Way, follow};
use crate::codec::Codec;
use crate::read::ReadError;
use crate::read::handmade::{Memory, put, put_node, put_shard, slot};
use crate::unixfs::{Data, Kind};

fn value(blocks: &mut Memory, codec: Codec, value: &Ipld) -> Cid {
    put(blocks, codec, codec.encode(value).expect("has a form"))
}

fn map(fields: &[(&str, Ipld)]) -> Ipld {
    Ipld::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

#[test]
fn a_path_goes_through_values_of_every_codec_with_links() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"leaf"));
    let directory = put_node(&mut blocks, &Data::new(Kind::Directory), &[("file", leaf)]);
    let list = Ipld::List(vec![Ipld::Null, map(&[("to", Ipld::Link(directory))])]);
    let json = value(&mut blocks, Codec::DagJson, &map(&[("list", list)]));
    let cbor = value(&mut blocks, Codec::DagCbor, &map(&[("a", map(&[("json", Ipld::Link(json))]))]));
    let check = |path: &[&str], expected: Way| {
        assert_eq!(follow(&blocks, &cbor, path).expect("leads somewhere"), expected, "{path:?}");
    };
    check(&[], Way { end: cbor, roots: vec![cbor], passed: vec![], remainder: 0 });
    check(&["a"], Way { end: cbor, roots: vec![cbor], passed: vec![], remainder: 1 });
    check(&["a", "json"], Way { end: json, roots: vec![cbor, json], passed: vec![cbor], remainder: 0 });
    check(
        &["a", "json", "list", "0"],
        Way { end: json, roots: vec![cbor, json], passed: vec![cbor], remainder: 2 },
    );
    check(
        &["a", "json", "list", "1", "to", "file"],
        Way {
            end: leaf,
            roots: vec![cbor, json, directory, leaf],
            passed: vec![cbor, json, directory],
            remainder: 0,
        },
    );
    for path in [&["b"][..], &["a", "json", "list", "2"], &["a", "json", "list", "01"], &["a", "x", "y"]] {
        assert!(matches!(follow(&blocks, &cbor, path), Err(ReadError::NotFound(_))), "{path:?}");
    }
    let through_a_file = ["a", "json", "list", "1", "to", "file", "below"];
    assert!(matches!(follow(&blocks, &cbor, &through_a_file), Err(ReadError::NotADirectory(_))));
}

#[test]
fn shards_are_on_the_way_but_are_no_roots() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"leaf"));
    let inner = put_shard(&mut blocks, vec![(slot("name", 1), "name", leaf)]);
    let root = put_shard(&mut blocks, vec![(slot("name", 0), "", inner)]);
    let way = follow(&blocks, &root, &["name"]).expect("is there");
    assert_eq!(way, Way { end: leaf, roots: vec![root, leaf], passed: vec![root, inner], remainder: 0 });
}

#[test]
fn a_block_that_is_not_of_its_codec_leads_nowhere() {
    let mut blocks = Memory::new();
    let bad = put(&mut blocks, Codec::DagCbor, Bytes::from_static(b"\xff"));
    assert!(matches!(follow(&blocks, &bad, &["a"]), Err(ReadError::MalformedData { .. })));
    let unknown = Cid::new_v1(0x78, *bad.hash());
    assert!(matches!(follow(&blocks, &unknown, &["a"]), Err(ReadError::UnknownCodec(_))));
    assert_eq!(follow(&blocks, &unknown, &[] as &[&str]).expect("is not read").end, unknown);
}
