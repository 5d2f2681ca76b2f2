//! Content encrypted to public keys, so that a node has nothing but ciphertext.
//!
//! One content key for each file, wrapped for every recipient. Files of any size are sealed in [`chunks`]; the key is
//! wrapped with HPKE ([`wrap`]) for devices, and the wraps stand in the entry of the core's map ([`list`]). For others,
//! who publish a JWKS and have nothing of ours, a file is a JSON Web Encryption ([`jwe`], [`jwk`]). `spec/sealed.md` is
//! the specification.
//!
//! It is values only: randomness is an argument ([`Entropy`]), keys and bytes come from whoever calls. No crate of the
//! node depends on it: what is sealed is opened by clients alone. Start at [`chunks`].
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod chunks;
mod content_key;
mod ecdh;
mod entropy;
pub mod jwe;
pub mod jwk;
mod keys;
pub mod limits;
pub mod list;
mod rsa;
pub mod wrap;

pub use content_key::ContentKey;
pub use entropy::Entropy;
pub use keys::{DeviceSecret, KeyError, PublicKey, Thumbprint};
