//! The worker that keeps the names of this node's cores up to date, and its records alive.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use kubelt_core::CoreId;

use super::{
    Ipns,
    own::{RECORDS, ROOTS},
};
use crate::{
    StoreError,
    limits::{IPNS_ROUND_EVERY, OWN_REBUILD_REST_MAX, OWN_REBUILDS_PER_STEP},
    worker::{Progress, Step, Stepping, Work, Worker},
};

/// What it is called.
const NAME: &str = "ipns";

#[derive(Debug)]
struct Rounds {
    ipns: Ipns,
    /// Cores that are behind.
    waiting: BTreeSet<CoreId>,
    /// When all cores were last looked at, by the node's clock; none before the first time.
    round_at: Option<Duration>,
}

impl Ipns {
    /// The worker of the names.
    pub(crate) fn worker(&self) -> Worker {
        let rounds = Rounds { ipns: self.clone(), waiting: BTreeSet::new(), round_at: None };
        Worker::new(NAME, self.0.stale.waker(), rounds)
    }

    /// The cores whose record must be made anew.
    fn due(&self) -> Result<BTreeSet<CoreId>, StoreError> {
        let mut due = BTreeSet::new();
        for namespace in [ROOTS, RECORDS] {
            for row in self.0.store.meta_scan(namespace, &[], None) {
                let (key, _row) = row?;
                let Ok(digest) = <[u8; 32]>::try_from(key.as_ref()) else { continue };
                let core = CoreId::from_digest(digest);
                if !due.contains(&core) && self.is_due(&core)? {
                    due.insert(core);
                }
            }
        }
        Ok(due)
    }
}

impl Work for Rounds {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let (now, began) = (self.ipns.now(), Instant::now());
            if self.round_at.is_none_or(|at| now.saturating_sub(at) >= IPNS_ROUND_EVERY) {
                self.ipns.forget_expired().await?;
                self.waiting.append(&mut self.ipns.due()?);
                self.round_at = Some(now);
            }
            self.waiting.append(&mut self.ipns.0.stale.take());
            for _ in 0..OWN_REBUILDS_PER_STEP {
                let Some(core) = self.waiting.pop_first() else { break };
                progress.waiting(self.waiting.len() as u64 + 1);
                if !self.ipns.is_due(&core)? {
                    continue;
                }
                match self.ipns.refresh(&core).await {
                    Ok(()) => self.ipns.spread_now(),
                    // One core's root must not keep the others waiting; the next round tries it again.
                    Err(error) => tracing::warn!(%core, %error, "a name could not be brought up to date"),
                }
            }
            progress.waiting(self.waiting.len() as u64);
            // What is published in many small writes is built once for all that came within the rest.
            tokio::time::sleep((began.elapsed() * 4).min(OWN_REBUILD_REST_MAX)).await;
            Ok(if self.waiting.is_empty() { Step::Idle(IPNS_ROUND_EVERY) } else { Step::More })
        })
    }
}
