//! Names of the Ethereum Name Service (<https://docs.ens.domains>), as people write them and as contracts are asked for
//! them. Nothing here looks one up.
//!
//! A name is normalised before anything else (ENSIP-15), so that two names that are one to the service are one here, and
//! what only looks like another name is refused. Names end in `.eth`: all others belong to the DNS, also where the service
//! knows them.

use std::{fmt, str::FromStr};

use alloy_primitives::keccak256;

use crate::limits::{ENS_INPUT_BYTES_MAX, ENS_LABELS_MAX, ENS_NAME_BYTES_MAX};

/// What names end in.
const ENDING: &str = ".eth";

/// A normalised name that ends in `.eth`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnsName(String);

/// Why text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnsNameError {
    /// It does not end in `.eth`, or is nothing else.
    #[error("`{0}` is no ENS name; such a name ends in `.eth`")]
    Ending(String),
    /// ENSIP-15 refuses it.
    #[error("`{name}` is no ENS name (ENSIP-15): {why}")]
    Form {
        /// What was written.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Over [`ENS_NAME_BYTES_MAX`] bytes or [`ENS_LABELS_MAX`] labels.
    #[error("an ENS name has {ENS_NAME_BYTES_MAX} bytes and {ENS_LABELS_MAX} labels at most")]
    Long,
}

impl EnsName {
    /// Whether text is meant to be such a name: it ends in `.eth`, whatever its case.
    pub fn is_meant(text: &str) -> bool {
        let start = text.len().wrapping_sub(ENDING.len());
        text.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(ENDING))
    }

    /// The name as it is normalised.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash by which contracts know it (EIP-137).
    pub fn namehash(&self) -> [u8; 32] {
        self.nodes().next().unwrap_or_default()
    }

    /// The hashes of the name, of its parent, and so on up to `eth`.
    pub fn nodes(&self) -> impl Iterator<Item = [u8; 32]> {
        let mut nodes = Vec::with_capacity(ENS_LABELS_MAX);
        let mut node = [0; 32];
        for label in self.0.rsplit('.') {
            node = keccak256([node, keccak256(label).0].concat()).0;
            nodes.push(node);
        }
        nodes.into_iter().rev()
    }

    /// The name as the DNS writes names, which resolvers of whole branches take (ENSIP-10).
    pub fn dns_encoded(&self) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(self.0.len() + 2);
        for label in self.0.split('.') {
            encoded.push(u8::try_from(label.len()).expect("a name has 255 bytes at most"));
            encoded.extend_from_slice(label.as_bytes());
        }
        encoded.push(0);
        encoded
    }
}

/// Reads a name, and normalises it.
impl FromStr for EnsName {
    type Err = EnsNameError;

    fn from_str(text: &str) -> Result<Self, EnsNameError> {
        let short = || text.chars().take(64).flat_map(char::escape_default).collect();
        if !Self::is_meant(text) {
            return Err(EnsNameError::Ending(short()));
        }
        if text.len() > ENS_INPUT_BYTES_MAX {
            return Err(EnsNameError::Long);
        }
        let normalised = ens_normalize::normalize(text)
            .map_err(|error| EnsNameError::Form { name: short(), why: plain(error.message()) })?;
        if normalised.len() > ENS_NAME_BYTES_MAX || normalised.split('.').count() > ENS_LABELS_MAX {
            return Err(EnsNameError::Long);
        }
        // Normalising refuses empty labels, so that something stands before the ending.
        if !normalised.ends_with(ENDING) {
            return Err(EnsNameError::Ending(short()));
        }
        Ok(Self(normalised))
    }
}

/// Words about a name in plain ASCII, so that what looks like something else in it does not do so here: what is beyond is
/// written as `\u{…}`, and marks of direction are left out.
fn plain(words: &str) -> String {
    let mut plain = String::with_capacity(words.len());
    for c in words.chars().filter(|c| *c != '\u{200e}').take(256) {
        match c {
            ' '..='~' => plain.push(c),
            c => plain.extend(c.escape_unicode()),
        }
    }
    plain
}

impl fmt::Display for EnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
