//! The little of protobuf that dag-pb and UnixFS use.

use thiserror::Error;

use crate::varint::{self, VarintError};

/// Why bytes are not protobuf.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProtobufError {
    /// A bad integer.
    #[error("an integer is malformed")]
    Integer(#[from] VarintError),
    /// A length beyond the end.
    #[error("a field is cut short")]
    Truncated,
    /// A wire type other than integer, bytes or 32 bits.
    #[error("wire type `{0}` is not used here")]
    WireType(u64),
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) value: Value<'a>,
}

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Field<'a> {
    /// Takes the next field; `None` at the end.
    pub(crate) fn take(bytes: &mut &'a [u8]) -> Result<Option<Self>, ProtobufError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let key = varint::take(bytes)?;
        let value = match key & 7 {
            0 => Value::Integer(varint::take(bytes)?),
            2 => {
                let length = varint::take(bytes)?;
                let length = usize::try_from(length).map_err(|_error| ProtobufError::Truncated)?;
                Value::Bytes(split(bytes, length)?)
            }
            5 => {
                let fixed = split(bytes, 4)?.try_into().expect("four bytes were taken");
                Value::Fixed32(u32::from_le_bytes(fixed))
            }
            other => return Err(ProtobufError::WireType(other)),
        };
        Ok(Some(Self { number: key >> 3, value }))
    }
}

/// Bytes that a field of `length` bytes takes with its header; field numbers here are below 16.
pub(crate) const fn bytes_len(length: usize) -> usize {
    1 + varint::len(length as u64) + length
}

/// Appends the header of a field of `length` bytes.
pub(crate) fn put_header(out: &mut Vec<u8>, number: u64, length: usize) {
    varint::put(out, number << 3 | 2);
    varint::put(out, length as u64);
}

/// Appends an integer field.
pub(crate) fn put_integer(out: &mut Vec<u8>, number: u64, value: u64) {
    varint::put(out, number << 3);
    varint::put(out, value);
}

/// Appends a field of 32 bits.
pub(crate) fn put_fixed32(out: &mut Vec<u8>, number: u64, value: u32) {
    varint::put(out, number << 3 | 5);
    out.extend_from_slice(&value.to_le_bytes());
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], ProtobufError> {
    let (head, tail) = bytes.split_at_checked(length).ok_or(ProtobufError::Truncated)?;
    *bytes = tail;
    Ok(head)
}
