//! Diffie-Hellman on X25519 and P-256, and the key that a JWE derives of it (RFC 7518, section 4.6).

use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey, X25519};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Entropy;

/// An ephemeral key pair, and what it and a recipient's key agree on.
pub(crate) struct Agreed<const N: usize> {
    pub(crate) ephemeral: [u8; N],
    pub(crate) secret: Zeroizing<[u8; 32]>,
}

/// Whether an agreement with this key gives anything but zero (RFC 7748, section 6.1).
pub(crate) fn is_usable_x25519(key: &[u8; 32]) -> bool {
    x25519(&[9; 32], key).is_some()
}

/// Whether this is a point of the curve.
pub(crate) fn is_usable_p256(point: &[u8; 64]) -> bool {
    let key = PrivateKey::from_private_key(&ECDH_P256, &[1; 32]).expect("a number below the order");
    agree(&key, &UnparsedPublicKey::new(&ECDH_P256, uncompressed(point))).is_some()
}

/// What a secret key and a public one agree on; nothing where the public one has a small order.
pub(crate) fn x25519(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let key = PrivateKey::from_private_key(&X25519, secret).expect("any 32 bytes are a key");
    agree(&key, &UnparsedPublicKey::new(&X25519, public))
}

pub(crate) fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    let key = PrivateKey::from_private_key(&X25519, secret).expect("any 32 bytes are a key");
    let public = key.compute_public_key().expect("any secret has a public key");
    public.as_ref().try_into().expect("32 bytes")
}

/// Agrees with an X25519 key.
pub(crate) fn with_x25519(public: &[u8; 32], entropy: &mut Entropy) -> Agreed<32> {
    let secret = Zeroizing::new(entropy.bytes());
    let agreed = x25519(&secret, public).expect("a usable key agrees with any");
    Agreed { ephemeral: x25519_public(&secret), secret: agreed }
}

/// Agrees with a point of P-256.
pub(crate) fn with_p256(point: &[u8; 64], entropy: &mut Entropy) -> Agreed<64> {
    loop {
        let scalar = Zeroizing::new(entropy.bytes::<32>());
        // All but one of 2^32 tries give a key.
        let Ok(key) = PrivateKey::from_private_key(&ECDH_P256, &scalar[..]) else { continue };
        let Ok(public) = key.compute_public_key() else { continue };
        let Some(ephemeral) = public.as_ref().get(1..).and_then(|point| point.try_into().ok()) else {
            continue;
        };
        let secret = agree(&key, &UnparsedPublicKey::new(&ECDH_P256, uncompressed(point)));
        return Agreed { ephemeral, secret: secret.expect("a point of the curve agrees with any key") };
    }
}

/// The key-encryption key of `ECDH-ES+A256KW`: one round of Concat KDF with SHA-256.
pub(crate) fn concat_kdf(secret: &[u8; 32], apu: &[u8], apv: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut hash = Sha256::new();
    hash.update(1_u32.to_be_bytes());
    hash.update(secret);
    for field in [b"ECDH-ES+A256KW".as_slice(), apu, apv] {
        hash.update(u32::try_from(field.len()).expect("headers are short").to_be_bytes());
        hash.update(field);
    }
    hash.update(256_u32.to_be_bytes());
    Zeroizing::new(hash.finalize().into())
}

fn agree<B: AsRef<[u8]>>(key: &PrivateKey, public: &UnparsedPublicKey<B>) -> Option<Zeroizing<[u8; 32]>> {
    agreement::agree(key, public, (), |secret| secret.try_into().map(Zeroizing::new).map_err(drop)).ok()
}

fn uncompressed(point: &[u8; 64]) -> Vec<u8> {
    [&[4], point.as_slice()].concat()
}
