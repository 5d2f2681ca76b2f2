//! Paths to nodes.

use cid::Cid;

use super::source::{Blocks, ReadError, is_leaf, load, malformed};
use super::way::follow;
use crate::limits::PATH_SEGMENTS_MAX;
use crate::unixfs::{Kind, Metadata, UnixFsNode, check_name, name_hash};

/// What a path or a CID leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its CID.
    pub cid: Cid,
    /// What it is.
    pub kind: NodeKind,
    /// Bytes of all blocks, as the root block says; nobody has counted them.
    pub dag_size: u64,
    /// Permissions and time where they were written.
    pub metadata: Metadata,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A file.
    File {
        /// Its bytes, as the root block says; a reader finds out if they are not there.
        size: u64,
    },
    /// A directory.
    Directory {
        /// Whether it is a HAMT.
        sharded: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, whatever that is.
        target: String,
    },
}

/// Follows `segments` from `root` to a file, a directory or a symbolic link; see [`follow`].
pub fn resolve<B: Blocks>(
    blocks: &B,
    root: &Cid,
    segments: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Node, ReadError<B::Error>> {
    let segments: Vec<_> = segments.into_iter().take(PATH_SEGMENTS_MAX + 1).collect();
    let way = follow(blocks, root, &segments)?;
    if way.remainder > 0 { Err(ReadError::NotUnixFs(Box::new(way.end))) } else { stat(blocks, &way.end) }
}

/// What `cid` is, from its root block alone.
pub fn stat<B: Blocks>(blocks: &B, cid: &Cid) -> Result<Node, ReadError<B::Error>> {
    let is_leaf = is_leaf(cid)?;
    let block = load(blocks, cid)?;
    let own = block.len() as u64;
    if is_leaf {
        let kind = NodeKind::File { size: own };
        return Ok(Node { cid: *cid, kind, dag_size: own, metadata: Metadata::default() });
    }
    let node = UnixFsNode::decode(&block).map_err(malformed(cid))?;
    let kind = match node.data.kind {
        Kind::File | Kind::Raw | Kind::Metadata => NodeKind::File { size: node.size },
        Kind::Directory => NodeKind::Directory { sharded: false },
        Kind::HamtShard => NodeKind::Directory { sharded: true },
        Kind::Symlink => NodeKind::Symlink { target: node.symlink_target().to_owned() },
    };
    let below = node.pb.links.iter().map(|link| link.tsize.unwrap_or(0));
    let dag_size = below.fold(own, u64::saturating_add);
    Ok(Node { cid: *cid, kind, dag_size, metadata: node.data.metadata })
}

/// One step down: the entry `name` of the directory `cid`, at segment `index` of a path. The blocks read are added
/// to `passed`.
pub(super) fn entry<B: Blocks>(
    blocks: &B,
    cid: &Cid,
    name: &str,
    index: usize,
    passed: &mut Vec<Cid>,
) -> Result<Cid, ReadError<B::Error>> {
    check_name(name)?;
    passed.push(*cid);
    let block = load(blocks, cid)?;
    let node = UnixFsNode::decode(&block).map_err(malformed(cid))?;
    match node.data.kind {
        Kind::Directory => {
            // The first of several with one name (UnixFS specification, "duplicate names").
            let found = node.pb.links.iter().find(|link| link.name == Some(name));
            found.map(|link| link.cid).ok_or_else(|| ReadError::NotFound(name.to_owned()))
        }
        Kind::HamtShard => sharded_entry(blocks, cid, &node, name, passed),
        Kind::Symlink => {
            let target = node.symlink_target().to_owned();
            Err(ReadError::ThroughSymlink { target, segments: index })
        }
        Kind::File | Kind::Raw | Kind::Metadata => Err(ReadError::NotADirectory(Box::new(*cid))),
    }
}

fn sharded_entry<B: Blocks>(
    blocks: &B,
    root: &Cid,
    root_node: &UnixFsNode<'_>,
    name: &str,
    passed: &mut Vec<Cid>,
) -> Result<Cid, ReadError<B::Error>> {
    let hash = name_hash(name);
    let mut step = shard_step(root, root_node, name, hash, 0)?;
    for depth in 1.. {
        let shard = match step {
            Step::Entry(cid) => return Ok(cid),
            Step::Shard(cid) => cid,
        };
        if is_leaf(&shard)? {
            return Err(ReadError::MisplacedEntry(Box::new(shard)));
        }
        passed.push(shard);
        let block = load(blocks, &shard)?;
        let node = UnixFsNode::decode(&block).map_err(malformed(&shard))?;
        if node.data.kind != Kind::HamtShard || node.data.fanout != root_node.data.fanout {
            return Err(ReadError::MisplacedEntry(Box::new(shard)));
        }
        step = shard_step(&shard, &node, name, hash, depth)?;
    }
    unreachable!("a hash has 64 bits, and `shard_step` ends when they are used up")
}

enum Step {
    Entry(Cid),
    Shard(Cid),
}

fn shard_step<E: std::error::Error>(
    cid: &Cid,
    node: &UnixFsNode<'_>,
    name: &str,
    hash: u64,
    depth: usize,
) -> Result<Step, ReadError<E>> {
    let (shard, slots) = node.shard_slots().map_err(malformed(cid))?;
    let slot = shard.slot(hash, depth).ok_or_else(|| ReadError::MisplacedEntry(Box::new(*cid)))?;
    let not_found = || ReadError::NotFound(name.to_owned());
    let position = slots.binary_search(&slot).map_err(|_absent| not_found())?;
    let link = &node.pb.links[position];
    let label = link.name.unwrap_or_default();
    match label.split_at_checked(shard.prefix_digits()) {
        Some((_, "")) => Ok(Step::Shard(link.cid)),
        Some((_, found)) if found == name => Ok(Step::Entry(link.cid)),
        _ => Err(not_found()),
    }
}

#[cfg(test)]
mod tests;
