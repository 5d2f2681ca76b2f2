//! An open wallet: a private key that signs.

use std::fmt;
use std::str::FromStr;

use kubelt_core::{Account, Body, EoaKey, Header, Signed, typed_data::TypedDataError};
use zeroize::Zeroizing;

/// A secp256k1 private key. It is wiped from memory when dropped and never shown.
pub(crate) struct Wallet {
    secret: Zeroizing<[u8; 32]>,
    key: EoaKey,
}

/// Why something is not a private key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// Not 64 hex digits. The text is not repeated: it may be most of a key.
    #[error("a private key is 64 hex digits, with or without `0x`")]
    Form,
    /// Zero, or not below the order of the curve.
    #[error("the number is not a secp256k1 private key")]
    Range,
}

impl Wallet {
    /// A new key from the operating system's randomness.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(&mut bytes[..])?;
            // All but one of 2^127 tries give a key.
            if let Ok(wallet) = Self::from_secret(&bytes) {
                return Ok(wallet);
            }
        }
    }

    /// The key with these 32 big-endian bytes.
    pub(super) fn from_secret(secret: &[u8; 32]) -> Result<Self, KeyError> {
        let key = EoaKey::from_secret(secret).map_err(|_says_the_same| KeyError::Range)?;
        Ok(Self { secret: Zeroizing::new(*secret), key })
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// The account that this wallet signs for.
    pub(crate) fn account(&self) -> Account {
        self.key.account()
    }

    /// The 20 bytes of its address.
    pub(crate) fn address(&self) -> [u8; 20] {
        self.key.address()
    }

    /// Signs a message as `personal_sign` does (EIP-191): `r`, low `s`, and 27 or 28.
    pub(crate) fn sign_personal(&self, message: &[u8]) -> [u8; 65] {
        self.key.sign(message)
    }

    /// Signs a digest that was made from what was shown.
    pub(crate) fn sign_digest(&self, digest: &[u8; 32]) -> [u8; 65] {
        self.key.sign_digest(digest)
    }

    /// Signs the typed data of an operation (EIP-712).
    pub(crate) fn sign_typed(&self, header: Header, body: &Body) -> Result<Signed, TypedDataError> {
        self.key.sign_typed(header, body)
    }
}

impl FromStr for Wallet {
    type Err = KeyError;

    /// Reads 64 hex digits, with or without `0x`; white space around them is ignored.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes[..])
            .map_err(|_may_quote_the_key| KeyError::Form)?;
        Self::from_secret(&bytes)
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("account", &self.account()).finish_non_exhaustive()
    }
}
