//! Compaction: giving back the space of what is not there any more.
//!
//! A sealed segment of which enough is dead is replaced by another in the same place of the log, which holds what
//! is alive of it in the same order. So a rebuild comes to the same index, and no record moves past another. Of the
//! mutations those go that set a key which is not there now: dropping them changes nothing, whatever stands before
//! or behind them. What deletes a key goes only when no earlier segment can hold what it deletes: when each of
//! those was compacted after this one was sealed. So nothing dead is ever raised.
//!
//! The order of things makes it safe: the new segment is drafted and synced; the index is made durable, so that no
//! replay begins in the old one; the new one is published; the index is pointed to it and made durable; the old one
//! is removed. A kill between any two leaves both, and opening goes on from there. Readers that come with an old
//! pointer look into the index again; what is mapped stays until its readers let go.

mod rewrite;

use std::{collections::HashMap, io, sync::Arc};

use bytes::Bytes;

use self::rewrite::{Makeup, idle_bytes, makeup, rewrite};
use crate::{
    commit::{Errand, Expects, Repoint, Request},
    error::{CommitError, IndexError, OpenError, ReadError},
    index::{Index, Range},
    keys,
    limits::{DEAD_BYTES_MAX, DEAD_SHARE, INLINE_BYTES_MAX, REPOINT_ROWS},
    mutation::{self, Mutation},
    recover::Segments,
    segment::{
        format::{Kind, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader, place, stride},
        log::Log,
        record::{Pointer, split_block},
        scan::{Found, Scan},
    },
    store::Store,
    values::{Location, Stored},
};

