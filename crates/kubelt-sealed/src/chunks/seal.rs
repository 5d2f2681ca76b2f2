//! A file being sealed.

use std::io::{self, Read};

use zeroize::Zeroize as _;

use super::{FileCipher, TAG_BYTES, fill};

/// Reads plaintext and gives the sealed file. Memory: two chunks.
#[derive(Debug)]
pub struct SealReader<R> {
    from: R,
    cipher: FileCipher,
    /// What is to be given, from `given` on.
    ready: Vec<u8>,
    given: usize,
    /// The plaintext of the next chunk: whether one is the last, the one after it tells.
    next: Vec<u8>,
    number: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was read.
    Fresh,
    Going,
    /// The last chunk is in `ready`.
    Ended,
}

impl<R: Read> SealReader<R> {
    /// Seals what `from` gives.
    pub fn new(from: R, cipher: FileCipher) -> Self {
        let ready = cipher.header().encode().to_vec();
        Self { from, cipher, ready, given: 0, next: Vec::new(), number: 0, state: State::Fresh }
    }

    fn advance(&mut self) -> io::Result<()> {
        if self.state == State::Fresh {
            self.next = self.read_chunk(Vec::new())?;
            self.state = State::Going;
        }
        let full = self.cipher.header().places().chunk_bytes();
        let spare = std::mem::take(&mut self.ready);
        let after = if self.next.len() == full { self.read_chunk(spare)? } else { Vec::new() };
        let is_last = after.is_empty();
        self.ready = std::mem::replace(&mut self.next, after);
        self.cipher.seal(self.number, is_last, &mut self.ready);
        self.given = 0;
        self.number += 1;
        if is_last {
            self.state = State::Ended;
        }
        Ok(())
    }

    /// The plaintext of one chunk, in the memory of an earlier one.
    fn read_chunk(&mut self, mut chunk: Vec<u8>) -> io::Result<Vec<u8>> {
        let full = self.cipher.header().places().chunk_bytes();
        chunk.reserve_exact((full + TAG_BYTES).saturating_sub(chunk.len()));
        chunk.resize(full, 0);
        let count = fill(&mut self.from, &mut chunk)?;
        chunk.truncate(count);
        Ok(chunk)
    }
}

impl<R: Read> Read for SealReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.given == self.ready.len() {
            if self.state == State::Ended {
                return Ok(0);
            }
            self.advance()?;
        }
        let ready = self.ready.get(self.given..).unwrap_or_default();
        let count = ready.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}

impl<R> Drop for SealReader<R> {
    fn drop(&mut self) {
        self.next.zeroize();
    }
}
