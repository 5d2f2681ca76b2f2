use bytes::Bytes;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, proptest};

use super::{NodeKind, resolve, stat};
use crate::codec::Codec;
use crate::limits::PATH_SEGMENTS_MAX;
use crate::read::handmade::{Memory, put, put_file, put_node, put_shard, slot};
use crate::read::{FileReader, Listing, ReadError, Walk, WalkLimits};
use crate::unixfs::{Data, Kind, Metadata, Mtime, Profile, symlink};

#[test]
fn paths_lead_through_directories_of_both_kinds() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::from_static(b"found"));
    let plain = put_node(&mut blocks, &Data::new(Kind::Directory), &[("file", leaf)]);
    let sharded = put_shard(&mut blocks, vec![(slot("plain", 0), "plain", plain)]);
    let root = put_node(&mut blocks, &Data::new(Kind::Directory), &[("sharded", sharded)]);
    let found = resolve(&blocks, &root, ["sharded", "plain", "file"]).expect("is there");
    assert_eq!((found.cid, found.kind), (leaf, NodeKind::File { size: 5 }));
    let none: [&str; 0] = [];
    assert_eq!(resolve(&blocks, &root, none).expect("the root").cid, root);
    assert_eq!(stat(&blocks, &sharded).expect("is there").kind, NodeKind::Directory { sharded: true });

    for (path, missing) in
        [(&["other"][..], "other"), (&["sharded", "no"], "no"), (&["sharded", "plain", "x"], "x")]
    {
        let error = resolve(&blocks, &root, path).expect_err("is not there");
        assert!(matches!(error, ReadError::NotFound(name) if name == missing));
    }
    let error = resolve(&blocks, &root, ["sharded", "plain", "file", "below"]).expect_err("a file");
    assert!(matches!(error, ReadError::NotADirectory(cid) if *cid == leaf));
}

#[test]
fn names_that_cannot_be_lead_nowhere() {
    let mut blocks = Memory::new();
    let root = put_node(&mut blocks, &Data::new(Kind::Directory), &[]);
    let long = "x".repeat(1 << 20);
    for bad in ["", ".", "..", "a/b", "nul\0", &long] {
        assert!(matches!(resolve(&blocks, &root, [bad]), Err(ReadError::Name(_))));
    }
}

#[test]
fn a_path_has_a_greatest_length() {
    let mut blocks = Memory::new();
    let mut directory = put_node(&mut blocks, &Data::new(Kind::Directory), &[]);
    for _ in 0..=PATH_SEGMENTS_MAX {
        directory = put_node(&mut blocks, &Data::new(Kind::Directory), &[("d", directory)]);
    }
    assert!(resolve(&blocks, &directory, ["d"; PATH_SEGMENTS_MAX]).is_ok());
    assert!(matches!(
        resolve(&blocks, &directory, ["d"; PATH_SEGMENTS_MAX + 1]),
        Err(ReadError::PathTooLong)
    ));
}

#[test]
fn symbolic_links_are_reported_not_followed() {
    let mtime = Some(Mtime { seconds: 5, nanoseconds: 0 });
    let link = symlink(Profile::V1_2025, "/etc/passwd", Metadata { mode: None, mtime }).expect("short");
    let mut blocks = Memory::from([link.clone().into_parts()]);
    let root = put_node(&mut blocks, &Data::new(Kind::Directory), &[("link", *link.cid())]);
    let found = resolve(&blocks, &root, ["link"]).expect("is there");
    assert_eq!(found.kind, NodeKind::Symlink { target: "/etc/passwd".to_owned() });
    assert_eq!(found.metadata.mtime, mtime);
    let error = resolve(&blocks, &root, ["link", "x"]).expect_err("leads through it");
    assert!(matches!(error, ReadError::ThroughSymlink { target, segments: 1 } if target == "/etc/passwd"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever blocks say, reading them ends, with no panic and within bounds.
    #[test]
    fn any_dag_is_read_or_refused(parts in proptest::collection::vec(part(), 1..12)) {
        let mut blocks = Memory::new();
        let mut cids = vec![put(&mut blocks, Codec::Raw, Bytes::from_static(b"leaf"))];
        for part in parts {
            let cid = part.put(&mut blocks, &cids);
            cids.push(cid);
        }
        for cid in &cids {
            let _ = stat(&blocks, cid);
            let _ = resolve(&blocks, cid, ["a", "b"]);
            if let Ok(mut listing) = Listing::open(&blocks, cid) {
                let mut entries = 0;
                while let Ok(Some(_entry)) = listing.next(&blocks) {
                    entries += 1;
                }
                prop_assert!(entries <= 1_000);
            }
            if let Ok(mut reader) = FileReader::open(&blocks, cid) {
                let mut read = 0;
                while let Ok(Some(slice)) = reader.next(&blocks) {
                    prop_assert!(!slice.is_empty());
                    read += slice.len() as u64;
                }
                prop_assert!(read <= reader.size());
            }
            let mut walk = Walk::new([*cid], WalkLimits::default());
            while let Ok(Some(_visit)) = walk.next(&blocks) {}
            prop_assert!(walk.visited() <= blocks.len() + 1);
        }
    }
}

/// A block to make of the ones before it.
#[derive(Debug)]
struct Part {
    kind: u8,
    links: Vec<(usize, u8)>,
    bytes: Vec<u8>,
}

fn part() -> impl Strategy<Value = Part> {
    let links = proptest::collection::vec((0_usize..12, any::<u8>()), 0..5);
    (0_u8..6, links, proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(kind, links, bytes)| Part {
        kind,
        links,
        bytes,
    })
}

impl Part {
    fn put(self, blocks: &mut Memory, cids: &[cid::Cid]) -> cid::Cid {
        let link = |index: usize| cids[index % cids.len()];
        match self.kind {
            0 => put(blocks, Codec::DagPb, self.bytes),
            1 => {
                // Mostly true sizes, so that some of it can be read.
                let size = |cid, lie: u8| match stat(&*blocks, &cid).map(|node| node.kind) {
                    Ok(NodeKind::File { size }) if lie > 20 => size,
                    _ => u64::from(lie),
                };
                let parts: Vec<_> =
                    self.links.iter().map(|&(index, lie)| (link(index), size(link(index), lie))).collect();
                put_file(blocks, &parts)
            }
            2 | 3 => {
                let mut links: Vec<(usize, &str, cid::Cid)> = Vec::new();
                for &(index, byte) in &self.links {
                    let name = ["a", "b", ""][usize::from(byte) % 3];
                    let at = if byte > 50 && !name.is_empty() { slot(name, 0) } else { usize::from(byte) };
                    if links.iter().all(|other| other.0 != at) {
                        links.push((at, name, link(index)));
                    }
                }
                put_shard(blocks, links)
            }
            _ => {
                let name = |byte: u8| ["a", "b", "c", "..", "x/y"][usize::from(byte) % 5];
                let links: Vec<_> =
                    self.links.iter().map(|&(index, byte)| (name(byte), link(index))).collect();
                put_node(blocks, &Data::new(Kind::Directory), &links)
            }
        }
    }
}
