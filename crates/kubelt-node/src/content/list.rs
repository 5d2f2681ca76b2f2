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
use kubelt_store::Store;

use super::{Content, ContentError, Entry, Found, content_path, how_whole};
use crate::{
    access::Reader,
    blocks::{BlockError, ReachedBlocks, Within},
    collect::is_kept,
    limits::LISTING_BYTES_MAX,
    mirrors::mirrored,
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
    /// It is elsewhere, and was not looked at.
    Unknown {
        /// Bytes of all blocks below, as the directory says.
        dag_size: Option<u64>,
    },
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
    /// Sorted by name, but for the entries of HAMTs.
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
    /// Whether a path of the core keeps its content.
    pub held: bool,
}

impl Content {
    /// What lies one level below `segments`, behind `cursor`: by name, or, in a large directory published as one (a
    /// HAMT), first the map's entries in it by name, and then the directory's own in the order of their hashes.
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
        let base = content_path(segments)?;
        let mut children = BTreeMap::new();
        match found {
            Found::Directory { cid: Some(cid), within, .. } => {
                if self.is_sharded(&cid, &within)? {
                    return self.list_sharded(reader, core, &base, (&cid, &within), cursor, limit).await;
                }
                children = self.dag_children(&cid, &within, cursor, limit + 1)?;
            }
            Found::Directory { cid: None, .. } => {}
            Found::File(_) | Found::Block(_) => return Err(ContentError::NotFound),
        }
        // Entries of the map lie over those of a directory published as one.
        self.map_children(reader, core, &base, cursor, limit + 1, &mut children).await?;
        self.page(children.into_iter().collect(), limit)
    }

    /// What lies in a directory that the reader was already found to be allowed, behind the entry `cursor`, in the
    /// directory's own order: by name, or by hash where it is a HAMT. Of the others nothing is read.
    ///
    /// # Errors
    /// [`ContentError`] when there is no such entry, a block is malformed or the store fails.
    pub fn list_cid(
        &self,
        directory: &Cid,
        within: &Within,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Children, ContentError> {
        let blocks = self.blocks(within);
        let mut listing = listing(&blocks, directory, cursor)?;
        let mut entries = Vec::new();
        while entries.len() <= limit {
            let Some(entry) = listing.next(&blocks).map_err(ContentError::reading)? else { break };
            if !entry.is_dots() {
                entries.push((entry.name.clone(), Listed::Dag(entry, within.clone())));
            }
        }
        self.page(entries, limit)
    }

    /// A page of a HAMT with the map's entries in it. Neither of the two is read further than the page goes.
    async fn list_sharded(
        &self,
        reader: &Reader,
        core: &CoreId,
        base: &MapPath,
        (directory, within): (&Cid, &Within),
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Children, ContentError> {
        let mut entries: Vec<(String, Listed)> = Vec::new();
        // No name holds a slash: with one behind it, it is that of an entry of the map.
        let of_map = cursor.is_none() || cursor.is_some_and(|cursor| cursor.ends_with('/'));
        if of_map {
            let mut children = BTreeMap::new();
            let behind = cursor.map(|cursor| cursor.trim_end_matches('/'));
            self.map_children(reader, core, base, behind, limit + 1, &mut children).await?;
            entries.extend(children);
        }
        let from_map = entries.len();
        let blocks = self.blocks(within);
        let mut listing = listing(&blocks, directory, cursor.filter(|_| !of_map))?;
        let is_covered = from_map > 0 || self.any_below(reader, core, base).await?;
        while entries.len() <= limit {
            let Some(entry) = listing.next(&blocks).map_err(ContentError::reading)? else { break };
            if entry.is_dots() || is_covered && self.covers(reader, core, base, &entry.name).await? {
                continue;
            }
            entries.push((entry.name.clone(), Listed::Dag(entry, within.clone())));
        }
        let mut page = self.page(entries, limit)?;
        if let Some(next) = page.next.as_mut().filter(|_| page.entries.len() <= from_map) {
            next.push('/');
        }
        Ok(page)
    }

    /// Whether an entry of the map lies over the entry `name` of a directory at `base`.
    async fn covers(
        &self,
        reader: &Reader,
        core: &CoreId,
        base: &MapPath,
        name: &str,
    ) -> Result<bool, ContentError> {
        // What is no name of the map is in none of its paths.
        let Ok(path) = base.join(name) else { return Ok(false) };
        Ok(self.entry(reader, core, &path).await?.is_some() || self.any_below(reader, core, &path).await?)
    }

    fn is_sharded(&self, directory: &Cid, within: &Within) -> Result<bool, ContentError> {
        let node = stat(&self.blocks(within), directory).map_err(ContentError::reading)?;
        Ok(matches!(node.kind, NodeKind::Directory { sharded: true }))
    }

    /// The entries of a directory published as one that is no HAMT, at least `count` of those behind `cursor`.
    fn dag_children(
        &self,
        cid: &Cid,
        within: &Within,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<BTreeMap<String, Listed>, ContentError> {
        let blocks = self.blocks(within);
        let mut listing = Listing::open(&blocks, cid).map_err(ContentError::reading)?;
        let mut children = BTreeMap::new();
        while let Some(entry) = listing.next(&blocks).map_err(ContentError::reading)? {
            if entry.is_dots() || cursor.is_some_and(|cursor| entry.name.as_str() <= cursor) {
                continue;
            }
            children.insert(entry.name.clone(), Listed::Dag(entry, within.clone()));
            if children.len() > count {
                children.pop_last();
            }
        }
        Ok(children)
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
        children: &mut BTreeMap<String, Listed>,
    ) -> Result<(), ContentError> {
        let mut after: Option<MapPath> = None;
        loop {
            let page = self.paths_below(reader, core, base, after.as_ref()).await?;
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
                    children.entry(name.to_owned()).or_insert(Listed::Prefix);
                } else {
                    children.insert(name.to_owned(), Listed::Map(Box::new(entry)));
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

    /// The first `limit` children, and where to go on. A page ends earlier where more blocks would have to be read for
    /// it than [`LISTING_BYTES_MAX`] allows.
    fn page(&self, listed: Vec<(String, Listed)>, limit: usize) -> Result<Children, ContentError> {
        let count = listed.len();
        let mut details = Details { kinds: HashMap::new(), bytes: 0 };
        let mut entries: Vec<Child> = Vec::new();
        for (name, listed) in listed.into_iter().take(limit) {
            if !entries.is_empty() && details.bytes >= LISTING_BYTES_MAX {
                break;
            }
            entries.push(self.child(&mut details, name, listed)?);
        }
        let more = entries.len() < count;
        let next = entries.last().filter(|_| more).map(|child| child.name.clone());
        Ok(Children { entries, next })
    }

    fn child(&self, details: &mut Details, name: String, listed: Listed) -> Result<Child, ContentError> {
        match listed {
            Listed::Prefix => Ok(virtual_directory(&name)),
            Listed::Dag(entry, within) => {
                // A leaf is as large as its directory says, or its directory lies: to its readers, and nobody else.
                let leaf = entry.dag_size.filter(|_| Codec::of(&entry.cid) == Ok(Codec::Raw));
                let kind = match leaf {
                    Some(size) => ChildKind::File { size },
                    None => match details.kind(&self.blocks(&within), &self.store, &entry.cid)? {
                        ChildKind::Unknown { .. } => ChildKind::Unknown { dag_size: entry.dag_size },
                        kind => kind,
                    },
                };
                Ok(Child { name, kind, cid: Some(entry.cid), media_type: None, visibility: None })
            }
            Listed::Map(entry) => {
                let cid = entry.value.cid;
                let kind = details.kind(&self.blocks(&entry.within), &self.store, &cid)?;
                let (media_type, visibility) = (Some(entry.value.media_type), Some(entry.visibility));
                Ok(Child { name, kind, cid: Some(cid), media_type, visibility })
            }
        }
    }

    /// Paths at and below `base` that `reader` may see perhaps, a page of them. For who was handed nothing in this core
    /// these are the public ones alone, so that no answer tells by its time how much else there is.
    async fn paths_below(
        &self,
        reader: &Reader,
        core: &CoreId,
        base: &MapPath,
        after: Option<&MapPath>,
    ) -> Result<Vec<MapPath>, ContentError> {
        let stand_in = mirrored(&self.store, core)?;
        let is_part = reader.session().is_some_and(|session| session.login.abilities.contains_key(core));
        if stand_in.is_none() && (is_part || self.access.is_gated_in(reader, core).await?) {
            let rows = self.store.state_scan(core, Some(base), after, SCAN_PAGE)?;
            return Ok(rows.into_iter().map(|(path, _)| path).collect());
        }
        let core = stand_in.as_ref().unwrap_or(core);
        let door = self.access.door_for(reader, core, Exit::Http).await?;
        let rows = public(&self.store, core, door, Some(base), after).take(SCAN_PAGE);
        rows.map(|row| Ok(row?.0)).collect()
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
            let page = self.paths_below(reader, core, base, after.as_ref()).await?;
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
            let held = match &entry {
                Some(entry) => {
                    is_kept(&self.store, core, &entry.cid)?
                        && how_whole(&self.store, core, &entry.cid)?.is_some()
                }
                None => false,
            };
            versions.push(Version {
                held,
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

/// A child of a listing before its block is looked at.
#[derive(Debug)]
enum Listed {
    /// An entry of a directory published as one.
    Dag(DagEntry, Within),
    /// An entry of the map.
    Map(Box<Entry>),
    /// A common prefix of paths of the map.
    Prefix,
}

/// What blocks of a page have told, each of which is read once however many names it has.
struct Details {
    kinds: HashMap<Cid, ChildKind>,
    bytes: u64,
}

impl Details {
    /// What a block is. What it would tell is left out where it is missing.
    fn kind(&mut self, blocks: &ReachedBlocks, store: &Store, cid: &Cid) -> Result<ChildKind, ContentError> {
        if let Some(kind) = self.kinds.get(cid) {
            return Ok(*kind);
        }
        self.bytes += store.block_len(cid)?.map_or(0, u64::from);
        let kind = match stat(blocks, cid) {
            Ok(node) => match node.kind {
                NodeKind::File { size } => ChildKind::File { size },
                NodeKind::Directory { .. } => ChildKind::Directory,
                NodeKind::Symlink { .. } => ChildKind::Symlink,
            },
            Err(_other_codec) => match blocks.block(cid) {
                Ok(block) => ChildKind::File { size: block.len() as u64 },
                Err(BlockError::Missing(_) | BlockError::Denied(_)) => ChildKind::File { size: 0 },
                // A page does not wait for everything that it names.
                Err(BlockError::Away(_)) => return Ok(ChildKind::Unknown { dag_size: None }),
                Err(BlockError::Store(error)) => return Err(error.into()),
            },
        };
        self.kinds.insert(*cid, kind);
        Ok(kind)
    }
}

/// The entries of a directory, from the first or from the one behind `cursor`.
fn listing(blocks: &ReachedBlocks, directory: &Cid, cursor: Option<&str>) -> Result<Listing, ContentError> {
    let opened = match cursor {
        None => Listing::open(blocks, directory),
        Some(name) => Listing::after(blocks, directory, name),
    };
    opened.map_err(ContentError::reading)
}

/// A directory that exists only as a common prefix of paths.
fn virtual_directory(name: &str) -> Child {
    let kind = ChildKind::Directory;
    Child { name: name.to_owned(), kind, cid: None, media_type: None, visibility: None }
}
