//! What is written while somebody decides what to take away: so that the thread that commits need not look again.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{keys, limits::WATCHED_BLOCKS_MAX};

/// Everybody who watches now.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    state: RandomState,
    running: Mutex<Vec<Arc<Noted>>>,
}

/// What was written since one of them began, by marks of blocks; `None` once it was too much to note.
#[derive(Debug)]
struct Noted(Mutex<Option<HashSet<u64>>>);

/// Notes, until it is dropped, of which blocks rows are written that decide whether a block may go. A row that
/// is read after it began is as it was read until it is noted.
#[derive(Debug)]
pub(crate) struct Watch {
    watches: Arc<Watches>,
    noted: Arc<Noted>,
}

impl Watches {
    /// Begins to watch. What is committed from now on is seen by the next reads, or noted, or both.
    pub(crate) fn begin(self: &Arc<Self>) -> Watch {
        let noted = Arc::new(Noted(Mutex::new(Some(HashSet::new()))));
        self.running.lock().push(Arc::clone(&noted));
        Watch { watches: Arc::clone(self), noted }
    }

    /// The mark of the block whose row this is, if the row decides whether the block may go.
    pub(crate) fn mark_of_row(&self, key: &[u8]) -> Option<u64> {
        keys::hash_in_row(key).map(|hash| self.mark(hash))
    }

    /// The mark of a block, by the bytes of its multihash. Nobody outside can make two blocks have one.
    pub(crate) fn mark(&self, hash: &[u8]) -> u64 {
        self.state.hash_one(hash)
    }

    /// Rows of these blocks are written. Called before a group is looked at further, and once more when everybody
    /// sees it: who begins to watch in between reads some rows from before.
    pub(crate) fn note(&self, marks: &[u64]) {
        if marks.is_empty() {
            return;
        }
        for noted in self.running.lock().iter() {
            let mut noted = noted.0.lock();
            if let Some(set) = noted.as_mut() {
                set.extend(marks);
                if set.len() > WATCHED_BLOCKS_MAX {
                    *noted = None;
                }
            }
        }
    }
}

impl Watch {
    /// The mark of a block, by the bytes of its multihash.
    pub(crate) fn mark(&self, hash: &[u8]) -> u64 {
        self.watches.mark(hash)
    }

    /// Whether rows of none of these blocks were written since.
    pub(crate) fn is_quiet(&self, marks: &[u64]) -> bool {
        let noted = self.noted.0.lock();
        noted.as_ref().is_some_and(|set| set.is_empty() || !marks.iter().any(|mark| set.contains(mark)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watches.running.lock().retain(|noted| !Arc::ptr_eq(noted, &self.noted));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Watches;
    use crate::limits::WATCHED_BLOCKS_MAX;

    #[test]
    fn what_is_written_while_somebody_watches_is_noted() {
        let watches = Arc::<Watches>::default();
        watches.note(&[1]);
        let watch = watches.begin();
        assert!(watch.is_quiet(&[1, 2]));
        watches.note(&[2]);
        assert!(watch.is_quiet(&[1]) && !watch.is_quiet(&[1, 2]));
        let second = watches.begin();
        assert!(second.is_quiet(&[2]));
        drop(watch);
        watches.note(&[3]);
        assert!(!second.is_quiet(&[3]));
    }

    #[test]
    fn too_much_to_note_counts_as_everything() {
        let watches = Arc::<Watches>::default();
        let watch = watches.begin();
        let marks: Vec<u64> = (0..=WATCHED_BLOCKS_MAX as u64).collect();
        watches.note(&marks[1..]);
        assert!(watch.is_quiet(&[0]));
        watches.note(&marks);
        assert!(!watch.is_quiet(&[u64::MAX]));
    }
}
