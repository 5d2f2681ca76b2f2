//! What two nodes say to each other while they replicate cores: frames, the messages in them, and the proof by which
//! one shows that it may have a core. Values only; the connection is in `kubelt-node`.
//!
//! ```text
//! frame   = payload bytes (u32) ‖ channel (u32) ‖ kind (u8) ‖ payload          numbers are big-endian
//! channel = 0 for the connection itself; one channel for each core, odd where the dialling side opened it
//! ```
//!
//! Both sides begin with [`Hello`]. Whoever opens a channel sends [`Open`] and hears [`Opened`] or "not found", which is
//! also what a core answers that it may not have. Then the messages of [`crate::sync`] make the logs equal, as often
//! as somebody has news; meanwhile each side asks for the blocks that it lacks by their CIDs ([`Want`]) and gets each
//! of them, or hears that it is not here. [`Settled`] says that a side has got all that a sync told it of.
//!
//! Whoever only mirrors what a core has published sends [`Follow`] instead, and hears [`Published`] each time that changes.

mod frame;
mod proof;
mod published;

pub use frame::{FRAME_HEAD_BYTES, FrameError, FrameHead, Kind, read_block};
pub use proof::{Proof, ProofError, Statement};
pub use published::{Ask, Follow, Published, Shown, ShownParts};

use cid::Cid;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    codec::{self, DecodeError},
    id::CoreId,
    limits::{PEER_MESSAGE_BYTES_MAX, SHOWN_BYTES_MAX, WANTS_BYTES_MAX, WANTS_MAX},
};

/// The version of the protocol that this crate speaks.
pub const PEER_VERSION: u8 = 2;

/// The first version that knows [`Follow`].
pub const FOLLOW_VERSION: u8 = 2;

/// The first word of each side.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The newest version that it speaks; both speak the lower one.
    pub v: u8,
    /// Fresh random bytes, which proofs for this side must name.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 32],
}

/// Asks for a core.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Which.
    pub core: CoreId,
    /// Whether to tell of news until the channel is closed.
    pub live: bool,
    /// By what the core may be had; none where the core's own map names this node, or for what is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// The core is here, and this peer may have some of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Its genesis block.
    pub genesis: ByteBuf,
    /// Whether the peer may have everything.
    pub full: bool,
}

/// Asks for blocks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// Their CIDs.
    pub cids: Vec<Cid>,
}

/// All is here that a sync told of, or as much of it as could be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// Which sync of this channel, counted from 1.
    pub round: u64,
    /// Paths of content of which blocks are still missing.
    pub incomplete: u64,
}

macro_rules! messages {
    ($($name:ident $what:literal $max:ident;)*) => {$(
        impl $name {
            /// The canonical bytes.
            pub fn encode(&self) -> Vec<u8> {
                codec::encode(self)
            }

            /// Reads a message and checks its limits.
            ///
            /// # Errors
            /// [`DecodeError`] when it is not one.
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                codec::decode(bytes, $max, $what).and_then(Self::checked)
            }
        }
    )*};
}

messages! {
    Hello "hello" PEER_MESSAGE_BYTES_MAX;
    Open "open" PEER_MESSAGE_BYTES_MAX;
    Opened "opened" PEER_MESSAGE_BYTES_MAX;
    Want "want" WANTS_BYTES_MAX;
    Settled "settled" PEER_MESSAGE_BYTES_MAX;
    Follow "follow" PEER_MESSAGE_BYTES_MAX;
    Published "published" PEER_MESSAGE_BYTES_MAX;
    Ask "ask" PEER_MESSAGE_BYTES_MAX;
    Shown "shown" SHOWN_BYTES_MAX;
}

impl Hello {
    fn checked(self) -> Result<Self, DecodeError> {
        if self.v >= 1 { Ok(self) } else { Err(shape("hello", "version 0 was never spoken")) }
    }
}

impl Open {
    const fn checked(self) -> Result<Self, DecodeError> {
        Ok(self)
    }
}

impl Opened {
    const fn checked(self) -> Result<Self, DecodeError> {
        Ok(self)
    }
}

impl Want {
    fn checked(self) -> Result<Self, DecodeError> {
        if (1..=WANTS_MAX).contains(&self.cids.len()) {
            Ok(self)
        } else {
            Err(shape("want", "1 to 256 blocks are asked for at once"))
        }
    }
}

impl Settled {
    const fn checked(self) -> Result<Self, DecodeError> {
        Ok(self)
    }
}

fn shape(what: &'static str, reason: &str) -> DecodeError {
    DecodeError::Shape { what, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
