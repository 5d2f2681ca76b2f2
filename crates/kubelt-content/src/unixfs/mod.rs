//! UnixFS: files, directories and symbolic links as dag-pb blocks.
//!
//! Writing is [`FileBuilder`] (leaves hashed by the caller, in parallel if it likes), [`Importer`]
//! (the same on one thread) and [`DirectoryBuilder`]; reading is [`crate::read`]. Which CIDs come out
//! is decided by a [`Profile`].

mod data;
mod directory;
mod file;
mod hamt;
mod importer;
mod name;
mod node;
mod profile;

pub use data::{Data, DataError, Kind, Metadata, Mtime};
pub use directory::{DirRoot, DirectoryBuilder, DirectoryError, SymlinkTooLong, symlink};
pub use file::{FileBuilder, FileRoot, LeafInfo};
pub use importer::Importer;
pub use name::{NameProblem, check_name};
pub use node::{NodeError, UnixFsNode};
pub use profile::{Profile, SplitRule, UnknownProfile};

pub(crate) use hamt::{Shard, name_hash};
