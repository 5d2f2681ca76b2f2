/**
 * Limits of the format (crates/kubelt-core/src/limits.rs): two replicas that disagreed on one would disagree on what is
 * well-formed. The unit is in each name.
 *
 * @module
 */

const DAY_MS = 24 * 60 * 60 * 1_000

export const PATH_BYTES_MAX = 1_024
export const PATH_SEGMENTS_MAX = 64
export const SEGMENT_BYTES_MAX = 255
export const PREV_MAX = 16
export const VOTES_MAX = 64
export const BODY_BYTES_MAX = 64 * 1_024
export const SIGNED_BYTES_MAX = 16 * 1_024
export const GENESIS_BYTES_MAX = 8 * 1_024
export const LOGIN_BYTES_MAX = 64 * 1_024
export const SIGN_IN_MESSAGE_BYTES_MAX = 48 * 1_024
export const ABILITIES_MAX = 64
export const SIGN_IN_HEADS_MAX = 64
export const PRINCIPAL_ACCOUNTS_MAX = 64
export const ROLE_BYTES_MAX = 64
export const NAME_BYTES_MAX = 64
export const NONCE_BYTES = 16
export const SIGNATURE_BYTES_MAX = 8 * 1_024
/** Longest life of a sign-in whose session key the client holds. */
export const LOGIN_LIFE_MS_MAX = 7 * DAY_MS
/** Longest life of a sign-in whose session key a node holds. */
export const HELD_LOGIN_LIFE_MS_MAX = DAY_MS
/** Longest life of a sign-in that may only read and write content. */
export const CONTENT_LOGIN_LIFE_MS_MAX = 366 * DAY_MS
/** How long after a login's expiry a seal must be dated before it closes the login. */
export const LOGIN_GRACE_MS = DAY_MS
/** How far ahead of its own clock a replica lets an operation be dated before it holds it. */
export const CLOCK_AHEAD_MS_MAX = 2 * 60 * 1_000
export const GRANT_DEPTH_MAX = 32
/** Shortest wait of an heir's grant in a private core. */
export const HEIR_WAIT_MS_MIN = 7 * DAY_MS
export const AUTHORITY_OPS_MAX = 262_144
/** So many of them only the root's own accounts may still make, without a session. */
export const AUTHORITY_OPS_RESERVED = 4_096
export const CONTENT_BYTES_MAX = Number.MAX_SAFE_INTEGER
export const MEDIA_TYPE_BYTES_MAX = 255
export const WORDS_BYTES_MAX = 8 * 1_024
export const WORDS_VALUE_BYTES_MAX = 512
/** Deepest nesting of a dag-cbor block, in levels. */
export const CBOR_DEPTH_MAX = 128
/** Largest value of a path, in bytes of dag-cbor. */
export const VALUE_BYTES_MAX = 32 * 1_024
export const REQUEST_BODY_BYTES_MAX = 24 * 1_024
export const REQUEST_TITLE_BYTES_MAX = 256
/** How long a request lives, in milliseconds: usually, at least, and at most. */
export const REQUEST_LIFE_MS = 7 * DAY_MS
export const REQUEST_LIFE_MS_MIN = 60 * 1_000
export const REQUEST_LIFE_MS_MAX = 30 * DAY_MS
