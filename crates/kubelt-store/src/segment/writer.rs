//! Appending groups of records, all or nothing.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    disk::SegmentFile,
    format::{ALIGN_BYTES, RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader},
    log::Log,
    record::Record,
};

/// A place in the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// The end of the log. One thread has it.
pub(crate) struct Writer {
    log: Arc<Log>,
    file: Arc<dyn SegmentFile>,
    header: SegmentHeader,
    /// All before this is written; nothing after it counts.
    end: u64,
    /// The segment's tail cannot be trusted: the next group begins another.
    given_up: bool,
}

/// Records placed after the end, not yet written.
#[derive(Default)]
pub(crate) struct Group {
    parts: Vec<Bytes>,
    len: u64,
}

impl Group {
    /// Bytes it takes in the segment.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Where it ends now.
    pub(crate) fn mark(&self) -> GroupMark {
        GroupMark { parts: self.parts.len(), len: self.len }
    }

    /// Takes back all that was placed since `mark`.
    pub(crate) fn back_to(&mut self, mark: GroupMark) {
        self.parts.truncate(mark.parts);
        self.len = mark.len;
    }
}

/// The end of a group at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupMark {
    parts: usize,
    len: u64,
}

impl Writer {
    /// Begins the first segment, or the one after `before`, which ends at its offset.
    pub(crate) fn begin(log: Arc<Log>, store: u64, before: Option<Position>) -> io::Result<Self> {
        let id = before.map_or(0, |before| before.segment + 1);
        let header = SegmentHeader {
            id,
            as_of: 0,
            prev_end: before.map_or(0, |before| before.offset),
            store,
            marker: random()?,
        };
        let file = log.disk().create(id)?;
        let bytes = header.encode();
        file.write_at(0, &[IoSlice::new(&bytes)])?;
        file.sync()?;
        Ok(Self::resume(log, file, header, SEGMENT_HEADER_BYTES))
    }

    /// Goes on after `end` of a segment.
    pub(crate) fn resume(log: Arc<Log>, file: Arc<dyn SegmentFile>, header: SegmentHeader, end: u64) -> Self {
        log.set_active(header.id, file.clone());
        Self { log, file, header, end, given_up: false }
    }

    /// The end of what is written.
    pub(crate) const fn position(&self) -> Position {
        Position { segment: self.header.id, offset: self.end }
    }

    /// Makes room: begins another segment where this one is full or given up.
    pub(crate) fn prepare(&mut self, target_bytes: u64) -> io::Result<()> {
        if self.goes_on(target_bytes) {
            return Ok(());
        }
        let next = self.begin_next()?;
        self.log.set_sealed(self.header.id);
        *self = next;
        Ok(())
    }

    /// The next group begins another segment.
    pub(crate) const fn seal(&mut self) {
        self.given_up = true;
    }

    /// Puts a record at the end of `group`; returns where its payload will lie.
    pub(crate) fn place(&self, group: &mut Group, record: &Record) -> Position {
        let offset = self.end + group.len + RECORD_HEADER_BYTES as u64;
        let header = RecordHeader { kind: record.kind, len: record.len, crc: record.crc };
        let padding = header.stride() - RECORD_HEADER_BYTES as u64 - u64::from(record.len);
        group.parts.push(Bytes::copy_from_slice(&header.encode(self.header.marker)));
        group.parts.extend(record.parts.iter().filter(|part| !part.is_empty()).cloned());
        group.parts.extend(PADDING.get(..usize::try_from(padding).unwrap_or(0)).map(Bytes::from_static));
        group.len += header.stride();
        Position { segment: self.header.id, offset }
    }

    /// Writes a group. It counts once the file is synced.
    ///
    /// # Errors
    /// When it could not be written; the segment is as before.
    pub(crate) fn write(&mut self, group: &Group) -> io::Result<()> {
        if group.len == 0 {
            return Ok(());
        }
        let slices: Vec<IoSlice<'_>> = group.parts.iter().map(|part| IoSlice::new(part)).collect();
        if let Err(error) = self.file.write_at(self.end, &slices) {
            self.cut_back();
            return Err(error);
        }
        self.end += group.len;
        Ok(())
    }

    /// The file that is written to.
    pub(crate) fn file(&self) -> Arc<dyn SegmentFile> {
        self.file.clone()
    }

    /// Whether the next group goes into the same segment.
    pub(crate) const fn goes_on(&self, target_bytes: u64) -> bool {
        !self.given_up && self.end < target_bytes
    }

    /// Takes back all behind `durable`, of which a sync has failed: what that left in the page cache may be marked
    /// clean without being on disk.
    pub(crate) fn give_up_behind(&mut self, durable: Position) {
        self.end = self.end.min(durable.offset);
        self.cut_back();
        self.given_up = true;
    }

    fn cut_back(&mut self) {
        if self.file.truncate(self.end).is_err() {
            self.given_up = true;
        }
    }

    fn begin_next(&self) -> io::Result<Self> {
        Self::begin(self.log.clone(), self.header.store, Some(self.position()))
    }
}

const PADDING: &[u8; ALIGN_BYTES] = &[0; ALIGN_BYTES];

/// A random number, from the operating system.
pub(crate) fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(bytes))
}
