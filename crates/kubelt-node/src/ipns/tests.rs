use std::{sync::Arc, time::Duration};

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
