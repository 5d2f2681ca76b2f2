//! Where blocks come from, and what can go wrong with them.

use std::collections::BTreeMap;

use bytes::Bytes;
use cid::Cid;
use thiserror::Error;

use crate::block::{BlockTooLarge, inline_content};
use crate::codec::{Codec, CodecError, UnknownCodec};
use crate::limits;
use crate::unixfs::{NameProblem, NodeError};

/// A source of blocks whose bytes match their CIDs. A missing block is an error of the source.
pub trait Blocks {
    /// What goes wrong in the source.
    type Error: std::error::Error + 'static;

    /// The bytes of a block. Identity CIDs are never asked for.
    fn block(&self, cid: &Cid) -> Result<Bytes, Self::Error>;
}

impl<B: Blocks + ?Sized> Blocks for &B {
    type Error = B::Error;

    fn block(&self, cid: &Cid) -> Result<Bytes, Self::Error> {
        (**self).block(cid)
    }
}

/// A set of blocks in memory lacks one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("block `{0}` is missing")]
pub struct MissingBlock(pub Cid);

impl Blocks for BTreeMap<Cid, Bytes> {
    type Error = MissingBlock;

    fn block(&self, cid: &Cid) -> Result<Bytes, MissingBlock> {
        self.get(cid).cloned().ok_or(MissingBlock(*cid))
    }
}

/// Why content could not be read; `E` is the error of the source.
#[derive(Debug, Error)]
pub enum ReadError<E: std::error::Error + 'static> {
    /// The source failed, or has no such block.
    #[error("a block could not be had")]
    Source(#[source] E),
    /// The source gave a block larger than any.
    #[error(transparent)]
    TooLarge(#[from] BlockTooLarge),
    /// The codec of a CID cannot be read as a file or directory.
    #[error("`{0}` is no file or directory; ask for the block itself")]
    NotUnixFs(Box<Cid>),
    /// A codec that is not known.
    #[error(transparent)]
    UnknownCodec(#[from] UnknownCodec),
    /// A block that is not what its codec says.
    #[error("block `{cid}` is malformed")]
    Malformed {
        /// The block.
        cid: Box<Cid>,
        /// What is wrong with it.
        #[source]
        source: NodeError,
    },
    /// A block of structured data that is not what its codec says.
    #[error("block `{cid}` is malformed")]
    MalformedData {
        /// The block.
        cid: Box<Cid>,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
    /// A block holds more or fewer bytes of the file than its parent said.
    #[error("block `{cid}` holds `{found}` bytes of the file where its parent said `{said}`")]
    LyingSize {
        /// The block.
        cid: Box<Cid>,
        /// What the parent said.
        said: u64,
        /// What it holds.
        found: u64,
    },
    /// A node of a shard stands where its hash does not lead.
    #[error("shard `{0}` holds an entry that belongs elsewhere, or is too deep")]
    MisplacedEntry(Box<Cid>),
    /// Deeper than [`limits::FILE_DEPTH_MAX`].
    #[error("the file is nested deeper than `{max}` levels", max = limits::FILE_DEPTH_MAX)]
    TooDeep,
    /// A path with more than [`limits::PATH_SEGMENTS_MAX`] segments.
    #[error("the path has more than `{max}` segments", max = limits::PATH_SEGMENTS_MAX)]
    PathTooLong,
    /// A segment of a path, or a cursor, that can be no name.
    #[error(transparent)]
    Name(#[from] NameProblem),
    /// The directory has no such entry.
    #[error("there is no `{0}` in its directory")]
    NotFound(String),
    /// An entry was asked of something that has none.
    #[error("`{0}` is not a directory")]
    NotADirectory(Box<Cid>),
    /// The bytes were asked of something that is no file.
    #[error("`{0}` is not a file")]
    NotAFile(Box<Cid>),
    /// A path goes on behind a symbolic link, which is not followed.
    #[error("the path leads through a symbolic link to `{target}`, which is not followed")]
    ThroughSymlink {
        /// What the link points to.
        target: String,
        /// How many segments of the path led to the link.
        segments: usize,
    },
}

impl<E: std::error::Error + 'static> ReadError<E> {
    /// Whether a block could not be had now; it may come, and what read it goes on where it stood.
    pub const fn is_of_source(&self) -> bool {
        matches!(self, Self::Source(_))
    }
}

/// A block, from its CID where that holds it.
pub fn load<B: Blocks>(blocks: &B, cid: &Cid) -> Result<Bytes, ReadError<B::Error>> {
    if let Some(content) = inline_content(cid) {
        return Ok(Bytes::copy_from_slice(content));
    }
    let data = blocks.block(cid).map_err(ReadError::Source)?;
    if data.len() > limits::BLOCK_BYTES_MAX { Err(BlockTooLarge(data.len()).into()) } else { Ok(data) }
}

/// Whether `cid` is a leaf (true) or a node (false) of UnixFS.
pub(super) fn is_leaf<E: std::error::Error>(cid: &Cid) -> Result<bool, ReadError<E>> {
    match Codec::of(cid)? {
        Codec::Raw => Ok(true),
        Codec::DagPb => Ok(false),
        Codec::DagCbor | Codec::DagJson | Codec::Json | Codec::Cbor => {
            Err(ReadError::NotUnixFs(Box::new(*cid)))
        }
    }
}

/// Names the block that a node error was found in.
pub(super) fn malformed<E: std::error::Error>(cid: &Cid) -> impl Fn(NodeError) -> ReadError<E> {
    move |source| ReadError::Malformed { cid: Box::new(*cid), source }
}
