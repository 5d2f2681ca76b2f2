//! Limits of the HTTP edge. Sizes of content are bounded by a core's quota, not here.

use std::time::Duration;

use kubelt_core::limits::CORES_ABOVE_MAX;

/// Connections served at once.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;
/// How long a client may take to send the head of a request.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a body may stand still before the request is given up.
pub(crate) const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a body is still read after it was refused in the middle, in bytes.
pub(crate) const REFUSED_BYTES_READ_MAX: usize = 256 * 1_024 * 1_024;
/// How long that may take.
pub(crate) const REFUSED_TIME_MAX: Duration = Duration::from_secs(10);
/// How long open requests may go on after the node was told to stop.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// Longest path of a request, in bytes, before decoding.
pub(crate) const PATH_BYTES_MAX: usize = 8 * 1_024;
/// Proxies that a request is traced back through.
pub(crate) const FORWARDED_HOPS_MAX: usize = 32;
/// Largest head of a request, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Largest JSON body of somebody who signed in, in bytes.
pub(crate) const JSON_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Roots of one CAR that are given paths in the call that uploads it.
pub(crate) const CAR_PUBLISHED_ROOTS_MAX: usize = 1_000;
/// Largest value of the map as dag-json, in bytes: such values are at most 64 KiB of dag-cbor.
pub(crate) const VALUE_JSON_BYTES_MAX: usize = 256 * 1_024;
/// Largest JSON body of anybody, in bytes: one operation with its login fits, or a request to sign in.
pub(crate) const ANONYMOUS_JSON_BYTES_MAX: usize = 256 * 1_024;
/// Most cores that one address may name (`/@a/@b/…`).
pub(crate) const CORE_DEPTH_MAX: usize = 1 + CORES_ABOVE_MAX;
/// Most CIDs in one question about possession.
pub(crate) const POSSESSION_CIDS_MAX: usize = 10_000;
/// Most operations in one post.
pub(crate) const OPS_PER_POST_MAX: usize = 1_000;
/// Largest call, or batch of calls, to a wallet face, in bytes of JSON.
pub(crate) const RPC_BODY_BYTES_MAX: usize = 1_024 * 1_024;
/// Largest answer of a route to a call, in bytes of JSON.
pub(crate) const RPC_ANSWER_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// Calls in one batch.
pub(crate) const RPC_BATCH_MAX: usize = 100;
/// Sockets open at once.
pub(crate) const SOCKETS_MAX: usize = 1_024;
/// Those of one account.
pub(crate) const SOCKETS_OF_ACCOUNT_MAX: usize = 32;
/// Messages of one socket that are answered at once; it is not read while there are as many.
pub(crate) const SOCKET_CALLS_MAX: usize = 32;
/// Subscriptions of one socket.
pub(crate) const SOCKET_SUBSCRIPTIONS_MAX: usize = 64;
/// How often a client is asked whether it is still there.
pub(crate) const SOCKET_PING_EVERY: Duration = Duration::from_secs(20);
/// How long nothing at all may be heard of it.
pub(crate) const SOCKET_SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long it may take to read one message.
pub(crate) const SOCKET_WRITE_TIME_MAX: Duration = Duration::from_secs(20);
/// Entries in one page of a list, at most.
pub(crate) const PAGE_MAX: usize = 1_000;
/// Entries in one page of a list, unless asked for otherwise.
pub(crate) const PAGE_DEFAULT: usize = 100;
/// Largest description of a pin, in bytes of JSON.
pub(crate) const PIN_JSON_BYTES_MAX: usize = 256 * 1_024;
/// Most CIDs in one search for pins (Pinning Service API 1.0.0).
pub(crate) const PIN_CIDS_MAX: usize = 10;
/// Pins in one list, unless asked for otherwise (Pinning Service API 1.0.0).
pub(crate) const PIN_PAGE_DEFAULT: usize = 10;
/// Pins in one list, at most (Pinning Service API 1.0.0).
pub(crate) const PIN_PAGE_MAX: usize = 1_000;
/// Pieces of an exported CAR made ahead of the client.
pub(crate) const CAR_PIECES_AHEAD: usize = 64;
/// Largest body of an answer that is kept in memory, in bytes.
pub(crate) const KEPT_BODY_BYTES_MAX: u64 = 64 * 1_024;
/// Bytes of all answers that are kept.
pub(crate) const KEPT_BYTES_MAX: usize = 32 * 1_024 * 1_024;
/// Longest address and `Accept` by which an answer is kept, in bytes.
pub(crate) const KEPT_KEY_BYTES_MAX: usize = 1_024;
/// Ranges of one request that are answered as asked, at most.
pub(crate) const RANGES_MAX: usize = 16;
/// Blocks read for one CAR, at most; those of the largest DAG that a path may name fit.
pub(crate) const CAR_BLOCKS_MAX: usize = 2_000_000;
/// Entries shown on one page of a directory.
pub(crate) const NAMES_PER_PAGE: usize = 500;
/// Bytes of a document that are shown on a page, at most; larger ones are had as they are.
pub(crate) const DOCUMENT_PAGE_BYTES_MAX: usize = 256 * 1_024;
/// Longest query of a call of Kubo's RPC, in bytes.
pub(crate) const KUBO_QUERY_BYTES_MAX: usize = 64 * 1_024;
/// Arguments of one such call.
pub(crate) const KUBO_ARGS_MAX: usize = 1_000;
/// Parts of one multipart body: files and directories of one call.
pub(crate) const PARTS_MAX: usize = 1_000_000;
/// Bytes of a multipart body between the content of two parts: a delimiter and the next part's head.
pub(crate) const PART_HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of the names of all parts that wait for their directory.
pub(crate) const TREE_NAME_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Levels of directories of one call.
pub(crate) const TREE_DEPTH_MAX: usize = 128;
/// Entries of a directory that are listed in order of their names; longer ones are streamed.
pub(crate) const LS_ENTRIES_MAX: usize = 1_000_000;
/// References listed by one call, repeated ones included.
pub(crate) const REFS_MAX: usize = 10_000_000;
/// Blocks looked at for one list of pins.
pub(crate) const PIN_BLOCKS_MAX: usize = 2_000_000;
/// Look-ups among other nodes that strangers may have at once.
pub(crate) const DELEGATED_LOOKUPS_MAX: usize = 32;
/// How long such a look-up may take.
pub(crate) const DELEGATED_TIME_MAX: Duration = Duration::from_secs(10);
/// Providers that one answer names.
pub(crate) const DELEGATED_FOUND_MAX: usize = 64;
/// Times that an answer waits for blocks on their way here before its first byte.
pub(crate) const ARRIVALS_PER_ANSWER_MAX: usize = 1_024;
/// Accounts that one request may name together.
pub(crate) const ROOT_ACCOUNTS_MAX: usize = 64;
