//! Every limit of the rules, in one place. A value is part of the format: two replicas that disagreed on
//! one would disagree on what is well-formed.

/// Longest map path, in bytes of UTF-8.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Most segments in a map path.
pub const PATH_SEGMENTS_MAX: usize = 64;
/// Longest segment of a map path, in bytes of UTF-8.
pub const SEGMENT_BYTES_MAX: usize = 255;
/// Most operations that one operation may name as its `prev`.
pub const PREV_MAX: usize = 16;
/// Most votes that one operation may cite.
pub const VOTES_MAX: usize = 64;
/// Largest body block, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1_024;
/// Largest signed operation without its body (header, signature and pins), in bytes.
pub const SIGNED_BYTES_MAX: usize = 16 * 1_024;
/// Largest genesis block, in bytes.
pub const GENESIS_BYTES_MAX: usize = 8 * 1_024;
/// Largest login block, in bytes.
pub const LOGIN_BYTES_MAX: usize = 64 * 1_024;
/// Longest sign-in message, in bytes.
pub const SIGN_IN_MESSAGE_BYTES_MAX: usize = 48 * 1_024;
/// Most abilities in one grant or one sign-in.
pub const ABILITIES_MAX: usize = 64;
/// Most heads that one sign-in message may name, over all its cores.
pub const SIGN_IN_HEADS_MAX: usize = 64;
/// Most accounts in a threshold principal.
pub const PRINCIPAL_ACCOUNTS_MAX: usize = 64;
/// Longest role name, in bytes.
pub const ROLE_BYTES_MAX: usize = 64;
/// Longest name of a shared core, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Nonce of a shared core's genesis and salt of a body, in bytes.
pub const NONCE_BYTES: usize = 16;
/// Longest signature of any scheme, in bytes (contract signatures may be long).
pub const SIGNATURE_BYTES_MAX: usize = 8 * 1_024;
/// Longest client data of a passkey's assertion, in bytes: what a browser says.
pub const CLIENT_DATA_BYTES_MAX: usize = 4 * 1_024;
/// Longest authenticator data of a passkey's assertion, in bytes.
pub const AUTHENTICATOR_DATA_BYTES_MAX: usize = 1_024;
/// Longest life of a sign-in whose session key the client holds, in milliseconds: 7 days.
pub const LOGIN_LIFE_MS_MAX: u64 = 7 * DAY_MS;
/// Longest life of a sign-in whose session key a node holds, in milliseconds: 24 hours.
pub const HELD_LOGIN_LIFE_MS_MAX: u64 = DAY_MS;
/// Longest life of a sign-in that may only read and write content, whoever holds its key, in milliseconds: 366 days.
/// Such a sign-in is a token for one program, and cannot reach settings, members or other sign-ins.
pub const CONTENT_LOGIN_LIFE_MS_MAX: u64 = 366 * DAY_MS;
/// How long after a login's expiry a seal must be dated before it closes the login, in milliseconds.
pub const LOGIN_GRACE_MS: u64 = DAY_MS;
/// How far ahead of its own clock a node lets an operation be dated before it holds it, in milliseconds.
pub const CLOCK_AHEAD_MS_MAX: u64 = 2 * 60 * 1_000;
/// How far the block at which a contract wallet was asked may lie from the date of what it signed, in milliseconds.
pub const BLOCK_DISTANCE_MS_MAX: u64 = DAY_MS;
/// Deepest nesting of structs and arrays in typed data, in levels.
pub const TYPED_DATA_DEPTH_MAX: usize = 16;
/// Members of all types of typed data together.
pub const TYPED_DATA_MEMBERS_MAX: usize = 512;
/// Contracts that one filter of events names.
pub const LOG_ADDRESSES_MAX: usize = 100;
/// Places of topics that an event has.
pub const LOG_TOPICS_MAX: usize = 4;
/// Topics that one filter takes at one place.
pub const LOG_TOPIC_CHOICES_MAX: usize = 100;
/// Deepest chain of grants.
pub const GRANT_DEPTH_MAX: usize = 32;
/// Shortest wait of an heir's grant in a private core, in milliseconds: 7 days.
pub const HEIR_WAIT_MS_MIN: u64 = 7 * DAY_MS;
/// Operations that wait for an unknown `prev`, per core.
pub const WAITING_OPS_MAX: usize = 4_096;
/// Greatest number of authority operations (grants, revocations, votes, seals, …) in one core.
pub const AUTHORITY_OPS_MAX: usize = 262_144;
/// So many of them only the root's own accounts may still make, without a session: whoever filled the rest can be
/// stopped.
pub const AUTHORITY_OPS_RESERVED: usize = 4_096;
/// Largest value of a path, in bytes of dag-cbor.
pub const VALUE_BYTES_MAX: usize = 32 * 1_024;
/// Deepest nesting of lists and maps in a value, in levels.
pub const VALUE_DEPTH_MAX: usize = 16;
/// Largest content that a path can name, in bytes: 2^53 - 1, what every client can count to.
pub const CONTENT_BYTES_MAX: u64 = (1 << 53) - 1;
/// Longest media type, in bytes.
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// Most keys that one content can be sealed to.
pub const SEALED_RECIPIENTS_MAX: usize = 64;
/// Gates whose holders one file is sealed to.
pub const SEALED_GATES_MAX: usize = 8;
/// Longest name of a recipient of sealed content, in bytes: an account, or a URL.
pub const SEALED_WHO_BYTES_MAX: usize = 512;
/// Longest name that a recipient has for a key, in bytes.
pub const SEALED_LABEL_BYTES_MAX: usize = 128;
/// Paths of one core that may have a rule of exposure of their own.
pub const EXPOSURE_RULES_MAX: usize = 10_000;
/// Most versions of a path that a core's settings can count; beyond there is only `all`.
pub const VERSIONS_KEPT_MAX: usize = 1_000;
/// Longest display name, in bytes.
pub const PROFILE_NAME_BYTES_MAX: usize = 256;
/// Largest sync message, in bytes of dag-cbor.
pub const SYNC_MESSAGE_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// Most ids in one sync message.
pub const SYNC_IDS_MAX: usize = 8_192;
/// Most operations in one window of sync.
pub const SYNC_WINDOW_OPS_MAX: usize = 1_024;
/// Bytes of blocks at which a sender closes a window.
pub const SYNC_WINDOW_BYTES: usize = 512 * 1_024;
/// Most bytes of blocks that a receiver takes in one window.
pub const SYNC_WINDOW_BYTES_MAX: usize = 2 * SYNC_WINDOW_BYTES;
/// Bytes of sign-ins that a receiver keeps for the windows that follow.
pub const SYNC_LOGINS_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Windows that a sender may be ahead of its receiver.
pub const SYNC_WINDOWS_AHEAD_MAX: usize = 4;
/// Most messages of one set reconciliation.
pub const SYNC_RECON_ROUNDS_MAX: usize = 4_096;
/// Bytes of one message of set reconciliation.
pub const SYNC_RECON_BYTES_MAX: usize = 256 * 1_024;
/// Largest message of a connection between nodes that is no message of sync: a login, and what goes around it.
pub const PEER_MESSAGE_BYTES_MAX: usize = LOGIN_BYTES_MAX + 16 * 1_024;
/// Blocks that one message asks for.
pub const WANTS_MAX: usize = 256;
/// Largest such message, in bytes.
pub const WANTS_BYTES_MAX: usize = 64 * 1_024;
/// Longest CID that is taken from a peer, in bytes.
pub const CID_BYTES_MAX: usize = 160;
/// A block with its CID, in bytes; blocks have 2 MiB at most.
pub const BLOCK_FRAME_BYTES_MAX: usize = 2 * 1_024 * 1_024 + CID_BYTES_MAX;
/// Operations that one message names as published, or as published no more.
pub const PUBLISHED_IDS_MAX: usize = 1_024;
/// Published operations that one message asks for.
pub const ASK_OPS_MAX: usize = 64;
/// Largest message that shows one, in bytes.
pub const SHOWN_BYTES_MAX: usize = SIGNED_BYTES_MAX + BODY_BYTES_MAX + LOGIN_BYTES_MAX + 1_024;
/// How far the date of a proof may lie from the clock of who checks it.
pub const PROOF_AGE_MS_MAX: u64 = 5 * 60 * 1_000;
/// Copies that a core can ask for.
pub const COPIES_MAX: u16 = 64;
/// Longest host name that a core is bound to, in bytes: `_kubelt.` goes before it, and the DNS has 253.
pub const HOST_NAME_BYTES_MAX: usize = 245;
/// Longest text that is read as a host name, in bytes.
pub const HOST_NAME_INPUT_BYTES_MAX: usize = 1_024;
/// TXT records of a DNS name that are read for the hosts of a core.
pub const HOST_RECORDS_READ_MAX: usize = 64;
/// Hosts that they can name.
pub const HOST_RECORDS_MAX: usize = 16;
/// Patterns of paths that one gate opens.
pub const GATE_OPENS_MAX: usize = 16;
/// Tests of one gate: each is a call of a contract.
pub const GATE_TESTS_MAX: usize = 16;
/// Levels that its condition nests.
pub const GATE_DEPTH_MAX: usize = 4;
/// Longest call of a test, in bytes.
pub const GATE_CALL_BYTES_MAX: usize = 1_024;
/// The last word of an answer that a test can compare.
pub const GATE_WORD_MAX: usize = 31;
/// How long what a gate found holds, unless it says otherwise, in seconds.
pub const GATE_KEEP_S_DEFAULT: u64 = 15;
/// The longest that it can say.
pub const GATE_KEEP_S_MAX: u64 = 3_600;
/// Addresses of one host in a core's map.
pub const HOST_ADDRESSES_MAX: usize = 16;
/// Longest of them, in bytes.
pub const HOST_ADDRESS_BYTES_MAX: usize = 512;
/// Cores that lie above a core, at most. An address names one more.
pub const CORES_ABOVE_MAX: usize = 7;
/// Longest text that is read as an ENS name, in bytes.
pub const ENS_INPUT_BYTES_MAX: usize = 1_024;
/// Longest normalised ENS name, in bytes.
pub const ENS_NAME_BYTES_MAX: usize = 255;
/// Labels of an ENS name, `eth` among them.
pub const ENS_LABELS_MAX: usize = 16;
/// Settings that a core's template presets.
pub const TEMPLATE_CONFIG_MAX: usize = 32;
/// Names of children of which it says by which gate they are made.
pub const TEMPLATE_CHILDREN_MAX: usize = 64;
/// Nodes that a link to an invite names.
pub const INVITE_NODES_MAX: usize = 4;
/// Longest link to an invite, in bytes.
pub const INVITE_LINK_BYTES_MAX: usize = 4 * 1_024;
/// Operations that a proof of provenance rests on, beside its own.
pub const PROVENANCE_OPS_MAX: usize = 256;
/// Largest such proof, in bytes.
pub const PROVENANCE_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Largest checkpoint block, in bytes.
pub const CHECKPOINT_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Longest words of an act, in bytes: what a person is asked to read before signing.
pub const WORDS_BYTES_MAX: usize = 8 * 1_024;
/// Longest value of a path that the words of a `put` spell out, in bytes.
pub const WORDS_VALUE_BYTES_MAX: usize = 512;
/// Largest body of an operation that is asked for, in bytes: a request is a value of the map, and has other fields.
pub const REQUEST_BODY_BYTES_MAX: usize = 24 * 1_024;
/// Longest title of a request, in bytes.
pub const REQUEST_TITLE_BYTES_MAX: usize = 256;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
