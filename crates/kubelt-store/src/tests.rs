//! Faults and damage, on a disk that does as it is told.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use cid::Cid;
use kubelt_core::CoreId;
use multihash_codetable::{Code, MultihashDigest};

use crate::{
    CommitError, OpenError, Options, Recovery, Store, Took, Tx,
    index::{Index, Range, memory::MemoryIndex},
    segment::{
        disk::Disk,
        faulty::FaultyDisk,
        format::{RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader},
        scan::{Found, Scan},
    },
};

/// Where the first record of a segment begins.
const FIRST_RECORD: usize = 128;
const CORE: CoreId = CoreId::from_digest([7; 32]);

fn options() -> Options {
    Options { segment_bytes: 1_500, free_bytes_min: 0, ..Options::default() }
}

fn open(disk: &FaultyDisk, index: &Arc<MemoryIndex>) -> Store {
    Store::open_on(Arc::new(disk.clone()), index.clone(), options(), None).expect("the store opens")
}

/// Opens the store with nothing but its segments.
fn open_without_index(disk: &FaultyDisk) -> Store {
    open(disk, &Arc::default())
}

fn block(n: u32) -> (Cid, Bytes) {
    let data = Bytes::from(n.to_be_bytes().repeat(10 + n as usize));
    (Cid::new_v1(0x55, Code::Sha2_256.digest(&data)), data)
}

/// Transaction `n`: a block, a short record and a long one.
fn write(store: &Store, n: u32) -> Result<(), CommitError> {
    let (cid, data) = block(n);
    let mut tx = store.begin();
    tx.put_block(&CORE, &cid, data).expect("fits");
    tx.put_meta("short", &n.to_be_bytes(), Some(b"short")).expect("fits");
    if n.is_multiple_of(3) {
        tx.put_meta("long", &n.to_be_bytes(), Some(&[1; 1_100])).expect("fits");
    }
    tx.commit().wait()
}

/// Whether transaction `n` is there; all of it or nothing.
fn is_there(store: &Store, n: u32) -> bool {
    let (cid, data) = block(n);
    let short = store.meta("short", &n.to_be_bytes()).expect("reads").is_some();
    if short {
        assert_eq!(store.block(&cid).expect("reads"), Some(data), "block of transaction {n}");
        assert!(store.possesses(&CORE, &cid).expect("reads"));
        if n.is_multiple_of(3) {
            assert_eq!(store.meta("long", &n.to_be_bytes()).expect("reads").expect("was put").len(), 1_100);
        }
    } else {
        assert!(!store.possesses(&CORE, &cid).expect("reads"), "half of transaction {n}");
        assert_eq!(store.meta("long", &n.to_be_bytes()).expect("reads"), None);
    }
    short
}

/// A disk with transactions `0..count`.
fn written(count: u32) -> (FaultyDisk, Arc<MemoryIndex>) {
    let disk = FaultyDisk::default();
    let index = Arc::default();
    let store = open(&disk, &index);
    (0..count).for_each(|n| write(&store, n).expect("is committed"));
    (disk, index)
}

fn rows(index: &MemoryIndex) -> Vec<(Bytes, Bytes)> {
    index.scan(Range::prefix(&[]), false).map(|row| row.expect("reads")).collect()
}

#[test]
fn a_full_disk_fails_the_write_and_nothing_else() {
    let (disk, index) = written(5);
    let store = open(&disk, &index);
    let before = disk.bytes();
    for room in [0, 10, 100, 200] {
        disk.faults.room_bytes.store(room, Ordering::Relaxed);
        assert!(matches!(write(&store, 10), Err(CommitError::Write(_))), "{room} bytes of room");
        let after = disk.bytes();
        assert_eq!(after[..before.len()], before, "{room} bytes of room");
        assert!((0..5).all(|n| is_there(&store, n)));
        assert!(!is_there(&store, 10));
    }
    assert_eq!(store.generation(), 4);
    disk.faults.room_bytes.store(u64::MAX, Ordering::Relaxed);
    write(&store, 10).expect("there is room again");
    drop(store);
    let store = open_without_index(&disk);
    assert!((0..5).chain([10]).all(|n| is_there(&store, n)));
    assert_eq!((&store.recovery().bad[..], store.recovery().torn_tail_bytes), (&[][..], 0));
}

