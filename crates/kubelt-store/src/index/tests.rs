use std::{
    ops::Bound,
    sync::atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;

use super::{
    Index, Range,
    lsm::{LsmIndex, LsmOptions},
    memory::MemoryIndex,
};

fn check(test: impl Fn(&dyn Index)) {
    test(&MemoryIndex::default());
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let options = LsmOptions { cache_bytes: 1 << 20, memtable_bytes: 1 << 20 };
    test(&LsmIndex::open(dir.path(), options).expect("an empty directory opens"));
}

fn keys(index: &dyn Index, range: Range, backwards: bool) -> Vec<Bytes> {
    index.scan(range, backwards).map(|row| row.expect("rows are readable").0).collect()
}

#[test]
fn rows_come_in_order_both_ways() {
    check(|index| {
        let all: Vec<Bytes> = (0..300_u32).map(|n| Bytes::copy_from_slice(&n.to_be_bytes())).collect();
        index.apply(all.iter().map(|key| (key.clone(), Some(key.clone()))).collect()).expect("applies");
        assert_eq!(keys(index, Range::prefix(&[]), false), all);
        let mut reversed = all.clone();
        reversed.reverse();
        assert_eq!(keys(index, Range::prefix(&[]), true), reversed);
        assert_eq!(keys(index, Range::prefix(&[0, 0, 1]), false), all[256..]);
        assert_eq!(keys(index, Range::prefix(&[]).after(&all[7]), false), all[8..]);
        assert_eq!(keys(index, Range::prefix(&[]).before(&all[7]), false), all[..7]);
        index.apply(vec![(all[3].clone(), None)]).expect("applies");
        assert_eq!(index.get(&all[3]).expect("reads"), None);
        assert_eq!(index.get(&all[4]).expect("reads"), Some(all[4].clone()));
    });
}

#[test]
fn an_empty_range_has_no_rows() {
    check(|index| {
        index.apply(vec![(Bytes::from_static(b"m"), Some(Bytes::new()))]).expect("applies");
        let from = |from: &'static [u8], to: &'static [u8]| Range {
            from: Bound::Excluded(Bytes::from_static(from)),
            to: Bound::Excluded(Bytes::from_static(to)),
        };
        assert!(keys(index, from(b"m", b"m"), false).is_empty());
        assert!(keys(index, from(b"z", b"a"), true).is_empty());
    });
}

#[test]
fn a_prefix_of_greatest_bytes_has_no_end() {
    check(|index| {
        index.apply(vec![(Bytes::from_static(&[255, 255, 1]), Some(Bytes::new()))]).expect("applies");
        assert_eq!(keys(index, Range::prefix(&[255, 255]), false).len(), 1);
        assert_eq!(keys(index, Range::prefix(&[255, 254]), false).len(), 0);
    });
}

#[test]
fn readers_miss_nothing_while_rows_move_to_disk() {
    const ROWS: u32 = 3_000;
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let options = LsmOptions { cache_bytes: 1 << 20, memtable_bytes: 20_000 };
    let index = LsmIndex::open(dir.path(), options).expect("an empty directory opens");
    let key = |n: u32| Bytes::copy_from_slice(&n.to_be_bytes());
    let done = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..ROWS {
                // Every row is written, deleted and written again, so that tables hold all three.
                index.apply(vec![(key(n), Some(key(n)))]).expect("applies");
                index.apply(vec![(key(n), None)]).expect("applies");
                index.apply(vec![(key(n), Some(Bytes::new())), (key(ROWS), None)]).expect("applies");
                done.store(n + 1, Ordering::Release);
            }
        });
        for backwards in [false, true] {
            let (index, done) = (&index, &done);
            scope.spawn(move || {
                let mut seen = 0;
                while seen < ROWS {
                    seen = done.load(Ordering::Acquire);
                    let last = seen.checked_sub(1).map(key);
                    assert!(last.is_none_or(|last| index.get(&last).expect("reads") == Some(Bytes::new())));
                    let before = Range::prefix(&[]).before(&key(seen));
                    assert_eq!(keys(index, before, backwards).len(), seen as usize);
                }
            });
        }
    });
    drop(index);
    let index = LsmIndex::open(dir.path(), options).expect("opens again");
    let kept = keys(&index, Range::prefix(&[]), false);
    assert!(kept.len() > ROWS as usize / 2, "what was flushed is durable: {} rows", kept.len());
}
