//! Every CID equals that of the reference importer (`spec/vectors/unixfs.json`).

use bytes::Bytes;
use kubelt_content::unixfs::{
    DirectoryBuilder, FileBuilder, FileRoot, Importer, LeafInfo, Metadata, Mtime, Profile, symlink,
};
use kubelt_content::{Block, Cid};
use serde_json::Value;

use crate::recipes::{self, Stream, content_length, ignore};

#[test]
fn cids_of_files() {
    for (profile, groups) in vectors() {
        let cases = cases(&groups, "files");
        let longest = cases.iter().map(|case| integer(case, "size")).max().expect("there are files");
        let leaves = leaves(profile, longest);
        for case in cases {
            let size = integer(case, "size");
            let whole = size / profile.chunk_bytes();
            let mut builder = FileBuilder::new(profile);
            for (_, leaf) in &leaves[..whole] {
                push(&mut builder, leaf);
            }
            let rest = size % profile.chunk_bytes();
            if rest > 0 {
                push(&mut builder, &profile.leaf(leaves[whole].0.slice(..rest)).1);
            }
            expect_file(profile, case, builder.finish(&mut ignore).expect("nothing fails"), size);
        }
    }
}

#[test]
fn cids_of_deep_files() {
    for (profile, groups) in vectors() {
        let chunk = Stream::new().take(profile.chunk_bytes());
        let (_, whole) = profile.leaf(chunk.clone());
        for case in cases(&groups, "repeated") {
            let (chunks, tail) = (integer(case, "chunks"), integer(case, "tail"));
            let mut builder = FileBuilder::new(profile);
            for _ in 0..chunks {
                push(&mut builder, &whole);
            }
            if tail > 0 {
                push(&mut builder, &profile.leaf(chunk.slice(..tail)).1);
            }
            let size = chunks * profile.chunk_bytes() + tail;
            expect_file(profile, case, builder.finish(&mut ignore).expect("nothing fails"), size);
        }
    }
}

#[test]
fn cids_of_directories() {
    let stream = Stream::new().take(1 << 10);
    for (profile, groups) in vectors() {
        let files: Vec<LeafInfo> = (0..300).map(|length| profile.leaf(stream.slice(..length)).1).collect();
        for case in cases(&groups, "directories") {
            let kind = case["names"].as_str().expect("a kind of names");
            let mut builder = DirectoryBuilder::new(profile);
            // From the last to the first: the order must not matter.
            for index in (0..integer(case, "count")).rev() {
                let file = &files[content_length(index)];
                builder.add(recipes::name(kind, index), file.cid, file.dag_size).expect("a good name");
            }
            if let Some(filler) = case.get("filler").and_then(Value::as_u64) {
                let name = "~".repeat(usize::try_from(filler).expect("short"));
                builder.add(name, files[0].cid, files[0].dag_size).expect("a good name");
            }
            let root = builder.finish(&mut ignore).expect("distinct names");
            expect(profile, case, &root.cid, root.dag_size);
        }
    }
}

#[test]
fn cids_of_trees() {
    let stream = Stream::new().take(4 << 20);
    for (profile, groups) in vectors() {
        for case in cases(&groups, "trees") {
            let mut entries = Vec::new();
            for (path, length) in recipes::tree(case["names"].as_str().expect("a name")) {
                if let Some(length) = length {
                    let file = import(profile, &stream[..length], Metadata::default());
                    entries.push((path, file.cid, file.dag_size));
                } else {
                    let link = recipes::link(profile);
                    entries.push((path, *link.cid(), link.data().len() as u64));
                }
            }
            let root = recipes::directories(profile, entries);
            expect(profile, case, &root.cid, root.dag_size);
        }
    }
}

