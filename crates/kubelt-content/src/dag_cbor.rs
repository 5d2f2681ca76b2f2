//! dag-cbor: values through `serde_ipld_dagcbor`, links by a scan that allocates nothing else.

use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;
use thiserror::Error;

use crate::cid_text::cid_from_bytes;
use crate::limits::{IPLD_DEPTH_MAX, LINKS_PER_BLOCK_MAX};

/// Why bytes are not dag-cbor.
#[derive(Debug, Error)]
pub enum CborError {
    /// The bytes end inside a value.
    #[error("the value is cut short")]
    Truncated,
    /// Bytes follow the value.
    #[error("bytes follow the value")]
    Trailing,
    /// A form that dag-cbor does not have: indefinite length, a long integer, a tag other than 42, a short float.
    #[error("byte `0x{0:02x}` begins no form that dag-cbor has")]
    Form(u8),
    /// A link that is not a CID.
    #[error("a link has no valid CID")]
    LinkCid,
    /// A map whose keys are not distinct strings in the order of length, then bytes.
    #[error("the keys of a map are not strings, or not in order, or not distinct")]
    MapKey,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// Nested deeper than [`IPLD_DEPTH_MAX`].
    #[error("the value is nested deeper than `{max}` levels", max = IPLD_DEPTH_MAX)]
    TooDeep,
    /// More than [`LINKS_PER_BLOCK_MAX`] links.
    #[error("the value has more than `{max}` links", max = LINKS_PER_BLOCK_MAX)]
    TooManyLinks,
    /// Refused by the decoder of values.
    #[error("the value is malformed")]
    Decode(#[source] serde_ipld_dagcbor::DecodeError<std::convert::Infallible>),
    /// The value has no dag-cbor form.
    #[error("the value has no dag-cbor form")]
    Encode(#[source] serde_ipld_dagcbor::EncodeError<std::collections::TryReserveError>),
}

/// Reads one value, the whole of `data`.
pub(crate) fn decode(data: &[u8]) -> Result<Ipld, CborError> {
    scan(data, |_| Ok(()))?;
    serde_ipld_dagcbor::from_slice(data).map_err(CborError::Decode)
}

/// Writes a value in its one form.
pub(crate) fn encode(value: &Ipld) -> Result<Bytes, CborError> {
    serde_ipld_dagcbor::to_vec(value).map(Bytes::from).map_err(CborError::Encode)
}

/// The links of one value in the order of its bytes.
pub(crate) fn links(data: &[u8]) -> Result<Vec<Cid>, CborError> {
    let mut cids = Vec::new();
    scan(data, |cid| {
        if cids.len() == LINKS_PER_BLOCK_MAX {
            return Err(CborError::TooManyLinks);
        }
        cids.push(cid);
        Ok(())
    })?;
    Ok(cids)
}

/// A list or map that is being read: what is left of it, and the last key of a map.
struct Open<'a> {
    left: u64,
    key: Option<&'a [u8]>,
    is_map: bool,
}

/// Walks over one value without recursion and checks every rule of dag-cbor.
fn scan(data: &[u8], mut each_link: impl FnMut(Cid) -> Result<(), CborError>) -> Result<(), CborError> {
    let mut input = Input(data);
    let mut open: Vec<Open<'_>> = Vec::new();
    loop {
        let first = input.peek()?;
        let (major, length) = input.head()?;
        match major {
            0 | 1 => {}
            2 => drop(input.take(length)?),
            3 => drop(text(input.take(length)?)?),
            4 | 5 => {
                // Every item takes a byte at least: a length that lies is seen before it is believed.
                if length > input.0.len() as u64 {
                    return Err(CborError::Truncated);
                }
                if open.len() == IPLD_DEPTH_MAX {
                    return Err(CborError::TooDeep);
                }
                open.push(Open { left: length, key: None, is_map: major == 5 });
            }
            6 if length == 42 => each_link(input.link()?)?,
            7 => input.simple(first, length)?,
            _ => return Err(CborError::Form(first)),
        }
        while open.last().is_some_and(|container| container.left == 0) {
            open.pop();
        }
        let Some(container) = open.last_mut() else { break };
        container.left -= 1;
        if container.is_map {
            let key = input.key()?;
            if container.key.is_some_and(|last| !in_order(last, key)) {
                return Err(CborError::MapKey);
            }
            container.key = Some(key);
        }
    }
    if input.0.is_empty() { Ok(()) } else { Err(CborError::Trailing) }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn peek(&self) -> Result<u8, CborError> {
        self.0.first().copied().ok_or(CborError::Truncated)
    }

    /// The major type and the argument, in its shortest form; floats keep their bits.
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let first = self.peek()?;
        self.0 = &self.0[1..];
        let (major, info) = (first >> 5, first & 0x1f);
        let (width, least) = match info {
            0..=23 => return Ok((major, u64::from(info))),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return Err(CborError::Form(first)),
        };
        let mut argument = 0_u64;
        for &byte in self.take(width)? {
            argument = argument << 8 | u64::from(byte);
        }
        // Tag 42 and integers alike must be short; a float is eight bytes always.
        if major != 7 && argument < least { Err(CborError::Form(first)) } else { Ok((major, argument)) }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let length = usize::try_from(length).map_err(|_error| CborError::Truncated)?;
        let (head, tail) = self.0.split_at_checked(length).ok_or(CborError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    fn link(&mut self) -> Result<Cid, CborError> {
        let (major, length) = self.head()?;
        if major != 2 {
            return Err(CborError::LinkCid);
        }
        match self.take(length)? {
            // The leading zero is the multibase prefix of binary.
            [0, cid @ ..] => cid_from_bytes(cid).map_err(|_error| CborError::LinkCid),
            _ => Err(CborError::LinkCid),
        }
    }

    fn key(&mut self) -> Result<&'a [u8], CborError> {
        let (major, length) = self.head()?;
        if major != 3 {
            return Err(CborError::MapKey);
        }
        text(self.take(length)?)
    }

    fn simple(&self, first: u8, argument: u64) -> Result<(), CborError> {
        match first & 0x1f {
            // false, true, null
            20..=22 => Ok(()),
            27 if f64::from_bits(argument).is_finite() => Ok(()),
            _ => Err(CborError::Form(first)),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&[u8], CborError> {
    std::str::from_utf8(bytes).map(str::as_bytes).map_err(|_error| CborError::Text)
}

fn in_order(first: &[u8], second: &[u8]) -> bool {
    (first.len(), first) < (second.len(), second)
}

#[cfg(test)]
mod tests;
