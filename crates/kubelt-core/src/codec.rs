//! Canonical dag-cbor: one value, one encoding.
//!
//! Every block of the log (genesis, login, header, body, signed operation) is dag-cbor
//! (<https://ipld.io/specs/codecs/dag-cbor/spec/>). Decoding re-encodes and compares, so bytes that are
//! valid CBOR but not *the* encoding (other key order, longer integers, trailing bytes) are refused, and
//! the id of what was decoded is always the hash of what was read.

use cid::Cid;
use ipld_core::cid::multihash::Multihash;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// Multicodec of dag-cbor.
pub const DAG_CBOR: u64 = 0x71;
/// Multihash code of sha2-256.
pub const SHA2_256: u64 = 0x12;

/// Why bytes are not a block of the log.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Larger than the format allows.
    #[error("block of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not dag-cbor of the expected shape.
    #[error("not a valid `{what}` block: {reason}")]
    Shape {
        /// The kind of block expected.
        what: &'static str,
        /// What the decoder found.
        reason: String,
    },
    /// Valid CBOR, but not the one canonical encoding.
    #[error("`{what}` block is not in canonical dag-cbor form")]
    NotCanonical {
        /// The kind of block expected.
        what: &'static str,
    },
}

/// The canonical bytes of `value`.
///
/// # Panics
/// Never for the types of this crate: all of them are finite maps with text keys.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).expect("log types always encode as dag-cbor")
}

/// Decodes canonical bytes of at most `max` bytes; `what` names the kind of block in errors.
///
/// # Errors
/// [`DecodeError`] when the bytes are too many, of another shape or not canonical.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    max: usize,
    what: &'static str,
) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLarge { len: bytes.len(), max });
    }
    let value: T = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|error| DecodeError::Shape { what, reason: error.to_string() })?;
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical { what });
    }
    Ok(value)
}

/// The CIDv1 (dag-cbor, sha2-256) of canonical bytes.
pub fn cid_of(bytes: &[u8]) -> Cid {
    let digest = Multihash::wrap(SHA2_256, &Sha256::digest(bytes)).expect("a sha2-256 digest fits");
    Cid::new_v1(DAG_CBOR, digest)
}
