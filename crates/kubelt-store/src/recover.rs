//! Replay: bringing an index up to what the segments hold.

use std::{io, sync::Arc};

use bytes::Bytes;
use cid::Cid;

use crate::{
    apply::{Applied, Stage},
    error::{IndexError, OpenError},
    index::Index,
    keys,
    limits::BAD_RECORDS_MAX,
    mutation,
    segment::{
        disk::SegmentRead,
        format::{
            HeaderError, Kind, RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader,
            is_compacted, place,
        },
        log::Log,
        record::{Pointer, split_block},
        scan::{Found, Scan},
        writer::Position,
    },
    values::Location,
};

/// What opening or rebuilding met in the segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that were read.
    pub segments: u64,
    /// Good records that were read.
    pub records: u64,
    /// Transactions that were replayed into the index.
    pub transactions: u64,
    /// Damaged places; good records follow them, and all of those were kept.
    pub bad: Vec<BadRecord>,
    /// Bytes at the very end that no transaction closes: what a kill in mid-write leaves.
    pub torn_tail_bytes: u64,
}

/// A damaged place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Number of the segment.
    pub segment: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How far it is to the next good record, in bytes.
    pub len: u64,
}

/// How far a scan or replay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes_total: u64,
}

/// Where the log ends.
#[derive(Debug)]
pub(crate) struct End {
    /// The last segment's header, if it is whole.
    pub(crate) header: Option<SegmentHeader>,
    /// The end of the last transaction.
    pub(crate) position: Position,
    /// Length of the last segment, in bytes.
    pub(crate) size: u64,
}

/// Replays the segments from `from` into `index`. `store` is the number that says which store they belong
/// to; `None` at the end where there is no segment yet.
pub(crate) fn replay(
    log: &Arc<Log>,
    index: &dyn Index,
    from: Option<Applied>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Recovery, Option<(u64, End)>), OpenError> {
    let start = from.map(|applied| applied.position);
    let first = start.map_or(0, |start| start.segment);
    let segments = Segments::read(log, first).map_err(OpenError::Segments)?;
    segments.check_versions()?;
    segments.check_applied(from)?;
    let Some(store) = segments.store() else {
        return Ok((Recovery::default(), None));
    };
    let mut replay = Replay { log, store, stage: Stage::new(index), index, recovery: Recovery::default() };
    let mut done = Progress { bytes_done: 0, bytes_total: segments.bytes_from(start) };
    let mut end = None;
    for (i, segment) in segments.0.iter().enumerate() {
        let last = i + 1 == segments.0.len();
        let from = start.filter(|start| start.segment == segment.id).map(|start| start.offset);
        let position = replay.segment(segment, from, segments.limit(i), last, &mut |bytes| {
            done.bytes_done += bytes;
            progress(done);
        })?;
        end = Some(End { header: segment.header.ok(), position, size: segment.size });
    }
    let recovery = replay.finish(end.as_ref().map(|end| end.position))?;
    Ok((recovery, end.map(|end| (store, end))))
}

/// The segments on disk from some number on, without what an interrupted creation left at their end.
pub(crate) struct Segments(pub(crate) Vec<Segment>);

pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) size: u64,
    pub(crate) header: Result<SegmentHeader, HeaderError>,
}

impl Segments {
    pub(crate) fn read(log: &Log, first: u64) -> io::Result<Self> {
        let mut segments = Vec::new();
        for (id, _replaced) in log.places()?.into_iter().filter(|(id, _)| place(*id) >= place(first)) {
            let file = log.segment(id)?;
            let size = file.size()?;
            let head =
                file.read_at(0, usize::try_from(size.min(SEGMENT_HEADER_BYTES)).map_err(io::Error::other)?)?;
            segments.push(Segment { id, size, header: SegmentHeader::decode(&head) });
        }
        let unborn = |segment: &Segment| segment.header.is_err() && segment.size <= SEGMENT_HEADER_BYTES;
        while segments.last().is_some_and(unborn) {
            segments.pop();
        }
        Ok(Self(segments))
    }

