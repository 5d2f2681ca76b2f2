//! A sealed file being opened, whole or in part.

use std::io::{self, Read};

use zeroize::Zeroizing;

use super::{ChunkError, FileCipher, HEADER_BYTES, Header, Span, TAG_BYTES, fill};
use crate::ContentKey;

/// Reads a sealed file and gives plaintext, each chunk once it is authentic. A fault is an error of reading
/// ([`io::ErrorKind::InvalidData`], with a [`ChunkError`] in it); what was given before is a true beginning of the file.
/// Memory: two chunks.
#[derive(Debug)]
pub struct OpenReader<R> {
    from: R,
    cipher: FileCipher,
    /// A chunk, and the first byte of the next one, where it is not known which is the last.
    chunk: Zeroizing<Vec<u8>>,
    /// What of `chunk` is sealed and was read ahead.
    ahead: Vec<u8>,
    given: usize,
    plain: usize,
    number: u64,
    /// The file's last chunk, where its length is known.
    last: Option<u64>,
    /// Plaintext to leave out before anything is given, and to give in all.
    skip: u64,
    left: u64,
    is_over: bool,
}

impl<R: Read> OpenReader<R> {
    /// Reads the header and opens what follows to its end.
    ///
    /// # Errors
    /// [`ChunkError`] in an [`io::Error`] where it is no header, or one of another key; or what `from` says.
    pub fn new(mut from: R, key: impl FnOnce(&Header) -> io::Result<ContentKey>) -> io::Result<Self> {
        let mut header = [0; HEADER_BYTES];
        if fill(&mut from, &mut header)? < HEADER_BYTES {
            return Err(ChunkError::Truncated.into());
        }
        let header = Header::decode(&header)?;
        let cipher = FileCipher::open(&key(&header)?, header)?;
        Ok(Self::over(from, cipher, 0, None, 0, u64::MAX))
    }

    /// Opens a part of a file; `from` gives the bytes that the span names.
    pub fn part(from: R, cipher: FileCipher, span: &Span) -> Self {
        Self::over(from, cipher, span.first, Some(span.last_of_file), span.skip, span.bytes)
    }

    fn over(from: R, cipher: FileCipher, number: u64, last: Option<u64>, skip: u64, left: u64) -> Self {
        let chunk = Zeroizing::new(vec![0; cipher.header().places().chunk_bytes() + TAG_BYTES]);
        let (ahead, is_over) = (Vec::new(), left == 0);
        Self { from, cipher, chunk, ahead, given: 0, plain: 0, number, last, skip, left, is_over }
    }

    fn advance(&mut self) -> io::Result<()> {
        let had = self.ahead.len();
        if let Some(room) = self.chunk.get_mut(..had) {
            room.copy_from_slice(&self.ahead);
        }
        let rest = self.chunk.get_mut(had..).unwrap_or_default();
        let count = had + fill(&mut self.from, rest)?;
        self.ahead.clear();
        let is_last = match self.last {
            Some(last) => self.number == last,
            None => {
                let mut next = [0];
                if count == self.chunk.len() && fill(&mut self.from, &mut next)? == 1 {
                    self.ahead.extend(next);
                }
                self.ahead.is_empty()
            }
        };
        let sealed = self.chunk.get_mut(..count).unwrap_or_default();
        let is_whole = is_last || count == self.cipher.header().places().chunk_bytes() + TAG_BYTES;
        // An empty chunk behind another would be a second form of the same file.
        if !is_whole || count < TAG_BYTES || (count == TAG_BYTES && self.number > 0) {
            return Err(ChunkError::Truncated.into());
        }
        self.plain = self.cipher.unseal(self.number, is_last, sealed)?;
        self.given = usize::try_from(self.skip).map_or(self.plain, |skip| skip.min(self.plain));
        self.skip -= self.given as u64;
        self.number += 1;
        self.is_over = is_last;
        Ok(())
    }
}

impl<R: Read> Read for OpenReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.plain {
            if self.is_over || self.left == 0 || buffer.is_empty() {
                return Ok(0);
            }
            self.advance()?;
        }
        let ready = self.chunk.get(self.given..self.plain).unwrap_or_default();
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = ready.len().min(most);
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        self.left -= count as u64;
        Ok(count)
    }
}
