//! Content of a core.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who may read a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// Anybody.
    Public,
    /// Signers of the core who may read there.
    Members,
    /// The core's root only.
    #[default]
    Private,
}

impl Visibility {
    /// The name, as in `?visibility=public`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Members => "members",
            Self::Private => "private",
        }
    }
}

/// Content was written.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ContentReceipt {
    /// The CID of the content.
    pub cid: String,
    /// Bytes of the file, or of all files of the directory.
    pub size: u64,
    /// The path within the core's content.
    pub path: String,
    /// The operation that wrote it.
    pub op: String,
}

/// What became of the content that a cleared path had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// There was nothing at exactly this path.
    Nothing,
    /// No path keeps it any more: what nothing else reaches is freed soon.
    Queued,
    /// The core's settings keep it as a version of this path.
    KeptAsVersion,
    /// Other paths of the core have the same content, now or as a version that is kept.
    UsedByOthers,
}

/// A path was cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentRemoved {
    /// The path.
    pub path: String,
    /// The operation that cleared it.
    pub op: String,
    /// The CID of what was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
    /// How many versions of each path the core keeps: a number, or `all`.
    pub versions_kept: String,
    /// How many other paths of the core keep it, 1,000 at most.
    pub other_paths: u64,
    /// Where it is queued, its blocks, so far as they are few enough to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<RemovedBlocks>,
}

/// The blocks of content that was let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedBlocks {
    /// Blocks that nothing else in the core reaches: the core and its quota lose them.
    pub freed: u64,
    /// Their bytes.
    pub freed_bytes: u64,
    /// Blocks that other content of the core reaches too.
    pub stay: u64,
    /// Their bytes.
    pub stay_bytes: u64,
}

/// What a listing entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListingKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// One thing at a path.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ListingEntry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ListingKind,
    /// Its CID; absent for directories that exist only as a common prefix of paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// Its size in bytes, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Who may read it; absent within a directory published as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

/// What lies below a path, one level.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Listing {
    /// The path listed.
    pub path: String,
    /// Sorted by name.
    pub entries: Vec<ListingEntry>,
    /// Give it as `cursor` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One version of a path.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ContentVersion {
    /// The operation.
    pub op: String,
    /// When (RFC 3339).
    pub at: String,
    /// The CID; absent where the path was cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whether the operation counts; one that does not was revoked.
    pub effective: bool,
    /// Whether its content is kept. What is not is freed, and cannot be read again once it is.
    #[serde(default)]
    pub held: bool,
}

/// Versions of a path, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ContentVersions {
    /// The path.
    pub path: String,
    /// Newest first.
    pub versions: Vec<ContentVersion>,
}

/// Asks which blocks a core still lacks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PossessionRequest {
    /// CIDs, 10,000 at most.
    pub cids: Vec<String>,
}

/// Which blocks a core lacks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Possession {
    /// The CIDs asked for that this core has never uploaded, in the order asked.
    pub missing: Vec<String>,
}

/// Blocks were taken in from a CAR.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CarReceipt {
    /// The roots that the CAR names.
    pub roots: Vec<String>,
    /// Blocks read.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The paths that its roots were given, where the request asked for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<ContentReceipt>,
}
