//! Peers that do not keep to the protocol, frame by frame.

use std::time::Duration;

use bytes::Bytes;
use kubelt_content::Ipld;
use kubelt_core::{
    Act, Body, CoreId, EoaKey, Header, Hlc, OpId, PublicKey, SessionKey,
    peer::{FRAME_HEAD_BYTES, FrameHead, Hello, Kind, Open, Opened, Want},
    schema::Visibility,
    sync::Message,
};
use serde_bytes::ByteBuf;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    task::JoinHandle,
    time::Instant,
};

use super::{
    super::{Link, effort::Asker, intake::Intake},
    world::{Fleet, Person, body, wallet},
};
use crate::{
    LinkError, PeerFault,
    limits::{
        FETCH_ROOM_BYTES_MAX, FETCH_ROOM_OF_ONE_BYTES_MAX, PEER_EFFORT_MAX, PEER_EFFORT_SHARE,
        PEER_FRAME_TIME, PEER_OUT_BYTES_MAX, PEER_SILENCE_MAX, PEER_STALL_MAX, PEER_STRIKES_REMEMBERED_MAX,
        PEER_SYNC_TIME_MAX,
    },
};

/// A peer of our own, and the connection of the node that it speaks with.
pub(super) struct Liar {
    pub(super) stream: DuplexStream,
    pub(super) ended: JoinHandle<Result<(), LinkError>>,
}

impl Liar {
    /// One that has connected and greeted. The node takes it for whoever has this key.
    pub(super) async fn greeted(victim: &Person, seed: u8) -> Self {
        let mut liar = Self::connected(victim, seed);
        liar.send(0, Kind::Hello, &Hello { v: 1, nonce: [3; 32] }.encode()).await;
        let (head, _) = liar.hear().await;
        assert_eq!(head.kind, Kind::Hello);
        liar
    }

    pub(super) fn connected(victim: &Person, seed: u8) -> Self {
        Self::connected_as(victim, SessionKey::from_seed([seed; 32]).public())
    }

    pub(super) fn connected_as(victim: &Person, key: PublicKey) -> Self {
        Self::connected_by(victim, key, 4 * 1_024 * 1_024)
    }

    /// One behind a pipe that holds so many bytes of what nobody reads.
    fn connected_by(victim: &Person, key: PublicKey, pipe_bytes: usize) -> Self {
        let (stream, there) = tokio::io::duplex(pipe_bytes);
        let replication = victim.node.replication.clone();
        Self { stream, ended: tokio::spawn(async move { replication.accept(there, key).await }) }
    }

    pub(super) async fn send(&mut self, channel: u32, kind: Kind, payload: &[u8]) {
        let head = FrameHead { len: payload.len(), channel, kind }.encode();
        // The node may have hung up; then the test looks why.
        let _ = self.stream.write_all(&[head.as_slice(), payload].concat()).await;
    }

    pub(super) async fn hear(&mut self) -> (FrameHead, Bytes) {
        let mut head = [0; FRAME_HEAD_BYTES];
        self.stream.read_exact(&mut head).await.expect("it answers");
        let head = FrameHead::decode(&head).expect("a frame");
        let mut payload = vec![0; head.len];
        self.stream.read_exact(&mut payload).await.expect("it answers");
        (head, payload.into())
    }

    /// The next frame of this kind.
    pub(super) async fn hear_kind(&mut self, kind: Kind) -> Bytes {
        loop {
            let (head, payload) = self.hear().await;
            if head.kind == kind {
                return payload;
            }
        }
    }

    /// How the node ended the connection.
    pub(super) async fn fault(self) -> PeerFault {
        match self.ended.await.expect("does not panic") {
            Err(LinkError::Peer(fault)) => fault,
            other => panic!("the peer was not at fault: {other:?}"),
        }
    }
}

/// Somebody at `a`, and the node `b` as a host of the core: a liar has its key.
async fn world() -> (Fleet, Person) {
    let fleet = Fleet::new(&["a"]).await;
    let a = fleet.at("a").sign_in(&wallet(1)).await;
    let key = SessionKey::from_seed([7; 32]).public();
    let host = kubelt_core::schema::Host { peer: key, addresses: Default::default(), spare: false };
    a.set(kubelt_core::schema::Host::path(&key).as_str(), host.to_ipld()).await;
    (fleet, a)
}

/// A host of the core that has opened it.
async fn opened(a: &Person) -> Liar {
    let mut liar = Liar::greeted(a, 7).await;
    liar.send(1, Kind::Open, &Open { core: a.session.core, live: false, proof: None }.encode()).await;
    let answer = Opened::decode(&liar.hear_kind(Kind::Opened).await).expect("is answered");
    assert!(answer.full);
    liar
}

