//! Paths through hostile DAGs and the blocks of a scope below them: links lead anywhere, also in circles, and the work
//! stays bounded; without duplicates, no block comes twice.
#![no_main]

use std::collections::BTreeSet;
use std::convert::Infallible;

use bytes::Bytes;
use kubelt_content::read::{Blocks, EntityBytes, Scope, ScopedBlocks, WalkLimits, follow};
use kubelt_content::{Block, Cid, Codec};
use libfuzzer_sys::fuzz_target;

const BLOCKS_MAX: usize = 1_000;

/// Any CID leads to one of the input's blocks, as if hashes could be forged.
struct Forged<'a>(Vec<&'a [u8]>);

impl Blocks for Forged<'_> {
    type Error = Infallible;

    fn block(&self, cid: &Cid) -> Result<Bytes, Infallible> {
        let chosen = cid.hash().digest().first().map_or(0, |byte| usize::from(*byte) % self.0.len());
        Ok(Bytes::copy_from_slice(self.0[chosen]))
    }
}

fuzz_target!(|input: (u8, i64, Option<i64>, &str, &[u8])| {
    let (kind, from, to, path, data) = input;
    let blocks = Forged(split(data));
    if blocks.0.is_empty() {
        return;
    }
    let codec = [Codec::DagPb, Codec::DagCbor, Codec::DagJson, Codec::Raw][usize::from(kind & 3)];
    let root = Block::new(codec, Bytes::new()).expect("nothing is a block");
    let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let Ok(way) = follow(&blocks, root.cid(), &path) else { return };
    let scope = match kind >> 2 & 3 {
        0 => Scope::Block,
        1 => Scope::Entity(None),
        2 => Scope::Entity(Some(EntityBytes { from, to })),
        _ => Scope::All,
    };
    let duplicates = kind & 16 != 0;
    let limits = WalkLimits { depth_max: 64, blocks_max: BLOCKS_MAX };
    let mut scoped = ScopedBlocks::new(&way, scope, duplicates, limits);
    let (mut given, mut distinct) = (0, BTreeSet::new());
    while let Ok(Some(block)) = scoped.next(&blocks) {
        given += 1;
        let is_new = distinct.insert(*block.cid());
        assert!(is_new || duplicates, "{} comes twice", block.cid());
    }
    assert!(given <= BLOCKS_MAX);
});

/// Blocks behind their lengths, each in two little-endian bytes.
fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let (block, rest) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*length))));
        blocks.push(block);
        data = rest;
    }
    blocks
}
