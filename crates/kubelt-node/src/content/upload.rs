//! Content written: a stream becomes a file, a path is given to it.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use cid::Cid;
use kubelt_content::car::{CarDecoder, CarError, CarEvent};
use kubelt_content::{
    Block,
    read::{NodeKind, stat},
    unixfs::{FileBuilder, LeafInfo, Profile},
};
use kubelt_core::{
    Act, CoreId, MapPath, OpId, Verb,
    schema::{ContentEntry, Visibility},
};
use kubelt_store::{CommitError, CommitTicket, TxError};
use tokio::{sync::OwnedSemaphorePermit, task::JoinHandle};

use super::{Content, Incomplete, PREFIX, link::link};
use crate::{
    StoreError,
    cores::LoadError,
    limits::{CAR, COMMITS_IN_FLIGHT_MAX, HASH_LANES_MAX, IMPORT_BATCH_BYTES},
    names::named,
    session::Session,
    write::{Write, WriteError, Written, content_entry},
};

/// The media type of content whose writer gave none; readers then guess by its name.
pub(crate) const UNKNOWN_MEDIA_TYPE: &str = "application/octet-stream";
/// The media type of directories.
const DIRECTORY_MEDIA_TYPE: &str = "inode/directory";

/// Where content goes, and who may read it there.
#[derive(Debug, Clone)]
pub struct Target {
    /// The path in the core's map: `content/…`.
    pub path: MapPath,
    /// Who may read it.
    pub visibility: Visibility,
    /// Its media type, where the writer knows it.
    pub media_type: Option<String>,
}

/// Content that was written.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its CID.
    pub cid: Cid,
    /// Bytes of the file, or of all files of the directory.
    pub size: u64,
    /// The operation that wrote it.
    pub op: OpId,
}

