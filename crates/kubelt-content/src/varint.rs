//! Unsigned LEB128 integers, minimal only, as protobuf, multiformats and CAR use them.

use thiserror::Error;

/// Why a varint was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end before the integer does.
    #[error("the integer is cut short")]
    Truncated,
    /// The integer has more than 64 bits.
    #[error("the integer has more than 64 bits")]
    TooLong,
    /// The integer could have been written with fewer bytes.
    #[error("the integer is not written in its shortest form")]
    NotMinimal,
}

/// Takes one integer from the front of `bytes`.
pub(crate) fn take(bytes: &mut &[u8]) -> Result<u64, VarintError> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate() {
        if index == 9 && byte > 1 {
            return Err(VarintError::TooLong);
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            if byte == 0 && index > 0 {
                return Err(VarintError::NotMinimal);
            }
            *bytes = &bytes[index + 1..];
            return Ok(value);
        }
    }
    Err(VarintError::Truncated)
}

/// How many bytes `value` takes.
pub(crate) const fn len(value: u64) -> usize {
    let bits = (u64::BITS - value.leading_zeros()) as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// Appends `value`.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::{VarintError, len, put, take};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn what_is_put_is_taken(value in any::<u64>(), shift in 0_u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put(&mut out, value);
            prop_assert_eq!(out.len(), len(value));
            let mut rest = out.as_slice();
            prop_assert_eq!(take(&mut rest), Ok(value));
            prop_assert_eq!(rest.len(), 0);
        }
    }

    #[test]
    fn bad_integers_are_refused() {
        assert_eq!(take(&mut &[][..]), Err(VarintError::Truncated));
        assert_eq!(take(&mut &[0x80][..]), Err(VarintError::Truncated));
        assert_eq!(take(&mut &[0x81, 0][..]), Err(VarintError::NotMinimal));
        assert_eq!(take(&mut &[0xff; 10][..]), Err(VarintError::TooLong));
        let two_to_the_64 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2];
        assert_eq!(take(&mut &two_to_the_64[..]), Err(VarintError::TooLong));
    }
}
