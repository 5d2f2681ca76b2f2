//! Two of our own nodes over loopback, and peers that misbehave.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{Block, Codec};
use kubelt_node::{LookingUp, NodeKey, PublishedBlock, PublishedBlocks};
use parking_lot::Mutex;

use crate::{FetchError, Net, NetConfig, SessionEvent};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Shelf(Mutex<HashMap<Cid, Bytes>>);

impl Shelf {
    fn of(blocks: &[Block]) -> Arc<Self> {
        let all = blocks.iter().map(|block| (*block.cid(), block.data().clone())).collect();
        Arc::new(Self(Mutex::new(all)))
    }
}

impl PublishedBlocks for Shelf {
    fn look_up(&self, asked: Vec<(Cid, bool)>, bytes_max: usize) -> LookingUp<'_> {
        let mut bytes = 0;
        let look = |(cid, with_bytes): (Cid, bool)| match self.0.lock().get(&cid) {
            None => PublishedBlock::Missing,
            Some(_) if !with_bytes => PublishedBlock::Here,
            Some(data) => PublishedBlock::Bytes(data.clone()),
        };
        let found = asked.into_iter().map(look).take_while(|found| {
            let fits = bytes == 0 || bytes < bytes_max;
            if let PublishedBlock::Bytes(data) = found {
                bytes += data.len();
            }
            fits
        });
        Box::pin(std::future::ready(found.collect()))
    }

    fn openings(&self) -> u64 {
        self.0.lock().len() as u64
    }
}

async fn node(seed: u8, blocks: &[Block]) -> Net {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")];
    let config = NetConfig { listen, ..NetConfig::default() };
    let net = Net::start(&NodeKey::from_seed([seed; 32]), &config).await.expect("starts");
    net.serve_blocks(Shelf::of(blocks));
    net
}

fn blocks(count: usize, bytes: usize) -> Vec<Block> {
    let block = |n: usize| {
        let mut data = vec![0; bytes];
        data[..8].copy_from_slice(&n.to_le_bytes());
        Block::new(Codec::Raw, data.into()).expect("within the limit")
    };
    (0..count).map(block).collect()
}

async fn connect(a: &Net, b: &Net) {
    a.connect(b.addresses()[0].clone()).await.expect("connects");
}

#[tokio::test]
async fn nodes_exchange_blocks_both_ways() {
    let all = blocks(3, 1_000);
    let (a, b) = (node(21, &all[..2]).await, node(22, &all[2..]).await);
    connect(&a, &b).await;
    for (net, block) in [(&b, &all[0]), (&a, &all[2]), (&b, &all[1])] {
        assert_eq!(net.fetch_block(*block.cid(), LONG).await.as_ref(), Ok(block.data()));
    }
    let missing = *blocks(4, 1_000)[3].cid();
    assert_eq!(a.fetch_block(missing, Duration::from_millis(50)).await, Err(FetchError::Timeout));
    let counts = b.bitswap_counts();
    assert_eq!((counts.received_blocks, counts.received_bytes, counts.refused), (2, 2_000, 0));
    assert_eq!(counts.sent_blocks, 1);
}

#[tokio::test]
async fn a_session_gets_everything_within_its_budget() {
    // Small ones, and the largest that there are.
    for (count, bytes) in [(3_000, 300), (20, 2 << 20)] {
        let all = blocks(count, bytes);
        let server = node(23, &all).await;
        let client = node(24, &[]).await;
        connect(&client, &server).await;
        let mut session = client.block_session(8 << 20);
        session.want(all.iter().map(|block| *block.cid()).collect()).expect("within the limit");
        let mut missing: HashMap<Cid, Bytes> = all.into_iter().map(Block::into_parts).collect();
        while !missing.is_empty() {
            match session.next().await.expect("the network runs") {
                SessionEvent::Block { cid, data, peer } => {
                    assert_eq!(missing.remove(&cid), Some(data));
                    assert_eq!(peer, server.id());
                }
                SessionEvent::Starved(_) => {}
            }
        }
        assert_eq!(client.bitswap_counts().duplicates, 0);
    }
}

/// Has everything that is asked for, and sends other bytes.
#[derive(Debug)]
struct Forger;

