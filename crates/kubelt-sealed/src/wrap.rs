//! A content key wrapped for a device: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//! ChaCha20-Poly1305.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::CryptoRng;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _, single_shot_open};
use kubelt_core::schema::WRAP_BYTES;
use zeroize::Zeroizing;

use crate::{ContentKey, DeviceSecret, Entropy, PublicKey};

/// What a wrap is for; HPKE's `info`.
const INFO: &[u8] = b"kubelt sealed key v1";

/// Why a wrapped key does not come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// The wrap was made for another key or another file, or was changed.
    #[error(
        "the wrapped key does not open with the key of this device; it was made for another file, or changed"
    )]
    Refused,
}

/// Wraps a content key for an X25519 key; `file` is the file's header, so that no wrap serves another file.
///
/// Gives nothing for keys of other kinds.
pub fn wrap(
    content: &ContentKey,
    to: &PublicKey,
    file: &[u8],
    entropy: &mut Entropy,
) -> Option<[u8; WRAP_BYTES]> {
    let sealed = seal(to.as_x25519()?, INFO, file, content.as_bytes(), entropy);
    Some(sealed.try_into().expect("32 bytes of a key, 32 of the content key and 16 of the tag"))
}

/// Unwraps a content key.
///
/// # Errors
/// [`UnwrapError`].
pub fn unwrap(
    wrap: &[u8; WRAP_BYTES],
    device: &DeviceSecret,
    file: &[u8],
) -> Result<ContentKey, UnwrapError> {
    let opened = open(wrap, device.as_bytes(), INFO, file).ok_or(UnwrapError::Refused)?;
    let key = opened.as_slice().try_into().map_err(|_length| UnwrapError::Refused)?;
    Ok(ContentKey::from_bytes(key))
}

/// The encapsulated key, then the ciphertext.
fn seal(to: &[u8; 32], info: &[u8], aad: &[u8], plain: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(to).expect("32 bytes");
    let (enc, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to,
        info,
        plain,
        aad,
        rng,
    )
    .expect("the key was found to be usable, and a content key is short");
    [enc.to_bytes().as_slice(), &sealed].concat()
}

fn open(sealed: &[u8], device: &[u8; 32], info: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (enc, sealed) = sealed.split_at_checked(32)?;
    let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc).ok()?;
    let device = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(device).ok()?;
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &device,
        &enc,
        info,
        sealed,
        aad,
    )
    .ok()
    .map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
