//! What lies below a path, and what lay there before.

use std::collections::{BTreeMap, HashMap};

use cid::Cid;
use kubelt_content::{
    Codec,
    read::{Blocks as _, Entry as DagEntry, Listing, NodeKind, stat},
};
use kubelt_core::{
    CoreId, MapPath, OpId,
    schema::{Exit, Visibility},
};

use super::{Content, ContentError, Found, content_path};
use crate::{
    StoreError,
    access::Reader,
    blocks::{BlockError, ReachedBlocks, Within},
    names::public,
    write::content_entry,
};

/// Entries of the map read at once.
const SCAN_PAGE: usize = 256;

/// What an entry of a listing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildKind {
    /// A file.
    File {
        /// Its bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// One thing below a path.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ChildKind,
    /// Its CID; none for a directory that exists only as a common prefix of paths.
    pub cid: Option<Cid>,
    /// Its media type, where its writer gave one.
    pub media_type: Option<String>,
    /// Who may read it; none within a directory published as one.
    pub visibility: Option<Visibility>,
}

/// A page of a listing.
#[derive(Debug, Clone)]
pub struct Children {
    /// Sorted by name, but for HAMTs listed by their CID.
    pub entries: Vec<Child>,
    /// The name to go on behind, where there is more.
    pub next: Option<String>,
}

/// One version of a path.
#[derive(Debug, Clone)]
pub struct Version {
    /// The operation.
    pub op: OpId,
    /// Its date, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The CID; none where the path was cleared.
    pub cid: Option<Cid>,
    /// Bytes.
    pub size: Option<u64>,
    /// Whether the operation counts.
    pub effective: bool,
}

