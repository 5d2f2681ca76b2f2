//! The frames of one channel as they come: blocks several at once, which are checked together.

use kubelt_content::CHECKED_TOGETHER_MIN;
use kubelt_core::peer::Kind;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::link::Incoming;
use crate::limits::{BLOCKS_TOGETHER_MAX, BLOCKS_WAIT};

/// The frames that come over a channel.
#[derive(Debug)]
pub(super) struct Inbox {
    incoming: mpsc::Receiver<Incoming>,
    /// One that was looked at already.
    next: Option<Incoming>,
}

impl Inbox {
    pub(super) const fn new(incoming: mpsc::Receiver<Incoming>) -> Self {
        Self { incoming, next: None }
    }

    /// The next frame; none once the channel is closed. Nothing is lost where nobody waits for it to the end.
    pub(super) async fn recv(&mut self) -> Option<Incoming> {
        match self.next.take() {
            Some(next) => Some(next),
            None => self.incoming.recv().await,
        }
    }

    /// The frame `first`, a block, and the blocks right behind it: those that are here already, and, of `coming` that were
    /// asked for, those that come within a moment, until there are enough to be worth checking together.
    pub(super) async fn blocks(&mut self, first: Incoming, coming: usize) -> Vec<Incoming> {
        let enough = coming.min(CHECKED_TOGETHER_MIN);
        let until = Instant::now() + BLOCKS_WAIT;
        let mut blocks = vec![first];
        while blocks.len() < BLOCKS_TOGETHER_MAX {
            let next = match self.incoming.try_recv() {
                Ok(next) => next,
                Err(_nothing) if blocks.len() >= enough => break,
                Err(_nothing) => match timeout_at(until, self.incoming.recv()).await {
                    Ok(Some(next)) => next,
                    Ok(None) | Err(_) => break,
                },
            };
            if next.kind != Kind::Block {
                self.next = Some(next);
                break;
            }
            blocks.push(next);
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use kubelt_core::peer::Kind;
    use tokio::sync::{Semaphore, mpsc};

    use super::{BLOCKS_TOGETHER_MAX, Inbox, Incoming};

    /// An inbox, and what brings frames into it, each known by its first byte.
    fn inbox() -> (Inbox, impl Fn(Kind, u8)) {
        let (sender, incoming) = mpsc::channel(32);
        let room = Arc::new(Semaphore::new(32));
        let bring = move |kind, number| {
            let room = Arc::clone(&room).try_acquire_owned().expect("there is room");
            let payload = Bytes::copy_from_slice(&[number]);
            sender.try_send(Incoming { kind, payload, _room: room }).expect("it is taken");
        };
        (Inbox::new(incoming), bring)
    }

    fn numbers(blocks: &[Incoming]) -> Vec<u8> {
        blocks.iter().map(|block| block.payload[0]).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn blocks_come_together_and_nothing_overtakes() {
        let (mut inbox, bring) = inbox();
        for number in 0..3 {
            bring(Kind::Block, number);
        }
        bring(Kind::Settled, 3);
        bring(Kind::Block, 4);
        let first = inbox.recv().await.expect("a frame");
        assert_eq!(numbers(&inbox.blocks(first, 9).await), [0, 1, 2]);
        let settled = inbox.recv().await.expect("a frame");
        assert_eq!((settled.kind, settled.payload[0]), (Kind::Settled, 3));
        let last = inbox.recv().await.expect("a frame");
        assert_eq!(numbers(&inbox.blocks(last, 1).await), [4]);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_at_most_are_taken_at_once() {
        let (mut inbox, bring) = inbox();
        let many = u8::try_from(BLOCKS_TOGETHER_MAX).expect("a few");
        (0..=many).for_each(|number| bring(Kind::Block, number));
        let first = inbox.recv().await.expect("a frame");
        assert_eq!(inbox.blocks(first, 100).await.len(), BLOCKS_TOGETHER_MAX);
        let last = inbox.recv().await.expect("a frame");
        // Nothing more comes, and it is waited for only a moment.
        assert_eq!(numbers(&inbox.blocks(last, 100).await), [many]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_a_moment_is_waited_for() {
        let (mut inbox, bring) = inbox();
        bring(Kind::Block, 0);
        let first = inbox.recv().await.expect("a frame");
        let (blocks, ()) = tokio::join!(inbox.blocks(first, 2), async {
            tokio::task::yield_now().await;
            bring(Kind::Block, 1);
        });
        assert_eq!(numbers(&blocks), [0, 1]);
    }
}
