//! Kill -9 at random moments while writers put, put over and remove, and the collector and compaction run: what is
//! reachable is whole afterwards, and once the collector has come to rest nothing else is left.
//!
//! `KUBELT_KILL_ROUNDS` says how often (3 unless it is set), `KUBELT_KILL_SEED` repeats a run's dice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::{Block, Codec, Ipld, car::CarWriter};
use kubelt_core::{EoaKey, codec, schema::Visibility};
use kubelt_store::{Options, Store};

use super::{HandClock, START_MS, World, signed_in};
use crate::{
    Ask, Clock, Incomplete, Node, Reader, Session, Target, UploadError, content_path, limits::GRACE_MS,
    worker::Step, write::content_entry,
};

const TEST: &str = "collect::tests::kill::what_is_reachable_survives_kill_9_and_nothing_else";
const DIR: &str = "KUBELT_TEST_DIR";
const SEED: &str = "KUBELT_TEST_SEED";
const NOW_MS: &str = "KUBELT_TEST_NOW_MS";
const WRITERS: u64 = 4;
/// Paths of each of them.
const PATHS: u64 = 5;
/// Different DAGs; neighbours share leaves.
const DAGS: u64 = 24;
const LEAF_BYTES: usize = 9_000;
/// How much faster the clock of the writers goes, so that graces end while they write.
const HASTE: u64 = 2_000;

/// By writer and path, the DAG that is there.
type State = BTreeMap<(u64, u64), Option<u64>>;
/// What may be there: what was acknowledged last, and what was asked for since.
type Possible = BTreeMap<(u64, u64), Vec<Option<u64>>>;

