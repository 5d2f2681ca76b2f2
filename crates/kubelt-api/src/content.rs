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
