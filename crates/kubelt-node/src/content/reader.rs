//! The bytes of a file, piece by piece.

use std::ops::Range;

use bytes::Bytes;
use cid::Cid;
use kubelt_content::read::{FileReader, NodeKind, ReadError, load, stat};

use super::{Content, ContentError, File};
use crate::blocks::{ReachedBlocks, Within};

/// Gives the bytes of a file one piece after the other; a piece is a slice of a stored block, so nothing
/// is copied and no more than a block is held.
#[derive(Debug)]
pub struct ContentReader {
    blocks: ReachedBlocks,
    state: State,
}

#[derive(Debug)]
enum State {
    File(Box<FileReader>),
    /// A link's target, or a block that is no file.
    Whole(Option<Bytes>),
}

impl Content {
    /// The block `cid` itself, whatever it holds.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] when the block is missing, or the store fails.
    pub fn block(&self, cid: &Cid, within: &Within) -> Result<Bytes, ContentError> {
        load(&self.blocks(within), cid).map_err(ContentError::reading)
    }

    /// Opens the bytes `range` of a file; the range must lie within it.
    ///
    /// # Errors
    /// [`ContentError`] when a block is malformed or the store fails.
    pub fn read(&self, file: &File, range: Range<u64>) -> Result<ContentReader, ContentError> {
        let blocks = self.blocks(&file.within);
        if let Some(block) = &file.block {
            let state = State::Whole(Some(slice(block.clone(), &range)));
            return Ok(ContentReader { blocks, state });
        }
        let whole = |bytes| State::Whole(Some(slice(bytes, &range)));
        let state = match FileReader::open(&blocks, &file.cid) {
            Ok(reader) => {
                State::File(Box::new(reader.range(range).map_err(|_outside| ContentError::NotFound)?))
            }
            Err(ReadError::NotUnixFs(_)) => whole(load(&blocks, &file.cid).map_err(ContentError::reading)?),
            Err(no_file) => match stat(&blocks, &file.cid).map(|node| node.kind) {
                Ok(NodeKind::Symlink { target }) => whole(Bytes::from(target)),
                _ => return Err(ContentError::reading(no_file)),
            },
        };
        Ok(ContentReader { blocks, state })
    }
}

fn slice(bytes: Bytes, range: &Range<u64>) -> Bytes {
    let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(clamp(range.start)..clamp(range.end))
}

impl Iterator for ContentReader {
    type Item = Result<Bytes, ContentError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.state {
            State::File(reader) => reader.next(&self.blocks).map_err(ContentError::reading).transpose(),
            State::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok),
        }
    }
}
