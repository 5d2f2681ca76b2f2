//! What is on its way, and must not be taken.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cid::Cid;
use kubelt_core::CoreId;
use kubelt_store::{Store, Tx, TxError};
use parking_lot::Mutex;

use super::{Job, enqueue};
use crate::{
    StoreError,
    clock::Clock,
    limits::{EXPORT_HOLD_MS, GRACE_MS},
};

/// Roots that are being linked, or were linked and are not named yet: by core and root, the stamp.
const LEASES: &str = "lease";
/// Stamps of possessions: milliseconds since the Unix epoch, and always greater than the one before.
#[derive(Debug, Clone)]
pub(crate) struct Stamps {
    clock: Arc<dyn Clock>,
    last: Arc<AtomicU64>,
}

impl Stamps {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: Arc::default() }
    }

    pub(crate) fn next(&self) -> u64 {
        let now = self.clock.now_ms();
        let last =
            self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(now.max(last + 1)));
        let last = last.unwrap_or_else(|last| last);
        now.max(last + 1)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }
}

/// Uploads and exports that run; they end with the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<HashMap<CoreId, Running>>>);

/// Since when the uploads and exports of a core run, as stamps.
#[derive(Debug, Default)]
struct Running {
    uploads: Vec<u64>,
    exports: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Upload,
    Export,
}

/// An upload that runs: what its core has stamped since stays. Or an export: what was whole when it began stays.
#[derive(Debug)]
pub(crate) struct Lease {
    leases: Leases,
    core: CoreId,
    kind: Kind,
    since: u64,
}

impl Leases {
    /// Begins an upload.
    pub(crate) fn begin(&self, core: CoreId, stamps: &Stamps) -> Lease {
        self.enter(core, Kind::Upload, stamps)
    }

    /// Begins an export: what it may have found whole stays, until it ends or is
    /// [`EXPORT_HOLD_MS`] old.
    pub(crate) fn hold(&self, core: CoreId, stamps: &Stamps) -> Lease {
        self.enter(core, Kind::Export, stamps)
    }

    /// Since when the oldest upload of the core runs.
    pub(crate) fn oldest(&self, core: &CoreId) -> Option<u64> {
        self.0.lock().get(core).and_then(|running| running.uploads.iter().min().copied())
    }

    /// Whether an export runs that may have found a root whole that is not so any more since `condemned_at`. Exports
    /// that began later have not, so that however many follow each other, they hold nothing for ever.
    pub(crate) fn is_held(&self, core: &CoreId, condemned_at: u64, now_ms: u64) -> bool {
        let may_read = |since: &u64| *since < condemned_at && now_ms < since + EXPORT_HOLD_MS;
        self.0.lock().get(core).is_some_and(|running| running.exports.iter().any(may_read))
    }

    /// The stamp is taken under the lock, so that whoever sees no lease sees no stamp of it either.
    fn enter(&self, core: CoreId, kind: Kind, stamps: &Stamps) -> Lease {
        let mut running = self.0.lock();
        let since = stamps.next();
        running.entry(core).or_default().of(kind).push(since);
        Lease { leases: self.clone(), core, kind, since }
    }
}

impl Running {
    const fn of(&mut self, kind: Kind) -> &mut Vec<u64> {
        match kind {
            Kind::Upload => &mut self.uploads,
            Kind::Export => &mut self.exports,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut all = self.leases.0.lock();
        if let Some(running) = all.get_mut(&self.core) {
            let since = running.of(self.kind);
            if let Some(place) = since.iter().position(|since| *since == self.since) {
                since.swap_remove(place);
            }
            if running.uploads.is_empty() && running.exports.is_empty() {
                all.remove(&self.core);
            }
        }
    }
}

/// A root is being linked: nothing of it goes, until a path names it or the time is over.
pub(crate) fn lease(tx: &mut Tx, core: &CoreId, root: &Cid, stamp: u64) -> Result<(), TxError> {
    tx.put_meta(LEASES, &key(core, root), Some(&stamp.to_be_bytes()))?;
    enqueue(tx, stamp + GRACE_MS, &Job::Root { core: *core, root: *root })
}

/// The lease is over.
pub(crate) fn end_lease(tx: &mut Tx, core: &CoreId, root: &Cid) -> Result<(), TxError> {
    let key = key(core, root);
    match tx.meta(LEASES, &key)? {
        Some(_stamp) => tx.put_meta(LEASES, &key, None),
        None => Ok(()),
    }
}

/// Until when the root is leased.
pub(crate) fn is_leased(store: &Store, core: &CoreId, root: &Cid) -> Result<Option<u64>, StoreError> {
    let row = store.meta(LEASES, &key(core, root))?;
    let stamp = row.and_then(|row| row.as_ref().try_into().ok()).map(u64::from_be_bytes);
    Ok(stamp.map(|stamp| stamp + GRACE_MS))
}

/// The transaction happens only if the root has no lease.
pub(super) fn expect_none(tx: &mut Tx, core: &CoreId, root: &Cid) {
    tx.expect_meta(LEASES, &key(core, root), None);
}

/// The transaction happens only if the lease of the root is then as it is now, if there is one.
pub(super) fn expect_same(tx: &mut Tx, store: &Store, core: &CoreId, root: &Cid) -> Result<(), StoreError> {
    let key = key(core, root);
    tx.expect_meta(LEASES, &key, store.meta(LEASES, &key)?.as_deref());
    Ok(())
}

fn key(core: &CoreId, root: &Cid) -> Vec<u8> {
    [core.digest().as_slice(), &root.to_bytes()].concat()
}
