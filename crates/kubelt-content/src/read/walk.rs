//! Every block that a root reaches, each once.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use thiserror::Error;

use super::source::{Blocks, ReadError, load};
use crate::codec::{Codec, CodecError, links};
use crate::limits::{WALK_BLOCKS_MAX, WALK_DEPTH_MAX};

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkLimits {
    /// Longest way from the root, on the way that the walk takes.
    pub depth_max: usize,
    /// Most distinct blocks.
    pub blocks_max: usize,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self { depth_max: WALK_DEPTH_MAX, blocks_max: WALK_BLOCKS_MAX }
    }
}

/// One block of a walk.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Its CID.
    pub cid: Cid,
    /// Its bytes.
    pub data: Bytes,
    /// What it links to, in order, repeated links included.
    pub links: Arc<[Cid]>,
}

/// Why a walk ended early; `E` is the error of the source.
#[derive(Debug, Error)]
pub enum WalkError<E: std::error::Error + 'static> {
    /// A block could not be read.
    #[error(transparent)]
    Read(#[from] ReadError<E>),
    /// A block that is not what its codec says.
    #[error("block `{cid}` is malformed")]
    Malformed {
        /// The block.
        cid: Box<Cid>,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
    /// Deeper than [`WalkLimits::depth_max`].
    #[error("the DAG is deeper than `{0}` levels")]
    TooDeep(usize),
    /// More blocks than [`WalkLimits::blocks_max`].
    #[error("the DAG has more than `{0}` blocks")]
    TooManyBlocks(usize),
}

/// Walks depth first, parents before children, links in order, each CID once.
///
/// Memory: one CID for each block seen, and the links of one block for each level.
#[derive(Debug)]
pub struct Walk {
    limits: WalkLimits,
    seen: HashSet<Cid>,
    /// The links still to be followed, one row for each level.
    levels: Vec<(Arc<[Cid]>, usize)>,
}

impl Walk {
    /// Starts at `roots`.
    pub fn new(roots: impl IntoIterator<Item = Cid>, limits: WalkLimits) -> Self {
        let roots: Arc<[Cid]> = roots.into_iter().collect();
        Self { limits, seen: HashSet::new(), levels: vec![(roots, 0)] }
    }

    /// The next block; `None` at the end. After an error of the source ([`ReadError::Source`]) the walk may go on
    /// without that block; after any other there is nothing more.
    pub fn next<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Visit>, WalkError<B::Error>> {
        let result = self.step(blocks);
        if result.as_ref().is_err_and(|error| !matches!(error, WalkError::Read(ReadError::Source(_)))) {
            self.levels.clear();
        }
        result
    }

    /// How many distinct blocks were visited.
    pub fn visited(&self) -> usize {
        self.seen.len()
    }

    fn step<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Visit>, WalkError<B::Error>> {
        while let Some((row, position)) = self.levels.last_mut() {
            let Some(&cid) = row.get(*position) else {
                self.levels.pop();
                continue;
            };
            *position += 1;
            if !self.seen.insert(cid) {
                continue;
            }
            if self.seen.len() > self.limits.blocks_max {
                return Err(WalkError::TooManyBlocks(self.limits.blocks_max));
            }
            if self.levels.len() > self.limits.depth_max {
                return Err(WalkError::TooDeep(self.limits.depth_max));
            }
            let codec = Codec::of(&cid).map_err(ReadError::from)?;
            let data = load(blocks, &cid)?;
            let found = links(codec, &data);
            let found = found.map_err(|source| WalkError::Malformed { cid: Box::new(cid), source })?;
            let found: Arc<[Cid]> = found.into();
            self.levels.push((Arc::clone(&found), 0));
            return Ok(Some(Visit { cid, data, links: found }));
        }
        Ok(None)
    }
}
