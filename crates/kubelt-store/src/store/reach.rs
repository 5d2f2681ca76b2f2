//! Reading what roots reach and which paths name them.

use cid::Cid;
use kubelt_core::{CoreId, MapPath};

use super::{Store, damaged_row};
use crate::{error::ReadError, index::Range, keys};

impl Store {
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

    /// Whether all that a root reaches has been linked.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn is_linked(&self, root: &Cid) -> Result<bool, ReadError> {
        self.has(&keys::linked(root))
    }
}
