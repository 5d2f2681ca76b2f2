//! What this node tells others that it has: content that anybody may have by its CID, and cores whose owners want
//! them to be found.
//!
//! The exit `ipfs` of a core and the operator's denylist hold as they do where content is served: what is told here
//! is what `Content::find_cid` gives to anybody.

use cid::{Cid, multihash::Multihash};
use kubelt_core::{
    CoreId, Genesis, MapPath, codec,
    limits::VALUE_BYTES_MAX,
    schema::{ANNOUNCE, Announce, Exit},
};
use kubelt_store::{LinkCursor, Store};

use crate::{
    StoreError,
    cores::{Cores, LoadError},
    denylists::Denylists,
    doors::Doors,
    limits::ROOTS_PER_BLOCK_MAX,
    names::{self, OpenName, open_name},
};

/// Codecs under which content with a multihash is looked for: dag-pb, raw, dag-cbor.
const CODECS: [u64; 3] = [0x70, 0x55, 0x71];

/// What this node tells others that it has; cheap to clone.
#[derive(Debug, Clone)]
pub struct Announced {
    store: Store,
    cores: Cores,
    doors: Doors,
    denylists: Denylists,
}

/// How much is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum What {
    /// Nothing of content.
    Nothing,
    /// What paths name.
    #[default]
    Roots,
    /// Every block of it.
    All,
}

/// A piece of what is told.
#[derive(Debug, Clone, Default)]
pub struct AnnouncedPage {
    /// Multihashes; some may be there several times.
    pub keys: Vec<Multihash<64>>,
    /// Where the next piece begins; none at the end.
    pub next: Option<Cursor>,
}

/// Where a piece begins.
#[derive(Debug, Clone)]
pub struct Cursor(At);

#[derive(Debug, Clone)]
enum At {
    Cores(CoreId),
    /// A row of the table of public paths.
    Paths(Option<Vec<u8>>),
    /// A row of the public directories that names of cores point to.
    OwnRoots(Option<Vec<u8>>),
    Blocks(Option<LinkCursor>),
}

impl Announced {
    pub(crate) fn new(store: Store, cores: Cores, doors: Doors, denylists: Denylists) -> Self {
        Self { store, cores, doors, denylists }
    }

