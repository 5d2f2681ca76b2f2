//! One chain that is followed: a round asks for its newest block, reads what is between, and tells of it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Leaving, Lost, Outlet, Wants,
    window::{Head, Next, Window, hash},
};
use crate::{
    chains::{ChainFault, Chains},
    limits::{FOLLOW_CATCH_UP_MAX, FOLLOW_EVERY, FOLLOW_RETRY_MAX},
};

/// Somebody wants to hear of a chain.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) wants: Wants,
    pub(super) id: String,
    pub(super) outlet: Outlet,
    /// Gone when nobody wants it any more.
    pub(super) alive: Weak<()>,
    /// Told once everything that comes from now on is told of.
    pub(super) ready: oneshot::Sender<bool>,
}

#[derive(Debug)]
struct Subscriber {
    wants: Wants,
    id: String,
    outlet: Outlet,
    alive: Weak<()>,
    /// The order of the first block that it was told of.
    since: u64,
}

/// Why a round did not get to its end. Nothing was told of then.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Chain(#[from] ChainFault),
    #[error("an upstream gives no blocks that follow from one another")]
    Blocks,
    #[error("there are too many new blocks, or none of those told of are left")]
    Lost,
}

#[derive(Debug)]
pub(super) struct Follower {
    chains: Chains,
    chain: u64,
    window: Window,
    subscribers: Vec<Subscriber>,
}

impl Follower {
    pub(super) fn new(chains: Chains, chain: u64) -> Self {
        Self { chains, chain, window: Window::default(), subscribers: Vec::new() }
    }

    /// Follows the chain until nobody wants to hear of it.
    pub(super) async fn run(mut self, mut joins: mpsc::UnboundedReceiver<Join>, leaving: Leaving) {
        let mut pause = FOLLOW_EVERY;
        let mut due = Instant::now() + pause;
        loop {
            tokio::select! {
                join = joins.recv() => match join {
                    Some(join) => self.join(join).await,
                    None => return,
                },
                () = tokio::time::sleep_until(due) => {
                    self.subscribers.retain(|subscriber| subscriber.alive.strong_count() > 0);
                    if self.subscribers.is_empty() && leaving.leave(&joins) {
                        return;
                    }
                    pause = self.round_or_pause(pause).await;
                    due = Instant::now() + pause;
                }
            }
        }
    }

    async fn join(&mut self, join: Join) {
        let Join { wants, id, outlet, alive, ready } = join;
        // What comes from now on follows a block that is known.
        let knows = !self.window.is_empty() || self.round().await.is_ok();
        if knows {
            let since = self.window.next_order();
            self.subscribers.push(Subscriber { wants, id, outlet, alive, since });
        }
        // Whoever has gone meanwhile is found at the next round.
        let _gone = ready.send(knows);
    }

    /// One round, and how long to wait for the next.
    async fn round_or_pause(&mut self, pause: Duration) -> Duration {
        match self.round().await {
            Ok(()) => FOLLOW_EVERY,
            Err(RoundError::Lost) => {
                tracing::debug!(chain = self.chain, "subscriptions end: the node has fallen behind");
                self.subscribers.drain(..).for_each(|subscriber| subscriber.outlet.lose(Lost::Behind));
                self.window = Window::default();
                FOLLOW_EVERY
            }
            Err(error) => {
                tracing::debug!(chain = self.chain, %error, "the newest block is not known");
                (pause * 2).min(FOLLOW_RETRY_MAX)
            }
        }
    }

    /// Reads first, all of it, and then tells: what fails in the middle is done again as a whole.
    async fn round(&mut self) -> Result<(), RoundError> {
        let newest = self.block("eth_getBlockByNumber", json!(["latest", false])).await?;
        if self.window.is_empty() {
            self.window.push(newest, Vec::new());
            return Ok(());
        }
        let fresh = self.fresh(newest).await?;
        let mut blocks = Vec::with_capacity(fresh.len());
        for head in fresh {
            let logs = self.logs(&head).await?;
            blocks.push((head, logs));
        }
        if let Some((first, _)) = blocks.first() {
            self.take_back(&first.parent.clone());
        }
        blocks.into_iter().for_each(|(head, logs)| self.tell(head, logs));
        Ok(())
    }

