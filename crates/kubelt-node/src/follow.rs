//! New blocks and events of chains, for those who want to hear of them (`eth_subscribe`).
//!
//! A chain that somebody follows is asked for its newest block by one task, however many follow it, and by none
//! while nobody does. What lies between that block and those told of before is read, too, so that every block is told
//! of; where the chain was reorganised, events of blocks that are gone are told of again, as removed. Who does not
//! listen fast enough, and where the node itself has fallen too far behind, hears nothing more ([`Lost`]):
//! subscriptions never leave something out in silence.

mod chain;
mod outlet;
mod window;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use kubelt_core::LogFilter;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use self::chain::{Follower, Join};
pub use self::outlet::{Inlet, Lost, Notice, Outlet, outlet};
use crate::{chains::Chains, limits::FOLLOWERS_MAX};

/// Who follows which chain; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Followers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chains: Chains,
    /// The tasks that follow chains.
    open: Mutex<HashMap<u64, mpsc::UnboundedSender<Join>>>,
    places: Arc<Semaphore>,
}

/// What somebody wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wants {
    /// New blocks.
    Heads,
    /// Events.
    Logs(LogFilter),
}

/// Somebody follows a chain for as long as this is there.
#[derive(Debug)]
pub(crate) struct Following {
    _alive: Arc<()>,
    _place: OwnedSemaphorePermit,
}

/// Why a chain is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FollowError {
    /// Too many do on this node.
    #[error("this node follows chains for as many as it can; unsubscribe somewhere, or try again later")]
    TooMany,
    /// Nobody answers.
    #[error("no upstream of the chain answers at the moment; try again")]
    Unanswered,
}

impl Followers {
    pub(crate) fn new(chains: Chains) -> Self {
        let places = Arc::new(Semaphore::new(FOLLOWERS_MAX));
        Self(Arc::new(Inner { chains, open: Mutex::default(), places }))
    }

    /// Tells `outlet` of what is wanted, under the name `id`, from now on.
    pub(crate) async fn follow(
        &self,
        chain: u64,
        wants: Wants,
        id: String,
        outlet: Outlet,
    ) -> Result<Following, FollowError> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_full| FollowError::TooMany)?;
        let alive = Arc::new(());
        let (ready, answered) = oneshot::channel();
        let join = Join { wants, id, outlet, alive: Arc::downgrade(&alive), ready };
        self.join(chain, join);
        match answered.await {
            Ok(true) => Ok(Following { _alive: alive, _place: place }),
            Ok(false) | Err(_) => Err(FollowError::Unanswered),
        }
    }

    fn join(&self, chain: u64, join: Join) {
        let mut open = self.0.open.lock();
        let join = match open.get(&chain) {
            // A task leaves under this lock alone, unless it panicked.
            Some(sender) => match sender.send(join) {
                Ok(()) => return,
                Err(mpsc::error::SendError(join)) => join,
            },
            None => join,
        };
        let (sender, joins) = mpsc::unbounded_channel();
        let leaving = Leaving { followers: Arc::downgrade(&self.0), chain };
        tokio::spawn(Follower::new(self.0.chains.clone(), chain).run(joins, leaving));
        drop(sender.send(join));
        open.insert(chain, sender);
    }
}

/// How a task that nobody needs ends.
#[derive(Debug)]
struct Leaving {
    followers: Weak<Inner>,
    chain: u64,
}

impl Leaving {
    /// Takes the task out, unless somebody has come in this very moment.
    fn leave(&self, joins: &mpsc::UnboundedReceiver<Join>) -> bool {
        let Some(followers) = self.followers.upgrade() else { return true };
        let mut open = followers.open.lock();
        let nobody = joins.is_empty();
        if nobody {
            open.remove(&self.chain);
        }
        nobody
    }
}

#[cfg(test)]
mod tests;
