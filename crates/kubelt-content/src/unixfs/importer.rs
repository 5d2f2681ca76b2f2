//! A file from a stream of bytes, on one thread.

use bytes::{Bytes, BytesMut};

use super::data::Metadata;
use super::file::{FileBuilder, FileRoot};
use super::profile::Profile;
use crate::block::Block;

/// Cuts bytes into chunks and builds a file of them; every block goes to the sink, children first.
#[derive(Debug)]
pub struct Importer {
    profile: Profile,
    builder: FileBuilder,
    chunk: BytesMut,
    only: Option<Only>,
}

/// A file of which no more than one leaf has come, which is to carry the metadata if it stays the only one.
#[derive(Debug)]
struct Only {
    metadata: Metadata,
    leaf: Option<Bytes>,
}

impl Importer {
    /// An empty file.
    pub fn new(profile: Profile) -> Self {
        Self::with_metadata(profile, Metadata::default())
    }

    /// An empty file whose root carries permissions or a time.
    pub fn with_metadata(profile: Profile, metadata: Metadata) -> Self {
        let builder = FileBuilder::with_metadata(profile, metadata);
        Self { profile, builder, chunk: BytesMut::new(), only: None }
    }

    /// The same, but where the file has one leaf, and that is a node, it carries the metadata itself, as Kubo has it.
    pub fn with_metadata_in_leaf(profile: Profile, metadata: Metadata) -> Self {
        let carries = !profile.has_raw_leaves() && !metadata.is_empty();
        let only = carries.then_some(Only { metadata, leaf: None });
        Self { only, ..Self::with_metadata(profile, metadata) }
    }

    /// Appends bytes, in pieces of any size.
    pub fn write<E>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Block) -> Result<(), E>,
    ) -> Result<(), E> {
        let chunk_bytes = self.profile.chunk_bytes();
        while !bytes.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(chunk_bytes - self.chunk.len()));
            if self.chunk.is_empty() && head.len() < chunk_bytes {
                self.chunk.reserve(chunk_bytes.min(2 * head.len()));
            }
            self.chunk.extend_from_slice(head);
            bytes = tail;
            if self.chunk.len() == chunk_bytes {
                let chunk = self.chunk.split().freeze();
                self.leaf(chunk, sink)?;
            }
        }
        Ok(())
    }

    /// Closes the file.
    pub fn finish<E>(mut self, sink: &mut impl FnMut(Block) -> Result<(), E>) -> Result<FileRoot, E> {
        if !self.chunk.is_empty() {
            let chunk = self.chunk.split().freeze();
            self.leaf(chunk, sink)?;
        }
        if let Some(Only { metadata, leaf }) = self.only {
            let (block, leaf) = self.profile.leaf_with(leaf.unwrap_or_default(), metadata);
            sink(block)?;
            return Ok(FileRoot { cid: leaf.cid, size: leaf.size, dag_size: leaf.dag_size });
        }
        self.builder.finish(sink)
    }

    fn leaf<E>(&mut self, chunk: Bytes, sink: &mut impl FnMut(Block) -> Result<(), E>) -> Result<(), E> {
        match self.only.take() {
            Some(Only { metadata, leaf: None }) => {
                self.only = Some(Only { metadata, leaf: Some(chunk) });
                return Ok(());
            }
            Some(Only { leaf: Some(first), .. }) => self.push(first, sink)?,
            None => {}
        }
        self.push(chunk, sink)
    }

    fn push<E>(&mut self, chunk: Bytes, sink: &mut impl FnMut(Block) -> Result<(), E>) -> Result<(), E> {
        let (block, leaf) = self.profile.leaf(chunk);
        sink(block)?;
        self.builder.push(&leaf, sink)
    }
}
