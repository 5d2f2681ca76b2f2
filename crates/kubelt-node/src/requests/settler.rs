//! What is done with requests without anybody asking: what enough agree to is done, what is over is cleared.
//!
//! Both are done by the maker's session, where that is open on this node, whatever way the last vote came: over the API,
//! or with the core from another node. It is looked at when votes or requests of a core come, when a session that
//! covers the core is used for the first time since the node started, and when a request's time is over.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use kubelt_core::{CoreId, Verb, schema::Request};
use parking_lot::Mutex;

use super::{Pending, Requests, RequestsError, Standing, covers};
use crate::{
    cores::LoadError,
    limits::{REQUESTS_LOOK_EVERY, REQUESTS_LOOKS_MAX},
    session::Session,
    worker::{Progress, Step, Stepping, Waker, Work, Worker},
};

/// Cores whose requests have to be looked at; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Due(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cores: Mutex<HashSet<CoreId>>,
    waker: Waker,
}

impl Due {
    /// The requests of a core may stand otherwise than they did.
    pub(crate) fn mark(&self, core: CoreId) {
        self.0.cores.lock().insert(core);
        self.0.waker.wake();
    }

    fn take(&self, count: usize) -> Vec<CoreId> {
        let mut cores = self.0.cores.lock();
        let some: Vec<CoreId> = cores.iter().take(count).copied().collect();
        cores.retain(|core| !some.contains(core));
        some
    }
}

#[derive(Debug)]
struct Settler {
    requests: Requests,
    /// When the next request of a core is over, in milliseconds since the Unix epoch.
    later: BTreeMap<CoreId, u64>,
}

impl Work for Settler {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let now_ms = self.requests.clock.now_ms();
            let due = &self.requests.sessions.due;
            self.later.extract_if(.., |_, at_ms| *at_ms <= now_ms).for_each(|(core, _)| due.mark(core));
            let cores = due.take(REQUESTS_LOOKS_MAX);
            for core in &cores {
                let next = match self.requests.settle_all(core).await {
                    Ok(next) => next,
                    Err(RequestsError::Load(LoadError::Unknown)) => None,
                    Err(error) => {
                        self.requests.sessions.due.mark(*core);
                        return Err(error.into());
                    }
                };
                match next {
                    Some(at_ms) => self.later.insert(*core, at_ms),
                    None => self.later.remove(core),
                };
            }
            progress.waiting(self.later.len() as u64);
            if !cores.is_empty() {
                return Ok(Step::More);
            }
            let next =
                self.later.values().min().map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms)));
            Ok(Step::Idle(next.unwrap_or(REQUESTS_LOOK_EVERY).min(REQUESTS_LOOK_EVERY)))
        })
    }
}

impl Requests {
    /// Does what enough agree to and clears what is over, in cores where something has changed.
    pub(crate) fn worker(&self) -> Worker {
        let settler = Settler { requests: self.clone(), later: BTreeMap::new() };
        Worker::new("requests", &self.sessions.due.0.waker, settler)
    }

    /// Looks at all requests of a core; gives when the next of them is over.
    async fn settle_all(&self, core: &CoreId) -> Result<Option<u64>, RequestsError> {
        let _one_at_a_time = self.finishing.lock().await;
        let mut next = None;
        for pending in self.read(core, None).await? {
            match pending.standing {
                Standing::Waiting => next = earlier(next, &pending),
                Standing::Ready => {
                    if self.finish_here(core, &pending).await.is_none() {
                        next = earlier(next, &pending);
                    }
                }
                Standing::Rejected | Standing::Expired => self.clear_here(core, &pending).await,
            }
        }
        Ok(next)
    }

    /// Does what enough agree to, where the session of who asked is open on this node and may. What it cannot do waits for
    /// its wallet.
    pub(super) async fn finish_here(&self, core: &CoreId, pending: &Pending) -> Option<kubelt_core::OpId> {
        let may = |open: &Session| covers(open, core, &pending.request.body.act);
        let open = self.open_of(pending, may)?;
        match self.do_it(&open, core, pending).await {
            Ok(op) => Some(op),
            Err(error) => {
                tracing::debug!(%core, request = %pending.id, %error, "what enough agree to was not done");
                None
            }
        }
    }

    async fn clear_here(&self, core: &CoreId, pending: &Pending) {
        let path = Request::path(&pending.by, &pending.id);
        let Some(open) = self.open_of(pending, |open| open.covers(core, Verb::Put, Some(&path))) else {
            return;
        };
        if let Err(error) = self.clear(&open, core, pending).await {
            tracing::debug!(%core, request = %pending.id, %error, "a request that is over was not cleared");
        }
    }

    /// A session of who asked that is open here.
    fn open_of(&self, pending: &Pending, may: impl Fn(&Session) -> bool) -> Option<Arc<Session>> {
        let now_ms = self.clock.now_ms();
        self.sessions.open_of(&pending.by, |open| open.login.valid_at(now_ms) && may(open))
    }
}

fn earlier(next: Option<u64>, pending: &Pending) -> Option<u64> {
    let at_ms = pending.request.expires_ms;
    Some(next.map_or(at_ms, |next| next.min(at_ms)))
}
