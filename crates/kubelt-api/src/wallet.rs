//! What waits to be signed, at the wallet face of a core.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that a program asked a core's wallet to sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WalletRequestView {
    /// Its id.
    pub id: String,
    /// The account that is to sign.
    pub account: String,
    /// What was called: `personal_sign`, `eth_signTypedData_v4`, `eth_sendTransaction`.
    pub method: String,
    /// What it was called with.
    pub params: serde_json::Value,
    /// Until when it waits (RFC 3339).
    pub expires: String,
}

/// What waits for the signers of a core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WalletRequestList {
    /// The oldest first.
    pub requests: Vec<WalletRequestView>,
}

/// A signer's answer: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WalletRequestAnswer {
    /// The signature, or the hash of the transaction that was sent; hex with `0x`.
    Result(String),
    /// Why not.
    Reject(String),
}