impl PublishedBlocks for Forger {
    fn look_up(&self, asked: Vec<(Cid, bool)>, _: usize) -> LookingUp<'_> {
        let forged = |(_, with_bytes)| match with_bytes {
            true => PublishedBlock::Bytes(Bytes::from_static(b"other bytes")),
            false => PublishedBlock::Here,
        };
        Box::pin(std::future::ready(asked.into_iter().map(forged).collect()))
    }

    fn openings(&self) -> u64 {
        0
    }
}

#[tokio::test]
async fn a_forger_is_refused_and_others_are_asked() {
    let all = blocks(50, 1_000);
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")];
    let config = NetConfig { listen, ..NetConfig::default() };
    let forger = Net::start(&NodeKey::from_seed([41; 32]), &config).await.expect("starts");
    forger.serve_blocks(Arc::new(Forger));
    let (client, honest) = (node(42, &[]).await, node(43, &all).await);
    connect(&client, &forger).await;
    let mut session = client.block_session(1 << 20);
    session.want(all.iter().map(|block| *block.cid()).collect()).expect("within the limit");
    // Nothing of it counts, and in the end its connection is closed.
    while client.peers().iter().any(|peer| peer.id == forger.id()) || client.bitswap_counts().refused == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.bitswap_counts().received_blocks, 0);
    connect(&client, &honest).await;
    let mut got = 0;
    while got < all.len() {
        if let SessionEvent::Block { peer, .. } = session.next().await.expect("the network runs") {
            assert_eq!(peer, honest.id());
            got += 1;
        }
    }
}

#[tokio::test]
async fn whoever_comes_later_is_asked_for_what_nobody_had() {
    let all = blocks(1, 100);
    let (client, empty, late) = (node(25, &[]).await, node(26, &[]).await, node(27, &all).await);
    connect(&client, &empty).await;
    let mut session = client.block_session(1 << 20);
    session.want(vec![*all[0].cid()]).expect("within the limit");
    assert_eq!(session.next().await, Some(SessionEvent::Starved(*all[0].cid())));
    connect(&client, &late).await;
    loop {
        match session.next().await.expect("the network runs") {
            SessionEvent::Block { data, .. } => break assert_eq!(&data, all[0].data()),
            SessionEvent::Starved(_) => {}
        }
    }
}

#[tokio::test]
async fn who_waits_gets_a_block_once_it_is_published() {
    let all = blocks(2, 1_000);
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")];
    let config = NetConfig { listen, ..NetConfig::default() };
    let server = Net::start(&NodeKey::from_seed([44; 32]), &config).await.expect("starts");
    let shelf = Shelf::of(&[]);
    server.serve_blocks(shelf.clone());
    let client = node(45, &[]).await;
    connect(&client, &server).await;
    let mut session = client.block_session(1 << 20);
    session.want(vec![*all[0].cid()]).expect("within the limit");
    assert_eq!(session.next().await, Some(SessionEvent::Starved(*all[0].cid())));
    for block in &all {
        shelf.0.lock().insert(*block.cid(), block.data().clone());
    }
    // Long before everybody is asked again.
    let next = tokio::time::timeout(Duration::from_secs(20), session.next()).await.expect("it comes");
    assert_eq!(next.map(|event| matches!(event, SessionEvent::Block { .. })), Some(true));
    assert_eq!(server.bitswap_counts().sent_blocks, 1);
}

#[tokio::test]
async fn a_peer_that_goes_leaves_its_part_to_others() {
    let all = blocks(200, 100_000);
    let (client, goes, stays) = (node(28, &[]).await, node(29, &all).await, node(30, &all).await);
    connect(&client, &goes).await;
    let mut session = client.block_session(4 << 20);
    session.want(all.iter().map(|block| *block.cid()).collect()).expect("within the limit");
    let (mut got, mut goes) = (0, Some(goes));
    while got < all.len() {
        match session.next().await.expect("the network runs") {
            SessionEvent::Block { .. } => got += 1,
            SessionEvent::Starved(_) => {}
        }
        if got == 20 && goes.take().is_some() {
            connect(&client, &stays).await;
        }
    }
}
