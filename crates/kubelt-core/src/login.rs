//! Logins: a wallet's word that a session key may act for it.

use serde::{Deserialize, Serialize};

use crate::{
    codec::{self, DecodeError},
    id::LoginId,
    limits::LOGIN_BYTES_MAX,
};

/// How a signature was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// secp256k1 over an EIP-191 personal message, 65 bytes `r ‖ s ‖ v`, low s.
    Eip191,
    /// Ed25519 (RFC 8032) over the message itself, 64 bytes.
    Ed25519,
    /// ECDSA P-256 with SHA-256, 64 bytes `r ‖ s`, low s.
    P256,
    /// secp256k1 over EIP-712 typed data, 65 bytes `r ‖ s ‖ v`, low s; operations only.
    Eip712,
    /// A passkey's assertion ([`crate::webauthn`]): P-256 over what the authenticator and the browser say.
    Webauthn,
    /// A contract wallet's answer (ERC-1271), pinned to a block.
    Eip1271,
}

/// The block of a chain that a contract wallet's signature was checked at.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRef {
    /// EIP-155 chain id.
    pub chain: u64,
    /// Block number.
    pub number: u64,
    /// Block hash.
    #[serde(with = "serde_bytes")]
    pub hash: [u8; 32],
}

/// A signed sign-in message. The exact text that the wallet signed is kept: re-serialising it is where
/// others fail to verify.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The SIWE (EIP-4361) or SIWx text, byte for byte.
    pub message: String,
    /// How it was signed.
    pub scheme: Scheme,
    /// The signature.
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
    /// Contract wallets: where it was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockRef>,
}

impl Login {
    /// The login's id: the hash of message and scheme. Like an operation's, it leaves the signature out, and the
    /// block that a contract wallet's was checked at: a logout names the id, and who could spell the same
    /// sign-in another way would escape it.
    pub fn id(&self) -> LoginId {
        #[derive(Serialize)]
        struct Named<'a> {
            message: &'a str,
            scheme: Scheme,
        }
        LoginId::of(&codec::encode(&Named { message: &self.message, scheme: self.scheme }))
    }

    /// The canonical bytes of the login block.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a login block; the message and its signature are *not* checked here.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, LOGIN_BYTES_MAX, "login")
    }
}
