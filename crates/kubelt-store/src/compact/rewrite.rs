//! The segment that takes another's place.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};

use super::CompactError;
use crate::{
    error::IndexError,
    index::{Index, Range, cursor::Cursor},
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
/// One mutation in so many is looked at to learn whether a segment is worth being compacted.
const SAMPLED: usize = 16;

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

/// About how many bytes of a segment are mutations that a rebuild would not miss: one in [`SAMPLED`] is looked at.
pub(super) fn idle_bytes(log: &Log, index: &Arc<dyn Index>, id: u64) -> Result<u64, CompactError> {
    let file = log.segment(id)?;
    let size = file.size()?;
    let head = file.read_at(0, usize::try_from(size.min(SEGMENT_HEADER_BYTES)).map_err(io::Error::other)?)?;
    let Ok(header) = SegmentHeader::decode(&head) else { return Ok(0) };
    let mut scan = Scan::new(&*file, header.marker, SEGMENT_HEADER_BYTES, size);
    let (mut keys, mut bytes, mut seen) = (Vec::new(), Vec::new(), 0_usize);
    while let Some(found) = scan.next()? {
        let Found::Good { header: RecordHeader { kind: Kind::Commit, .. }, payload, .. } = found else {
            continue;
        };
        for one in mutation::decode(&payload).unwrap_or_default() {
            seen += 1;
            let (key, _sets) = parts(&one);
            if seen.is_multiple_of(SAMPLED) && comes_and_goes(key) {
                let mut again_bytes = Payload::new();
                again(&mut again_bytes, &one);
                keys.push(key.clone());
                bytes.push(again_bytes.len() as u64);
            }
        }
    }
    let there = Presence::of(index, &keys)?;
    let idle = bytes.into_iter().zip(there.0).filter(|(_, there)| !there).map(|(bytes, _)| bytes);
    Ok(idle.sum::<u64>() * SAMPLED as u64)
}

/// Drafts what is alive of the segment with this header, up to `limit`; gives the new segment's id, or none where
/// the old one is damaged and must stay.
pub(super) fn rewrite(
    log: &Log,
    index: &Arc<dyn Index>,
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
    let mut there = presence(index, &*old, header, limit)?.0.into_iter();
    let mut is_there = |key: &[u8]| !comes_and_goes(key) || there.next().unwrap_or(true);
    let mut scan = Scan::new(&*old, header.marker, SEGMENT_HEADER_BYTES, limit);
    let mut is_open = false;
    while let Some(found) = scan.next()? {
        let Found::Good { payload_at, header: record, payload } = found else { return Ok(None) };
        let at = Pointer { segment: header.id, offset: payload_at, len: record.len, crc: record.crc };
        match record.kind {
            Kind::Block => {
                let Some((cid, _skip)) = split_block(&payload) else { return Ok(None) };
                let key = keys::block(&cid);
                if is_there(&key) && lies_at(&**index, &key, at)? {
                    draft.record(Kind::Block, record.crc, &payload)?;
                    is_open = true;
                }
            }
            Kind::Commit => {
                let Ok(mutations) = mutation::decode(&payload) else { return Ok(None) };
                let mut kept = Payload::new();
                for one in &mutations {
                    let (key, sets) = parts(one);
                    // Whether a rebuild would miss it.
                    if is_there(key) || !(sets || is_clean) {
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

/// Whether keys are there now, in the order in which they were given.
struct Presence(Vec<bool>);

impl Presence {
    /// Looks in the order of the keys, which is several times faster than in any other.
    fn of(index: &Arc<dyn Index>, keys: &[Bytes]) -> Result<Self, IndexError> {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by(|a, b| keys[*a].cmp(&keys[*b]));
        let mut cursor = Cursor::new(Arc::clone(index), Range::prefix(&[]));
        let mut there = vec![false; keys.len()];
        for place in order {
            there[place] = cursor.seek(&keys[place])?.is_some_and(|(key, _)| *key == keys[place]);
        }
        Ok(Self(there))
    }
}

/// Whether the keys in the records of a segment are there now, of those in tables whose rows come and go.
fn presence(
    index: &Arc<dyn Index>,
    file: &dyn SegmentRead,
    header: SegmentHeader,
    limit: u64,
) -> Result<Presence, CompactError> {
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
    Ok(Presence::of(index, &keys)?)
}

fn comes_and_goes(key: &[u8]) -> bool {
    key.first().is_some_and(|table| TABLES.contains(table))
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
