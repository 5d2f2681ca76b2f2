//! Reading a segment from one end to the other, past what is damaged.

use std::io;

use bytes::Bytes;

use super::{
    disk::SegmentRead,
    format::{ALIGN_BYTES, RECORD_HEADER_BYTES, RecordHeader},
};

/// What a scan meets.
#[derive(Debug)]
pub(crate) enum Found {
    /// A record whose checksums hold.
    Good {
        /// Where its payload begins.
        payload_at: u64,
        header: RecordHeader,
        payload: Bytes,
    },
    /// Bytes that are no record, up to the next good one or the end.
    Bad { offset: u64, len: u64 },
}

/// Reads the records of one segment in order.
pub(crate) struct Scan<'a> {
    file: &'a dyn SegmentRead,
    marker: u64,
    at: u64,
    end: u64,
    window: Bytes,
    window_at: u64,
}

/// Bytes read at once.
const WINDOW_BYTES: u64 = 256 * 1_024;

impl<'a> Scan<'a> {
    /// Scans `from..end` of a segment whose records begin with `marker`.
    pub(crate) const fn new(file: &'a dyn SegmentRead, marker: u64, from: u64, end: u64) -> Self {
        Self { file, marker, at: from, end, window: Bytes::new(), window_at: 0 }
    }

    /// The next thing; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        if self.at >= self.end {
            return Ok(None);
        }
        if let Some((header, payload)) = self.record_at(self.at)? {
            let payload_at = self.at + RECORD_HEADER_BYTES as u64;
            self.at += header.stride();
            return Ok(Some(Found::Good { payload_at, header, payload }));
        }
        let offset = self.at;
        self.at = self.next_record_after(offset)?;
        Ok(Some(Found::Bad { offset, len: self.at - offset }))
    }

    fn record_at(&mut self, at: u64) -> io::Result<Option<(RecordHeader, Bytes)>> {
        let Some(header) = self.bytes(at, RECORD_HEADER_BYTES as u64)? else { return Ok(None) };
        let Some(header) = RecordHeader::decode(&header, self.marker) else { return Ok(None) };
        let payload = self.bytes(at + RECORD_HEADER_BYTES as u64, u64::from(header.len))?;
        Ok(payload.filter(|payload| crc32fast::hash(payload) == header.crc).map(|payload| (header, payload)))
    }

    /// Where the next good record after a bad one begins, or the end.
    fn next_record_after(&mut self, bad: u64) -> io::Result<u64> {
        let marker = self.marker.to_le_bytes();
        let mut at = (bad + 1).next_multiple_of(ALIGN_BYTES as u64);
        while at < self.end {
            let len = WINDOW_BYTES.min(self.end - at);
            let Some(window) = self.bytes(at, len)? else { return Ok(self.end) };
            for (step, word) in window.chunks_exact(ALIGN_BYTES).enumerate() {
                let here = at + (step * ALIGN_BYTES) as u64;
                if word == marker && self.record_at(here)?.is_some() {
                    return Ok(here);
                }
            }
            at += len.next_multiple_of(ALIGN_BYTES as u64);
        }
        Ok(self.end)
    }

    /// `len` bytes at `at`, through a window; `None` where the segment ends before.
    fn bytes(&mut self, at: u64, len: u64) -> io::Result<Option<Bytes>> {
        if at + len > self.end {
            return Ok(None);
        }
        let window_end = self.window_at + self.window.len() as u64;
        if at < self.window_at || at + len > window_end {
            let want = len.max(WINDOW_BYTES).min(self.end - at);
            self.window = self.file.read_at(at, usize::try_from(want).map_err(io::Error::other)?)?;
            self.window_at = at;
        }
        let start = usize::try_from(at - self.window_at).map_err(io::Error::other)?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        Ok(Some(self.window.slice(start..start + len)))
    }
}
