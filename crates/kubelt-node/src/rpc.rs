//! What tools of IPFS do with a core: trees, blocks and DAGs in and out, and pins.
//!
//! A tool speaks for a session and works on one core. It reads what the session may see: every block that the core
//! possesses, where the session may read all of the core's content, and what any path opens to it. What it pins is
//! an ordinary content entry at `content/pins/<id>`, so that everything that holds for content holds for pins.

mod blocks;
mod path;
mod pins;
mod put;
mod tree;

use std::sync::Arc;

use cid::Cid;
use kubelt_content::{
    CodecError, UnknownCodec, VerifyError,
    read::{ReadError, WalkError},
    unixfs::{DirectoryError, NameProblem, SymlinkTooLong},
};
use kubelt_core::CoreId;
use kubelt_store::{CommitError, Quota, Store, TxError, Usage};

pub use blocks::RpcBlocks;
pub use path::Followed;
pub use pins::RpcPin;
pub use tree::{TreeNode, TreeUpload};

use crate::{
    StoreError,
    blocks::BlockError,
    clock::Clock,
    content::{Content, ContentError, UploadError},
    cores::{Cores, LoadError},
    session::Session,
    write::WriteError,
};

/// A node's cores as tools of IPFS use them; cheap to clone.
#[derive(Debug, Clone)]
pub struct Rpc {
    store: Store,
    cores: Cores,
    content: Content,
    clock: Arc<dyn Clock>,
}

/// Why a tool did not get what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Not here, or nothing that this session may know of.
    #[error("ipld: could not find {0}")]
    Missing(Box<Cid>),
    /// The operator does not serve it.
    #[error("this content is on a denylist of this node")]
    Denied,
    /// A path that leads nowhere.
    #[error("no link named \"{name}\" under {under}")]
    NoLink {
        /// The segment.
        name: String,
        /// Where it was looked for.
        under: Box<Cid>,
    },
    /// Content that cannot be read.
    #[error("the content cannot be read")]
    Read(#[source] Box<ReadError<BlockError>>),
    /// A DAG that cannot be walked.
    #[error("the DAG cannot be walked")]
    Walk(#[source] Box<WalkError<BlockError>>),
    /// A block that its codec does not take.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A codec that is not known.
    #[error(transparent)]
    UnknownCodec(#[from] UnknownCodec),
    /// A hash function that is not known, or a block that is too large.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A name that no entry can have.
    #[error(transparent)]
    Name(#[from] NameProblem),
    /// A symbolic link that is too long.
    #[error(transparent)]
    Symlink(#[from] SymlinkTooLong),
    /// A directory that cannot be built.
    #[error(transparent)]
    Directory(#[from] DirectoryError<std::convert::Infallible>),
    /// Not a pin of this core.
    #[error("not pinned or pinned indirectly")]
    NotPinned,
    /// A block that content of this core needs.
    #[error("pinned: content of this core reaches the block")]
    Needed,
    /// The session may not read the core's content.
    #[error("you may not read the pins of this core")]
    Forbidden,
    /// Content was refused.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl From<BlockError> for RpcError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Missing(cid) => Self::Missing(cid),
            BlockError::Denied(_) => Self::Denied,
            BlockError::Away(away) => Self::Missing(Box::new(away.cid())),
            BlockError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ReadError<BlockError>> for RpcError {
    fn from(error: ReadError<BlockError>) -> Self {
        match error {
            ReadError::Source(error) => error.into(),
            error => Self::Read(Box::new(error)),
        }
    }
}

impl From<WalkError<BlockError>> for RpcError {
    fn from(error: WalkError<BlockError>) -> Self {
        match error {
            WalkError::Read(error) => error.into(),
            error => Self::Walk(Box::new(error)),
        }
    }
}

impl From<TxError> for RpcError {
    fn from(error: TxError) -> Self {
        Self::Upload(error.into())
    }
}

impl From<CommitError> for RpcError {
    fn from(error: CommitError) -> Self {
        Self::Upload(error.into())
    }
}

impl From<WriteError> for RpcError {
    fn from(error: WriteError) -> Self {
        Self::Upload(error.into())
    }
}

impl RpcError {
    /// What looking for content can end in, asked for by `cid`.
    fn finding(error: ContentError, cid: &Cid) -> Self {
        match error {
            ContentError::Denied => Self::Denied,
            ContentError::Load(error) => Self::Load(error),
            ContentError::Store(error) => Self::Store(error),
            ContentError::Malformed(error) => Self::Read(error),
            ContentError::NotFound
            | ContentError::Path(_)
            | ContentError::Away(_)
            | ContentError::Retrieval(_) => Self::Missing(Box::new(*cid)),
        }
    }
}

impl Rpc {
    pub(crate) fn new(store: Store, cores: Cores, content: Content, clock: Arc<dyn Clock>) -> Self {
        Self { store, cores, content, clock }
    }

    /// What the core uses, and how much it may use; for those who may read its pins.
    ///
    /// # Errors
    /// [`RpcError::Forbidden`] for others.
    pub async fn usage(&self, session: &Session, core: &CoreId) -> Result<(Usage, Quota), RpcError> {
        self.may_read(session, core).await?;
        Ok((self.store.usage(core)?, self.store.quota(core)?))
    }
}
