//! The tasks that keep mirrors up to date, and the worker that starts them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kubelt_core::{CoreId, PublicKey};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

use super::{MirrorError, Mirrors, rows, table::Wish};
use crate::{
    cores::LoadError,
    limits::{REMOTE_NODE_RETRY_MAX, REMOTE_NODE_RETRY_MIN, mirrors::MIRRORS_LOOK},
    remotes::{NodeAddress, chain},
    replicate::{ChannelError, Mirrored},
    worker::{Progress, Step, Stepping, Work},
};

/// How a mirror is.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) connected: bool,
    /// Why the last try failed, if it did.
    pub(super) error: Option<String>,
    /// Whether the core itself is here.
    pub(super) rests: bool,
    /// Tries that failed.
    failures: u64,
    /// Looks that ended well.
    looks: u64,
}

/// A task that runs.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    wish: Arc<Mutex<Wish>>,
    state: watch::Sender<State>,
    mirrored: watch::Sender<Mirrored>,
    kick: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Kept {
    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(super) fn mirrored(&self) -> Mirrored {
        self.mirrored.borrow().clone()
    }

    /// Looks at once where a pause is being made.
    pub(super) fn kick(&self) {
        self.kick.notify_one();
    }

    /// Waits until all is here, or a try fails; gives why it failed.
    pub(super) async fn settled(&self) -> Result<(), String> {
        let (mut state, mut mirrored) = (self.state.subscribe(), self.mirrored.subscribe());
        let State { failures, looks, .. } = state.borrow_and_update().clone();
        let ended = state.wait_for(|state| state.failures > failures || state.looks > looks);
        tokio::select! {
            biased;
            _ = mirrored.wait_for(|mirrored| mirrored.settled) => Ok(()),
            // The senders live as long as this value.
            ended = ended => match ended {
                Ok(state) if state.failures > failures => Err(state.error.clone().unwrap_or_default()),
                _ => Ok(()),
            },
        }
    }

    /// Ends the task, and waits until it has.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().take();
        if let Some(task) = task {
            // One that panicked has ended, too.
            let _ = task.await;
        }
    }
}

impl Mirrors {
    /// Starts the task of a mirror, or tells the one that runs what is asked for now. The caller holds `changing`.
    pub(super) fn tend(&self, core: &CoreId) -> Result<(), MirrorError> {
        let Some(wish) = self.wanted(core)? else { return Ok(()) };
        let mut all = self.0.kept.lock();
        if let Some(kept) = all.get(core) {
            let before = std::mem::replace(&mut *kept.wish.lock(), wish.clone());
            if before != wish {
                kept.kick();
            }
            return Ok(());
        }
        let kept = Kept {
            wish: Arc::new(Mutex::new(wish)),
            state: watch::Sender::default(),
            mirrored: watch::Sender::default(),
            kick: Arc::default(),
            stop: watch::Sender::default(),
            task: Arc::default(),
        };
        let task = Task { mirrors: self.clone(), core: *core, kept: kept.clone() };
        *kept.task.lock() = Some(tokio::spawn(task.run()));
        all.insert(*core, kept);
        Ok(())
    }
}

/// The task of one mirrored core.
struct Task {
    mirrors: Mirrors,
    core: CoreId,
    kept: Kept,
}

