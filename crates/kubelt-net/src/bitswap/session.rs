//! The handles of whoever wants blocks.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::inline_content;
use kubelt_node::PublishedBlocks;
use libp2p::PeerId;
use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    engine::{BitswapCounts, Ledger, SessionId},
    limits::SESSION_WANTS_MAX,
};

/// Bytes that are taken from a session before the engine hears of it.
const CONSUMED_BYTES_MIN: usize = 256 << 10;
/// Budget of whoever wants one block.
const ONE_BLOCK_BUDGET: usize = 2 << 20;

/// What the engine is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Open(SessionId, usize, mpsc::UnboundedSender<SessionEvent>),
    Want(SessionId, Vec<Cid>),
    Forget(SessionId, Vec<Cid>),
    Hint(SessionId, Vec<PeerId>),
    Consumed(SessionId, usize),
    Close(SessionId),
}

/// What everybody may know of the engine.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) published: OnceLock<Arc<dyn PublishedBlocks>>,
    pub(crate) counts: Mutex<BitswapCounts>,
    pub(crate) ledgers: Mutex<HashMap<PeerId, Ledger>>,
    sessions: AtomicU64,
}

/// The handle of the engine; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) shared: Arc<Shared>,
}

/// What a session hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// A block that it wants; its bytes give its CID.
    Block {
        /// Its CID.
        cid: Cid,
        /// Its bytes.
        data: Bytes,
        /// Who sent it.
        peer: PeerId,
    },
    /// Nobody who is connected has this block. It is still wanted: whoever connects is asked, and after a while
    /// everybody again.
    Starved(Cid),
}

/// Somebody who wants blocks that belong together. Who had one of them is asked for the others first. All that it
/// wants is cancelled when it is dropped.
#[derive(Debug)]
pub struct BlockSession {
    id: SessionId,
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<SessionEvent>,
    wanted: usize,
    consumed_bytes: usize,
}

/// Why a block was not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody sent it in time.
    #[error("nobody sent the block in time")]
    Timeout,
    /// More blocks are wanted at once than may be.
    #[error("more than `{SESSION_WANTS_MAX}` blocks are wanted at once")]
    TooMany,
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
}

impl Handle {
    pub(crate) fn session(&self, budget_bytes: usize) -> BlockSession {
        let id = SessionId(self.shared.sessions.fetch_add(1, Ordering::Relaxed));
        let (told, events) = mpsc::unbounded_channel();
        // A network that has stopped drops the sender, which ends the session.
        let _ = self.commands.send(Command::Open(id, budget_bytes, told));
        BlockSession { id, commands: self.commands.clone(), events, wanted: 0, consumed_bytes: 0 }
    }

    pub(crate) async fn fetch_block(&self, cid: Cid, wait: Duration) -> Result<Bytes, FetchError> {
        if let Some(content) = inline_content(&cid) {
            return Ok(Bytes::copy_from_slice(content));
        }
        let until = Instant::now() + wait;
        let mut session = self.session(ONE_BLOCK_BUDGET);
        session.want(vec![cid])?;
        loop {
            match timeout_at(until, session.next()).await {
                Ok(Some(SessionEvent::Block { data, .. })) => return Ok(data),
                Ok(Some(SessionEvent::Starved(_))) => {}
                Ok(None) => return Err(FetchError::Stopped),
                Err(_late) => return Err(FetchError::Timeout),
            }
        }
    }
}

impl BlockSession {
    /// Wants these blocks, too; the first ones soonest.
    ///
    /// # Errors
    /// [`FetchError::TooMany`] where too many are wanted that did not come yet; none of these is, then.
    pub fn want(&mut self, cids: Vec<Cid>) -> Result<(), FetchError> {
        if self.wanted + cids.len() > SESSION_WANTS_MAX {
            return Err(FetchError::TooMany);
        }
        self.wanted += cids.len();
        self.commands.send(Command::Want(self.id, cids)).map_err(|_closed| FetchError::Stopped)
    }

    /// These not any more. They must have been wanted, and not have come.
    pub fn forget(&mut self, cids: Vec<Cid>) {
        self.wanted = self.wanted.saturating_sub(cids.len());
        let _ = self.commands.send(Command::Forget(self.id, cids));
    }

    /// These peers are said to have the blocks: they are asked first, once they are connected.
    pub fn hint(&self, peers: Vec<PeerId>) {
        let _ = self.commands.send(Command::Hint(self.id, peers));
    }

    /// What happens next; none when the network has stopped. No more blocks are asked for than what is not taken
    /// here leaves room for.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        if self.events.is_empty() {
            self.tell_consumed();
        }
        let event = self.events.recv().await?;
        if let SessionEvent::Block { data, .. } = &event {
            self.wanted = self.wanted.saturating_sub(1);
            self.consumed_bytes += data.len();
            if self.consumed_bytes >= CONSUMED_BYTES_MIN {
                self.tell_consumed();
            }
        }
        Some(event)
    }

    fn tell_consumed(&mut self) {
        let bytes = std::mem::take(&mut self.consumed_bytes);
        if bytes > 0 {
            let _ = self.commands.send(Command::Consumed(self.id, bytes));
        }
    }
}

impl Drop for BlockSession {
    fn drop(&mut self) {
        // The network may have stopped.
        let _ = self.commands.send(Command::Close(self.id));
    }
}
