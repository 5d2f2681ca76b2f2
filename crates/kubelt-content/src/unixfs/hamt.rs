//! Sharded directories: a trie over the murmur3 hash of the names (UnixFS specification, "HAMTDirectory").

use cid::Cid;

use super::data::{Data, Kind, Metadata};
use super::directory::{DirRoot, DirectoryError, Entry};
use super::file::total;
use super::profile::Profile;
use crate::block::Block;
use crate::dag_pb::PbLink;
use crate::limits::HAMT_FANOUT_MAX;

/// Multihash code of the hash, `murmur3-x64-64`.
pub(super) const HASH_MURMUR3: u64 = 0x22;

/// An entry and the hash of its name; sorted by it, shards are slices.
pub(super) struct Hashed<'a> {
    hash: u64,
    entry: &'a Entry,
}

/// Writes `entries` as a HAMT, children first.
pub(super) fn write<E>(
    profile: Profile,
    metadata: Metadata,
    entries: &[Entry],
    sink: &mut impl FnMut(Block) -> Result<(), E>,
) -> Result<DirRoot, DirectoryError<E>> {
    let mut hashed: Vec<Hashed<'_>> =
        entries.iter().map(|entry| Hashed { hash: name_hash(&entry.name), entry }).collect();
    hashed.sort_unstable_by_key(|item| item.hash);
    write_shard(profile, metadata, &hashed, 0, sink)
}

/// The first 64 bits of murmur3 x64 128 with seed 0; the trie takes them from the highest down.
pub(crate) fn name_hash(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        let (low, high) = block.split_at(8);
        h1 ^= mix_k1(little_endian(low));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix_k2(little_endian(high));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = blocks.remainder();
    let (low, high) = tail.split_at(tail.len().min(8));
    h2 ^= mix_k2(little_endian(high));
    h1 ^= mix_k1(little_endian(low));
    h1 ^= bytes.len() as u64;
    h2 ^= bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

/// The shape of a shard, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    bits: u32,
    prefix_digits: usize,
}

impl Shard {
    /// A power of two, a multiple of eight, at most [`HAMT_FANOUT_MAX`].
    pub(crate) const fn new(fanout: u64) -> Option<Self> {
        if fanout < 8 || fanout > HAMT_FANOUT_MAX || !fanout.is_power_of_two() {
            return None;
        }
        let bits = fanout.trailing_zeros();
        Some(Self { bits, prefix_digits: bits.div_ceil(4) as usize })
    }

    /// Slots.
    pub(crate) const fn fanout(self) -> usize {
        1 << self.bits
    }

    /// How many hexadecimal digits stand before the name of every link.
    pub(crate) const fn prefix_digits(self) -> usize {
        self.prefix_digits
    }

    /// The slot of `hash` at `depth`; `None` when the hash has no bits left.
    pub(crate) fn slot(self, hash: u64, depth: usize) -> Option<usize> {
        let used = self.bits.checked_mul(u32::try_from(depth).ok()?)?;
        if used + self.bits > u64::BITS {
            return None;
        }
        let slot = (hash << used) >> (u64::BITS - self.bits);
        usize::try_from(slot).ok()
    }

    /// The prefix of a slot: upper-case hexadecimal of fixed width.
    pub(crate) fn prefix(self, slot: usize) -> String {
        format!("{slot:0width$X}", width = self.prefix_digits)
    }
}

fn write_shard<E>(
    profile: Profile,
    metadata: Metadata,
    hashed: &[Hashed<'_>],
    depth: usize,
    sink: &mut impl FnMut(Block) -> Result<(), E>,
) -> Result<DirRoot, DirectoryError<E>> {
    let shard = Shard::new(Profile::HAMT_FANOUT).expect("256 is a valid fan-out");
    let Some(slots) = hashed.iter().map(|item| shard.slot(item.hash, depth)).collect::<Option<Vec<_>>>()
    else {
        let name = hashed.first().map(|item| item.entry.name.clone()).unwrap_or_default();
        return Err(DirectoryError::HashCollision(name));
    };
    let mut bit_field = [0_u8; 32];
    let mut named: Vec<(String, Cid, u64)> = Vec::new();
    let mut start = 0;
    for group in slots.chunk_by(|left, right| left == right) {
        let (slot, members) = (group[0], &hashed[start..start + group.len()]);
        start += group.len();
        bit_field[31 - slot / 8] |= 1 << (slot % 8);
        let prefix = shard.prefix(slot);
        named.push(match members {
            [Hashed { entry, .. }] => (prefix + &entry.name, entry.cid, entry.dag_size),
            _ => {
                let child = write_shard(profile, Metadata::default(), members, depth + 1, sink)?;
                (prefix, child.cid, child.dag_size)
            }
        });
    }
    let links: Vec<PbLink<'_>> = named
        .iter()
        .map(|(name, cid, tsize)| PbLink { cid: *cid, name: Some(name), tsize: Some(*tsize) })
        .collect();
    let first = bit_field.iter().position(|&byte| byte != 0).unwrap_or(bit_field.len());
    let mut data = Data::new(Kind::HamtShard);
    data.data = Some(&bit_field[first..]);
    data.hash_type = Some(HASH_MURMUR3);
    data.fanout = Some(Profile::HAMT_FANOUT);
    data.metadata = metadata;
    let block = profile.node(&links, &data);
    let own = block.data().len() as u64;
    let dag_size = total(named.iter().map(|(_, _, dag_size)| *dag_size).chain([own]));
    let root = DirRoot { cid: *block.cid(), dag_size };
    sink(block).map_err(DirectoryError::Sink)?;
    Ok(root)
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

const fn mix_k1(k1: u64) -> u64 {
    k1.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

const fn mix_k2(k2: u64) -> u64 {
    k2.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

const fn finish(mut h: u64) -> u64 {
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// At most eight bytes as an integer.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests;
