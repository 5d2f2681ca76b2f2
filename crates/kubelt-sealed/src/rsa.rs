//! RSA-OAEP with SHA-256 (RFC 8017).

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};

/// Whether these numbers make a key.
pub(crate) fn is_usable(n: &[u8], e: &[u8]) -> bool {
    key(n, e).is_some()
}

/// Encrypts a content key; its randomness is the library's own.
pub(crate) fn encrypt(n: &[u8], e: &[u8], content_key: &[u8; 32]) -> Vec<u8> {
    let key = key(n, e).expect("the key was found to be usable");
    let mut sealed = vec![0; key.ciphertext_size()];
    let length = key
        .encrypt(&OAEP_SHA256_MGF1SHA256, content_key, &mut sealed, None)
        .expect("32 bytes fit under any modulus that is taken")
        .len();
    sealed.truncate(length);
    sealed
}

fn key(n: &[u8], e: &[u8]) -> Option<OaepPublicEncryptingKey> {
    let key = PublicEncryptingKey::from_der(&subject_public_key_info(n, e)).ok()?;
    OaepPublicEncryptingKey::new(key).ok()
}

/// The DER of a SubjectPublicKeyInfo (RFC 8017, appendix A.1).
fn subject_public_key_info(n: &[u8], e: &[u8]) -> Vec<u8> {
    /// `rsaEncryption`, with NULL parameters.
    const ALGORITHM: &[u8] =
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let key = element(0x30, &[integer(n), integer(e)].concat());
    let bits = element(0x03, &[&[0], key.as_slice()].concat());
    element(0x30, &[ALGORITHM, &bits].concat())
}

/// A number that is not negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    element(0x02, &[sign, bytes].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let skip = length.iter().take_while(|b| **b == 0).count();
    let digits = length.get(skip..).unwrap_or_default();
    let mut element = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => element.push(short),
        _ => {
            element.push(0x80 | u8::try_from(digits.len()).expect("eight bytes at most"));
            element.extend(digits);
        }
    }
    element.extend(content);
    element
}
