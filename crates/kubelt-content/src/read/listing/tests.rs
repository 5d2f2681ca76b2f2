use bytes::Bytes;

use super::Listing;
use crate::codec::Codec;
use crate::read::handmade::{Memory, put, put_node, put_shard, slot};
use crate::read::source::MissingBlock;
use crate::read::{ReadError, resolve};
use crate::unixfs::{Data, Kind, NodeError};

fn list(blocks: &Memory, cid: &cid::Cid) -> Result<Vec<String>, ReadError<MissingBlock>> {
    let mut listing = Listing::open(blocks, cid)?;
    let mut names = Vec::new();
    while let Some(entry) = listing.next(blocks)? {
        names.push(entry.name);
    }
    Ok(names)
}

#[test]
fn names_that_cannot_be_are_refused_and_dots_are_reported() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::new());
    let data = Data::new(Kind::Directory);
    for bad in ["", "a/b", "/", "nul\0"] {
        let directory = put_node(&mut blocks, &data, &[("good", leaf), (bad, leaf)]);
        let error = list(&blocks, &directory).expect_err("a bad name");
        assert!(matches!(error, ReadError::Malformed { source: NodeError::EntryName, .. }));
    }
    let dots = put_node(&mut blocks, &data, &[(".", leaf), ("..", leaf), ("...", leaf)]);
    let mut listing = Listing::open(&blocks, &dots).expect("opens");
    for expected in [true, true, false] {
        let entry = listing.next(&blocks).expect("lists").expect("three entries");
        assert_eq!(entry.is_dots(), expected);
    }
    assert!(matches!(resolve(&blocks, &dots, [".."]), Err(ReadError::Name(_))));
}

#[test]
fn of_two_entries_with_one_name_the_first_counts() {
    let mut blocks = Memory::new();
    let first = put(&mut blocks, Codec::Raw, Bytes::from_static(b"1"));
    let second = put(&mut blocks, Codec::Raw, Bytes::from_static(b"2"));
    let directory = put_node(&mut blocks, &Data::new(Kind::Directory), &[("a", first), ("a", second)]);
    assert_eq!(resolve(&blocks, &directory, ["a"]).expect("is there").cid, first);
}

#[test]
fn a_shard_lists_what_belongs_into_it() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::new());
    let good = put_shard(&mut blocks, vec![(slot("a", 0), "a", leaf)]);
    assert_eq!(list(&blocks, &good).expect("lists"), ["a"]);
    let misplaced = put_shard(&mut blocks, vec![(slot("a", 0) ^ 1, "a", leaf)]);
    assert!(matches!(list(&blocks, &misplaced), Err(ReadError::MisplacedEntry(_))));
    // Right in its shard, but the shard is not where it should be.
    let below = put_shard(&mut blocks, vec![(slot("a", 1), "a", leaf)]);
    let root = put_shard(&mut blocks, vec![(slot("a", 0), "", below)]);
    assert_eq!(list(&blocks, &root).expect("lists"), ["a"]);
    let root = put_shard(&mut blocks, vec![(slot("a", 0) ^ 1, "", below)]);
    assert!(matches!(list(&blocks, &root), Err(ReadError::MisplacedEntry(_))));
}

#[test]
fn shards_that_are_linked_again_and_again_end_a_listing() {
    // 256 links to one shard on every level would be 256 to the power of eight shards.
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::new());
    for bottom in [vec![], vec![(slot("a", 7), "a", leaf)]] {
        let is_empty = bottom.is_empty();
        let mut shard = put_shard(&mut blocks, bottom);
        assert_eq!(list(&blocks, &shard).is_ok(), is_empty, "an empty directory may be a shard");
        for _ in 0..7 {
            shard = put_shard(&mut blocks, (0..256).map(|slot| (slot, "", shard)).collect());
        }
        assert!(matches!(list(&blocks, &shard), Err(ReadError::MisplacedEntry(_))));
    }
}

#[test]
fn shards_deeper_than_the_hash_are_refused() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::new());
    let mut shard = put_shard(&mut blocks, vec![(0, "a", leaf)]);
    for depth in (0..8).rev() {
        shard = put_shard(&mut blocks, vec![(slot("a", depth), "", shard)]);
    }
    assert!(matches!(list(&blocks, &shard), Err(ReadError::MisplacedEntry(_))));
    assert!(matches!(resolve(&blocks, &shard, ["a"]), Err(ReadError::MisplacedEntry(_))));
    assert!(matches!(Listing::after(&blocks, &shard, "a"), Err(ReadError::MisplacedEntry(_))));
}

#[test]
fn below_a_shard_there_are_only_shards() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::new());
    let directory = put_node(&mut blocks, &Data::new(Kind::Directory), &[("a", leaf)]);
    for below in [directory, leaf] {
        let root = put_shard(&mut blocks, vec![(slot("a", 0), "", below)]);
        assert!(list(&blocks, &root).is_err());
        assert!(matches!(resolve(&blocks, &root, ["a"]), Err(ReadError::MisplacedEntry(_))));
    }
}

#[test]
fn files_are_not_listed() {
    let mut blocks = Memory::new();
    let leaf = put(&mut blocks, Codec::Raw, Bytes::new());
    assert!(matches!(list(&blocks, &leaf), Err(ReadError::NotADirectory(_))));
    let mut data = Data::new(Kind::File);
    data.file_size = Some(0);
    let file = put_node(&mut blocks, &data, &[]);
    assert!(matches!(list(&blocks, &file), Err(ReadError::NotADirectory(_))));
}
