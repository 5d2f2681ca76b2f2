//! What a node says to one that mirrors what a core has published.
//!
//! Strangers may have single operations of a core: those that decide what its public paths open now. Which these are
//! cannot be told from headers, since what replaces a public path may be private. So the node that is asked names them
//! ([`Published`]), as often as they change, and shows each that it is asked for ([`Shown`]).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::shape;
use crate::{
    codec::DecodeError,
    id::{CoreId, OpId},
    limits::{ASK_OPS_MAX, BODY_BYTES_MAX, LOGIN_BYTES_MAX, PUBLISHED_IDS_MAX, SIGNED_BYTES_MAX},
};

/// Asks for what a core has published to everybody, and for nothing else of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// Which.
    pub core: CoreId,
    /// Whether to tell of changes until the channel is closed.
    pub live: bool,
}

/// What is published now, as a change to what this channel was told before; the first is a change to nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Operations that decide what a public path opens, and did not before.
    pub open: Vec<OpId>,
    /// Those that do not any more: what they published is to be served no longer.
    pub closed: Vec<OpId>,
    /// Whether another such message belongs to the same change.
    pub more: bool,
}

/// Asks for operations that are open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Which.
    pub ops: Vec<OpId>,
}

/// The answer for one of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Which.
    pub op: OpId,
    /// Its blocks; none where it is not open any more.
    pub parts: Option<ShownParts>,
}

/// The blocks of an operation, as they are stored; nothing about them is checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownParts {
    /// Header and signature.
    pub signed: ByteBuf,
    /// The body.
    pub body: ByteBuf,
    /// The sign-in that it names, unless it was shown on this channel before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<ByteBuf>,
}

impl Follow {
    pub(super) const fn checked(self) -> Result<Self, DecodeError> {
        Ok(self)
    }
}

impl Published {
    pub(super) fn checked(self) -> Result<Self, DecodeError> {
        let count = self.open.len() + self.closed.len();
        if count <= PUBLISHED_IDS_MAX {
            Ok(self)
        } else {
            Err(shape("published", "1024 operations are named at once at most"))
        }
    }
}

impl Ask {
    pub(super) fn checked(self) -> Result<Self, DecodeError> {
        if (1..=ASK_OPS_MAX).contains(&self.ops.len()) {
            Ok(self)
        } else {
            Err(shape("ask", "1 to 64 operations are asked for at once"))
        }
    }
}

impl Shown {
    pub(super) fn checked(self) -> Result<Self, DecodeError> {
        let fits = self.parts.as_ref().is_none_or(|parts| {
            parts.signed.len() <= SIGNED_BYTES_MAX
                && parts.body.len() <= BODY_BYTES_MAX
                && parts.login.as_ref().is_none_or(|login| login.len() <= LOGIN_BYTES_MAX)
        });
        if fits { Ok(self) } else { Err(shape("shown", "a block is over its limit")) }
    }
}
