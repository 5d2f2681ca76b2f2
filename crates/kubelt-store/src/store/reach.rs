//! Reading what roots reach and which paths name them.

use bytes::Bytes;
use cid::Cid;
use kubelt_core::{CoreId, MapPath};

use super::{Store, damaged_row};
use crate::{error::ReadError, index::Range, keys, values::decode_possession};

/// Where a scan of links goes on.
#[derive(Clone, Debug)]
pub struct LinkCursor(Bytes);

impl Store {
    /// All links, as block and root that reaches it: those of a block lie together. From the first after `after`.
    pub fn links(
        &self,
        after: Option<&LinkCursor>,
    ) -> impl Iterator<Item = Result<(LinkCursor, Cid, Cid), ReadError>> + Send + use<> {
        let all = Range::prefix(keys::all_roots());
        let range = match after {
            Some(after) => all.after(&after.0),
            None => all,
        };
        self.0.index.scan(range, false).map(move |row| {
            let (key, _empty) = row?;
            let (block, root) = keys::parse_reach(&key).ok_or_else(|| damaged_row(&key))?;
            Ok((LinkCursor(key), block, root))
        })
    }

    /// The roots that reach a block, named by a path or not.
    pub fn roots_of(&self, block: &Cid) -> impl Iterator<Item = Result<Cid, ReadError>> + Send + use<> {
        let prefix = keys::roots(block);
        let skip = prefix.len();
        self.0.index.scan(Range::prefix(&prefix), false).map(move |row| {
            let (key, _empty) = row?;
            Cid::try_from(&key[skip..]).map_err(|_damaged| damaged_row(&key))
        })
    }

    /// The paths that name a root: core, path and visibility.
    pub fn names_of_root(
        &self,
        root: &Cid,
    ) -> impl Iterator<Item = Result<(CoreId, MapPath, u8), ReadError>> + Send + use<> {
        let prefix = keys::names(root);
        let skip = prefix.len();
        self.scan(Range::prefix(&prefix), false).map(move |row| {
            let (key, value) = row?;
            let name = keys::parse_name(&key[skip..]).zip(value.first().copied());
            let ((core, path), visibility) = name.ok_or_else(|| damaged_row(&key))?;
            Ok((core, path, visibility))
        })
    }

    /// The paths of one core that name a root, with their visibility.
    pub fn names_in(
        &self,
        core: &CoreId,
        root: &Cid,
    ) -> impl Iterator<Item = Result<(MapPath, u8), ReadError>> + Send + use<> {
        let prefix = keys::names_in(root, core);
        let skip = keys::names(root).len();
        self.scan(Range::prefix(&prefix), false).map(move |row| {
            let (key, value) = row?;
            let name = keys::parse_name(&key[skip..]).zip(value.first().copied());
            let ((_core, path), visibility) = name.ok_or_else(|| damaged_row(&key))?;
            Ok((path, visibility))
        })
    }

    /// Whether all that a root reaches has been linked.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn is_linked(&self, root: &Cid) -> Result<bool, ReadError> {
        self.has(&keys::linked(root))
    }

    /// The roots of `core` that reach a block's bytes, whatever it is read as; one may come several times.
    pub fn reachers(
        &self,
        core: &CoreId,
        block: &Cid,
    ) -> impl Iterator<Item = Result<Cid, ReadError>> + Send + use<> {
        let prefix = keys::reachers(core, block);
        let skip = prefix.len() + size_of::<u64>();
        self.0.index.scan(Range::prefix(&prefix), false).map(move |row| {
            let (key, _empty) = row?;
            let root = key.get(skip..).and_then(|root| Cid::try_from(root).ok());
            root.ok_or_else(|| damaged_row(&key))
        })
    }

    /// How many notes there are of what the roots of `core` reach, those counted that a mark stands for.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn reach_notes(&self, core: &CoreId) -> Result<u64, ReadError> {
        Ok(self.counters(&keys::reach_notes(core))?.0[0])
    }

    /// The blocks that `core` possesses, as CIDs of raw bytes, with their bytes.
    pub fn possession_sizes(
        &self,
        core: &CoreId,
    ) -> impl Iterator<Item = Result<(Cid, u32), ReadError>> + Send + use<> {
        self.scan(Range::prefix(&keys::possessions(core)), false).map(|row| {
            let (key, value) = row?;
            let read = keys::hash_in_possession(&key).zip(decode_possession(&value));
            read.map(|(cid, (len, _stamp))| (cid, len)).ok_or_else(|| damaged_row(&key))
        })
    }

    /// Whether the public index says that `root` reaches the block.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn is_linked_to(&self, root: &Cid, block: &Cid) -> Result<bool, ReadError> {
        self.has(&keys::reach(block, root))
    }

    /// The visibility by which a path names a root, if it does.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn name_of_root(&self, root: &Cid, core: &CoreId, path: &MapPath) -> Result<Option<u8>, ReadError> {
        Ok(self.value(&keys::name(root, core, path))?.and_then(|value| value.first().copied()))
    }
}
