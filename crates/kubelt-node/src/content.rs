//! Content of cores: written, found, listed and read.
//!
//! A path of the map under `content/` holds one entry: the CID of a file or of a whole directory. What a
//! reader sees at `/@core/site/css/a.css` is the entry at that very path, or what lies at `css/a.css`
//! inside the directory whose entry is at `site`, whichever entry is longer *and visible to the reader*:
//! an entry that may not be seen is treated as if it were not there.
//!
//! An entry counts only when its DAG is whole *in this core*: every block of it uploaded by this core. So
//! naming a foreign CID opens nothing (see [`link`]).

mod block_sink;
mod car_upload;
mod find;
mod link;
mod list;
mod openings;
mod published;
mod reader;
mod sealed;
mod stream;
mod upload;
mod usage;

use std::sync::Arc;

use bytes::Bytes;
use cid::Cid;
use kubelt_content::read::{ReadError, Way};
use kubelt_core::{MapPath, OpId, PathError, schema::Visibility};
use kubelt_store::Store;
use tokio::sync::Semaphore;

pub use car_upload::{CarTaken, CarUpload};
pub use link::{Incomplete, MissingBlocks};
pub use list::{Child, ChildKind, Children, Version};
pub use published::{LookingUp, PublishedBlock, PublishedBlocks};
pub use reader::ContentReader;
pub use sealed::SealedEntry;
pub use stream::Upload;
pub use upload::{Stored, Target, UploadError};
pub use usage::{Blocks, Fate, Freed, Removed, Used, UsedContent, VersionsKept};

pub(crate) use block_sink::BlockSink;
pub(crate) use link::{
    Wholeness, expect_hidden, expect_not_whole, hide, how_whole, is_shown, linked_at, unmark_whole,
};
pub(crate) use upload::UNKNOWN_MEDIA_TYPE;

use crate::{
    StoreError,
    access::Access,
    blocks::{BlockError, ReachedBlocks, Within},
    collect::{Leases, Stamps},
    cores::{Cores, LoadError},
    denylists::Denylists,
    fetch::{Away, RetrievalError},
    limits::{UPLOADS_MAX, USAGE_SCANS_MAX},
    names::Named,
};

/// First segment of the map's paths of content.
pub(crate) const PREFIX: &str = "content";

/// The content of a node's cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct Content {
    store: Store,
    cores: Cores,
    access: Arc<Access>,
    uploads: Arc<Semaphore>,
    openings: openings::Openings,
    /// Accounts of what content costs.
    accounts: Arc<Semaphore>,
    denylists: Denylists,
    pub(crate) stamps: Stamps,
    pub(crate) leases: Leases,
}

impl Content {
    pub(crate) fn new(
        store: Store,
        cores: Cores,
        access: Arc<Access>,
        denylists: Denylists,
        stamps: Stamps,
    ) -> Self {
        Self {
            store,
            cores,
            access,
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            openings: openings::Openings::default(),
            accounts: Arc::new(Semaphore::new(USAGE_SCANS_MAX)),
            denylists,
            stamps,
            leases: Leases::default(),
        }
    }

    /// What the operator does not serve.
    pub const fn denylists(&self) -> &Denylists {
        &self.denylists
    }

    #[cfg(test)]
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// What answers to strangers rest on now.
    pub fn moment(&self) -> Moment {
        Moment {
            store: self.store.revision(),
            exposures: self.access.changes(),
            denylists: self.denylists.changes(),
        }
    }

    /// The blocks that a reader may have who was let in so far.
    pub fn blocks(&self, within: &Within) -> ReachedBlocks {
        ReachedBlocks::new(self.store.clone(), within.clone(), self.denylists.now())
    }
}

/// What an answer to a stranger was made from: all that the store holds, what lets strangers in, and what the
/// operator denies. An answer that was begun after one look at it holds for as long as later looks find the same: each
/// part grows behind a change and before that change is acknowledged to anybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    store: u64,
    /// These are kept in memory, and forgotten a little later than the store has changed.
    exposures: u64,
    denylists: u64,
}

