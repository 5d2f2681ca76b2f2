//! Keys as libp2p writes them (Peer Ids and Keys specification), and their signatures.

use std::fmt;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::der;
use super::name::Name;
use crate::block::{HASH_IDENTITY, HASH_SHA2_256};
use crate::limits::{IPNS_INLINE_KEY_BYTES_MAX, IPNS_KEY_BYTES_MAX};
use crate::protobuf::{self, Field, Value};
use cid::multihash::Multihash;

const TYPE: u64 = 1;
const DATA: u64 = 2;
const RSA: u64 = 0;
const ED25519_TYPE: u64 = 1;
const SECP256K1: u64 = 2;
const ECDSA: u64 = 3;

/// A public key that is checked to have the shape of its kind.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: Point,
    /// The protobuf message, of which a name is the hash.
    encoded: Vec<u8>,
}

/// What verifies; for RSA the PKCS #1 form.
#[derive(Clone, PartialEq, Eq)]
enum Point {
    Rsa(Vec<u8>),
    Ed25519([u8; 32]),
    Secp256k1([u8; 33]),
    P256([u8; 65]),
}

/// An Ed25519 key that signs records.
pub struct SecretKey(Ed25519KeyPair);

/// Why bytes are not a public key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// Longer than any key.
    #[error("a key of `{0}` bytes is longer than the `{max}` allowed", max = IPNS_KEY_BYTES_MAX)]
    TooLong(usize),
    /// Not the protobuf message of a key.
    #[error("the key is not a protobuf message of a type and the key's data")]
    Message,
    /// A type that does not exist.
    #[error("key type `{0}` is unknown; use Ed25519")]
    Type(u64),
    /// The data is not a key of its type, or an ECDSA key of another curve than P-256.
    #[error("the key's data is not a key of its type")]
    Data,
}

impl PublicKey {
    /// Reads the protobuf message in its one form: a type, then the data.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > IPNS_KEY_BYTES_MAX {
            return Err(KeyError::TooLong(bytes.len()));
        }
        let mut rest = bytes;
        let mut take = || Field::take(&mut rest).ok().flatten().ok_or(KeyError::Message);
        let Field { number: TYPE, value: Value::Integer(kind) } = take()? else {
            return Err(KeyError::Message);
        };
        let Field { number: DATA, value: Value::Bytes(data) } = take()? else {
            return Err(KeyError::Message);
        };
        if !rest.is_empty() {
            return Err(KeyError::Message);
        }
        let point = Point::read(kind, data)?;
        Ok(Self { point, encoded: bytes.to_vec() })
    }

    /// The protobuf message.
    pub fn encode(&self) -> &[u8] {
        &self.encoded
    }

    /// The name of this key: the key itself up to 42 bytes, else its sha2-256 hash.
    pub fn name(&self) -> Name {
        let hash = if self.encoded.len() <= IPNS_INLINE_KEY_BYTES_MAX {
            Multihash::wrap(HASH_IDENTITY, &self.encoded)
        } else {
            Multihash::wrap(HASH_SHA2_256, &Sha256::digest(&self.encoded))
        };
        let hash = hash.expect("42 bytes fit in 64");
        Name::from_hash(&hash).expect("a hash of a key makes a name")
    }

    /// Whether `signature` is one of `message` under this key.
    ///
    /// RSA is PKCS #1 v1.5 with SHA-256 and 2048 to 8192 bits; both ECDSA curves sign in DER over SHA-256.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, key): (&'static dyn VerificationAlgorithm, &[u8]) = match &self.point {
            Point::Rsa(key) => (&RSA_PKCS1_2048_8192_SHA256, key),
            Point::Ed25519(key) => (&ED25519, key),
            Point::P256(key) => (&ECDSA_P256_SHA256_ASN1, key),
            Point::Secp256k1(key) => return verify_secp256k1(key, message, signature).is_some(),
        };
        UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
    }

    fn of_ed25519(key: [u8; 32]) -> Self {
        let mut encoded = Vec::with_capacity(36);
        protobuf::put_integer(&mut encoded, TYPE, ED25519_TYPE);
        protobuf::put_header(&mut encoded, DATA, key.len());
        encoded.extend_from_slice(&key);
        Self { point: Point::Ed25519(key), encoded }
    }
}

impl Point {
    fn read(kind: u64, data: &[u8]) -> Result<Self, KeyError> {
        let point = match kind {
            RSA => der::rsa_key(data).map(|key| Self::Rsa(key.to_vec())),
            ED25519_TYPE => data.try_into().ok().map(Self::Ed25519),
            SECP256K1 => data.try_into().ok().map(Self::Secp256k1),
            ECDSA => der::p256_key(data).map(Self::P256),
            other => return Err(KeyError::Type(other)),
        };
        point.ok_or(KeyError::Data)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.name())
    }
}

impl SecretKey {
    /// The Ed25519 key of a 32-byte seed (RFC 8032).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes makes a key"))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let key = self.0.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes");
        PublicKey::of_ed25519(key)
    }

    /// The name that this key publishes under.
    pub fn name(&self) -> Name {
        self.public().name()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.name())
    }
}

/// Takes both halves of `s`: publishers in Go and JavaScript make either.
fn verify_secp256k1(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    use k256::ecdsa::signature::Verifier as _;
    use k256::ecdsa::{Signature, VerifyingKey};

    let key = VerifyingKey::from_sec1_bytes(key).ok()?;
    let (r, s) = der::signature(signature)?;
    let signature = Signature::from_scalars(r, s).ok()?;
    key.verify(message, &signature.normalize_s()).ok()
}