#[test]
fn a_failed_sync_gives_the_segment_up() {
    for fail_truncate in [false, true] {
        let (disk, index) = written(5);
        let store = open(&disk, &index);
        disk.faults.fail_sync.store(true, Ordering::Relaxed);
        disk.faults.fail_truncate.store(fail_truncate, Ordering::Relaxed);
        assert!(matches!(write(&store, 10), Err(CommitError::Sync(_))));
        assert!(write(&store, 11).is_err(), "the next segment cannot be made durable either");
        assert!(!is_there(&store, 10));
        let segments = disk.list().expect("lists").len();
        disk.faults.fail_sync.store(false, Ordering::Relaxed);
        write(&store, 12).expect("the disk works again");
        assert!(disk.list().expect("lists").len() >= segments, "a new segment was begun");
        drop(store);
        let store = open_without_index(&disk);
        assert!((0..5).chain([12]).all(|n| is_there(&store, n)));
        assert!(!is_there(&store, 10), "what was refused must not come back");
        assert_eq!(store.recovery().bad, []);
    }
}

/// A transaction that is large enough to be synced while the next is written, and a put that counts.
fn large(store: &Store, n: u8) -> crate::CommitTicket {
    let data = Bytes::from(vec![n; 2 << 20]);
    let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&data));
    let mut tx = store.begin();
    tx.put_block(&CORE, &cid, data).expect("fits");
    tx.commit()
}

/// Commits that begin while an earlier one is being synced.
#[test]
fn what_is_written_during_a_sync_shares_its_fate() {
    for fails in [false, true] {
        let (disk, index) = (FaultyDisk::default(), Arc::<MemoryIndex>::default());
        let options = Options { segment_bytes: 64 << 20, free_bytes_min: 0, ..Options::default() };
        let store = Store::open_on(Arc::new(disk.clone()), index, options, None).expect("the store opens");
        write(&store, 0).expect("is committed");
        let size = || disk.bytes().iter().map(Vec::len).sum::<usize>();
        let held = disk.faults.syncs.lock();
        let first = large(&store, 1);
        while size() < 2 << 20 {
            std::thread::yield_now();
        }
        let (second, third) = (large(&store, 2), large(&store, 3));
        // The second, and perhaps the third with it, is written before the first is durable.
        while size() < 4 << 20 {
            std::thread::yield_now();
        }
        assert_eq!(store.usage(&CORE).expect("reads").blocks, 1, "nothing shows before it is durable");
        disk.faults.fail_sync.store(fails, Ordering::Relaxed);
        drop(held);
        let results = [first, second, third].map(|ticket| ticket.wait().is_ok());
        assert_eq!(results[..2], [!fails; 2]);
        disk.faults.fail_sync.store(false, Ordering::Relaxed);
        write(&store, 10).expect("the disk works");
        let blocks = store.usage(&CORE).expect("reads").blocks;
        assert_eq!(blocks, 2 + results.iter().filter(|ok| **ok).count() as u64);
        drop(store);
        let store = open_without_index(&disk);
        assert_eq!(store.usage(&CORE).expect("reads").blocks, blocks, "what was refused must not come back");
        assert!(is_there(&store, 0) && is_there(&store, 10));
        assert_eq!((&store.recovery().bad[..], store.recovery().torn_tail_bytes), (&[][..], 0));
    }
}

/// A collection that begins while a writer's group is being synced has read what that group changes.
#[test]
fn what_is_collected_during_a_sync_sees_what_it_hides() {
    let (disk, index) = (FaultyDisk::default(), Arc::<MemoryIndex>::default());
    let options = Options { segment_bytes: 64 << 20, free_bytes_min: 0, ..Options::default() };
    let store = Store::open_on(Arc::new(disk.clone()), index, options, None).expect("the store opens");
    write(&store, 0).expect("is committed");
    let (cid, data) = block(0);
    let held = disk.faults.syncs.lock();
    let mut tx = store.begin();
    tx.set_stamp(7);
    tx.put_block(&CORE, &cid, data.clone()).expect("fits");
    let filling = Bytes::from(vec![1; 2 << 20]);
    tx.put_block(&CORE, &Cid::new_v1(0x55, Code::Sha2_256.digest(&filling)), filling).expect("fits");
    let writer = tx.commit();
    while disk.bytes().iter().map(Vec::len).sum::<usize>() < 2 << 20 {
        std::thread::yield_now();
    }
    let mut taking = store.begin_collection(&CORE, &[cid]);
    assert_eq!(taking.take(&cid, |stamp| stamp == 0).expect("reads"), crate::Took::Bytes);
    let taken = taking.hand_in();
    drop(held);
    writer.wait().expect("is committed");
    assert!(matches!(taken.wait(), Err(CommitError::Conflict)));
    assert_eq!(store.block(&cid).expect("reads"), Some(data));
}

