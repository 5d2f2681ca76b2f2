//! What programs ask a core's wallet to sign.

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
    /// What its owners sign, and how far they are, where the account is a Safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe: Option<SafeStandingView>,
}

/// How far the owners of a Safe are with what it is asked to sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SafeStandingView {
    /// What it does, in words.
    pub words: String,
    /// What each owner signs (`eth_signTypedData_v4`); the signature is the answer to the request.
    #[schema(value_type = Object)]
    pub typed_data: serde_json::Value,
    /// How many owners must sign.
    pub threshold: usize,
    /// The owners.
    pub owners: Vec<String>,
    /// Those who have signed.
    pub signed: Vec<String>,
    /// Of a transaction that enough have signed: what to send to the chain. Whoever sends it pays for its gas, and answers
    /// the request with the hash of what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execute: Option<SafeExecution>,
}

/// A call of a Safe that is ready to be sent, by anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SafeExecution {
    /// The chain (EIP-155 id).
    pub chain: u64,
    /// The Safe.
    pub to: String,
    /// The call, hex with `0x`.
    pub data: String,
}
