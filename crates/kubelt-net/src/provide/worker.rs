//! The worker that announces what the node has, as planned.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kubelt_node::{
    Announced, What,
    worker::{Progress, Step, Stepping, Waker, Work, WorkError, Worker},
};

use super::{
    message::{add_provider, provider as provider_bytes},
    plan::{Gather, Key, Next, Plan},
};
use crate::{
    FoundProvider, Net,
    kad::spot::Spot,
    limits::{ANNOUNCED_ADDRESSES_MAX, BATCH_KEYS_MAX, GATHER_ROWS, PROVIDE_RETRY},
};

/// What it is called.
const NAME: &str = "provide";

/// The worker that tells the DHT what the node has.
pub fn provider(net: Net, announced: Announced, what: What) -> Worker {
    let providing =
        Providing { net, announced, what, began: Instant::now(), plan: Plan::new(Duration::ZERO) };
    Worker::new(NAME, &Waker::default(), providing)
}

struct Providing {
    net: Net,
    announced: Announced,
    what: What,
    began: Instant,
    plan: Plan,
}

impl fmt::Debug for Providing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providing").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Work for Providing {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let addresses = self.net.announced_addresses(ANNOUNCED_ADDRESSES_MAX);
            if addresses.is_empty() {
                progress.say("no address is known under which others reach this node");
                return Ok(Step::Idle(PROVIDE_RETRY));
            }
            let step = match self.plan.next(self.began.elapsed()) {
                Next::Gather(gather) => {
                    self.gather(gather).await?;
                    Step::More
                }
                Next::Wait(time) => Step::Idle(time),
                Next::Walk(first) => {
                    let peers = self.net.closest_peers(&first).await;
                    if peers.is_empty() {
                        progress.say("no peer of the DHT is known");
                        return Ok(Step::Idle(PROVIDE_RETRY));
                    }
                    self.announce(&peers, &addresses).await;
                    Step::More
                }
            };
            let (done, of) = self.plan.step();
            let Plan { announced, walks, rounds, .. } = &self.plan;
            progress.waiting(self.plan.waiting() as u64);
            progress.say(format!(
                "{announced} keys announced by {walks} walks; step {done} of {of} of round {}",
                rounds + 1
            ));
            self.net.set_provided(*announced, *walks);
            Ok(step)
        })
    }
}

impl Providing {
    /// Offers every key that the node has, page by page.
    async fn gather(&mut self, mut gather: Gather) -> Result<(), WorkError> {
        let began = Instant::now();
        let mut from = None;
        loop {
            let page = self.announced.page(self.what, from, GATHER_ROWS)?;
            for key in page.keys {
                gather.offer(&key.to_bytes(), &self.plan);
            }
            from = page.next;
            if from.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.plan.gathered(gather, self.began.elapsed(), began.elapsed());
        Ok(())
    }

    /// Tells these peers of the region that their walk found.
    async fn announce(&mut self, peers: &[FoundProvider], addresses: &[libp2p::Multiaddr]) {
        let spots: Vec<Spot> = peers.iter().map(|peer| Spot::of_peer(&peer.peer)).collect();
        let region = self.plan.walked(&spots);
        let own = provider_bytes(&self.net.id(), addresses);
        for keys in region.chunks(BATCH_KEYS_MAX) {
            let messages: Bytes = keys.iter().flat_map(|key: &Key| add_provider(key, &own)).collect();
            if self.net.push(peers, &messages).await > 0 {
                self.plan.done(keys, self.began.elapsed());
            } else {
                // They count as new until somebody has heard of them.
                self.plan.done(&[], self.began.elapsed());
            }
        }
    }
}
