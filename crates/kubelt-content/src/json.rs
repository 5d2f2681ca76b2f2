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
    check_depth(data)?;
    serde_ipld_dagjson::from_slice(data).map_err(JsonError::DecodeDag)
}

/// Writes dag-json in its canonical form.
pub(crate) fn encode_dag(value: &Ipld) -> Result<Bytes, JsonError> {
    serde_ipld_dagjson::to_vec(value).map(Bytes::from).map_err(JsonError::EncodeDag)
}

/// Reads plain json.
pub(crate) fn decode_plain(data: &[u8]) -> Result<Ipld, JsonError> {
    check_depth(data)?;
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

/// Brackets outside strings, counted before any decoder recurses.
fn check_depth(data: &[u8]) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in data {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > IPLD_DEPTH_MAX {
                    return Err(JsonError::TooDeep);
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
