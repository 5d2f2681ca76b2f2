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
}

impl Importer {
    /// An empty file.
    pub fn new(profile: Profile) -> Self {
        Self::with_metadata(profile, Metadata::default())
    }

    /// An empty file whose root carries permissions or a time.
    pub fn with_metadata(profile: Profile, metadata: Metadata) -> Self {
        let builder = FileBuilder::with_metadata(profile, metadata);
        Self { profile, builder, chunk: BytesMut::new() }
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
        self.builder.finish(sink)
    }

    fn leaf<E>(&mut self, chunk: Bytes, sink: &mut impl FnMut(Block) -> Result<(), E>) -> Result<(), E> {
        let (block, leaf) = self.profile.leaf(chunk);
        sink(block)?;
        self.builder.push(&leaf, sink)
    }
}
