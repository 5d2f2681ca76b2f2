//! Files and directories on their way in, one after the other.

use std::{convert::Infallible, sync::Arc};

use cid::Cid;
use kubelt_content::{
    Block,
    unixfs::{DirectoryBuilder, DirectoryError, Importer, Metadata, Profile, symlink},
};
use kubelt_core::CoreId;
use tokio::sync::OwnedSemaphorePermit;

use super::{Rpc, RpcError};
use crate::{content::BlockSink, session::Session};

/// A file, directory or symbolic link that was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeNode {
    /// Its CID.
    pub cid: Cid,
    /// Bytes of all its blocks, repeated ones counted each time.
    pub dag_size: u64,
}

/// Takes in files and directories as blocks of a core; nothing opens them before they are pinned.
#[derive(Debug)]
pub struct TreeUpload {
    profile: Profile,
    /// None where only CIDs are wanted.
    sink: Option<BlockSink>,
    file: Option<Importer>,
    ready: Vec<Block>,
    _slot: OwnedSemaphorePermit,
}

impl Rpc {
    /// Begins to take in files; they are only hashed unless `keep` is set.
    ///
    /// # Errors
    /// [`RpcError::Upload`] where the session may not upload to the core.
    pub async fn tree(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        profile: Profile,
        keep: bool,
    ) -> Result<TreeUpload, RpcError> {
        self.content.may_upload(session, core).await?;
        let slot = self.content.upload_slot().await;
        let sink = keep.then(|| BlockSink::new(self.content.clone(), *core));
        Ok(TreeUpload { profile, sink, file: None, ready: Vec::new(), _slot: slot })
    }
}

impl TreeUpload {
    /// Begins a file.
    pub fn open(&mut self, metadata: Metadata) {
        self.file = Some(Importer::with_metadata_in_leaf(self.profile, metadata));
    }

    /// Appends bytes to the file that was begun.
    ///
    /// # Errors
    /// [`RpcError::Upload`] when blocks could not be committed.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), RpcError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        // One chunk after the other, so that no more than a chunk waits for the sink.
        for piece in bytes.chunks(self.profile.chunk_bytes()) {
            let ready = &mut self.ready;
            let written = file.write::<Infallible>(piece, &mut |block| {
                ready.push(block);
                Ok(())
            });
            written.unwrap_or_else(|never| match never {});
            keep(&mut self.sink, &mut self.ready).await?;
        }
        Ok(())
    }

    /// Ends the file that was begun.
    ///
    /// # Errors
    /// [`RpcError::Upload`] when blocks could not be committed.
    pub async fn close(&mut self) -> Result<TreeNode, RpcError> {
        let file = self.file.take().unwrap_or_else(|| Importer::new(self.profile));
        let ready = &mut self.ready;
        let root = file.finish::<Infallible>(&mut |block| {
            ready.push(block);
            Ok(())
        });
        let root = root.unwrap_or_else(|never| match never {});
        keep(&mut self.sink, &mut self.ready).await?;
        Ok(TreeNode { cid: root.cid, dag_size: root.dag_size })
    }

    /// Takes in a symbolic link.
    ///
    /// # Errors
    /// [`RpcError::Symlink`] when its target is too long.
    pub async fn symlink(&mut self, target: &str, metadata: Metadata) -> Result<TreeNode, RpcError> {
        let block = symlink(self.profile, target, metadata)?;
        let node = TreeNode { cid: *block.cid(), dag_size: block.data().len() as u64 };
        self.ready.push(block);
        keep(&mut self.sink, &mut self.ready).await?;
        Ok(node)
    }

    /// Takes in a directory of what was taken in before.
    ///
    /// # Errors
    /// [`RpcError::Name`] and [`RpcError::Directory`] when its entries cannot be.
    pub async fn directory(
        &mut self,
        entries: impl IntoIterator<Item = (String, TreeNode)>,
        metadata: Metadata,
    ) -> Result<TreeNode, RpcError> {
        let mut builder = DirectoryBuilder::with_metadata(self.profile, metadata);
        for (name, node) in entries {
            builder.add(name, node.cid, node.dag_size)?;
        }
        let ready = &mut self.ready;
        let root = builder.finish::<Infallible>(&mut |block| {
            ready.push(block);
            Ok(())
        });
        let root = root.map_err(|error| match error {
            DirectoryError::Sink(never) => match never {},
            error => RpcError::Directory(error),
        })?;
        keep(&mut self.sink, &mut self.ready).await?;
        Ok(TreeNode { cid: root.cid, dag_size: root.dag_size })
    }

    /// Waits until everything is durable. Nothing of it is collected before this is dropped.
    ///
    /// # Errors
    /// [`RpcError::Upload`] when blocks could not be committed.
    pub async fn flush(&mut self) -> Result<(), RpcError> {
        match &mut self.sink {
            Some(sink) => Ok(sink.flush().await?),
            None => Ok(()),
        }
    }
}

async fn keep(sink: &mut Option<BlockSink>, ready: &mut Vec<Block>) -> Result<(), RpcError> {
    for block in ready.drain(..) {
        if let Some(sink) = sink {
            sink.put(block).await?;
        }
    }
    Ok(())
}