#[test]
fn too_little_free_space_refuses_writes_until_there_is_more() {
    let disk = FaultyDisk::default();
    let index: Arc<MemoryIndex> = Arc::default();
    let options = Options { free_bytes_min: 1_000_000, ..options() };
    let store = Store::open_on(Arc::new(disk.clone()), index, options, None).expect("opens");
    disk.faults.free_bytes.store(1_000_100, Ordering::Relaxed);
    assert!(matches!(write(&store, 1), Err(CommitError::NoSpace { free: 1_000_100, .. })));
    disk.faults.free_bytes.store(2_000_000, Ordering::Relaxed);
    write(&store, 1).expect("there is space");
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_off() {
    let (whole, _) = written(6);
    let bytes = whole.bytes();
    let (last, rest) = bytes.split_last().expect("there are segments");
    let before = {
        let (shorter, _) = written(5);
        shorter.bytes().last().expect("there are segments").len()
    };
    assert!(
        before < last.len() && bytes.len() > 1,
        "the last transaction is in the last of several segments"
    );
    let (commit_at, commit) = *records(last).last().expect("the last transaction is there");
    let complete = commit_at + RECORD_HEADER_BYTES + commit.len as usize;
    for len in before..complete {
        let disk = FaultyDisk::of(&[rest, &[last[..len].to_vec()]].concat());
        let store = open_without_index(&disk);
        assert!((0..5).all(|n| is_there(&store, n)), "cut to {len} bytes");
        assert!(!is_there(&store, 5), "cut to {len} bytes");
        let Recovery { bad, torn_tail_bytes, .. } = store.recovery();
        assert_eq!((&bad[..], *torn_tail_bytes), (&[][..], (len - before) as u64));
        write(&store, 5).expect("writes go on");
        drop(store);
        assert!((0..6).all(|n| is_there(&open_without_index(&disk), n)), "cut to {len} bytes");
    }
    for len in complete..=last.len() {
        let disk = FaultyDisk::of(&[rest, &[last[..len].to_vec()]].concat());
        let index = Arc::default();
        assert!((0..6).all(|n| is_there(&open(&disk, &index), n)), "only padding is missing at {len} bytes");
        write(&open(&disk, &index), 6).expect("writes go on");
        assert!((0..7).all(|n| is_there(&open_without_index(&disk), n)));
    }
}

#[test]
fn a_segment_that_was_never_begun_is_taken_over() {
    let (whole, index) = written(6);
    for len in [0, 1, 100, 128] {
        let mut bytes = whole.bytes();
        bytes.push(vec![0; len]);
        let disk = FaultyDisk::of(&bytes);
        let store = open(&disk, &Arc::new(MemoryIndex::default()));
        assert!((0..6).all(|n| is_there(&store, n)));
        (6..20).for_each(|n| write(&store, n).expect("writes go on"));
        drop(store);
        assert!((0..20).all(|n| is_there(&open_without_index(&disk), n)));
    }
    assert!((0..6).all(|n| is_there(&open(&whole, &index), n)));
}

#[test]
fn any_flipped_byte_costs_at_most_the_record_it_is_in() {
    const COUNT: u32 = 9;
    let (whole, _) = written(COUNT);
    let bytes = whole.bytes();
    assert!(bytes.len() > 2, "several segments");
    for segment in 0..bytes.len() {
        let last_segment = segment + 1 == bytes.len();
        for at in 0..bytes[segment].len() {
            let mut bad = bytes.clone();
            bad[segment][at] ^= 0x10;
            let store = open_without_index(&FaultyDisk::of(&bad));
            let recovery = store.recovery();
            let there = |n: u32| {
                let short = store.meta("short", &n.to_be_bytes()).expect("reads").is_some();
                let (cid, data) = block(n);
                short && store.block(&cid).is_ok_and(|block| block == Some(data))
            };
            let lost = (0..COUNT).filter(|n| !there(*n)).count();
            assert!(lost <= 1, "byte {at} of segment {segment} cost {lost} transactions");
            let said = !recovery.bad.is_empty() || (last_segment && recovery.torn_tail_bytes > 0);
            assert!(lost == 0 || said, "byte {at} of segment {segment} was lost in silence");
        }
    }
}

#[test]
fn a_lost_segment_header_is_read_off_the_first_record() {
    let (whole, _) = written(9);
    let mut bytes = whole.bytes();
    bytes[1][..FIRST_RECORD].fill(0xee);
    let store = open_without_index(&FaultyDisk::of(&bytes));
    assert!((0..9).all(|n| is_there(&store, n)));
    assert_eq!(store.recovery().bad.len(), 1);
}

#[test]
fn a_damaged_block_is_reported_and_stored_again() {
    let (disk, index) = written(3);
    let (cid, data) = block(1);
    let mut bytes = disk.bytes();
    let find = |segment: &Vec<u8>| segment.windows(data.len()).position(|window| window == data);
    let (segment, at) =
        (0..).zip(&bytes).find_map(|(n, bytes)| Some((n, find(bytes)?))).expect("it is in one");
    bytes[segment][at] ^= 1;
    let disk = FaultyDisk::of(&bytes);
    let store = open(&disk, &index);
    assert!(matches!(store.block(&cid), Err(crate::ReadError::Damaged { .. })));
    let mut tx = store.begin();
    tx.put_block(&CORE, &cid, data.clone()).expect("fits");
    tx.commit().wait().expect("is committed");
    assert_eq!(store.block(&cid).expect("reads"), Some(data.clone()));
    drop(store);
    let store = open_without_index(&disk);
    assert_eq!(store.block(&cid).expect("reads"), Some(data));
    assert_eq!(store.recovery().bad.len(), 1);
    assert_eq!(store.usage(&CORE).expect("reads").blocks, 3);
}

#[test]
fn a_block_outlives_the_commit_record_of_who_brought_it_first() {
    let disk = FaultyDisk::default();
    let store = open_without_index(&disk);
    let (cid, data) = block(100);
    let other = CoreId::from_digest([9; 32]);
    for core in [CORE, other] {
        let mut tx = store.begin();
        tx.put_block(&core, &cid, data.clone()).expect("fits");
        tx.commit().wait().expect("is committed");
    }
    drop(store);
    let mut bytes = disk.bytes();
    let (first_commit, _) = records(&bytes[0])[1];
    bytes[0][first_commit + RECORD_HEADER_BYTES] ^= 1;
    let store = open_without_index(&FaultyDisk::of(&bytes));
    assert!(!store.possesses(&CORE, &cid).expect("reads"), "this was in the damaged record");
    assert!(store.possesses(&other, &cid).expect("reads"));
    assert_eq!(store.block(&cid).expect("reads"), Some(data));
}

#[test]
fn nobody_can_smuggle_a_record_in_a_block() {
    let (victim, _) = written(1);
    let forged = Bytes::from(victim.bytes()[0][FIRST_RECORD..].to_vec());
    let disk = FaultyDisk::default();
    let store = open_without_index(&disk);
    let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&forged));
    let mut tx = store.begin();
    tx.put_block(&CORE, &cid, [Bytes::from_static(b"pad"), forged].concat().into()).expect("fits");
    tx.commit().wait().expect("is committed");
    write(&store, 2).expect("is committed");
    drop(store);
    let mut bytes = disk.bytes();
    bytes[0][FIRST_RECORD + 9] ^= 1;
    let store = open_without_index(&FaultyDisk::of(&bytes));
    assert_eq!(store.recovery().bad.len(), 1);
    assert!(!is_there(&store, 0), "the record in the block is not one of this segment");
    assert!(is_there(&store, 2));
}