impl Task {
    async fn run(self) {
        let mut stop = self.kept.stop.subscribe();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.go_on() => {}
        }
    }

    async fn go_on(&self) {
        let mut retry = REMOTE_NODE_RETRY_MIN;
        loop {
            let settled_ms = self.kept.mirrored.borrow().settled_ms;
            let ended = self.look().await;
            if self.kept.mirrored.borrow().settled_ms != settled_ms {
                retry = REMOTE_NODE_RETRY_MIN;
            }
            let every = self.kept.wish.lock().1;
            let pause = match &ended {
                Ok(()) => every.unwrap_or(retry),
                Err(_) => retry,
            };
            self.note_end(ended);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.kept.kick.notified() => {}
            }
            retry = (retry * 2).min(REMOTE_NODE_RETRY_MAX);
        }
    }

    /// A live connection is over: what was whole until now may not be from here on.
    fn note_parting(&self) {
        let now_ms = self.mirrors.0.shelves.clock.now_ms();
        self.kept.mirrored.send_if_modified(|mirrored| {
            mirrored.settled_ms = mirrored.settled.then_some(now_ms).or(mirrored.settled_ms);
            mirrored.settled
        });
    }

    fn note_end(&self, ended: Result<(), String>) {
        if let Err(error) = &ended {
            tracing::debug!(core = %self.core, error, "a mirror is not connected");
            self.kept.mirrored.send_modify(|mirrored| mirrored.settled = false);
        }
        self.kept.state.send_modify(|state| {
            state.connected = false;
            state.looks += u64::from(ended.is_ok());
            state.failures += u64::from(ended.is_err());
            state.error = ended.err();
        });
    }

    /// Follows the core at one of its sources until that ends.
    async fn look(&self) -> Result<(), String> {
        let shelves = &self.mirrors.0.shelves;
        // Whatever is written to the core itself tells that it is here.
        let mut own = shelves.cores.changes().watch(&self.core);
        let is_here = || match shelves.cores.genesis(&self.core) {
            Err(LoadError::Unknown) => false,
            Ok(_) | Err(_) => true,
        };
        let rests = is_here();
        self.kept.state.send_modify(|state| state.rests = rests);
        if !rests {
            let came = async { while own.changed().await.is_ok() && !is_here() {} };
            tokio::select! {
                ended = self.follow() => return ended,
                () = came => {}
            }
        }
        self.kept.state.send_modify(|state| state.rests = true);
        shelves.close_all(&self.core).await.map_err(|error| chain(&error))?;
        Err(ChannelError::NothingPublished.to_string())
    }

    async fn follow(&self) -> Result<(), String> {
        let remotes = &self.mirrors.0.remotes;
        let (replication, shelves) = (remotes.replication(), &self.mirrors.0.shelves);
        let (sources, every) = self.kept.wish.lock().clone();
        let mut error = "no address of a node that holds the core is known".to_owned();
        let mut is_gone = false;
        for (peer, addresses) in by_peer(&sources) {
            let is_proven = self.kept.mirrored.borrow().settled_ms.is_some();
            let link = match remotes.link(&self.core, &peer, &addresses, is_proven).await {
                Ok(link) => link,
                Err(failed) => {
                    error = failed;
                    continue;
                }
            };
            self.kept.state.send_modify(|state| state.connected = true);
            let live = every.is_none();
            let ended = link.follow(replication, shelves, self.core, live, &self.kept.mirrored).await;
            if live {
                self.note_parting();
            }
            self.kept.state.send_modify(|state| state.connected = false);
            match ended {
                Ok(()) => return Ok(()),
                Err(failed) => {
                    is_gone |= matches!(failed, ChannelError::NothingPublished);
                    if let ChannelError::Peer(fault) = &failed {
                        replication.strike(&peer, fault);
                        link.end();
                    }
                    error = chain(&failed);
                }
            }
        }
        if is_gone {
            // A node that holds the core says that nothing of it is published any more.
            shelves.close_all(&self.core).await.map_err(|error| chain(&error))?;
        }
        Err(error)
    }
}

fn by_peer(sources: &[String]) -> BTreeMap<PublicKey, BTreeSet<String>> {
    let mut found: BTreeMap<PublicKey, BTreeSet<String>> = BTreeMap::new();
    for address in sources.iter().filter_map(|source| source.parse::<NodeAddress>().ok()) {
        found.entry(address.peer).or_default().insert(address.text);
    }
    found
}

/// The worker: starts the tasks that there should be, and ends what is left of mirrors that were being removed.
#[derive(Debug)]
pub(super) struct Keeper(pub(super) Mirrors);

impl Work for Keeper {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let mirrors = &self.0;
            let _changing = mirrors.0.changing.lock().await;
            let wanted = mirrors.all_wanted()?;
            for core in &wanted {
                mirrors.tend(core)?;
            }
            for core in rows::cores(&mirrors.0.shelves.store)? {
                if !wanted.contains(&core) {
                    mirrors.end_unasked(&core).await?;
                }
            }
            progress.say(format!("{} mirrored", wanted.len()));
            Ok(Step::Idle(MIRRORS_LOOK))
        })
    }
}
