//! Looking for what the collector should have found and did not: by reading all there is, which it never does.

use std::collections::{BTreeSet, HashMap, HashSet};

use cid::Cid;
use kubelt_core::CoreId;
use kubelt_store::{CommitError, Store, TxError, Usage};

use super::{Job, enqueue, is_leased, keeps::is_kept, queue};
use crate::{StoreError, content::linked_at, limits::GRACE_MS, mirrors::stand_ins};

/// What is held in a store and nothing needs, and what is counted wrongly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaks {
    /// Blocks that no core possesses.
    pub unowned: u64,
    /// Possessions that no root reaches, that are not on their way, and that no sweep is to look at.
    pub unreached: u64,
    /// Rows that say that a root reaches a block, of roots that are neither whole nor about to go.
    pub stray: u64,
    /// Roots that no path keeps and that are not about to go.
    pub unkept: u64,
    /// Cores whose use differs from what is counted: the core, what its counters say, what is there.
    pub miscounted: Vec<(CoreId, Usage, Usage)>,
    cores: BTreeSet<CoreId>,
    roots: BTreeSet<(CoreId, Cid)>,
}

/// Why no sweep was queued.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// It does not fit into a transaction.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// The store takes no writes.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What became of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Stray,
    Unkept,
}

impl Leaks {
    /// Looks at all of a store that no node has open. What is younger than two graces is on its way, as is whatever the
    /// collector's queue names. This takes time in proportion to the store.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn find(store: &Store, now_ms: u64) -> Result<Self, StoreError> {
        let queued = queue::all(store)?;
        let mut leaks = Self::default();
        for cid in store.blocks() {
            leaks.unowned += u64::from(!store.is_possessed(&cid?)?);
        }
        // Mirrored cores have blocks, too, under an id of their own.
        for core in store.cores(None).chain(stand_ins(store)?.into_iter().map(Ok)) {
            let core = core?;
            leaks.look_at_reach(store, &core, &queued)?;
            leaks.look_at_possessions(store, &core, &queued, now_ms)?;
        }
        Ok(leaks)
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Has the collector look at what was found, as soon as a node runs. Blocks that no core possesses and wrong counts
    /// are beyond it.
    ///
    /// # Errors
    /// [`SweepError`]; nothing was queued then, or part of it.
    pub fn queue_sweeps(&self, store: &Store, now_ms: u64) -> Result<(), SweepError> {
        let mut tx = store.begin();
        for (core, root) in &self.roots {
            enqueue(&mut tx, now_ms, &Job::Root { core: *core, root: *root })?;
        }
        for core in &self.cores {
            // After the roots: what these leave unreached it finds.
            enqueue(&mut tx, now_ms + 1, &Job::Sweep { core: *core })?;
        }
        Ok(tx.commit().wait()?)
    }

    fn look_at_reach(
        &mut self,
        store: &Store,
        core: &CoreId,
        queued: &HashSet<Job>,
    ) -> Result<(), StoreError> {
        let mut fates: HashMap<Cid, Fate> = HashMap::new();
        for row in store.reach_rows(core) {
            let (_block, root) = row?;
            let fate = match fates.get(&root) {
                Some(fate) => *fate,
                None => {
                    let is_due = queued.contains(&Job::Root { core: *core, root });
                    let fate = match linked_at(store, core, &root)? {
                        _ if is_due || is_kept(store, core, &root)? => Fate::Kept,
                        // The core's own public root is kept without a mark.
                        None => Fate::Stray,
                        Some(_) if is_leased(store, core, &root)?.is_some() => Fate::Kept,
                        Some(_) => Fate::Unkept,
                    };
                    self.unkept += u64::from(fate == Fate::Unkept);
                    fates.insert(root, fate);
                    fate
                }
            };
            self.stray += u64::from(fate == Fate::Stray);
            if fate != Fate::Kept {
                self.roots.insert((*core, root));
                self.cores.insert(*core);
            }
        }
        Ok(())
    }

    fn look_at_possessions(
        &mut self,
        store: &Store,
        core: &CoreId,
        queued: &HashSet<Job>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let is_swept = queued.contains(&Job::Sweep { core: *core });
        let usage = store.usage(core)?;
        let mut counted = Usage { blocks: 0, block_bytes: 0, ..usage };
        for row in store.possessions(core, None) {
            let (cid, stamp) = row?;
            counted.blocks += 1;
            counted.block_bytes += u64::from(store.block_len(&cid)?.unwrap_or_default());
            if !is_swept && stamp + 2 * GRACE_MS <= now_ms && !store.is_reached(core, &cid)? {
                self.unreached += 1;
                self.cores.insert(*core);
            }
        }
        if usage != counted {
            self.miscounted.push((*core, usage, counted));
        }
        Ok(())
    }
}
