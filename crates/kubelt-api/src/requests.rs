//! What waits for somebody: for others to agree, or for a signer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DraftView, OpPostEntry, PrincipalView, Visibility, WalletRequestView, Wish};

/// Asks others to agree to something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestRequest {
    /// What is to be done.
    pub act: Asked,
    /// What you say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For how many seconds it may be voted on; a week when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives_s: Option<u64>,
}

/// What others are to agree to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Asked {
    /// Give a path of content to a DAG that was uploaded.
    Publish {
        /// The path, without `content/`.
        path: String,
        /// The root.
        cid: String,
        /// Who is to read it.
        visibility: Visibility,
        /// Its media type, where it is not a directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
    /// Give a path of content to sealed bytes that were uploaded.
    Seal {
        /// The path, without `content/`.
        path: String,
        /// The entry, as dag-json.
        entry: serde_json::Value,
    },
    /// Clear a path of content.
    Unpublish {
        /// The path, without `content/`.
        path: String,
    },
    /// Anything that can be drafted. What takes several operations is several requests.
    Act(Wish),
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestStanding {
    /// Others must agree.
    Waiting,
    /// Enough agree: its proposer can finish it.
    Ready,
    /// So many are against it that there will never be enough.
    Rejected,
    /// Its time is over, or its authority is.
    Expired,
}

/// A vote on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoteView {
    /// Who.
    pub by: String,
    /// Yes or no.
    pub approve: bool,
    /// The operation.
    pub op: String,
}

/// Something that waits for others to agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestView {
    /// Its id: what votes on it name.
    pub id: String,
    /// Who wants it, and will have done it.
    pub by: String,
    /// What, in words: what a wallet shows to whoever votes.
    pub what: String,
    /// What its proposer says of it. Nobody has checked that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who must agree.
    pub to: PrincipalView,
    /// How many agree, the proposer among them.
    pub agree: usize,
    /// How it stands.
    pub standing: RequestStanding,
    /// Who has voted, and how.
    pub votes: Vec<VoteView>,
    /// Who has not.
    pub missing: Vec<String>,
    /// Whether the session can vote itself, without the wallet.
    pub session_may: bool,
    /// Until when it may be voted on (RFC 3339).
    pub expires: String,
    /// The authority to act by.
    pub auth: String,
    /// The body of the operation to be, base64 of dag-cbor.
    pub body: String,
}

/// Something that waits; `kind` says for what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Waiting {
    /// For others to agree. It is approved and rejected by votes.
    Vote(RequestView),
    /// For a signature that a program asked the core's wallet for. It is approved by that signature.
    Sign(WalletRequestView),
}

impl Waiting {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Vote(request) => &request.id,
            Self::Sign(request) => &request.id,
        }
    }

    /// Until when it waits (RFC 3339).
    pub fn expires(&self) -> &str {
        match self {
            Self::Vote(request) => &request.expires,
            Self::Sign(request) => &request.expires,
        }
    }
}

/// The requests that wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestList {
    /// Those that expire first come first.
    pub requests: Vec<Waiting>,
}

/// A vote that waits for a wallet. Check that it says what you want before you sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VoteDraftView {
    /// The operation's id.
    pub id: String,
    /// The header, base64 of dag-cbor.
    pub header: String,
    /// The body, base64 of dag-cbor.
    pub body: String,
    /// The text to sign. None where the vote would tell strangers what may be private: sign the typed data then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The same as EIP-712 typed data, for accounts that sign such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub typed_data: Option<serde_json::Value>,
    /// The challenge for `navigator.credentials.get`, base64url, where a passkey is to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey_challenge: Option<String>,
}

/// A request, and what the session's account could sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestDetail {
    /// The request.
    pub request: Waiting,
    /// A yes to sign; none where it is not for this account to vote, or nothing to vote on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<VoteDraftView>,
    /// A no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<VoteDraftView>,
}

/// Approves or rejects a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoteRequest {
    /// The vote that the account signed itself; without it the session votes, on what sessions may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vote: Option<OpPostEntry>,
    /// What a program asked for, to approve that: the signature, or the hash of the transaction that was sent; hex with `0x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// What became of a vote, or of a request that its proposer finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecidedView {
    /// How the request stands; absent where it is done or over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestView>,
    /// The operation that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// What the proposer's wallet has to sign to do it; posted to `/-/ops`, and then the request is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<DraftView>,
    /// What happens next, in words.
    pub next: String,
}