#[test]
fn an_index_behind_the_segments_catches_up() {
    let disk = FaultyDisk::default();
    let index: Arc<MemoryIndex> = Arc::default();
    let store = open(&disk, &index);
    (0..4).for_each(|n| write(&store, n).expect("is committed"));
    let old = Arc::new(MemoryIndex::default());
    old.apply(rows(&index).into_iter().map(|(key, value)| (key, Some(value))).collect()).expect("applies");
    (4..9).for_each(|n| write(&store, n).expect("is committed"));
    drop(store);
    let store = open(&disk, &old);
    assert_eq!(store.recovery().transactions, 5);
    assert_eq!(rows(&old), rows(&index));
    drop(store);
    assert_eq!(open(&disk, &old).recovery().transactions, 0);
    let fresh = Arc::default();
    assert_eq!(open(&disk, &fresh).recovery().transactions, 9);
    assert_eq!(rows(&fresh), rows(&index));
}

#[test]
fn an_index_of_other_segments_is_refused() {
    let (disk, index) = written(5);
    let (other, _) = written(5);
    let refused = |disk: &FaultyDisk| {
        let opened = Store::open_on(Arc::new(disk.clone()), index.clone(), options(), None);
        assert!(matches!(opened, Err(OpenError::IndexMismatch { .. })), "{opened:?}");
    };
    refused(&other);
    refused(&FaultyDisk::default());
    refused(&FaultyDisk::of(&disk.bytes()[..1]));
    let mut cut = disk.bytes();
    let last = cut.last_mut().expect("there are segments");
    last.truncate(last.len() - 8);
    refused(&FaultyDisk::of(&cut));
}

