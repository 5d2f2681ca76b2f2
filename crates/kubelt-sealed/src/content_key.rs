//! The key of one file.

use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use crate::Entropy;

/// A content key: 32 random bytes, for one file. It is wiped from memory when dropped and never shown.
#[derive(Clone)]
pub struct ContentKey(Zeroizing<[u8; 32]>);

impl ContentKey {
    /// A new one.
    pub fn random(entropy: &mut Entropy) -> Self {
        Self(Zeroizing::new(entropy.bytes()))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HKDF-SHA-256 (RFC 5869) of the key.
    pub(crate) fn derive<const N: usize>(&self, salt: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
        let mut derived = Zeroizing::new([0; N]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
            .extract(&self.0[..])
            .expand(info, Length(N))
            .and_then(|output| output.fill(&mut derived[..]))
            .expect("a few blocks are within what HKDF gives");
        derived
    }

    /// A key that authenticates what `purpose` names.
    pub(crate) fn mac_key(&self, purpose: &[u8]) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.derive::<32>(&[], &[purpose])[..])
    }
}

/// How many bytes are wanted.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(…)")
    }
}
