//! Blocks on their way into the store.

use std::collections::VecDeque;

use kubelt_content::Block;
use kubelt_core::CoreId;
use kubelt_store::{CommitError, CommitTicket, Tx};

use super::{Content, UploadError};
use crate::{
    collect::{Job, Lease, enqueue},
    limits::{BLOCK_RECORD_BYTES, COMMITS_IN_FLIGHT_MAX, GRACE_MS, IMPORT_BATCH_BYTES},
};

/// Commits blocks of a core in batches, a few batches at a time.
#[derive(Debug)]
pub(crate) struct BlockSink {
    content: Content,
    core: CoreId,
    /// What is stamped from now on stays while this runs.
    _lease: Lease,
    batch: Vec<Block>,
    batch_bytes: usize,
    commits: VecDeque<(CommitTicket, Vec<Block>)>,
}

impl BlockSink {
    pub(crate) fn new(content: Content, core: CoreId) -> Self {
        let lease = content.leases.begin(core, &content.stamps);
        Self { content, core, _lease: lease, batch: Vec::new(), batch_bytes: 0, commits: VecDeque::new() }
    }

    pub(crate) async fn put(&mut self, block: Block) -> Result<(), UploadError> {
        self.batch_bytes += block.data().len() + BLOCK_RECORD_BYTES;
        self.batch.push(block);
        if self.batch_bytes >= IMPORT_BATCH_BYTES {
            self.commit()?;
            while self.commits.len() > COMMITS_IN_FLIGHT_MAX {
                self.settle().await?;
            }
        }
        Ok(())
    }

    /// Commits what there is and waits until all of it is durable.
    pub(crate) async fn flush(&mut self) -> Result<(), UploadError> {
        self.commit()?;
        while !self.commits.is_empty() {
            self.settle().await?;
        }
        Ok(())
    }

    /// Commits what there is and waits for nothing: whoever brings the rest finds it, if all goes well.
    pub(crate) fn let_go(&mut self) {
        if let Err(error) = self.commit() {
            tracing::debug!(%error, "what came last is not kept");
        }
    }

    fn commit(&mut self) -> Result<(), UploadError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let tx = self.transaction(&batch)?;
        self.commits.push_back((tx.commit(), batch));
        Ok(())
    }

    fn transaction(&self, blocks: &[Block]) -> Result<Tx, UploadError> {
        let stamp = self.content.stamps.next();
        let mut tx = self.content.store.begin();
        tx.enforce_quota(&self.core);
        tx.set_stamp(stamp);
        for block in blocks {
            tx.put_block(&self.core, block.cid(), block.data().clone())?;
        }
        // Perhaps nothing will ever name them. One sweep for all that is brought within the time.
        let due_ms = stamp.next_multiple_of(GRACE_MS) + GRACE_MS;
        enqueue(&mut tx, due_ms, &Job::Sweep { core: self.core })?;
        Ok(tx)
    }

    async fn settle(&mut self) -> Result<(), UploadError> {
        let Some((ticket, blocks)) = self.commits.pop_front() else { return Ok(()) };
        let mut committed = ticket.await;
        while let Err(CommitError::BlockForgotten) = committed {
            // One that was there already was collected before the commit: now it is brought.
            committed = self.transaction(&blocks)?.commit().await;
        }
        Ok(committed?)
    }
}
