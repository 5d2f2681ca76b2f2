//! Limits of a node's use cases. Limits of the log's format are in `kubelt_core::limits`.

pub(crate) mod host_names;
pub(crate) mod mirrors;
mod replicate;

use std::time::Duration;

use kubelt_content::car::CarLimits;

pub(crate) use replicate::*;

/// How long a challenge may be answered.
pub(crate) const CHALLENGE_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long a contract wallet's may be: its owners may be several people.
pub(crate) const CONTRACT_CHALLENGE_LIFE: Duration = Duration::from_secs(60 * 60);
/// How long all chains together may take to answer what one request asks of contract wallets.
pub(crate) const CONTRACT_ANSWERS_TIME_MAX: Duration = Duration::from_secs(20);
/// How long what a program asks a wallet to sign waits for its signers.
pub(crate) const WALLET_REQUEST_LIFE: Duration = Duration::from_secs(10 * 60);
/// Of them, those of one core that wait at once.
pub(crate) const WALLET_REQUESTS_PER_CORE_MAX: usize = 32;
/// Of them, those of all cores.
pub(crate) const WALLET_REQUESTS_MAX: usize = 4_096;
/// Transactions that a program may ask for at once.
pub(crate) const WALLET_CALLS_MAX: usize = 16;
/// Bundles of them that are remembered.
pub(crate) const WALLET_BUNDLES_KEPT_MAX: usize = 1_024;
/// Largest of them, in bytes of JSON.
pub(crate) const WALLET_REQUEST_BYTES_MAX: usize = 256 * 1_024;
/// Subscriptions to chains that a node has.
pub(crate) const FOLLOWERS_MAX: usize = 4_096;
/// How often a chain that somebody follows is asked for its newest block.
pub(crate) const FOLLOW_EVERY: Duration = Duration::from_secs(2);
/// The longest that is waited where nobody answers for it.
pub(crate) const FOLLOW_RETRY_MAX: Duration = Duration::from_secs(30);
/// Blocks between two rounds that are read one by one, and told of.
pub(crate) const FOLLOW_CATCH_UP_MAX: usize = 128;
/// Blocks that are remembered to tell that they are gone: the longest reorganisation that is followed.
pub(crate) const FOLLOWED_BLOCKS_MAX: usize = 256;
/// Bytes of their events, about; the oldest blocks give way.
pub(crate) const FOLLOWED_LOG_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Notices that wait for one client to read them.
pub(crate) const NOTICES_WAITING_MAX: usize = 1_024;
/// Challenges that wait for an answer; the oldest give way.
pub(crate) const CHALLENGES_MAX: usize = 100_000;
/// Sign-ins at other nodes that a list of sessions shows.
pub(crate) const SIGN_INS_SHOWN_MAX: usize = 100;
/// Sessions of one account that stand at once.
pub(crate) const SESSIONS_PER_ACCOUNT_MAX: usize = 100;
/// Longest wait of an heir that this node drafts, in milliseconds: 100 years.
pub(crate) const HEIR_WAIT_MS_MAX: u64 = 36_525 * 24 * 60 * 60 * 1_000;
/// Open requests of one account in one core.
pub(crate) const REQUESTS_PER_ACCOUNT_MAX: usize = 32;
/// Requests of one core that are looked at together.
pub(crate) const REQUESTS_READ_MAX: usize = 4_096;
/// Cores whose requests are looked at in one step.
pub(crate) const REQUESTS_LOOKS_MAX: usize = 64;
/// The longest that passes until it is looked whether a request is over.
pub(crate) const REQUESTS_LOOK_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long a request may be voted on, unless its maker says otherwise.
pub(crate) const REQUEST_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Shortest life of a request.
pub(crate) const REQUEST_LIFE_MIN: Duration = Duration::from_secs(60);
/// Longest life of a request.
pub(crate) const REQUEST_LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Sessions kept decoded in memory.
pub(crate) const SESSIONS_CACHED_MAX: usize = 10_000;
/// How long a session lives whose key the client holds, unless it asks for less.
pub(crate) const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a session lives whose key the node holds.
pub(crate) const HELD_SESSION_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Operations that one transaction takes in together.
pub(crate) const BATCH_OPS_MAX: usize = 1_024;
/// Bytes at which a transaction of operations takes in no more of them, and of what they make effective or void; one
/// more of each fits into a transaction of the store then.
pub(crate) const BATCH_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Operations that one transaction makes effective or void, beside those that it takes in.
pub(crate) const EFFECTS_MAX: usize = 8_192;
/// So many of a core's heads only what joins others, or ends a sign-in or a grant, may still make.
pub(crate) const HEADS_RESERVED: usize = 512;
/// Operations of all logs kept in memory; the longest unused logs give way.
pub(crate) const CACHED_OPS_MAX: usize = 2_000_000;
/// Cores of which it is kept in memory which ones lie above them; and children, of which their names are.
pub(crate) const KIN_CACHED_MAX: usize = 100_000;
/// Names of one child in its parent's map that are looked at.
pub(crate) const NAMES_PER_CHILD_MAX: usize = 16;
/// Cores whose gates are kept in memory.
pub(crate) const GATES_CACHED_MAX: usize = 10_000;
/// Gates of one core that count, in the order of their names.
pub(crate) const GATES_PER_CORE_MAX: usize = 256;
/// What was found at gates that is remembered, for all accounts.
pub(crate) const GATE_TRIALS_KEPT_MAX: usize = 100_000;
/// Accounts about which chains are asked in one minute, once for each gate.
pub(crate) const GATE_TRIALS_PER_MINUTE_MAX: usize = 6_000;
/// The same for one account.
pub(crate) const GATE_TRIALS_PER_ACCOUNT_MAX: usize = 120;
/// How long it holds that nobody knows, in milliseconds: a chain may answer again in a moment.
pub(crate) const GATE_UNKNOWN_KEPT_MS: u64 = 2_000;
/// Cores whose exposure is kept in memory.
pub(crate) const EXPOSURES_CACHED_MAX: usize = 100_000;
/// Logs kept in memory.
pub(crate) const CACHED_LOGS_MAX: usize = 4_096;
/// Blocks' bytes gathered into one transaction while content is taken in.
pub(crate) const IMPORT_BATCH_BYTES: usize = 4 * 1_024 * 1_024;
/// Leaves hashed at once for one upload.
pub(crate) const HASH_LANES_MAX: usize = 4;
/// Blocks of one DAG that a path may name.
pub(crate) const DAG_BLOCKS_MAX: usize = 2_000_000;
/// Missing blocks of a DAG that are named when it is refused.
pub(crate) const MISSING_TOLD_MAX: usize = 10;
/// Links written in one transaction when a DAG is linked.
pub(crate) const LINKS_PER_COMMIT: usize = 100_000;
/// What a note that a root reaches a block costs of its core's quota of bytes, beyond one for each block. Such notes
/// stand in the index, once for the core and, where the root is public, once for everybody.
pub(crate) const REACH_NOTE_BYTES: u64 = 128;
/// Possessions looked at for one account of what a core's content costs.
pub(crate) const USAGE_BLOCKS_MAX: usize = 200_000;
/// Such accounts that are made at once.
pub(crate) const USAGE_SCANS_MAX: usize = 1;
/// Blocks of a removed root looked at to say what becomes of them.
pub(crate) const REMOVED_BLOCKS_MAX: usize = 4_096;
/// Paths that still keep a removed root which are counted.
pub(crate) const REMOVED_PATHS_MAX: usize = 1_000;
/// Operations that one exported core may hold to be imported in one piece.
pub(crate) const IMPORT_OPS_MAX: usize = 1_000_000;
/// Bytes of blocks that are read to say what the entries of one page of a listing are; the last of them may go over it.
pub(crate) const LISTING_BYTES_MAX: u64 = 8 * 1_024 * 1_024;
/// Roots looked at before a block counts as not published.
pub(crate) const ROOTS_PER_BLOCK_MAX: usize = 1_000;
/// Behind how many closed names and roots an open one must lie to be remembered for its block.
pub(crate) const OPENINGS_WORTH_REMEMBERING: usize = 16;
/// Blocks of which an open root is remembered.
pub(crate) const OPENINGS_REMEMBERED_MAX: usize = 10_000;
/// Names of one root looked at before it counts as not visible: of all cores together where strangers ask, of one
/// core where its own people do.
pub(crate) const NAMES_PER_ROOT_MAX: usize = 8_192;
/// Public names of one root in one core looked at for strangers.
pub(crate) const NAMES_PER_CORE_MAX: usize = 64;
/// Uploads taken in at once; each holds a few batches of [`IMPORT_BATCH_BYTES`] in memory at most.
pub(crate) const UPLOADS_MAX: usize = 32;
/// Commits of one upload that wait for the disk at once. While the store syncs some of them together, the
/// next ones gather, so that neither waits for the other; all of them must fit into the store's queue.
pub(crate) const COMMITS_IN_FLIGHT_MAX: usize = 6;
/// Operations in one page of an exported core's manifest.
pub(crate) const MANIFEST_PAGE_OPS: usize = 4_096;
/// Largest block of a manifest, in bytes.
pub(crate) const MANIFEST_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// KiB of logs that all imports together hold in memory: one of the largest, or many small ones.
pub(crate) const IMPORTS_KIB_MAX: usize = 1_024 * 1_024;
/// Largest log that one exported core may hold to be imported, in bytes.
pub(crate) const IMPORT_LOG_BYTES_MAX: usize = 1_024 * 1_024 * 1_024;
/// Bytes of memory that what a manifest lists takes, by operation and by block.
pub(crate) const IMPORT_ENTRY_BYTES: usize = 160;
/// What one CAR may hold; a core's quota bounds what it may keep of it.
pub(crate) const CAR: CarLimits = CarLimits { blocks_max: 50_000_000, payload_bytes_max: 1 << 40 };
/// What a block costs in a transaction beyond its own bytes, at most, in bytes: many small ones must not make
/// one that is too large.
pub(crate) const BLOCK_RECORD_BYTES: usize = 512;
/// How long a worker waits after a step that failed; twice as long after each further one.
pub(crate) const WORKER_RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest that it waits then.
pub(crate) const WORKER_RETRY_MAX: Duration = Duration::from_secs(5 * 60);
/// Longest name of a pin, in characters (Pinning Service API 1.0.0).
pub(crate) const PIN_NAME_CHARS_MAX: usize = 255;
/// Origins of one pin (Pinning Service API 1.0.0).
pub(crate) const PIN_ORIGINS_MAX: usize = 20;
/// Longest origin of a pin, in bytes.
pub(crate) const PIN_ORIGIN_BYTES_MAX: usize = 1_024;
/// Pairs of metadata of one pin (Pinning Service API 1.0.0).
pub(crate) const PIN_META_PAIRS_MAX: usize = 1_000;
/// Longest id of a pin, in bytes.
pub(crate) const PIN_ID_BYTES_MAX: usize = 128;
/// How long a pin waits for its blocks before it counts as failed. Blocks that come later make it whole all the same.
pub(crate) const PIN_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the node waits before it looks again for blocks of a pin that somebody asks about.
pub(crate) const PIN_RETRY: Duration = Duration::from_secs(5);
/// How long after nobody had its blocks a pin is looked for again by itself; twice as long after each further time.
pub(crate) const PIN_AGAIN_MIN: Duration = Duration::from_secs(60);
/// The longest that it waits then.
pub(crate) const PIN_AGAIN_MAX: Duration = Duration::from_secs(60 * 60);
/// Pins that wait for that; others are looked for when somebody asks about them.
pub(crate) const PIN_RETRIES_MAX: usize = 100_000;
/// Pins that are looked for again in one step.
pub(crate) const PIN_RETRIES_PER_STEP: usize = 64;
/// Cores whose pins are looked at in one step when the node starts.
pub(crate) const PIN_RETRY_CORES: usize = 256;
/// Pins whose blocks are looked for at once.
pub(crate) const PIN_TAKES_MAX: usize = 4;
/// Pins of one core whose blocks are looked for at once.
pub(crate) const PIN_TAKES_OF_CORE_MAX: usize = 2;
/// Pins of one core that wait for that; others are looked at when somebody asks about them, or when blocks come.
pub(crate) const PIN_WAITING_OF_CORE_MAX: usize = 1_000;
/// Pins whose last look for blocks is remembered, those that wait for one among them.
pub(crate) const PIN_TAKES_REMEMBERED_MAX: usize = 10_000;
/// Missing blocks of a pin looked for at once.
pub(crate) const PIN_MISSING_MAX: usize = 10_000;
/// Pins that an upload looks at before it is answered; others are looked at behind its back.
pub(crate) const PINS_PER_ARRIVAL_MAX: usize = 100;
/// Times that a DAG is walked in one look for its blocks.
pub(crate) const PIN_ROUNDS_MAX: usize = 100;
/// Cores of which the date of the newest pin is kept in memory.
pub(crate) const PIN_CORES_CACHED_MAX: usize = 100_000;
/// Records of foreign IPNS names that a node keeps.
pub(crate) const IPNS_RECORDS_MAX: usize = 100_000;
/// Bytes of all of them.
pub(crate) const IPNS_BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// How often the records of all cores are looked at, and expired ones of others forgotten.
pub(crate) const IPNS_ROUND_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long a record of a core's own name is valid.
pub(crate) const OWN_RECORD_LIFE: Duration = Duration::from_secs(48 * 60 * 60);
/// With how much of that left it is renewed.
pub(crate) const OWN_RECORD_RENEWED_WITH: Duration = Duration::from_secs(24 * 60 * 60);
/// How long readers may keep it.
pub(crate) const OWN_RECORD_TTL: Duration = Duration::from_secs(5 * 60);
/// How often a public root is built anew while its core is written to; the last time with its writers held up.
pub(crate) const OWN_REBUILDS_MAX: usize = 4;
/// Public roots that the worker builds in one step.
pub(crate) const OWN_REBUILDS_PER_STEP: usize = 16;
/// The longest that the worker rests after a step; it rests four times as long as it worked.
pub(crate) const OWN_REBUILD_REST_MAX: Duration = Duration::from_secs(5);
/// Entries of a public root, in all its directories.
pub(crate) const PUBLIC_ROOT_ENTRIES_MAX: usize = 1_000_000;
/// Names that one name may lead over (IPNS specification and Kubo: 32).
pub(crate) const NAME_STEPS_MAX: usize = 32;
/// Segments of a content path that a name leads to.
pub(crate) const CONTENT_PATH_SEGMENTS_MAX: usize = 256;
/// DNS names whose DNSLinks are kept in memory.
pub(crate) const DNSLINKS_CACHED_MAX: usize = 10_000;
/// DNS lookups at once.
pub(crate) const LOOKUPS_MAX: usize = 64;
/// The shortest and the longest that a DNSLink is kept, whatever its TTL.
pub(crate) const DNSLINK_TTL_MIN: Duration = Duration::from_secs(10);
/// See [`DNSLINK_TTL_MIN`].
pub(crate) const DNSLINK_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is kept that a name has none, where the DNS does not say.
pub(crate) const DNSLINK_TTL_NONE: Duration = Duration::from_secs(60);
/// How long blocks stay that were brought or asked for and that no path reaches, in milliseconds; so long may an
/// interrupted upload rest.
pub(crate) const GRACE_MS: u64 = 60 * 60 * 1_000;
/// How long a running export keeps what was unpublished since it began, in milliseconds; slower ones end where a block is
/// gone.
pub(crate) const EXPORT_HOLD_MS: u64 = 60 * 60 * 1_000;
/// How long a root that an export holds waits until it is looked at again, in milliseconds.
pub(crate) const HELD_LOOK_MS: u64 = 15 * 1_000;
/// How long after a public name is written its public index is looked at again, in milliseconds.
pub(crate) const SHOW_AGAIN_MS: u64 = 60 * 1_000;
pub(crate) use kubelt_core::limits::VERSIONS_KEPT_MAX;
/// Blocks that one transaction of the collector takes: writers may wait for it, about 5 µs for each block.
pub(crate) const COLLECT_BLOCKS: usize = 64;
/// Blocks that the collector looks at in one go, and takes in many transactions.
pub(crate) const LOOK_BLOCKS: usize = 1_024;
/// Possessions that one step of a sweep looks at.
pub(crate) const SWEEP_BLOCKS: usize = 4_096;
/// Paths whose versions one step looks at.
pub(crate) const VERSIONS_PAGE: usize = 256;
/// The longest that the collector rests before it looks at its queue.
pub(crate) const COLLECTOR_REST: Duration = Duration::from_secs(1);
/// Nodes that one core is exchanged with.
pub(crate) const REMOTES_PER_CORE_MAX: usize = 64;
/// Largest row of a remote, in bytes.
pub(crate) const REMOTE_NODE_BYTES_MAX: usize = 16 * 1_024;
/// Sign-ins that are remembered as having added one remote.
pub(crate) const REMOTE_LOGINS_MAX: usize = 8;
/// How long a connection to a remote may take.
pub(crate) const REMOTE_DIAL_TIME: Duration = Duration::from_secs(20);
/// How long somebody waits for an exchange that they asked for; it goes on behind their back.
pub(crate) const REMOTE_WAIT: Duration = Duration::from_secs(15);
/// How long a node waits before it connects again to a remote; twice as long after each time.
pub(crate) const REMOTE_NODE_RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest that it waits then.
pub(crate) const REMOTE_NODE_RETRY_MAX: Duration = Duration::from_secs(5 * 60);
/// The longest that it waits before it connects again to a host that it never reached, or not for long.
pub(crate) const REMOTE_UNPROVEN_RETRY_MAX: Duration = Duration::from_secs(60 * 60);
/// How often it tries to reach a host that only a core's map names, and that it never reached.
pub(crate) const REMOTE_UNPROVEN_TRIES_MAX: u32 = 24;
/// How long after it was lost a host counts as one that is likely to be back soon, in milliseconds.
pub(crate) const REMOTE_LOST_MS: u64 = 24 * 60 * 60 * 1_000;
/// Pauses up to which a host is called at once where copies of a core are missing.
pub(crate) const REMOTE_HURRY_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Hosts of one core that are connected to because its map names them.
pub(crate) const REMOTE_HOSTS_OF_CORE_MAX: usize = 16;
/// Remotes of all cores together that are kept up.
pub(crate) const REMOTES_MAX: usize = 16_384;
/// Connections to them that are being made at once.
pub(crate) const REMOTE_DIALS_MAX: usize = 64;
/// Of them, those to hosts that were never reached.
pub(crate) const REMOTE_DIALS_UNPROVEN_MAX: usize = 32;
/// Of them, those for one core.
pub(crate) const REMOTE_DIALS_OF_CORE_MAX: usize = 4;
/// How often the replicator looks whether it has missed something.
pub(crate) const REPLICATOR_LOOK: Duration = Duration::from_secs(5 * 60);
/// Addresses at which a core is looked for that a name or the DHT gave.
pub(crate) const FIND_HOSTS_MAX: usize = 8;
/// How long the DHT is asked who has a core.
pub(crate) const FIND_TIME_MAX: Duration = Duration::from_secs(15);
/// How often it looks whether there are as many copies as cores ask for, where any does.
pub(crate) const COPIES_LOOK: Duration = Duration::from_secs(10);
/// How long a node counts as a copy that had everything and is not connected any more, in milliseconds.
pub(crate) const COPY_AWAY_MAX_MS: u64 = 2 * 60 * 1_000;
/// Nodes that may bring cores to this one.
pub(crate) const CARRIED_FOR_MAX: usize = 1_024;
/// Cores that are being brought to this node at once.
pub(crate) const CARRYING_MAX: usize = 64;
/// Cores that it looks at in one step when the node starts.
pub(crate) const REPLICATOR_PAGE: usize = 1_024;
/// How often a DAG is walked while blocks of it are taken away.
pub(crate) const LINK_TRIES_MAX: usize = 4;
/// How often a root is put into the public index while the collector takes it out.
pub(crate) const SHOW_TRIES_MAX: usize = 16;
/// Jobs of the collector's queue that are counted.
pub(crate) const QUEUE_COUNTED_MAX: usize = 10_000;
/// Pinning services that one core delivers to.
pub(crate) const REMOTE_SERVICES_MAX: usize = 20;
/// Paths that one setting of them names.
pub(crate) const REMOTE_SETTING_PATHS_MAX: usize = 100;
/// Longest URL of a pinning service, in bytes.
pub(crate) const REMOTE_ENDPOINT_BYTES_MAX: usize = 1_024;
/// Longest access token, in bytes.
pub(crate) const REMOTE_TOKEN_BYTES_MAX: usize = 4 * 1_024;
/// Public entries that are delivered to one service; those that sort behind them are not.
pub(crate) const REMOTE_PATHS_MAX: usize = 10_000;
/// Largest record of how far a path is at a service, in bytes.
pub(crate) const REMOTE_ROW_BYTES_MAX: usize = 8 * 1_024;
/// Longest id of a pin at a service, in bytes.
pub(crate) const REMOTE_ID_BYTES_MAX: usize = 512;
/// Longest reason of a service that is kept, in characters.
pub(crate) const REMOTE_REASON_CHARS_MAX: usize = 300;
/// Calls to one service in one step of the worker.
pub(crate) const REMOTE_CALLS_PER_STEP_MAX: usize = 20;
/// How often the worker looks what has changed.
pub(crate) const REMOTE_LOOK: Duration = Duration::from_secs(2);
/// How long the node waits before it asks a service again; twice as long after each time.
pub(crate) const REMOTE_RETRY_MIN: Duration = Duration::from_secs(2);
/// The longest that it waits then.
pub(crate) const REMOTE_RETRY_MAX: Duration = Duration::from_secs(60 * 60);
/// How long after it was found pinned the node asks whether content still is.
pub(crate) const REMOTE_RECHECK: Duration = Duration::from_secs(24 * 60 * 60);
/// Look-ups of names among other nodes at once.
pub(crate) const NAME_LOOKUPS_MAX: usize = 32;
/// Names of which it is remembered when they were last looked for.
pub(crate) const NAME_LOOKUPS_KEPT_MAX: usize = 100_000;
/// How long a name that nobody has is not looked for again.
pub(crate) const NAME_MISS_KEPT: Duration = Duration::from_secs(30);
/// The shortest time between two look-ups of a name, whatever its record says.
pub(crate) const NAME_TTL_MIN: Duration = Duration::from_secs(10);
/// The longest.
pub(crate) const NAME_TTL_MAX: Duration = Duration::from_secs(60 * 60);
/// How often a core's own record is given to others again, though it is the same.
pub(crate) const NAME_SPREAD_EVERY: Duration = Duration::from_secs(4 * 60 * 60);
/// Records given to others at once.
pub(crate) const NAMES_SPREAD_AT_ONCE: usize = 8;
/// How often it is looked for records that are to be given to others.
pub(crate) const NAME_SPREAD_ROUND: Duration = Duration::from_secs(10 * 60);
/// How long a record waits that nobody took.
pub(crate) const NAME_SPREAD_RETRY: Duration = Duration::from_secs(60);

