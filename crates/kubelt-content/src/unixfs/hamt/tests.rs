use std::convert::Infallible;

use super::{Hashed, Shard, name_hash, write_shard};
use crate::block::Block;
use crate::codec::Codec;
use crate::unixfs::directory::{DirectoryError, Entry};
use crate::unixfs::{Metadata, Profile};

#[test]
fn the_hash_is_the_first_half_of_murmur3() {
    // Known digests of murmur3 x64 128: short, exactly one block, and longer than one.
    assert_eq!(name_hash(""), 0);
    assert_eq!(name_hash("hello"), 0xcbd8_a7b3_41bd_9b02);
    assert_eq!(name_hash("The quick brown fox jumps over the lazy dog"), 0xe34b_bc7b_bc07_1b6c);
}

#[test]
fn a_hash_is_used_from_its_highest_bits() {
    let hash = 0x0123_4567_89ab_cdef;
    let shard = Shard::new(256).expect("a fan-out");
    let slots: Vec<_> = (0..9).map(|depth| shard.slot(hash, depth)).collect();
    let bytes = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    assert_eq!(slots[..8], bytes.map(Some));
    assert_eq!(slots[8], None);
    let narrow = Shard::new(8).expect("a fan-out");
    assert_eq!(narrow.slot(hash, 3), Some(0b010));
    assert_eq!(narrow.slot(hash, 21), None);
}

#[test]
fn fan_outs_and_prefixes() {
    for bad in [0, 4, 12, 100, 2048, u64::MAX] {
        assert_eq!(Shard::new(bad), None, "{bad}");
    }
    for (fanout, slot, prefix) in [(8, 7, "7"), (16, 15, "F"), (256, 10, "0A"), (1024, 1023, "3FF")] {
        let shard = Shard::new(fanout).expect("a fan-out");
        assert_eq!(shard.prefix(slot), prefix);
        assert_eq!(shard.prefix_digits(), prefix.len());
    }
}

#[test]
fn names_with_one_hash_are_refused() {
    let cid = *Block::hash(Codec::Raw, bytes::Bytes::new()).cid();
    let entry = |name: &str| Entry { name: name.to_owned(), cid, dag_size: 0 };
    let (first, second) = (entry("first"), entry("second"));
    let hashed = [Hashed { hash: 7, entry: &first }, Hashed { hash: 7, entry: &second }];
    let mut ignore = |_block: Block| Ok::<(), Infallible>(());
    let result = write_shard(Profile::V1_2025, Metadata::default(), &hashed, 0, &mut ignore);
    assert!(matches!(result, Err(DirectoryError::HashCollision(name)) if name == "first"));
}
