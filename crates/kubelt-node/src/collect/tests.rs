//! A node against a naive model of what must be there.

mod kill;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{Codec, Ipld, unixfs::Profile};
use kubelt_core::{Act, EoaKey, codec, schema::Visibility};
use kubelt_store::{Options, Store};

use crate::{
    Ask, Clock, ContentError, Found, Leaks, Node, Reader, Session, Target, Write, content_path,
    limits::{EXPORT_HOLD_MS, GRACE_MS, HELD_LOOK_MS},
    worker::Step,
};

#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct World {
    store: Store,
    clock: Arc<HandClock>,
    node: Node,
    session: Arc<Session>,
}

const START_MS: u64 = 1_800_000_000_000;

async fn signed_in(node: &Node, secret: u8) -> Arc<Session> {
    let key = EoaKey::from_secret(&[secret; 32]).expect("a secret key");
    let ask = Ask::of(key.account());
    let made = node.sessions.challenge("localhost", ask).expect("a challenge");
    let opened = node.sessions.open("localhost", &made.message, &key.sign(made.message.as_bytes())).await;
    opened.expect("a session").session
}

impl World {
    async fn new() -> Self {
        let store = Store::memory(Options { segment_bytes: 20_000, ..Options::default() });
        let clock = Arc::new(HandClock(AtomicU64::new(START_MS)));
        let node = Node::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        let session = signed_in(&node, 1).await;
        Self { store, clock, node, session }
    }

