use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kubelt_content::ipns::{Generations, NewRecord, Record, SecretKey};
use kubelt_core::CoreId;
use kubelt_store::{Options, Store};

use super::PutRecordError;
use crate::{Node, clock::Clock};

#[derive(Debug)]
struct At(u64);

impl Clock for At {
    fn now_ms(&self) -> u64 {
        self.0
    }
}

fn record(key: &SecretKey, sequence: u64, end_s: u64) -> Record {
    let validity_end = Duration::from_secs(end_s);
    let new = NewRecord { value: b"/ipfs/bafkqaaa", sequence, validity_end, ttl: Duration::from_secs(60) };
    Record::create(key, &new, Generations::V2).expect("a record")
}

#[tokio::test]
async fn records_and_keys_outlive_a_restart_and_expired_records_are_forgotten() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = |now_s: u64| {
        let store = Store::open(dir.path(), Options::default()).expect("the store opens");
        (Node::new(store.clone(), Arc::new(At(now_s * 1_000))), store)
    };
    let (short, long) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let core = CoreId::of(b"some core");
    let name = {
        let (node, _store) = open(10);
        node.ipns.put(&short.name(), record(&short, 1, 100)).await.expect("kept");
        node.ipns.put(&long.name(), record(&long, 5, 1_000)).await.expect("kept");
        node.ipns.name_of(&core).await.expect("made")
    };
    let (node, store) = open(200);
    assert_eq!(node.ipns.name_of(&core).await.expect("kept"), name);
    assert!(node.ipns.record(&short.name()).await.expect("readable").is_none());
    let kept = node.ipns.record(&long.name()).await.expect("readable").expect("still valid");
    assert_eq!(kept, record(&long, 5, 1_000));
    let older = node.ipns.put(&long.name(), record(&long, 4, 2_000)).await;
    assert!(matches!(older, Err(PutRecordError::Older { sequence: 5 })), "{older:?}");
    node.ipns.put(&long.name(), record(&long, 5, 2_000)).await.expect("a later end wins");
    let rows = || store.meta_scan(super::FOREIGN, &[], None).count();
    assert_eq!(rows(), 2);
    node.workers.get("ipns").expect("there is one").step().await.expect("a step");
    assert_eq!(rows(), 1);
    // Nobody but this node signs for its own names.
    let other = node.ipns.put(&name, record(&long, 9, 2_000)).await;
    assert!(matches!(other, Err(PutRecordError::Invalid(_))), "{other:?}");
}

#[tokio::test]
async fn what_nobody_brings_or_asks_for_gives_way_and_no_own_name_does() {
    let store = Store::memory(Options::default());
    let clock = Arc::new(Moving::default());
    let node = Node::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
    let own = node.ipns.name_of(&CoreId::of(b"some core")).await.expect("made");
    let key = |n: u8| SecretKey::from_seed(&[n; 32]);
    let put = async |n: u8, sequence: u64| {
        clock.0.fetch_add(1_000, Ordering::Relaxed);
        node.ipns.put(&key(n).name(), record(&key(n), sequence, u64::from(u32::MAX))).await.expect("kept");
    };
    let is_here = async |n: u8| node.ipns.record(&key(n).name()).await.expect("readable").is_some();
    for n in 1..=3 {
        put(n, 1).await;
    }
    node.ipns.0.foreign.lock().await.get_mut().expect("three were put").room.records = 3;
    // The first is asked for, the second is brought again: the third has waited the longest.
    clock.0.fetch_add(1_000, Ordering::Relaxed);
    assert!(is_here(1).await);
    put(2, 2).await;
    put(4, 1).await;
    let stored = || store.meta_scan(super::FOREIGN, &[], None).count();
    assert_eq!(stored(), 3);
    assert!(!is_here(3).await);
    // Anybody may bring as many names as they like: they push each other out.
    for n in 10..200 {
        assert!(is_here(1).await, "what is asked for stays");
        put(n, 1).await;
        assert_eq!(stored(), 3);
    }
    assert!(!is_here(2).await && !is_here(4).await && is_here(198).await && is_here(199).await);
    assert_eq!(node.ipns.name_of(&CoreId::of(b"some core")).await.expect("kept"), own);
    // Bytes count too, and one that is too large for what is left takes the place of several.
    let bytes = record(&key(1), 1, u64::from(u32::MAX)).encode().len();
    node.ipns.0.foreign.lock().await.get_mut().expect("it was read").room.bytes = 2 * bytes + 1;
    put(7, 1).await;
    assert_eq!(stored(), 2);
    // Dates outlive a restart.
    let again = Node::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
    clock.0.fetch_add(1_000, Ordering::Relaxed);
    again.ipns.put(&key(8).name(), record(&key(8), 1, u64::from(u32::MAX))).await.expect("kept");
    assert_eq!(stored(), 3, "as many as a node may keep by default");
    again.ipns.0.foreign.lock().await.get_mut().expect("it was read").room.records = 1;
    again.ipns.put(&key(9).name(), record(&key(9), 1, u64::from(u32::MAX))).await.expect("kept");
    assert_eq!(stored(), 1);
}

/// A clock that the test moves.
#[derive(Debug, Default)]
struct Moving(AtomicU64);

impl Clock for Moving {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