/// The map path of content at `segments`: `content/site/index.html`.
///
/// # Errors
/// [`PathError`] when the segments break a rule of paths.
pub fn content_path(segments: &[String]) -> Result<MapPath, PathError> {
    let mut text = String::from(PREFIX);
    for segment in segments {
        text.push('/');
        text.push_str(segment);
    }
    MapPath::new(text)
}

/// A file that was found.
#[derive(Debug, Clone)]
pub struct File {
    /// Its CID.
    pub cid: Cid,
    /// Its bytes.
    pub size: u64,
    /// The media type that its writer gave it.
    pub media_type: Option<String>,
    /// Who may read it.
    pub visibility: Visibility,
    /// Which blocks its reader may have.
    pub within: Within,
    /// The operation that wrote the entry it was found by; none where it was found by CID.
    pub op: Option<OpId>,
    /// Its last name on the way here, from which a media type can be guessed.
    pub name: Option<String>,
    /// All its bytes, where they stand in one block that was read already.
    pub block: Option<Bytes>,
}

/// What a path leads to.
#[derive(Debug, Clone)]
pub enum Found {
    /// A file, or a symbolic link, whose bytes are its target.
    File(File),
    /// A directory.
    Directory {
        /// Its CID; none for a directory that exists only as a common prefix of paths.
        cid: Option<Cid>,
        /// Who may read it.
        visibility: Visibility,
        /// Which blocks its reader may have.
        within: Within,
    },
    /// A block that is neither, found by its CID.
    Block(File),
}

/// Where a path below a CID leads.
#[derive(Debug, Clone)]
pub struct Reached {
    /// The block it ends in, and those on the way.
    pub way: Way,
    /// Who may read it.
    pub visibility: Visibility,
    /// Which blocks its reader may have.
    pub within: Within,
}

/// Why content could not be found, listed or read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Nothing there, or nothing that the reader may know of.
    #[error("there is nothing here that you may read")]
    NotFound,
    /// It is there, and the operator does not serve it.
    #[error("this content is on a denylist of this node")]
    Denied,
    /// A block of it is elsewhere, and may come: wait for it, and ask again.
    #[error("a block is on its way here")]
    Away(Away),
    /// It was not brought here.
    #[error(transparent)]
    Retrieval(#[from] RetrievalError),
    /// No path of content.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The entry is there, but its blocks make no file or directory.
    #[error("the content cannot be read")]
    Malformed(#[source] Box<ReadError<BlockError>>),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl From<BlockError> for ContentError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Missing(_) => Self::NotFound,
            BlockError::Denied(_) => Self::Denied,
            BlockError::Away(away) => Self::Away(away),
            BlockError::Store(error) => Self::Store(error),
        }
    }
}

impl ContentError {
    /// What reading a DAG that is known to be whole can end in.
    pub fn reading(error: ReadError<BlockError>) -> Self {
        match error {
            ReadError::Source(error) => error.into(),
            ReadError::NotFound(_)
            | ReadError::NotADirectory(_)
            | ReadError::ThroughSymlink { .. }
            | ReadError::PathTooLong
            | ReadError::Name(_) => Self::NotFound,
            other => Self::Malformed(Box::new(other)),
        }
    }
}

/// An entry of the map as its core's own people see it, and what a path leads to through it.
#[derive(Debug, Clone)]
pub(crate) struct OwnEntry {
    /// Where the entry stands.
    pub(crate) path: MapPath,
    pub(crate) named: Named,
    /// What the path leads to.
    pub(crate) cid: Cid,
    /// Whether the operator serves it to nobody.
    pub(crate) is_denied: bool,
}

/// An entry of the map that a reader may use.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) value: kubelt_core::schema::ContentEntry,
    pub(crate) op: OpId,
    /// By which visibility the reader sees it.
    pub(crate) visibility: Visibility,
    /// Which blocks its reader may have.
    pub(crate) within: Within,
}
