//! Sealed content, and the keys that it is sealed to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Visibility;

/// Sealed content at a path.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SealedView {
    /// The path within the core's content.
    pub path: String,
    /// The CID of the sealed bytes.
    pub cid: String,
    /// How many they are.
    pub size: u64,
    /// Who may read them.
    pub visibility: Visibility,
    /// Their media type.
    pub media_type: String,
    /// The operation that put them there.
    pub op: String,
    /// Who can open them, and in which form they are, as dag-json (`spec/sealed.md`).
    pub encryption: serde_json::Value,
}

/// Public keys of a core's devices: a JSON Web Key Set (RFC 7517), with proofs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceKeySet {
    /// One for each device.
    pub keys: Vec<DeviceJwk>,
}

/// The key of a device as a JSON Web Key (RFC 8037).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceJwk {
    /// `OKP`.
    pub kty: String,
    /// `X25519`.
    pub crv: String,
    /// The key, in base64url.
    pub x: String,
    /// What its owner calls the device.
    pub kid: String,
    /// `enc`.
    #[serde(rename = "use")]
    pub purpose: String,
    /// `ECDH-ES+A256KW`.
    pub alg: String,
    /// Shows that the account itself published the key: no node has to be believed.
    pub proof: KeyProof,
}

/// The operation that published a key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyProof {
    /// The signed header, as a block in base64.
    pub signed: String,
    /// Its body, as a block in base64.
    pub body: String,
}
