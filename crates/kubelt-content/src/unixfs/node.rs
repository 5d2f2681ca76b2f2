//! A dag-pb block that is a UnixFS node, with every rule of its kind checked.

use thiserror::Error;

use super::data::{Data, DataError, Kind};
use super::hamt::{HASH_MURMUR3, Shard};
use crate::dag_pb::{PbError, PbNode};

/// A node whose parts agree with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixFsNode<'a> {
    /// The links and the bytes of the message.
    pub pb: PbNode<'a>,
    /// The message.
    pub data: Data<'a>,
    /// Bytes of the file, for nodes of a file; else 0.
    pub size: u64,
}

/// Why a block is not a node of UnixFS.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NodeError {
    /// Not dag-pb.
    #[error("the block is not strict dag-pb")]
    Pb(#[from] PbError),
    /// A node without data is no UnixFS node.
    #[error("the node has no data")]
    NoData,
    /// Not UnixFS data.
    #[error("the data of the node is not UnixFS")]
    Data(#[from] DataError),
    /// Sizes, links and data of a file do not agree.
    #[error("the sizes of the node contradict each other")]
    Sizes,
    /// The links of a file have names.
    #[error("a part of a file has a name")]
    NamedPart,
    /// A link of a directory has no name, or one with `/` or NUL in it.
    #[error("an entry of the directory has no usable name")]
    EntryName,
    /// A symbolic link has links, or a target that is not UTF-8.
    #[error("the symbolic link is malformed")]
    Symlink,
    /// A shard's fan-out, hash, bit field and links do not agree.
    #[error("the shard is malformed")]
    Shard,
    /// A metadata node is nothing that can be read.
    #[error("the node is of an unused kind")]
    Unused,
}

impl<'a> UnixFsNode<'a> {
    /// Reads and checks a node.
    pub fn decode(block: &'a [u8]) -> Result<Self, NodeError> {
        let pb = PbNode::decode(block)?;
        let data = Data::decode(pb.data.ok_or(NodeError::NoData)?)?;
        let mut node = Self { pb, data, size: 0 };
        match node.data.kind {
            Kind::File | Kind::Raw => node.size = node.check_file()?,
            Kind::Directory => node.check_names()?,
            Kind::Symlink => node.check_symlink()?,
            Kind::HamtShard => drop(node.shard_slots()?),
            Kind::Metadata => return Err(NodeError::Unused),
        }
        Ok(node)
    }

    /// The target of a symbolic link.
    pub fn symlink_target(&self) -> &'a str {
        self.data.data.and_then(|target| std::str::from_utf8(target).ok()).unwrap_or_default()
    }

    /// The shape of a shard and the slot of each of its links, in order.
    pub(crate) fn shard_slots(&self) -> Result<(Shard, Vec<usize>), NodeError> {
        let shard = self.data.fanout.and_then(Shard::new).ok_or(NodeError::Shard)?;
        let bit_field = self.data.data.unwrap_or_default();
        if self.data.hash_type != Some(HASH_MURMUR3) || bit_field.len() > shard.fanout() / 8 {
            return Err(NodeError::Shard);
        }
        let bytes = bit_field.iter().rev().enumerate();
        let slots: Vec<usize> = bytes
            .flat_map(|(index, &byte)| {
                (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| index * 8 + bit)
            })
            .collect();
        let agrees = slots.len() == self.pb.links.len()
            && slots.iter().zip(&self.pb.links).all(|(&slot, link)| {
                let name = link.name.unwrap_or_default();
                name.starts_with(&shard.prefix(slot)) && !name.contains(['/', '\0'])
            });
        if agrees { Ok((shard, slots)) } else { Err(NodeError::Shard) }
    }

    fn check_file(&self) -> Result<u64, NodeError> {
        if self.pb.links.len() != self.data.block_sizes.len() {
            return Err(NodeError::Sizes);
        }
        if self.pb.links.iter().any(|link| link.name.is_some_and(|name| !name.is_empty())) {
            return Err(NodeError::NamedPart);
        }
        let inline = self.data.data.map_or(0, |data| data.len() as u64);
        let size = self.data.block_sizes.iter().try_fold(inline, |sum, &size| sum.checked_add(size));
        let size = size.ok_or(NodeError::Sizes)?;
        // An absent size stands for zero (UnixFS specification, "filesize").
        if self.data.file_size.unwrap_or(0) == size { Ok(size) } else { Err(NodeError::Sizes) }
    }

    fn check_names(&self) -> Result<(), NodeError> {
        let usable = |name: &str| !name.is_empty() && !name.contains(['/', '\0']);
        let all = self.pb.links.iter().all(|link| link.name.is_some_and(usable));
        if all { Ok(()) } else { Err(NodeError::EntryName) }
    }

    fn check_symlink(&self) -> Result<(), NodeError> {
        let is_text = self.data.data.is_none_or(|target| std::str::from_utf8(target).is_ok());
        if is_text && self.pb.links.is_empty() { Ok(()) } else { Err(NodeError::Symlink) }
    }
}

#[cfg(test)]
mod tests;
