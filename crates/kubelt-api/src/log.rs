//! The log of a core.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Operations that a client made and signed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpPost {
    /// In any order; 1,000 at most.
    pub ops: Vec<OpPostEntry>,
}

/// One signed operation: its blocks as base64 (RFC 4648, standard alphabet, padded) of canonical dag-cbor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpPostEntry {
    /// The signed header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// Instead of it the header alone, as a draft gave it, and `signature` or `passkey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The signature of the header's account over the draft's text or its typed data, as hex with `0x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Which of the two was signed; the text when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<SignatureScheme>,
    /// What a passkey answered to the draft's `passkey_challenge`, instead of `signature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<crate::PasskeyResponse>,
    /// The body.
    pub body: String,
    /// The login that the header names, unless the node knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

/// What an account signed of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureScheme {
    /// Its text (`personal_sign`, for accounts of Ethereum).
    Text,
    /// Its typed data (`eth_signTypedData_v4`).
    TypedData,
}

/// What became of an operation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpReceipt {
    /// Its id.
    pub id: String,
    /// Whether it counts, as far as this node knows now.
    pub effective: bool,
}

/// What became of the operations, in the order posted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpReceipts {
    /// One for each.
    pub ops: Vec<OpReceipt>,
}

/// An operation of the log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpView {
    /// Its id: the CID of its header.
    pub id: String,
    /// Its date (RFC 3339).
    pub at: String,
    /// Who acted.
    pub by: String,
    /// The kind of act.
    pub verb: String,
    /// The path it writes, where the reader may know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether it counts.
    pub effective: bool,
    /// The signed header, base64 of dag-cbor.
    pub signed: String,
    /// The body, base64 of dag-cbor; absent where it is withheld from this reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The login it names, base64 of dag-cbor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

/// A page of the log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpsPage {
    /// The core's genesis, base64 of dag-cbor.
    pub genesis: String,
    /// Oldest first, or newest first with `order=desc`.
    pub ops: Vec<OpView>,
    /// Give it as `cursor` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
