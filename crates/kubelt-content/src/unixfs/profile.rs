//! Which CIDs come out of an import (IPIP-499).

use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

use super::data::{Data, Kind, Metadata};
use super::file::LeafInfo;
use crate::block::Block;
use crate::codec::Codec;
use crate::dag_pb;
use crate::limits::CHUNK_BYTES_MAX;

/// Every choice that changes the CID of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    name: &'static str,
    chunk_bytes: usize,
    links_per_node: usize,
    raw_leaves: bool,
    cid_v0: bool,
    split_rule: SplitRule,
}

/// When a directory becomes a HAMT: once what the rule counts is over [`Profile::DIRECTORY_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitRule {
    /// The bytes of the whole block, as IPIP-499 demands.
    BlockBytes,
    /// The bytes of names and CIDs alone, as older software estimated.
    LinksBytes,
}

/// No profile has this name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no profile `{0}`; take `unixfs-v1-2025`, `unixfs-v1-legacy` or `unixfs-v0-2015`")]
pub struct UnknownProfile(pub String);

impl Profile {
    /// `unixfs-v1-2025` of IPIP-499, the default: 1 MiB raw leaves, 1,024 links a node, CIDv1.
    pub const V1_2025: Self = Self {
        name: "unixfs-v1-2025",
        chunk_bytes: 1024 * 1024,
        links_per_node: 1024,
        raw_leaves: true,
        cid_v0: false,
        split_rule: SplitRule::BlockBytes,
    };

    /// What older software makes when asked for CIDv1: 256 KiB raw leaves, 174 links a node.
    pub const V1_LEGACY: Self = Self {
        name: "unixfs-v1-legacy",
        chunk_bytes: 256 * 1024,
        links_per_node: 174,
        raw_leaves: true,
        cid_v0: false,
        split_rule: SplitRule::LinksBytes,
    };

    /// `unixfs-v0-2015` of IPIP-499: 256 KiB dag-pb leaves, 174 links a node, CIDv0.
    pub const V0_2015: Self = Self {
        name: "unixfs-v0-2015",
        chunk_bytes: 256 * 1024,
        links_per_node: 174,
        raw_leaves: false,
        cid_v0: true,
        split_rule: SplitRule::LinksBytes,
    };

    /// Every profile.
    pub const ALL: [Self; 3] = [Self::V1_2025, Self::V1_LEGACY, Self::V0_2015];

    /// Slots of a HAMT shard, in every profile.
    pub const HAMT_FANOUT: u64 = 256;

    /// The largest directory that stays one block, as the [`SplitRule`] counts, in every profile.
    pub const DIRECTORY_BYTES: usize = 256 * 1024;

    /// The same profile with leaves of this many bytes; `None` where a block cannot hold them, or for 0.
    pub const fn with_chunk_bytes(self, chunk_bytes: usize) -> Option<Self> {
        if chunk_bytes == 0 || chunk_bytes > CHUNK_BYTES_MAX {
            None
        } else {
            Some(Self { chunk_bytes, ..self })
        }
    }

    /// The same profile with leaves that are raw blocks, or with leaves that are nodes.
    pub const fn with_raw_leaves(self, raw_leaves: bool) -> Self {
        Self { raw_leaves, ..self }
    }

    /// Whether leaves are raw blocks.
    pub const fn has_raw_leaves(&self) -> bool {
        self.raw_leaves
    }

    /// The name of the profile, or of the one that it was made from.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes of every leaf but the last.
    pub const fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Most links of a node of a file.
    pub const fn links_per_node(&self) -> usize {
        self.links_per_node
    }

    /// When a directory becomes a HAMT.
    pub const fn split_rule(&self) -> SplitRule {
        self.split_rule
    }

    /// Makes the leaf of one chunk: a pure function, so leaves can be made on any thread.
    ///
    /// # Panics
    /// When `chunk` has more than [`Profile::chunk_bytes`] bytes.
    pub fn leaf(&self, chunk: Bytes) -> (Block, LeafInfo) {
        self.leaf_with(chunk, Metadata::default())
    }

    /// As `leaf`; a leaf that is a node carries the metadata.
    pub(super) fn leaf_with(&self, chunk: Bytes, metadata: Metadata) -> (Block, LeafInfo) {
        assert!(chunk.len() <= self.chunk_bytes, "a chunk is no larger than the profile says");
        let size = chunk.len() as u64;
        let block = if self.raw_leaves {
            Block::hash(Codec::Raw, chunk)
        } else {
            let mut data = Data::new(Kind::File);
            data.data = (!chunk.is_empty()).then_some(&chunk[..]);
            data.file_size = Some(size);
            data.metadata = metadata;
            self.node(&[], &data)
        };
        let info = LeafInfo { cid: *block.cid(), size, dag_size: block.data().len() as u64 };
        (block, info)
    }

    /// A dag-pb block under the profile's CID version.
    pub(crate) fn node(&self, links: &[dag_pb::PbLink<'_>], data: &Data<'_>) -> Block {
        let bytes = dag_pb::encode_with(links, Some((data.encoded_len(), |out: &mut Vec<u8>| data.put(out))));
        if self.cid_v0 { Block::hash_v0(bytes) } else { Block::hash(Codec::DagPb, bytes) }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::V1_2025
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL.into_iter().find(|profile| profile.name == name);
        found.ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}
