use cid::Cid;

use super::{NodeError, UnixFsNode};
use crate::block::Block;
use crate::codec::Codec;
use crate::dag_pb::{PbLink, PbNode};
use crate::unixfs::{Data, Kind};

fn leaf() -> Cid {
    *Block::hash(Codec::Raw, bytes::Bytes::new()).cid()
}

#[track_caller]
fn check(data: &Data<'_>, names: &[Option<&str>], expected: Result<u64, NodeError>) {
    let links = names.iter().map(|&name| PbLink { cid: leaf(), name, tsize: None }).collect();
    let bytes = data.encode();
    let block = PbNode { links, data: Some(&bytes) }.encode();
    assert_eq!(UnixFsNode::decode(&block).map(|node| node.size), expected);
}

#[test]
fn sizes_of_a_file_agree() {
    let mut data = Data::new(Kind::File);
    data.data = Some(b"abc");
    data.block_sizes = vec![4, 5];
    data.file_size = Some(12);
    check(&data, &[None, Some("")], Ok(12));
    check(&data, &[None], Err(NodeError::Sizes));
    check(&data, &[None, Some("name")], Err(NodeError::NamedPart));
    data.file_size = Some(11);
    check(&data, &[None, None], Err(NodeError::Sizes));
    data.file_size = None;
    check(&data, &[None, None], Err(NodeError::Sizes));
    check(&Data::new(Kind::File), &[], Ok(0));
}

#[test]
fn a_shard_agrees_with_its_bits() {
    let mut data = Data::new(Kind::HamtShard);
    data.hash_type = Some(0x22);
    data.fanout = Some(256);
    data.data = Some(&[0b1000_0000, 0b0000_0001]);
    check(&data, &[Some("00a"), Some("0F")], Ok(0));
    for names in
        [&[Some("00a")][..], &[Some("01a"), Some("0F")], &[Some("00a"), None], &[Some("00a"), Some("0f")]]
    {
        check(&data, names, Err(NodeError::Shard));
    }
    check(&data, &[Some("00a/b"), Some("0F")], Err(NodeError::Shard));
    for (hash_type, fanout) in [
        (None, Some(256)),
        (Some(0x23), Some(256)),
        (Some(0x22), None),
        (Some(0x22), Some(2048)),
        (Some(0x22), Some(8)),
    ] {
        let other = Data { hash_type, fanout, ..data.clone() };
        check(&other, &[Some("00a"), Some("0F")], Err(NodeError::Shard));
    }
}

#[test]
fn nodes_of_other_kinds() {
    check(&Data::new(Kind::Metadata), &[], Err(NodeError::Unused));
    let mut link = Data::new(Kind::Symlink);
    link.data = Some(b"target");
    check(&link, &[], Ok(0));
    check(&link, &[Some("x")], Err(NodeError::Symlink));
    link.data = Some(b"\xff");
    check(&link, &[], Err(NodeError::Symlink));
    let block = PbNode { links: Vec::new(), data: None }.encode();
    assert_eq!(UnixFsNode::decode(&block), Err(NodeError::NoData));
}
