//! What the operator of this node does not serve, to anybody.

use std::sync::Arc;

use kubelt_content::denylist::Denylist;
use parking_lot::RwLock;

/// The rules in force; cheap to clone, and all clones see a change.
#[derive(Debug, Clone, Default)]
pub struct Denylists(Arc<RwLock<Arc<Denylist>>>);

impl Denylists {
    /// Puts other rules into force, from the next request on.
    pub fn set(&self, rules: Denylist) {
        *self.0.write() = Arc::new(rules);
    }

    /// The rules in force now.
    pub fn now(&self) -> Arc<Denylist> {
        Arc::clone(&self.0.read())
    }
}