#[tokio::test]
async fn what_is_no_frame_ends_the_connection() {
    let (_fleet, a) = world().await;
    let oversized = FrameHead { len: Kind::Sync.bytes_max() + 1, channel: 1, kind: Kind::Sync }.encode();
    let unknown = [0, 0, 0, 0, 0, 0, 0, 1, 77];
    for (seed, bytes) in [(20, oversized), (21, unknown)] {
        let mut liar = Liar::greeted(&a, seed).await;
        liar.stream.write_all(&bytes).await.expect("is sent");
        assert!(matches!(liar.fault().await, PeerFault::Frame(_)));
    }
    let mut liar = Liar::connected(&a, 30);
    liar.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("is sent");
    assert!(matches!(liar.fault().await, PeerFault::Frame(_)));
    let mut liar = Liar::greeted(&a, 31).await;
    liar.send(0, Kind::Hello, &Hello { v: 1, nonce: [3; 32] }.encode()).await;
    assert!(matches!(liar.fault().await, PeerFault::Unexpected(Kind::Hello)));
    let mut liar = Liar::greeted(&a, 32).await;
    liar.send(2, Kind::Open, &Open { core: a.session.core, live: false, proof: None }.encode()).await;
    assert!(matches!(liar.fault().await, PeerFault::Channel(2)));
}

#[tokio::test]
async fn who_was_at_fault_is_left_alone_for_a_while() {
    let (fleet, a) = world().await;
    let mut liar = Liar::greeted(&a, 7).await;
    liar.send(0, Kind::Hello, &[]).await;
    liar.fault().await;
    let key = SessionKey::from_seed([7; 32]).public();
    assert_eq!(a.node.replication.faults(&key), 1);
    let again = Liar::connected(&a, 7).ended.await.expect("does not panic");
    assert!(matches!(again, Err(LinkError::Struck)), "{again:?}");
    fleet.clock.tick(2 * 60 * 1_000);
    opened(&a).await;
}

#[tokio::test]
async fn faults_of_many_keys_fill_nothing() {
    let (_fleet, a) = world().await;
    let replication = &a.node.replication;
    let key = |n: usize| {
        let mut seed = [1; 32];
        seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
        SessionKey::from_seed(seed).public()
    };
    for n in 0..PEER_STRIKES_REMEMBERED_MAX + 2 {
        replication.strike(&key(n), &PeerFault::Unasked);
    }
    assert_eq!(replication.0.strikes.lock().len(), PEER_STRIKES_REMEMBERED_MAX);
    assert_eq!(replication.faults(&key(PEER_STRIKES_REMEMBERED_MAX + 1)), 1, "the newest is remembered");
}

#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for() {
    let (_fleet, a) = world().await;
    assert!(matches!(Liar::connected(&a, 40).fault().await, PeerFault::Silent), "no greeting");
    let mut slow = Liar::greeted(&a, 41).await;
    slow.stream.write_all(&[0]).await.expect("is sent");
    assert!(matches!(slow.fault().await, PeerFault::Silent), "the beginning of a frame");
}

/// However it is carried, by TLS or by a stream of libp2p: these are bytes that come too slowly.
#[tokio::test(start_paused = true)]
async fn a_frame_that_comes_in_drops_is_not_waited_for() {
    let (_fleet, a) = world().await;
    let head = FrameHead { len: 100_000, channel: 1, kind: Kind::Sync }.encode();
    let mut slow = opened(&a).await;
    slow.stream.write_all(&head).await.expect("is sent");
    drips(slow, PEER_FRAME_TIME).await;
    drips(Liar::greeted(&a, 42).await, PEER_SILENCE_MAX).await;
}

