//! Ids of the log: CIDs of blocks, one type for each kind of block.

use std::{fmt, str::FromStr};

use cid::Cid;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::codec::{DAG_CBOR, SHA2_256, cid_of};

/// Why text or a CID is not an id of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a CIDv1 of a dag-cbor block hashed with sha2-256")]
pub struct IdError(pub String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id of a block with these canonical bytes.
            pub fn of(bytes: &[u8]) -> Self {
                Self::try_from(cid_of(bytes)).expect("cid_of yields dag-cbor and sha2-256")
            }

            /// The id with this sha2-256 digest.
            pub const fn from_digest(digest: [u8; 32]) -> Self {
                Self(digest)
            }

            /// The sha2-256 digest.
            pub const fn digest(&self) -> &[u8; 32] {
                &self.0
            }

            /// The id as a CIDv1.
            pub fn cid(&self) -> Cid {
                let hash = cid::multihash::Multihash::wrap(SHA2_256, &self.0).expect("32 bytes fit");
                Cid::new_v1(DAG_CBOR, hash)
            }
        }

        impl TryFrom<Cid> for $name {
            type Error = IdError;
            fn try_from(cid: Cid) -> Result<Self, IdError> {
                let refused = || IdError(cid.to_string());
                if cid.version() != cid::Version::V1 || cid.codec() != DAG_CBOR || cid.hash().code() != SHA2_256 {
                    return Err(refused());
                }
                Ok(Self(cid.hash().digest().try_into().map_err(|_cause| refused())?))
            }
        }

        impl From<$name> for Cid {
            fn from(id: $name) -> Self {
                id.cid()
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let cid = Cid::from_str(text).map_err(|_cause| IdError(text.to_owned()))?;
                Self::try_from(cid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.cid().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.cid().serialize(to)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::try_from(Cid::deserialize(from)?).map_err(D::Error::custom)
            }
        }
    };
}

id! {
    /// A core: the CID of its genesis block.
    CoreId
}
id! {
    /// An operation: the CID of its header, which leaves the signature out (ECDSA signatures are
    /// malleable).
    OpId
}
id! {
    /// A body block.
    BodyId
}
id! {
    /// A login: the hash of its message and scheme.
    LoginId
}

impl CoreId {
    /// The same link seen as an authority: an operation that acts by the root names the genesis as its
    /// `auth`.
    pub const fn as_root(&self) -> OpId {
        OpId::from_digest(self.0)
    }
}
