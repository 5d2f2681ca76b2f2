//! dag-json through `serde_ipld_dagjson`, and plain json.

use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;
use thiserror::Error;

use crate::limits::{IPLD_DEPTH_MAX, LINKS_PER_BLOCK_MAX};

/// Why bytes are not JSON of the kind that a codec says.
#[derive(Debug, Error)]
pub enum JsonError {
    /// Nested deeper than [`IPLD_DEPTH_MAX`].
    #[error("the value is nested deeper than `{max}` levels", max = IPLD_DEPTH_MAX)]
    TooDeep,
    /// More than [`LINKS_PER_BLOCK_MAX`] links.
    #[error("the value has more than `{max}` links", max = LINKS_PER_BLOCK_MAX)]
    TooManyLinks,
    /// An integer outside of 64 bits, or no number at all.
    #[error("an integer is not between -2^63 and 2^64 - 1")]
    IntegerRange,
    /// Not dag-json.
    #[error("the text is not dag-json")]
    DecodeDag(#[source] serde_ipld_dagjson::DecodeError),
    /// No dag-json form.
    #[error("the value has no dag-json form")]
    EncodeDag(#[source] serde_ipld_dagjson::EncodeError),
    /// Not JSON, or no JSON form.
    #[error("the text is not JSON")]
    Plain(#[source] serde_json::Error),
    /// Links and bytes have no form in plain json.
    #[error("links and bytes have no form in plain json; use dag-json")]
    NotPlain,
}

/// Reads dag-json.
pub(crate) fn decode_dag(data: &[u8]) -> Result<Ipld, JsonError> {
    check_text(data)?;
    serde_ipld_dagjson::from_slice(data).map_err(JsonError::DecodeDag)
}

/// Writes dag-json in its canonical form.
pub(crate) fn encode_dag(value: &Ipld) -> Result<Bytes, JsonError> {
    serde_ipld_dagjson::to_vec(value).map(Bytes::from).map_err(JsonError::EncodeDag)
}

/// Reads plain json.
pub(crate) fn decode_plain(data: &[u8]) -> Result<Ipld, JsonError> {
    check_text(data)?;
    serde_json::from_slice(data).map_err(JsonError::Plain)
}

/// Writes plain json, keys sorted, no white space.
pub(crate) fn encode_plain(value: &Ipld) -> Result<Bytes, JsonError> {
    if value.iter().any(|part| matches!(part, Ipld::Link(_) | Ipld::Bytes(_))) {
        return Err(JsonError::NotPlain);
    }
    serde_json::to_vec(value).map(Bytes::from).map_err(JsonError::Plain)
}

/// The links of a dag-json value.
pub(crate) fn links(data: &[u8]) -> Result<Vec<Cid>, JsonError> {
    let value = decode_dag(data)?;
    let mut cids = Vec::new();
    value.references(&mut cids);
    if cids.len() > LINKS_PER_BLOCK_MAX { Err(JsonError::TooManyLinks) } else { Ok(cids) }
}

/// One pass before any decoder: nesting is bounded, and no integer is large enough to be read as a float.
fn check_text(data: &[u8]) -> Result<(), JsonError> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = data.get(at) {
        at += match byte {
            b'"' => string_len(&data[at..]),
            b'-' | b'0'..=b'9' => number_len(&data[at..])?,
            b'[' | b'{' if depth == IPLD_DEPTH_MAX => return Err(JsonError::TooDeep),
            b'[' | b'{' => {
                depth += 1;
                1
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
    }
    Ok(())
}

/// Bytes of the string at the front, quotes included; all bytes when it does not end.
fn string_len(data: &[u8]) -> usize {
    let mut escaped = true;
    for (index, &byte) in data.iter().enumerate() {
        match byte {
            // The opening quote is passed over like an escaped one.
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    data.len()
}

/// Bytes of the number at the front.
fn number_len(data: &[u8]) -> Result<usize, JsonError> {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = data.iter().position(|byte| !is_part(byte)).unwrap_or(data.len());
    let number = std::str::from_utf8(&data[..length]).unwrap_or_default();
    let is_integer = !number.contains(['.', 'e', 'E', '+']);
    if is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
        return Err(JsonError::IntegerRange);
    }
    Ok(length)
}

#[cfg(test)]
mod tests;
