//! The first blocks of an exported core: what is in the file.

use cid::Cid;
use kubelt_core::{BodyId, CoreId, DecodeError, OpId, codec};
use serde::{Deserialize, Serialize};

use crate::limits::{MANIFEST_BYTES_MAX, MANIFEST_PAGE_OPS};

/// What an exported core's file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format version, 1.
    pub v: u8,
    /// Always `kubelt-core`.
    pub kind: String,
    /// The core: the link to its genesis block.
    pub core: CoreId,
    /// Its heads; empty in a public export of a private core.
    pub heads: Vec<OpId>,
    /// Whether operations or bodies are withheld.
    pub partial: bool,
    /// Pages of operations.
    pub pages: Vec<Cid>,
}

/// Some operations, in the order of (`at`, id).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestPage {
    /// At most `MANIFEST_PAGE_OPS`.
    pub ops: Vec<ManifestOp>,
}

/// The blocks of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestOp {
    /// The signed header.
    pub signed: Cid,
    /// The body, unless withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyId>,
    /// The block of the login that the header names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Cid>,
}

/// Why a block is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not the block expected.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Another kind of file, or a later version.
    #[error("this CAR holds no exported core of a known version")]
    Kind,
}

const KIND: &str = "kubelt-core";

impl Manifest {
    /// The manifest of a core's file.
    pub(crate) fn new(core: CoreId, heads: Vec<OpId>, partial: bool, pages: Vec<Cid>) -> Self {
        Self { v: 1, kind: KIND.to_owned(), core, heads, partial, pages }
    }

    /// Reads a manifest block.
    ///
    /// # Errors
    /// [`ManifestError`] when it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = codec::decode(bytes, MANIFEST_BYTES_MAX, "manifest")?;
        if manifest.v == 1 && manifest.kind == KIND { Ok(manifest) } else { Err(ManifestError::Kind) }
    }
}

impl ManifestPage {
    /// Reads a page.
    ///
    /// # Errors
    /// [`ManifestError`] when it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let page: Self = codec::decode(bytes, MANIFEST_BYTES_MAX, "manifest page")?;
        if page.ops.len() <= MANIFEST_PAGE_OPS { Ok(page) } else { Err(ManifestError::Kind) }
    }
}

impl ManifestOp {
    /// The CIDs of its blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Cid> {
        [Some(self.signed), self.body.map(|body| body.cid()), self.login].into_iter().flatten()
    }
}
