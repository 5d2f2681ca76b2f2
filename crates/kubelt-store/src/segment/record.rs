//! Records on their way into a segment, and pointers to what lies in one.

use bytes::Bytes;
use cid::Cid;

use super::format::{Kind, stride};

/// Where bytes lie in the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    /// CRC-32 of the bytes.
    pub(crate) crc: u32,
}

impl Pointer {
    /// Bytes of an encoded pointer.
    pub(crate) const BYTES: usize = 24;

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.segment.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_le_bytes());
        bytes[20..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let [segment, offset] = [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i])));
        let [len, crc] = [16, 20].map(|at| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i])));
        Some(Self { segment, offset, len, crc })
    }
}

/// A record that has no place yet.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    /// The payload, in parts so that a block's bytes are not copied.
    pub(crate) parts: [Bytes; 2],
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

impl Record {
    /// The record of a block. Its payload is `cid_len:u8 cid data`.
    pub(crate) fn block(cid: &Cid, data: Bytes) -> Self {
        let cid = cid.to_bytes();
        let mut head = Vec::with_capacity(cid.len() + 1);
        head.push(u8::try_from(cid.len()).expect("a CID with a 64-byte digest is under 255 bytes"));
        head.extend_from_slice(&cid);
        Self::new(Kind::Block, [head.into(), data])
    }

    /// The record that closes a transaction.
    pub(crate) fn commit(payload: Bytes) -> Self {
        Self::new(Kind::Commit, [payload, Bytes::new()])
    }

    fn new(kind: Kind, parts: [Bytes; 2]) -> Self {
        let mut crc = crc32fast::Hasher::new();
        parts.iter().for_each(|part| crc.update(part));
        let len = parts.iter().map(Bytes::len).sum::<usize>();
        let len = u32::try_from(len).expect("limits keep a record far below 4 GiB");
        Self { kind, parts, len, crc: crc.finalize() }
    }

    /// Bytes it takes in a segment.
    pub(crate) const fn stride(&self) -> u64 {
        stride(self.len)
    }
}

/// Splits the payload of a block record into its CID and the place where the data begins.
pub(crate) fn split_block(payload: &[u8]) -> Option<(Cid, u8)> {
    let (&len, rest) = payload.split_first()?;
    let cid = Cid::try_from(rest.get(..usize::from(len))?).ok()?;
    Some((cid, len + 1))
}