impl Content {
    /// What lies one level below `segments`, sorted by name, behind the name `cursor`.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] alike for what is missing and for what the reader may not see.
    pub async fn list(
        &self,
        reader: &Reader,
        core: &CoreId,
        segments: &[String],
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Children, ContentError> {
        let found = self.find(reader, core, segments).await?;
        let mut children = match found {
            Found::Directory { cid: Some(cid), within, .. } => {
                self.dag_children(&cid, within, cursor, limit + 1)?
            }
            Found::Directory { cid: None, .. } => BTreeMap::new(),
            Found::File(_) | Found::Block(_) => return Err(ContentError::NotFound),
        };
        // Entries of the map lie over those of a directory published as one.
        self.map_children(reader, core, &content_path(segments)?, cursor, limit + 1, &mut children).await?;
        Ok(page(children, limit))
    }

    /// What lies in a directory that the reader was already found to be allowed, behind the entry `cursor`, in the
    /// directory's own order: by name, or by hash where it is a HAMT. Of the others nothing is read.
    ///
    /// # Errors
    /// [`ContentError`] when there is no such entry, a block is malformed or the store fails.
    pub fn list_cid(
        &self,
        directory: &Cid,
        within: Within,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Children, ContentError> {
        let blocks = self.blocks(within);
        let listing = match cursor {
            None => Listing::open(&blocks, directory),
            Some(name) => Listing::after(&blocks, directory, name),
        };
        let mut listing = listing.map_err(ContentError::reading)?;
        let mut entries = Vec::new();
        while entries.len() <= limit {
            let Some(entry) = listing.next(&blocks).map_err(ContentError::reading)? else { break };
            if !entry.is_dots() {
                entries.push(entry);
            }
        }
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|entry| entry.name.clone());
        let mut kinds = HashMap::new();
        let child = |entry: DagEntry| {
            // A leaf is as large as its directory says, or its directory lies: to its readers, and nobody else.
            match entry.dag_size.filter(|_| Codec::of(&entry.cid) == Ok(Codec::Raw)) {
                Some(size) => {
                    let (name, cid, kind) = (entry.name, Some(entry.cid), ChildKind::File { size });
                    Ok(Child { name, kind, cid, media_type: None, visibility: None })
                }
                None => known_child(&blocks, &mut kinds, entry.name, entry.cid),
            }
        };
        let entries = entries.into_iter().map(child).collect::<Result<_, ContentError>>()?;
        Ok(Children { entries, next })
    }

    /// The entries of a directory published as one, at least `count` of those behind `cursor`.
    fn dag_children(
        &self,
        cid: &Cid,
        within: Within,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<BTreeMap<String, Child>, ContentError> {
        let blocks = self.blocks(within);
        let mut listing = Listing::open(&blocks, cid).map_err(ContentError::reading)?;
        let sharded = matches!(
            stat(&blocks, cid).map_err(ContentError::reading)?.kind,
            NodeKind::Directory { sharded: true }
        );
        let mut names = BTreeMap::new();
        while let Some(entry) = listing.next(&blocks).map_err(ContentError::reading)? {
            if entry.is_dots() || cursor.is_some_and(|cursor| entry.name.as_str() <= cursor) {
                continue;
            }
            names.insert(entry.name, entry.cid);
            // A HAMT gives its entries by hash, so the least names are known only at its end.
            if names.len() > count {
                names.pop_last();
                if !sharded {
                    break;
                }
            }
        }
        let mut kinds = HashMap::new();
        let child =
            |(name, cid): (String, Cid)| Ok((name.clone(), known_child(&blocks, &mut kinds, name, cid)?));
        names.into_iter().map(child).collect()
    }

    /// The entries of the map one level below `base`, the least `count` of those behind `cursor`, laid over
    /// `children`. A whole subtree of a name is passed over once one entry in it is seen.
    async fn map_children(
        &self,
        reader: &Reader,
        core: &CoreId,
        base: &MapPath,
        cursor: Option<&str>,
        count: usize,
        children: &mut BTreeMap<String, Child>,
    ) -> Result<(), ContentError> {
        let mut after: Option<MapPath> = None;
        loop {
            let page = self.paths_below(reader, core, base, after.as_ref())?;
            let mut skip: Option<MapPath> = None;
            for path in &page {
                after = Some(path.clone());
                if skip.as_ref().is_some_and(|skip| path.below(skip.as_str()).is_some()) {
                    continue;
                }
                let Some(below) = path.below(base.as_str()) else { continue };
                let (name, deeper) = below.split_once('/').map_or((below, false), |(name, _)| (name, true));
                if cursor.is_some_and(|cursor| name <= cursor) {
                    continue;
                }
                let Some(entry) = self.entry(reader, core, path).await? else { continue };
                if deeper {
                    skip = base.join(name).ok();
                    children.entry(name.to_owned()).or_insert_with(|| virtual_directory(name));
                } else {
                    let blocks = self.blocks(entry.within);
                    let mut child = dag_child(&blocks, name.to_owned(), entry.value.cid)?;
                    child.media_type = Some(entry.value.media_type);
                    child.visibility = Some(entry.visibility);
                    children.insert(name.to_owned(), child);
                }
                while children.len() > count {
                    children.pop_last();
                }
            }
            if page.len() < SCAN_PAGE {
                return Ok(());
            }
            // No name sorts behind this one: the next page begins behind the whole subtree.
            after = skip.and_then(|skip| skip.join("\u{10ffff}").ok()).max(after);
        }
    }

    /// Paths at and below `base` that `reader` may see perhaps, a page of them. For anybody these are the
    /// public ones alone, so that no answer tells by its time how much else there is.
    fn paths_below(
        &self,
        reader: &Reader,
        core: &CoreId,
        base: &MapPath,
        after: Option<&MapPath>,
    ) -> Result<Vec<MapPath>, StoreError> {
        match reader {
            Reader::Anonymous => {
                let door = self.access.door(core, Exit::Http)?;
                let rows = public(&self.store, core, door, Some(base), after).take(SCAN_PAGE);
                rows.map(|row| row.map(|(path, _)| path)).collect()
            }
            Reader::Session(_) => {
                let rows = self.store.state_scan(core, Some(base), after, SCAN_PAGE)?;
                Ok(rows.into_iter().map(|(path, _)| path).collect())
            }
        }
    }

    /// Whether `reader` may see any entry below `base`.
    pub(super) async fn any_below(
        &self,
        reader: &Reader,
        core: &CoreId,
        base: &MapPath,
    ) -> Result<bool, ContentError> {
        let mut after: Option<MapPath> = None;
        loop {
            let page = self.paths_below(reader, core, base, after.as_ref())?;
            for path in &page {
                if path != base && self.entry(reader, core, path).await?.is_some() {
                    return Ok(true);
                }
            }
            match page.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => return Ok(false),
            }
        }
    }

    /// The versions of the entry at exactly this path, newest first, for those who may have the whole log.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] alike for what is missing and for what the reader may not see.
    pub async fn versions(
        &self,
        reader: &Reader,
        core: &CoreId,
        segments: &[String],
        limit: usize,
    ) -> Result<Vec<Version>, ContentError> {
        let path = content_path(segments)?;
        if !self.access.replicates(reader, core).await? {
            return Err(ContentError::NotFound);
        }
        let mut versions = Vec::new();
        for row in self.store.versions(core, &path, limit)? {
            let entry = row.value.as_deref().and_then(content_entry);
            versions.push(Version {
                op: row.id,
                at_ms: row.at.ms(),
                cid: entry.as_ref().map(|entry| entry.cid),
                size: entry.as_ref().map(|entry| entry.size),
                effective: row.effective,
            });
        }
        if versions.is_empty() { Err(ContentError::NotFound) } else { Ok(versions) }
    }
}

/// The same as [`dag_child`], but a block that is listed under many names is read once.
fn known_child(
    blocks: &ReachedBlocks,
    kinds: &mut HashMap<Cid, ChildKind>,
    name: String,
    cid: Cid,
) -> Result<Child, ContentError> {
    if let Some(kind) = kinds.get(&cid).copied() {
        return Ok(Child { name, kind, cid: Some(cid), media_type: None, visibility: None });
    }
    let child = dag_child(blocks, name, cid)?;
    kinds.insert(cid, child.kind);
    Ok(child)
}

/// An entry of a directory. What its block would tell is left out where the block is missing.
fn dag_child(blocks: &ReachedBlocks, name: String, cid: Cid) -> Result<Child, ContentError> {
    let kind = match stat(blocks, &cid) {
        Ok(node) => match node.kind {
            NodeKind::File { size } => ChildKind::File { size },
            NodeKind::Directory { .. } => ChildKind::Directory,
            NodeKind::Symlink { .. } => ChildKind::Symlink,
        },
        Err(_other_codec) => match blocks.block(&cid) {
            Ok(block) => ChildKind::File { size: block.len() as u64 },
            Err(BlockError::Missing(_) | BlockError::Denied(_)) => ChildKind::File { size: 0 },
            Err(BlockError::Store(error)) => return Err(error.into()),
        },
    };
    Ok(Child { name, kind, cid: Some(cid), media_type: None, visibility: None })
}

/// The first `limit` children, and where to go on.
fn page(children: BTreeMap<String, Child>, limit: usize) -> Children {
    let mut entries: Vec<Child> = children.into_values().take(limit + 1).collect();
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|child| child.name.clone());
    Children { entries, next }
}

/// A directory that exists only as a common prefix of paths.
fn virtual_directory(name: &str) -> Child {
    let kind = ChildKind::Directory;
    Child { name: name.to_owned(), kind, cid: None, media_type: None, visibility: None }
}
