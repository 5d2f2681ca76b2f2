//! Directories and symbolic links.

use cid::Cid;
use thiserror::Error;

use super::data::{Data, Kind, Metadata};
use super::file::total;
use super::hamt;
use super::name::{NameProblem, check_name};
use super::profile::{Profile, SplitRule};
use crate::block::Block;
use crate::dag_pb::PbLink;
use crate::limits::SYMLINK_TARGET_BYTES_MAX;
use crate::protobuf;

/// A finished directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirRoot {
    /// The CID of the directory.
    pub cid: Cid,
    /// Bytes of all its blocks and all below: the `Tsize` of a link to it.
    pub dag_size: u64,
}

/// Collects entries in any order; the same set always gives the same CID.
#[derive(Debug)]
pub struct DirectoryBuilder {
    profile: Profile,
    metadata: Metadata,
    entries: Vec<Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) cid: Cid,
    pub(super) dag_size: u64,
}

/// Why a directory was not built; `E` is the error of the sink.
#[derive(Debug, Error)]
pub enum DirectoryError<E> {
    /// Two entries have one name.
    #[error("two entries are called `{0}`")]
    Duplicate(String),
    /// Two names have the same 64-bit hash, on purpose as good as always.
    #[error("the hash of `{0}` equals that of another name; rename one of the two")]
    HashCollision(String),
    /// The sink refused a block.
    #[error("a block of the directory was not taken")]
    Sink(#[source] E),
}

/// The target of a symbolic link is longer than [`SYMLINK_TARGET_BYTES_MAX`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the target of a symbolic link has `{0}` bytes, more than the `{max}` allowed", max = SYMLINK_TARGET_BYTES_MAX)]
pub struct SymlinkTooLong(pub usize);

impl DirectoryBuilder {
    /// An empty directory.
    pub fn new(profile: Profile) -> Self {
        Self::with_metadata(profile, Metadata::default())
    }

    /// An empty directory whose root carries permissions or a time.
    pub const fn with_metadata(profile: Profile, metadata: Metadata) -> Self {
        Self { profile, metadata, entries: Vec::new() }
    }

    /// Adds an entry; `dag_size` is that of the [`super::FileRoot`] or [`DirRoot`] it points to.
    pub fn add(&mut self, name: impl Into<String>, cid: Cid, dag_size: u64) -> Result<(), NameProblem> {
        let name = name.into();
        check_name(&name)?;
        self.entries.push(Entry { name, cid, dag_size });
        Ok(())
    }

    /// Writes the directory as one block, or as a HAMT where the profile's rule says so.
    pub fn finish<E>(
        mut self,
        sink: &mut impl FnMut(Block) -> Result<(), E>,
    ) -> Result<DirRoot, DirectoryError<E>> {
        self.entries.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        for pair in self.entries.windows(2) {
            if pair[0].name == pair[1].name {
                return Err(DirectoryError::Duplicate(pair[0].name.clone()));
            }
        }
        let links: Vec<PbLink<'_>> = self.entries.iter().map(Entry::link).collect();
        let mut data = Data::new(Kind::Directory);
        data.metadata = self.metadata;
        if is_split(self.profile.split_rule(), &links, &data) {
            return hamt::write(self.profile, self.metadata, &self.entries, sink);
        }
        let block = self.profile.node(&links, &data);
        let own = block.data().len() as u64;
        let dag_size = total(self.entries.iter().map(|entry| entry.dag_size).chain([own]));
        let root = DirRoot { cid: *block.cid(), dag_size };
        sink(block).map_err(DirectoryError::Sink)?;
        Ok(root)
    }
}

/// A symbolic link as a block; its `Tsize` is the length of that block.
pub fn symlink(profile: Profile, target: &str, metadata: Metadata) -> Result<Block, SymlinkTooLong> {
    if target.len() > SYMLINK_TARGET_BYTES_MAX {
        return Err(SymlinkTooLong(target.len()));
    }
    let mut data = Data::new(Kind::Symlink);
    data.data = (!target.is_empty()).then_some(target.as_bytes());
    data.metadata = metadata;
    Ok(profile.node(&[], &data))
}

impl Entry {
    fn link(&self) -> PbLink<'_> {
        PbLink { cid: self.cid, name: Some(&self.name), tsize: Some(self.dag_size) }
    }
}

fn is_split(rule: SplitRule, links: &[PbLink<'_>], data: &Data<'_>) -> bool {
    let bytes: usize = match rule {
        SplitRule::BlockBytes => {
            protobuf::bytes_len(data.encoded_len()) + links.iter().map(PbLink::encoded_len).sum::<usize>()
        }
        SplitRule::LinksBytes => {
            links.iter().map(|link| link.name.map_or(0, str::len) + link.cid.encoded_len()).sum()
        }
    };
    bytes > Profile::DIRECTORY_BYTES
}

#[cfg(test)]
mod tests;
