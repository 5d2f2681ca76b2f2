//! Public keys of recipients, and the secret key of a device.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::limits::{RSA_BITS_MAX, RSA_BITS_MIN};
use crate::{Entropy, ecdh, rsa};

/// A key that content can be sealed to. It was found to be a usable one when it was made.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PublicKey(Kind);

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    X25519([u8; 32]),
    /// Both coordinates.
    P256([u8; 64]),
    /// Big-endian, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// A key by its hash: RFC 7638 with SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(pub [u8; 32]);

/// The X25519 secret key of a device. It is wiped from memory when dropped and never shown.
#[derive(Clone)]
pub struct DeviceSecret(Zeroizing<[u8; 32]>);

/// Why bytes are no key to seal to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A point of small order: whatever is sealed to it, anybody opens.
    #[error("this X25519 key has a small order, so that anybody could open what is sealed to it")]
    SmallOrder,
    /// Not a point of the curve.
    #[error("this is no point of the curve P-256")]
    OffCurve,
    /// A modulus that is too short, or too long.
    #[error("an RSA modulus of {0} bits is not within the {RSA_BITS_MIN} to {RSA_BITS_MAX} that are taken")]
    RsaBits(usize),
    /// Numbers that make no RSA key.
    #[error("these numbers make no RSA key")]
    Rsa,
}

impl PublicKey {
    /// An X25519 key (RFC 7748).
    ///
    /// # Errors
    /// [`KeyError::SmallOrder`].
    pub fn x25519(bytes: [u8; 32]) -> Result<Self, KeyError> {
        if ecdh::is_usable_x25519(&bytes) { Ok(Self(Kind::X25519(bytes))) } else { Err(KeyError::SmallOrder) }
    }

    /// A point of P-256 by its coordinates, each 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`KeyError::OffCurve`].
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, KeyError> {
        let mut point = [0; 64];
        let (to_x, to_y) = point.split_at_mut(32);
        to_x.copy_from_slice(x);
        to_y.copy_from_slice(y);
        if ecdh::is_usable_p256(&point) { Ok(Self(Kind::P256(point))) } else { Err(KeyError::OffCurve) }
    }

    /// An RSA key by modulus and exponent, big-endian.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let trimmed = |bytes: &[u8]| bytes.iter().copied().skip_while(|b| *b == 0).collect::<Vec<_>>();
        let (n, e) = (trimmed(n), trimmed(e));
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(KeyError::RsaBits(bits));
        }
        let is_odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last % 2 == 1);
        let fits = is_odd(&n) && is_odd(&e) && e != [1] && e.len() <= 4 && rsa::is_usable(&n, &e);
        if fits { Ok(Self(Kind::Rsa { n, e })) } else { Err(KeyError::Rsa) }
    }

    pub(crate) const fn kind(&self) -> &Kind {
        &self.0
    }

    /// The bytes of an X25519 key; none for other kinds.
    pub const fn as_x25519(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Kind::X25519(bytes) => Some(bytes),
            Kind::P256(_) | Kind::Rsa { .. } => None,
        }
    }

    /// The hash by which it is known.
    pub fn thumbprint(&self) -> Thumbprint {
        // Members in the order of their names, without white space (RFC 7638, section 3).
        let json = match &self.0 {
            Kind::X25519(x) => format!(r#"{{"crv":"X25519","kty":"OKP","x":"{}"}}"#, base64(x)),
            Kind::P256(point) => {
                let (x, y) = point.split_at(32);
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64(x), base64(y))
            }
            Kind::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64(e), base64(n)),
        };
        Thumbprint(Sha256::digest(json.as_bytes()).into())
    }

    /// The algorithm by which a JWE is sealed to it (RFC 7518).
    pub const fn algorithm(&self) -> &'static str {
        match &self.0 {
            Kind::X25519(_) | Kind::P256(_) => "ECDH-ES+A256KW",
            Kind::Rsa { .. } => "RSA-OAEP-256",
        }
    }
}

impl DeviceSecret {
    /// A new one.
    pub fn random(entropy: &mut Entropy) -> Self {
        Self(Zeroizing::new(entropy.bytes()))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes, for who keeps them encrypted.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What others seal to.
    pub fn public(&self) -> PublicKey {
        PublicKey(Kind::X25519(ecdh::x25519_public(&self.0)))
    }
}

impl fmt::Display for Thumbprint {
    /// As a `kid` writes it: base64url without padding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceSecret(…)")
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests;