#[test]
fn a_segment_of_a_later_version_is_refused() {
    let (disk, _) = written(5);
    let mut bytes = disk.bytes();
    for copy in [0, 64] {
        bytes[0][copy + 8] = 9;
        let crc = crc32fast::hash(&bytes[0][copy..copy + 48]);
        bytes[0][copy + 48..copy + 52].copy_from_slice(&crc.to_le_bytes());
    }
    let opened =
        Store::open_on(Arc::new(FaultyDisk::of(&bytes)), Arc::<MemoryIndex>::default(), options(), None);
    assert!(matches!(opened, Err(OpenError::Version { segment: 0, version: 9 })), "{opened:?}");
}

/// The records of a segment: where each begins, and its header.
fn records(segment: &[u8]) -> Vec<(usize, RecordHeader)> {
    let header = SegmentHeader::decode(segment).expect("the header is whole");
    let disk = FaultyDisk::of(&[segment.to_vec()]);
    let file = disk.read(0).expect("is there");
    let mut scan = Scan::new(&*file, header.marker, SEGMENT_HEADER_BYTES, segment.len() as u64);
    let mut records = Vec::new();
    while let Some(found) = scan.next().expect("memory can be read") {
        let Found::Good { payload_at, header, .. } = found else { continue };
        records.push((usize::try_from(payload_at).expect("short") - RECORD_HEADER_BYTES, header));
    }
    records
}

/// Whatever a writer does to a block between the look at it and the commit, the block is not taken; what he does to
/// another changes nothing.
#[test]
fn a_writer_who_is_faster_saves_the_block() {
    const OTHER: CoreId = CoreId::from_digest([8; 32]);
    let root = block(9).0;
    let check = |what: &str, write: &dyn Fn(&mut Tx), expected: Result<(), ()>| {
        let store = Store::memory(options());
        let blocks = [block(1), block(2)];
        let mut tx = store.begin();
        for (cid, data) in &blocks {
            tx.put_block(&CORE, cid, data.clone()).expect("fits");
        }
        tx.commit().wait().expect("is committed");
        let [(cid, data), _other] = &blocks;
        let mut taking = store.begin_collection(&CORE, &[*cid]);
        assert_eq!(taking.take(cid, |_stamp| true).expect("reads"), Took::Bytes);
        let mut tx = store.begin();
        write(&mut tx);
        tx.commit().wait().expect("is committed");
        match (taking.hand_in().wait(), expected) {
            (Ok(()), Ok(())) => assert!(!store.has_block(cid).expect("reads"), "{what}"),
            (Err(CommitError::Conflict), Err(())) => {
                assert_eq!(store.block(cid).expect("reads").as_ref(), Some(data), "{what}");
            }
            (result, expected) => panic!("{what}: {result:?} instead of {expected:?}"),
        }
    };
    let (cid, data) = block(1);
    check("nothing", &|_tx| {}, Ok(()));
    check("another is reached", &|tx| tx.reach(&CORE, &root, [&block(2).0]).expect("fits"), Ok(()));
    check("it is reached", &|tx| tx.reach(&CORE, &root, [&cid]).expect("fits"), Err(()));
    check("it is asked for", &|tx| assert!(tx.touch(&CORE, &cid).expect("reads")), Err(()));
    check("another core reads it", &|tx| assert!(tx.possess(&OTHER, &cid).expect("reads")), Err(()));
    check("it is brought again", &|tx| tx.put_block(&CORE, &cid, data.clone()).expect("fits"), Err(()));
}
