use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use cid::Cid;

use super::{TarError, TarStream};
use crate::{
    Block, Codec,
    dag_pb::{PbLink, PbNode},
    limits::TAR_DEPTH_MAX,
    read::MissingBlock,
    unixfs::{Data, DirectoryBuilder, Importer, Kind, Metadata, Mtime, Profile, symlink},
};

type Blocks = BTreeMap<Cid, Bytes>;

fn keep(blocks: &mut Blocks) -> impl FnMut(Block) -> Result<(), Infallible> {
    |block| {
        let (cid, data) = block.into_parts();
        blocks.insert(cid, data);
        Ok(())
    }
}

fn file(blocks: &mut Blocks, bytes: &[u8]) -> Cid {
    let mut importer = Importer::new(Profile::V1_2025);
    importer.write(bytes, &mut keep(blocks)).expect("never fails");
    importer.finish(&mut keep(blocks)).expect("never fails").cid
}

fn directory(blocks: &mut Blocks, entries: &[(&str, Cid)]) -> Cid {
    let mut directory = DirectoryBuilder::new(Profile::V1_2025);
    for (name, cid) in entries {
        directory.add(*name, *cid, 1).expect("a good name");
    }
    directory.finish(&mut keep(blocks)).expect("never fails").cid
}

/// A directory with any names, as other software could have made it.
fn odd_directory(blocks: &mut Blocks, entries: &[(&str, Cid)]) -> Cid {
    let data = Data::new(Kind::Directory).encode();
    let links = entries.iter().map(|(name, cid)| PbLink { cid: *cid, name: Some(name), tsize: Some(1) });
    let node = PbNode { links: links.collect(), data: Some(&data) };
    let block = Block::new(Codec::DagPb, node.encode());
    let (cid, data) = block.expect("small").into_parts();
    blocks.insert(cid, data);
    cid
}

fn pack(blocks: &Blocks, root: &Cid) -> Result<Vec<u8>, TarError<MissingBlock>> {
    let mut tar = TarStream::open(blocks, root, "root")?;
    let mut archive = Vec::new();
    while let Some(piece) = tar.next(blocks)? {
        assert!(!piece.is_empty());
        archive.extend_from_slice(&piece);
    }
    assert_eq!(archive.len() % 512, 0);
    Ok(archive)
}

/// Path, type, size and content of each entry, as an independent reader sees them.
fn unpack(archive: &[u8]) -> Vec<(String, tar::EntryType, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("an archive");
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).expect("its content");
        if let Some(target) = entry.link_name_bytes() {
            content = target.into_owned();
        }
        let path = String::from_utf8(entry.path_bytes().into_owned()).expect("UTF-8");
        (path, entry.header().entry_type(), content)
    };
    entries.map(read).collect()
}

fn names(archive: &[u8]) -> Vec<String> {
    unpack(archive).into_iter().map(|(path, _, _)| path).collect()
}

#[test]
fn a_tree_comes_out_as_it_went_in() {
    let mut blocks = Blocks::new();
    let big: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let (small, big_cid, empty) =
        (file(&mut blocks, b"small"), file(&mut blocks, &big), file(&mut blocks, b""));
    let link = symlink(Profile::V1_2025, "../small", Metadata { mode: None, mtime: None }).expect("short");
    let link_cid = *link.cid();
    keep(&mut blocks)(link).expect("never fails");
    let long = "n".repeat(200);
    let inner = directory(&mut blocks, &[("ę", small), (&long, empty), ("link", link_cid)]);
    let root = directory(&mut blocks, &[("big", big_cid), ("inner", inner), ("small", small)]);
    let archive = pack(&blocks, &root).expect("packed");
    let (f, d, l) = (tar::EntryType::Regular, tar::EntryType::Directory, tar::EntryType::Symlink);
    let expected: Vec<(String, tar::EntryType, Vec<u8>)> = vec![
        ("root/".into(), d, vec![]),
        ("root/big".into(), f, big),
        ("root/inner/".into(), d, vec![]),
        ("root/inner/link".into(), l, b"../small".to_vec()),
        (format!("root/inner/{long}"), f, vec![]),
        ("root/inner/ę".into(), f, b"small".to_vec()),
        ("root/small".into(), f, b"small".to_vec()),
    ];
    let mut found = unpack(&archive);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut expected_sorted = expected;
    expected_sorted.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found == expected_sorted, "{:?}", found.iter().map(|entry| &entry.0).collect::<Vec<_>>());
    assert_eq!(archive, pack(&blocks, &root).expect("packed"), "the same tree gives the same bytes");
}