/// Why content was not written. Nothing of it can be read then.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The session or its account may not write there.
    #[error("you may not write at `{0}` in this core")]
    Forbidden(String),
    /// Nothing that this reader may know of.
    #[error("there is nothing here that you may write to")]
    NotFound,
    /// A DAG that is not whole.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
    /// A transaction was refused.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The operation was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The CAR is not sound.
    #[error(transparent)]
    Car(#[from] CarError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl Content {
    /// Whether the session may write at `path`.
    ///
    /// # Errors
    /// [`UploadError::NotFound`] where the account has no part in the core at all,
    /// [`UploadError::Forbidden`] where it has, but not this one.
    pub async fn may_write(
        &self,
        session: &Session,
        core: &CoreId,
        path: &MapPath,
    ) -> Result<(), UploadError> {
        self.check_part(session, core).await?;
        let allowed = session.covers(core, Verb::Put, Some(path))
            && self.cores.may(core, session.account(), Verb::Put, Some(path)).await?;
        if allowed { Ok(()) } else { Err(UploadError::Forbidden(path.to_string())) }
    }

    /// A session that was handed nothing in the core, or whose account has no part in it, learns nothing of it.
    /// (The first is known without the core's log, however long it takes to read.)
    async fn check_part(&self, session: &Session, core: &CoreId) -> Result<(), UploadError> {
        let handed = session.login.abilities.contains_key(core);
        if handed && self.cores.has_part(core, session.account()).await? {
            return Ok(());
        }
        Err(UploadError::NotFound)
    }

    /// Whether the session may upload blocks to the core: it may write some content there.
    ///
    /// # Errors
    /// As [`Content::may_write`].
    pub async fn may_upload(&self, session: &Session, core: &CoreId) -> Result<(), UploadError> {
        self.check_part(session, core).await?;
        // Where exactly is judged when a path is given to what was uploaded.
        let puts =
            session.login.abilities.get(core).into_iter().flatten().any(|ability| ability.verb == Verb::Put);
        if puts { Ok(()) } else { Err(UploadError::Forbidden(PREFIX.to_owned())) }
    }

    /// The CIDs among `cids` whose blocks this core has never uploaded.
    ///
    /// # Errors
    /// Only when the store fails.
    pub fn missing(&self, core: &CoreId, cids: &[Cid]) -> Result<Vec<Cid>, StoreError> {
        let mut missing = Vec::new();
        for cid in cids {
            if !self.store.possesses(core, cid)? {
                missing.push(*cid);
            }
        }
        Ok(missing)
    }

    /// Begins to take in a stream. The caller has asked [`Content::may_write`].
    pub async fn upload(&self, session: Arc<Session>, core: CoreId, target: Target) -> Upload {
        let slot = Arc::clone(&self.uploads).acquire_owned().await.expect("the semaphore is never closed");
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

    /// Begins to take in blocks from a CAR. The caller has asked [`Content::may_upload`].
    pub async fn upload_car(&self, core: CoreId) -> CarUpload {
        let slot = Arc::clone(&self.uploads).acquire_owned().await.expect("the semaphore is never closed");
        let decoder = CarDecoder::new(CAR);
        CarUpload {
            decoder,
            blocks: BlockSink::new(self.clone(), core),
            roots: Vec::new(),
            taken: 0,
            _slot: slot,
        }
    }

    /// Opens the content of a core that has become whole since its operations were taken in; gives the
    /// paths of which blocks are still missing.
    ///
    /// # Errors
    /// [`UploadError`] when something could not be read or committed.
    pub(crate) async fn settle(&self, core: &CoreId) -> Result<Vec<MapPath>, UploadError> {
        let base = MapPath::new(PREFIX).expect("a plain word is a path");
        let (mut whole, mut incomplete) = (Vec::new(), Vec::new());
        let mut after = None;
        loop {
            let page = self.store.state_scan(core, Some(&base), after.as_ref(), 256)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (path, state) in page {
                let Some(entry) = content_entry(&state.value) else { continue };
                match self.make_whole(core, &entry.cid).await {
                    Ok(()) if named(&self.store, core, &path)?.is_none() => whole.push(path),
                    Ok(()) => {}
                    Err(Incomplete::Missing(_) | Incomplete::Malformed(_)) => incomplete.push(path),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if !whole.is_empty() {
            self.cores.reopen(core, whole).await?;
        }
        Ok(incomplete)
    }

    /// Gives a path to a DAG whose blocks this core has uploaded. The caller has asked
    /// [`Content::may_write`].
    ///
    /// # Errors
    /// [`UploadError::Incomplete`] names a block that is missing.
    pub async fn link(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        mut target: Target,
        cid: Cid,
    ) -> Result<Stored, UploadError> {
        self.make_whole(core, &cid).await?;
        let size = match stat(&self.blocks(), &cid) {
            Ok(node) => match node.kind {
                NodeKind::File { size } => size,
                NodeKind::Directory { .. } => {
                    target.media_type = Some(DIRECTORY_MEDIA_TYPE.to_owned());
                    node.dag_size
                }
                NodeKind::Symlink { target } => target.len() as u64,
            },
            Err(_not_unixfs) => self.store.block(&cid)?.map_or(0, |block| block.len() as u64),
        };
        self.put(session, core, target, cid, size).await
    }

    /// Clears a path. The caller has asked [`Content::may_write`].
    ///
    /// # Errors
    /// [`UploadError::Write`] when the operation was refused.
    pub async fn remove(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        path: MapPath,
    ) -> Result<Written, UploadError> {
        let act = Act::Put { path, value: kubelt_content::Ipld::Null };
        Ok(self.cores.write(*core, Write::Act { session: Arc::clone(session), act }).await?)
    }

    async fn put(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        target: Target,
        cid: Cid,
        size: u64,
    ) -> Result<Stored, UploadError> {
        let media_type = target.media_type.unwrap_or_else(|| UNKNOWN_MEDIA_TYPE.to_owned());
        let entry = ContentEntry::new(cid, size, media_type, target.visibility);
        let act = Act::Put { path: target.path, value: entry.to_ipld() };
        let written = self.cores.write(*core, Write::Act { session: Arc::clone(session), act }).await?;
        Ok(Stored { cid, size, op: written.id })
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
        link(&self.content.store, &self.core, &root.cid, &self.reached).await?;
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

/// A CAR on its way in: its blocks become possessions of the core, opened by no path yet.
#[derive(Debug)]
pub struct CarUpload {
    decoder: CarDecoder,
    blocks: BlockSink,
    roots: Vec<Cid>,
    taken: u64,
    _slot: OwnedSemaphorePermit,
}

/// Blocks that were taken in.
#[derive(Debug, Clone)]
pub struct CarTaken {
    /// The roots that the CAR names.
    pub roots: Vec<Cid>,
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl CarUpload {
    /// Takes the next bytes of the CAR.
    ///
    /// # Errors
    /// [`UploadError::Car`] when they are malformed or a block does not match its CID; blocks before it may
    /// have been taken in.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), UploadError> {
        self.decoder.push(bytes);
        while let Some(event) = self.decoder.next_event()? {
            match event {
                CarEvent::Header { roots, .. } => self.roots = roots,
                CarEvent::Block(block) => {
                    self.taken += block.data().len() as u64;
                    self.blocks.put(block).await?;
                }
            }
        }
        Ok(())
    }

    /// Ends the CAR; its blocks are durable then.
    ///
    /// # Errors
    /// [`UploadError::Car`] when the CAR breaks off.
    pub async fn finish(mut self) -> Result<CarTaken, UploadError> {
        let summary = self.decoder.finish()?;
        self.blocks.flush().await?;
        Ok(CarTaken { roots: self.roots, blocks: summary.blocks, bytes: self.taken })
    }
}

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
        self.batch_bytes += block.data().len();
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
