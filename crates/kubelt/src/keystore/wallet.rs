//! An open wallet: a private key that signs.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{eip191_hash_message, keccak256};
use k256::ecdsa::SigningKey;
use kubelt_core::Account;
use zeroize::Zeroizing;

/// A secp256k1 private key. It is wiped from memory when dropped and never shown.
pub(crate) struct Wallet {
    key: SigningKey,
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
            if let Ok(wallet) = Self::from_bytes(&bytes) {
                return Ok(wallet);
            }
        }
    }

    /// The key with these 32 big-endian bytes.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_slice(bytes).map_err(|_source_says_no_more| KeyError::Range)?;
        Ok(Self { key })
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes().into())
    }

    /// The account that this wallet signs for.
    pub(crate) fn account(&self) -> Account {
        Account::Eoa(self.address())
    }

    /// The last 20 bytes of the public key's Keccak-256.
    pub(crate) fn address(&self) -> [u8; 20] {
        let point = self.key.verifying_key().to_sec1_point(false);
        let hash = keccak256(&point.as_bytes()[1..]);
        hash[12..].try_into().expect("32 less 12 are 20")
    }

    /// Signs a message as `personal_sign` does (EIP-191, version `E`): `r`, low `s`, and 27 or 28.
    pub(crate) fn sign_personal(&self, message: &[u8]) -> [u8; 65] {
        let hash = eip191_hash_message(message);
        let (signature, recovery) = self.key.sign_prehash_recoverable(hash.as_slice());
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + recovery.to_byte();
        bytes
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
        Self::from_bytes(&bytes)
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("account", &self.account()).finish_non_exhaustive()
    }
}