    /// The next piece, for which `rows` rows are read at most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn page(&self, what: What, from: Option<Cursor>, rows: usize) -> Result<AnnouncedPage, LoadError> {
        match (from.map(|cursor| cursor.0), what) {
            (None, _) => self.cores_page(what, None, rows),
            (Some(At::Cores(after)), _) => self.cores_page(what, Some(after), rows),
            (Some(_), What::Nothing) => Ok(AnnouncedPage::default()),
            (Some(At::Paths(after)), _) => Ok(self.paths_page(after, rows)?),
            (Some(At::OwnRoots(after)), _) => Ok(self.own_roots_page(after, rows)?),
            (Some(At::Blocks(after)), _) => Ok(self.blocks_page(after, rows)?),
        }
    }

    /// Whether what has this multihash is told: a published root, or a core that is to be found.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has(&self, hash: &Multihash<64>) -> Result<bool, LoadError> {
        for codec in CODECS {
            if self.is_open(&Cid::new_v1(codec, *hash), None)? {
                return Ok(true);
            }
        }
        if let Ok(old) = Cid::new_v0(*hash)
            && self.is_open(&old, None)?
        {
            return Ok(true);
        }
        let core = CoreId::try_from(Cid::new_v1(CODECS[2], *hash)).ok();
        core.map_or(Ok(false), |core| self.is_to_be_found(&core))
    }

    /// Whether strangers may know that this node has a CID: a block that anybody may have, or a core that is to be found.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tells(&self, cid: &Cid) -> Result<bool, LoadError> {
        Ok(self.is_published(cid)? || self.has(cid.hash())?)
    }

    /// Whether others are told that this node has a core.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_to_be_found(&self, core: &CoreId) -> Result<bool, LoadError> {
        let path = MapPath::new(ANNOUNCE).expect("a constant path");
        let Some(entry) = self.store.state(core, &path)? else { return Ok(false) };
        let value = codec::decode(&entry.value, VALUE_BYTES_MAX, "value").ok();
        if !value.is_some_and(|value| Announce::from_ipld(&value).is_ok_and(|announce| announce.dht)) {
            return Ok(false);
        }
        // Who may have the log of a private core, its exposure does not say.
        let is_private = matches!(self.cores.genesis(core)?, Genesis::Private { .. });
        Ok(is_private || !self.doors.of(core, Exit::Network)?.is_shut())
    }

    fn cores_page(&self, what: What, after: Option<CoreId>, rows: usize) -> Result<AnnouncedPage, LoadError> {
        let mut page = AnnouncedPage::default();
        let mut last = None;
        for core in self.store.cores(after.as_ref()).take(rows) {
            let core = core?;
            if self.is_to_be_found(&core)? {
                page.keys.push(*core.cid().hash());
            }
            last = Some((core, last.map_or(1, |(_, seen)| seen + 1)));
        }
        page.next = match (last, what) {
            (Some((core, seen)), _) if seen == rows => Some(Cursor(At::Cores(core))),
            (_, What::Nothing) => None,
            (_, What::Roots) => Some(Cursor(At::Paths(None))),
            (_, What::All) => Some(Cursor(At::Blocks(None))),
        };
        Ok(page)
    }

    fn paths_page(&self, after: Option<Vec<u8>>, rows: usize) -> Result<AnnouncedPage, StoreError> {
        let (mut page, mut last, mut seen) = (AnnouncedPage::default(), None, 0);
        for row in names::all_public(&self.store, after.as_deref()).take(rows) {
            let (key, named) = row?;
            (last, seen) = (Some(key), seen + 1);
            let Some((core, path, named)) = named else { continue };
            let is_open = self.doors.of(&core, Exit::Ipfs)?.is_open(&path);
            if is_open
                && !self.denylists.now().denies_cid(&named.root)
                && self.store.has_block(&named.root)?
            {
                page.keys.push(*named.root.hash());
            }
        }
        page.next = Some(Cursor(if seen == rows { At::Paths(last) } else { At::OwnRoots(None) }));
        Ok(page)
    }

    fn own_roots_page(&self, after: Option<Vec<u8>>, rows: usize) -> Result<AnnouncedPage, StoreError> {
        let (mut page, mut last, mut seen) = (AnnouncedPage::default(), None, 0);
        for row in crate::ipns::own_roots(&self.store, after.as_deref()).take(rows) {
            let (key, root) = row?;
            (last, seen) = (Some(key), seen + 1);
            if let Some(root) = root
                && self.is_open(&root, None)?
            {
                page.keys.push(*root.hash());
            }
        }
        page.next = (seen == rows).then_some(Cursor(At::OwnRoots(last)));
        Ok(page)
    }

    fn blocks_page(&self, after: Option<LinkCursor>, rows: usize) -> Result<AnnouncedPage, StoreError> {
        let (mut page, mut last, mut seen) = (AnnouncedPage::default(), None, 0);
        // Links of a block lie together, those of a DAG do not: what a root is, is asked for each.
        for row in self.store.links(after.as_ref()).take(rows) {
            let (cursor, block, root) = row?;
            (last, seen) = (Some(cursor), seen + 1);
            let is_last = page.keys.last() == Some(block.hash());
            if !is_last && self.is_open(&root, Some(&block))? && self.store.has_block(&block)? {
                page.keys.push(*block.hash());
            }
        }
        page.next = (seen == rows).then_some(Cursor(At::Blocks(last)));
        Ok(page)
    }

    /// Whether anybody may have a root, or a block that it reaches.
    fn is_open(&self, root: &Cid, block: Option<&Cid>) -> Result<bool, StoreError> {
        let rules = self.denylists.now();
        if rules.denies_cid(root) || block.is_some_and(|block| rules.denies_cid(block)) {
            return Ok(false);
        }
        let door = |core: &CoreId| self.doors.of(core, Exit::Ipfs);
        let has =
            |name: &OpenName| Ok(!name.partial || self.store.possesses(&name.core, block.unwrap_or(root))?);
        Ok(open_name(&self.store, root, door, has)?.found.is_some())
    }

    /// Whether anybody may have a block by its CID: it is a root, or some root that is open reaches it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_published(&self, block: &Cid) -> Result<bool, StoreError> {
        for root in self.store.roots_of(block).take(ROOTS_PER_BLOCK_MAX) {
            if self.is_open(&root?, Some(block))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
