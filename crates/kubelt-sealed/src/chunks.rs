//! Files of any size in authenticated chunks.
//!
//! ```text
//! file   = header ‖ chunk*           at least one chunk
//! header = "kbsealed" ‖ 1 ‖ log2 of a chunk's bytes ‖ 6 zero bytes ‖ salt (16) ‖ commitment (32)
//! chunk  = AES-256-GCM ciphertext ‖ tag (16)
//! key ‖ commitment = HKDF-SHA-256(content key, salt, "kubelt sealed file v1" ‖ the 32 bytes before the commitment)
//! nonce of a chunk = 3 zero bytes ‖ its number (8, big-endian) ‖ 1 if it is the last, otherwise 0
//! ```
//!
//! This is the STREAM construction: a chunk opens at its own place only, and as the last only where it is. Every chunk but the
//! last is full; the last is empty only in an empty file. So a file has one form, and chunks are found by counting. The
//! commitment binds the file to one content key: nobody can make a file that two keys open to different things.

use std::io::{self, Read};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use subtle::ConstantTimeEq as _;

use crate::limits::{CHUNK_LOG2, CHUNK_LOG2_MAX, CHUNK_LOG2_MIN};
use crate::{ContentKey, Entropy};

mod open;
mod place;
mod seal;

pub use open::OpenReader;
pub use place::{Places, Span};
pub use seal::SealReader;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 64;
/// Bytes that a chunk is longer than its plaintext.
pub const TAG_BYTES: usize = 16;
/// The media type of such files.
pub const MEDIA_TYPE: &str = "application/vnd.kubelt.sealed";

const MAGIC: &[u8; 8] = b"kbsealed";
const VERSION: u8 = 1;
const INFO: &[u8] = b"kubelt sealed file v1";

/// What stands before the chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    chunk_log2: u8,
    salt: [u8; 16],
    commitment: [u8; 32],
}

/// Why a file is not opened, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The first bytes are no header.
    #[error("this is no sealed file, or one of a later version")]
    Header,
    /// Chunks of a size that no version makes.
    #[error("chunks of 2^{0} bytes are not taken; 2^{CHUNK_LOG2_MIN} to 2^{CHUNK_LOG2_MAX} are")]
    ChunkSize(u8),
    /// The content key is another file's.
    #[error("the content key is not the one of this file")]
    Key,
    /// A chunk that was changed, or stands at a place that is not its own.
    #[error(
        "chunk {0} does not open: it was changed or moved, or the file was cut off or made longer behind it"
    )]
    Chunk(u64),
    /// The file ends before its last chunk.
    #[error("the file was cut off")]
    Truncated,
}

/// The cipher of one file.
#[derive(Debug)]
pub struct FileCipher {
    header: Header,
    key: LessSafeKey,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`ChunkError`] when it is none.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, ChunkError> {
        let (start, rest) = bytes.split_first_chunk::<16>().ok_or(ChunkError::Header)?;
        let (salt, commitment) = rest.split_first_chunk::<16>().ok_or(ChunkError::Header)?;
        let [magic @ .., version, chunk_log2, _, _, _, _, _, _] = start;
        let zeros = start.ends_with(&[0; 6]);
        if magic != MAGIC || *version != VERSION || !zeros {
            return Err(ChunkError::Header);
        }
        if !(CHUNK_LOG2_MIN..=CHUNK_LOG2_MAX).contains(chunk_log2) {
            return Err(ChunkError::ChunkSize(*chunk_log2));
        }
        let commitment = commitment.try_into().map_err(|_length| ChunkError::Header)?;
        Ok(Self { chunk_log2: *chunk_log2, salt: *salt, commitment })
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let bytes = [self.bound().as_slice(), &self.commitment].concat();
        bytes.try_into().expect("32 and 32 bytes")
    }

    /// Where things are in the file.
    pub const fn places(&self) -> Places {
        Places::new(self.chunk_log2)
    }

    /// What the key is derived with.
    fn bound(&self) -> [u8; 32] {
        let start = [MAGIC.as_slice(), &[VERSION, self.chunk_log2], &[0; 6], &self.salt].concat();
        start.try_into().expect("8, 2, 6 and 16 bytes")
    }
}

impl FileCipher {
    /// For a new file.
    pub fn new(content: &ContentKey, entropy: &mut Entropy) -> Self {
        Self::with(content, CHUNK_LOG2, entropy.bytes())
    }

    fn with(content: &ContentKey, chunk_log2: u8, salt: [u8; 16]) -> Self {
        let mut header = Header { chunk_log2, salt, commitment: [0; 32] };
        let (key, commitment) = derive(content, &header);
        header.commitment = commitment;
        Self { header, key }
    }

    /// For a file that is there.
    ///
    /// # Errors
    /// [`ChunkError::Key`] when the key is another file's.
    pub fn open(content: &ContentKey, header: Header) -> Result<Self, ChunkError> {
        let (key, commitment) = derive(content, &header);
        match bool::from(commitment.ct_eq(&header.commitment)) {
            true => Ok(Self { header, key }),
            false => Err(ChunkError::Key),
        }
    }

    /// The file's header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Seals a chunk in place; its tag is appended.
    fn seal(&self, number: u64, is_last: bool, chunk: &mut Vec<u8>) {
        self.key
            .seal_in_place_append_tag(nonce(number, is_last), Aad::empty(), chunk)
            .expect("a chunk is far below what the cipher takes");
    }

    /// Opens a chunk in place; gives the length of its plaintext.
    fn unseal(&self, number: u64, is_last: bool, chunk: &mut [u8]) -> Result<usize, ChunkError> {
        let opened = self.key.open_in_place(nonce(number, is_last), Aad::empty(), chunk);
        opened.map(|plain| plain.len()).map_err(|_says_no_more| ChunkError::Chunk(number))
    }
}

impl From<ChunkError> for io::Error {
    fn from(error: ChunkError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

fn derive(content: &ContentKey, header: &Header) -> (LessSafeKey, [u8; 32]) {
    let derived = content.derive::<64>(&header.salt, &[INFO, &header.bound()]);
    let (key, commitment) = derived.split_at(32);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"));
    (key, commitment.try_into().expect("32 bytes"))
}

fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    let (place, last) = nonce.split_at_mut(11);
    place.iter_mut().skip(3).zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    last.fill(u8::from(is_last));
    Nonce::assume_unique_for_key(nonce)
}

/// Reads until `buffer` is full or there is no more; gives how much there was.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match from.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
