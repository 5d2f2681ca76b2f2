//! The balanced DAG over the leaves of a file.

use cid::Cid;

use super::data::{Data, Kind, Metadata};
use super::profile::Profile;
use crate::block::Block;
use crate::dag_pb::PbLink;

/// What the DAG needs to know of a leaf, or of any node below another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafInfo {
    /// The CID of the block.
    pub cid: Cid,
    /// Bytes of the file in it.
    pub size: u64,
    /// Bytes of the block.
    pub dag_size: u64,
}

/// A finished file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRoot {
    /// The CID of the file.
    pub cid: Cid,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of all its blocks, repeated ones counted each time: the `Tsize` of a link to it.
    pub dag_size: u64,
}

/// Builds the nodes above the leaves, which come in order.
///
/// Holds one row of links for each level, so its memory does not grow with the file. Leaves are
/// stored by whoever made them; the nodes above go to the sink.
#[derive(Debug)]
pub struct FileBuilder {
    profile: Profile,
    metadata: Metadata,
    /// `levels[0]` links to leaves, each further one to nodes of the level before.
    levels: Vec<Vec<LeafInfo>>,
}

impl FileBuilder {
    /// An empty file.
    pub fn new(profile: Profile) -> Self {
        Self::with_metadata(profile, Metadata::default())
    }

    /// An empty file whose root carries permissions or a time. With either, its root is never a leaf.
    pub const fn with_metadata(profile: Profile, metadata: Metadata) -> Self {
        Self { profile, metadata, levels: Vec::new() }
    }

    /// Appends a leaf.
    pub fn push<E>(
        &mut self,
        leaf: &LeafInfo,
        sink: &mut impl FnMut(Block) -> Result<(), E>,
    ) -> Result<(), E> {
        self.push_at(0, *leaf, sink)
    }

    /// Closes the file. One with no leaf gets an empty one.
    pub fn finish<E>(mut self, sink: &mut impl FnMut(Block) -> Result<(), E>) -> Result<FileRoot, E> {
        if self.levels.is_empty() {
            let (block, leaf) = self.profile.leaf(bytes::Bytes::new());
            sink(block)?;
            self.push_at(0, leaf, sink)?;
        }
        let mut level = 0;
        loop {
            let links = std::mem::take(&mut self.levels[level]);
            let is_top = level + 1 == self.levels.len();
            if let ([only], true) = (links.as_slice(), is_top)
                && (self.metadata.is_empty() || level > 0)
            {
                return Ok(FileRoot { cid: only.cid, size: only.size, dag_size: only.dag_size });
            }
            // Every node that can be the root carries the metadata; in the end one of them is.
            let metadata = if is_top { self.metadata } else { Metadata::default() };
            let node = self.node(&links, metadata, sink)?;
            self.push_at(level + 1, node, sink)?;
            level += 1;
        }
    }

    fn push_at<E>(
        &mut self,
        level: usize,
        child: LeafInfo,
        sink: &mut impl FnMut(Block) -> Result<(), E>,
    ) -> Result<(), E> {
        if level == self.levels.len() {
            self.levels.push(Vec::new());
        }
        if self.levels[level].len() == self.profile.links_per_node() {
            // A full row is closed only now, when something follows it.
            let links = std::mem::take(&mut self.levels[level]);
            let node = self.node(&links, Metadata::default(), sink)?;
            self.push_at(level + 1, node, sink)?;
            self.levels[level] = links;
            self.levels[level].clear();
        }
        self.levels[level].push(child);
        Ok(())
    }

    fn node<E>(
        &self,
        children: &[LeafInfo],
        metadata: Metadata,
        sink: &mut impl FnMut(Block) -> Result<(), E>,
    ) -> Result<LeafInfo, E> {
        let links: Vec<PbLink<'_>> = children.iter().map(LeafInfo::link).collect();
        let size = total(children.iter().map(|child| child.size));
        let mut data = Data::new(Kind::File);
        data.file_size = Some(size);
        data.block_sizes = children.iter().map(|child| child.size).collect();
        data.metadata = metadata;
        let block = self.profile.node(&links, &data);
        let own = block.data().len() as u64;
        let dag_size = total(children.iter().map(|child| child.dag_size).chain([own]));
        let info = LeafInfo { cid: *block.cid(), size, dag_size };
        sink(block)?;
        Ok(info)
    }
}

/// Sizes are the caller's word: their sum stops at the largest number instead of wrapping.
pub(super) fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

impl LeafInfo {
    const fn link(&self) -> PbLink<'static> {
        PbLink { cid: self.cid, name: Some(""), tsize: Some(self.dag_size) }
    }
}
