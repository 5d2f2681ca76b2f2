//! What waits to be collected, in the order in which it is due.

use std::collections::HashSet;

use cid::Cid;
use kubelt_core::CoreId;
use kubelt_store::{Store, Tx, TxError};

use crate::StoreError;

const QUEUE: &str = "collect";

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    /// A root that a path of the core let go, or that was linked and perhaps never named.
    Root { core: CoreId, root: Cid },
    /// A root that has become public, whose blocks anybody is to find by their CIDs.
    Show { core: CoreId, root: Cid },
    /// The core keeps other versions than before.
    Versions { core: CoreId },
    /// The core has brought blocks that perhaps nothing reaches.
    Sweep { core: CoreId },
}

/// A row of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    pub(crate) due_ms: u64,
    pub(crate) job: Job,
    /// Of a root that is being taken: when it was linked, as a stamp.
    pub(crate) linked_at: Option<u64>,
    /// Of a root that waits for exports to end: since when it is not whole any more, as a stamp.
    pub(crate) condemned_at: Option<u64>,
    key: Vec<u8>,
}

/// Queues `job` for `due_ms` (milliseconds since the Unix epoch).
pub(crate) fn enqueue(tx: &mut Tx, due_ms: u64, job: &Job) -> Result<(), TxError> {
    tx.put_meta(QUEUE, &encode(due_ms, job), Some(&[]))
}

/// The job that is due first.
pub(crate) fn first(store: &Store) -> Result<Option<Queued>, StoreError> {
    for row in store.meta_scan(QUEUE, &[], None) {
        let (key, stamps) = row?;
        // A row that cannot be read would be of another version: it is passed over.
        if let Some((due_ms, job)) = decode(&key) {
            let mut stamps = stamps.as_chunks().0.iter().copied().map(u64::from_be_bytes);
            let (linked_at, condemned_at) = (stamps.next(), stamps.next());
            return Ok(Some(Queued { due_ms, job, linked_at, condemned_at, key: key.to_vec() }));
        }
    }
    Ok(None)
}

/// All jobs, whenever they are due.
pub(crate) fn all(store: &Store) -> Result<HashSet<Job>, StoreError> {
    let mut jobs = HashSet::new();
    for row in store.meta_scan(QUEUE, &[], None) {
        jobs.extend(decode(&row?.0).map(|(_due_ms, job)| job));
    }
    Ok(jobs)
}

/// How many jobs are due, `max` at most.
pub(crate) fn count_due(store: &Store, now_ms: u64, max: usize) -> Result<u64, StoreError> {
    let mut count = 0;
    for row in store.meta_scan(QUEUE, &[], None).take(max) {
        if decode(&row?.0).is_some_and(|(due_ms, _job)| due_ms > now_ms) {
            break;
        }
        count += 1;
    }
    Ok(count)
}

/// Notes that a root is being taken, and when it was linked.
pub(crate) fn begun(tx: &mut Tx, queued: &Queued, linked_at: u64) -> Result<(), TxError> {
    tx.put_meta(QUEUE, &queued.key, Some(&linked_at.to_be_bytes()))
}

/// Notes that a root which is being taken waits until `due_ms` for exports that may read it.
pub(crate) fn held(
    tx: &mut Tx,
    queued: &Queued,
    linked_at: u64,
    condemned_at: u64,
    due_ms: u64,
) -> Result<(), TxError> {
    done(tx, queued)?;
    let stamps = [linked_at.to_be_bytes(), condemned_at.to_be_bytes()].concat();
    tx.put_meta(QUEUE, &encode(due_ms, &queued.job), Some(&stamps))
}

/// Takes a row out of the queue.
pub(crate) fn done(tx: &mut Tx, queued: &Queued) -> Result<(), TxError> {
    tx.put_meta(QUEUE, &queued.key, None)
}

/// Date, kind, core, root.
fn encode(due_ms: u64, job: &Job) -> Vec<u8> {
    let (kind, core, root) = match job {
        Job::Root { core, root } => (0, core, Some(root)),
        Job::Show { core, root } => (1, core, Some(root)),
        Job::Versions { core } => (2, core, None),
        Job::Sweep { core } => (3, core, None),
    };
    let root = root.map(Cid::to_bytes).unwrap_or_default();
    [due_ms.to_be_bytes().as_slice(), &[kind], core.digest(), &root].concat()
}

fn decode(key: &[u8]) -> Option<(u64, Job)> {
    let (due_ms, rest) = key.split_first_chunk::<8>()?;
    let (kind, rest) = rest.split_first()?;
    let (core, root) = rest.split_first_chunk::<32>()?;
    let core = CoreId::from_digest(*core);
    let job = match kind {
        0 => Job::Root { core, root: Cid::try_from(root).ok()? },
        1 => Job::Show { core, root: Cid::try_from(root).ok()? },
        2 => Job::Versions { core },
        3 => Job::Sweep { core },
        _ => return None,
    };
    Some((u64::from_be_bytes(*due_ms), job))
}