    /// The blocks up to this one that were not told of, the oldest first.
    async fn fresh(&self, newest: Head) -> Result<Vec<Head>, RoundError> {
        let mut fresh = vec![newest];
        loop {
            let child = fresh.last().expect("there is one from the beginning");
            match self.window.next(child) {
                // The newest itself: an upstream that is behind another says that, too.
                Next::Known => return Ok(Vec::new()),
                Next::Joins => break,
                Next::Lost => return Err(RoundError::Lost),
                Next::Parent if fresh.len() >= FOLLOW_CATCH_UP_MAX => return Err(RoundError::Lost),
                Next::Parent => {
                    let parent = self.block("eth_getBlockByHash", json!([child.parent, false])).await?;
                    if parent.hash != child.parent || parent.number + 1 != child.number {
                        return Err(RoundError::Blocks);
                    }
                    fresh.push(parent);
                }
            }
        }
        fresh.reverse();
        Ok(fresh)
    }

    async fn block(&self, method: &str, params: Value) -> Result<Head, RoundError> {
        let block = self.chains.read(self.chain, method, &params).await?;
        Head::read(&block).ok_or(RoundError::Blocks)
    }

    /// The events of a block that anybody wants to hear of.
    async fn logs(&self, head: &Head) -> Result<Vec<Value>, RoundError> {
        let mut filters = self.subscribers.iter().filter_map(|subscriber| match &subscriber.wants {
            Wants::Logs(filter) => Some(filter),
            Wants::Heads => None,
        });
        let Some(first) = filters.next() else { return Ok(Vec::new()) };
        let filters: Vec<_> = std::iter::once(first).chain(filters).collect();
        let mut asked = json!({"blockHash": head.hash});
        // Where everybody names contracts, only theirs are asked for.
        let addresses: Vec<_> = filters.iter().flat_map(|filter| filter.addresses()).collect();
        if filters.iter().all(|filter| !filter.addresses().is_empty()) && addresses.len() <= ASKED_MAX {
            let text = |address: &&[u8; 20]| format!("0x{}", hex::encode(address));
            asked["address"] = addresses.iter().map(text).collect();
        }
        let found = self.chains.read(self.chain, "eth_getLogs", &json!([asked])).await?;
        let Value::Array(mut logs) = found else { return Err(RoundError::Blocks) };
        logs.retain(|log| {
            hash(&log["blockHash"]).as_ref() == Some(&head.hash)
                && filters.iter().any(|filter| filter.fits(log))
        });
        Ok(logs)
    }

    /// Tells that blocks are gone, as far as there were events in them.
    fn take_back(&mut self, parent: &str) {
        for gone in self.window.cut_to(parent) {
            for mut log in gone.logs.into_iter().rev() {
                log["removed"] = json!(true);
                let log = Arc::new(log);
                let had = |subscriber: &&Subscriber| subscriber.since <= gone.order;
                self.subscribers.iter().filter(had).for_each(|subscriber| subscriber.tell_log(&log));
            }
        }
    }

    fn tell(&mut self, head: Head, logs: Vec<Value>) {
        for subscriber in &self.subscribers {
            if subscriber.wants == Wants::Heads {
                subscriber.outlet.tell(&subscriber.id, &head.json);
            }
        }
        for log in &logs {
            let log = Arc::new(log.clone());
            self.subscribers.iter().for_each(|subscriber| subscriber.tell_log(&log));
        }
        self.window.push(head, logs);
    }
}

/// Contracts that one question for events names; where there are more, all events are asked for.
const ASKED_MAX: usize = 256;

impl Subscriber {
    fn tell_log(&self, log: &Arc<Value>) {
        if matches!(&self.wants, Wants::Logs(filter) if filter.fits(log)) {
            self.outlet.tell(&self.id, log);
        }
    }
}
