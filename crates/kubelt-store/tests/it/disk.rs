//! What files and directories add: locks, lost and damaged indexes, disks that take no writes.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use cid::Cid;
use kubelt_store::{CommitError, Mode, OpenError, Store, check, rebuild_index};
use multihash_codetable::{Code, MultihashDigest};

use crate::world::{block, child, child_dir, commit, core, open, options, put, say};

const BLOCKS: u32 = 40;

/// A store with several segments.
fn fill(dir: &Path) {
    let store = open(dir);
    for n in 0..BLOCKS {
        let (cid, data) = block(n, 9_000);
        commit(&store, |tx| {
            tx.put_block(&core(1), &cid, data).expect("fits");
            put(tx, &core(1), n, u64::from(n), "content/file", Some("value"));
        });
    }
    assert!(store.stats().expect("reads").segments > 3);
}

fn assert_filled(store: &Store) {
    for n in 0..BLOCKS {
        let (cid, data) = block(n, 9_000);
        assert_eq!(store.block(&cid).expect("reads"), Some(data), "block {n}");
    }
    let usage = store.usage(&core(1)).expect("reads");
    assert_eq!((usage.ops, usage.blocks), (u64::from(BLOCKS), u64::from(BLOCKS)));
}

fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    fill(dir.path());
    dir
}

/// Every file below `dir` with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("the directory can be listed") {
        let path = entry.expect("the directory can be listed").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("the file can be read"));
        }
    }
    found
}

#[test]
fn a_lost_index_is_made_again() {
    let dir = filled();
    fs::remove_dir_all(dir.path().join("index")).expect("the index can be deleted");
    let store = open(dir.path());
    assert_filled(&store);
    assert_eq!(store.recovery().transactions, u64::from(BLOCKS));
    drop(store);
    assert_eq!(open(dir.path()).recovery().transactions, 0);
}

#[test]
fn a_damaged_index_says_what_to_do_and_that_helps() {
    let dir = filled();
    for (path, bytes) in files(&dir.path().join("index")) {
        fs::write(path, vec![0xa5; bytes.len().min(4_096)]).expect("the file can be written");
    }
    let refused = Store::open(dir.path(), options()).expect_err("the index is garbage");
    assert!(matches!(refused, OpenError::Index(_)), "{refused:?}");
    assert!(refused.to_string().contains("kubelt doctor --rebuild-index"), "{refused}");
    let mut seen = Vec::new();
    let recovery =
        rebuild_index(dir.path(), &options(), |progress| seen.push(progress)).expect("it is rebuilt");
    assert_eq!((recovery.transactions, &recovery.bad[..]), (u64::from(BLOCKS), &[][..]));
    let last = seen.last().expect("there is progress");
    assert!(last.bytes_done <= last.bytes_total && last.bytes_done > 300_000, "{last:?}");
    assert!(!dir.path().join("index.old").exists());
    assert_filled(&open(dir.path()));
}

#[test]
fn one_process_at_a_time() {
    let dir = filled();
    let store = open(dir.path());
    for refused in [
        Store::open(dir.path(), options()).err(),
        Store::open_read_only(dir.path(), options()).err(),
        rebuild_index(dir.path(), &options(), |_progress| {}).err(),
        check(dir.path(), |_progress| {}).err(),
    ] {
        assert!(matches!(refused, Some(OpenError::Locked { .. })), "{refused:?}");
    }
    drop(store);
    assert_filled(&open(dir.path()));
}

#[test]
fn a_check_finds_what_is_damaged_and_changes_nothing() {
    let dir = filled();
    let lies = Cid::new_v1(0x55, Code::Sha2_256.digest(b"something else"));
    commit(&open(dir.path()), |tx| tx.put_block(&core(1), &lies, Bytes::from_static(b"lies")).expect("fits"));
    let before = files(dir.path());
    let report = check(dir.path(), |_progress| {}).expect("it can be read");
    assert_eq!(files(dir.path()), before);
    assert_eq!((&report.bad[..], &report.mismatched[..]), (&[][..], &[lies][..]));
    assert_eq!((report.blocks, report.transactions), (u64::from(BLOCKS) + 1, u64::from(BLOCKS) + 1));
    assert!(!report.is_whole());
    let segment = dir.path().join("segments/0000000000000001.seg");
    let mut bytes = fs::read(&segment).expect("the segment can be read");
    bytes[5_000] ^= 1;
    fs::write(&segment, bytes).expect("the segment can be written");
    let report = check(dir.path(), |_progress| {}).expect("it can be read");
    assert_eq!(report.bad.len(), 1);
    assert_eq!(report.bad[0].segment, 1);
    assert_eq!(report.transactions, u64::from(BLOCKS) + 1, "only a block was hit");
}

#[test]
fn a_store_opened_read_only_reads_all_and_changes_nothing() {
    let dir = filled();
    let before = files(dir.path());
    let store = Store::open_read_only(dir.path(), options()).expect("it opens");
    assert_filled(&store);
    assert_takes_no_writes(&store);
    let second = Store::open_read_only(dir.path(), options()).expect("readers do not exclude each other");
    drop((store, second));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn blocks_of_sealed_segments_are_not_copied() {
    let dir = filled();
    let store = open(dir.path());
    let [one, again] = [0, 0].map(|n| store.block(&block(n, 9_000).0).expect("reads").expect("is stored"));
    assert_eq!(one.as_ptr(), again.as_ptr());
    drop(store);
    assert_eq!(one, block(0, 9_000).1, "bytes outlive the store");
}

#[test]
fn a_directory_that_takes_no_writes_opens_read_only() {
    if let Some(mounted) = child_dir() {
        fs::write(mounted.join("probe"), b"").expect_err("the mount is read-only");
        return assert_opens_read_only(&mounted);
    }
    let dir = filled();
    let set = |mode| {
        for path in ["", "lock", "segments", "index"] {
            let path = dir.path().join(path);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the owner may");
        }
    };
    set(0o555);
    if fs::write(dir.path().join("probe"), b"").is_err() {
        assert_opens_read_only(dir.path());
        set(0o755);
        return;
    }
    // The superuser may write anywhere but on a file system that is mounted read-only.
    set(0o755);
    let mount = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let wrapper = ["unshare", "--mount", "sh", "-c", mount, "{dir}"];
    run_in_namespace("disk::a_directory_that_takes_no_writes_opens_read_only", dir.path(), &wrapper);
}

/// Runs a test again, as a child in a mount namespace of its own; where there can be none, says so.
pub(crate) fn run_in_namespace(test: &str, dir: &Path, wrapper: &[&str]) {
    let allowed = std::process::Command::new("unshare").args(["--mount", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        say(&format!("SKIPPED `{test}`: this user may not mount; run as root to have it"));
        return;
    }
    let output = child(test, dir, wrapper).output().expect("the child runs");
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

fn assert_opens_read_only(dir: &Path) {
    let store = Store::open(dir, options()).expect("it opens");
    assert_filled(&store);
    assert_takes_no_writes(&store);
}

fn assert_takes_no_writes(store: &Store) {
    assert!(matches!(store.mode(), Mode::ReadOnly { .. }));
    let mut tx = store.begin();
    tx.put_meta("m", b"k", Some(b"v")).expect("fits");
    let refused = tx.commit().wait();
    assert!(matches!(refused, Err(CommitError::ReadOnly { .. })), "{refused:?}");
}
