use std::convert::Infallible;

use bytes::Bytes;

use super::{DirectoryBuilder, DirectoryError, SymlinkTooLong, symlink};
use crate::block::Block;
use crate::codec::Codec;
use crate::limits::{NAME_BYTES_MAX, SYMLINK_TARGET_BYTES_MAX};
use crate::unixfs::{Metadata, NameProblem, Profile};

fn ignore(_block: Block) -> Result<(), Infallible> {
    Ok(())
}

#[test]
fn bad_names_are_refused() {
    let cid = *Block::hash(Codec::Raw, Bytes::new()).cid();
    let mut builder = DirectoryBuilder::new(Profile::V1_2025);
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for (name, expected) in [
        ("", NameProblem::Empty),
        (".", NameProblem::Dots),
        ("..", NameProblem::Dots),
        ("a/b", NameProblem::Slash),
        ("/", NameProblem::Slash),
        ("a\0", NameProblem::Nul),
        (&long, NameProblem::TooLong(NAME_BYTES_MAX + 1)),
    ] {
        assert_eq!(builder.add(name, cid, 0), Err(expected));
    }
    for name in ["...", " ", "-", "ü", "\\", &long[1..]] {
        assert_eq!(builder.add(name, cid, 0), Ok(()));
    }
    assert!(builder.finish(&mut ignore).is_ok());
}

#[test]
fn a_name_stands_once() {
    let cid = *Block::hash(Codec::Raw, Bytes::new()).cid();
    let mut builder = DirectoryBuilder::new(Profile::V1_2025);
    for name in ["b", "a", "b"] {
        builder.add(name, cid, 0).expect("a good name");
    }
    let result = builder.finish(&mut ignore);
    assert!(matches!(result, Err(DirectoryError::Duplicate(name)) if name == "b"));
}

#[test]
fn sizes_that_are_too_large_do_not_wrap() {
    let cid = *Block::hash(Codec::Raw, Bytes::new()).cid();
    let mut builder = DirectoryBuilder::new(Profile::V1_2025);
    for name in ["a", "b"] {
        builder.add(name, cid, u64::MAX).expect("a good name");
    }
    assert_eq!(builder.finish(&mut ignore).expect("is written").dag_size, u64::MAX);
}

#[test]
fn an_error_of_the_sink_ends_the_directory() {
    #[derive(Debug, thiserror::Error)]
    #[error("full")]
    struct Full;
    let result = DirectoryBuilder::new(Profile::V1_2025).finish(&mut |_block| Err(Full));
    assert!(matches!(result, Err(DirectoryError::Sink(Full))));
}

#[test]
fn targets_of_links_have_a_greatest_length() {
    let long = "x".repeat(SYMLINK_TARGET_BYTES_MAX + 1);
    let link = |target| symlink(Profile::V1_2025, target, Metadata::default());
    assert_eq!(link(&long), Err(SymlinkTooLong(SYMLINK_TARGET_BYTES_MAX + 1)));
    assert!(link(&long[1..]).is_ok());
}
