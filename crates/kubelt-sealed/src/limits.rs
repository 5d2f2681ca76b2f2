//! Every limit, with its unit in its name.

/// Plaintext of one chunk, in bytes, as new files have it.
pub const CHUNK_BYTES: usize = 1 << CHUNK_LOG2;
/// Its base-2 logarithm.
pub const CHUNK_LOG2: u8 = 16;
/// Smallest chunk that is read, as a base-2 logarithm: 4 KiB.
pub const CHUNK_LOG2_MIN: u8 = 12;
/// Largest chunk that is read, as a base-2 logarithm: 4 MiB. It bounds what a reader holds in memory.
pub const CHUNK_LOG2_MAX: u8 = 22;
/// Largest content that is sealed as a JWE, in bytes: whoever opens it holds all of it in memory, and some more.
pub const JWE_PLAIN_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Largest JWE that is read, in bytes.
pub const JWE_BYTES_MAX: usize = 2 * JWE_PLAIN_BYTES_MAX;
/// Recipients of a JWE that is read.
pub const JWE_RECIPIENTS_MAX: usize = 256;
/// Largest header of a JWE, in bytes of JSON.
pub const JWE_HEADER_BYTES_MAX: usize = 16 * 1_024;
/// Largest set of keys that is read, in bytes.
pub const JWKS_BYTES_MAX: usize = 256 * 1_024;
/// Keys in a set that is read.
pub const JWKS_KEYS_MAX: usize = 256;
/// Shortest RSA modulus, in bits.
pub const RSA_BITS_MIN: usize = 2_048;
/// Longest RSA modulus, in bits.
pub const RSA_BITS_MAX: usize = 8_192;
