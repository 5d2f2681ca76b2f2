//! Blocks that were wanted a moment ago: who sends one of them late does nothing wrong.

use std::collections::{HashSet, VecDeque};

use cid::Cid;

use crate::bitswap::limits::RECENT_MAX;

/// The last CIDs that were put in.
#[derive(Debug, Default)]
pub(super) struct Recent {
    order: VecDeque<Cid>,
    all: HashSet<Cid>,
}

impl Recent {
    pub(super) fn insert(&mut self, cid: Cid) {
        if !self.all.insert(cid) {
            return;
        }
        self.order.push_back(cid);
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, cid: &Cid) -> bool {
        self.all.contains(cid)
    }
}
