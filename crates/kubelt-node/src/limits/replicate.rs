//! Limits of what cores and their content take that come from other nodes.

use std::time::Duration;

/// Connections that peers have opened for replication.
pub(crate) const PEER_LINKS_MAX: usize = 512;
/// Those that are greeted at once; the oldest gives way.
pub(crate) const PEER_GREETINGS_MAX: usize = 256;
/// How long one more of them waits for a place.
pub(crate) const PEER_PLACE_TIME: Duration = Duration::from_secs(1);
/// Those that one peer may have opened.
pub(crate) const PEER_LINKS_OF_PEER_MAX: usize = 8;
/// How long a connection that a peer has opened may be about no core.
pub(crate) const PEER_IDLE_MAX: Duration = Duration::from_secs(2 * 60);
/// After what time a peer hears that a core is not here, or not for it: looking must not be seen to take longer where
/// there is something.
pub(crate) const PEER_NOT_FOUND_AFTER: Duration = Duration::from_millis(100);
/// Cores that one connection is about at once.
pub(crate) const PEER_CHANNELS_MAX: usize = 1_024;
/// Those of them that are about one core; the oldest gives way.
pub(crate) const PEER_CHANNELS_OF_CORE_MAX: usize = 4;
/// Syncs of one connection that its other side has begun and that are answered at once; the others wait. What they may say
/// before the peer reads fits in what may wait to be written.
pub(crate) const PEER_SYNCS_MAX: usize = 6;
/// Frames of one channel that wait to be looked at.
pub(crate) const PEER_INCOMING_MAX: usize = 32;
/// KiB of frames of one connection that wait to be looked at; the connection is not read while there are more.
pub(crate) const PEER_IN_KIB_MAX: u32 = 16 * 1_024;
/// Blocks of one channel that are checked together: more would hold what the connection may hold, and it rest meanwhile.
pub(crate) const BLOCKS_TOGETHER_MAX: usize = 8;
/// How long a block waits for others to be checked with.
pub(crate) const BLOCKS_WAIT: Duration = Duration::from_millis(2);
/// Bytes of messages that wait to be written to one peer, beyond which it does not read.
pub(crate) const PEER_OUT_BYTES_MAX: usize = 32 * 1_024 * 1_024;
/// Bytes that are gathered before they are written, or read at once.
pub(crate) const PEER_BUFFER_BYTES: usize = 64 * 1_024;
/// How long a peer may take for its first word.
pub(crate) const PEER_HELLO_TIME: Duration = Duration::from_secs(10);
/// How long it may take to answer for a core.
pub(crate) const PEER_OPEN_TIME: Duration = Duration::from_secs(30);
/// How long one sync may take; what came until then stays, and the next one goes on from there.
pub(crate) const PEER_SYNC_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// How long a channel waits before it tries what a sync left out once more; twice as long after each time.
pub(crate) const PEER_LEFT_OUT_RETRY_MIN: Duration = Duration::from_secs(20);
/// The longest that it waits then.
pub(crate) const PEER_LEFT_OUT_RETRY_MAX: Duration = Duration::from_secs(10 * 60);
/// How often a silent connection is asked whether it is still there.
pub(crate) const PEER_PING_EVERY: Duration = Duration::from_secs(20);
/// How long a connection may be silent.
pub(crate) const PEER_SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long one frame may take, from its first byte to its last.
pub(crate) const PEER_FRAME_TIME: Duration = Duration::from_secs(2 * 60);
/// How long a peer may take to read anything at all.
pub(crate) const PEER_STALL_MAX: Duration = Duration::from_secs(60);
/// How long a peer is left alone after its first fault, in milliseconds; twice as long after each further one.
pub(crate) const PEER_STRIKE_MS: u64 = 30 * 1_000;
/// The longest that it is left alone, in milliseconds.
pub(crate) const PEER_STRIKE_MAX_MS: u64 = 24 * 60 * 60 * 1_000;
/// Peers whose faults are remembered before those are forgotten whose time is over.
pub(crate) const PEER_STRIKES_REMEMBERED_MAX: usize = 10_000;
/// Threads that check the signatures of one window of operations.
pub(crate) const INTAKE_THREADS_MAX: usize = 4;
/// How long a block of a core may take to come before another peer is asked for it.
pub(crate) const CLAIM_TIME_MAX: Duration = Duration::from_secs(3);
/// How often a fetch looks whether blocks have come that others were asked for.
pub(crate) const CLAIM_LOOK: Duration = Duration::from_millis(50);
/// How often blocks that came are made durable because another fetch waits for them.
pub(crate) const CLAIM_STORE_EVERY: Duration = Duration::from_millis(200);
/// Blocks that came after which they are made durable, so that claims on them end.
pub(crate) const FETCH_UNSTORED_MAX: usize = 4_096;
/// Items that a fetch looks at before others get their turn.
pub(crate) const FETCH_STEP_ITEMS: usize = 1_024;
/// Bytes that all fetches from peers together may hold of what they have to look at, and have looked at.
pub(crate) const FETCH_ROOM_BYTES_MAX: usize = 384 << 20;
/// Of them, those of one core over one connection.
pub(crate) const FETCH_ROOM_OF_ONE_BYTES_MAX: usize = 128 << 20;
/// So much of it every fetch may hold, whatever the others do.
pub(crate) const FETCH_ROOM_FREE_BYTES: usize = 4 << 10;
/// In steps of so many bytes it is taken.
pub(crate) const FETCH_ROOM_STEP_BYTES: usize = 1 << 20;
/// What a link that waits to be looked at takes, in bytes.
pub(crate) const FETCH_ITEM_BYTES: usize = 112;
/// What it takes to know that one was looked at, in bytes.
pub(crate) const FETCH_SEEN_BYTES: usize = 32;
/// How much of the processor's time a peer may owe before it waits.
pub(crate) const PEER_EFFORT_MAX: Duration = Duration::from_secs(10);
/// The same of all strangers together.
pub(crate) const STRANGERS_EFFORT_MAX: Duration = Duration::from_secs(30);
/// One part of so many of all time is a peer's: as it goes by, so much of what it owes is forgiven.
pub(crate) const PEER_EFFORT_SHARE: u32 = 2;
/// Bytes that pay for a microsecond: about as many are served in that.
pub(crate) const PEER_EFFORT_BYTES_PER_MICRO: u64 = 50;
/// What it counts to open a channel, beside what it takes.
pub(crate) const PEER_EFFORT_OF_OPEN: Duration = Duration::from_millis(1);
/// Peers whose accounts of that are kept.
pub(crate) const PEER_EFFORT_REMEMBERED_MAX: usize = 10_000;
/// Possessions that are stamped together.
pub(crate) const FETCH_TOUCHED_MAX: usize = 4_096;
/// Roots that are linked at once.
pub(crate) const FETCH_SETTLES_MAX: usize = 32;
/// Blocks that all of them together may have, where there is more than one: each is walked in memory.
pub(crate) const FETCH_SETTLE_BLOCKS_MAX: u64 = crate::limits::DAG_BLOCKS_MAX as u64;
/// As how many one counts at least that has blocks of others.
pub(crate) const FETCH_SETTLE_SHARING: u64 = FETCH_SETTLE_BLOCKS_MAX / 4;
/// How long roots all blocks of which have come wait for others to be linked with.
pub(crate) const FETCH_SETTLE_EVERY: Duration = Duration::from_millis(200);
