//! Every limit of the command line, with its unit in its name.

use std::time::Duration;

use kubelt_content::car::CarLimits;

/// Largest JSON answer that is read.
pub(crate) const JSON_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Largest error document that is read.
pub(crate) const PROBLEM_BYTES_MAX: u64 = 256 * 1024;
/// Entries of one page of a list; the API's limit.
pub(crate) const PAGE_ENTRIES_MAX: usize = 1_000;
/// Blocks are asked about and sent together until their bytes reach this.
pub(crate) const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Most blocks that are asked about at once; the API's limit.
pub(crate) const BATCH_BLOCKS_MAX: usize = 10_000;
/// Batches that are under way to the node at once.
pub(crate) const UPLOADS_AT_ONCE_MAX: usize = 3;
/// Threads that hash, at most.
pub(crate) const HASH_THREADS_MAX: usize = 16;
/// Bytes that are copied at once.
pub(crate) const COPY_BYTES: usize = 256 * 1024;
/// Bytes of a CAR that are read at once.
pub(crate) const CAR_READ_BYTES: usize = 1024 * 1024;
/// What a CAR may hold that is uploaded.
pub(crate) const CAR_LIMITS: CarLimits = CarLimits { blocks_max: 50_000_000, payload_bytes_max: 1 << 40 };
/// Deepest nesting of directories that is published or fetched.
pub(crate) const DIRECTORY_DEPTH_MAX: usize = 256;
/// Entries of a directory fetched by its CID, in all its directories.
pub(crate) const TREE_ENTRIES_MAX: usize = 10_000_000;
/// Blocks that are kept in memory while a directory is fetched by its CID.
pub(crate) const TREE_BLOCKS_KEPT: usize = 16;

/// A connection that is not there by then will not come.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// A node that neither takes nor gives a byte for so long is gone.
pub(crate) const SILENCE_TIME_MAX: Duration = Duration::from_secs(300);
/// First pause after a connection is lost in mid-upload; it doubles each time.
pub(crate) const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(250);
/// Longest pause between two tries.
pub(crate) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(15);
/// Tries of one request before an upload gives up: some two minutes.
pub(crate) const RETRY_TRIES_MAX: u32 = 12;

/// Longest answer of a pinning service that is read, in bytes.
pub(crate) const PINNING_ANSWER_BYTES_MAX: u64 = 1_024 * 1_024;
/// How long one call to a pinning service may take, from the look-up of its name to the end of its answer.
pub(crate) const PINNING_CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// How long one block of a trustless gateway may take.
pub(crate) const GATEWAY_CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// How long one block of whoever says to answer HTTP may take.
pub(crate) const DOOR_BLOCK_TIME_MAX: Duration = Duration::from_secs(10);
/// How long one CAR of a trustless gateway may take; what is missing then is asked for anew.
pub(crate) const CAR_CALL_TIME_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a delegated router may take to answer.
pub(crate) const ROUTER_CALL_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a router's answer.
pub(crate) const ROUTER_ANSWER_BYTES_MAX: u64 = 2 * 1_024 * 1_024;
/// Providers taken from one answer.
pub(crate) const ROUTER_PROVIDERS_MAX: usize = 128;
/// How long the node's public URL may take to answer.
pub(crate) const DOOR_CALL_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a set of keys may take to come.
pub(crate) const JWKS_CALL_TIME_MAX: Duration = Duration::from_secs(20);
/// Largest answer of a certificate authority, in bytes.
pub(crate) const ACME_ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// How long one call to it may take.
pub(crate) const ACME_CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// How long it may take to look at a name, and again to issue the certificate.
pub(crate) const ACME_ORDER_TIME_MAX: Duration = Duration::from_secs(90);
/// Certificates that are asked for within an hour.
pub(crate) const ACME_ORDERS_PER_HOUR_MAX: usize = 60;
/// How long a name waits for which no certificate was issued, in milliseconds; three times as long after each time.
pub(crate) const ACME_RETRY_MIN_MS: u64 = 2 * 60 * 1_000;
/// The longest that it waits then.
pub(crate) const ACME_RETRY_MAX_MS: u64 = 24 * 60 * 60 * 1_000;
/// How often it is looked whether certificates are due.
pub(crate) const ACME_LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked which names there are, though no host has changed, in milliseconds.
pub(crate) const ACME_NAMES_EVERY_MS: u64 = 60 * 1_000;
/// How often an authority is asked when it wants a certificate renewed, in milliseconds.
pub(crate) const ACME_RENEWAL_LOOK_MS: u64 = 6 * 60 * 60 * 1_000;
/// How long the first pause is before it is looked again how far a pin is; twice as long each time.
pub(crate) const PIN_LOOK_MIN: Duration = Duration::from_millis(50);
/// The longest pause.
pub(crate) const PIN_LOOK_MAX: Duration = Duration::from_secs(1);
/// Pins that are listed, the newest.
pub(crate) const PINS_LISTED_MAX: usize = 1_000;
