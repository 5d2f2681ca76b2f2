//! Random transactions against a plain model, on both engines, opened again and rebuilt at random points.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use bytes::Bytes;
use kubelt_core::OpId;
use kubelt_store::{OpsOrder, Store, Tx, TxError, Usage};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::{collection::vec, proptest};

use crate::world::{World, block, commit, core, op, op_id, path};

const CORES: u8 = 3;
const PATHS: [&str; 5] = ["a", "a/b", "a/b/c", "b", "content/site/index.html"];

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Action>),
    Abandon(Vec<Action>),
    Reopen,
    Rebuild,
}

#[derive(Clone, Debug)]
enum Action {
    PutBlock(u8, u32),
    Possess(u8, u32),
    Dispossess(u8, u32),
    PutOp(u8, u32),
    SetEffective(u8, u32, bool),
    DropBody(u8, u32),
    SetHeads(u8, Vec<u32>),
    PutCore(u8),
    PutMeta(u8, Option<u16>),
    Name(u32, u8, u8),
    Unname(u32, u8, u8),
}

#[derive(Clone, Default)]
struct Model {
    blocks: BTreeSet<u32>,
    possessed: BTreeSet<(u8, u32)>,
    ops: BTreeMap<(u8, u32), OpModel>,
    heads: BTreeMap<u8, Vec<u32>>,
    cores: BTreeSet<u8>,
    meta: BTreeMap<u8, u16>,
    names: BTreeMap<(u32, u8, &'static str), u8>,
}

#[derive(Clone, Copy)]
struct OpModel {
    effective: bool,
    body: bool,
}

fn block_bytes(seed: u32) -> usize {
    1 + seed as usize * 700
}

fn date(n: u32) -> u64 {
    u64::from(n * 7_919 % 11)
}

fn path_of(n: u32) -> &'static str {
    PATHS[n as usize % PATHS.len()]
}

/// What operation `n` puts; every fourth clears, every fifth is too long to stand in the index.
fn value_of(n: u32) -> Option<Bytes> {
    let len = if n.is_multiple_of(5) { 3_000 } else { 10 };
    (!n.is_multiple_of(4)).then(|| Bytes::from(n.to_string().repeat(len)))
}

impl Model {
    fn run(&mut self, tx: &mut Tx, action: &Action) {
        match action {
            Action::PutBlock(n, seed) => {
                let (cid, data) = block(*seed, block_bytes(*seed));
                tx.put_block(&core(*n), &cid, data).expect("fits");
                self.blocks.insert(*seed);
                self.possessed.insert((*n, *seed));
            }
            Action::Possess(n, seed) => {
                let had = tx.possess(&core(*n), &block(*seed, block_bytes(*seed)).0).expect("reads");
                assert_eq!(had, self.blocks.contains(seed));
                if had {
                    self.possessed.insert((*n, *seed));
                }
            }
            Action::Dispossess(n, seed) => {
                tx.dispossess(&core(*n), &block(*seed, block_bytes(*seed)).0).expect("fits");
                self.possessed.remove(&(*n, *seed));
            }
            Action::PutOp(n, op) => self.put_op(tx, *n, *op),
            Action::SetEffective(n, op, effective) => {
                let done = tx.set_effective(&core(*n), &op_id(*op), *effective);
                match self.ops.get_mut(&(*n, *op)) {
                    Some(known) => {
                        done.expect("the operation is known");
                        known.effective = *effective;
                    }
                    None => assert!(matches!(done, Err(TxError::UnknownOp { .. })), "{done:?}"),
                }
            }
            Action::DropBody(n, op) => {
                let done = tx.drop_body(&core(*n), &op_id(*op));
                match self.ops.get_mut(&(*n, *op)) {
                    Some(known) => {
                        done.expect("the operation is known");
                        known.body = false;
                    }
                    None => assert!(matches!(done, Err(TxError::UnknownOp { .. })), "{done:?}"),
                }
            }
            Action::SetHeads(n, heads) => {
                let ids: Vec<OpId> = heads.iter().map(|head| op_id(*head)).collect();
                tx.set_heads(&core(*n), &ids).expect("fits");
                assert_eq!(tx.heads(&core(*n)).expect("reads"), ids);
                self.heads.insert(*n, heads.clone());
            }
            Action::PutCore(n) => {
                tx.put_core(&core(*n), &[*n]).expect("fits");
                self.cores.insert(*n);
            }
            Action::PutMeta(key, value) => {
                let bytes = value.map(|value| value.to_be_bytes().repeat(value as usize % 900));
                tx.put_meta("model", &[*key], bytes.as_deref()).expect("fits");
                match value {
                    Some(value) => self.meta.insert(*key, *value),
                    None => self.meta.remove(key),
                };
            }
            Action::Name(root, n, visibility) => {
                let at = path_of(u32::from(*visibility));
                tx.name_root(&block(*root, 4).0, &core(*n), &path(at), *visibility).expect("fits");
                self.names.insert((*root, *n, at), *visibility);
            }
            Action::Unname(root, n, visibility) => {
                let at = path_of(u32::from(*visibility));
                tx.unname_root(&block(*root, 4).0, &core(*n), &path(at)).expect("fits");
                self.names.remove(&(*root, *n, at));
            }
        }
    }

