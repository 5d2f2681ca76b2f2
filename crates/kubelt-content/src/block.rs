//! Blocks: bytes named by their hash.

use std::fmt;

use bytes::Bytes;
use cid::Cid;
use cid::multihash::Multihash;
use multihash_codetable::{Code, MultihashDigest};
use sha2::{Digest, Sha256, Sha512};
use thiserror::Error;

use crate::codec::Codec;
use crate::limits::BLOCK_BYTES_MAX;

pub use together::{CHECKED_TOGETHER_MIN, check_all};

/// Multihash code of identity: the digest is the content.
pub const HASH_IDENTITY: u64 = 0x00;
/// Multihash code of sha2-256, the only hash that this crate writes.
pub const HASH_SHA2_256: u64 = 0x12;
/// Multihash code of sha2-512.
pub const HASH_SHA2_512: u64 = 0x13;
/// Multihash code of blake3 with 32 bytes.
pub const HASH_BLAKE3: u64 = 0x1e;

/// Bytes and the CID that names them.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    data: Bytes,
}

/// A block is larger than [`BLOCK_BYTES_MAX`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a block has `{0}` bytes, more than the `{max}` allowed", max = BLOCK_BYTES_MAX)]
pub struct BlockTooLarge(pub usize);

/// Why bytes are not the content of a CID.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VerifyError {
    /// The block is larger than [`BLOCK_BYTES_MAX`].
    #[error(transparent)]
    TooLarge(#[from] BlockTooLarge),
    /// The hash is none of sha2-256, sha2-512, blake3 and identity.
    #[error("hash function `0x{0:x}` is not checked here; use sha2-256, sha2-512, blake3 or identity")]
    UnknownHash(u64),
    /// The digest has another length than the hash function gives.
    #[error("a digest of `{length}` bytes is not one of hash function `0x{code:x}`")]
    DigestLength {
        /// Multihash code.
        code: u64,
        /// Bytes of the digest in the CID.
        length: usize,
    },
    /// The bytes are others than the CID names.
    #[error("the bytes do not match their CID")]
    Mismatch,
}

impl Block {
    /// Names `data` by CIDv1 and sha2-256.
    pub fn new(codec: Codec, data: Bytes) -> Result<Self, BlockTooLarge> {
        if data.len() > BLOCK_BYTES_MAX {
            return Err(BlockTooLarge(data.len()));
        }
        Ok(Self::hash(codec, data))
    }

    /// Names `data` by CIDv1 and a hash function: sha2-256, sha2-512 or blake3.
    ///
    /// # Errors
    /// [`VerifyError`] for other hash functions, and for blocks over [`BLOCK_BYTES_MAX`].
    pub fn with_hash(codec: u64, hash: u64, data: Bytes) -> Result<Self, VerifyError> {
        if data.len() > BLOCK_BYTES_MAX {
            return Err(BlockTooLarge(data.len()).into());
        }
        let multihash = match hash {
            HASH_SHA2_256 => sha2_256(&data),
            HASH_SHA2_512 => {
                Multihash::wrap(HASH_SHA2_512, &Sha512::digest(&data)).expect("64 bytes fit in 64")
            }
            HASH_BLAKE3 => Code::Blake3_256.digest(&data),
            other => return Err(VerifyError::UnknownHash(other)),
        };
        Ok(Self { cid: Cid::new_v1(codec, multihash), data })
    }

    /// A block that came from elsewhere: `data` is checked against `cid`.
    pub fn checked(cid: Cid, data: Bytes) -> Result<Self, VerifyError> {
        verify(&cid, &data)?;
        Ok(Self { cid, data })
    }

    /// A block whose bytes are known to match, as they come from a store that checked them.
    pub const fn trusted(cid: Cid, data: Bytes) -> Self {
        Self { cid, data }
    }

    /// The name.
    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The bytes.
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The name and the bytes.
    pub fn into_parts(self) -> (Cid, Bytes) {
        (self.cid, self.data)
    }

    /// For bytes that are small by construction.
    pub(crate) fn hash(codec: Codec, data: Bytes) -> Self {
        let cid = Cid::new_v1(codec.code(), sha2_256(&data));
        Self { cid, data }
    }

    /// As `hash`, dag-pb under a CIDv0.
    pub(crate) fn hash_v0(data: Bytes) -> Self {
        let cid = Cid::new_v0(sha2_256(&data)).expect("a CIDv0 is dag-pb and sha2-256");
        Self { cid, data }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({}, {} bytes)", self.cid, self.data.len())
    }
}

/// Checks that `data` is the content of `cid`.
///
/// The whole digest is compared: a CID with a cut digest is refused.
pub fn verify(cid: &Cid, data: &[u8]) -> Result<(), VerifyError> {
    if data.len() > BLOCK_BYTES_MAX {
        return Err(BlockTooLarge(data.len()).into());
    }
    let (code, digest) = (cid.hash().code(), cid.hash().digest());
    let matches = match (code, digest.len()) {
        (HASH_IDENTITY, _) => digest == data,
        (HASH_SHA2_256, 32) => digest == Sha256::digest(data).as_slice(),
        (HASH_SHA2_512, 64) => digest == Sha512::digest(data).as_slice(),
        (HASH_BLAKE3, 32) => digest == Code::Blake3_256.digest(data).digest(),
        (HASH_SHA2_256 | HASH_SHA2_512 | HASH_BLAKE3, length) => {
            return Err(VerifyError::DigestLength { code, length });
        }
        _ => return Err(VerifyError::UnknownHash(code)),
    };
    if matches { Ok(()) } else { Err(VerifyError::Mismatch) }
}

/// The content of an identity CID, which needs no block.
pub fn inline_content(cid: &Cid) -> Option<&[u8]> {
    (cid.hash().code() == HASH_IDENTITY).then(|| cid.hash().digest())
}

fn sha2_256(data: &[u8]) -> Multihash<64> {
    Multihash::wrap(HASH_SHA2_256, &Sha256::digest(data)).expect("32 bytes fit in 64")
}

mod together;

#[cfg(test)]
mod tests;
