//! What the operator of this node does not serve, to anybody.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use kubelt_content::denylist::Denylist;
use parking_lot::RwLock;

/// The rules in force; cheap to clone, and all clones see a change.
#[derive(Debug, Clone, Default)]
pub struct Denylists(Arc<Rules>);

#[derive(Debug, Default)]
struct Rules {
    now: RwLock<Arc<Denylist>>,
    changes: AtomicU64,
}

impl Denylists {
    /// Puts other rules into force, from the next request on.
    pub fn set(&self, rules: Denylist) {
        *self.0.now.write() = Arc::new(rules);
        self.0.changes.fetch_add(1, Ordering::Release);
    }

    /// The rules in force now.
    pub fn now(&self) -> Arc<Denylist> {
        Arc::clone(&self.0.now.read())
    }

    /// Grows with every change, behind it and before whoever made it goes on.
    pub(crate) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }
}
