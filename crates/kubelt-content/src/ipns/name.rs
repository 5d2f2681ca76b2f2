//! Names: the hash of a public key, or the key itself where it is short.

use std::fmt;
use std::str::FromStr;

use cid::multihash::Multihash;
use cid::{Cid, Version};
use multibase::Base;
use thiserror::Error;

use super::key::{KeyError, PublicKey};
use crate::block::{HASH_IDENTITY, HASH_SHA2_256};
use crate::cid_text::{CidBase, format_cid, parse_cid};
use crate::limits::{CID_TEXT_BYTES_MAX, IPNS_INLINE_KEY_BYTES_MAX};

/// Multicodec code of libp2p-key, the codec of a name that is written as a CID.
const CODEC_LIBP2P_KEY: u64 = 0x72;

const ROUTING_PREFIX: &[u8] = b"/ipns/";

/// An IPNS name. Its canonical text, which `Display` writes, is a CIDv1 in base36 (`k51…`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Multihash<64>);

/// Why something is not a name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// The text is neither a CID nor a peer id.
    #[error("the text is no IPNS name; one looks like `k51…` or `12D3Koo…`")]
    Text,
    /// A CID of something other than a key.
    #[error("a CID with codec `0x{0:x}` names no key; codec libp2p-key is `0x72`")]
    Codec(u64),
    /// A hash function that names do not use, or a digest of the wrong length.
    #[error("a name is a sha2-256 hash of a key or a key of at most {max} bytes", max = IPNS_INLINE_KEY_BYTES_MAX)]
    Hash,
    /// Not `/ipns/` and a multihash.
    #[error("a routing key is `/ipns/` and a multihash")]
    RoutingKey,
}

impl Name {
    /// Reads a CIDv1 of codec libp2p-key in any multibase, or a peer id in base58 (`12D3Koo…`, `16Uiu2…`, `Qm…`).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > CID_TEXT_BYTES_MAX {
            return Err(NameError::Text);
        }
        // No multibase prefix is `1` or `Q`: a peer id needs no other mark.
        if text.starts_with(['1', 'Q']) {
            let bytes = Base::Base58Btc.decode(text).map_err(|_error| NameError::Text)?;
            return Self::from_multihash_bytes(&bytes).ok_or(NameError::Text)?;
        }
        let cid = parse_cid(text).map_err(|_error| NameError::Text)?;
        Self::from_cid(&cid)
    }

    /// The name in a CIDv1 of codec libp2p-key.
    pub fn from_cid(cid: &Cid) -> Result<Self, NameError> {
        match (cid.version(), cid.codec()) {
            (Version::V1, CODEC_LIBP2P_KEY) => Self::from_hash(cid.hash()),
            (_, codec) => Err(NameError::Codec(codec)),
        }
    }

    /// The name with this multihash, whatever text or codec it came with.
    ///
    /// Gateways use it for names that old tools wrote as CIDs of another codec.
    pub fn from_hash(hash: &Multihash<64>) -> Result<Self, NameError> {
        match (hash.code(), hash.digest().len()) {
            (HASH_SHA2_256, 32) => Ok(Self(*hash)),
            (HASH_IDENTITY, 1..=IPNS_INLINE_KEY_BYTES_MAX) => Ok(Self(*hash)),
            _ => Err(NameError::Hash),
        }
    }

    /// The name in a routing key: `/ipns/` and the bytes of the multihash.
    pub fn from_routing_key(key: &[u8]) -> Result<Self, NameError> {
        let hash = key.strip_prefix(ROUTING_PREFIX).ok_or(NameError::RoutingKey)?;
        Self::from_multihash_bytes(hash).ok_or(NameError::RoutingKey)?
    }

    /// What routers store a record of this name under: `/ipns/` and the bytes of the multihash.
    pub fn routing_key(&self) -> Vec<u8> {
        [ROUTING_PREFIX, &self.0.to_bytes()].concat()
    }

    /// The multihash.
    pub const fn hash(&self) -> &Multihash<64> {
        &self.0
    }

    /// The name as a CIDv1 of codec libp2p-key.
    pub fn to_cid(&self) -> Cid {
        Cid::new_v1(CODEC_LIBP2P_KEY, self.0)
    }

    /// The CID's text in this base.
    pub fn format(&self, base: CidBase) -> String {
        format_cid(&self.to_cid(), base)
    }

    /// The peer id in base58 with no prefix: `12D3Koo…`, `Qm…`.
    pub fn to_peer_id(&self) -> String {
        Base::Base58Btc.encode(self.0.to_bytes())
    }

    /// The key, where the name is the key itself.
    pub fn inline_key(&self) -> Option<Result<PublicKey, KeyError>> {
        (self.0.code() == HASH_IDENTITY).then(|| PublicKey::decode(self.0.digest()))
    }

    /// `None` where the bytes are not exactly one multihash in its one form.
    fn from_multihash_bytes(bytes: &[u8]) -> Option<Result<Self, NameError>> {
        let hash = Multihash::from_bytes(bytes).ok()?;
        (hash.to_bytes() == bytes).then(|| Self::from_hash(&hash))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(CidBase::Base36))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
