use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use cid::Cid;
use kubelt_core::CoreId;
use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};

use crate::{
    CommitError, Options, Store, Took,
    index::{Index, Range, memory::MemoryIndex},
    segment::faulty::FaultyDisk,
};

fn options() -> Options {
    Options { segment_bytes: 3_000, free_bytes_min: 0, ..Options::default() }
}

fn open(disk: &FaultyDisk, index: &Arc<MemoryIndex>) -> Store {
    Store::open_on(Arc::new(disk.clone()), index.clone(), options(), None).expect("the store opens")
}

/// All rows but the one that says how far the segments are applied.
fn rows(index: &MemoryIndex) -> BTreeMap<Bytes, Bytes> {
    let rows = index.scan(Range::prefix(&[]), false).map(|row| row.expect("reads"));
    rows.filter(|(key, _)| key != "A").collect()
}

/// A rebuild came to the same index.
fn same(rebuilt: &MemoryIndex, index: &MemoryIndex) {
    let (rebuilt, index) = (rows(rebuilt), rows(index));
    let missing: Vec<_> = index.iter().filter(|(key, value)| rebuilt.get(*key) != Some(value)).collect();
    let raised: Vec<_> = rebuilt.iter().filter(|(key, _)| !index.contains_key(*key)).collect();
    assert!(missing.is_empty() && raised.is_empty(), "missing or other: {missing:?}, raised: {raised:?}");
}

fn core(n: u8) -> CoreId {
    CoreId::from_digest([n; 32])
}

fn block(n: u8) -> (Cid, Bytes) {
    let data = Bytes::from(vec![n; 20 + usize::from(n) * 5]);
    (Cid::new_v1(0x55, Code::Sha2_256.digest(&data)), data)
}

#[derive(Debug, Clone)]
enum Action {
    Put { core: u8, block: u8, stamp: u64 },
    Touch { core: u8, block: u8, stamp: u64 },
    Collect { core: u8, block: u8 },
    Reach { core: u8, block: u8, root: u8 },
    Unreach { core: u8, block: u8, root: u8 },
    Meta { key: u8, long: bool, there: bool },
    Compact,
    Restart,
    Rebuild,
}

fn action() -> impl Strategy<Value = Action> {
    let (core, block, root) = (0..3_u8, 0..12_u8, 0..4_u8);
    prop_oneof![
        6 => (core.clone(), block.clone(), 0..9_u64)
            .prop_map(|(core, block, stamp)| Action::Put { core, block, stamp }),
        2 => (core.clone(), block.clone(), 0..9_u64)
            .prop_map(|(core, block, stamp)| Action::Touch { core, block, stamp }),
        4 => (core.clone(), block.clone()).prop_map(|(core, block)| Action::Collect { core, block }),
        2 => (core.clone(), block.clone(), root.clone())
            .prop_map(|(core, block, root)| Action::Reach { core, block, root }),
        2 => (core, block, root).prop_map(|(core, block, root)| Action::Unreach { core, block, root }),
        2 => (0..6_u8, any::<bool>(), any::<bool>())
            .prop_map(|(key, long, there)| Action::Meta { key, long, there }),
        2 => proptest::strategy::Just(Action::Compact),
        1 => proptest::strategy::Just(Action::Restart),
        1 => proptest::strategy::Just(Action::Rebuild),
    ]
}

/// Who possesses what and which roots reach it, kept naively.
#[derive(Default)]
struct Model {
    possessed: BTreeMap<(u8, u8), u64>,
    reached: BTreeMap<(u8, u8, u8), ()>,
    meta: BTreeMap<u8, usize>,
}

impl Model {
    fn act(&mut self, store: &Store, action: &Action) {
        let mut tx = store.begin();
        match *action {
            Action::Put { core: n, block: b, stamp } => {
                let (cid, data) = block(b);
                tx.set_stamp(stamp);
                tx.put_block(&core(n), &cid, data).expect("fits");
                tx.commit().wait().expect("is committed");
                self.possessed.insert((n, b), stamp);
            }
            Action::Touch { core: n, block: b, stamp } => {
                tx.set_stamp(stamp);
                let did = tx.touch(&core(n), &block(b).0).expect("reads");
                tx.commit().wait().expect("is committed");
                assert_eq!(did, self.possessed.contains_key(&(n, b)));
                self.possessed.entry((n, b)).and_modify(|old| *old = stamp);
            }
            Action::Collect { core: n, block: b } => {
                let Some(stamp) = self.possessed.get(&(n, b)).copied() else { return };
                let (cid, _data) = block(b);
                let mut taking = store.begin_collection(&core(n), &[cid]);
                let took = taking.take(&cid, |found| found == stamp).expect("reads");
                let reached = self.reached.keys().any(|(c, of, _)| (*c, *of) == (n, b));
                let shared = self.possessed.keys().any(|(c, of)| *c != n && *of == b);
                let expected = match (reached, shared) {
                    (true, _) => Took::Reached,
                    (false, true) => Took::Possession,
                    (false, false) => Took::Bytes,
                };
                assert_eq!(took, expected, "block {b} of core {n}");
                taking.hand_in().wait().expect("nobody was faster");
                if !reached {
                    self.possessed.remove(&(n, b));
                }
            }
            Action::Reach { core: n, block: b, root } => {
                tx.reach(&core(n), &block(100 + root).0, [&block(b).0]).expect("fits");
                match tx.commit().wait() {
                    Ok(()) => {
                        assert!(self.possessed.contains_key(&(n, b)), "it must be possessed");
                        self.reached.insert((n, b, root), ());
                    }
                    Err(CommitError::BlockForgotten) => assert!(!self.possessed.contains_key(&(n, b))),
                    Err(error) => panic!("{error}"),
                }
            }
            Action::Unreach { core: n, block: b, root } => {
                let mut taking = store.begin_collection(&core(n), &[block(b).0]);
                let did = taking.unreach(&block(100 + root).0, &block(b).0).expect("reads");
                taking.hand_in().wait().expect("is committed");
                assert_eq!(did, self.reached.remove(&(n, b, root)).is_some());
            }
            Action::Meta { key, long, there } => {
                let len = if long { 900 } else { 9 };
                let value = vec![key; len];
                tx.put_meta("m", &[key], there.then_some(&value)).expect("fits");
                tx.commit().wait().expect("is committed");
                if there {
                    self.meta.insert(key, len)
                } else {
                    self.meta.remove(&key)
                };
            }
            Action::Compact => while store.compact().expect("compacts") {},
            Action::Restart | Action::Rebuild => {}
        }
    }

