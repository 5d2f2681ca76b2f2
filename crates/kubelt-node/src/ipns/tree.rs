//! The public root of a core: all its public paths as one UnixFS directory.

use std::collections::BTreeMap;

use cid::Cid;
use kubelt_content::{
    Block, BlockTooLarge,
    read::{Listing, NodeKind, ReadError, stat},
    unixfs::{DirectoryBuilder, DirectoryError, NameProblem, Profile},
};
use kubelt_core::MapPath;

use crate::{
    blocks::{BlockError, ReachedBlocks},
    limits::PUBLIC_ROOT_ENTRIES_MAX,
    names::Named,
};

/// A directory in the making: what lies at its own path, and what lies below.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entry: Option<Cid>,
    below: BTreeMap<String, Tree>,
}

/// A public root that was built.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) root: Cid,
    /// Its own blocks, without those of what was published.
    pub(super) blocks: Vec<Block>,
}

/// Why a public root was not built.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// More entries than a public root may have.
    #[error(
        "the public paths have over {PUBLIC_ROOT_ENTRIES_MAX} entries; publish directories, or set `config/ipns`"
    )]
    TooMany,
    /// A directory over which single paths lie cannot be read.
    #[error("a published directory cannot be read")]
    Read(#[source] Box<ReadError<BlockError>>),
    /// A name that no directory may have.
    #[error("a public path has a name that no directory may have")]
    Name(#[from] NameProblem),
    /// Names that no directory can hold together.
    #[error("the public paths make no directory")]
    Directory(#[source] Box<DirectoryError<BlockTooLarge>>),
}

impl Tree {
    pub(super) fn insert(&mut self, path: &MapPath, named: &Named) {
        let mut place = self;
        for segment in path.segments().skip(1) {
            place = place.below.entry(segment.to_owned()).or_default();
        }
        place.entry = Some(named.root);
    }

    /// Builds the directory. An entry with others below it is opened, if it is a directory, and they lie over
    /// what it holds: as they do when the core is read by path.
    pub(super) fn build(self, blocks: &ReachedBlocks) -> Result<Built, TreeError> {
        let mut made = Vec::new();
        let mut entries = 0;
        let (root, _size) = self.directory(blocks, &mut made, &mut entries)?;
        Ok(Built { root, blocks: made })
    }

    fn directory(
        self,
        blocks: &ReachedBlocks,
        made: &mut Vec<Block>,
        entries: &mut usize,
    ) -> Result<(Cid, u64), TreeError> {
        let mut builder = DirectoryBuilder::new(Profile::default());
        let mut below = self.below;
        let opened = self.entry.filter(|cid| is_directory(blocks, cid));
        let mut listing = opened.map(|cid| Listing::open(blocks, &cid)).transpose().map_err(read)?;
        while let Some(listing) = &mut listing
            && let Some(entry) = listing.next(blocks).map_err(read)?
        {
            match below.get_mut(&entry.name) {
                // What lies over it is a directory that it goes into, or replaces it.
                Some(over) => over.entry = over.entry.or(Some(entry.cid)),
                None if entry.is_dots() => {}
                None => {
                    count(entries)?;
                    builder.add(entry.name, entry.cid, entry.dag_size.unwrap_or(0))?;
                }
            }
        }
        for (name, tree) in below {
            let (cid, size) = match tree.entry {
                Some(cid) if tree.below.is_empty() => {
                    count(entries)?;
                    (cid, dag_size(blocks, &cid))
                }
                _ => tree.directory(blocks, made, entries)?,
            };
            builder.add(name, cid, size)?;
        }
        let root = builder.finish(&mut |block| {
            made.push(block);
            Ok::<(), BlockTooLarge>(())
        });
        let root = root.map_err(|error| TreeError::Directory(Box::new(error)))?;
        Ok((root.cid, root.dag_size))
    }
}

fn count(entries: &mut usize) -> Result<(), TreeError> {
    *entries += 1;
    if *entries > PUBLIC_ROOT_ENTRIES_MAX { Err(TreeError::TooMany) } else { Ok(()) }
}

fn is_directory(blocks: &ReachedBlocks, cid: &Cid) -> bool {
    stat(blocks, cid).is_ok_and(|node| matches!(node.kind, NodeKind::Directory { .. }))
}

/// Bytes of all blocks of a DAG, as its root says; 0 where it says nothing.
fn dag_size(blocks: &ReachedBlocks, cid: &Cid) -> u64 {
    stat(blocks, cid).map_or(0, |node| node.dag_size)
}

fn read(error: ReadError<BlockError>) -> TreeError {
    TreeError::Read(Box::new(error))
}
