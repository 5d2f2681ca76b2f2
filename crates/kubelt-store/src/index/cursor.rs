//! Looking up many keys in their order.

use std::sync::Arc;

use bytes::Bytes;

use super::{Index, Range, Row, Rows};
use crate::error::IndexError;

/// So many rows are stepped over before it is quicker to look the key up afresh.
const STEPS_MAX: usize = 16;

/// A place in the index that goes forward with the keys that are asked for: neighbours cost a step instead of a look
/// through all tables. Asked for what lies before its place, or beyond its end, it looks afresh.
pub(crate) struct Cursor {
    index: Arc<dyn Index>,
    /// Where keys are looked for in their order; none where each is looked for by itself.
    all: Option<Range>,
    /// The key asked for last, and the first row that is not before it.
    at: Option<(Vec<u8>, Option<Row>)>,
    rows: Rows,
}

impl Cursor {
    /// A cursor over `all`. Rows behind its end are never read: a range that ends with what is asked for spares it
    /// the long runs of deleted rows that may follow.
    pub(crate) fn new(index: Arc<dyn Index>, all: Range) -> Self {
        Self { index, all: Some(all), at: None, rows: Box::new(std::iter::empty()) }
    }

    /// A cursor for keys in no order.
    pub(crate) fn unordered(index: Arc<dyn Index>) -> Self {
        Self { index, all: None, at: None, rows: Box::new(std::iter::empty()) }
    }

    /// The first row of the range that is not before `key`; of a cursor for keys in no order, the first that begins
    /// with it.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<&Row>, IndexError> {
        let is_near = self.step_to(key)?;
        if !is_near {
            let range = match &self.all {
                Some(all) => all.clone().starting(key),
                None => Range::prefix(key),
            };
            self.rows = self.index.scan(range, false);
            self.at = Some((key.to_vec(), self.rows.next().transpose()?));
        }
        Ok(self.at.as_ref().and_then(|(_asked, row)| row.as_ref()))
    }

    /// The value at `key`.
    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        Ok(self.seek(key)?.filter(|(at, _)| at == key).map(|(_, value)| value.clone()))
    }

    /// The first row whose key begins with `prefix` and for which `wanted` holds.
    pub(crate) fn find(
        &mut self,
        prefix: &[u8],
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<Option<&Row>, IndexError> {
        self.seek(prefix)?;
        let Some((asked, row)) = &mut self.at else { return Ok(None) };
        while let Some((key, _value)) = row.as_ref().filter(|(key, _)| key.starts_with(prefix)) {
            if wanted(key) {
                break;
            }
            // What was passed is not known any more.
            *asked = [key.as_ref(), &[0]].concat();
            *row = self.rows.next().transpose()?;
        }
        Ok(row.as_ref().filter(|(key, _)| key.starts_with(prefix)))
    }

    /// Whether `key` was reached by steps.
    fn step_to(&mut self, key: &[u8]) -> Result<bool, IndexError> {
        let Some((asked, row)) = &mut self.at else { return Ok(false) };
        if asked.as_slice() > key || self.all.is_none() {
            return Ok(false);
        }
        for _ in 0..STEPS_MAX {
            if row.as_ref().is_none_or(|(at, _)| at.as_ref() >= key) {
                asked.clear();
                asked.extend_from_slice(key);
                return Ok(true);
            }
            *row = self.rows.next().transpose()?;
        }
        self.at = None;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::Cursor;
    use crate::index::{Index, Range, memory::MemoryIndex};

    fn index(rows: impl IntoIterator<Item = u32>) -> Arc<dyn Index> {
        let index = MemoryIndex::default();
        let row = |n: u32| (Bytes::from(format!("k{n:06}")), Some(Bytes::from(n.to_string())));
        index.apply(rows.into_iter().map(row).collect()).expect("memory takes rows");
        Arc::new(index)
    }

    #[test]
    fn a_cursor_answers_like_the_index() {
        let index = index((0..1_000).map(|n| n * n % 7_919));
        let mut cursor = Cursor::new(Arc::clone(&index), Range::prefix(b"k"));
        let mut unordered = Cursor::unordered(Arc::clone(&index));
        let forward = (0..8_000).step_by(3);
        let near = (0..300).map(|n| n * 7 % 91);
        let back = (0..8_000).rev().step_by(411);
        for n in forward.chain(near).chain(back) {
            let key = format!("k{n:06}");
            let expected = index.get(key.as_bytes()).expect("reads");
            assert_eq!(cursor.get(key.as_bytes()).expect("reads"), expected, "{key}");
            assert_eq!(unordered.get(key.as_bytes()).expect("reads"), expected, "{key}");
        }
    }

    #[test]
    fn a_search_that_ran_on_does_not_hide_what_it_passed() {
        let index = index([10, 11, 12, 20, 21]);
        let mut cursor = Cursor::new(index, Range::prefix(b"k"));
        let found = |cursor: &mut Cursor, prefix: &str, last: u8| {
            let row = cursor.find(prefix.as_bytes(), |key| key.last() == Some(&last)).expect("reads");
            row.map(|(key, _)| key.clone())
        };
        assert_eq!(found(&mut cursor, "k00001", b'9'), None);
        assert_eq!(found(&mut cursor, "k00001", b'2'), Some(Bytes::from("k000012")));
        assert_eq!(found(&mut cursor, "k00002", b'1'), Some(Bytes::from("k000021")));
        assert_eq!(cursor.get(b"k000010").expect("reads"), Some(Bytes::from("10")));
    }

    #[test]
    fn nothing_behind_the_end_is_found() {
        let index = index([1, 2, 3]);
        let mut cursor = Cursor::new(index, Range::prefix(b"k").up_to_prefix(b"k000002"));
        assert!(cursor.get(b"k000002").expect("reads").is_some());
        assert_eq!(cursor.get(b"k000003").expect("reads"), None);
    }
}
