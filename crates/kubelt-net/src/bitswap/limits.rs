//! Limits of bitswap.

use std::time::Duration;

/// Wants of one peer that wait to be answered; beyond them it is told that the blocks are not here.
pub(crate) const WANTS_PER_PEER_MAX: usize = 4_096;
/// Wants of one peer that could not be met and are remembered, should the block be published.
pub(crate) const UNMET_PER_PEER_MAX: usize = 1_024;
/// The same of all peers together.
pub(crate) const UNMET_MAX: usize = 8_192;
/// Wants that are looked up at once for one peer.
pub(crate) const WANTS_PER_LOAD_MAX: usize = 64;
/// Bytes of blocks that are read at once for one peer.
pub(crate) const LOAD_BYTES_MAX: usize = 1 << 20;
/// Bytes of blocks at which a message is full; one block may have more.
pub(crate) const MESSAGE_BYTES_AIM: usize = 32 << 10;
/// Looks that run at once, for all peers.
pub(crate) const LOADS_MAX: usize = 4;
/// Bytes of one peer that wait to be written; then it is served no further.
pub(crate) const UNSENT_BYTES_MAX: usize = 4 << 20;
/// Bytes of messages that wait for one connection; then something is wrong with it.
pub(crate) const QUEUE_BYTES_MAX: usize = 16 << 20;
/// Messages that wait for one connection.
pub(crate) const QUEUE_MESSAGES_MAX: usize = 4_096;
/// Entries of a want list in one message that is sent.
pub(crate) const WANTS_PER_MESSAGE_MAX: usize = 1_024;

/// Streams of our own on one connection on which blocks go out.
pub(crate) const GIVING_STREAMS_MAX: usize = 4;
/// Streams that a peer may have open on one connection. Kubo opens one for each message, and many at once.
pub(crate) const STREAMS_MAX: usize = 256;
/// Bytes of larger messages that one connection is reading at once.
pub(crate) const READING_BYTES_MAX: usize = 8 << 20;
/// The same of all connections together.
pub(crate) const READING_BYTES_ALL_MAX: usize = 512 << 20;
/// A message up to this size is read in any case.
pub(crate) const SMALL_MESSAGE_BYTES: usize = 16 << 10;
/// A message that began must have come after so long, and a second later for each [`BYTES_PER_SECOND_MIN`] that have.
pub(crate) const MESSAGE_WAIT: Duration = Duration::from_secs(15);
/// What a peer must send at least, once it sends.
pub(crate) const BYTES_PER_SECOND_MIN: usize = 16 << 10;
/// How long a peer may take none of the bytes that are written to it.
pub(crate) const WRITE_WAIT: Duration = Duration::from_secs(30);
/// When our own stream is closed that nobody uses. Helia resets one on which nothing came for ten seconds, and what is
/// said on it next is lost, with all that the peer wants.
pub(crate) const OUTBOUND_IDLE: Duration = Duration::from_secs(5);
/// When a peer's stream is dropped that it does not use.
pub(crate) const INBOUND_IDLE: Duration = Duration::from_secs(300);
/// How often a connection looks at its clocks.
pub(crate) const HANDLER_TICK: Duration = Duration::from_secs(1);
/// Streams of our own on one connection that may fail before it counts as one without bitswap.
pub(crate) const STREAM_FAILURES_MAX: u32 = 3;

/// How often the engine looks at its clocks.
pub(crate) const TICK: Duration = Duration::from_millis(500);
/// How long a peer that was asked may send nothing before others are asked, in milliseconds.
pub(crate) const STALL_MS: u64 = 10_000;
/// How long a peer that was asked may send nothing before it is asked again, in milliseconds: others drop wants.
pub(crate) const NUDGE_MS: u64 = 2_000;
/// How long peers may take to say whether they have a block, in milliseconds.
pub(crate) const SEEK_MS: u64 = 5_000;
/// How long nobody is asked again for a block that nobody has, in milliseconds.
pub(crate) const SEEK_AGAIN_MS: u64 = 30_000;
/// Peers that are asked at once whether they have a block.
pub(crate) const SEEK_PEERS_MAX: usize = 64;
/// Blocks of one session for which everybody is asked at once, while it knows nobody who has others of it.
pub(crate) const SEEKS_ALONE_MAX: usize = 8;
/// The same while it does know somebody.
pub(crate) const SEEKS_MAX: usize = 64;
/// Peers of one session.
pub(crate) const MEMBERS_MAX: usize = 32;
/// Blocks that one peer is asked for at once.
pub(crate) const BLOCKS_PER_PEER_MAX: usize = 768;
/// Blocks that one peer is asked for at once however large they are.
pub(crate) const BLOCKS_PER_PEER_MIN: usize = 8;
/// Bytes that one peer is asked for at once, by the size of the blocks so far.
pub(crate) const ASKED_BYTES_PER_PEER_MAX: usize = 16 << 20;
/// A peer that was asked for all that it may be is asked again once this part of it has come.
pub(crate) const ASKED_AGAIN_PART: usize = 4;
/// Blocks that one session has asked for at once.
pub(crate) const BLOCKS_PER_SESSION_MAX: usize = 2_048;
/// How large blocks are taken to be before one came.
pub(crate) const BLOCK_BYTES_GUESS: usize = 256 << 10;
/// Sessions that are open at once.
pub(crate) const SESSIONS_MAX: usize = 256;
/// Blocks that one session wants at once.
pub(crate) const SESSION_WANTS_MAX: usize = 65_536;
/// Blocks that one peer may send late: as many as it is asked for at once, before and after it stalled.
pub(crate) const LATE_MAX: usize = 4 * BLOCKS_PER_PEER_MAX;
/// Blocks of which it is remembered that they were wanted a moment ago.
pub(crate) const RECENT_MAX: usize = 16_384;
/// Peers of which a bad score is remembered when they are gone.
pub(crate) const GRUDGES_MAX: usize = 1_024;
/// How long it is remembered, in milliseconds.
pub(crate) const GRUDGE_MS: u64 = 600_000;

/// The best score.
pub(crate) const SCORE_MAX: i32 = 50;
/// A peer with this score is asked for nothing, and its connection is closed.
pub(crate) const SCORE_BANNED: i32 = -100;
/// What a block costs that was never asked for, or bytes that are no block.
pub(crate) const SCORE_REFUSED: i32 = -20;
/// What it costs to be asked and send nothing.
pub(crate) const SCORE_STALL: i32 = -30;
/// What it costs to lack what one said to have.
pub(crate) const SCORE_LIED: i32 = -10;
