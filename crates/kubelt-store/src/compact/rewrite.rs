//! The segment that takes another's place.

use std::{
    collections::HashSet,
    io::{self, IoSlice},
};

use bytes::{Bytes, BytesMut};

use super::CompactError;
use crate::{
    error::IndexError,
    index::Index,
    keys,
    limits::WRITE_BYTES_MAX,
    mutation::{self, Mutation, Payload},
    segment::{
        disk::{SegmentFile, SegmentRead},
        format::{Kind, RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader, compacted},
        log::Log,
        record::{Pointer, Record, split_block},
        scan::{Found, Scan},
        writer::random,
    },
    values::{Location, Stored},
};

/// Tables whose rows come and go; the others keep every mutation.
const TABLES: &[u8] = b"BGMNPRW";

/// What a segment is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Makeup {
    pub(super) as_of: u32,
    /// Bytes of its block records, and of its commit records.
    pub(super) blocks: u64,
    pub(super) commits: u64,
}

/// What a segment is made of; none where its header is damaged.
pub(super) fn makeup(log: &Log, id: u64) -> io::Result<Option<Makeup>> {
    let file = log.segment(id)?;
    let size = file.size()?;
    let head = file.read_at(0, usize::try_from(size.min(SEGMENT_HEADER_BYTES)).map_err(io::Error::other)?)?;
    let Ok(header) = SegmentHeader::decode(&head) else { return Ok(None) };
    let mut made = Makeup { as_of: header.as_of, blocks: 0, commits: 0 };
    let mut at = SEGMENT_HEADER_BYTES;
    while at + RECORD_HEADER_BYTES as u64 <= size {
        let head = file.read_at(at, RECORD_HEADER_BYTES)?;
        // What was refused to its writers, or is damaged; the rewriting looks closer.
        let Some(record) = RecordHeader::decode(&head, header.marker) else { break };
        match record.kind {
            Kind::Block => made.blocks += record.stride(),
            Kind::Commit => made.commits += record.stride(),
        }
        at += record.stride();
    }
    Ok(Some(made))
}

/// Bytes of the mutations in a segment that a rebuild would not miss.
pub(super) fn idle_bytes(log: &Log, index: &dyn Index, id: u64) -> Result<u64, CompactError> {
    let file = log.segment(id)?;
    let size = file.size()?;
    let head = file.read_at(0, usize::try_from(size.min(SEGMENT_HEADER_BYTES)).map_err(io::Error::other)?)?;
    let Ok(header) = SegmentHeader::decode(&head) else { return Ok(0) };
    let gone = gone(index, &*file, header, size)?;
    let mut scan = Scan::new(&*file, header.marker, SEGMENT_HEADER_BYTES, size);
    let mut idle = 0;
    while let Some(found) = scan.next()? {
        let Found::Good { header: RecordHeader { kind: Kind::Commit, .. }, payload, .. } = found else {
            continue;
        };
        for one in mutation::decode(&payload).unwrap_or_default() {
            if !matters(&gone, &one, true) {
                let mut bytes = Payload::new();
                again(&mut bytes, &one);
                idle += bytes.len() as u64;
            }
        }
    }
    Ok(idle)
}

/// Drafts what is alive of the segment with this header, up to `limit`; gives the new segment's id, or none where
/// the old one is damaged and must stay.
pub(super) fn rewrite(
    log: &Log,
    index: &dyn Index,
    header: SegmentHeader,
    limit: u64,
    as_of: u32,
    is_clean: bool,
) -> Result<Option<u64>, CompactError> {
    let Some(id) = compacted(header.id) else { return Ok(None) };
    let old = log.segment(header.id)?;
    let new = SegmentHeader { id, as_of, marker: random()?, ..header };
    let file = log.disk().draft(id)?;
    let mut draft = Draft { file: &*file, marker: new.marker, buffer: BytesMut::new(), written: 0 };
    draft.buffer.extend_from_slice(&new.encode());
    let gone = gone(index, &*old, header, limit)?;
    let mut scan = Scan::new(&*old, header.marker, SEGMENT_HEADER_BYTES, limit);
    let mut is_open = false;
    while let Some(found) = scan.next()? {
        let Found::Good { payload_at, header: record, payload } = found else { return Ok(None) };
        let at = Pointer { segment: header.id, offset: payload_at, len: record.len, crc: record.crc };
        match record.kind {
            Kind::Block => {
                let Some((cid, _skip)) = split_block(&payload) else { return Ok(None) };
                let key = keys::block(&cid);
                if !gone.contains(key.as_slice()) && lies_at(index, &key, at)? {
                    draft.record(Kind::Block, record.crc, &payload)?;
                    is_open = true;
                }
            }
            Kind::Commit => {
                let Ok(mutations) = mutation::decode(&payload) else { return Ok(None) };
                let mut kept = Payload::new();
                for one in &mutations {
                    if matters(&gone, one, is_clean) {
                        again(&mut kept, one);
                    }
                }
                if !kept.is_empty() {
                    draft.commit(kept)?;
                    is_open = false;
                }
            }
        }
    }
    if is_open {
        draft.commit(Payload::new())?;
    }
    draft.flush()?;
    file.sync()?;
    Ok(Some(id))
}