#[test]
fn cids_of_links_and_of_what_has_metadata() {
    let stream = Stream::new().take(2 << 20);
    for (profile, groups) in vectors() {
        for case in cases(&groups, "others") {
            match case["type"].as_str().expect("a type") {
                "symlink" => {
                    let link = symlink(profile, "../target/ü", Metadata::default()).expect("short");
                    expect(profile, case, link.cid(), link.data().len() as u64);
                }
                "file with mode and mtime" => {
                    let mtime = Some(Mtime { seconds: 1_700_000_000, nanoseconds: 5 });
                    let metadata = Metadata { mode: Some(0o600), mtime };
                    let file = import(profile, &stream[..2 * profile.chunk_bytes()], metadata);
                    expect(profile, case, &file.cid, file.dag_size);
                }
                "directory with mode and mtime" => {
                    let mtime = Some(Mtime { seconds: -1, nanoseconds: 0 });
                    let metadata = Metadata { mode: Some(0o700), mtime };
                    let builder = DirectoryBuilder::with_metadata(profile, metadata);
                    let root = builder.finish(&mut ignore).expect("no names");
                    expect(profile, case, &root.cid, root.dag_size);
                }
                other => panic!("no such type: {other}"),
            }
        }
    }
}

/// IPIP-499 and the UnixFS specification name a few CIDs whose content is known.
#[test]
fn cids_of_the_specifications() {
    let hello = |profile| import(profile, b"hello world", Metadata::default()).cid.to_string();
    assert_eq!(hello(Profile::V1_2025), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    assert_eq!(hello(Profile::V0_2015), "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD");
    let empty = |profile| DirectoryBuilder::new(profile).finish(&mut ignore).expect("empty").cid.to_string();
    assert_eq!(empty(Profile::V1_2025), "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    assert_eq!(empty(Profile::V0_2015), "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
}

/// The chunks of the stream that the longest file touches, each with its leaf.
fn leaves(profile: Profile, bytes: usize) -> Vec<(Bytes, LeafInfo)> {
    let mut stream = Stream::new();
    let chunks = (0..=bytes / profile.chunk_bytes()).map(|_| stream.take(profile.chunk_bytes()));
    chunks.map(|chunk| (chunk.clone(), profile.leaf(chunk).1)).collect()
}

fn vectors() -> Vec<(Profile, Value)> {
    let text = include_str!("../../../../spec/vectors/unixfs.json");
    let mut vectors: Value = serde_json::from_str(text).expect("the vectors are JSON");
    let all = Profile::ALL.into_iter();
    let found: Vec<_> = all.map(|profile| (profile, vectors["profiles"][profile.name()].take())).collect();
    assert!(found.iter().all(|(_, groups)| groups.is_object()), "a profile has no vectors");
    found
}

fn cases<'a>(groups: &'a Value, name: &str) -> &'a [Value] {
    let cases = groups[name].as_array().expect("a list of cases");
    assert!(!cases.is_empty(), "no cases of {name}");
    cases
}

fn integer(case: &Value, field: &str) -> usize {
    let value = case[field].as_u64().unwrap_or_else(|| panic!("no {field} in {case}"));
    usize::try_from(value).expect("fits")
}

#[track_caller]
fn expect_file(profile: Profile, case: &Value, root: FileRoot, size: usize) {
    assert_eq!(root.size, size as u64, "{}: {case}", profile.name());
    expect(profile, case, &root.cid, root.dag_size);
}

#[track_caller]
fn expect(profile: Profile, case: &Value, cid: &Cid, dag_size: u64) {
    assert_eq!(case["cid"], cid.to_string(), "{}: {case}", profile.name());
    assert_eq!(case["dag_size"], dag_size, "{}: {case}", profile.name());
}

fn push(builder: &mut FileBuilder, leaf: &LeafInfo) {
    builder.push(leaf, &mut ignore).expect("nothing fails");
}

fn import(profile: Profile, bytes: &[u8], metadata: Metadata) -> FileRoot {
    let mut sink = |_block: Block| Ok::<(), std::convert::Infallible>(());
    let mut importer = Importer::with_metadata(profile, metadata);
    // In uneven pieces.
    for piece in bytes.chunks(100_003) {
        importer.write(piece, &mut sink).expect("nothing fails");
    }
    importer.finish(&mut sink).expect("nothing fails")
}
