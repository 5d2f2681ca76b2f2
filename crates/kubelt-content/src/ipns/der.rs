//! The little of DER that keys and signatures need (X.690; RFC 5280, RFC 3279, RFC 5480).

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// Object identifier rsaEncryption and its NULL.
const RSA_ENCRYPTION: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// Object identifiers id-ecPublicKey and prime256v1.
const EC_P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";

/// The RSAPublicKey in a SubjectPublicKeyInfo.
pub(super) fn rsa_key(info: &[u8]) -> Option<&[u8]> {
    let key = public_key(info, RSA_ENCRYPTION)?;
    let mut rest = key;
    let mut parts = take(&mut rest, SEQUENCE)?;
    take(&mut parts, INTEGER)?;
    take(&mut parts, INTEGER)?;
    (rest.is_empty() && parts.is_empty()).then_some(key)
}

/// The uncompressed point in a SubjectPublicKeyInfo of P-256.
pub(super) fn p256_key(info: &[u8]) -> Option<[u8; 65]> {
    let point: [u8; 65] = public_key(info, EC_P256)?.try_into().ok()?;
    (point[0] == 0x04).then_some(point)
}

/// `r` and `s` of an ECDSA signature.
pub(super) fn signature(bytes: &[u8]) -> Option<([u8; 32], [u8; 32])> {
    let mut rest = bytes;
    let mut parts = take(&mut rest, SEQUENCE)?;
    let (r, s) = (scalar(&mut parts)?, scalar(&mut parts)?);
    (rest.is_empty() && parts.is_empty()).then_some((r, s))
}

fn public_key<'a>(info: &'a [u8], algorithm: &[u8]) -> Option<&'a [u8]> {
    let mut rest = info;
    let mut parts = take(&mut rest, SEQUENCE)?;
    let found = take(&mut parts, SEQUENCE)?;
    let (unused_bits, key) = take(&mut parts, BIT_STRING)?.split_first()?;
    let is_whole = rest.is_empty() && parts.is_empty() && *unused_bits == 0;
    (is_whole && found == algorithm).then_some(key)
}

/// A positive integer of at most 32 bytes, in its shortest form.
fn scalar(rest: &mut &[u8]) -> Option<[u8; 32]> {
    let integer = match take(rest, INTEGER)? {
        // A zero stands before a byte that would read as a sign, and nowhere else.
        [0, tail @ ..] if tail.first().is_some_and(|&byte| byte >= 0x80) => tail,
        positive @ [0x01..=0x7f, ..] => positive,
        _ => return None,
    };
    let mut out = [0; 32];
    out.get_mut(32_usize.checked_sub(integer.len())?..)?.copy_from_slice(integer);
    Some(out)
}

/// The content of the next value, which must have this tag and a length of its shortest form.
fn take<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&found, after) = rest.split_first()?;
    let (&first, mut after) = after.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81 | 0x82 => {
            let (length, tail) = after.split_at_checked(usize::from(first & 0x7f))?;
            after = tail;
            let length = length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            let least = if first == 0x81 { 0x80 } else { 0x100 };
            (length >= least).then_some(length)?
        }
        _ => return None,
    };
    let (content, tail) = after.split_at_checked(length)?;
    *rest = tail;
    (found == tag).then_some(content)
}
