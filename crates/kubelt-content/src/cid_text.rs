//! CIDs as people and URLs write them, and as bytes.

use cid::{Cid, Version};
use multibase::Base;
use thiserror::Error;

use crate::limits::{CID_BYTES_MAX, CID_TEXT_BYTES_MAX};

/// How a CID is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CidBase {
    /// Lower-case base32, the default of CIDv1 (`bafy…`).
    Base32,
    /// Lower-case base36, short enough for a DNS label (`k51…`).
    Base36,
    /// Bitcoin's base58 (`z…`; with no prefix for a CIDv0, `Qm…`).
    Base58,
}

/// A text is not a CID.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CidTextError {
    /// Longer than any CID.
    #[error("a text of `{0}` bytes is longer than any CID")]
    TooLong(usize),
    /// Not a CID.
    #[error("the text is not a CID; one looks like `bafybei…` or `Qm…`")]
    NotACid,
}

/// Bytes are not exactly one CID.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the bytes are not exactly one CID with a digest of at most 64 bytes")]
pub struct CidBytesError;

/// Reads a CIDv0 or a CIDv1 in any multibase.
pub fn parse_cid(text: &str) -> Result<Cid, CidTextError> {
    if text.len() > CID_TEXT_BYTES_MAX {
        return Err(CidTextError::TooLong(text.len()));
    }
    if text.len() == 46 && text.starts_with("Qm") {
        let bytes = Base::Base58Btc.decode(text).map_err(|_error| CidTextError::NotACid)?;
        return cid_from_bytes(&bytes).map_err(|_error| CidTextError::NotACid);
    }
    let (_, bytes) = multibase::decode(text).map_err(|_error| CidTextError::NotACid)?;
    let cid = cid_from_bytes(&bytes).map_err(|_error| CidTextError::NotACid)?;
    // A CIDv0 has no multibase form (CID specification, "decoding").
    if cid.version() == Version::V0 { Err(CidTextError::NotACid) } else { Ok(cid) }
}

/// Writes a CID; a CIDv0 is `Qm…` in base 58 and becomes a CIDv1 in every other base.
pub fn format_cid(cid: &Cid, base: CidBase) -> String {
    let base = match base {
        CidBase::Base58 if cid.version() == Version::V0 => return cid.to_string(),
        CidBase::Base58 => Base::Base58Btc,
        CidBase::Base36 => Base::Base36Lower,
        CidBase::Base32 => Base::Base32Lower,
    };
    let v1 = Cid::new_v1(cid.codec(), *cid.hash());
    multibase::encode(base, v1.to_bytes())
}

/// Reads a binary CID; nothing may follow it.
pub fn cid_from_bytes(bytes: &[u8]) -> Result<Cid, CidBytesError> {
    let (cid, rest) = take_cid(bytes)?;
    if rest.is_empty() { Ok(cid) } else { Err(CidBytesError) }
}

/// Reads a binary CID from the front of `bytes`; gives what follows it.
pub(crate) fn take_cid(bytes: &[u8]) -> Result<(Cid, &[u8]), CidBytesError> {
    let mut rest = bytes;
    let cid = Cid::read_bytes(&mut rest).map_err(|_error| CidBytesError)?;
    // The bytes must be the one form of this CID, or two texts would name one block: varints may be written
    // too long, and the decoder drops bits beyond the 64th.
    let mut form = [0; CID_BYTES_MAX];
    let written = cid.write_bytes(&mut form[..]).map_err(|_error| CidBytesError)?;
    let taken = &bytes[..bytes.len() - rest.len()];
    if taken == &form[..written] { Ok((cid, rest)) } else { Err(CidBytesError) }
}

#[cfg(test)]
mod tests {
    use super::{CidBase, CidTextError, cid_from_bytes, format_cid, parse_cid};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    const V0: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
    const V1: &str = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";

    #[test]
    fn both_versions_and_three_bases_are_read_and_written() {
        let v0 = parse_cid(V0).expect("a CIDv0");
        let v1 = parse_cid(V1).expect("a CIDv1");
        assert_eq!(format_cid(&v0, CidBase::Base58), V0);
        assert_eq!(format_cid(&v0, CidBase::Base32), V1);
        assert_eq!(v0.hash(), v1.hash());
        for base in [CidBase::Base32, CidBase::Base36, CidBase::Base58] {
            assert_eq!(parse_cid(&format_cid(&v1, base)), Ok(v1));
        }
        assert!(format_cid(&v1, CidBase::Base36).starts_with('k'));
    }

    #[test]
    fn what_is_no_cid_is_refused() {
        let long = "b".repeat(257);
        assert_eq!(parse_cid(&long), Err(CidTextError::TooLong(257)));
        let doubled = format!("{V1}a");
        let v0_with_base =
            multibase::encode(multibase::Base::Base58Btc, parse_cid(V0).expect("v0").to_bytes());
        for text in ["", "Qm", "bafy", "index.html", "/ipfs/bafy", &V0[..45], &doubled, &v0_with_base] {
            assert_eq!(parse_cid(text), Err(CidTextError::NotACid), "{text}");
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        let digest = [6, 61, 0, 0, 0, 97, 96];
        let hash_code = |last| [&[0xff; 9][..], &[last]].concat();
        let cid = |last| [&[1, 0x55][..], &hash_code(last), &digest].concat();
        let good = cid_from_bytes(&cid(0x01)).expect("64 bits are a hash code");
        assert_eq!(good.hash().code(), u64::MAX);
        // The same 64 bits, and one more.
        assert!(cid_from_bytes(&cid(0x03)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_the_same_bytes_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(cid) = cid_from_bytes(&bytes) {
                prop_assert_eq!(cid.to_bytes(), bytes);
            }
        }
    }
}