fn lies_at(index: &dyn Index, key: &[u8], at: Pointer) -> Result<bool, IndexError> {
    let row = index.get(key)?.as_ref().and_then(Stored::decode);
    let Some(Stored::Inline(row)) = row else { return Ok(false) };
    Ok(Location::decode(&row).is_some_and(|location| location.payload == at))
}

/// The keys in the records of a segment, of tables whose rows come and go, that are not there now. Looked up in
/// their order, which is several times faster than in that of the segment.
fn gone(
    index: &dyn Index,
    file: &dyn SegmentRead,
    header: SegmentHeader,
    limit: u64,
) -> Result<HashSet<Bytes>, CompactError> {
    let mut keys: Vec<Bytes> = Vec::new();
    let mut scan = Scan::new(file, header.marker, SEGMENT_HEADER_BYTES, limit);
    while let Some(found) = scan.next()? {
        let Found::Good { header, payload, .. } = found else { continue };
        match header.kind {
            Kind::Block => {
                keys.extend(split_block(&payload).map(|(cid, _skip)| Bytes::from(keys::block(&cid))))
            }
            Kind::Commit => {
                let mutations = mutation::decode(&payload).unwrap_or_default();
                let own = mutations.iter().map(|one| parts(one).0).filter(|key| comes_and_goes(key));
                keys.extend(own.cloned());
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    let mut gone = HashSet::new();
    for key in keys {
        if index.get(&key)?.is_none() {
            gone.insert(key);
        }
    }
    Ok(gone)
}

fn comes_and_goes(key: &[u8]) -> bool {
    key.first().is_some_and(|table| TABLES.contains(table))
}

/// Whether a rebuild would miss it.
fn matters(gone: &HashSet<Bytes>, mutation: &Mutation, is_clean: bool) -> bool {
    let (key, sets) = parts(mutation);
    !(gone.contains(key) && (sets || is_clean))
}

/// The key of a mutation, and whether it sets it.
fn parts(mutation: &Mutation) -> (&Bytes, bool) {
    match mutation {
        Mutation::Put { key, .. } | Mutation::Insert { key, .. } | Mutation::Upsert { key, .. } => {
            (key, true)
        }
        Mutation::Delete { key } | Mutation::Remove { key, .. } => (key, false),
    }
}

fn again(payload: &mut Payload, mutation: &Mutation) {
    match mutation {
        Mutation::Put { key, value } => payload.put(key, &value.bytes),
        Mutation::Delete { key } => payload.delete(key),
        Mutation::Insert { key, value, count } => payload.insert(key, &value.bytes, count),
        Mutation::Upsert { key, value, count } => payload.upsert(key, &value.bytes, count),
        Mutation::Remove { key, count } => payload.remove(key, count),
    }
}

struct Draft<'a> {
    file: &'a dyn SegmentFile,
    marker: u64,
    buffer: BytesMut,
    written: u64,
}

impl Draft<'_> {
    fn commit(&mut self, payload: Payload) -> io::Result<()> {
        let record = Record::commit(payload.finish());
        let [payload, _nothing] = &record.parts;
        self.record(Kind::Commit, record.crc, payload)
    }

    fn record(&mut self, kind: Kind, crc: u32, payload: &Bytes) -> io::Result<()> {
        let len = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let header = RecordHeader { kind, len, crc };
        self.buffer.extend_from_slice(&header.encode(self.marker));
        self.buffer.extend_from_slice(payload);
        let padding = header.stride() - RECORD_HEADER_BYTES as u64 - u64::from(len);
        let padded = self.buffer.len() + usize::try_from(padding).map_err(io::Error::other)?;
        self.buffer.resize(padded, 0);
        if self.buffer.len() >= WRITE_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.written, &[IoSlice::new(&self.buffer)])?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