/// Sends a byte now and then, until the node has enough of it; that must not take longer.
async fn drips(mut liar: Liar, longest: Duration) {
    const EVERY: Duration = Duration::from_secs(10);
    let began = Instant::now();
    while !liar.ended.is_finished() {
        assert!(began.elapsed() <= longest + 2 * EVERY, "the node waits and waits");
        // The node may have hung up.
        let _ = liar.stream.write_all(&[0]).await;
        tokio::time::advance(EVERY).await;
        tokio::task::yield_now().await;
    }
    assert!(matches!(liar.fault().await, PeerFault::Silent));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_given_up() {
    let (_fleet, a) = world().await;
    a.put("large", body("large", 30_000_000), Visibility::Private).await;
    let mut liar = opened(&a).await;
    let path = "content/large".parse().expect("a path");
    let state = a.store.state(&a.session.core, &path).expect("reads").expect("is there");
    let root = crate::write::content_entry(&state.value).expect("content").cid;
    let links = kubelt_content::links(
        kubelt_content::Codec::DagPb,
        &a.store.block(&root).expect("reads").expect("it"),
    );
    liar.send(1, Kind::Want, &Want { cids: links.expect("a node").into_iter().take(100).collect() }.encode())
        .await;
    // The pings of the liar go on, so it is not silent.
    let fault = loop {
        liar.send(0, Kind::Pong, &[]).await;
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        tokio::task::yield_now().await;
        if liar.ended.is_finished() {
            break liar.fault().await;
        }
    };
    assert!(matches!(fault, PeerFault::Stalled), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_too_much_work_waits_and_is_answered() {
    let (_fleet, a) = world().await;
    let mut liar = opened(&a).await;
    let key = SessionKey::from_seed([7; 32]).public();
    let over = std::time::Duration::from_secs(100);
    let asker = Asker { peer: &key, is_stranger: false };
    a.node.replication.0.efforts.put_down(asker, PEER_EFFORT_MAX + over, 0);
    let before = Instant::now();
    let nothing =
        kubelt_content::Block::new(kubelt_content::Codec::Raw, Bytes::from_static(b"x")).expect("short");
    liar.send(1, Kind::Want, &Want { cids: vec![*nothing.cid()] }.encode()).await;
    // Meanwhile the connection is seen to live.
    liar.hear_kind(Kind::Ping).await;
    liar.send(0, Kind::Pong, &[]).await;
    loop {
        let (head, _) = liar.hear().await;
        match head.kind {
            Kind::Ping => liar.send(0, Kind::Pong, &[]).await,
            Kind::NotHere => break,
            other => panic!("it says {other:?}"),
        }
    }
    let waited = before.elapsed();
    assert!(waited >= over * PEER_EFFORT_SHARE - std::time::Duration::from_secs(1), "it took {waited:?}");
}

#[tokio::test]
async fn a_walk_that_gets_no_more_memory_is_begun_again() {
    let fleet = Fleet::new(&["old", "new"]).await;
    let (old, new) = (fleet.at("old").sign_in(&wallet(1)).await, fleet.at("new").sign_in(&wallet(1)).await);
    old.put("wide", body("wide", 42_000_000), Visibility::Private).await;
    let link = fleet.connect("new", "old").await;
    let mut others = Vec::new();
    while new.node.replication.0.room.taken() < FETCH_ROOM_BYTES_MAX {
        let mut part = new.node.replication.0.room.clone().part();
        let left = FETCH_ROOM_BYTES_MAX - new.node.replication.0.room.taken();
        assert!(part.holds(left.min(FETCH_ROOM_OF_ONE_BYTES_MAX)));
        others.push(part);
    }
    let exchanged = new.pull(&link, false).await.expect("is exchanged");
    assert_eq!((exchanged.settled, exchanged.incomplete), (true, 1), "{exchanged:?}");
    drop(others);
    let exchanged = new.pull(&link, false).await.expect("is exchanged");
    assert_eq!((exchanged.settled, exchanged.incomplete), (true, 0), "{exchanged:?}");
    assert_eq!(new.node.replication.0.room.taken(), 0);
}

/// The connection with a peer that does not read, as the node has it.
async fn deaf(a: &Person) -> (Liar, Link) {
    let mut liar = Liar::connected_by(a, SessionKey::from_seed([7; 32]).public(), 256);
    liar.send(0, Kind::Hello, &Hello { v: 1, nonce: [3; 32] }.encode()).await;
    assert_eq!(liar.hear().await.0.kind, Kind::Hello);
    loop {
        if let Some(link) = a.node.replication.0.accepted.lock().last() {
            return (liar, link.clone());
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn pings_of_a_peer_that_does_not_read_fill_nothing() {
    let (_fleet, a) = world().await;
    let (mut liar, link) = deaf(&a).await;
    let pings = FrameHead { len: 0, channel: 0, kind: Kind::Ping }.encode().repeat(1_000);
    for _ in 0..100 {
        liar.stream.write_all(&pings).await.expect("the node goes on reading");
    }
    assert!(link.out().waiting_bytes() <= 1_024, "{} bytes wait", link.out().waiting_bytes());
    assert!(!link.is_over());
}

#[tokio::test(start_paused = true)]
async fn who_makes_a_node_say_more_than_it_reads_is_dropped_at_once() {
    let (_fleet, a) = world().await;
    let (liar, link) = deaf(&a).await;
    let (before, frame) = (Instant::now(), vec![0; 1_024 * 1_024]);
    for _ in 0..2 * PEER_OUT_BYTES_MAX / frame.len() {
        link.out().say(1, Kind::Sync, &frame);
    }
    let most = PEER_OUT_BYTES_MAX + frame.len();
    assert!(link.out().waiting_bytes() <= most, "{} bytes wait", link.out().waiting_bytes());
    assert!(matches!(liar.fault().await, PeerFault::Deaf));
    assert!(before.elapsed() < PEER_STALL_MAX, "it took {:?}", before.elapsed());
    assert_eq!(a.node.replication.faults(&SessionKey::from_seed([7; 32]).public()), 1);
}

#[tokio::test]
async fn more_wishes_than_may_wait_are_a_fault() {
    let (_fleet, a) = world().await;
    a.put("large", body("large", 20_000_000), Visibility::Private).await;
    let mut liar = opened(&a).await;
    let path = "content/large".parse().expect("a path");
    let state = a.store.state(&a.session.core, &path).expect("reads").expect("is there");
    let root = crate::write::content_entry(&state.value).expect("content").cid;
    let links = kubelt_content::links(
        kubelt_content::Codec::DagPb,
        &a.store.block(&root).expect("reads").expect("it"),
    );
    let some: Vec<_> = links.expect("a node").into_iter().cycle().take(256).collect();
    for _ in 0..20 {
        liar.send(1, Kind::Want, &Want { cids: some.clone() }.encode()).await;
    }
    assert!(matches!(liar.ended.await.expect("ends"), Ok(()) | Err(_)));
    let key = SessionKey::from_seed([7; 32]).public();
    assert_eq!(a.node.replication.faults(&key), 1);
}

#[tokio::test]
async fn what_nobody_asked_for_is_a_fault() {
    let (_fleet, a) = world().await;
    let mut liar = opened(&a).await;
    let block =
        kubelt_content::Block::new(kubelt_content::Codec::Raw, Bytes::from_static(b"x")).expect("short");
    liar.send(1, Kind::Block, &[block.cid().to_bytes(), b"x".to_vec()].concat()).await;
    drop(liar.ended.await);
    assert_eq!(a.node.replication.faults(&SessionKey::from_seed([7; 32]).public()), 1);
}

/// Begins a sync of channel 1 that goes on only when the peer says so: the node answers with its heads.
pub(super) async fn hold_open(liar: &mut Liar, core: CoreId) {
    let heads = vec![OpId::from_digest([9; 32])];
    let hello = Message::Hello { core, heads, count: 1, knows: false, wants: false };
    liar.send(1, Kind::Sync, &hello.encode()).await;
    let answer = Message::decode(&liar.hear_kind(Kind::Sync).await).expect("a message");
    assert!(matches!(answer, Message::Hello { knows: false, .. }), "{answer:?}");
}

/// Asks on channel 1 for what the core has: its set, operations and blocks. The node must end the channel instead.
pub(super) async fn ask_for_all(liar: &mut Liar, ops: Vec<OpId>, block: cid::Cid) {
    let everything = Message::Recon { bytes: ByteBuf::from(vec![0x61, 0, 0, 2, 0]) };
    let want = Message::Want { ops: ops.clone(), bodies: ops, more: false };
    liar.send(1, Kind::Sync, &everything.encode()).await;
    liar.send(1, Kind::Sync, &want.encode()).await;
    liar.send(1, Kind::Want, &Want { cids: vec![block] }.encode()).await;
    assert_eq!(liar.hear().await.0.kind, Kind::NotFound);
}

#[tokio::test]
async fn a_removed_host_gets_nothing_by_a_sync_that_it_holds_open() {
    let (_fleet, a) = world().await;
    let core = a.session.core;
    for settled in [true, false] {
        let path = kubelt_core::schema::Host::path(&SessionKey::from_seed([7; 32]).public());
        let host = kubelt_core::schema::Host {
            peer: SessionKey::from_seed([7; 32]).public(),
            addresses: Default::default(),
            spare: false,
        };
        a.set(path.as_str(), host.to_ipld()).await;
        let mut liar = opened(&a).await;
        hold_open(&mut liar, core).await;
        a.set(path.as_str(), Ipld::Null).await;
        a.put("secret", body("secret", 300_000), Visibility::Private).await;
        if settled {
            // The channel has looked at the change before the peer asks.
            assert_eq!(liar.hear().await.0.kind, Kind::NotFound);
            continue;
        }
        let ops = a.store.heads(&core).expect("reads");
        let state = a.store.state(&core, &"content/secret".parse().expect("a path")).expect("reads");
        let root = crate::write::content_entry(&state.expect("is there").value).expect("content").cid;
        ask_for_all(&mut liar, ops, root).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_is_held_open_is_not_waited_for() {
    let (_fleet, a) = world().await;
    let mut liar = opened(&a).await;
    hold_open(&mut liar, a.session.core).await;
    let before = Instant::now();
    loop {
        liar.send(0, Kind::Pong, &[]).await;
        tokio::select! {
            (head, _) = liar.hear() => if head.kind == Kind::Close { break },
            () = tokio::time::sleep(PEER_STALL_MAX / 2) => {}
        }
        assert!(before.elapsed() < 2 * PEER_SYNC_TIME_MAX, "it goes on");
    }
    assert!(before.elapsed() >= PEER_SYNC_TIME_MAX, "it took {:?}", before.elapsed());
}

#[tokio::test]
async fn a_forged_operation_is_a_fault_and_leaves_no_trace() {
    let (_fleet, a) = world().await;
    let before = a.store.heads(&a.session.core).expect("reads");
    for forge in [signed_by_another, signed_badly] {
        let mut liar = opened(&a).await;
        let (signed, body) = forge(&a);
        liar.send(1, Kind::Sync, &hello(&a).encode()).await;
        liar.hear_kind(Kind::Sync).await;
        let headers = Message::Headers { ops: vec![ByteBuf::from(signed)], logins: Vec::new() };
        let bodies = Message::Bodies { bodies: vec![ByteBuf::from(body)], last: true };
        for message in [headers, bodies] {
            liar.send(1, Kind::Sync, &message.encode()).await;
        }
        drop(liar.ended.await);
        assert_eq!(a.store.heads(&a.session.core).expect("reads"), before);
        let key = SessionKey::from_seed([7; 32]).public();
        assert!(a.node.replication.faults(&key) > 0);
        _fleet.clock.tick(24 * 60 * 60 * 1_000 / 2);
    }
}

#[tokio::test]
async fn who_sends_what_cannot_be_taken_in_pays_for_its_checks() {
    let (_fleet, a) = world().await;
    let received = |prev: Option<OpId>| {
        let (mut header, body) = put(&a, &wallet(1));
        header.prev = prev.map_or(header.prev, |prev| vec![prev]);
        let signed = wallet(1).sign_op(header, &body).expect("has words");
        vec![kubelt_core::sync::Received { signed, login: None, body: Some(body) }]
    };
    let mut intake = Intake::new(a.node.replication.clone(), a.session.core);
    for (prev, fresh) in [(Some(OpId::from_digest([9; 32])), 0), (None, 1)] {
        let taken = intake.take(received(prev)).await.expect("is no fault");
        assert_eq!(taken + intake.finish().await.expect("is no fault"), fresh);
        assert_eq!(intake.take_wasted().is_zero(), fresh == 1);
    }
}

fn hello(a: &Person) -> Message {
    let core = a.session.core;
    let mut heads = a.store.heads(&core).expect("reads");
    heads.sort_unstable();
    Message::Hello { core, heads, count: 1_000, knows: false, wants: false }
}

fn put(a: &Person, by: &EoaKey) -> (Header, Body) {
    let core = a.session.core;
    let act =
        Act::Put { path: "profile/name".parse().expect("a path"), value: Ipld::String("liar".to_owned()) };
    let body = Body::new([1; 16], act);
    let mut prev = a.store.heads(&core).expect("reads");
    prev.sort_unstable();
    let newest = prev.iter().filter_map(|id| a.store.op(&core, id).expect("reads")).map(|op| op.at).max();
    let at = Hlc::from_bits(newest.map_or(0, Hlc::bits) + 1);
    let (by, verb, id) = (by.account(), body.act.verb(), body.id());
    let header = Header {
        v: 1,
        core,
        prev,
        by,
        login: None,
        auth: core.as_root(),
        at,
        votes: Vec::new(),
        verb,
        body: id,
    };
    (header, body)
}

/// A good signature of somebody who has no part in the core.
fn signed_by_another(a: &Person) -> (Vec<u8>, Vec<u8>) {
    let (header, body) = put(a, &wallet(2));
    (wallet(2).sign_op(header, &body).expect("has words").encode(), body.encode())
}

/// In the owner's name, by another key.
fn signed_badly(a: &Person) -> (Vec<u8>, Vec<u8>) {
    let (header, body) = put(a, &wallet(1));
    let mut signed = wallet(1).sign_op(header, &body).expect("has words");
    signed.signature[10] ^= 1;
    (signed.encode(), body.encode())
}
