//! Reading the state of a core: the value at each path.

use std::cmp::Reverse;

use bytes::Bytes;
use kubelt_core::{CoreId, Hlc, MapPath, OpId};

use super::{Store, damaged_row};
use crate::{error::ReadError, index::Range, keys, limits::SCAN_VERSIONS_MAX, tx::read_put};

/// The value at a path and what decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// The value, as it was put.
    pub value: Bytes,
    /// The date of the operation that put it.
    pub at: Hlc,
    /// That operation.
    pub id: OpId,
}

/// One put at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The value; `None` if this put cleared it.
    pub value: Option<Bytes>,
    /// The date of the operation.
    pub at: Hlc,
    /// The operation.
    pub id: OpId,
    /// Whether the operation counts.
    pub effective: bool,
}

/// A row of puts, read.
struct Put {
    path: MapPath,
    at: Hlc,
    id: OpId,
    value: Option<Bytes>,
}

impl Store {
    /// The value at a path; `None` where nothing was put or the last put cleared it. One short read
    /// backwards, however many versions there are.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn state(&self, core: &CoreId, path: &MapPath) -> Result<Option<StateEntry>, ReadError> {
        Ok(self.last_put(core, path)?.and_then(Put::into_entry).map(|(_path, entry)| entry))
    }

    /// The values at `under` and all paths below it (everywhere, if it is `None`), in order of their paths,
    /// from the first after `after`, `limit` of them at most.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    pub fn state_scan(
        &self,
        core: &CoreId,
        under: Option<&MapPath>,
        after: Option<&MapPath>,
        limit: usize,
    ) -> Result<Vec<(MapPath, StateEntry)>, ReadError> {
        let mut found = Vec::new();
        let below = match under {
            None => keys::puts(true, core, ""),
            Some(under) => {
                if limit > 0 && after.is_none_or(|after| after < under) {
                    found.extend(self.last_put(core, under)?.and_then(Put::into_entry));
                }
                keys::puts(true, core, &format!("{under}/"))
            }
        };
        let all = Range::prefix(&below);
        let from = |path: &MapPath| all.clone().after(&after_path(core, path));
        let start = after.filter(|after| after_path(core, after) > below);
        let mut rows = self.scan(start.map_or_else(|| all.clone(), from), false);
        let mut newest: Option<Put> = None;
        let mut versions = 0;
        while found.len() < limit {
            let row = rows.next().transpose()?;
            let put = row.map(|(key, row)| Put::read(&key, &row)).transpose()?;
            let same_path =
                newest.as_ref().zip(put.as_ref()).is_some_and(|(newest, put)| newest.path == put.path);
            if same_path {
                versions += 1;
                newest = put;
                if versions == SCAN_VERSIONS_MAX {
                    let path = newest.take().map(|put| put.path).expect("`same_path` saw one");
                    newest = self.last_put(core, &path)?;
                    rows = self.scan(from(&path), false);
                }
                continue;
            }
            let done = put.is_none();
            versions = 0;
            found.extend(std::mem::replace(&mut newest, put).and_then(Put::into_entry));
            if done {
                break;
            }
        }
        Ok(found)
    }

    /// The puts at a path, effective or not, newest first, `limit` of them at most.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    pub fn versions(&self, core: &CoreId, path: &MapPath, limit: usize) -> Result<Vec<Version>, ReadError> {
        let read = |effective: bool| {
            let range = Range::prefix(&keys::puts_of_path(effective, core, path));
            let rows = self.scan(range, true).take(limit).map(move |row| {
                let (key, row) = row?;
                let put = Put::read(&key, &row)?;
                Ok(Version { value: put.value, at: put.at, id: put.id, effective })
            });
            rows.collect::<Result<Vec<Version>, ReadError>>()
        };
        let mut versions = read(true)?;
        versions.extend(read(false)?);
        versions.sort_by_key(|version| Reverse((version.at, version.id)));
        versions.truncate(limit);
        Ok(versions)
    }

    fn last_put(&self, core: &CoreId, path: &MapPath) -> Result<Option<Put>, ReadError> {
        let range = Range::prefix(&keys::puts_of_path(true, core, path));
        let row = self.scan(range, true).next().transpose()?;
        row.map(|(key, row)| Put::read(&key, &row)).transpose()
    }
}

impl Put {
    fn read(key: &Bytes, row: &Bytes) -> Result<Self, ReadError> {
        let (path, at, id) = keys::parse_put(key).ok_or_else(|| damaged_row(key))?;
        let (cleared, value) = read_put(row)?;
        Ok(Self { path, at, id, value: (!cleared).then_some(value) })
    }

    fn into_entry(self) -> Option<(MapPath, StateEntry)> {
        Some((self.path, StateEntry { value: self.value?, at: self.at, id: self.id }))
    }
}

/// A key after all puts of `path` and before those of every path that follows.
fn after_path(core: &CoreId, path: &MapPath) -> Vec<u8> {
    let mut key = keys::puts_of_path(true, core, path);
    key.extend_from_slice(&[u8::MAX; 41]);
    key
}