    fn put_op(&mut self, tx: &mut Tx, n: u8, op_n: u32) {
        let at_path = path(path_of(op_n));
        let record = op(op_n, date(op_n), Some(&at_path));
        let value = value_of(op_n);
        tx.put_op(&core(n), &record).expect("fits");
        let (bytes, cleared) = (value.clone().unwrap_or_default(), value.is_none());
        tx.index_put(&core(n), &at_path, record.at, &record.id, true, cleared, &bytes).expect("fits");
        self.ops.insert((n, op_n), OpModel { effective: true, body: true });
        assert_eq!(tx.op(&core(n), &record.id).expect("reads"), Some(record));
        let now = tx.state(&core(n), &at_path).expect("reads").map(|entry| entry.id);
        assert_eq!(now, self.state(n, path_of(op_n)).map(|(id, _value)| id));
    }

    /// The puts at a path, newest first: operation and whether it is effective.
    fn versions(&self, n: u8, at_path: &str) -> Vec<(OpId, bool)> {
        let ops =
            self.ops.iter().filter(|((of, op), model)| *of == n && path_of(*op) == at_path && model.body);
        let mut puts: Vec<_> = ops.map(|((_, op), model)| (date(*op), op_id(*op), model.effective)).collect();
        puts.sort_unstable();
        puts.into_iter().rev().map(|(_at, id, effective)| (id, effective)).collect()
    }

    fn state(&self, n: u8, at_path: &str) -> Option<(OpId, Bytes)> {
        let (winner, _) = self.versions(n, at_path).into_iter().find(|(_, effective)| *effective)?;
        let op =
            self.ops.keys().map(|(_, op)| *op).find(|op| op_id(*op) == winner).expect("it is one of them");
        Some((winner, value_of(op)?))
    }

    fn check(&self, store: &Store) {
        (0..CORES).for_each(|n| self.check_core(store, n));
        for seed in 0..8 {
            let (cid, data) = block(seed, block_bytes(seed));
            let stored = self.blocks.contains(&seed).then_some(data);
            assert_eq!(store.block(&cid).expect("reads"), stored, "block {seed}");
        }
        let stats = store.stats().expect("reads");
        assert_eq!((stats.blocks, stats.cores), (self.blocks.len() as u64, self.cores.len() as u64));
        let meta =
            store.meta_scan("model", b"", None).map(|row| row.expect("reads").0[0]).collect::<Vec<u8>>();
        assert_eq!(meta, self.meta.keys().copied().collect::<Vec<u8>>());
        for (key, value) in &self.meta {
            let bytes = store.meta("model", &[*key]).expect("reads").expect("was put");
            assert_eq!(bytes, value.to_be_bytes().repeat(*value as usize % 900));
        }
        for root in 0..4 {
            let names = store.names_of_root(&block(root, 4).0).map(|name| name.expect("reads"));
            let mut want: Vec<_> = self.names.iter().filter(|((of, ..), _)| *of == root).collect();
            want.sort_by_key(|((_, n, at), _)| (core(*n), *at));
            let want: Vec<_> =
                want.into_iter().map(|((_, n, at), seen)| (core(*n), path(at), *seen)).collect();
            assert_eq!(names.collect::<Vec<_>>(), want);
        }
    }

