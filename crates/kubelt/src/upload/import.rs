//! The DAG of a tree, built from its leaves.

use std::path::PathBuf;

use kubelt_content::unixfs::{DirectoryBuilder, DirectoryError, FileBuilder, Metadata, Profile, symlink};
use kubelt_content::{Block, Cid};

use super::UploadError;
use super::leaves::Leaves;
use super::send::Batches;
use super::tree::{Node, Tree};

/// Nobody takes blocks any more: a sender has failed, and knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upload has stopped")]
pub(crate) struct Stopped;

/// Why an import ended early.
#[derive(Debug)]
pub(super) enum Halt {
    Stopped(Stopped),
    Failed(UploadError),
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<UploadError> for Halt {
    fn from(error: UploadError) -> Self {
        Self::Failed(error)
    }
}

/// Walks a tree and gives every block to the batches, children first.
pub(super) struct Import<'a, 'b> {
    tree: &'a Tree,
    profile: Profile,
    leaves: Leaves<'a>,
    batches: &'a mut Batches<'b>,
    /// Where the walk is, for messages.
    path: PathBuf,
}

/// An entry, and the bytes of all its blocks.
type Built = (Cid, u64);

impl<'a, 'b> Import<'a, 'b> {
    pub(super) fn new(
        tree: &'a Tree,
        profile: Profile,
        leaves: Leaves<'a>,
        batches: &'a mut Batches<'b>,
    ) -> Self {
        Self { tree, profile, leaves, batches, path: tree.path.clone() }
    }

    /// The root of the whole.
    pub(super) fn run(mut self) -> Result<Cid, Halt> {
        let tree = self.tree;
        self.node(&tree.root).map(|(cid, _)| cid)
    }

    fn node(&mut self, node: &Node) -> Result<Built, Halt> {
        match node {
            Node::File(index) => self.file(self.tree.files[*index].bytes),
            Node::Symlink(target) => self.symlink(target),
            Node::Directory(entries) => self.directory(entries),
        }
    }

    fn file(&mut self, bytes: u64) -> Result<Built, Halt> {
        let mut builder = FileBuilder::new(self.profile);
        let batches = &mut *self.batches;
        for _ in 0..bytes.div_ceil(self.profile.chunk_bytes() as u64) {
            let (block, leaf) = self.leaves.next()?;
            batches.leaf(block, leaf.size)?;
            builder.push(&leaf, &mut |block| batches.node(block))?;
        }
        let root = builder.finish(&mut |block| batches.node(block))?;
        Ok((root.cid, root.dag_size))
    }

    fn symlink(&mut self, target: &str) -> Result<Built, Halt> {
        let block = symlink(self.profile, target, Metadata::default())
            .map_err(|source| UploadError::Symlink { path: self.path.clone(), source })?;
        let built = (*block.cid(), block.data().len() as u64);
        self.batches.node(block)?;
        Ok(built)
    }

    fn directory(&mut self, entries: &[(String, Node)]) -> Result<Built, Halt> {
        let mut builder = DirectoryBuilder::new(self.profile);
        for (name, node) in entries {
            self.path.push(name);
            let (cid, dag_size) = self.node(node)?;
            builder
                .add(name.as_str(), cid, dag_size)
                .map_err(|source| UploadError::Name { path: self.path.clone(), source })?;
            self.path.pop();
        }
        let root =
            builder.finish(&mut |block: Block| self.batches.node(block)).map_err(|error| match error {
                DirectoryError::Sink(stopped) => Halt::Stopped(stopped),
                source => {
                    Halt::Failed(UploadError::Directory { path: self.path.clone(), source: Box::new(source) })
                }
            })?;
        Ok((root.cid, root.dag_size))
    }
}
