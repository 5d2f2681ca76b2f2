//! The messages and their wire form: canonical dag-cbor, refused where a limit is not met.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    codec::{self, DecodeError},
    id::{CoreId, OpId},
    limits::{SYNC_IDS_MAX, SYNC_MESSAGE_BYTES_MAX, SYNC_RECON_BYTES_MAX, SYNC_WINDOW_OPS_MAX},
};

/// One message of a sync.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Message {
    /// The first word of each side.
    Hello {
        /// Which core.
        core: CoreId,
        /// Its heads here, sorted; the first [`SYNC_IDS_MAX`] of them.
        heads: Vec<OpId>,
        /// How many operations are here.
        count: u64,
        /// From the responder: whether it knows all heads of the initiator.
        knows: bool,
        /// From the initiator: whether it lacks bodies of operations that it has.
        wants: bool,
    },
    /// No such core, or none that the peer may know of.
    NotFound {
        /// Which core.
        core: CoreId,
    },
    /// A step of set reconciliation.
    Recon {
        /// As the reconciliation protocol writes them.
        bytes: ByteBuf,
    },
    /// What the initiator asks for.
    Want {
        /// Operations.
        ops: Vec<OpId>,
        /// Operations of which only the body is asked for.
        bodies: Vec<OpId>,
        /// Whether another such message follows.
        more: bool,
    },
    /// The first part of a window: signed operations, each after everything it follows.
    Headers {
        /// Signed operations, as blocks.
        ops: Vec<ByteBuf>,
        /// The logins they name and that were not sent before, as blocks.
        logins: Vec<ByteBuf>,
    },
    /// Bodies of the window's operations, or bodies asked for.
    Bodies {
        /// Bodies, as blocks.
        bodies: Vec<ByteBuf>,
        /// Whether the window ends here.
        last: bool,
    },
    /// One more window, please.
    Next,
    /// Everything has been sent.
    Sent,
    /// Everything has been received.
    Done {
        /// The heads now, sorted; the first [`SYNC_IDS_MAX`] of them.
        heads: Vec<OpId>,
    },
}

impl Message {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a message and checks its limits; the blocks in it are *not* checked here.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: Self = codec::decode(bytes, SYNC_MESSAGE_BYTES_MAX, "sync message")?;
        let refuse =
            |reason: &str| Err(DecodeError::Shape { what: "sync message", reason: reason.to_owned() });
        match &message {
            Self::Hello { heads, .. } | Self::Done { heads }
                if heads.len() > SYNC_IDS_MAX || !heads.is_sorted_by(|a, b| a < b) =>
            {
                return refuse("heads must be sorted, distinct and 8192 at most");
            }
            Self::Want { ops, bodies, .. } if ops.len() + bodies.len() > SYNC_IDS_MAX => {
                return refuse("8192 operations at most can be asked for at once");
            }
            Self::Headers { ops, logins } if ops.len().max(logins.len()) > SYNC_WINDOW_OPS_MAX => {
                return refuse("a window has 1024 operations at most");
            }
            Self::Bodies { bodies, .. } if bodies.len() > SYNC_WINDOW_OPS_MAX => {
                return refuse("a window has 1024 bodies at most");
            }
            Self::Recon { bytes } if bytes.len() > SYNC_RECON_BYTES_MAX => {
                return refuse("a step of reconciliation has 262144 bytes at most");
            }
            _ => {}
        }
        Ok(message)
    }
}