    pub(crate) fn check_versions(&self) -> Result<(), OpenError> {
        self.0.iter().try_for_each(|segment| match segment.header {
            Err(HeaderError::Version(version)) => Err(OpenError::Version { segment: segment.id, version }),
            _ => Ok(()),
        })
    }

    /// An index that knows more than the segments is not theirs.
    fn check_applied(&self, applied: Option<Applied>) -> Result<(), OpenError> {
        let Some(applied) = applied else { return Ok(()) };
        let refuse = |reason: String| Err(OpenError::IndexMismatch { reason });
        let at = applied.position;
        match self.0.iter().find(|segment| segment.id == at.segment) {
            None => {
                return refuse(format!("it has applied segment `{:016x}`, which is not there", at.segment));
            }
            Some(segment) if segment.size < at.offset => {
                return refuse(format!("it has applied more of segment `{:016x}` than there is", at.segment));
            }
            Some(_) => {}
        }
        match self.store() {
            Some(store) if store != applied.store => refuse("it belongs to another store".to_owned()),
            _ => Ok(()),
        }
    }

    pub(crate) fn store(&self) -> Option<u64> {
        let known = self.0.iter().find_map(|segment| segment.header.ok()).map(|header| header.store);
        known.or_else(|| self.0.first().map(|_all_headers_damaged| 0))
    }

    /// How much of the segment at place `i` counts: the next one says so.
    pub(crate) fn limit(&self, i: usize) -> u64 {
        let size = self.0[i].size;
        if is_compacted(self.0[i].id) {
            return size;
        }
        let next = self.0.get(i + 1).and_then(|next| next.header.ok());
        next.map(|next| next.prev_end).filter(|limit| *limit > 0).map_or(size, |limit| limit.min(size))
    }

    fn bytes_from(&self, start: Option<Position>) -> u64 {
        let rest = self.0.iter().map(|segment| match start {
            Some(start) if segment.id == start.segment => segment.size.saturating_sub(start.offset),
            _ => segment.size,
        });
        rest.sum()
    }
}

impl Segment {
    /// What its records begin with. Where the header is damaged, its first record says so.
    pub(crate) fn marker(&self, file: &dyn SegmentRead) -> Option<u64> {
        if let Ok(header) = self.header {
            return Some(header.marker);
        }
        let head = file.read_at(SEGMENT_HEADER_BYTES, RECORD_HEADER_BYTES).ok()?;
        let marker = u64::from_le_bytes(head.first_chunk().copied()?);
        RecordHeader::decode(&head, marker).map(|_record| marker)
    }
}

struct Replay<'a> {
    log: &'a Arc<Log>,
    store: u64,
    stage: Stage<'a>,
    index: &'a dyn Index,
    recovery: Recovery,
}

/// Rows that are staged before they go to the index.
const STAGED_ROWS_MAX: usize = 8_192;

