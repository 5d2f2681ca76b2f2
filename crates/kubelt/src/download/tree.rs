//! A directory by its CID: block by block, each checked against the CID that asked for it.
//!
//! Nothing is taken on the node's word: names, sizes and links are read from blocks that were checked, down from the
//! CID that the caller gave.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kubelt_content::limits::BLOCK_BYTES_MAX;
use kubelt_content::read::{Blocks, FileReader, Listing, Node, NodeKind, ReadError, resolve, stat};
use kubelt_content::{Cid, VerifyError, verify};

use super::{Destination, DownloadError, Fetched, is_plain_name, make_directory, make_link, stays_inside};
use crate::client::{Client, ClientError, gateway_path};
use crate::limits::{DIRECTORY_DEPTH_MAX, TREE_BLOCKS_KEPT, TREE_ENTRIES_MAX};
use crate::output::Progress;

/// Why a block could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the download was cut short; run the same command again")]
    CutShort(#[source] io::Error),
    #[error("the node gave other bytes for `{cid}`")]
    Wrong {
        cid: Box<Cid>,
        #[source]
        source: Box<VerifyError>,
    },
}

/// Fetches all below a CID into a directory.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    client: &'a Client,
    progress: &'a Progress,
    /// The blocks that came last: a block is looked at to see what it is, and then read.
    kept: RefCell<VecDeque<(Cid, Bytes)>>,
    /// By which ways the node has fetched blocks that it did not have.
    ways: RefCell<BTreeSet<String>>,
}

/// What a walk has found so far; links by their depth, target, path and where they go.
#[derive(Debug, Default)]
struct Walk {
    fetched: Fetched,
    entries: usize,
    links: Vec<(usize, String, String, PathBuf)>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(client: &'a Client, progress: &'a Progress) -> Self {
        Self { client, progress, kept: RefCell::default(), ways: RefCell::default() }
    }

    /// Fetches the directory at `path` below `root` into `to`.
    pub(crate) fn save(&self, root: &Cid, path: &str, to: &Path) -> Result<Fetched, DownloadError> {
        let segments: Vec<String> =
            path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        let top = resolve(&self, root, &segments)?;
        let mut walk = Walk::default();
        self.level(&top.cid, path, to, &mut walk, 0)?;
        // Links are made when nothing is written any more, so that nothing is ever written through one.
        for (depth, target, path, to) in walk.links {
            match stays_inside(&target, depth).then(|| make_link(&target, &to)) {
                Some(Ok(())) => walk.fetched.links += 1,
                Some(Err(_)) | None => walk.fetched.left_out.push(path),
            }
        }
        walk.fetched.ways = self.ways.take().into_iter().collect();
        Ok(walk.fetched)
    }

    fn level(
        &self,
        directory: &Cid,
        path: &str,
        to: &Path,
        walk: &mut Walk,
        depth: usize,
    ) -> Result<(), DownloadError> {
        if depth == DIRECTORY_DEPTH_MAX {
            return Err(DownloadError::TooDeep(path.to_owned()));
        }
        make_directory(to).map_err(|source| DownloadError::Write { path: to.to_owned(), source })?;
        let mut listing = Listing::open(&self, directory)?;
        while let Some(entry) = listing.next(&self)? {
            if entry.is_dots() {
                continue;
            }
            if !is_plain_name(&entry.name) {
                return Err(DownloadError::Name(entry.name));
            }
            walk.entries += 1;
            if walk.entries > TREE_ENTRIES_MAX {
                return Err(DownloadError::TooMany);
            }
            let path = format!("{path}/{}", entry.name);
            let to = to.join(&entry.name);
            let node = stat(&self, &entry.cid)?;
            match node.kind {
                NodeKind::Directory { .. } => self.level(&entry.cid, &path, &to, walk, depth + 1)?,
                NodeKind::File { size } => {
                    self.progress.more(size);
                    walk.fetched.bytes += self.file(&node, &to)?;
                    walk.fetched.files += 1;
                    walk.fetched.verified += 1;
                }
                NodeKind::Symlink { target } => walk.links.push((depth, target, path, to)),
            }
        }
        Ok(())
    }

    fn file(&self, node: &Node, to: &Path) -> Result<u64, DownloadError> {
        let failed = |source| DownloadError::Write { path: to.to_owned(), source };
        let mut destination = Destination::open(to).map_err(failed)?;
        let mut reader = FileReader::open(&self, &node.cid)?;
        let mut written = 0;
        while let Some(piece) = reader.next(&self)? {
            destination.write_all(&piece).map_err(failed)?;
            self.progress.done(piece.len() as u64);
            written += piece.len() as u64;
        }
        destination.keep().map_err(failed)?;
        Ok(written)
    }
}

impl Blocks for Tree<'_> {
    type Error = BlockError;

    fn block(&self, cid: &Cid) -> Result<Bytes, BlockError> {
        if let Some((_, block)) = self.kept.borrow().iter().find(|(kept, _)| kept == cid) {
            return Ok(block.clone());
        }
        let path = format!("{}?format=raw", gateway_path(&cid.to_string(), ""));
        let mut bytes = Vec::new();
        let download = self.client.gateway(&path, None)?;
        self.ways.borrow_mut().extend(download.ways);
        let body = download.body;
        body.take(BLOCK_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(BlockError::CutShort)?;
        verify(cid, &bytes)
            .map_err(|source| BlockError::Wrong { cid: Box::new(*cid), source: Box::new(source) })?;
        let block = Bytes::from(bytes);
        let mut kept = self.kept.borrow_mut();
        kept.truncate(TREE_BLOCKS_KEPT - 1);
        kept.push_front((*cid, block.clone()));
        Ok(block)
    }
}

impl From<ReadError<BlockError>> for DownloadError {
    fn from(error: ReadError<BlockError>) -> Self {
        match error {
            ReadError::Source(BlockError::Client(error)) => error.into(),
            ReadError::Source(BlockError::CutShort(error)) => Self::CutShort(error),
            other => Self::Tree(Box::new(other)),
        }
    }
}
