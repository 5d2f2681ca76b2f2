//! Frames: where a message begins, what it is, and how long it may be.

use cid::Cid;

use crate::limits::{
    BLOCK_FRAME_BYTES_MAX, CID_BYTES_MAX, PEER_MESSAGE_BYTES_MAX, SHOWN_BYTES_MAX, SYNC_MESSAGE_BYTES_MAX,
    WANTS_BYTES_MAX,
};

/// Bytes before a frame's payload.
pub const FRAME_HEAD_BYTES: usize = 9;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $byte:literal, $max:expr;)*) => {
        /// What a frame is.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $byte,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Self; [$($byte),*].len()] = [$(Self::$name),*];

            /// The longest payload, in bytes.
            pub const fn bytes_max(self) -> usize {
                match self { $(Self::$name => $max,)* }
            }

            const fn of(byte: u8) -> Option<Self> {
                match byte { $($byte => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// [`super::Hello`].
    Hello = 0, PEER_MESSAGE_BYTES_MAX;
    /// Are you there?
    Ping = 1, 0;
    /// I am.
    Pong = 2, 0;
    /// [`super::Open`].
    Open = 3, PEER_MESSAGE_BYTES_MAX;
    /// [`super::Opened`].
    Opened = 4, PEER_MESSAGE_BYTES_MAX;
    /// There is no such core, or none for this peer, or not any more.
    NotFound = 5, 0;
    /// [`crate::sync::Message`].
    Sync = 6, SYNC_MESSAGE_BYTES_MAX;
    /// The core has changed here.
    News = 7, 0;
    /// [`super::Settled`].
    Settled = 8, PEER_MESSAGE_BYTES_MAX;
    /// [`super::Want`].
    Want = 9, WANTS_BYTES_MAX;
    /// A block that was asked for: its CID and its bytes.
    Block = 10, BLOCK_FRAME_BYTES_MAX;
    /// A block that was asked for is not here, or not for this peer: its CID.
    NotHere = 11, CID_BYTES_MAX;
    /// Nothing more on this channel.
    Close = 12, 0;
    /// [`super::Follow`].
    Follow = 13, PEER_MESSAGE_BYTES_MAX;
    /// [`super::Published`].
    Published = 14, PEER_MESSAGE_BYTES_MAX;
    /// [`super::Ask`].
    Ask = 15, PEER_MESSAGE_BYTES_MAX;
    /// [`super::Shown`].
    Shown = 16, SHOWN_BYTES_MAX;
}

/// What stands before a frame's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHead {
    /// Bytes of the payload.
    pub len: usize,
    /// The channel.
    pub channel: u32,
    /// The kind.
    pub kind: Kind,
}

/// Why bytes begin no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A kind that there is not.
    #[error("`{0}` is no kind of frame")]
    Kind(u8),
    /// Longer than its kind may be.
    #[error("a frame of kind {kind:?} with {len} bytes; it has {max} at most", max = .kind.bytes_max())]
    TooLong {
        /// The kind.
        kind: Kind,
        /// Bytes announced.
        len: u32,
    },
    /// A message of the connection on a channel, or one of a channel outside of any.
    #[error("a frame of kind {kind:?} on channel {channel}")]
    Channel {
        /// The kind.
        kind: Kind,
        /// The channel.
        channel: u32,
    },
    /// No CID where one must stand.
    #[error("a block without its CID")]
    Cid,
}

impl FrameHead {
    /// The bytes.
    pub fn encode(self) -> [u8; FRAME_HEAD_BYTES] {
        let mut bytes = [0; FRAME_HEAD_BYTES];
        let len = u32::try_from(self.len).expect("payloads are short");
        let (lens, rest) = bytes.split_at_mut(4);
        lens.copy_from_slice(&len.to_be_bytes());
        let (channels, kind) = rest.split_at_mut(4);
        channels.copy_from_slice(&self.channel.to_be_bytes());
        kind.fill(self.kind as u8);
        bytes
    }

    /// Reads what stands before a payload, and holds it to the limits of its kind.
    ///
    /// # Errors
    /// [`FrameError`] when no frame begins so: there is no way to find the next one.
    pub fn decode(bytes: &[u8; FRAME_HEAD_BYTES]) -> Result<Self, FrameError> {
        let [a, b, c, d, e, f, g, h, kind] = *bytes;
        let (len, channel) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let kind = Kind::of(kind).ok_or(FrameError::Kind(kind))?;
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        if size > kind.bytes_max() {
            return Err(FrameError::TooLong { kind, len });
        }
        let of_connection = matches!(kind, Kind::Hello | Kind::Ping | Kind::Pong);
        if of_connection != (channel == 0) {
            return Err(FrameError::Channel { kind, channel });
        }
        Ok(Self { len: size, channel, kind })
    }
}

/// The CID and the bytes of a block's payload; nothing is hashed here.
///
/// # Errors
/// [`FrameError::Cid`] when no CID stands before the bytes.
pub fn read_block(payload: &[u8]) -> Result<(Cid, &[u8]), FrameError> {
    let mut rest = payload;
    let cid = Cid::read_bytes(&mut rest).map_err(|_cause| FrameError::Cid)?;
    let len = payload.len() - rest.len();
    if len > CID_BYTES_MAX {
        return Err(FrameError::Cid);
    }
    Ok((cid, rest))
}
