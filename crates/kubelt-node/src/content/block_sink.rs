//! Blocks on their way into the store.

use std::collections::VecDeque;

use kubelt_content::Block;
use kubelt_core::CoreId;
use kubelt_store::CommitTicket;

use super::{Content, UploadError};
use crate::limits::{BLOCK_RECORD_BYTES, COMMITS_IN_FLIGHT_MAX, IMPORT_BATCH_BYTES};

/// Commits blocks of a core in batches, a few batches at a time.
#[derive(Debug)]
pub(crate) struct BlockSink {
    content: Content,
    core: CoreId,
    batch: Vec<Block>,
    batch_bytes: usize,
    commits: VecDeque<CommitTicket>,
}

impl BlockSink {
    pub(crate) fn new(content: Content, core: CoreId) -> Self {
        Self { content, core, batch: Vec::new(), batch_bytes: 0, commits: VecDeque::new() }
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

    fn commit(&mut self) -> Result<(), UploadError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut tx = self.content.store.begin();
        tx.enforce_quota(&self.core);
        for block in self.batch.drain(..) {
            let (cid, data) = block.into_parts();
            tx.put_block(&self.core, &cid, data)?;
        }
        self.batch_bytes = 0;
        self.commits.push_back(tx.commit());
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), UploadError> {
        if let Some(ticket) = self.commits.pop_front() {
            ticket.await?;
        }
        Ok(())
    }
}
