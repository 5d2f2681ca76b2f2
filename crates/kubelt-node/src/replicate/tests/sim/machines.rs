//! Nodes on a simulated network, and a clock that moves only when all of them rest.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use kubelt_content::{Block, Codec, Ipld};
use kubelt_core::{
    Act, Body, CoreId, EoaKey, Log, MapPath, OpId, PublicKey, Signed,
    log::Intent,
    schema::{ContentEntry, Host, Visibility},
};
use kubelt_store::{OpsOrder, Options, Store};

use super::{
    dice::Dice,
    wire::{Net, Target, Way},
};
use crate::{Clock, Node, NodeKey, Write, content::BlockSink, worker::Workers, write::SignedOp};

pub(super) const START_MS: u64 = 1_800_000_000_000;
/// The longest step of the clock.
const STEP_MS: u64 = 250;

#[derive(Debug)]
struct SimClock {
    now_ms: Arc<AtomicU64>,
    ahead_ms: u64,
}

impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed) + self.ahead_ms
    }
}

/// A node, which can be switched off and on again.
pub(super) struct Machine {
    pub(super) key: PublicKey,
    pub(super) store: Store,
    pub(super) node: Node,
    alive: Arc<AtomicBool>,
    workers: Workers,
    now_ms: Arc<AtomicU64>,
    ahead_ms: u64,
}

pub(super) struct Sim {
    pub(super) net: Net,
    pub(super) dice: Dice,
    pub(super) machines: Vec<Machine>,
    now_ms: Arc<AtomicU64>,
}

/// Where the node with this key is.
pub(super) fn address(key: &PublicKey) -> String {
    format!("/memory/1/p2p/{}", crate::peer_id(key).expect("an Ed25519 key"))
}

/// Runs a simulation on a runtime whose clock is moved by hand. One thread holds the clock, one does what blocks, in the
/// order in which it was asked for.
pub(super) fn run<F: Future<Output = ()>>(simulation: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(2)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        // As long as something blocks, the clock does not jump.
        let holder = tokio::task::spawn_blocking(move || held.recv().is_ok());
        simulation().await;
        drop(hold);
        holder.await.expect("holds");
    });
    runtime.shutdown_background();
}

impl Sim {
    pub(super) fn new(mut dice: Dice, delay_ms: (usize, usize)) -> Self {
        let net = Net::new(dice.fork(), delay_ms);
        Self { net, dice, machines: Vec::new(), now_ms: Arc::new(AtomicU64::new(START_MS)) }
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed) - START_MS
    }

    /// One more node, whose clock is so far ahead.
    pub(super) async fn add(&mut self, ahead_ms: u64) -> usize {
        let store = Store::memory(Options::default());
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.dice.word().to_le_bytes());
        let mut tx = store.begin();
        tx.put_meta("node", b"peer-seed", Some(&seed)).expect("is put");
        tx.commit().await.expect("is stored");
        let key = NodeKey::from_seed(seed).public();
        let machine = self.switched_on(key, store, ahead_ms).await;
        self.machines.push(machine);
        self.machines.len() - 1
    }

    async fn switched_on(&self, key: PublicKey, store: Store, ahead_ms: u64) -> Machine {
        let clock = SimClock { now_ms: Arc::clone(&self.now_ms), ahead_ms };
        let node = Node::new(store.clone(), Arc::new(clock));
        assert_eq!(node.identity.key().await.expect("a key").public(), key);
        let alive = Arc::new(AtomicBool::new(true));
        let way = Way { net: self.net.clone(), own: key, alive: Arc::clone(&alive) };
        node.remotes.dial_by(Arc::new(way));
        let workers = Workers::new([node.remotes.worker()]);
        workers.start().await;
        self.net.listen(key, Some(Target::Node(node.replication.clone())));
        Machine { key, store, node, alive, workers, now_ms: Arc::clone(&self.now_ms), ahead_ms }
    }

    /// Switches a node off; what it had begun to commit is committed or not.
    pub(super) async fn crash(&self, which: usize) {
        let machine = &self.machines[which];
        machine.alive.store(false, Ordering::Relaxed);
        self.net.listen(machine.key, None);
        self.net.break_of(&machine.key);
        self.rest().await;
        self.machines[which].workers.stop().await;
        self.net.break_of(&self.machines[which].key);
        self.rest().await;
    }

    /// A node made again over what the one before had stored.
    pub(super) async fn restart(&mut self, which: usize) {
        let Machine { key, store, ahead_ms, .. } = &self.machines[which];
        let machine = self.switched_on(*key, store.clone(), *ahead_ms).await;
        self.machines[which] = machine;
    }

    /// Waits until nothing moves: no task is ready, nothing blocks, no commit is on its way.
    pub(super) async fn rest(&self) {
        let mut active: BTreeSet<PublicKey> = self.net.take_active();
        loop {
            let before = self.net.activity();
            yields().await;
            tokio::task::spawn_blocking(|| ()).await.expect("does not panic");
            yields().await;
            active.extend(self.net.take_active());
            let mut moved = false;
            for machine in self.machines.iter().filter(|machine| active.contains(&machine.key)) {
                moved |= machine.drain().await;
            }
            yields().await;
            if !moved && self.net.activity() == before {
                return;
            }
        }
    }

    /// Lets time pass: to the next arrival, or a little.
    pub(super) async fn step(&self) {
        self.rest().await;
        let ms = self.net.next_in_ms().map_or(STEP_MS, |next| next.clamp(1, STEP_MS));
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
        self.net.tick(ms);
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    /// Lets this much time pass.
    pub(super) async fn pass(&self, ms: u64) {
        let until = self.elapsed_ms() + ms;
        while self.elapsed_ms() < until {
            self.step().await;
        }
        self.rest().await;
    }
}