/// DAGs that are fetched from elsewhere at once.
pub(crate) const FETCHES_MAX: usize = 16;
/// Bytes of one of them that are asked for, or came and wait to be stored.
pub(crate) const FETCH_BUDGET_BYTES: usize = 16 << 20;
/// Blocks of one of them that are wanted at once.
pub(crate) const FETCH_WANTS_MAX: usize = 2_048;
/// Blocks that are looked for on this node at once.
pub(crate) const FETCH_LOOK_BLOCKS: usize = 256;
/// How often a fetch looks at the clock, and whether it is wanted still.
pub(crate) const FETCH_TICK: Duration = Duration::from_millis(250);
/// How long those have who are asked first, before the next are asked, too.
pub(crate) const FETCH_HEAD_START: Duration = Duration::from_millis(250);
/// How long peers have that were just connected to because they are said to have something.
pub(crate) const FETCH_HINT_TIME: Duration = Duration::from_secs(5);
/// Blocks that wait for a look for peers who have them.
pub(crate) const FETCH_STARVED_LISTED_MAX: usize = 256;
/// How long nothing may come before gateways are asked for what peers were asked for.
pub(crate) const FETCH_QUIET: Duration = Duration::from_secs(1);
/// How long nothing may come before a fetch ends.
pub(crate) const FETCH_IDLE: Duration = Duration::from_secs(60);
/// The same where nobody who can be asked has any of the blocks.
pub(crate) const FETCH_STARVED_IDLE: Duration = Duration::from_secs(5);
/// How long one DAG may be fetched at a stretch.
pub(crate) const FETCH_TIME_MAX: Duration = Duration::from_secs(6 * 60 * 60);
/// How long a gateway that failed is asked after the others.
pub(crate) const FETCH_GATEWAY_REST: Duration = Duration::from_secs(30);
/// The same of one that gave other bytes than those asked for.
pub(crate) const FETCH_GATEWAY_LIED_REST: Duration = Duration::from_secs(10 * 60);
/// Hosts of a core that are asked for its content.
pub(crate) const FETCH_HOSTS_MAX: usize = 8;
/// Nodes that a request may have come through and is still fetched for.
pub(crate) const FETCH_HOPS_MAX: usize = 2;
/// Blocks that one of them is asked for at once over replication.
pub(crate) const FETCH_HOST_WANTS_MAX: usize = 16;
/// Hosts and providers over HTTP that are known to one search; each has a bit.
pub(crate) const FETCH_DOORS_MAX: usize = 8;
/// Failures in a row after which one of them is asked no more.
pub(crate) const FETCH_DOOR_FAILURES_MAX: u32 = 3;
/// Requests to them at once, for all that is fetched.
pub(crate) const FETCH_DOOR_CALLS_MAX: usize = 8;
/// CARs that are read at once, for all that is fetched.
pub(crate) const FETCH_CARS_MAX: usize = 4;
/// CARs that are asked for while one DAG is fetched.
pub(crate) const FETCH_CARS_OF_ONE_MAX: usize = 16;
/// Blocks of a CAR that are read before somebody takes them.
pub(crate) const FETCH_CAR_AHEAD_BLOCKS: usize = 4;
/// Requests to gateways at once, for all that is fetched.
pub(crate) const FETCH_GATEWAY_CALLS_MAX: usize = 8;
/// Looks for peers that have a block, at once for one DAG.
pub(crate) const FETCH_PROVIDER_LOOKUPS_MAX: usize = 4;
/// Bytes of blocks that are read for a peer without leaving the task that asks.
pub(crate) const INLINE_READ_BYTES_MAX: u64 = 64 << 10;
/// Pins of which the ways are remembered on which they came.
pub(crate) const PIN_WAYS_REMEMBERED_MAX: usize = 256;
/// Pins whose blocks are fetched from elsewhere, those that wait for their turn among them.
pub(crate) const PIN_FETCHES_MAX: usize = 1_000;
/// The same of one core.
pub(crate) const PIN_FETCHES_PER_CORE_MAX: usize = 50;
/// How long peers are looked for that have a block.
pub(crate) const FETCH_FIND_TIME_MAX: Duration = Duration::from_secs(20);
/// Peers that are connected to because they are said to have a block.
pub(crate) const FETCH_PROVIDERS_MAX: usize = 4;
/// Peers that are dialled for that.
pub(crate) const FETCH_PROVIDERS_TRIED_MAX: usize = 16;
/// Addresses of one of them that are dialled.
pub(crate) const FETCH_ADDRESSES_MAX: usize = 4;
/// Receipts that are made at once.
pub(crate) const RECEIPTS_MAX: usize = 8;
/// How long one way out is tried for a receipt.
pub(crate) const WAY_TIME_MAX: Duration = Duration::from_secs(20);
/// Hosts of a core that are tried for a receipt.
pub(crate) const RECEIPT_HOSTS_MAX: usize = 16;
/// Addresses at which a stranger is sent to a peer.
pub(crate) const STRANGER_ADDRESSES_MAX: usize = 4;