    fn check(&self, store: &Store) {
        for b in 0..12 {
            let (cid, data) = block(b);
            let owned = self.possessed.keys().any(|(_, of)| *of == b);
            assert_eq!(store.block(&cid).expect("reads"), owned.then_some(data), "block {b}");
            for n in 0..3 {
                assert_eq!(
                    store.possession_stamp(&core(n), &cid).expect("reads"),
                    self.possessed.get(&(n, b)).copied()
                );
            }
        }
        for key in 0..6 {
            let len = store.meta("m", &[key]).expect("reads").map(|value| value.len());
            assert_eq!(len, self.meta.get(&key).copied(), "record {key}");
        }
        let owned: std::collections::BTreeSet<u8> = self.possessed.keys().map(|(_, of)| *of).collect();
        assert_eq!(store.stats().expect("reads").blocks, owned.len() as u64);
        for n in 0..3 {
            let blocks = self.possessed.keys().filter(|(of, _)| *of == n).count();
            assert_eq!(store.usage(&core(n)).expect("reads").blocks, blocks as u64);
        }
    }
}

proptest! {
    #[test]
    fn what_is_alive_stays_and_a_rebuild_agrees(actions in prop::collection::vec(action(), 1..120)) {
        let (disk, mut index) = (FaultyDisk::default(), Arc::<MemoryIndex>::default());
        let mut store = open(&disk, &index);
        let mut model = Model::default();
        for action in &actions {
            match action {
                Action::Restart => {
                    drop(store);
                    store = open(&disk, &index);
                }
                Action::Rebuild => {
                    drop(store);
                    let before = std::mem::take(&mut index);
                    store = open(&disk, &index);
                    same(&index, &before);
                }
                other => model.act(&store, other),
            }
            model.check(&store);
        }
        drop(store);
        let fresh = Arc::default();
        drop(open(&disk, &fresh));
        same(&fresh, &index);
    }
}

#[test]
fn bytes_come_back() {
    let bytes_after = |compacts: bool| {
        let (disk, index) = (FaultyDisk::default(), Arc::<MemoryIndex>::default());
        let store = open(&disk, &index);
        let mut model = Model::default();
        for _round in 0..20 {
            (0..12).for_each(|block| model.act(&store, &Action::Put { core: 0, block, stamp: 1 }));
            (0..12).for_each(|block| model.act(&store, &Action::Collect { core: 0, block }));
            if compacts {
                model.act(&store, &Action::Compact);
            }
            model.check(&store);
        }
        store.stats().expect("reads").segment_bytes
    };
    let (all, left) = (bytes_after(false), bytes_after(true));
    assert!(left * 2 < all, "{left} of {all} bytes are left");
}

/// Every step at which a kill can leave two segments in one place.
#[test]
fn a_kill_between_publishing_and_removing_is_mended() {
    let (disk, index) = (FaultyDisk::default(), Arc::<MemoryIndex>::default());
    let store = open(&disk, &index);
    let mut model = Model::default();
    (0..12).for_each(|block| model.act(&store, &Action::Put { core: 0, block, stamp: 1 }));
    (0..6).for_each(|key| model.act(&store, &Action::Meta { key, long: true, there: true }));
    (0..12).step_by(2).for_each(|block| model.act(&store, &Action::Collect { core: 0, block }));
    drop(store);
    let old = disk.segments();
    let old_rows: Vec<(Bytes, Bytes)> =
        index.scan(Range::prefix(&[]), false).map(|row| row.expect("reads")).collect();
    let store = open(&disk, &index);
    model.act(&store, &Action::Compact);
    drop(store);
    let new = disk.segments();
    assert_ne!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>(), "something was compacted");
    // Old and new segments side by side, and an index that still points to the old ones.
    let both = FaultyDisk::with(old.into_iter().chain(new));
    let behind = Arc::new(MemoryIndex::default());
    behind.apply(old_rows.into_iter().map(|(key, value)| (key, Some(value))).collect()).expect("applies");
    let store = open(&both, &behind);
    model.check(&store);
    drop(store);
    assert!(
        both.segments().keys().all(|id| both
            .segments()
            .keys()
            .filter(|other| *other << 16 == id << 16)
            .count()
            == 1)
    );
    let fresh = Arc::default();
    drop(open(&both, &fresh));
    assert_eq!(rows(&fresh), rows(&behind));
}