#[test]
fn what_is_reachable_survives_kill_9_and_nothing_else() {
    if let Some(dir) = std::env::var_os(DIR) {
        return write_until_killed(Path::new(&dir));
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let rounds = number("KUBELT_KILL_ROUNDS").unwrap_or(3);
    let seed = number("KUBELT_KILL_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    say(&format!("killing the collector {rounds} times, KUBELT_KILL_SEED={seed}"));
    let dir = tempfile::tempdir().expect("a directory for the test");
    let mut dice = Dice(seed);
    let mut now_ms = START_MS;
    let mut state = State::new();
    for round in 1..=rounds {
        let lines = dice.below(200);
        let possible = run_and_kill(dir.path(), dice.below(u64::MAX), now_ms, lines, &state);
        now_ms += 1_000 * GRACE_MS;
        if round % 3 == 2 {
            fs::remove_dir_all(dir.path().join("index")).expect("the index can be deleted");
        }
        let rests = round % 2 == 0 || round == rounds;
        let (named, story) = block_on(check(dir.path(), now_ms, &possible, rests));
        state = named;
        now_ms += 1_000 * GRACE_MS;
        say(&format!("kill {round} of {rounds} after {lines} lines: {story}"));
    }
    block_on(remove_all(dir.path(), now_ms, &state));
}

/// Lets a child write and kills it once it has said so many lines. Gives for each path what it may hold.
fn run_and_kill(dir: &Path, seed: u64, now_ms: u64, lines: u64, before: &State) -> Possible {
    let this = std::env::current_exe().expect("a test knows its own binary");
    let mut child = Command::new(this)
        .args(["--exact", TEST, "--nocapture"])
        .env(DIR, dir)
        .env(SEED, seed.to_string())
        .env(NOW_MS, now_ms.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child runs");
    let said = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut may: Possible = before.iter().map(|(path, holds)| (*path, vec![*holds])).collect();
    let mut count = 0;
    for line in said.lines() {
        let line = line.expect("the child writes text");
        let words: Vec<&str> = line.split(' ').collect();
        let [verb @ ("tries" | "did"), writer, path, dag] = words[..] else { continue };
        let path = (writer.parse().expect("a number"), path.parse().expect("a number"));
        let holds = may.entry(path).or_insert_with(|| vec![None]);
        let dag: Option<u64> = dag.parse().ok();
        if verb == "did" {
            holds.clear();
        }
        holds.push(dag);
        if count == lines {
            child.kill().expect("it still runs: it writes for ever");
        }
        count += 1;
    }
    assert!(!child.wait().expect("the child ends").success(), "it writes until it is killed");
    assert!(count > lines, "the child ended by itself");
    may
}

/// Opens what a kill left. Everything that a path names is whole; after a rest of the collector nothing else is left.
async fn check(dir: &Path, now_ms: u64, possible: &Possible, rests: bool) -> (State, String) {
    let world = open(dir, now_ms).await;
    let reader = Reader::Session(Arc::clone(&world.session));
    let mut named = State::new();
    for (path, may) in possible {
        let name = format!("{}-{}", path.0, path.1);
        let at = content_path(std::slice::from_ref(&name)).expect("a path");
        let state = world.store.state(&world.session.core, &at).expect("reads");
        let found = state.and_then(|state| content_entry(&state.value)).map(|entry| entry.cid);
        if let Some(cid) = &found {
            assert!(world.read(&reader, cid).await, "`{name}` does not open");
        }
        let holds = may.iter().find(|dag| dag.map(|dag| *dag_of(dag)[0].cid()) == found);
        let holds = *holds.unwrap_or_else(|| panic!("`{name:?}` holds {found:?}, and none of {may:?}"));
        named.insert(*path, holds);
    }
    let alive: BTreeSet<u64> = named.values().flatten().copied().collect();
    all_there(&world.store, &alive);
    let before = world.store.stats().expect("reads");
    if rests {
        world.collect().await;
        world.tick(3 * GRACE_MS);
        world.collect().await;
        nothing_else(&world, &alive);
        let World { store, node, .. } = world;
        drop((store, node));
        fs::remove_dir_all(dir.join("index")).expect("the index can be deleted");
        let rebuilt = open(dir, now_ms).await;
        nothing_else(&rebuilt, &alive);
        all_there(&rebuilt.store, &alive);
        let after = rebuilt.store.stats().expect("reads");
        let story = format!(
            "{} DAGs whole, {} of {} blocks left, {} of {} KiB, the same after a rebuild",
            alive.len(),
            after.blocks,
            before.blocks,
            after.segment_bytes >> 10,
            before.segment_bytes >> 10
        );
        return (named, story);
    }
    (
        named,
        format!("{} DAGs whole, {} blocks, {} KiB", alive.len(), before.blocks, before.segment_bytes >> 10),
    )
}

async fn remove_all(dir: &Path, now_ms: u64, state: &State) {
    let world = open(dir, now_ms).await;
    for (path, _) in state.iter().filter(|(_, holds)| holds.is_some()) {
        world.remove(&format!("{}-{}", path.0, path.1)).await;
    }
    world.collect().await;
    world.tick(3 * GRACE_MS);
    world.collect().await;
    nothing_else(&world, &BTreeSet::new());
    let stats = world.store.stats().expect("reads");
    say(&format!("all removed: {} blocks, {} KiB left", stats.blocks, stats.segment_bytes >> 10));
}

fn all_there(store: &Store, alive: &BTreeSet<u64>) {
    for block in alive.iter().flat_map(|dag| dag_of(*dag)) {
        let stored = store.block(block.cid()).expect("reads");
        assert_eq!(stored.as_ref(), Some(block.data()), "`{}` is gone or damaged", block.cid());
    }
}

fn nothing_else(world: &World, alive: &BTreeSet<u64>) {
    let here: BTreeSet<Vec<u8>> =
        world.store.blocks().map(|cid| cid.expect("reads").hash().to_bytes()).collect();
    let expected: BTreeSet<Vec<u8>> =
        alive.iter().flat_map(|dag| dag_of(*dag)).map(|block| block.cid().hash().to_bytes()).collect();
    assert!(expected.is_subset(&here), "a block that is reached is gone");
    assert_eq!(here.len(), expected.len(), "blocks that nothing reaches are still there");
    let usage = world.store.usage(&world.session.core).expect("reads");
    assert_eq!(usage.blocks, here.len() as u64);
    world.no_leaks();
}

async fn open(dir: &Path, now_ms: u64) -> World {
    let store = Store::open(dir, options()).expect("the store opens after a kill");
    assert_eq!(store.recovery().bad, []);
    let clock = Arc::new(HandClock(AtomicU64::new(now_ms)));
    let node = Node::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
    let session = signed_in(&node, 1).await;
    World { store, clock, node, session }
}

fn options() -> Options {
    Options {
        segment_bytes: 256 * 1_024,
        free_bytes_min: 0,
        reserve_bytes: 0,
        index_memtable_bytes: 64 * 1_024,
        ..Options::default()
    }
}

/// A root over three leaves, two of which the next one has, too.
fn dag_of(dag: u64) -> Vec<Block> {
    let leaf = |n: u64| {
        let mut dice = Dice(n);
        let words: Vec<u8> = (0..LEAF_BYTES / 8).flat_map(|_| dice.below(u64::MAX).to_le_bytes()).collect();
        Block::new(Codec::Raw, Bytes::from(words)).expect("a block")
    };
    let leaves: Vec<Block> = (dag..dag + 3).map(leaf).collect();
    let links = Ipld::List(leaves.iter().map(|leaf| Ipld::Link(*leaf.cid())).collect());
    let root = Block::new(Codec::DagCbor, codec::encode(&links).into()).expect("a block");
    std::iter::once(root).chain(leaves).collect()
}

#[derive(Debug)]
struct HastyClock {
    from_ms: u64,
    began: Instant,
}

impl Clock for HastyClock {
    fn now_ms(&self) -> u64 {
        self.from_ms + u64::try_from(self.began.elapsed().as_millis()).expect("short") * HASTE
    }
}

fn write_until_killed(dir: &Path) {
    let number =
        |name: &str| -> u64 { std::env::var(name).expect("the parent sets it").parse().expect("a number") };
    let store = Store::open(dir, options()).expect("opens");
    let clock = HastyClock { from_ms: number(NOW_MS), began: Instant::now() };
    let node = Arc::new(Node::new(store, Arc::new(clock)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().expect("a runtime");
    runtime.block_on(async {
        let mut dice = Dice(number(SEED));
        for writer in 0..WRITERS {
            let (node, dice) = (Arc::clone(&node), Dice(dice.below(u64::MAX)));
            tokio::spawn(write(node, writer, dice));
        }
        let collector = node.workers.get("collector").expect("it is wired");
        loop {
            if collector.step().await.expect("it works") != Step::More {
                tokio::task::yield_now().await;
            }
        }
    });
}

async fn write(node: Arc<Node>, writer: u64, mut dice: Dice) {
    loop {
        // Sessions end soon at this haste, and challenges sooner.
        let Some(session) = try_sign_in(&node).await else { continue };
        for _ in 0..20 {
            let (path, dag) = (dice.below(PATHS), dice.below(DAGS));
            if dice.below(3) == 0 {
                tell(&format!("tries {writer} {path} -"));
                let name = content_path(&[format!("{writer}-{path}")]).expect("a path");
                node.content.remove(&session, &session.core, name).await.expect("is removed");
                tell(&format!("did {writer} {path} -"));
                continue;
            }
            let visibility = [Visibility::Public, Visibility::Private][usize::from(dice.below(2) == 0)];
            upload(&node, &session, dag, dice.below(2) == 0).await;
            tell(&format!("tries {writer} {path} {dag}"));
            let target = Target {
                path: content_path(&[format!("{writer}-{path}")]).expect("a path"),
                visibility,
                partial: false,
                media_type: None,
            };
            match node.content.link(&session, &session.core, target, *dag_of(dag)[0].cid()).await {
                Ok(_stored) => tell(&format!("did {writer} {path} {dag}")),
                // At this haste an hour can end between two lines.
                Err(UploadError::Incomplete(Incomplete::Missing(_))) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn try_sign_in(node: &Node) -> Option<Arc<Session>> {
    let key = EoaKey::from_secret(&[1; 32]).expect("a secret key");
    let ask = Ask::of(key.account());
    let made = node.sessions.challenge("localhost", ask).ok()?;
    let opened = node.sessions.open("localhost", &made.message, &key.sign(made.message.as_bytes())).await;
    Some(opened.ok()?.session)
}

/// Brings the blocks of a DAG, or those that the core says it lacks.
async fn upload(node: &Node, session: &Session, dag: u64, asks: bool) {
    let blocks = dag_of(dag);
    let cids: Vec<Cid> = blocks.iter().map(|block| *block.cid()).collect();
    let wanted = match asks {
        true => node.content.missing(&session.core, &cids).await.expect("reads"),
        false => cids.clone(),
    };
    if wanted.is_empty() {
        return;
    }
    let mut upload = node.content.upload_car(session.core).await;
    let (mut car, header) = CarWriter::v1(&cids[..1]);
    upload.write(header).await.expect("a header");
    for block in blocks.iter().filter(|block| wanted.contains(block.cid())) {
        for piece in car.section(block) {
            upload.write(piece).await.expect("a block");
        }
    }
    upload.finish().await.expect("is stored");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(future)
}

/// Splitmix64 (public domain).
struct Dice(u64);

impl Dice {
    const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn tell(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).expect("the parent listens");
}

fn say(text: &str) {
    std::io::stderr()
        .write_all(format!("kubelt-node: {text}\n").as_bytes())
        .expect("standard error takes a line");
}
