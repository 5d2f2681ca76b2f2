//! Blocks in memory, bounded by their bytes: those that were not asked for longest give way.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use bytes::Bytes;

use crate::limits::BLOCK_RECORD_BYTES;

/// Blocks by key.
#[derive(Debug)]
pub(super) struct Shelf<K> {
    blocks: HashMap<K, (Bytes, u64)>,
    /// When each was asked for last, in turns.
    turns: BTreeMap<u64, K>,
    turn: u64,
    bytes: usize,
    bytes_max: usize,
}

impl<K: Clone + Eq + Hash> Shelf<K> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { blocks: HashMap::new(), turns: BTreeMap::new(), turn: 0, bytes: 0, bytes_max }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<Bytes> {
        let (data, turn) = self.blocks.get_mut(key)?;
        self.turns.remove(turn);
        self.turn += 1;
        *turn = self.turn;
        self.turns.insert(self.turn, key.clone());
        Some(data.clone())
    }

    pub(super) fn has(&self, key: &K) -> bool {
        self.blocks.contains_key(key)
    }

    /// Puts a block in; one that is larger than all the shelf is not kept.
    pub(super) fn put(&mut self, key: K, data: Bytes) {
        if cost(&data) > self.bytes_max || self.has(&key) {
            return;
        }
        self.bytes += cost(&data);
        self.turn += 1;
        self.turns.insert(self.turn, key.clone());
        self.blocks.insert(key, (data, self.turn));
        self.shrink();
    }

    /// Has another bound from now on.
    pub(super) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.shrink();
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn shrink(&mut self) {
        while self.bytes > self.bytes_max {
            let Some((_, key)) = self.turns.pop_first() else { return };
            if let Some((data, _)) = self.blocks.remove(&key) {
                self.bytes -= cost(&data);
            }
        }
    }
}

/// What a block takes, about.
fn cost(data: &Bytes) -> usize {
    data.len() + BLOCK_RECORD_BYTES
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Shelf;
    use crate::limits::BLOCK_RECORD_BYTES;

    #[test]
    fn what_was_not_asked_for_longest_gives_way() {
        let block = || Bytes::from_static(&[1; 100]);
        let each = 100 + BLOCK_RECORD_BYTES;
        let mut shelf = Shelf::new(3 * each);
        for key in 0..3 {
            shelf.put(key, block());
        }
        assert_eq!((shelf.bytes(), shelf.get(&0)), (3 * each, Some(block())));
        shelf.put(3, block());
        assert_eq!([0, 1, 2, 3].map(|key| shelf.has(&key)), [true, false, true, true]);
        shelf.put(3, block());
        assert_eq!(shelf.bytes(), 3 * each, "what is there is not there twice");
        shelf.put(4, Bytes::from(vec![0; 3 * each]));
        assert!(!shelf.has(&4) && shelf.has(&0), "what is too large pushes nothing out");
        shelf.set_bytes_max(each);
        assert_eq!([0, 2, 3].map(|key| shelf.has(&key)), [false, false, true]);
        shelf.set_bytes_max(0);
        assert_eq!((shelf.bytes(), shelf.turns.len()), (0, 0));
    }
}