    fn check_core(&self, store: &Store, n: u8) {
        let id = core(n);
        assert_eq!(store.genesis(&id).expect("reads").is_some(), self.cores.contains(&n));
        let heads = self.heads.get(&n).cloned().unwrap_or_default();
        assert_eq!(store.heads(&id).expect("reads"), heads.into_iter().map(op_id).collect::<Vec<_>>());
        let mut want = Vec::new();
        let mut usage = Usage::default();
        for ((_, op_n), model) in self.ops.iter().filter(|((of, _), _)| *of == n) {
            let mut record = op(*op_n, date(*op_n), Some(&path(path_of(*op_n))));
            usage.ops += 1;
            usage.op_bytes += record.signed.len() as u64;
            usage.op_bytes += record.body.as_ref().filter(|_| model.body).map_or(0, |body| body.len() as u64);
            record.effective = model.effective;
            if !model.body {
                (record.body, record.path) = (None, None);
            }
            want.push(record);
        }
        want.sort_by_key(|op| (op.at, op.id));
        let ops: Vec<_> = store.ops(&id, None, OpsOrder::Forward).map(|op| op.expect("reads")).collect();
        assert_eq!(ops, want);
        for seed in (0..8).filter(|seed| self.possessed.contains(&(n, *seed))) {
            usage.blocks += 1;
            usage.block_bytes += block_bytes(seed) as u64;
            assert!(store.possesses(&id, &block(seed, block_bytes(seed)).0).expect("reads"));
        }
        assert_eq!(store.usage(&id).expect("reads"), usage);
        let mut state = Vec::new();
        for at_path in PATHS {
            let entry = store.state(&id, &path(at_path)).expect("reads").map(|entry| (entry.id, entry.value));
            assert_eq!(entry, self.state(n, at_path), "{at_path}");
            state.extend(entry.map(|(id, value)| (path(at_path), id, value)));
            let versions = store.versions(&id, &path(at_path), 100).expect("reads");
            let versions: Vec<_> = versions.into_iter().map(|one| (one.id, one.effective)).collect();
            assert_eq!(versions, self.versions(n, at_path), "{at_path}");
        }
        let scan = store.state_scan(&id, None, None, 100).expect("reads");
        assert_eq!(scan.into_iter().map(|(at, e)| (at, e.id, e.value)).collect::<Vec<_>>(), state);
    }
}

fn action() -> impl Strategy<Value = Action> {
    let core = 0..CORES;
    let block = 0..8_u32;
    let op = 0..24_u32;
    prop_oneof![
        (core.clone(), block.clone()).prop_map(|(n, seed)| Action::PutBlock(n, seed)),
        (core.clone(), block.clone()).prop_map(|(n, seed)| Action::Possess(n, seed)),
        (core.clone(), block).prop_map(|(n, seed)| Action::Dispossess(n, seed)),
        (core.clone(), op.clone()).prop_map(|(n, op)| Action::PutOp(n, op)),
        (core.clone(), op.clone()).prop_map(|(n, op)| Action::PutOp(n, op)),
        (core.clone(), op.clone(), any::<bool>()).prop_map(|(n, op, yes)| Action::SetEffective(n, op, yes)),
        (core.clone(), op.clone()).prop_map(|(n, op)| Action::DropBody(n, op)),
        (core.clone(), vec(op, 0..4)).prop_map(|(n, heads)| Action::SetHeads(n, heads)),
        core.clone().prop_map(Action::PutCore),
        (0..4_u8, any::<Option<u16>>()).prop_map(|(key, value)| Action::PutMeta(key, value)),
        (0..4_u32, core.clone(), 0..5_u8).prop_map(|(root, n, seen)| Action::Name(root, n, seen)),
        (0..4_u32, core, 0..5_u8).prop_map(|(root, n, seen)| Action::Unname(root, n, seen)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => vec(action(), 1..8).prop_map(Step::Commit),
        1 => vec(action(), 1..4).prop_map(Step::Abandon),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
    ]
}

fn run(mut world: World, steps: &[Step]) {
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commit(actions) => {
                commit(&world.store, |tx| actions.iter().for_each(|action| model.run(tx, action)));
            }
            Step::Abandon(actions) => {
                let (mut tx, mut other) = (world.store.begin(), model.clone());
                actions.iter().for_each(|action| other.run(&mut tx, action));
            }
            Step::Reopen => world = world.reopen(),
            Step::Rebuild => {
                world = world.reopen_after(|dir| {
                    fs::remove_dir_all(dir.join("index")).expect("the index can be deleted");
                });
            }
        }
        model.check(&world.store);
        assert_eq!(world.store.recovery().bad, []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does_in_memory(steps in vec(step(), 1..20)) {
        run(World::memory(), &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does_on_disk(steps in vec(step(), 1..20)) {
        run(World::disk(), &steps);
    }
}
