//! Reading what decides whether something may go.

use cid::Cid;
use kubelt_core::{CoreId, MapPath};

use super::{Store, damaged_row};
use crate::{error::ReadError, index::Range, keys, values::decode_possession};

impl Store {
    /// Whether a root of `core` reaches the block, under whatever codec.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn is_reached(&self, core: &CoreId, cid: &Cid) -> Result<bool, ReadError> {
        let prefix = keys::reachers(core, cid);
        Ok(self.0.index.scan(Range::prefix(&prefix), false).next().transpose()?.is_some())
    }

    /// Whether `root` reaches the block in `core`.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn reaches(&self, core: &CoreId, root: &Cid, block: &Cid) -> Result<bool, ReadError> {
        self.has(&keys::reacher(core, block, root))
    }

    /// The roots of `core` that reach a block.
    pub fn roots_in(
        &self,
        core: &CoreId,
        block: &Cid,
    ) -> impl Iterator<Item = Result<Cid, ReadError>> + Send + use<> {
        let prefix = keys::reachers_as(core, block);
        let skip = prefix.len();
        self.0.index.scan(Range::prefix(&prefix), false).map(move |row| {
            let (key, _empty) = row?;
            Cid::try_from(&key[skip..]).map_err(|_damaged| damaged_row(&key))
        })
    }

    /// All that the roots of `core` reach: block and root.
    pub fn reach_rows(
        &self,
        core: &CoreId,
    ) -> impl Iterator<Item = Result<(Cid, Cid), ReadError>> + Send + use<> {
        self.0.index.scan(Range::prefix(&keys::all_reachers(core)), false).map(|row| {
            let (key, _empty) = row?;
            keys::parse_reacher(&key).ok_or_else(|| damaged_row(&key))
        })
    }

    /// Whether any core possesses the block.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn is_possessed(&self, cid: &Cid) -> Result<bool, ReadError> {
        Ok(self.0.index.scan(Range::prefix(&keys::owners(cid)), false).next().transpose()?.is_some())
    }

    /// The stamp of a possession.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn possession_stamp(&self, core: &CoreId, cid: &Cid) -> Result<Option<u64>, ReadError> {
        let row = self.value(&keys::possession(core, cid))?;
        Ok(row.and_then(|row| decode_possession(&row)).map(|(_len, stamp)| stamp))
    }

    /// The blocks that `core` possesses, as CIDs of raw bytes, with their stamps, from the first after `after`.
    pub fn possessions(
        &self,
        core: &CoreId,
        after: Option<&Cid>,
    ) -> impl Iterator<Item = Result<(Cid, u64), ReadError>> + Send + use<> {
        let all = Range::prefix(&keys::possessions(core));
        let range = match after {
            Some(cid) => all.after(&keys::possession(core, cid)),
            None => all,
        };
        self.scan(range, false).map(|row| {
            let (key, value) = row?;
            let read = keys::hash_in_possession(&key).zip(decode_possession(&value));
            read.map(|(cid, (_len, stamp))| (cid, stamp)).ok_or_else(|| damaged_row(&key))
        })
    }

    /// Every block that is stored, as a CID of raw bytes.
    pub fn blocks(&self) -> impl Iterator<Item = Result<Cid, ReadError>> + Send + use<> {
        self.0.index.scan(Range::prefix(b"B"), false).map(|row| {
            let (key, _location) = row?;
            keys::hash_in_block(&key).ok_or_else(|| damaged_row(&key))
        })
    }

    /// The paths at and below `under` where anything was put that counts, what was cleared since among them, from the
    /// first after `after`, `limit` of them at most.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn paths_put(
        &self,
        core: &CoreId,
        under: &MapPath,
        after: Option<&MapPath>,
        limit: usize,
    ) -> Result<Vec<MapPath>, ReadError> {
        let all = Range::prefix(&keys::puts(true, core, under.as_str()));
        let mut paths: Vec<MapPath> = Vec::new();
        let mut range = match after {
            Some(path) => all.clone().after(&keys::after_puts_of(core, path)),
            None => all.clone(),
        };
        // One row of each path, then on behind the path.
        while let Some(row) = self.0.index.scan(range, false).next() {
            let (key, _value) = row?;
            let (path, _at, _id) = keys::parse_put(&key).ok_or_else(|| damaged_row(&key))?;
            range = all.clone().after(&keys::after_puts_of(core, &path));
            paths.push(path);
            if paths.len() == limit {
                break;
            }
        }
        Ok(paths)
    }
}
