//! Blocks that no honest writer makes.

use std::collections::BTreeMap;

use bytes::Bytes;
use cid::Cid;

use crate::block::Block;
use crate::codec::Codec;
use crate::dag_pb::{PbLink, PbNode};
use crate::unixfs::{Data, Kind, Profile, Shard, name_hash};

/// Blocks in memory.
pub(super) type Memory = BTreeMap<Cid, Bytes>;

/// Adds a block as it is.
pub(super) fn put(blocks: &mut Memory, codec: Codec, bytes: impl Into<Bytes>) -> Cid {
    let (cid, data) = Block::hash(codec, bytes.into()).into_parts();
    blocks.insert(cid, data);
    cid
}

/// Adds a node with links of these names.
pub(super) fn put_node(blocks: &mut Memory, data: &Data<'_>, links: &[(&str, Cid)]) -> Cid {
    let links = links.iter().map(|&(name, cid)| PbLink { cid, name: Some(name), tsize: Some(1) });
    let data = data.encode();
    let node = PbNode { links: links.collect(), data: Some(&data) };
    put(blocks, Codec::DagPb, node.encode())
}

/// Adds a node of a file whose parts have the sizes that are said, true or not.
pub(super) fn put_file(blocks: &mut Memory, parts: &[(Cid, u64)]) -> Cid {
    let mut data = Data::new(Kind::File);
    data.file_size = Some(parts.iter().map(|part| part.1).fold(0, u64::wrapping_add));
    data.block_sizes = parts.iter().map(|part| part.1).collect();
    let links: Vec<_> = parts.iter().map(|part| ("", part.0)).collect();
    put_node(blocks, &data, &links)
}

/// Adds a shard with these links in these slots; an empty name is a shard below.
pub(super) fn put_shard(blocks: &mut Memory, mut links: Vec<(usize, &str, Cid)>) -> Cid {
    links.sort();
    let mut bits = [0_u8; 32];
    for (slot, _, _) in &links {
        bits[31 - slot / 8] |= 1 << (slot % 8);
    }
    let mut data = Data::new(Kind::HamtShard);
    data.data = Some(&bits);
    data.hash_type = Some(0x22);
    data.fanout = Some(Profile::HAMT_FANOUT);
    let named: Vec<_> = links.iter().map(|&(slot, name, cid)| (format!("{slot:02X}{name}"), cid)).collect();
    let named: Vec<_> = named.iter().map(|(name, cid)| (name.as_str(), *cid)).collect();
    put_node(blocks, &data, &named)
}

/// The slot of a name at a depth of a HAMT.
pub(super) fn slot(name: &str, depth: usize) -> usize {
    let shard = Shard::new(Profile::HAMT_FANOUT).expect("a fan-out");
    shard.slot(name_hash(name), depth).expect("a depth below eight")
}
