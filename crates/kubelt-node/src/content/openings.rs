//! Which public path let strangers in to a block, where that took long to find.
//!
//! Whoever publishes a block under many roots and closes them again puts as many closed doors before the open one. Once
//! found, the open one is tried first, so others cannot shut it by adding more. It is only a hint: whether it is open is
//! looked up each time.

use std::{collections::HashMap, sync::Arc};

use cid::Cid;
use kubelt_core::{CoreId, MapPath};
use parking_lot::Mutex;

use crate::limits::{OPENINGS_REMEMBERED_MAX, OPENINGS_WORTH_REMEMBERING};

/// A root that reaches a block, and the path that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) root: Cid,
    pub(super) core: CoreId,
    pub(super) path: MapPath,
}

/// Openings by block; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Openings(Arc<Mutex<HashMap<Cid, Opening>>>);

impl Openings {
    pub(super) fn get(&self, block: &Cid) -> Option<Opening> {
        self.0.lock().get(block).cloned()
    }

    /// Remembers an opening that was found behind so many closed ones.
    pub(super) fn found(&self, block: &Cid, opening: Opening, closed: usize) {
        if closed < OPENINGS_WORTH_REMEMBERING {
            return;
        }
        let mut known = self.0.lock();
        if known.len() >= OPENINGS_REMEMBERED_MAX {
            known.clear();
        }
        known.insert(*block, opening);
    }

    pub(super) fn forget(&self, block: &Cid) {
        self.0.lock().remove(block);
    }
}
