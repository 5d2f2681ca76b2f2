//! A UnixFS tree as a TAR archive (POSIX.1-2017, "pax Interchange Format"), piece by piece.
//!
//! The archive follows from the tree alone: the same root gives the same bytes, with the permissions and times that
//! the tree holds, and 0644, 0755 and the epoch where it holds none. A piece is a header or a slice of a stored
//! block; of the tree only the way to the entry at hand is held in memory.

mod header;

use bytes::Bytes;
use cid::Cid;
use thiserror::Error;

use crate::{
    Codec,
    dag_pb::PbNode,
    inline_content,
    limits::{TAR_DEPTH_MAX, TAR_ENTRIES_MAX, TAR_PATH_BYTES_MAX},
    read::{Blocks, FileReader, Listing, ReadError},
    unixfs::{Data, Kind, Metadata, NodeError, UnixFsNode},
};
use header::{Header, Type, padding};

/// Two records of zeros end an archive.
const END: &[u8] = &[0; 1024];

/// Why there is no archive, or no more of it; `E` is the error of the source.
#[derive(Debug, Error)]
pub enum TarError<E: std::error::Error + 'static> {
    /// A block could not be read.
    #[error(transparent)]
    Read(#[from] ReadError<E>),
    /// A name that leads out of the archive.
    #[error("the entry `{0}` lies outside the directory; it cannot be packed")]
    Outside(String),
    /// A name that no file can have.
    #[error("an entry has a name that cannot be packed")]
    Name,
    /// Two entries with one path, or one that could be written through a symbolic link that stands elsewhere.
    #[error("the entry `{0}` could be written over another, or through a symbolic link; it cannot be packed")]
    Tangled(String),
    /// Deeper than [`TAR_DEPTH_MAX`].
    #[error("the tree is deeper than {TAR_DEPTH_MAX} levels")]
    TooDeep,
    /// More entries than [`TAR_ENTRIES_MAX`].
    #[error("the tree has more than {TAR_ENTRIES_MAX} entries")]
    TooManyEntries,
    /// A path longer than [`TAR_PATH_BYTES_MAX`].
    #[error("a path in the tree is longer than {TAR_PATH_BYTES_MAX} bytes")]
    PathTooLong,
}

/// An archive in the making.
#[derive(Debug)]
pub struct TarStream {
    /// What comes before anything else is read, the next piece last.
    ready: Vec<Bytes>,
    file: Option<OpenFile>,
    directories: Vec<Directory>,
    /// An entry whose block could not be had.
    held_up: Option<Place>,
    entries: u64,
    /// Whether there was a symbolic link.
    has_links: bool,
    ended: bool,
}

#[derive(Debug)]
struct OpenFile {
    reader: FileReader,
    padding: usize,
}

#[derive(Debug)]
struct Directory {
    /// Its path in the archive.
    path: String,
    entries: Entries,
}

#[derive(Debug)]
enum Entries {
    /// Of one block, in reverse order.
    Plain(Vec<Place>),
    Sharded(Listing),
}

#[derive(Debug, Clone)]
struct Place {
    path: String,
    cid: Cid,
    /// Its name was a path, and may have led into another directory.
    wandered: bool,
}

impl TarStream {
    /// Opens the tree at `root`; everything in the archive lies at or below `name`, which is one path segment. Entries
    /// of the root that cannot be packed are refused here, before the first byte.
    ///
    /// # Errors
    /// [`TarError`] when the root cannot be read, or is neither file, directory nor symbolic link.
    pub fn open<B: Blocks>(blocks: &B, root: &Cid, name: &str) -> Result<Self, TarError<B::Error>> {
        let mut tar = Self::empty();
        let path = place("", name)?;
        tar.enter(blocks, Place { path, cid: *root, wandered: false })?;
        Ok(tar)
    }

