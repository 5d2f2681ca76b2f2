//! Sign-in and sessions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::PrincipalView;

/// Asks for a message to sign.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChallengeRequest {
    /// The account that signs: `0x…`, `solana:<cluster>:<address>` or `did:key:z…`.
    #[schema(example = "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")]
    pub account: String,
    /// What the session may do in the account's private core, such as `put content/**`; all that a session
    /// ever may when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abilities: Option<Vec<String>>,
    /// Other cores that the session is for: shared ones in which the account has a part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<CoreAbilities>,
    /// The `did:key` of a session key that the client holds. Without one the node holds a key for the
    /// session, which then lives 24 hours at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    /// How long the session is to live, in seconds; what is usual for such a one when absent (24 hours, or 7 days
    /// where the client holds its key). A session that may only `read` and `put` below `content` may live 366 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_seconds: Option<u64>,
    /// The id of a core to sign in through: the session is at home in your own core there then, which is made from that
    /// core's template at the first sign-in, and reaches nothing that does not lie in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// Heads of the core that it is at home in that the wallet's side knows; the sign-in then counts as a seal of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<String>,
}

/// What a session may do in one core.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CoreAbilities {
    /// The core's id.
    pub core: String,
    /// What the session may do there, such as `put content/**`. In a request all that the account may when absent, as far
    /// as the node may say that to whoever asks, and otherwise all that a session ever may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abilities: Option<Vec<String>>,
}

/// A message to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Challenge {
    /// The exact text to sign (EIP-4361 with a ReCap, ERC-5573).
    pub message: String,
    /// Its nonce, good once.
    pub nonce: String,
    /// When the nonce stops being good (RFC 3339).
    pub expires: String,
    /// The challenge for `navigator.credentials.get`, base64url, where the account is a passkey (`did:key:zDn…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey_challenge: Option<String>,
}

/// What a passkey answered, as `PublicKeyCredential.toJSON()` has it under `response`: base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyResponse {
    /// What the authenticator says.
    pub authenticator_data: String,
    /// What the browser says.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// The signature, DER.
    pub signature: String,
}

/// A signed message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The text, byte for byte as the challenge gave it.
    pub message: String,
    /// The signature, as hex with `0x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What a passkey answered, instead of a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<PasskeyResponse>,
}

/// A session has begun.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionCreated {
    /// The session's id: the CID of its sign-in.
    pub id: String,
    /// Bearer token (RFC 6750).
    pub token: String,
    /// The account that signed in.
    pub account: String,
    /// The id of the core that the session is at home in: its private core, or its own in the core that it signed in
    /// through.
    pub core: String,
    /// Where that core is on this node: `/@0x…`.
    pub path: String,
    /// Whether the core was created by this sign-in.
    pub created: bool,
    /// What the session was handed in other cores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<CoreAbilities>,
    /// The heirs of the private core: whoever of them claims it gets it unless it is refused in time. Where there are any,
    /// sign a `seal` now and then, as every sign-in by the command line does: a claim dated before it that it does not know
    /// is void.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heirs: Vec<crate::HeirView>,
    /// The id of the core that it signed in through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// What that core asks you to grant it in your own. It has nothing of it before your wallet has signed the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<AsksView>,
    /// When the session ends (RFC 3339).
    pub expires: String,
}

/// What a user is asked to grant, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AsksView {
    /// The root of the core that asks.
    pub to: PrincipalView,
    /// What it asks for, such as `read content/shared/**`.
    pub can: Vec<String>,
    /// The same in plain words.
    pub may: Vec<String>,
}

/// A session that stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// The session's id.
    pub id: String,
    /// When it began (RFC 3339).
    pub created: String,
    /// When it ends (RFC 3339).
    pub expires: String,
    /// Whether the node holds its key.
    pub held_by_node: bool,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Whether it was opened at another node, and is known by what it has done in the private core.
    #[serde(default)]
    pub elsewhere: bool,
    /// What it may do in the account's private core.
    #[serde(default)]
    pub abilities: Vec<String>,
    /// What it may do in other cores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<CoreAbilities>,
}

/// The sessions of an account on this node, and those at other nodes that have acted in its private core.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// Newest first.
    pub sessions: Vec<SessionView>,
}

/// Asks for a message that ends a session, to be signed by the wallet itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndChallengeRequest {
    /// The account.
    pub account: String,
    /// The id of the session to end.
    pub session: String,
    /// The id of the core that it signed in through, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// Ends a session with the wallet's signature.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndRequest {
    /// The nonce of the challenge.
    pub nonce: String,
    /// The signature over its message, as hex with `0x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What a passkey answered, instead of a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<PasskeyResponse>,
}

/// A session was ended, and something is left to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionEnded {
    /// Cores in which its key may still write, because the session that ended it does not cover them: end it once more by the
    /// wallet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Messages by which the wallet ends it in the other cores that it covers; each is answered like the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Challenge>,
}
