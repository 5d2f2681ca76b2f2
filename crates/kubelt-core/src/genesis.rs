//! Genesis: the block whose CID is the core's id.

use serde::{Deserialize, Serialize};

use crate::{
    account::{Account, Principal},
    codec::{self, DecodeError},
    id::CoreId,
    limits::{GENESIS_BYTES_MAX, NAME_BYTES_MAX, NONCE_BYTES},
};

/// Version of every block of the log.
pub const VERSION: u8 = 1;

/// How a core begins.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Genesis {
    /// One account's own core. Its id follows from the account alone.
    Private {
        /// Its one signer, for ever.
        root: Account,
    },
    /// One user's core under a parent. Its id follows from the account and the parent.
    User {
        /// Its one signer.
        root: Account,
        /// The core above it.
        parent: CoreId,
    },
    /// A core of several signers.
    Shared {
        /// Who it begins with.
        root: Principal,
        /// The core above it, which must name it in turn.
        parent: Option<CoreId>,
        /// What its makers call it.
        name: String,
        /// Makes two cores of one name distinct.
        nonce: [u8; NONCE_BYTES],
    },
}

impl Genesis {
    /// The core's id.
    pub fn id(&self) -> CoreId {
        CoreId::of(&self.encode())
    }

    /// The canonical bytes of the genesis block.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a genesis block.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, GENESIS_BYTES_MAX, "genesis")
    }

    /// Who the core begins with.
    pub fn root(&self) -> Principal {
        match self {
            Self::Private { root } | Self::User { root, .. } => Principal::One(root.clone()),
            Self::Shared { root, .. } => root.clone(),
        }
    }

    /// The core above it.
    pub fn parent(&self) -> Option<CoreId> {
        match self {
            Self::Private { .. } => None,
            Self::User { parent, .. } => Some(*parent),
            Self::Shared { parent, .. } => *parent,
        }
    }

    /// Whether only its root may ever sign in to it.
    pub const fn is_private(&self) -> bool {
        matches!(self, Self::Private { .. })
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u8,
    kind: String,
    root: Principal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<CoreId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<serde_bytes::ByteArray<NONCE_BYTES>>,
}

impl From<Genesis> for Wire {
    fn from(genesis: Genesis) -> Self {
        let wire = |kind: &str, root| Self {
            v: VERSION,
            kind: kind.to_owned(),
            root,
            parent: None,
            name: None,
            nonce: None,
        };
        match genesis {
            Genesis::Private { root } => wire("private", Principal::One(root)),
            Genesis::User { root, parent } => {
                Self { parent: Some(parent), ..wire("user", Principal::One(root)) }
            }
            Genesis::Shared { root, parent, name, nonce } => {
                Self { parent, name: Some(name), nonce: Some(nonce.into()), ..wire("shared", root) }
            }
        }
    }
}

impl TryFrom<Wire> for Genesis {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        if wire.v != VERSION {
            return Err("unknown version");
        }
        match (wire.kind.as_str(), wire.root, wire.parent, wire.name, wire.nonce) {
            ("private", Principal::One(root), None, None, None) => Ok(Self::Private { root }),
            ("user", Principal::One(root), Some(parent), None, None) => Ok(Self::User { root, parent }),
            ("shared", root, parent, Some(name), Some(nonce)) => {
                let plain =
                    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
                if !plain {
                    return Err("the name must be 1 to 64 bytes without control characters");
                }
                if root.is_of_passkeys() {
                    return Err("passkeys alone cannot be the root of a shared core");
                }
                Ok(Self::Shared { root, parent, name, nonce: nonce.into_array() })
            }
            _ => Err("the fields do not fit the kind"),
        }
    }
}