/// Why space was not given back.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A segment could not be read or written.
    #[error("a segment could not be compacted; check the disk")]
    Segment(#[from] io::Error),
    /// The committer refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Something could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What is known of segments from looking at them before.
#[derive(Debug, Default)]
pub(crate) struct Compaction {
    /// What each sealed segment is made of; none where it is damaged and stays as it is.
    known: HashMap<u64, Option<Makeup>>,
    /// What is to be compacted, the last one first.
    next: Vec<u64>,
}

impl Store {
    /// Compacts one segment, if any has enough dead in it; gives whether it did. Writers and readers go on
    /// meanwhile. It takes a second or so; not for use inside an async runtime's threads.
    ///
    /// # Errors
    /// [`CompactError`]; nothing is lost then.
    pub fn compact(&self) -> Result<bool, CompactError> {
        let mut state = self.compaction().lock();
        if state.next.is_empty() {
            state.next = self.candidates(&mut state.known)?;
            state.next.reverse();
        }
        let Some(id) = state.next.pop() else { return Ok(false) };
        state.known.remove(&id);
        if !self.compact_segment(id)? {
            state.known.insert(id, None);
        }
        Ok(true)
    }

    /// The segments with enough dead in them, in the order of the log.
    fn candidates(&self, known: &mut HashMap<u64, Option<Makeup>>) -> Result<Vec<u64>, CompactError> {
        let mut live: HashMap<u64, u64> = HashMap::new();
        for row in self.index().scan(Range::prefix(b"B"), false) {
            let (_key, row) = row?;
            if let Some(Stored::Inline(row)) = Stored::decode(&row)
                && let Some(location) = Location::decode(&row)
            {
                *live.entry(location.payload.segment).or_default() += stride(location.payload.len);
            }
        }
        let mut found = Vec::new();
        let places = self.log().places()?;
        for (i, (id, _replaced)) in places.iter().enumerate() {
            let is_active = i + 1 == places.len();
            let made = match known.get(id).copied().filter(|_| !is_active) {
                Some(made) => made,
                None => makeup(self.log(), *id)?,
            };
            if !is_active {
                known.insert(*id, made);
            }
            let Some(made) = made else { continue };
            let dead = made.blocks.saturating_sub(live.get(id).copied().unwrap_or_default());
            let enough = |dead: u64, of: u64| dead > 0 && (dead >= DEAD_BYTES_MAX || dead * DEAD_SHARE >= of);
            if enough(dead, made.blocks) || self.is_idle(*id, made, is_active, &found, &places[..i])? {
                found.push(*id);
                if is_active {
                    self.errand(Errand::Seal)?;
                }
            }
        }
        Ok(found)
    }

    /// Whether much of a segment that was never compacted only deletes what no earlier one holds any more, or
    /// sets what is gone. Earlier ones that are about to be compacted will have forgotten it.
    fn is_idle(
        &self,
        id: u64,
        made: Makeup,
        is_active: bool,
        found: &[u64],
        earlier: &[(u64, Vec<u64>)],
    ) -> Result<bool, CompactError> {
        let size = made.blocks + made.commits;
        let is_large = made.commits * DEAD_SHARE >= size && (!is_active || made.commits >= DEAD_BYTES_MAX);
        if made.as_of != 0 || !is_large {
            return Ok(false);
        }
        for (other, _replaced) in earlier.iter().filter(|(other, _)| !found.contains(other)) {
            if makeup(self.log(), *other)?.is_none_or(|made| u64::from(made.as_of) <= place(id)) {
                return Ok(false);
            }
        }
        Ok(idle_bytes(self.log(), self.shared_index(), id)? * DEAD_SHARE >= size)
    }

    /// Whether it was compacted; what is damaged is not.
    fn compact_segment(&self, id: u64) -> Result<bool, CompactError> {
        let log = self.log();
        let segments = Segments::read(log, 0)?;
        let Some(at) = segments.0.iter().position(|segment| segment.id == id) else { return Ok(false) };
        let (Ok(header), Some(active)) = (segments.0[at].header, segments.0.last()) else { return Ok(false) };
        let as_of = u32::try_from(place(active.id)).map_err(io::Error::other)?;
        let forgets = |header: &SegmentHeader| u64::from(header.as_of) > place(id);
        let is_clean = segments.0[..at].iter().all(|earlier| earlier.header.as_ref().is_ok_and(forgets));
        let Some(new) = rewrite(log, self.shared_index(), header, segments.limit(at), as_of, is_clean)?
        else {
            return Ok(false);
        };
        self.errand(Errand::Flush)?;
        log.disk().publish(new)?;
        let mut rows = repoints(log, self.index(), new)?.into_iter().peekable();
        while rows.peek().is_some() {
            self.errand(Errand::Repoint(rows.by_ref().take(REPOINT_ROWS).collect()))?;
        }
        self.errand(Errand::Flush)?;
        log.set_sealed(id);
        log.disk().remove(id)?;
        Ok(true)
    }

    fn errand(&self, errand: Errand) -> Result<(), CommitError> {
        let request = Request {
            records: Vec::new(),
            needs: Vec::new(),
            expects: Expects::default(),
            rests_on: None,
            is_background: true,
            errand: Some(errand),
            quotas: Vec::new(),
        };
        self.submit(request).wait()
    }
}

/// Ends compactions that a kill interrupted after their segments were published.
pub(crate) fn finish_compactions(log: &Arc<Log>, index: &dyn Index) -> Result<(), OpenError> {
    for (id, replaced) in log.places().map_err(OpenError::Segments)? {
        if replaced.is_empty() {
            continue;
        }
        let rows = repoints(log, index, id).map_err(|error| match error {
            CompactError::Index(error) => OpenError::Index(error),
            other => OpenError::Segments(io::Error::other(other)),
        })?;
        let batch = rows.into_iter().map(|row| (row.key, Some(row.to))).collect();
        index.apply(batch).map_err(OpenError::Index)?;
        index.flush().map_err(OpenError::Index)?;
        for old in replaced {
            log.disk().remove(old).map_err(OpenError::Segments)?;
        }
    }
    Ok(())
}

/// The rows that point into what segment `id` has replaced, and where they must point.
fn repoints(log: &Log, index: &dyn Index, id: u64) -> Result<Vec<Repoint>, CompactError> {
    let file = log.segment(id)?;
    let size = file.size()?;
    let head = file.read_at(0, usize::try_from(size.min(SEGMENT_HEADER_BYTES)).map_err(io::Error::other)?)?;
    let Ok(header) = SegmentHeader::decode(&head) else { return Ok(Vec::new()) };
    // Of equal puts of one key the last one counts, as in a rebuild.
    let mut rows = HashMap::new();
    let mut scan = Scan::new(&*file, header.marker, SEGMENT_HEADER_BYTES, size);
    while let Some(found) = scan.next()? {
        let Found::Good { payload_at, header, payload } = found else { continue };
        let at = Pointer { segment: id, offset: payload_at, len: header.len, crc: header.crc };
        match header.kind {
            Kind::Block => {
                rows.extend(repoint_block(index, header, &payload, at)?.map(|row| (row.key.clone(), row)));
            }
            Kind::Commit => {
                for mutation in mutation::decode(&payload).unwrap_or_default() {
                    rows.extend(repoint_value(index, &mutation, at)?.map(|row| (row.key.clone(), row)));
                }
            }
        }
    }
    Ok(rows.into_values().collect())
}

/// Whether a row points into what the segment of `new` has replaced.
fn is_replaced(old: &Pointer, new: &Pointer) -> bool {
    place(old.segment) == place(new.segment) && old.segment < new.segment
}

fn repoint_block(
    index: &dyn Index,
    header: RecordHeader,
    payload: &Bytes,
    at: Pointer,
) -> Result<Option<Repoint>, IndexError> {
    let Some((cid, skip)) = split_block(payload) else { return Ok(None) };
    let key = Bytes::from(keys::block(&cid));
    let Some(from) = index.get(&key)? else { return Ok(None) };
    let Some(Stored::Inline(row)) = Stored::decode(&from) else { return Ok(None) };
    let Some(old) = Location::decode(&row) else { return Ok(None) };
    let same = (old.payload.len, old.payload.crc) == (header.len, header.crc);
    let to = Stored::inline(&Location { payload: at, skip }.encode());
    Ok((same && is_replaced(&old.payload, &at)).then_some(Repoint { key, from, to }))
}

fn repoint_value(index: &dyn Index, mutation: &Mutation, at: Pointer) -> Result<Option<Repoint>, IndexError> {
    let (Mutation::Put { key, value }
    | Mutation::Insert { key, value, .. }
    | Mutation::Upsert { key, value, .. }) = mutation
    else {
        return Ok(None);
    };
    if value.bytes.len() <= INLINE_BYTES_MAX {
        return Ok(None);
    }
    let Some(from) = index.get(key)? else { return Ok(None) };
    let Some(Stored::At(old)) = Stored::decode(&from) else { return Ok(None) };
    let same = (old.len as usize, old.crc) == (value.bytes.len(), crc32fast::hash(&value.bytes));
    let to = Pointer { segment: at.segment, offset: at.offset + u64::from(value.at), ..old };
    let key = Bytes::copy_from_slice(key);
    Ok((same && is_replaced(&old, &at)).then(|| Repoint { key, from, to: Stored::at(to) }))
}

#[cfg(test)]
mod tests;