impl Replay<'_> {
    /// Replays one segment; returns the end of its last transaction.
    fn segment(
        &mut self,
        segment: &Segment,
        from: Option<u64>,
        limit: u64,
        last: bool,
        done: &mut dyn FnMut(u64),
    ) -> Result<Position, OpenError> {
        let file = self.log.segment(segment.id).map_err(OpenError::Segments)?;
        let begin = from.unwrap_or(SEGMENT_HEADER_BYTES);
        let mut end = Position { segment: segment.id, offset: begin };
        self.recovery.segments += 1;
        if segment.header.is_err() {
            let len = SEGMENT_HEADER_BYTES.min(segment.size);
            self.report(BadRecord { segment: segment.id, offset: 0, len });
        }
        let Some(marker) = segment.marker(&*file) else {
            self.report(BadRecord { segment: segment.id, offset: begin, len: limit.saturating_sub(begin) });
            return Ok(Position { offset: segment.size, ..end });
        };
        let mut scan = Scan::new(&*file, marker, begin, limit);
        let mut open = OpenTx::default();
        while let Some(found) = scan.next().map_err(OpenError::Segments)? {
            match found {
                Found::Bad { offset, len } => {
                    open.bad.push(BadRecord { segment: segment.id, offset, len });
                    done(len);
                }
                Found::Good { payload_at, header, payload } => {
                    self.recovery.records += 1;
                    done(header.stride());
                    let at = Position { segment: segment.id, offset: payload_at };
                    if self.record(&mut open, header, &payload, at).map_err(OpenError::Index)? {
                        end.offset = payload_at - RECORD_HEADER_BYTES as u64 + header.stride();
                        self.flush(STAGED_ROWS_MAX, end).map_err(OpenError::Index)?;
                    }
                }
            }
        }
        if last {
            self.recovery.torn_tail_bytes = segment.size.saturating_sub(end.offset);
        } else {
            self.keep_blocks(&mut open).map_err(OpenError::Index)?;
            end.offset = limit;
        }
        Ok(end)
    }

    /// Takes in one record; returns whether it closed a transaction.
    fn record(
        &mut self,
        open: &mut OpenTx,
        header: RecordHeader,
        payload: &Bytes,
        at: Position,
    ) -> Result<bool, IndexError> {
        let pointer = Pointer { segment: at.segment, offset: at.offset, len: header.len, crc: header.crc };
        let bad = BadRecord {
            segment: at.segment,
            offset: at.offset - RECORD_HEADER_BYTES as u64,
            len: header.stride(),
        };
        match header.kind {
            Kind::Block => match split_block(payload) {
                Some((cid, skip)) => open.blocks.push((cid, Location { payload: pointer, skip })),
                None => open.bad.push(bad),
            },
            Kind::Commit => {
                let Ok(mutations) = mutation::decode(payload) else {
                    open.bad.push(bad);
                    return Ok(false);
                };
                self.keep_blocks(open)?;
                self.stage.mutate(&mutations, at, false)?;
                self.stage.keep();
                self.recovery.transactions += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Something good follows: what lies before it counts, as far as it is whole. Blocks whose commit
    /// record is damaged are kept too: they prove themselves by their hash, later transactions may
    /// count on them, and by themselves they open nothing to anybody.
    fn keep_blocks(&mut self, open: &mut OpenTx) -> Result<(), IndexError> {
        open.bad.drain(..).for_each(|bad| self.report(bad));
        for (cid, location) in open.blocks.drain(..) {
            self.stage.block(&cid, location)?;
        }
        self.stage.keep();
        Ok(())
    }

    fn report(&mut self, bad: BadRecord) {
        tracing::warn!(segment = bad.segment, offset = bad.offset, len = bad.len, "damaged record skipped");
        if self.recovery.bad.len() < BAD_RECORDS_MAX {
            self.recovery.bad.push(bad);
        }
    }

    fn flush(&mut self, rows_max: usize, applied: Position) -> Result<(), IndexError> {
        if self.stage.rows() < rows_max {
            return Ok(());
        }
        let stage = std::mem::replace(&mut self.stage, Stage::new(self.index));
        self.index.apply(stage.into_batch(self.store, applied))
    }

    fn finish(mut self, end: Option<Position>) -> Result<Recovery, OpenError> {
        if let Some(end) = end.filter(|_end| self.stage.rows() > 0) {
            self.flush(0, end).map_err(OpenError::Index)?;
        }
        Ok(self.recovery)
    }
}

/// Records since the last commit record.
#[derive(Default)]
struct OpenTx {
    blocks: Vec<(Cid, Location)>,
    bad: Vec<BadRecord>,
}

/// What `index` says it has applied.
pub(crate) fn applied(index: &dyn Index) -> Result<Option<Applied>, OpenError> {
    let Some(row) = index.get(keys::APPLIED).map_err(OpenError::Index)? else { return Ok(None) };
    let damaged = || OpenError::IndexMismatch { reason: "its position cannot be read".to_owned() };
    Applied::decode(&row).map(Some).ok_or_else(damaged)
}
