//! The headers of both versions.

use cid::Cid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{CAR_PADDING_BYTES_MAX, CAR_ROOTS_MAX};

/// The first bytes of every CARv2: a CARv1 header with version 2 and no roots.
pub(super) const V2_PRAGMA: [u8; 11] = *b"\x0a\xa1gversion\x02";

/// Bytes of the header behind the pragma.
pub(super) const V2_HEADER_BYTES: usize = 40;

/// Where the payload of a CARv2 begins at the earliest.
pub(super) const V2_PAYLOAD_OFFSET: u64 = (V2_PRAGMA.len() + V2_HEADER_BYTES) as u64;

/// Why a header was refused.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// Not dag-cbor with exactly a version and roots.
    #[error("the header is not a map of `version` and `roots`")]
    Malformed(#[source] serde_ipld_dagcbor::DecodeError<std::convert::Infallible>),
    /// A version other than 1 or 2, or 2 inside of 2.
    #[error("version `{0}` is not one that can stand here")]
    Version(u64),
    /// A CARv1 without the list of its roots, or a CARv2 with one.
    #[error("the list of roots is missing or stands where none may be")]
    Roots,
    /// More than [`CAR_ROOTS_MAX`] roots.
    #[error("the header has more than `{max}` roots", max = CAR_ROOTS_MAX)]
    TooManyRoots,
    /// Offsets of a CARv2 that overlap or overflow.
    #[error("the offsets of the CARv2 header contradict each other")]
    Offsets,
    /// More than [`CAR_PADDING_BYTES_MAX`] before the payload.
    #[error("the payload begins only at byte `{0}`")]
    Padding(u64),
}

/// The header of a CARv1.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct V1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    roots: Option<Vec<Cid>>,
    version: u64,
}

/// Where the parts of a CARv2 are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct V2 {
    pub(super) data_offset: u64,
    pub(super) data_size: u64,
    pub(super) index_offset: u64,
}

/// Reads the header of a CARv1.
pub(super) fn decode_v1(bytes: &[u8]) -> Result<Vec<Cid>, HeaderError> {
    let header: V1 = serde_ipld_dagcbor::from_slice(bytes).map_err(HeaderError::Malformed)?;
    if header.version != 1 {
        return Err(HeaderError::Version(header.version));
    }
    let roots = header.roots.ok_or(HeaderError::Roots)?;
    if roots.len() > CAR_ROOTS_MAX { Err(HeaderError::TooManyRoots) } else { Ok(roots) }
}

/// Writes the header of a CARv1, without its length.
pub(super) fn encode_v1(roots: &[Cid]) -> Vec<u8> {
    let header = V1 { roots: Some(roots.to_vec()), version: 1 };
    serde_ipld_dagcbor::to_vec(&header).expect("a list of CIDs and an integer have a dag-cbor form")
}

impl V2 {
    /// Reads the 40 bytes behind the pragma.
    pub(super) fn decode(bytes: &[u8; V2_HEADER_BYTES]) -> Result<Self, HeaderError> {
        let integer = |at: usize| {
            let bytes = bytes[at..at + 8].try_into().expect("eight bytes were sliced");
            u64::from_le_bytes(bytes)
        };
        // Characteristics (the first 16 bytes) speak of the index only, which is not read.
        let header = Self { data_offset: integer(16), data_size: integer(24), index_offset: integer(32) };
        let end = header.data_offset.checked_add(header.data_size).ok_or(HeaderError::Offsets)?;
        let has_sound_index = header.index_offset == 0 || header.index_offset >= end;
        if header.data_offset < V2_PAYLOAD_OFFSET || header.data_size == 0 || !has_sound_index {
            return Err(HeaderError::Offsets);
        }
        if header.data_offset - V2_PAYLOAD_OFFSET > CAR_PADDING_BYTES_MAX {
            return Err(HeaderError::Padding(header.data_offset));
        }
        Ok(header)
    }

    /// Writes the 40 bytes: no characteristics, since there is no index to describe.
    pub(super) fn encode(self) -> [u8; V2_HEADER_BYTES] {
        let mut out = [0; V2_HEADER_BYTES];
        out[16..24].copy_from_slice(&self.data_offset.to_le_bytes());
        out[24..32].copy_from_slice(&self.data_size.to_le_bytes());
        out[32..40].copy_from_slice(&self.index_offset.to_le_bytes());
        out
    }
}