#[test]
fn a_file_and_a_large_directory_are_packed_too() {
    let mut blocks = Blocks::new();
    let one = file(&mut blocks, b"one");
    assert_eq!(names(&pack(&blocks, &one).expect("packed")), ["root"]);
    let many: Vec<String> = (0..6_000).map(|i| format!("file-with-a-rather-long-name-{i:060}")).collect();
    let entries: Vec<(&str, Cid)> = many.iter().map(|name| (name.as_str(), one)).collect();
    let root = directory(&mut blocks, &entries);
    assert_eq!(names(&pack(&blocks, &root).expect("packed")).len(), 6_001);
}

#[test]
fn names_may_wander_but_not_leave() {
    let mut blocks = Blocks::new();
    let hello = file(&mut blocks, b"hello");
    let inner = odd_directory(&mut blocks, &[("../file", hello)]);
    let middle = odd_directory(&mut blocks, &[("directory", inner)]);
    let root = odd_directory(&mut blocks, &[("foobar", middle)]);
    assert!(names(&pack(&blocks, &root).expect("packed")).contains(&"root/foobar/file".to_owned()));
    for name in ["../foo", "..", ".", "/", "a/../..", "../root2/x", "../root", ""] {
        let root = odd_directory(&mut blocks, &[(name, hello)]);
        let refused = TarStream::open(&blocks, &root, "root").map(|_tar| ());
        assert!(matches!(refused, Err(TarError::Outside(_) | TarError::Name)), "{name}: {refused:?}");
    }
    let deep = odd_directory(&mut blocks, &[("../../../x", hello)]);
    let above = odd_directory(&mut blocks, &[("a", deep)]);
    assert!(matches!(pack(&blocks, &above), Err(TarError::Outside(_))));
}

#[test]
fn nothing_is_written_over_another_entry_or_through_a_link() {
    let mut blocks = Blocks::new();
    let hello = file(&mut blocks, b"hello");
    let link = symlink(Profile::V1_2025, "/etc", Metadata::default()).expect("short");
    let link_cid = *link.cid();
    keep(&mut blocks)(link).expect("never fails");
    let inner = odd_directory(&mut blocks, &[("passwd", hello)]);
    let wanderer = odd_directory(&mut blocks, &[("../a/passwd", hello)]);
    let linking = odd_directory(&mut blocks, &[("s", link_cid)]);
    for entries in [
        &[("a", link_cid), ("a", inner)][..],
        &[("a", hello), ("a", hello)],
        &[("a", hello), ("./a", hello)],
        &[("a", link_cid), ("a/passwd", hello)],
        &[("a", link_cid), ("b", wanderer)],
        &[("b/../a", link_cid)],
        &[("b/../a", linking), ("c", inner)],
        &[("x", odd_directory(&mut blocks, &[("../y", link_cid)])), ("y", inner)],
    ] {
        let root = odd_directory(&mut blocks, entries);
        let refused = pack(&blocks, &root);
        assert!(matches!(refused, Err(TarError::Tangled(_))), "{entries:?}: {refused:?}");
    }
    let apart = odd_directory(&mut blocks, &[("a", link_cid), ("b", inner)]);
    assert_eq!(names(&pack(&blocks, &apart).expect("packed")).len(), 4);
}

#[test]
fn permissions_and_times_are_kept() {
    let mut blocks = Blocks::new();
    let mut data = Data::new(Kind::File);
    data.data = Some(b"x");
    data.file_size = Some(1);
    data.metadata =
        Metadata { mode: Some(0o4750), mtime: Some(Mtime { seconds: 1_700_000_000, nanoseconds: 5 }) };
    let data = data.encode();
    let node = PbNode { links: vec![], data: Some(&data) };
    let (cid, bytes) = Block::new(Codec::DagPb, node.encode()).expect("small").into_parts();
    blocks.insert(cid, bytes);
    let archive = pack(&blocks, &cid).expect("packed");
    let mut archive = tar::Archive::new(archive.as_slice());
    let entry = archive.entries().expect("an archive").next().expect("one").expect("an entry");
    assert_eq!(entry.header().mode().expect("a mode"), 0o4750);
    assert_eq!(entry.header().mtime().expect("a time"), 1_700_000_000);
}

#[test]
fn trees_without_end_and_missing_blocks_are_broken_off() {
    let mut blocks = Blocks::new();
    let mut root = file(&mut blocks, b"x");
    for _ in 0..=TAR_DEPTH_MAX {
        root = odd_directory(&mut blocks, &[("a", root)]);
    }
    assert!(matches!(pack(&blocks, &root), Err(TarError::TooDeep | TarError::PathTooLong)));
    let mut blocks = Blocks::new();
    let lost = file(&mut blocks, b"lost");
    let root = directory(&mut blocks, &[("lost", lost)]);
    blocks.remove(&lost);
    assert!(matches!(pack(&blocks, &root), Err(TarError::Read(_))));
}
