//! Bytes in pieces, as they came.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A queue of bytes; what lies in one piece is taken without a copy.
#[derive(Debug, Default)]
pub(super) struct Rope {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Rope {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// The first bytes, as many as there are up to the length of `out`; gives how many.
    pub(super) fn peek(&self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        for piece in &self.pieces {
            let count = piece.len().min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&piece[..count]);
            filled += count;
            if filled == out.len() {
                break;
            }
        }
        filled
    }

    /// Takes exactly `count` bytes, or nothing when there are fewer.
    pub(super) fn take(&mut self, count: usize) -> Option<Bytes> {
        if count > self.len {
            return None;
        }
        self.len -= count;
        let Some(front) = self.pieces.front_mut() else { return Some(Bytes::new()) };
        if front.len() > count {
            return Some(front.split_to(count));
        }
        if front.len() == count {
            return self.pieces.pop_front();
        }
        let mut out = BytesMut::with_capacity(count);
        while out.len() < count {
            let front = self.pieces.front_mut().expect("the length was checked");
            let part = front.split_to(front.len().min(count - out.len()));
            out.extend_from_slice(&part);
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
        Some(out.freeze())
    }

    /// Drops up to `count` bytes; gives how many.
    pub(super) fn skip(&mut self, count: u64) -> u64 {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.len);
        let mut left = count;
        while left > 0 {
            let front = self.pieces.front_mut().expect("the length was checked");
            let part = front.len().min(left);
            drop(front.split_to(part));
            left -= part;
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.len -= count;
        count as u64
    }
}
