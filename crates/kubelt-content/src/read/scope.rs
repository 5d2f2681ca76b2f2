//! The blocks of a CAR answer: those of a path, then of what it ends in, as far as was asked for (trustless
//! gateway specification, `dag-scope` and `entity-bytes`).

use std::collections::HashMap;

use bytes::Bytes;
use cid::Cid;

use super::source::{Blocks, ReadError, load};
use super::walk::{WalkError, WalkLimits};
use super::way::Way;
use crate::block::{Block, inline_content};
use crate::codec::{Codec, links};
use crate::unixfs::{Kind, UnixFsNode};

/// How much of what a path ends in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Its block alone.
    Block,
    /// All blocks of a file (or of some of its bytes), or those that list a directory.
    Entity(Option<EntityBytes>),
    /// All that it reaches.
    #[default]
    All,
}

/// Bytes of a file, both ends included. A negative end counts from the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityBytes {
    /// The first byte.
    pub from: i64,
    /// The last byte; none for the end of the file.
    pub to: Option<i64>,
}

/// Gives the blocks of a way and of its end, depth first, parents before children, links in order. Blocks that
/// stand in their CID are never given.
///
/// Memory: the links of one block for each level and, where duplicates are left out, 16 bytes and a little for
/// each block given.
#[derive(Debug)]
pub struct ScopedBlocks {
    scope: Scope,
    limits: WalkLimits,
    /// What was given, and whether all that was asked for below it was, too; none where duplicates are given.
    seen: Option<HashMap<u128, bool>>,
    /// What is to come, one row for each level.
    levels: Vec<std::vec::IntoIter<Task>>,
    read: usize,
}

#[derive(Clone, Copy, Debug)]
struct Task {
    cid: Cid,
    below: Below,
}

/// What is asked for below a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    Nothing,
    Everything,
    /// As the scope says: this is what the path ends in.
    Entity,
    Shards,
    /// Bytes `from..to` of the part of a file that begins at `start` and has `size` bytes.
    Bytes {
        start: u64,
        size: u64,
        from: u64,
        to: u64,
    },
}

impl ScopedBlocks {
    /// The blocks of `way` and of what it ends in; duplicates too, if asked for.
    pub fn new(way: &Way, scope: Scope, duplicates: bool, limits: WalkLimits) -> Self {
        let below = match scope {
            Scope::Block => Below::Nothing,
            Scope::Entity(_) => Below::Entity,
            Scope::All => Below::Everything,
        };
        let mut first: Vec<Task> =
            way.passed.iter().map(|cid| Task { cid: *cid, below: Below::Nothing }).collect();
        first.push(Task { cid: way.end, below });
        let seen = (!duplicates).then(HashMap::new);
        Self { scope, limits, seen, levels: vec![first.into_iter()], read: 0 }
    }

    /// The next block; `None` at the end. After an error of the source ([`ReadError::Source`]) it can be asked again
    /// for the same block; after any other there is nothing more.
    pub fn next<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Block>, WalkError<B::Error>> {
        let result = self.step(blocks);
        if result.as_ref().is_err_and(|error| !matches!(error, WalkError::Read(ReadError::Source(_)))) {
            self.levels.clear();
        }
        result
    }

    fn step<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Block>, WalkError<B::Error>> {
        while let Some(row) = self.levels.last() {
            // It is taken once its block was had.
            let Some(task) = row.as_slice().first().copied() else {
                self.levels.pop();
                continue;
            };
            let Some(is_new) = self.meets(&task) else {
                self.take();
                continue;
            };
            if self.read >= self.limits.blocks_max {
                return Err(WalkError::TooManyBlocks(self.limits.blocks_max));
            }
            if self.levels.len() > self.limits.depth_max {
                return Err(WalkError::TooDeep(self.limits.depth_max));
            }
            let data = load(blocks, &task.cid)?;
            self.read += 1;
            self.note(&task);
            self.take();
            let below = self.below(&task, &data)?;
            if !below.is_empty() {
                self.levels.push(below.into_iter());
            }
            if is_new && inline_content(&task.cid).is_none() {
                return Ok(Some(Block::trusted(task.cid, data)));
            }
        }
        Ok(None)
    }

    fn take(&mut self) {
        self.levels.last_mut().and_then(Iterator::next);
    }

