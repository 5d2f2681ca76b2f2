//! Streams on their way in.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use cid::Cid;
use kubelt_content::{
    Block,
    unixfs::{FileBuilder, LeafInfo, Profile},
};
use kubelt_core::{CoreId, schema::Visibility};
use tokio::{sync::OwnedSemaphorePermit, task::JoinHandle};

use super::{BlockSink, Content, Stored, Target, UploadError, Wholeness};
use crate::{limits::HASH_LANES_MAX, session::Session};

impl Content {
    /// A place among the uploads that go on at once.
    pub(crate) async fn upload_slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.uploads).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Begins to take in a stream. The caller has asked [`Content::may_write`].
    pub async fn upload(&self, session: Arc<Session>, core: CoreId, target: Target) -> Upload {
        let slot = self.upload_slot().await;
        Upload {
            content: self.clone(),
            session,
            core,
            target,
            profile: Profile::default(),
            chunk: BytesMut::new(),
            lanes: VecDeque::new(),
            builder: FileBuilder::new(Profile::default()),
            blocks: BlockSink::new(self.clone(), core),
            reached: Vec::new(),
            _slot: slot,
        }
    }
}

/// A stream on its way in. Leaves are hashed on other threads while the next bytes arrive; blocks are
/// committed in batches; memory does not grow with the file.
#[derive(Debug)]
pub struct Upload {
    content: Content,
    session: Arc<Session>,
    core: CoreId,
    target: Target,
    profile: Profile,
    chunk: BytesMut,
    lanes: VecDeque<JoinHandle<(Block, LeafInfo)>>,
    builder: FileBuilder,
    blocks: BlockSink,
    reached: Vec<Cid>,
    _slot: OwnedSemaphorePermit,
}

impl Upload {
    /// Takes in the next bytes.
    ///
    /// # Errors
    /// [`UploadError`] when blocks could not be committed, the quota's end among the reasons.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), UploadError> {
        let chunk_bytes = self.profile.chunk_bytes();
        while !bytes.is_empty() {
            if self.chunk.is_empty() && bytes.len() >= chunk_bytes {
                self.leaf(bytes.split_to(chunk_bytes)).await?;
                continue;
            }
            if self.chunk.capacity() == 0 {
                // A small file takes little memory; after the first leaf all are likely to be whole.
                let small = bytes.len().next_power_of_two().max(64 * 1_024);
                let is_first = self.lanes.is_empty() && self.reached.is_empty();
                self.chunk.reserve(if is_first { chunk_bytes.min(small) } else { chunk_bytes });
            }
            let room = chunk_bytes - self.chunk.len();
            self.chunk.extend_from_slice(&bytes.split_to(room.min(bytes.len())));
            if self.chunk.len() == chunk_bytes {
                let chunk = std::mem::take(&mut self.chunk).freeze();
                self.leaf(chunk).await?;
            }
        }
        Ok(())
    }

    /// Ends the stream and gives its content the path.
    ///
    /// # Errors
    /// [`UploadError`] when something could not be committed; the path is as it was then.
    pub async fn finish(mut self) -> Result<Stored, UploadError> {
        let rest = std::mem::take(&mut self.chunk).freeze();
        if !rest.is_empty() {
            self.leaf(rest).await?;
        }
        while !self.lanes.is_empty() {
            self.settle().await?;
        }
        let mut nodes = Vec::new();
        let root = self.builder.finish::<std::convert::Infallible>(&mut |block| {
            nodes.push(block);
            Ok(())
        });
        let root = root.unwrap_or_else(|never| match never {});
        for block in nodes {
            self.reached.push(*block.cid());
            self.blocks.put(block).await?;
        }
        self.blocks.flush().await?;
        self.content.link_blocks(&self.core, &root.cid, &self.reached, Wholeness::Whole).await?;
        if self.target.visibility == Visibility::Public {
            self.content.show_blocks(&root.cid, &self.reached).await?;
        }
        self.content.put(&self.session, &self.core, self.target, root.cid, root.size).await
    }

    async fn leaf(&mut self, chunk: Bytes) -> Result<(), UploadError> {
        if self.lanes.len() >= HASH_LANES_MAX {
            self.settle().await?;
        }
        let profile = self.profile;
        self.lanes.push_back(tokio::task::spawn_blocking(move || profile.leaf(chunk)));
        Ok(())
    }

    /// Takes the oldest hashed leaf into the file.
    async fn settle(&mut self) -> Result<(), UploadError> {
        let Some(lane) = self.lanes.pop_front() else { return Ok(()) };
        let (block, info) = lane.await.expect("hashing does not panic");
        let mut nodes = vec![block];
        let pushed = self.builder.push::<std::convert::Infallible>(&info, &mut |node| {
            nodes.push(node);
            Ok(())
        });
        pushed.unwrap_or_else(|never| match never {});
        for block in nodes {
            self.reached.push(*block.cid());
            self.blocks.put(block).await?;
        }
        Ok(())
    }
}
