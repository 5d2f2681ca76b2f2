//! The inputs of `spec/vectors/unixfs.json`, as `conformance/unixfs/cases.mjs` makes them.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use kubelt_content::unixfs::{DirRoot, DirectoryBuilder, Metadata, Profile, symlink};
use kubelt_content::{Block, Cid};

/// A stream of bytes that both sides make: xorshift32 from 1, little-endian.
pub(crate) struct Stream(u32);

impl Stream {
    pub(crate) const fn new() -> Self {
        Self(1)
    }

    /// The next bytes, a multiple of four.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(count);
        for _ in 0..count / 4 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            out.extend_from_slice(&self.0.to_le_bytes());
        }
        out.freeze()
    }
}

/// The name of entry `index` in a directory of this kind.
pub(crate) fn name(kind: &str, index: usize) -> String {
    match kind {
        "short" => index.to_string(),
        "padded" => format!("entry-{index:06}.txt"),
        "varied" => format!("{index}-{}", "x".repeat((index * 31) % 120)),
        "unicode" => format!("ä{index}-日本語-🦀"),
        other => panic!("no such kind of names: {other}"),
    }
}

/// Bytes of file `index` of a directory.
pub(crate) const fn content_length(index: usize) -> usize {
    (index * 37) % 300
}

/// The paths of a tree with the length of each file; `None` is the symbolic link.
pub(crate) fn tree(kind: &str) -> Vec<(String, Option<usize>)> {
    let mut paths = Vec::new();
    if kind == "small" {
        for (a, b, c) in (0..4).flat_map(|a| (0..5).flat_map(move |b| (0..6).map(move |c| (a, b, c)))) {
            paths.push((format!("d{a}/e{b}/f{c}.bin"), Some(1000 * a + 100 * b + c)));
        }
        return paths;
    }
    assert_eq!(kind, "mixed");
    paths.push(("readme.md".to_owned(), Some(5_000)));
    paths.push(("video.bin".to_owned(), Some(3_000_000)));
    paths.push(("a b/ü/#?.txt".to_owned(), Some(3)));
    paths.push(("link".to_owned(), None));
    for index in 0..7_000 {
        paths.push((format!("big/{}", name("padded", index)), Some(content_length(index))));
    }
    paths
}

/// A path, and the CID and size of what is there.
type PathEntry = (String, Cid, u64);

/// Builds the directories above `entries`.
pub(crate) fn directories(profile: Profile, entries: Vec<PathEntry>) -> DirRoot {
    let mut builder = DirectoryBuilder::new(profile);
    let mut below: Vec<(String, Vec<PathEntry>)> = Vec::new();
    for (path, cid, dag_size) in entries {
        match path.split_once('/') {
            None => builder.add(path, cid, dag_size).expect("a good name"),
            Some((first, rest)) => {
                let position = below.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
                    below.push((first.to_owned(), Vec::new()));
                    below.len() - 1
                });
                below[position].1.push((rest.to_owned(), cid, dag_size));
            }
        }
    }
    for (name, entries) in below {
        let root = directories(profile, entries);
        builder.add(name, root.cid, root.dag_size).expect("a good name");
    }
    builder.finish(&mut ignore).expect("distinct names")
}

/// The symbolic link of a tree.
pub(crate) fn link(profile: Profile) -> Block {
    symlink(profile, "../a b/ü", Metadata::default()).expect("a short target")
}

/// A sink for blocks of which only the CIDs matter.
pub(crate) fn ignore(_block: Block) -> Result<(), Infallible> {
    Ok(())
}
