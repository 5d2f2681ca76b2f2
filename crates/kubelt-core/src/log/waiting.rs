//! Operations that cannot be taken in yet: they follow unknown ones, or are dated ahead of the clock.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    id::OpId,
    limits::{CLOCK_AHEAD_MS_MAX, WAITING_OPS_MAX},
    log::entry::Entry,
};

/// A bounded queue, [`WAITING_OPS_MAX`] long.
#[derive(Debug, Default)]
pub struct Waiting {
    parked: HashMap<OpId, Parked>,
    /// Who waits for an operation.
    for_prev: HashMap<OpId, Vec<OpId>>,
    /// Held operations by when they may be taken in.
    held: BTreeMap<(u64, OpId), Entry>,
}

#[derive(Debug)]
struct Parked {
    entry: Entry,
    lacks: HashSet<OpId>,
}

impl Waiting {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations wait.
    pub fn len(&self) -> usize {
        self.parked.len() + self.held.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Parks an operation until everything in `lacks` is here; `false` when the queue is full and it was
    /// dropped. The peer that sent it will offer it again.
    pub fn park(&mut self, entry: Entry, lacks: &[OpId]) -> bool {
        let id = entry.id();
        if self.parked.contains_key(&id) {
            return true;
        }
        if self.len() >= WAITING_OPS_MAX {
            return false;
        }
        for prev in lacks {
            self.for_prev.entry(*prev).or_default().push(id);
        }
        self.parked.insert(id, Parked { entry, lacks: lacks.iter().copied().collect() });
        true
    }

    /// Holds an operation that is dated ahead of the clock; `false` when the queue is full.
    pub fn hold(&mut self, entry: Entry) -> bool {
        let key = (entry.header().at.ms().saturating_sub(CLOCK_AHEAD_MS_MAX), entry.id());
        if self.held.contains_key(&key) {
            return true;
        }
        if self.len() >= WAITING_OPS_MAX {
            return false;
        }
        self.held.insert(key, entry);
        true
    }

    /// The operations that waited for `id` alone, now that it is here.
    pub fn arrived(&mut self, id: &OpId) -> Vec<Entry> {
        let mut ready = Vec::new();
        for waiter in self.for_prev.remove(id).unwrap_or_default() {
            let Some(parked) = self.parked.get_mut(&waiter) else { continue };
            parked.lacks.remove(id);
            if parked.lacks.is_empty() {
                ready.extend(self.parked.remove(&waiter).map(|parked| parked.entry));
            }
        }
        ready
    }

    /// The held operations that may be taken in at `now_ms`.
    pub fn due(&mut self, now_ms: u64) -> Vec<Entry> {
        let later = self.held.split_off(&(now_ms.saturating_add(1), OpId::from_digest([0; 32])));
        std::mem::replace(&mut self.held, later).into_values().collect()
    }

    /// When the first held operation may be taken in, in milliseconds since the Unix epoch.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.held.keys().next().map(|(due_ms, _)| *due_ms)
    }

    /// The operations that are waited for and are not in the queue themselves: what to ask peers for.
    pub fn wanted(&self) -> Vec<OpId> {
        let mut wanted: Vec<OpId> =
            self.for_prev.keys().filter(|id| !self.parked.contains_key(id)).copied().collect();
        wanted.sort_unstable();
        wanted
    }
}