    fn tick(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// Works until nothing is left to do now.
    async fn collect(&self) {
        let worker = self.node.workers.get("collector").expect("it is wired");
        while worker.step().await.expect("it works") == Step::More {}
    }

    async fn put(&self, path: &str, n: u64, visibility: Visibility) -> Cid {
        let target = Target {
            path: content_path(&[path.to_owned()]).expect("a path"),
            visibility,
            partial: false,
            media_type: None,
        };
        let mut upload = self.node.content.upload(Arc::clone(&self.session), self.session.core, target).await;
        upload.write(body(n)).await.expect("is taken");
        upload.finish().await.expect("is stored").cid
    }

    async fn remove(&self, path: &str) {
        let path = content_path(&[path.to_owned()]).expect("a path");
        self.node.content.remove(&self.session, &self.session.core, path).await.expect("is removed");
    }

    async fn keep(&self, keep: Ipld) {
        let value = Ipld::Map(BTreeMap::from([("keep".to_owned(), keep)]));
        let act = Act::Put { path: super::VERSIONS.parse().expect("a path"), value };
        let write = Write::Act { session: Arc::clone(&self.session), act };
        self.node.cores.write(self.session.core, write).await.expect("is written");
    }

    async fn read(&self, reader: &Reader, cid: &Cid) -> bool {
        match self.node.content.find_cid(reader, None, cid, &[]).await {
            Ok(Found::File(_) | Found::Block(_)) => true,
            Ok(Found::Directory { .. }) => panic!("nobody stored a directory"),
            Err(ContentError::NotFound) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn blocks(&self) -> u64 {
        self.store.stats().expect("reads").blocks
    }

    /// Leaks and mistakes: every block is reached by a kept root, and whatever a kept root reaches is there.
    fn check(&self, alive: &BTreeSet<u64>) {
        let here: BTreeSet<Vec<u8>> =
            self.store.blocks().map(|cid| cid.expect("reads").hash().to_bytes()).collect();
        let expected: BTreeSet<Vec<u8>> =
            alive.iter().flat_map(|n| blocks_of(*n)).map(|cid| cid.hash().to_bytes()).collect();
        assert!(expected.is_subset(&here), "a block that is reached is gone");
        assert_eq!(here.len(), expected.len(), "blocks that nothing reaches are still there");
        let usage = self.store.usage(&self.session.core).expect("reads");
        assert_eq!(usage.blocks, here.len() as u64);
        self.no_leaks();
    }

    fn no_leaks(&self) {
        assert_eq!(Leaks::find(&self.store, self.clock.now_ms()).expect("reads"), Leaks::default());
    }
}

/// Bodies of one block, and of some that share their first one.
fn body(n: u64) -> Bytes {
    match n % 3 {
        0 => Bytes::from(n.to_string()),
        _ => [vec![7; Profile::default().chunk_bytes()], n.to_string().into_bytes()].concat().into(),
    }
}

fn blocks_of(n: u64) -> Vec<Cid> {
    let mut builder = kubelt_content::unixfs::FileBuilder::new(Profile::default());
    let mut cids = Vec::new();
    let mut take = |block: kubelt_content::Block| -> Result<(), std::convert::Infallible> {
        cids.push(*block.cid());
        Ok(())
    };
    let whole = body(n);
    for chunk in whole.chunks(Profile::default().chunk_bytes()) {
        let (block, info) = Profile::default().leaf(Bytes::copy_from_slice(chunk));
        take(block).unwrap_or_else(|never| match never {});
        builder.push(&info, &mut take).unwrap_or_else(|never| match never {});
    }
    builder.finish(&mut take).unwrap_or_else(|never| match never {});
    cids
}

#[tokio::test]
async fn what_is_unpublished_is_closed_at_once_and_gone_soon() {
    let world = World::new().await;
    let cid = world.put("a", 1, Visibility::Public).await;
    world.collect().await;
    assert!(world.read(&Reader::Anonymous, &cid).await);
    let before = world.store.stats().expect("reads").segment_bytes;
    world.remove("a").await;
    assert!(!world.read(&Reader::Anonymous, &cid).await);
    world.collect().await;
    world.check(&BTreeSet::new());
    let after = world.store.stats().expect("reads").segment_bytes;
    assert!(after < before / 10, "{after} of {before} bytes are left");
}

#[tokio::test]
async fn versions_stay_as_the_settings_say() {
    let world = World::new().await;
    world.put("a", 0, Visibility::Private).await;
    world.keep(Ipld::Integer(2)).await;
    world.put("a", 3, Visibility::Private).await;
    world.put("a", 6, Visibility::Private).await;
    world.collect().await;
    world.check(&BTreeSet::from([3, 6]));
    world.remove("a").await;
    world.collect().await;
    world.check(&BTreeSet::from([6]));
    world.keep(Ipld::String("all".to_owned())).await;
    for n in [9, 12, 15] {
        world.put("a", n, Visibility::Private).await;
    }
    world.remove("a").await;
    world.collect().await;
    world.check(&BTreeSet::from([6, 9, 12, 15]));
    world.keep(Ipld::Integer(1)).await;
    world.collect().await;
    world.check(&BTreeSet::new());
}

#[tokio::test]
async fn what_is_on_its_way_stays() {
    let world = World::new().await;
    let core = world.session.core;
    let root = world.put("a", 1, Visibility::Private).await;
    let blocks = blocks_of(1);
    assert_eq!(world.node.content.missing(&core, &blocks).await.expect("reads"), []);
    world.remove("a").await;
    world.collect().await;
    assert_eq!(world.blocks(), blocks.len() as u64, "somebody asked for them since they were linked");
    let target = Target {
        path: content_path(&["b".to_owned()]).expect("a path"),
        visibility: Visibility::Public,
        partial: false,
        media_type: None,
    };
    world.node.content.link(&world.session, &core, target, root).await.expect("all is still there");
    assert!(world.read(&Reader::Anonymous, &root).await);
    world.tick(3 * GRACE_MS);
    world.collect().await;
    world.check(&BTreeSet::from([1]));
}

#[tokio::test]
async fn what_is_never_named_goes_when_its_time_is_over() {
    let world = World::new().await;
    let mut upload = world.node.content.upload_car(world.session.core).await;
    let (block, _info) = Profile::default().leaf(body(3));
    let (mut car, header) = kubelt_content::car::CarWriter::v1(&[*block.cid()]);
    upload.write(header).await.expect("a header");
    for piece in car.section(&block) {
        upload.write(piece).await.expect("a block");
    }
    upload.finish().await.expect("is whole");
    world.tick(GRACE_MS / 2);
    world.collect().await;
    world.check(&BTreeSet::from([3]));
    world.tick(3 * GRACE_MS);
    world.collect().await;
    world.check(&BTreeSet::new());
}

#[tokio::test]
async fn an_export_that_runs_keeps_what_it_will_read() {
    let world = World::new().await;
    let (core, reader) = (world.session.core, Reader::Session(Arc::clone(&world.session)));
    world.put("a", 1, Visibility::Private).await;
    let mut export = world.node.exchange.export(&reader, &core).await.expect("opens");
    // As far as the last operation, so that what is to be read is decided.
    let mut pieces = Vec::from_iter(export.by_ref().take(16));
    world.remove("a").await;
    world.collect().await;
    assert!(!world.read(&reader, &blocks_of(1)[0]).await, "no path leads there any more");
    pieces.extend(export.by_ref());
    let file = pieces.into_iter().collect::<Result<Vec<_>, _>>().expect("nothing is cut short").concat();
    for cid in blocks_of(1) {
        let bytes = world.store.block(&cid).expect("reads").expect("is held");
        assert!(file.windows(bytes.len()).any(|part| part == bytes), "`{cid}` is in the file");
    }
    drop(export);
    world.tick(3 * GRACE_MS);
    world.collect().await;
    world.check(&BTreeSet::new());
}

#[tokio::test]
async fn exports_hold_nothing_for_ever() {
    let world = World::new().await;
    let (core, reader) = (world.session.core, Reader::Session(Arc::clone(&world.session)));
    world.put("a", 1, Visibility::Private).await;
    world.put("b", 3, Visibility::Private).await;
    // One after the other, so that there always is one: those that begin too late hold nothing.
    let mut export = world.node.exchange.export(&reader, &core).await.expect("opens");
    world.remove("a").await;
    world.collect().await;
    assert_eq!(world.blocks(), blocks_of(1).len() as u64 + blocks_of(3).len() as u64, "it is held");
    let next = world.node.exchange.export(&reader, &core).await.expect("opens");
    drop(std::mem::replace(&mut export, next));
    world.tick(HELD_LOOK_MS);
    world.collect().await;
    world.check(&BTreeSet::from([3]));
    // A reader that never reads on: it holds what goes now, and not for longer than it may.
    world.remove("b").await;
    world.tick(EXPORT_HOLD_MS / 2);
    world.collect().await;
    assert_eq!(world.blocks(), blocks_of(3).len() as u64, "it is held");
    world.tick(EXPORT_HOLD_MS / 2);
    world.collect().await;
    world.check(&BTreeSet::new());
    drop(export);
}

/// Bytes that a DAG reaches twice, read as two codecs.
#[tokio::test]
async fn a_block_under_two_codecs_goes_like_any_other() {
    let world = World::new().await;
    let leaf = kubelt_content::Block::new(Codec::DagCbor, codec::encode(&Ipld::List(Vec::new())).into());
    let leaf = leaf.expect("a block");
    let plain = kubelt_content::Block::new(Codec::Raw, leaf.data().clone()).expect("a block");
    let links = Ipld::List(vec![Ipld::Link(*leaf.cid()), Ipld::Link(*plain.cid())]);
    let root = kubelt_content::Block::new(Codec::DagCbor, codec::encode(&links).into()).expect("a block");
    let mut upload = world.node.content.upload_car(world.session.core).await;
    let (mut car, header) = kubelt_content::car::CarWriter::v1(&[*root.cid()]);
    upload.write(header).await.expect("a header");
    for block in [&leaf, &root] {
        for piece in car.section(block) {
            upload.write(piece).await.expect("a block");
        }
    }
    upload.finish().await.expect("is whole");
    let target = Target {
        path: content_path(&["a".to_owned()]).expect("a path"),
        visibility: Visibility::Public,
        partial: false,
        media_type: None,
    };
    let (content, session) = (&world.node.content, &world.session);
    content.link(session, &session.core, target, *root.cid()).await.expect("is whole");
    world.remove("a").await;
    world.collect().await;
    world.check(&BTreeSet::new());
}

/// What a fault elsewhere would leave is found, and a sweep mends what the collector can.
#[tokio::test]
async fn leaks_are_found_and_swept() {
    let world = World::new().await;
    let core = world.session.core;
    world.put("a", 1, Visibility::Private).await;
    let gone = world.put("b", 3, Visibility::Private).await;
    world.tick(3 * GRACE_MS);
    world.collect().await;
    world.no_leaks();
    let mut tx = world.store.begin();
    // A possession, and a block of nobody.
    let (lost, _info) = Profile::default().leaf(body(6));
    tx.put_block(&core, lost.cid(), lost.data().clone()).expect("fits");
    let (nobody, _info) = Profile::default().leaf(body(9));
    tx.put_block(&core, nobody.cid(), nobody.data().clone()).expect("fits");
    // A root of which nothing is noted but what it reaches.
    let (stray, _info) = Profile::default().leaf(body(12));
    tx.put_block(&core, stray.cid(), stray.data().clone()).expect("fits");
    tx.reach(&core, stray.cid(), [stray.cid()]).expect("fits");
    tx.commit().wait().expect("is committed");
    let mut tx = world.store.begin();
    tx.dispossess(&core, nobody.cid()).expect("fits");
    // A path that lets go of its root without a word.
    let path = content_path(&["b".to_owned()]).expect("a path");
    let entry = world.store.meta_scan("kept", core.digest(), None);
    let kept: Vec<Bytes> = entry.map(|row| row.expect("reads").0).collect();
    for key in kept.iter().filter(|key| key.ends_with(path.as_str().as_bytes())) {
        tx.put_meta("kept", key, None).expect("fits");
    }
    tx.unname_root(&gone, &core, &path).expect("fits");
    tx.commit().wait().expect("is committed");
    let now_ms = world.clock.now_ms();
    let leaks = Leaks::find(&world.store, now_ms).expect("reads");
    assert_eq!((leaks.unowned, leaks.unreached, leaks.stray, leaks.unkept), (1, 1, 1, 1), "{leaks:?}");
    assert_eq!(leaks.miscounted, []);
    leaks.queue_sweeps(&world.store, now_ms).expect("is queued");
    world.tick(GRACE_MS);
    world.collect().await;
    world.tick(3 * GRACE_MS);
    world.collect().await;
    let left = Leaks::find(&world.store, world.clock.now_ms()).expect("reads");
    assert_eq!((left.unowned, left.unreached, left.stray, left.unkept), (1, 0, 0, 0), "{left:?}");
    for cid in [&gone, lost.cid(), stray.cid()] {
        assert!(!world.store.has_block(cid).expect("reads"), "`{cid}` is still there");
    }
    assert!(blocks_of(1).iter().all(|cid| world.store.has_block(cid).expect("reads")));
}

/// Random steps against a model, seeded.
#[tokio::test]
async fn nothing_is_lost_and_everything_is_freed_in_the_end() {
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let mut world = World::new().await;
    let mut named: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..300 {
        let path = format!("p{}", roll(5));
        match roll(10) {
            0..=3 => {
                let n = roll(12);
                let visibility = if roll(2) == 0 { Visibility::Public } else { Visibility::Private };
                world.put(&path, n, visibility).await;
                named.insert(path, n);
            }
            4..=5 => {
                world.remove(&path).await;
                named.remove(&path);
            }
            6 => {
                // A step or two, and then the node is started again in the middle of it.
                let worker = world.node.workers.get("collector").expect("it is wired");
                for _ in 0..roll(4) {
                    worker.step().await.expect("it works");
                }
                let node = Node::new(world.store.clone(), Arc::clone(&world.clock) as Arc<dyn Clock>);
                let session = signed_in(&node, 1).await;
                world = World { store: world.store, clock: world.clock, node, session };
            }
            7 => world.tick(roll(GRACE_MS)),
            _ => world.collect().await,
        }
        let alive: BTreeSet<u64> = named.values().copied().collect();
        for n in &alive {
            for cid in blocks_of(*n) {
                assert!(world.store.has_block(&cid).expect("reads"), "block of {n} is gone");
            }
        }
        for path in named.keys() {
            let reader = Reader::Session(Arc::clone(&world.session));
            let found =
                world.node.content.find(&reader, &world.session.core, std::slice::from_ref(path)).await;
            assert!(matches!(found, Ok(Found::File(_))), "`{path}` does not open");
        }
    }
    world.tick(3 * GRACE_MS);
    world.collect().await;
    world.check(&named.values().copied().collect());
}

/// Writers, removers and the collector at once, on threads of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_the_collector_do_not_hurt_each_other() {
    let world = Arc::new(World::new().await);
    let writers: Vec<_> = (0..4_u64)
        .map(|writer| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let path = format!("w{writer}");
                let mut last = 0;
                for round in 0..40 {
                    last = (writer + round) % 6;
                    world.put(&path, last, Visibility::Public).await;
                    let core = world.session.core;
                    let found =
                        world.node.content.find(&Reader::Anonymous, &core, std::slice::from_ref(&path)).await;
                    assert!(matches!(found, Ok(Found::File(_))), "`{path}` was just written");
                    if round % 3 == 2 {
                        world.remove(&path).await;
                    }
                }
                last
            })
        })
        .collect();
    let collecting = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            loop {
                world.collect().await;
                world.tick(1);
                tokio::task::yield_now().await;
            }
        })
    };
    let mut alive = BTreeSet::new();
    for writer in writers {
        alive.insert(writer.await.expect("no writer fails"));
    }
    collecting.abort();
    let _ended = collecting.await;
    world.tick(3 * GRACE_MS);
    world.collect().await;
    world.check(&alive);
}
