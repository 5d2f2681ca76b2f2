//! Looking a store over, and making its index again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};

use crate::{
    error::OpenError,
    index::{
        Index,
        lsm::{LsmIndex, LsmOptions},
    },
    limits::BAD_RECORDS_MAX,
    lock::DirLock,
    mutation,
    options::Options,
    recover::{BadRecord, Progress, Recovery, Segment, Segments, replay},
    segment::{
        file::{FileDisk, sync_dir},
        format::{Kind, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES},
        log::Log,
        record::split_block,
        scan::{Found, Scan},
    },
};

/// What a look over all segments found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Segments that were read.
    pub segments: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Whole block records.
    pub blocks: u64,
    /// Whole transactions.
    pub transactions: u64,
    /// Damaged places.
    pub bad: Vec<BadRecord>,
    /// Blocks whose bytes are those that were written, but do not match their CID.
    pub mismatched: Vec<Cid>,
    /// Blocks whose hash function is not known here, so that only their checksum was looked at.
    pub unknown_hash: u64,
    /// Bytes at the very end that no transaction closes.
    pub torn_tail_bytes: u64,
}

impl CheckReport {
    /// Whether all is well. A torn tail is: it was never acknowledged.
    pub const fn is_whole(&self) -> bool {
        self.bad.is_empty() && self.mismatched.is_empty()
    }
}

/// Reads every record of the store in `dir` and hashes every block again. Nothing is changed.
///
/// # Errors
/// [`OpenError`] when a segment cannot be read at all or another process has the store.
pub fn check(dir: impl AsRef<Path>, mut progress: impl FnMut(Progress)) -> Result<CheckReport, OpenError> {
    let dir = dir.as_ref();
    let _lock = DirLock::shared(dir)?;
    let log = Log::new(Arc::new(FileDisk::new(dir.join("segments"))));
    let segments = Segments::read(&log, 0).map_err(OpenError::Segments)?;
    segments.check_versions()?;
    let bytes_total = segments.0.iter().map(|segment| segment.size).sum();
    let mut report = CheckReport::default();
    for (i, segment) in segments.0.iter().enumerate() {
        let limit = segments.limit(i);
        check_segment(&log, segment, limit, i + 1 == segments.0.len(), &mut report)
            .map_err(OpenError::Segments)?;
        report.bytes += segment.size;
        progress(Progress { bytes_done: report.bytes, bytes_total });
    }
    Ok(report)
}

/// Throws the index of the store in `dir` away and makes it again from the segments. The old index is kept
/// aside until the new one is whole.
///
/// # Errors
/// [`OpenError`] when the segments cannot be read, the index cannot be written, or another process has the
/// store.
pub fn rebuild_index(
    dir: impl AsRef<Path>,
    options: &Options,
    mut progress: impl FnMut(Progress),
) -> Result<Recovery, OpenError> {
    let dir = dir.as_ref();
    let _lock = DirLock::exclusive(dir)?;
    let [index, old, new] = ["index", "index.old", "index.new"].map(|name| dir.join(name));
    remove(&new)?;
    if exists(&index)? {
        remove(&old)?;
        rename(&index, &old)?;
    }
    let lsm =
        LsmOptions { cache_bytes: options.index_cache_bytes, memtable_bytes: options.index_memtable_bytes };
    let log = Arc::new(Log::new(Arc::new(FileDisk::new(dir.join("segments")))));
    let rebuilt = LsmIndex::open(&new, lsm).map_err(OpenError::Index)?;
    let (recovery, _end) = replay(&log, &rebuilt, None, &mut progress)?;
    rebuilt.flush().map_err(OpenError::Index)?;
    drop(rebuilt);
    rename(&new, &index)?;
    sync_dir(dir).map_err(|source| OpenError::Path { path: dir.to_owned(), source })?;
    remove(&old)?;
    Ok(recovery)
}

fn check_segment(
    log: &Log,
    segment: &Segment,
    limit: u64,
    last: bool,
    report: &mut CheckReport,
) -> io::Result<()> {
    let file = log.segment(segment.id)?;
    report.segments += 1;
    let bad = |offset, len| BadRecord { segment: segment.id, offset, len };
    if segment.header.is_err() {
        note(report, bad(0, SEGMENT_HEADER_BYTES));
    }
    let Some(marker) = segment.marker(&*file) else {
        note(report, bad(SEGMENT_HEADER_BYTES, limit.saturating_sub(SEGMENT_HEADER_BYTES)));
        return Ok(());
    };
    let mut scan = Scan::new(&*file, marker, SEGMENT_HEADER_BYTES, limit);
    let mut unclosed = Vec::new();
    let mut end = SEGMENT_HEADER_BYTES;
    while let Some(found) = scan.next()? {
        match found {
            Found::Bad { offset, len } => unclosed.push(bad(offset, len)),
            Found::Good { payload_at, header, payload } => {
                let offset = payload_at - RECORD_HEADER_BYTES as u64;
                let whole = match header.kind {
                    Kind::Block => check_block(&payload, report),
                    Kind::Commit => mutation::decode(&payload).is_ok(),
                };
                if !whole {
                    unclosed.push(bad(offset, header.stride()));
                } else if header.kind == Kind::Commit {
                    report.transactions += 1;
                    unclosed.drain(..).for_each(|bad| note(report, bad));
                    end = offset + header.stride();
                }
            }
        }
    }
    if last {
        report.torn_tail_bytes = segment.size.saturating_sub(end);
    } else {
        unclosed.drain(..).for_each(|bad| note(report, bad));
    }
    Ok(())
}

fn check_block(payload: &[u8], report: &mut CheckReport) -> bool {
    let Some((cid, skip)) = split_block(payload) else { return false };
    report.blocks += 1;
    match Code::try_from(cid.hash().code()) {
        Err(_unknown) => report.unknown_hash += 1,
        Ok(code) if code.digest(&payload[usize::from(skip)..]) != *cid.hash() => report.mismatched.push(cid),
        Ok(_matches) => {}
    }
    true
}

fn note(report: &mut CheckReport, bad: BadRecord) {
    if report.bad.len() < BAD_RECORDS_MAX {
        report.bad.push(bad);
    }
}

fn exists(path: &Path) -> Result<bool, OpenError> {
    path.try_exists().map_err(at(path))
}

fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    fs::rename(from, to).map_err(at(from))
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(at(path)),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = PathBuf::from(path);
    |source| OpenError::Path { path, source }
}
