//! The bytes of a segment.
//!
//! ```text
//! segment  = header header record*             the header stands there twice, so that one flipped byte
//!                                              costs nothing
//! header   = "KUBELT-S" version:u32 as_of:u32 id:u64 prev_end:u64 store:u64 marker:u64 crc:u32 0:12 bytes
//! record   = marker:u64 len:u32 kind:u8 0:3 bytes payload_crc:u32 header_crc:u32 payload padding
//! ```
//! Integers are little-endian, checksums CRC-32 (IEEE); records begin at multiples of eight bytes.
//! `marker` is random for each segment and never leaves the node: recovery finds the next good record by
//! it, and nobody can upload a block that recovery would take for a record. `prev_end` is the length of
//! the segment before this one that counts: what stands after it there was refused to its writers.
//!
//! An id is a place in the log (the low 48 bits) and how often that place was compacted (the high 16). A compacted
//! segment holds what was alive of the one before it, in the same order; of one place the highest id counts, and
//! lower ones are there only until the index points to them no more. `as_of` is the place that was written
//! to when it was compacted: what was deleted for good before that has left no trace in it.

/// Version of the segment format.
pub(crate) const VERSION: u32 = 1;
/// Where the first record begins, in bytes.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 2 * HEADER_COPY_BYTES as u64;
/// A record without its payload, in bytes.
pub(crate) const RECORD_HEADER_BYTES: usize = 24;
/// Records begin at multiples of this, in bytes.
pub(crate) const ALIGN_BYTES: usize = 8;

const MAGIC: &[u8; 8] = b"KUBELT-S";
const HEADER_COPY_BYTES: usize = 64;
const CHECKED_BYTES: usize = 48;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Place in the log, growing by one, and how often it was compacted.
    pub(crate) id: u64,
    /// The place that was written to when this segment was compacted; 0 if it never was.
    pub(crate) as_of: u32,
    /// Length of the segment before it that counts; 0 for the first.
    pub(crate) prev_end: u64,
    /// The store it belongs to: a random number.
    pub(crate) store: u64,
    /// What each of its records begins with: a random number.
    pub(crate) marker: u64,
}

/// Bits of an id that are the segment's place in the log.
const PLACE_BITS: u32 = 48;

/// The place in the log of the segment with this id.
pub(crate) const fn place(id: u64) -> u64 {
    id & ((1 << PLACE_BITS) - 1)
}

/// Whether the segment with this id was compacted.
pub(crate) const fn is_compacted(id: u64) -> bool {
    id >> PLACE_BITS != 0
}

/// The id of the segment that takes the place of this one; none after too many times.
pub(crate) fn compacted(id: u64) -> Option<u64> {
    id.checked_add(1 << PLACE_BITS)
}

/// Why bytes are not a segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Neither copy is whole.
    Damaged,
    /// Written by a later version.
    Version(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut one = Vec::with_capacity(HEADER_COPY_BYTES);
        one.extend_from_slice(MAGIC);
        one.extend_from_slice(&VERSION.to_le_bytes());
        one.extend_from_slice(&self.as_of.to_le_bytes());
        for number in [self.id, self.prev_end, self.store, self.marker] {
            one.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32fast::hash(&one);
        one.extend_from_slice(&crc.to_le_bytes());
        one.resize(HEADER_COPY_BYTES, 0);
        one.repeat(2)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let first = bytes.get(..HEADER_COPY_BYTES).map_or(Err(HeaderError::Damaged), Self::decode_copy);
        if first != Err(HeaderError::Damaged) {
            return first;
        }
        bytes
            .get(HEADER_COPY_BYTES..2 * HEADER_COPY_BYTES)
            .map_or(Err(HeaderError::Damaged), Self::decode_copy)
    }

    fn decode_copy(copy: &[u8]) -> Result<Self, HeaderError> {
        let whole =
            copy.starts_with(MAGIC) && crc32fast::hash(&copy[..CHECKED_BYTES]) == u32_at(copy, CHECKED_BYTES);
        if !whole {
            return Err(HeaderError::Damaged);
        }
        let version = u32_at(copy, 8);
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        Ok(Self {
            as_of: u32_at(copy, 12),
            id: u64_at(copy, 16),
            prev_end: u64_at(copy, 24),
            store: u64_at(copy, 32),
            marker: u64_at(copy, 40),
        })
    }
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The bytes of one block.
    Block,
    /// The index mutations of one transaction, which closes it.
    Commit,
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    /// Bytes of the payload.
    pub(crate) len: u32,
    /// CRC-32 of the payload.
    pub(crate) crc: u32,
}

impl RecordHeader {
    pub(crate) fn encode(&self, marker: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[..8].copy_from_slice(&marker.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12] = match self.kind {
            Kind::Block => 1,
            Kind::Commit => 2,
        };
        bytes[16..20].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..20]);
        bytes[20..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` where no record of the segment with this marker begins.
    pub(crate) fn decode(bytes: &[u8], marker: u64) -> Option<Self> {
        let bytes = bytes.get(..RECORD_HEADER_BYTES)?;
        if u64_at(bytes, 0) != marker || crc32fast::hash(&bytes[..20]) != u32_at(bytes, 20) {
            return None;
        }
        let kind = match bytes[12] {
            1 => Kind::Block,
            2 => Kind::Commit,
            _ => return None,
        };
        Some(Self { kind, len: u32_at(bytes, 8), crc: u32_at(bytes, 16) })
    }

    /// Bytes from the record's beginning to the next record's.
    pub(crate) const fn stride(&self) -> u64 {
        stride(self.len)
    }
}

/// Bytes that a record with a payload of `len` bytes takes.
pub(crate) const fn stride(len: u32) -> u64 {
    (RECORD_HEADER_BYTES as u64 + len as u64).next_multiple_of(ALIGN_BYTES as u64)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were sliced"))
}

#[cfg(test)]
mod tests {
    use super::{HeaderError, Kind, RecordHeader, SegmentHeader};

    const HEADER: SegmentHeader =
        SegmentHeader { id: 7, as_of: 9, prev_end: 4_096, store: 11, marker: 0x0102_0304_0506_0708 };

    #[test]
    fn a_segment_header_survives_any_flipped_byte() {
        let bytes = HEADER.encode();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x40;
            assert_eq!(SegmentHeader::decode(&bad), Ok(HEADER), "byte {at}");
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut bytes = HEADER.encode();
        bytes[8] = 9;
        let crc = crc32fast::hash(&bytes[..48]);
        bytes[48..52].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Version(9)));
        assert_eq!(SegmentHeader::decode(&bytes[..20]), Err(HeaderError::Damaged));
    }

    #[test]
    fn a_record_header_with_any_flipped_byte_is_no_record() {
        let header = RecordHeader { kind: Kind::Commit, len: 300, crc: 77 };
        let bytes = header.encode(HEADER.marker);
        assert_eq!(RecordHeader::decode(&bytes, HEADER.marker), Some(header));
        assert_eq!(RecordHeader::decode(&bytes, 1), None);
        for at in 0..bytes.len() {
            let mut bad = bytes;
            bad[at] ^= 1;
            assert_eq!(RecordHeader::decode(&bad, HEADER.marker), None, "byte {at}");
        }
    }
}