    /// The next piece, never empty; `None` at the end. After an error of the source ([`ReadError::Source`]) it can be
    /// asked again for the same piece; after any other there is nothing more.
    ///
    /// # Errors
    /// [`TarError`]; the archive is broken off then, unless the source failed.
    pub fn next<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Bytes>, TarError<B::Error>> {
        let result = self.step(blocks);
        if result.as_ref().is_err_and(|error| !matches!(error, TarError::Read(ReadError::Source(_)))) {
            *self = Self { ended: true, ..Self::empty() };
        }
        result
    }

    const fn empty() -> Self {
        Self {
            ready: Vec::new(),
            file: None,
            directories: Vec::new(),
            held_up: None,
            entries: 0,
            has_links: false,
            ended: false,
        }
    }

    fn step<B: Blocks>(&mut self, blocks: &B) -> Result<Option<Bytes>, TarError<B::Error>> {
        loop {
            if let Some(piece) = self.ready.pop() {
                return Ok(Some(piece));
            }
            if let Some(file) = &mut self.file {
                if let Some(piece) = file.reader.next(blocks)? {
                    return Ok(Some(piece));
                }
                self.ready.extend(zeros(file.padding));
                self.file = None;
                continue;
            }
            if !self.advance(blocks)? {
                if self.ended {
                    return Ok(None);
                }
                self.ended = true;
                return Ok(Some(Bytes::from_static(END)));
            }
        }
    }

    /// Goes on to the next entry; false when there is none.
    fn advance<B: Blocks>(&mut self, blocks: &B) -> Result<bool, TarError<B::Error>> {
        if let Some(place) = self.held_up.take() {
            self.enter(blocks, place)?;
            return Ok(true);
        }
        let Some(directory) = self.directories.last_mut() else { return Ok(false) };
        let next = match &mut directory.entries {
            Entries::Plain(entries) => entries.pop(),
            Entries::Sharded(listing) => match listing.next(blocks)? {
                Some(entry) if entry.is_dots() => return Err(TarError::Outside(entry.name)),
                Some(entry) => {
                    let path = place(&directory.path, &entry.name)?;
                    Some(Place { path, cid: entry.cid, wandered: false })
                }
                None => None,
            },
        };
        match next {
            Some(place) => self.enter(blocks, place)?,
            None => drop(self.directories.pop()),
        }
        Ok(true)
    }

    fn enter<B: Blocks>(&mut self, blocks: &B, place: Place) -> Result<(), TarError<B::Error>> {
        let entered = self.enter_now(blocks, place.clone());
        match &entered {
            Ok(()) => self.entries += 1,
            Err(TarError::Read(ReadError::Source(_))) => self.held_up = Some(place),
            Err(_other) => {}
        }
        entered
    }

    fn enter_now<B: Blocks>(&mut self, blocks: &B, place: Place) -> Result<(), TarError<B::Error>> {
        if self.entries >= TAR_ENTRIES_MAX {
            return Err(TarError::TooManyEntries);
        }
        if self.directories.len() >= TAR_DEPTH_MAX {
            return Err(TarError::TooDeep);
        }
        let Place { path, cid, wandered } = place;
        // Only files may wander, and only where no symbolic link can be in their way: what unpacks the archive would
        // follow it out of the directory.
        if wandered && self.has_links {
            return Err(TarError::Tangled(cut(&path)));
        }
        match Codec::of(&cid).map_err(ReadError::from)? {
            Codec::Raw => return self.file(blocks, path, &cid, Metadata { mode: None, mtime: None }),
            Codec::DagPb => {}
            _ => return Err(ReadError::NotUnixFs(Box::new(cid)).into()),
        }
        let block = load(blocks, &cid)?;
        let malformed = |source| ReadError::Malformed { cid: Box::new(cid), source };
        let pb = PbNode::decode(&block).map_err(NodeError::from).map_err(malformed)?;
        let data = pb.data.ok_or(NodeError::NoData).map_err(malformed)?;
        let data = Data::decode(data).map_err(NodeError::from).map_err(malformed)?;
        let metadata = data.metadata;
        match data.kind {
            Kind::File | Kind::Raw => self.file(blocks, path, &cid, metadata),
            Kind::Metadata => Err(malformed(NodeError::Unused).into()),
            _ if wandered => Err(TarError::Tangled(cut(&path))),
            Kind::Symlink => {
                let node = UnixFsNode::decode(&block).map_err(malformed)?;
                self.has_links = true;
                self.head(&path, &metadata, 0, Type::Symlink(node.symlink_target()));
                Ok(())
            }
            Kind::Directory => {
                let entries = plain_entries(&path, &pb)?;
                self.directory(path, &metadata, entries);
                Ok(())
            }
            Kind::HamtShard => {
                let listing = Listing::open(blocks, &cid)?;
                self.directory(path, &metadata, Entries::Sharded(listing));
                Ok(())
            }
        }
    }

