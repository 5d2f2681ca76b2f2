//! A disk that is really full: a small file system in memory, where this user may mount one.

use std::{fs, path::Path};

use kubelt_store::{CommitError, Options, Store};

use crate::{
    disk::run_in_namespace,
    world::{block, child_dir, core, options},
};

const BLOCK_BYTES: usize = 200_000;

#[test]
fn a_full_disk_costs_nothing_that_was_acknowledged() {
    if let Some(mounted) = child_dir() {
        writes_stop_above_the_floor_and_go_on_when_there_is_space(&mounted);
        return writes_fail_on_the_last_byte_and_the_store_opens_again(&mounted);
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let mount = "mount -t tmpfs -o size=32m none \"$0\" && exec \"$@\"";
    let wrapper = ["unshare", "--mount", "sh", "-c", mount, "{dir}"];
    run_in_namespace("full::a_full_disk_costs_nothing_that_was_acknowledged", dir.path(), &wrapper);
}

fn writes_stop_above_the_floor_and_go_on_when_there_is_space(mount: &Path) {
    let dir = mount.join("floor");
    let ballast = mount.join("ballast");
    fs::write(&ballast, vec![1; 8_000_000]).expect("there is room");
    let options = Options { free_bytes_min: 8_000_000, ..options() };
    let store = Store::open(&dir, options).expect("opens");
    let (stored, error) = write_until_refused(&store, 0);
    assert!(matches!(error, CommitError::NoSpace { .. }), "{error:?}");
    assert!(stored > 10);
    assert_stored(&store, 0..stored);
    fs::remove_file(ballast).expect("the ballast is there");
    let (more, _) = write_until_refused(&store, stored);
    assert!(more > stored, "there was space again");
    assert_stored(&store, 0..more);
    drop(store);
    fs::remove_dir_all(dir).expect("it can be deleted");
}

fn writes_fail_on_the_last_byte_and_the_store_opens_again(mount: &Path) {
    let dir = mount.join("store");
    let ballast = mount.join("ballast");
    fs::write(&ballast, vec![1; 4_000_000]).expect("there is room");
    let store = Store::open(&dir, options()).expect("opens");
    let (stored, _) = write_until_refused(&store, 0);
    assert!(stored > 10);
    let small = write_small_until_refused(&store);
    assert!(small > 10);
    assert!(store.generation() > 1);
    assert_stored(&store, 0..stored);
    assert_small_stored(&store, small);
    drop(store);
    fs::remove_file(ballast).expect("the ballast is there");
    let store = Store::open(&dir, options()).expect("opens again");
    assert_eq!(store.recovery().bad, []);
    assert_stored(&store, 0..stored);
    assert_small_stored(&store, small);
    let (more, _) = write_until_refused(&store, stored + 1);
    assert!(more > stored + 1, "there was space again");
}

/// Writes blocks from `from` on; returns the first that was refused, and why.
fn write_until_refused(store: &Store, from: u32) -> (u32, CommitError) {
    for n in from.. {
        let (cid, data) = block(n, BLOCK_BYTES);
        let mut tx = store.begin();
        tx.put_block(&core(1), &cid, data).expect("fits");
        if let Err(error) = tx.commit().wait() {
            return (n, error);
        }
    }
    unreachable!("the disk is small")
}

/// Writes short records until not one page is left; returns how many were acknowledged.
fn write_small_until_refused(store: &Store) -> u32 {
    let write = |n: u32| {
        let mut tx = store.begin();
        tx.put_meta("small", &n.to_be_bytes(), Some(&[7; 100])).expect("fits");
        tx.commit().wait()
    };
    (0..).find(|n| write(*n).is_err()).expect("the disk is small")
}

fn assert_small_stored(store: &Store, count: u32) {
    assert!((0..count).all(|n| store.meta("small", &n.to_be_bytes()).expect("reads").is_some()));
}

fn assert_stored(store: &Store, mut blocks: std::ops::Range<u32>) {
    assert!(blocks.all(|n| {
        let (cid, data) = block(n, BLOCK_BYTES);
        store.block(&cid).expect("reads") == Some(data)
    }));
}
