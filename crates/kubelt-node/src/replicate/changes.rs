//! Who wants to know that a core has changed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kubelt_core::{
    CoreId, MapPath,
    schema::{COPIES, Host},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::worker::Waker;

/// Hears of changes of one core.
#[derive(Debug)]
pub struct CoreWatch(watch::Receiver<(u64, u64)>);

impl CoreWatch {
    pub(crate) const fn of(changes: watch::Receiver<(u64, u64)>) -> Self {
        Self(changes)
    }

    /// Resolves when the core has changed since this was last asked. Nothing is missed where it is dropped before.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Told after every commit that changes a core; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How often operations were added, and how often content became whole.
    watched: Mutex<HashMap<CoreId, watch::Sender<(u64, u64)>>>,
    /// Cores of several people that hear of changes of a person's own core, by that core.
    followers: Mutex<HashMap<CoreId, HashSet<CoreId>>>,
    /// Cores whose hosts were written to, for the replicator.
    hosts: Mutex<HashSet<CoreId>>,
    replicator: Waker,
}

impl Changes {
    /// A receiver that hears of every change from now on.
    pub(crate) fn watch(&self, core: &CoreId) -> watch::Receiver<(u64, u64)> {
        let mut watched = self.0.watched.lock();
        // Those that nobody listens to any more go when somebody comes.
        watched.retain(|_, sender| sender.receiver_count() > 0);
        watched.entry(*core).or_insert_with(|| watch::Sender::new((0, 0))).subscribe()
    }

    /// Who watches `core` hears of changes of `own`, too: a sign-in that opens the one is ended in the other.
    pub(crate) fn follow(&self, own: CoreId, core: CoreId) {
        if own == core {
            return;
        }
        let mut followers = self.0.followers.lock();
        let followed = followers.entry(own).or_default();
        if followed.insert(core) {
            let watched = self.0.watched.lock();
            let is_watched =
                |core: &CoreId| watched.get(core).is_some_and(|sender| sender.receiver_count() > 0);
            followers.retain(|_, cores| {
                cores.retain(|other| *other == core || is_watched(other));
                !cores.is_empty()
            });
        }
    }

    /// The core has more operations.
    pub(crate) fn mark_ops(&self, core: &CoreId) {
        let followers = self.0.followers.lock().get(core).cloned().unwrap_or_default();
        let watched = self.0.watched.lock();
        for core in followers.iter().chain([core]) {
            if let Some(sender) = watched.get(core) {
                sender.send_modify(|(ops, _content)| *ops += 1);
            }
        }
    }

    /// Content of the core has become whole.
    pub(crate) fn mark_content(&self, core: &CoreId) {
        if let Some(sender) = self.0.watched.lock().get(core) {
            sender.send_modify(|(_ops, content)| *content += 1);
        }
    }

    /// Whether a change at `path` changes a core's hosts, or how many it wants.
    pub(crate) fn concerns_hosts(path: &MapPath) -> bool {
        Host::is_host_path(path) || path.as_str() == COPIES
    }

    /// The core's hosts have changed.
    pub(crate) fn mark_hosts(&self, core: CoreId) {
        self.0.hosts.lock().insert(core);
        self.0.replicator.wake();
    }

    /// The cores whose hosts have changed since this was last asked.
    pub(crate) fn take_hosts(&self) -> HashSet<CoreId> {
        std::mem::take(&mut *self.0.hosts.lock())
    }

    /// Wakes whoever connects to hosts.
    pub(crate) fn replicator(&self) -> &Waker {
        &self.0.replicator
    }
}
