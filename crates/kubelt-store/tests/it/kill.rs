//! Kill -9 at random moments while eight writers write: what was acknowledged is there, nothing is there
//! by halves, and the store opens.
//!
//! `KUBELT_KILL_ROUNDS` says how often (3 unless it is set).

use std::{
    collections::BTreeSet,
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Stdio,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_store::{OpsOrder, Options, Store, check};

use crate::world::{block, child, child_dir, core, op_id, options, path, put, say};

const WRITERS: u32 = 8;
const FIRST: &str = "KUBELT_TEST_FIRST";
/// Each writer's numbers begin this far apart.
const STRIDE: u32 = 1_000_000;

#[test]
fn acknowledged_writes_survive_kill_9() {
    if let Some(dir) = child_dir() {
        return write_until_killed(&dir);
    }
    let rounds =
        std::env::var("KUBELT_KILL_ROUNDS").map_or(3, |text| text.parse().expect("a number of rounds"));
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let mut acknowledged = BTreeSet::new();
    let mut first = 0;
    for round in 1..=rounds {
        let moment = RandomState::new().build_hasher().finish();
        let lines = usize::try_from(moment % 300).expect("small");
        first = run_and_kill(dir.path(), first, lines, &mut acknowledged);
        if moment.is_multiple_of(5) {
            fs::remove_dir_all(dir.path().join("index")).expect("the index can be deleted");
        }
        let (there, torn) = verify(dir.path(), &acknowledged);
        say(&format!(
            "kill {round} of {rounds}: {} acknowledged, {there} there, {torn} bytes torn off, all well",
            acknowledged.len()
        ));
    }
}

/// Lets a child write, kills it once it has said `lines` lines, and notes all it acknowledged. Returns the
/// number that the next child begins with.
fn run_and_kill(dir: &Path, first: u32, lines: usize, acknowledged: &mut BTreeSet<u32>) -> u32 {
    let mut command = child("kill::acknowledged_writes_survive_kill_9", dir, &[]);
    let mut writer =
        command.env(FIRST, first.to_string()).stdout(Stdio::piped()).spawn().expect("the child runs");
    let said = BufReader::new(writer.stdout.take().expect("it was piped"));
    let mut next = first;
    let mut count = 0;
    for line in said.lines() {
        let line = line.expect("the child writes text");
        if let Some(n) = line.strip_prefix("stored ").and_then(|n| n.parse::<u32>().ok()) {
            acknowledged.insert(n);
            next = next.max(n % STRIDE + 1);
        } else if line != "opened" {
            continue;
        }
        if count == lines {
            writer.kill().expect("it still runs: it writes for ever");
        }
        count += 1;
    }
    assert!(!writer.wait().expect("the child ends").success(), "it writes until it is killed");
    assert!(count > lines, "the child ended by itself");
    // One write of each writer may have been stored without being acknowledged.
    next + 1
}

/// Opens the store and checks every write. Returns how many there are, and the bytes torn off.
fn verify(dir: &Path, acknowledged: &BTreeSet<u32>) -> (usize, u64) {
    let store = Store::open(dir, child_options()).expect("the store opens after a kill");
    assert_eq!(store.recovery().bad, []);
    let torn = store.recovery().torn_tail_bytes;
    let ops: BTreeSet<_> =
        store.ops(&core(1), None, OpsOrder::Forward).map(|op| op.expect("reads").id).collect();
    let missing: Vec<_> = acknowledged.iter().filter(|n| !ops.contains(&op_id(**n))).collect();
    assert_eq!(missing, [&0; 0], "acknowledged, but lost");
    let usage = store.usage(&core(1)).expect("reads");
    assert_eq!((usage.ops, usage.blocks), (ops.len() as u64, ops.len() as u64));
    let mut bytes = 0;
    for row in store.meta_scan("kill", b"", None) {
        let (key, _) = row.expect("reads");
        let n = u32::from_be_bytes(key.as_ref().try_into().expect("four bytes"));
        let (cid, data) = content(n);
        bytes += data.len() as u64;
        assert!(ops.contains(&op_id(n)), "half of write {n}");
        assert_eq!(store.block(&cid).expect("reads"), Some(data), "block of write {n}");
        let entry = store.state(&core(1), &path(&format!("content/{n}"))).expect("reads").expect("was put");
        assert_eq!(entry.id, op_id(n));
    }
    assert_eq!(usage.block_bytes, bytes, "every operation has its record");
    drop(store);
    assert!(check(dir, |_progress| {}).expect("the segments can be read").is_whole());
    (ops.len(), torn)
}

fn write_until_killed(dir: &Path) {
    let first: u32 = std::env::var(FIRST).expect("the parent sets it").parse().expect("a number");
    let store = Store::open(dir, child_options()).expect("opens");
    acknowledge("opened");
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        std::thread::spawn(move || (first..STRIDE).for_each(|n| write(&store, writer * STRIDE + n)))
    });
    writers.collect::<Vec<_>>().into_iter().for_each(|writer| writer.join().expect("no writer fails"));
}

fn write(store: &Store, n: u32) {
    let (cid, data) = content(n);
    let mut tx = store.begin();
    tx.put_block(&core(1), &cid, data).expect("fits");
    put(&mut tx, &core(1), n, n.into(), &format!("content/{n}"), Some("value"));
    tx.put_meta("kill", &n.to_be_bytes(), Some(b"")).expect("fits");
    tx.commit().wait().expect("is committed");
    acknowledge(&format!("stored {n}"));
}

fn acknowledge(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).expect("the parent listens");
}

/// Blocks of 1 byte to 60 KiB.
fn content(n: u32) -> (Cid, Bytes) {
    block(n, 4 + n.wrapping_mul(2_654_435_761) as usize % 60_000)
}

fn child_options() -> Options {
    Options { segment_bytes: 4 * 1_024 * 1_024, ..options() }
}
