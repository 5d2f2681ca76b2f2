use bytes::Bytes;
use cid::Cid;

use super::{FileReader, RangeOutside};
use crate::codec::Codec;
use crate::limits::FILE_DEPTH_MAX;
use crate::read::ReadError;
use crate::read::handmade::{Memory, put, put_file, put_node};
use crate::read::source::MissingBlock;
use crate::unixfs::{Data, Kind, NodeError, Profile, symlink};

/// Reads everything; gives the bytes or the first error.
fn read(blocks: &Memory, cid: &Cid) -> Result<Vec<u8>, ReadError<MissingBlock>> {
    let mut reader = FileReader::open(blocks, cid)?;
    let mut out = Vec::new();
    while let Some(slice) = reader.next(blocks)? {
        out.extend_from_slice(&slice);
    }
    Ok(out)
}

#[test]
fn leaves_that_are_not_as_large_as_said_are_refused() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"four"));
    for said in [1, 3, 5, 1 << 40] {
        let file = put_file(&mut blocks, &[(leaf, said)]);
        let error = read(&blocks, &file).expect_err("the size is a lie");
        assert!(matches!(error, ReadError::LyingSize { said: s, found: 4, .. } if s == said));
        let above = put_file(&mut blocks, &[(file, said + 1)]);
        assert!(matches!(read(&blocks, &above), Err(ReadError::LyingSize { .. })));
    }
    let honest = put_file(&mut blocks, &[(leaf, 4), (leaf, 4)]);
    assert_eq!(read(&blocks, &honest).expect("is true"), b"fourfour");
}

#[test]
fn parts_of_no_size_are_never_asked_for() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"four"));
    let missing = put(&mut Memory::new(), Codec::Raw, Bytes::from_static(b"missing"));
    let file = put_file(&mut blocks, &[(missing, 0), (leaf, 4), (missing, 0)]);
    assert_eq!(read(&blocks, &file).expect("holds four bytes"), b"four");
    let needs_it = put_file(&mut blocks, &[(leaf, 4), (missing, 7)]);
    assert!(matches!(read(&blocks, &needs_it), Err(ReadError::Source(MissingBlock(cid))) if cid == missing));
}

#[test]
fn sizes_that_overflow_are_refused() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"four"));
    let file = put_file(&mut blocks, &[(leaf, u64::MAX), (leaf, 4)]);
    let error = read(&blocks, &file).expect_err("the sum wraps");
    assert!(matches!(error, ReadError::Malformed { source: NodeError::Sizes, .. }));
}

#[test]
fn a_chain_of_nodes_has_a_greatest_depth() {
    let mut blocks = Memory::new();
    let mut chain = put(&mut blocks, Codec::Raw, Bytes::from_static(b"x"));
    for _ in 0..FILE_DEPTH_MAX {
        chain = put_file(&mut blocks, &[(chain, 1)]);
    }
    assert_eq!(read(&blocks, &chain).expect("just deep enough"), b"x");
    chain = put_file(&mut blocks, &[(chain, 1)]);
    assert!(matches!(read(&blocks, &chain), Err(ReadError::TooDeep)));
}

#[test]
fn data_in_a_node_comes_before_its_links() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"behind"));
    let mut data = Data::new(Kind::File);
    data.data = Some(b"before ");
    data.file_size = Some(13);
    data.block_sizes = vec![6];
    let file = put_node(&mut blocks, &data, &[("", leaf)]);
    assert_eq!(read(&blocks, &file).expect("reads"), b"before behind");
    let reader = FileReader::open(&blocks, &file).expect("opens");
    let mut middle = reader.range(5..9).expect("inside");
    assert_eq!(middle.next(&blocks).expect("reads"), Some(Bytes::from_static(b"e ")));
    assert_eq!(middle.next(&blocks).expect("reads"), Some(Bytes::from_static(b"be")));
    assert_eq!(middle.next(&blocks).expect("ends"), None);
}

#[test]
fn ranges_end_with_the_file() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"four"));
    let open = || FileReader::open(&blocks, &leaf).expect("opens");
    assert_eq!(open().range(0..5).err(), Some(RangeOutside { start: 0, end: 5, size: 4 }));
    #[allow(clippy::reversed_empty_ranges, reason = "it is the range that must be refused")]
    let reversed = 3..2;
    assert!(open().range(reversed).is_err());
    for empty in [0..0, 4..4] {
        assert_eq!(open().range(empty).expect("inside").next(&blocks).expect("reads"), None);
    }
}

#[test]
fn what_is_no_file_is_not_read() {
    let mut blocks = Memory::new();
    let directory = put_node(&mut blocks, &Data::new(Kind::Directory), &[]);
    assert!(matches!(read(&blocks, &directory), Err(ReadError::NotAFile(_))));
    let link = symlink(Profile::V1_2025, "target", crate::unixfs::Metadata::default()).expect("short");
    blocks.insert(*link.cid(), link.data().clone());
    assert!(matches!(read(&blocks, link.cid()), Err(ReadError::NotAFile(_))));
    let cbor = put(&mut blocks, Codec::DagCbor, Bytes::from_static(&[0xf6]));
    assert!(matches!(read(&blocks, &cbor), Err(ReadError::NotUnixFs(_))));
    let part = put_file(&mut blocks, &[(cbor, 1)]);
    assert!(matches!(read(&blocks, &part), Err(ReadError::NotUnixFs(_))));
    let garbage = put(&mut blocks, Codec::DagPb, Bytes::from_static(b"garbage"));
    assert!(matches!(read(&blocks, &garbage), Err(ReadError::Malformed { .. })));
    let unknown = Cid::new_v1(0x1234, *garbage.hash());
    assert!(matches!(read(&blocks, &unknown), Err(ReadError::UnknownCodec(_))));
}

#[test]
fn identity_cids_need_no_block() {
    let hash = cid::multihash::Multihash::wrap(0, b"inline").expect("short");
    let inline = Cid::new_v1(Codec::Raw.code(), hash);
    let mut blocks = Memory::new();
    assert_eq!(read(&blocks, &inline).expect("reads"), b"inline");
    let file = put_file(&mut blocks, &[(inline, 6)]);
    assert_eq!(read(&blocks, &file).expect("reads"), b"inline");
}

#[test]
fn after_an_error_there_is_nothing() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"four"));
    let file = put_file(&mut blocks, &[(leaf, 5), (leaf, 4)]);
    let mut reader = FileReader::open(&blocks, &file).expect("opens");
    assert!(reader.next(&blocks).is_err());
    assert_eq!(reader.next(&blocks).expect("over"), None);
}