    /// Whether the block is to be given (true) or only gone through (false); none where it is done.
    fn meets(&self, task: &Task) -> Option<bool> {
        let Some(seen) = &self.seen else { return Some(true) };
        match seen.get(&key(&task.cid)) {
            None => Some(true),
            Some(true) => None,
            Some(false) => (task.below != Below::Nothing).then_some(false),
        }
    }

    /// Notes that the block was met.
    fn note(&mut self, task: &Task) {
        let is_all = match task.below {
            Below::Nothing => false,
            Below::Everything | Below::Entity | Below::Shards => true,
            Below::Bytes { start, size, from, to } => from <= start && start.saturating_add(size) <= to,
        };
        if let Some(seen) = &mut self.seen {
            seen.insert(key(&task.cid), is_all);
        }
    }

    fn below<E: std::error::Error>(&self, task: &Task, data: &Bytes) -> Result<Vec<Task>, WalkError<E>> {
        let codec = Codec::of(&task.cid).map_err(ReadError::from)?;
        let everything = |cid| Task { cid, below: Below::Everything };
        match task.below {
            Below::Nothing => Ok(Vec::new()),
            Below::Everything => {
                let found = links(codec, data);
                let found =
                    found.map_err(|source| WalkError::Malformed { cid: Box::new(task.cid), source })?;
                Ok(found.into_iter().map(everything).collect())
            }
            _ if codec != Codec::DagPb => Ok(Vec::new()),
            Below::Entity => Ok(self.entity(data)),
            Below::Shards => Ok(shards(data)),
            Below::Bytes { start, from, to, .. } => Ok(parts(data, start, from, to)),
        }
    }

    /// What an entity needs below its root; nothing where the block is no UnixFS node.
    fn entity(&self, data: &Bytes) -> Vec<Task> {
        let Ok(node) = UnixFsNode::decode(data) else { return Vec::new() };
        match node.data.kind {
            Kind::HamtShard => shards(data),
            Kind::File | Kind::Raw => {
                let bytes = if let Scope::Entity(bytes) = self.scope { bytes } else { None };
                let (from, to) = bytes.map_or((0, node.size), |bytes| bytes.within(node.size));
                parts(data, 0, from, to)
            }
            Kind::Directory | Kind::Symlink | Kind::Metadata => Vec::new(),
        }
    }
}

impl EntityBytes {
    /// The bytes `from..to` of a file of `size` bytes; empty where they lie outside.
    fn within(self, size: u64) -> (u64, u64) {
        let place = |at: i64| {
            if at < 0 { size.saturating_sub(at.unsigned_abs()) } else { at.unsigned_abs().min(size) }
        };
        let end = |at: i64| match u64::try_from(at) {
            Ok(at) => at.saturating_add(1).min(size),
            Err(_negative) => size.saturating_add(1).saturating_sub(at.unsigned_abs()).min(size),
        };
        (place(self.from), self.to.map_or(size, end))
    }
}

/// The shards linked from a shard, in order.
fn shards(data: &Bytes) -> Vec<Task> {
    let Ok(node) = UnixFsNode::decode(data) else { return Vec::new() };
    let Ok((shard, _)) = node.shard_slots() else { return Vec::new() };
    let links = node.pb.links.iter();
    let is_shard = |name: Option<&str>| name.unwrap_or_default().len() == shard.prefix_digits();
    links
        .filter(|link| is_shard(link.name))
        .map(|link| Task { cid: link.cid, below: Below::Shards })
        .collect()
}

/// The parts of a node of a file, which begins at `start`, that hold some of the bytes `from..to`.
fn parts(data: &Bytes, start: u64, from: u64, to: u64) -> Vec<Task> {
    let Ok(node) = UnixFsNode::decode(data) else { return Vec::new() };
    let mut at = start.saturating_add(node.data.data.map_or(0, |data| data.len() as u64));
    let mut tasks = Vec::new();
    for (link, &size) in node.pb.links.iter().zip(&node.data.block_sizes) {
        let (start, end) = (at, at.saturating_add(size));
        at = end;
        if start < to && end > from {
            tasks.push(Task { cid: link.cid, below: Below::Bytes { start, size, from, to } });
        }
    }
    tasks
}

/// Half of a digest names a block as surely as anybody can find two alike.
fn key(cid: &Cid) -> u128 {
    let digest = cid.hash().digest();
    let mut half = [0; 16];
    let length = digest.len().min(16);
    half[..length].copy_from_slice(&digest[..length]);
    u128::from_be_bytes(half) ^ u128::from(cid.codec())
}

#[cfg(test)]
mod tests;
