//! Randomness as a value: a seed, stretched.

use std::convert::Infallible;
use std::fmt;

use aws_lc_rs::hmac;
use hpke::rand_core::{TryCryptoRng, TryRng};

/// Random bytes made from one seed of 32 (HMAC-SHA-256 of a counter). The same seed gives the same bytes: it comes from the
/// operating system, and from nowhere else outside of tests.
pub struct Entropy {
    key: hmac::Key,
    blocks: u64,
}

impl Entropy {
    /// From a seed that nobody knows.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, seed), blocks: 0 }
    }

    /// Fills bytes. What is left of a block is not used again.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let block = hmac::sign(&self.key, &self.blocks.to_be_bytes());
            self.blocks += 1;
            part.iter_mut().zip(block.as_ref()).for_each(|(to, from)| *to = *from);
        }
    }

    /// `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Entropy {}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(…)")
    }
}
