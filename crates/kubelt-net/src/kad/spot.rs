//! Places in the key space of the DHT: SHA-256 of a key's or a peer's bytes.

use libp2p::PeerId;
use sha2::{Digest as _, Sha256};

/// A place. In order of their bytes, places that share a prefix lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot([u8; 32]);

impl Spot {
    /// Where a key lies.
    pub(crate) fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Where a peer lies.
    pub(crate) fn of_peer(peer: &PeerId) -> Self {
        Self::of(&peer.to_bytes())
    }

    /// How far two places are apart: XOR, the greatest last.
    pub(crate) fn distance(&self, other: &Self) -> [u8; 32] {
        std::array::from_fn(|i| self.0[i] ^ other.0[i])
    }

    /// How many bits the two have in common from the start.
    pub(crate) fn shared_bits(&self, other: &Self) -> u32 {
        let mut bits = 0;
        for byte in self.distance(other) {
            bits += byte.leading_zeros();
            if byte != 0 {
                return bits;
            }
        }
        bits
    }

    /// The first 64 bits, as a number.
    pub(crate) fn head(&self) -> u64 {
        u64::from_be_bytes(std::array::from_fn(|i| self.0[i]))
    }
}