/// Every task that is ready gets its turns.
async fn yields() {
    for _ in 0..24 {
        tokio::task::yield_now().await;
    }
}

impl Machine {
    fn transactions(&self) -> u64 {
        self.store.stats().expect("memory is read").transactions
    }

    /// Waits until all commits that were handed in are done; gives whether there were any.
    async fn drain(&self) -> bool {
        let before = self.transactions();
        let mut tx = self.store.begin();
        tx.put_meta("simulation", b"rest", Some(&[1])).expect("is put");
        tx.commit().await.expect("is stored");
        self.transactions() != before + 1
    }

    pub(super) async fn take_genesis(&self, core: &CoreId, genesis: &[u8]) {
        let mut tx = self.store.begin();
        tx.put_core(core, genesis).expect("is put");
        tx.commit().await.expect("is stored");
    }

    /// Somebody signs an act, after all that this node knows.
    pub(super) async fn sign(&self, core: &CoreId, by: &EoaKey, act: Act, salt: [u8; 16]) -> Made {
        self.sign_earlier(core, by, act, salt, 0).await
    }

    /// The same, with a date from so long ago, as far as what it follows is not later than that.
    pub(super) async fn sign_earlier(
        &self,
        core: &CoreId,
        by: &EoaKey,
        act: Act,
        salt: [u8; 16],
        earlier_ms: u64,
    ) -> Made {
        let now_ms = self.now_ms.load(Ordering::Relaxed) + self.ahead_ms - earlier_ms;
        let intent = Intent::new(by.account(), None, act);
        let draft = |log: &Log| log.draft(intent, salt, now_ms).expect("may be done");
        let (header, body) = self.node.cores.with_log(core, draft).await.expect("is here");
        Made { signed: by.sign_op(header, &body).expect("has words"), body }
    }

    /// Takes an operation in, as one that was posted.
    pub(super) async fn post(&self, made: &Made) -> Result<bool, crate::WriteError> {
        let op = SignedOp::verified(made.signed.clone(), Some(made.body.clone()), None, None);
        let write = Write::Op(Box::new(op));
        self.node.cores.write(made.signed.header.core, write).await.map(|written| written.effective)
    }

    /// Stores a file of several blocks; gives its entry.
    pub(super) async fn store_file(
        &self,
        core: &CoreId,
        leaves: &[Bytes],
        visibility: Visibility,
    ) -> ContentEntry {
        let mut sink = BlockSink::new(self.node.content.clone(), *core);
        let mut links = Vec::new();
        let mut size = 0;
        for leaf in leaves {
            let block = Block::new(Codec::Raw, leaf.clone()).expect("short");
            links.push(Ipld::Link(*block.cid()));
            size += leaf.len() as u64;
            sink.put(block).await.expect("is taken");
        }
        let root = kubelt_core::codec::encode(&Ipld::List(links));
        let root = Block::new(Codec::DagCbor, root.into()).expect("short");
        let cid = *root.cid();
        sink.put(root).await.expect("is taken");
        sink.flush().await.expect("is stored");
        self.node.content.make_whole(core, &cid).await.expect("is whole");
        ContentEntry::new(cid, size, "application/octet-stream", visibility)
    }

    /// Every operation that is here.
    pub(super) fn ops(&self, core: &CoreId) -> Vec<kubelt_store::OpRecord> {
        self.store.ops(core, None, OpsOrder::Forward).map(|op| op.expect("reads")).collect()
    }

    pub(super) fn effective(&self, core: &CoreId, op: &OpId) -> Option<bool> {
        self.store.op(core, op).expect("reads").map(|op| op.effective)
    }
}

/// A signed operation with its body.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) signed: Signed,
    pub(super) body: Body,
}

/// The act by which a core names a node as its host.
pub(super) fn host(key: &PublicKey) -> Act {
    let host = Host { peer: *key, addresses: [address(key)].into(), spare: false };
    Act::Put { path: Host::path(key), value: host.to_ipld() }
}

pub(super) fn path(text: &str) -> MapPath {
    text.parse().expect("a path")
}
