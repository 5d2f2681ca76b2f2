//! Walking an ordered map that others change meanwhile.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use super::Range;

/// An ordered map that is shared.
pub(crate) type SharedMap<V> = Arc<RwLock<BTreeMap<Bytes, V>>>;

/// Rows copied under one lock.
const PAGE_ROWS: usize = 64;

/// The entries of `map` in `range`, in pages; no lock is held between them.
pub(crate) fn pages<V: Clone>(
    map: SharedMap<V>,
    range: Range,
    backwards: bool,
) -> impl Iterator<Item = (Bytes, V)> + use<V> {
    Pages { map, range: Some(range), backwards }.flatten()
}

struct Pages<V> {
    map: SharedMap<V>,
    range: Option<Range>,
    backwards: bool,
}

impl<V: Clone> Iterator for Pages<V> {
    type Item = Vec<(Bytes, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.range.take().filter(|range| !range.is_empty())?;
        let map = self.map.read();
        let rows = map.range((range.from.clone(), range.to.clone()));
        let copy = |(key, value): (&Bytes, &V)| (key.clone(), value.clone());
        let page: Vec<_> = match self.backwards {
            false => rows.take(PAGE_ROWS).map(copy).collect(),
            true => rows.rev().take(PAGE_ROWS).map(copy).collect(),
        };
        if page.len() == PAGE_ROWS {
            let last = page.last().map(|(key, _)| Bound::Excluded(key.clone()))?;
            self.range = Some(match self.backwards {
                false => Range { from: last, ..range },
                true => Range { to: last, ..range },
            });
        }
        Some(page)
    }
}