    fn file<B: Blocks>(
        &mut self,
        blocks: &B,
        path: String,
        cid: &Cid,
        metadata: Metadata,
    ) -> Result<(), TarError<B::Error>> {
        let reader = FileReader::open(blocks, cid)?;
        self.head(&path, &metadata, reader.size(), Type::File);
        self.file = Some(OpenFile { padding: padding(reader.size()), reader });
        Ok(())
    }

    fn directory(&mut self, path: String, metadata: &Metadata, entries: Entries) {
        self.head(&path, metadata, 0, Type::Directory);
        self.directories.push(Directory { path, entries });
    }

    fn head(&mut self, path: &str, metadata: &Metadata, size: u64, kind: Type<'_>) {
        self.ready.push(Header { path, metadata, size, kind }.encode());
    }
}

/// Where the entries of a directory in one block go. Names with slashes are taken as far as they stay inside: old
/// writers made such directories.
fn plain_entries<E: std::error::Error>(path: &str, pb: &PbNode<'_>) -> Result<Entries, TarError<E>> {
    let mut entries = Vec::with_capacity(pb.links.len());
    for link in pb.links.iter().rev() {
        let name = link.name.unwrap_or_default();
        let wandered = name.contains('/') || matches!(name, "." | "..");
        entries.push(Place { path: place(path, name)?, cid: link.cid, wandered });
    }
    let mut paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(TarError::Tangled(cut(twice[0]))),
        None => Ok(Entries::Plain(entries)),
    }
}

/// The path of `name` in the directory at `above`; a name may have slashes and dots, as long as it stays inside the
/// archive's one root.
fn place<E: std::error::Error>(above: &str, name: &str) -> Result<String, TarError<E>> {
    let outside = || TarError::Outside(cut(name));
    if name.is_empty() || name.contains('\0') {
        return Err(TarError::Name);
    }
    let mut segments: Vec<&str> = above.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in name.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or_else(outside)?;
            }
            segment => segments.push(segment),
        }
    }
    // The first segment is the root's own name, and nothing else may take its place.
    let root = above.split('/').next().unwrap_or_default();
    let inside = above.is_empty() || (segments.len() > 1 && segments.first() == Some(&root));
    if !inside || segments.is_empty() {
        return Err(outside());
    }
    let path = segments.join("/");
    if path.len() > TAR_PATH_BYTES_MAX { Err(TarError::PathTooLong) } else { Ok(path) }
}

fn load<B: Blocks>(blocks: &B, cid: &Cid) -> Result<Bytes, ReadError<B::Error>> {
    match inline_content(cid) {
        Some(content) => Ok(Bytes::copy_from_slice(content)),
        None => blocks.block(cid).map_err(ReadError::Source),
    }
}

/// Short enough for a message.
fn cut(text: &str) -> String {
    text.chars().take(256).collect()
}

fn zeros(count: usize) -> Option<Bytes> {
    (count > 0).then(|| Bytes::from_static(&END[..count]))
}

#[cfg(test)]
mod tests;
