//! TAR of hostile blocks: links lead anywhere, also in circles; whatever comes out has whole records, names below the
//! one root, and no way through a symbolic link.
#![no_main]

use std::collections::BTreeSet;
use std::convert::Infallible;

use bytes::Bytes;
use kubelt_content::read::Blocks;
use kubelt_content::tar::TarStream;
use kubelt_content::{Block, Cid, Codec};
use libfuzzer_sys::fuzz_target;

/// Most pieces that one input asks for, before it is taken as endless.
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
    let Ok(mut tar) = TarStream::open(&blocks, root.cid(), "root") else { return };
    let mut archive = Vec::new();
    for _ in 0..STEPS_MAX {
        match tar.next(&blocks) {
            Ok(Some(piece)) => {
                assert!(!piece.is_empty());
                archive.extend_from_slice(&piece);
            }
            Ok(None) => {
                assert_eq!(archive.len() % 512, 0);
                check(&archive);
                return;
            }
            Err(_) => break,
        }
    }
    check(&archive);
});

/// Reads the headers back as far as the archive goes; long names stand in a header of their own.
fn check(mut archive: &[u8]) {
    let mut links: BTreeSet<String> = BTreeSet::new();
    let mut long = None;
    while let Some((header, rest)) = archive.split_at_checked(512) {
        if header.iter().all(|byte| *byte == 0) {
            return;
        }
        let size = usize::from_str_radix(&text(&header[124..135]), 8).expect("a size");
        let Some((content, rest)) = rest.split_at_checked(size.next_multiple_of(512)) else { return };
        archive = rest;
        if header[156] == b'x' {
            long = path_of(&String::from_utf8_lossy(&content[..size]));
            continue;
        }
        let path = long.take().unwrap_or_else(|| text(&header[..100]));
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        assert_eq!(segments[0], "root", "{path:?}");
        assert!(segments.iter().all(|segment| !matches!(*segment, "" | "." | "..")), "{path:?}");
        for end in 1..=segments.len() {
            assert!(!links.contains(&segments[..end].join("/")), "{path:?} leads through a link");
        }
        if header[156] == b'2' {
            links.insert(segments.join("/"));
        }
    }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// The path in records of `length key=value`.
fn path_of(mut records: &str) -> Option<String> {
    while let Some((length, _)) = records.split_once(' ') {
        let (record, rest) = records.split_at_checked(length.parse().ok()?)?;
        if let Some(path) = record.strip_suffix('\n')?.strip_prefix(&format!("{length} path=")) {
            return Some(path.to_owned());
        }
        records = rest;
    }
    None
}

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
