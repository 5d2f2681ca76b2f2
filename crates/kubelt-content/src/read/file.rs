//! The bytes of a file, block by block.

use std::ops::Range;

use bytes::Bytes;
use cid::Cid;
use thiserror::Error;

use super::source::{Blocks, ReadError, is_leaf, load, malformed};
use crate::limits::FILE_DEPTH_MAX;
use crate::unixfs::{Kind, UnixFsNode};

/// Reads a file, or a range of it, in slices of its blocks; nothing is copied.
///
/// Holds the links of one node for each level. Parts outside the range are never asked for, and
/// every part must have exactly the size that its parent says.
#[derive(Debug)]
pub struct FileReader {
    size: u64,
    range: Range<u64>,
    /// What is still to come, the next part last.
    pending: Vec<Part>,
}

/// A range that is not all inside the file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("bytes `{start}..{end}` are not all in a file of `{size}` bytes")]
pub struct RangeOutside {
    /// First byte.
    pub start: u64,
    /// After the last byte.
    pub end: u64,
    /// Bytes of the file.
    pub size: u64,
}

#[derive(Debug)]
struct Part {
    /// Where in the file it begins.
    start: u64,
    size: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Data(Bytes),
    Child { cid: Cid, depth: usize },
}

impl FileReader {
    /// Opens the file `cid`; reads its root block.
    pub fn open<B: Blocks>(blocks: &B, cid: &Cid) -> Result<Self, ReadError<B::Error>> {
        let is_leaf = is_leaf(cid)?;
        let block = load(blocks, cid)?;
        let mut reader = Self { size: 0, range: 0..u64::MAX, pending: Vec::new() };
        if is_leaf {
            reader.size = block.len() as u64;
            reader.push(Part { start: 0, size: reader.size, content: Content::Data(block) });
        } else {
            reader.size = reader.expand(cid, &block, 0, None, 1)?;
        }
        reader.range = 0..reader.size;
        Ok(reader)
    }

    /// Bytes of the file.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Narrows to the bytes `range` before anything is read.
    pub fn range(mut self, range: Range<u64>) -> Result<Self, RangeOutside> {
        let Range { start, end } = range;
        if start > end || end > self.size {
            return Err(RangeOutside { start, end, size: self.size });
        }
        self.range = start..end;
        let parts = std::mem::take(&mut self.pending);
        parts.into_iter().for_each(|part| self.push(part));
        Ok(self)
    }

    /// The next bytes, never empty; `None` at the end. After an error of the source ([`ReadError::Source`]) it can be
    /// asked again for the same bytes; after any other there is nothing more.
    pub fn next<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Bytes>, ReadError<B::Error>> {
        let result = self.step(blocks);
        if result.as_ref().is_err_and(|error| !error.is_of_source()) {
            self.pending.clear();
        }
        result
    }

    fn step<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Bytes>, ReadError<B::Error>> {
        while let Some(Part { start, size, content }) = self.pending.pop() {
            let (cid, depth) = match content {
                Content::Data(data) => return Ok(Some(self.cut(start, &data))),
                Content::Child { cid, depth } => (cid, depth),
            };
            if depth > FILE_DEPTH_MAX {
                return Err(ReadError::TooDeep);
            }
            let is_leaf = is_leaf(&cid)?;
            let block = match load(blocks, &cid) {
                Ok(block) => block,
                Err(error) => {
                    self.pending.push(Part { start, size, content: Content::Child { cid, depth } });
                    return Err(error);
                }
            };
            if is_leaf {
                check_size(&cid, size, block.len() as u64)?;
                return Ok(Some(self.cut(start, &block)));
            }
            self.expand(&cid, &block, start, Some(size), depth + 1)?;
        }
        Ok(None)
    }

    /// Puts the parts of a node in the range before all that is pending; gives its size.
    fn expand<E: std::error::Error>(
        &mut self,
        cid: &Cid,
        block: &Bytes,
        start: u64,
        said: Option<u64>,
        depth: usize,
    ) -> Result<u64, ReadError<E>> {
        let node = UnixFsNode::decode(block).map_err(malformed(cid))?;
        if !matches!(node.data.kind, Kind::File | Kind::Raw) {
            return Err(ReadError::NotAFile(Box::new(*cid)));
        }
        if let Some(said) = said {
            check_size(cid, said, node.size)?;
        }
        // From the last to the first; sizes add up, as the node was checked.
        let mut end = start.checked_add(node.size).ok_or_else(|| ReadError::LyingSize {
            cid: Box::new(*cid),
            said: u64::MAX - start,
            found: node.size,
        })?;
        for (link, &size) in node.pb.links.iter().zip(&node.data.block_sizes).rev() {
            end -= size;
            self.push(Part { start: end, size, content: Content::Child { cid: link.cid, depth } });
        }
        if let Some(data) = node.data.data {
            let size = data.len() as u64;
            self.push(Part { start, size, content: Content::Data(block.slice_ref(data)) });
        }
        Ok(node.size)
    }

    /// Keeps a part that has bytes in the range.
    fn push(&mut self, part: Part) {
        if part.size > 0 && part.start < self.range.end && part.start + part.size > self.range.start {
            self.pending.push(part);
        }
    }

    /// The bytes of a part that are in the range; there is at least one.
    fn cut(&self, start: u64, data: &Bytes) -> Bytes {
        let length = data.len();
        let from = usize::try_from(self.range.start.saturating_sub(start)).unwrap_or(length);
        let to = usize::try_from(self.range.end - start).unwrap_or(length);
        data.slice(from.min(length)..to.min(length))
    }
}

fn check_size<E: std::error::Error>(cid: &Cid, said: u64, found: u64) -> Result<(), ReadError<E>> {
    if said == found { Ok(()) } else { Err(ReadError::LyingSize { cid: Box::new(*cid), said, found }) }
}

#[cfg(test)]
mod tests;
