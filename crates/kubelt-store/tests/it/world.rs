//! What the tests share: stores of either engine, and things to put into them.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_core::{CoreId, Hlc, MapPath, OpId, Verb};
use kubelt_store::{OpRecord, Options, Store, Tx};
use multihash_codetable::{Code, MultihashDigest};
use tempfile::TempDir;

/// A store and, if it is on disk, the directory it lies in.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Store,
    dir: Option<Arc<TempDir>>,
}

impl World {
    pub(crate) fn memory() -> Self {
        Self { store: Store::memory(options()), dir: None }
    }

    pub(crate) fn disk() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        Self { store: open(dir.path()), dir: Some(Arc::new(dir)) }
    }

    /// The same store, opened again, if it can be.
    pub(crate) fn reopen(self) -> Self {
        self.reopen_after(|_dir| {})
    }

    /// The same store, opened again after something was done to its directory, if it has one.
    pub(crate) fn reopen_after(self, change: impl FnOnce(&Path)) -> Self {
        let Self { store, dir } = self;
        let Some(dir) = dir else { return Self { store, dir: None } };
        drop(store);
        change(dir.path());
        Self { store: open(dir.path()), dir: Some(dir) }
    }
}

/// Runs a test on every engine.
pub(crate) fn on_every_engine(test: impl Fn(World)) {
    test(World::memory());
    test(World::disk());
}

/// Small segments, so that tests see many; no space kept back.
pub(crate) fn options() -> Options {
    Options { segment_bytes: 64 * 1_024, free_bytes_min: 0, reserve_bytes: 0, ..Options::default() }
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, options()).expect("the store opens")
}

pub(crate) fn commit(store: &Store, fill: impl FnOnce(&mut Tx)) {
    let mut tx = store.begin();
    fill(&mut tx);
    tx.commit().wait().expect("the transaction is committed");
}

pub(crate) fn core(n: u8) -> CoreId {
    CoreId::from_digest([n; 32])
}

pub(crate) fn op_id(n: u32) -> OpId {
    OpId::of(&n.to_be_bytes())
}

pub(crate) fn path(text: &str) -> MapPath {
    MapPath::new(text).expect("tests use good paths")
}

/// A block of `len` bytes that only `seed` has.
pub(crate) fn block(seed: u32, len: usize) -> (Cid, Bytes) {
    let mut data = seed.to_be_bytes().repeat(len.div_ceil(4));
    data.truncate(len);
    let data = Bytes::from(data);
    (Cid::new_v1(0x55, Code::Sha2_256.digest(&data)), data)
}

/// Operation `n`, dated `at`, that puts at `path` if there is one.
pub(crate) fn op(n: u32, at: u64, path: Option<&MapPath>) -> OpRecord {
    OpRecord {
        id: op_id(n),
        at: Hlc::from_bits(at),
        verb: if path.is_some() { Verb::Put } else { Verb::Seal },
        signed: Bytes::from(format!("signed {n}")),
        body: Some(Bytes::from(format!("body {n}"))),
        path: path.cloned(),
        effective: true,
    }
}

/// Stores operation `n` and what it puts, as a node does.
pub(crate) fn put(tx: &mut Tx, core: &CoreId, n: u32, at: u64, at_path: &str, value: Option<&str>) {
    let path = path(at_path);
    let record = op(n, at, Some(&path));
    tx.put_op(core, &record).expect("fits");
    let bytes = value.unwrap_or_default().as_bytes();
    tx.index_put(core, &path, record.at, &record.id, true, value.is_none(), bytes).expect("fits");
}

/// Runs one test of this binary in a process of its own, where [`child_dir`] is `dir`. `wrapper` is put
/// before the command, with the directory in place of `{dir}`.
pub(crate) fn child(test: &str, dir: &Path, wrapper: &[&str]) -> Command {
    let this = std::env::current_exe().expect("a test knows its own binary");
    let test = [this.to_str().expect("a path of text"), "--exact", test, "--nocapture"];
    let dir_text = dir.to_str().expect("a path of text");
    let line: Vec<&str> =
        wrapper.iter().map(|part| if *part == "{dir}" { dir_text } else { part }).chain(test).collect();
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).env(DIR, dir);
    command
}

/// The directory that this process works in, if it is a child.
pub(crate) fn child_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

const DIR: &str = "KUBELT_TEST_DIR";

/// Says something that must be seen even when tests pass.
pub(crate) fn say(text: &str) {
    let line = format!("kubelt-store: {text}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
}
