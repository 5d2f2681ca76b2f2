//! Where things are in a sealed file: all by counting.

use super::{HEADER_BYTES, TAG_BYTES};

/// The measures of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    chunk_log2: u8,
}

/// Chunks to read for a range of the plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first chunk.
    pub first: u64,
    /// The chunk that is the file's last.
    pub last_of_file: u64,
    /// The first byte to read of the sealed file.
    pub from: u64,
    /// The byte after the last one to read.
    pub to: u64,
    /// Bytes of plaintext to leave out before the range.
    pub skip: u64,
    /// Bytes of plaintext in the range.
    pub bytes: u64,
}

impl Places {
    pub(super) const fn new(chunk_log2: u8) -> Self {
        Self { chunk_log2 }
    }

    const fn chunk(self) -> u64 {
        1 << self.chunk_log2
    }

    /// Bytes of plaintext in a full chunk.
    pub const fn chunk_bytes(self) -> usize {
        1 << self.chunk_log2
    }

    const fn sealed_chunk(self) -> u64 {
        self.chunk() + TAG_BYTES as u64
    }

    /// Bytes of the sealed file that `plain` bytes make.
    pub const fn sealed_bytes(self, plain: u64) -> u64 {
        let chunks = if plain == 0 { 1 } else { plain.div_ceil(self.chunk()) };
        HEADER_BYTES as u64 + plain + chunks * TAG_BYTES as u64
    }

    /// Bytes of plaintext in a sealed file of `sealed` bytes; nothing where no file has so many.
    pub const fn plain_bytes(self, sealed: u64) -> Option<u64> {
        let Some(body) = sealed.checked_sub(HEADER_BYTES as u64) else { return None };
        let (full, rest) = (body / self.sealed_chunk(), body % self.sealed_chunk());
        match rest.checked_sub(TAG_BYTES as u64) {
            Some(0) if full == 0 => Some(0),
            Some(plain) if plain > 0 => Some(full * self.chunk() + plain),
            None if rest == 0 && full > 0 => Some(full * self.chunk()),
            _ => None,
        }
    }

    /// What to read for the bytes `from..to` of the plaintext of a file of `sealed` bytes; nothing where no file has so many,
    /// or the range is empty or begins behind the end. A range that ends behind it ends there.
    pub fn span(self, sealed: u64, from: u64, to: u64) -> Option<Span> {
        let plain = self.plain_bytes(sealed)?;
        let to = to.min(plain);
        if from >= to {
            return None;
        }
        let (first, last) = (from / self.chunk(), (to - 1) / self.chunk());
        let start = |chunk: u64| HEADER_BYTES as u64 + chunk * self.sealed_chunk();
        Some(Span {
            first,
            last_of_file: (plain - 1) / self.chunk(),
            from: start(first),
            to: start(last + 1).min(sealed),
            skip: from - first * self.chunk(),
            bytes: to - from,
        })
    }
}