/// Readers that the node fetches for at once.
pub(crate) const READS_MAX: usize = 64;
/// The same of one account, or of one network where nobody is signed in.
pub(crate) const READS_OF_CLIENT_MAX: usize = 8;
/// How long one request may be fetched for, unless the settings say otherwise.
pub(crate) const READ_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// Bytes that come from others for one request, unless the settings say otherwise.
pub(crate) const READ_BYTES_MAX: u64 = 4 << 30;
/// Bytes of what was fetched for readers that stay in memory, unless the settings say otherwise.
pub(crate) const READ_CACHE_BYTES_MAX: usize = 64 << 20;
/// Bytes that wait for one reader, or that it may have to look at again.
pub(crate) const READ_HELD_BYTES_MAX: usize = 8 << 20;
/// Bytes that are asked for ahead of one reader.
pub(crate) const READ_AHEAD_BYTES: usize = 4 << 20;
/// Blocks that are asked for ahead of one reader.
pub(crate) const READ_AHEAD_BLOCKS_MAX: usize = 32;
/// Blocks whose links are remembered for that.
pub(crate) const READ_AHEAD_NODES_MAX: usize = 16;
/// Links of all of them.
pub(crate) const READ_AHEAD_LINKS_MAX: usize = 32_768;
/// Bytes that are asked of peers for one reader, or came and were not looked at.
pub(crate) const READ_BUDGET_BYTES: usize = 8 << 20;
/// Blocks that are wanted for one reader at once.
pub(crate) const READ_WANTS_MAX: usize = 64;
/// How long a reader waits while nothing comes.
pub(crate) const READ_IDLE: Duration = Duration::from_secs(30);
/// The same where nobody who can be asked has the block.
pub(crate) const READ_STARVED_IDLE: Duration = Duration::from_secs(2);
/// Shared cores that one account may bring to this node: each has a quota of its own.
pub(crate) const CORES_BROUGHT_MAX: usize = 64;
/// Cores in which an account has a part that are looked through for invites.
pub(crate) const PARTS_READ_MAX: usize = 256;
/// Names of other cores that are read of one core.
pub(crate) const CORE_NAMES_READ_MAX: usize = 1_000;
/// Operations of a log that is looked at in memory before its core is taken in.
pub(crate) const JOIN_OPS_MAX: usize = 100_000;
/// Bytes of the operations of such a log.
pub(crate) const JOIN_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Such logs at once.
pub(crate) const JOINS_MAX: usize = 4;
/// How long it may take until such a log is here.
pub(crate) const JOIN_TIME: Duration = Duration::from_secs(60);
/// Owners of a Safe that is a core's account.
pub(crate) const SAFE_OWNERS_MAX: usize = 64;
/// How long several calls of a Safe wait for its owners: nobody holds a connection open for them.
pub(crate) const SAFE_CALLS_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Wallets that are read of one core.
pub(crate) const LINKED_WALLETS_READ_MAX: usize = 16;
/// Links of wallets whose proof is known to be good.
pub(crate) const LINKS_KEPT_MAX: usize = 4_096;
/// How long it is taken for true where a name of the Ethereum Name Service leads, in milliseconds.
pub(crate) const ENS_KEPT_MS: u64 = 60_000;
/// How long it is taken for true that it leads nowhere.
pub(crate) const ENS_MISSING_KEPT_MS: u64 = 5_000;
/// Such names that are remembered.
pub(crate) const ENS_KEPT_MAX: usize = 4_096;
/// Such names that are looked up at once: fewer than the questions that a chain is asked at once.
pub(crate) const ENS_AT_ONCE_MAX: usize = 4;
/// Keys of devices that are shown of one core.
pub(crate) const DEVICE_KEYS_MAX: usize = 64;
