//! Files and directories made of hostile blocks: links lead anywhere, also in circles, and reading stays bounded.
#![no_main]

use std::convert::Infallible;

use bytes::Bytes;
use kubelt_content::read::{Blocks, FileReader, Listing, Walk, WalkLimits, resolve};
use kubelt_content::{Block, Cid, Codec};
use libfuzzer_sys::fuzz_target;

/// Most blocks that one input asks for, before it is taken as endless.
const STEPS_MAX: usize = 2_000;

/// Any CID leads to one of the input's blocks, as if hashes could be forged.
struct Forged<'a>(Vec<&'a [u8]>);

impl Blocks for Forged<'_> {
    type Error = Infallible;

    fn block(&self, cid: &Cid) -> Result<Bytes, Infallible> {
        let chosen = cid.hash().digest().first().map_or(0, |byte| usize::from(*byte) % self.0.len());
        Ok(Bytes::copy_from_slice(self.0[chosen]))
    }
}

fuzz_target!(|data: &[u8]| {
    let blocks = Forged(split(data));
    if blocks.0.is_empty() {
        return;
    }
    let root = Block::new(Codec::DagPb, Bytes::new()).expect("nothing is a block");
    let root = *root.cid();

    if let Ok(mut file) = FileReader::open(&blocks, &root) {
        for _ in 0..STEPS_MAX {
            if !matches!(file.next(&blocks), Ok(Some(_))) {
                break;
            }
        }
    }
    if let Ok(mut listing) = Listing::open(&blocks, &root) {
        for _ in 0..STEPS_MAX {
            match listing.next(&blocks) {
                Ok(Some(entry)) => {
                    let _found_or_not = resolve(&blocks, &root, [&entry.name]);
                }
                _ => break,
            }
        }
    }
    let mut walk = Walk::new([root], WalkLimits { depth_max: 64, blocks_max: STEPS_MAX });
    while let Ok(Some(_)) = walk.next(&blocks) {}
    assert!(walk.visited() <= STEPS_MAX + 1);
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
