//! Connections that peers have opened and that are not among the others yet: each may still say nothing, or wait for a
//! place. Where there are many, the oldest gives way: whoever connects and says nothing must not keep others out.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::limits::PEER_GREETINGS_MAX;

/// Those that are greeted now, the oldest first. One whose other end is gone is over.
#[derive(Debug, Default)]
pub(super) struct Greetings(Mutex<VecDeque<oneshot::Sender<()>>>);

impl Greetings {
    /// Does what is to be done until a connection has its place; none where it gives way to newer ones.
    pub(super) async fn of<T>(&self, greeting: impl Future<Output = T>) -> Option<T> {
        let (going_on, gives_way) = oneshot::channel();
        {
            let mut all = self.0.lock();
            all.retain(|one| !one.is_closed());
            if all.len() >= PEER_GREETINGS_MAX {
                all.pop_front();
            }
            all.push_back(going_on);
        }
        tokio::select! {
            biased;
            done = greeting => Some(done),
            _ = gives_way => None,
        }
    }
}
