//! Single blocks of hosts that a core names, over replication.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use kubelt_content::{Block, Codec, Ipld};
use kubelt_core::{Act, schema::Host};

use super::world;
use crate::{FetchProgress, Fetched, Reader, Write, content::BlockSink};

#[tokio::test]
async fn hosts_of_a_core_give_what_it_lacks_block_by_block() {
    let (a, b, cable, address) = world().await;
    let core = b.session.core;
    // Only the other node has the content, and the map there names this one.
    let leaf = |n: u8| Block::new(Codec::Raw, Bytes::from(vec![n; 1_000])).expect("small");
    let leaves = [1, 2, 3].map(leaf);
    let links = leaves.iter().map(|leaf| Ipld::Link(*leaf.cid())).collect();
    let data = Codec::DagCbor.encode(&Ipld::List(links)).expect("a value");
    let root = Block::new(Codec::DagCbor, data).expect("small");
    let cid = *root.cid();
    let mut sink = BlockSink::new(a.node.content.clone(), core);
    for block in leaves.into_iter().chain([root]) {
        sink.put(block).await.expect("is taken");
    }
    sink.flush().await.expect("is stored");
    for (side, peer, addresses) in [(&a, b.key, Default::default()), (&b, a.key, [address.text].into())] {
        let value = Host { peer, addresses, spare: false }.to_ipld();
        let act = Act::Put { path: Host::path(&peer), value };
        let write = Write::Act { session: Arc::clone(&side.session), act };
        side.node.cores.write(core, write).await.expect("is written");
    }
    let (progress, reader) = (FetchProgress::default(), Reader::Session(Arc::clone(&b.session)));
    let fetch = || b.node.fetcher.dag(&core, &cid, &reader, &progress, &|| true);
    cable.out.store(true, Ordering::SeqCst);
    assert_eq!(fetch().await.expect("looks"), Fetched::Missing(1));
    cable.out.store(false, Ordering::SeqCst);
    assert_eq!(fetch().await.expect("fetches"), Fetched::Whole);
    let text = progress.text();
    assert!(text.contains("4 blocks from hosts of the core by replication"), "{text}");
    assert_eq!((a.node.replication.faults(&b.key), b.node.replication.faults(&a.key)), (0, 0));
}
