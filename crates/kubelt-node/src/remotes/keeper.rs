//! The tasks that keep cores equal with remotes, and the worker that starts and ends them.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use kubelt_core::{CoreId, PublicKey, log::LoginFacts};
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, watch},
    task::AbortHandle,
    time::timeout,
};

use super::{NodeAddress, RemoteNodeError, Remotes};
use crate::{
    limits::{
        COPIES_LOOK, REMOTE_DIAL_TIME, REMOTE_HOSTS_OF_CORE_MAX, REMOTE_HURRY_PAUSE_MAX, REMOTE_LOST_MS,
        REMOTE_NODE_RETRY_MAX, REMOTE_NODE_RETRY_MIN, REMOTE_UNPROVEN_RETRY_MAX, REMOTE_UNPROVEN_TRIES_MAX,
        REMOTES_MAX, REPLICATOR_LOOK, REPLICATOR_PAGE,
    },
    replicate::{ChannelError, Exchanged, Link},
    session::Session,
    worker::{Progress, Step, Stepping, Work},
};

/// How a remote is, for one core.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) connected: bool,
    pub(super) exchanged: Exchanged,
    pub(super) error: Option<String>,
    /// When it was connected last, where it is not any more, in milliseconds since the Unix epoch.
    pub(super) lost_ms: Option<u64>,
    /// Whether it is not tried any more by itself.
    pub(super) given_up: bool,
    /// Connections that were never made, or ended otherwise than by being cut when something had come over them: relays do
    /// that, and the next one goes on.
    failures: u64,
}

/// A task that runs.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    addresses: Arc<Mutex<BTreeSet<String>>>,
    state: watch::Sender<State>,
    exchanged: watch::Sender<Exchanged>,
    kick: Arc<Notify>,
    hurry: Arc<Notify>,
    task: AbortHandle,
}

impl Kept {
    pub(super) fn state(&self) -> State {
        State { exchanged: self.exchanged.borrow().clone(), ..self.state.borrow().clone() }
    }

    /// Connects at once where a pause is being made, and begins anew to count how often that failed: somebody asks.
    pub(super) fn kick(&self) {
        self.kick.notify_one();
    }

    /// Connects at once where a short pause is being made.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Waits until the exchange is as far as `done` says, or a connection fails; gives why it failed.
    pub(super) async fn reach(&self, done: impl Fn(&Exchanged) -> bool) -> Result<(), String> {
        let (mut state, mut exchanged) = (self.state.subscribe(), self.exchanged.subscribe());
        let before = state.borrow_and_update().failures;
        tokio::select! {
            biased;
            // The senders live as long as this value.
            _ = exchanged.wait_for(|exchanged| done(exchanged)) => Ok(()),
            failed = state.wait_for(|state| state.failures > before) => {
                let error = failed.ok().and_then(|state| state.error.clone());
                Err(error.unwrap_or_else(|| "the connection ended".to_owned()))
            }
        }
    }
}

impl Remotes {
    /// Starts the task of a remote, or tells the one that runs where else the remote is.
    pub(super) fn keep(&self, core: CoreId, peer: PublicKey, addresses: BTreeSet<String>) -> Kept {
        let mut all = self.0.kept.lock();
        if let Some(kept) = all.get(&(core, peer)) {
            let known = std::mem::replace(&mut *kept.addresses.lock(), addresses.clone());
            if known != addresses {
                kept.kick();
            }
            return kept.clone();
        }
        let addresses = Arc::new(Mutex::new(addresses));
        let (state, exchanged) = (watch::Sender::default(), watch::Sender::default());
        let (kick, hurry) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let task = Task {
            remotes: self.clone(),
            core,
            peer,
            addresses: Arc::clone(&addresses),
            state: state.clone(),
            exchanged: exchanged.clone(),
            kick: Arc::clone(&kick),
            hurry: Arc::clone(&hurry),
        };
        let kept =
            Kept { addresses, state, exchanged, kick, hurry, task: tokio::spawn(task.run()).abort_handle() };
        all.insert((core, peer), kept.clone());
        kept
    }

    fn drop_kept(&self, core: &CoreId, peer: &PublicKey) {
        if let Some(kept) = self.0.kept.lock().remove(&(*core, *peer)) {
            kept.task.abort();
        }
    }

    /// Forgets a remote that was added.
    pub(super) async fn forget(&self, core: &CoreId, peer: &PublicKey) -> Result<(), RemoteNodeError> {
        self.0.replication.distrust(*core, *peer);
        self.remove_row(core, peer).await?;
        self.drop_kept(core, peer);
        Ok(())
    }

    /// Remotes, each as often as there are cores that it is one of, and those of them that are connected.
    pub(super) fn counts(&self) -> (usize, usize) {
        let kept = self.0.kept.lock();
        (kept.len(), kept.values().filter(|kept| kept.state.borrow().connected).count())
    }

    /// Starts what is missing of a core's tasks and ends what is over.
    pub(super) fn tend(&self, core: &CoreId) -> Result<(), RemoteNodeError> {
        let wanted = self.wanted(core)?;
        let running: Vec<PublicKey> =
            self.0.kept.lock().keys().filter(|(of, _)| of == core).map(|(_, peer)| *peer).collect();
        for peer in running.iter().filter(|peer| !wanted.contains_key(peer)) {
            self.drop_kept(core, peer);
        }
        let added = self.rows(core)?;
        let mut places = REMOTE_HOSTS_OF_CORE_MAX;
        // Those that are kept up already stay.
        let (kept, new): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(peer, _)| running.contains(peer));
        for (peer, addresses) in kept.into_iter().chain(new) {
            if !added.contains_key(&peer) && !self.is_given_up(core, &peer) {
                if places == 0 {
                    self.drop_kept(core, &peer);
                    continue;
                }
                places -= 1;
            }
            if !running.contains(&peer) && self.counts().0 >= REMOTES_MAX {
                tracing::warn!(%core, "there are too many remotes: a host is not connected to");
                break;
            }
            self.keep(*core, peer, addresses);
        }
        Ok(())
    }

    fn is_given_up(&self, core: &CoreId, peer: &PublicKey) -> bool {
        self.0.kept.lock().get(&(*core, *peer)).is_some_and(|kept| kept.state.borrow().given_up)
    }

    /// The connection with a node: the one that is there, or a new one, for a core that `is_proven` to be there, or not.
    pub(crate) async fn link(
        &self,
        core: &CoreId,
        peer: &PublicKey,
        addresses: &BTreeSet<String>,
        is_proven: bool,
    ) -> Result<Link, String> {
        let slot = {
            let mut links = self.0.links.lock();
            let is_used = |slot: &Arc<AsyncMutex<Option<Link>>>| {
                let live = |slot: &Option<Link>| slot.as_ref().is_some_and(|link| !link.is_over());
                Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|slot| live(&slot))
            };
            links.retain(|of, slot| of == peer || is_used(slot));
            Arc::clone(links.entry(*peer).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(link) = slot.as_ref().filter(|link| !link.is_over()) {
            return Ok(link.clone());
        }
        let dialer = self.0.dialer.read().clone().ok_or("this node does not connect to others")?;
        let _turn = self.0.dials.turn(core, is_proven).await;
        let mut error = "no address of it is known".to_owned();
        for address in addresses {
            let address = match address.parse::<NodeAddress>() {
                Ok(address) if address.peer == *peer => address,
                _ => {
                    error = format!("`{address}` is not an address of it");
                    continue;
                }
            };
            let dialled = timeout(REMOTE_DIAL_TIME, dialer.dial(&address)).await;
            let stream = match dialled {
                Ok(Ok(stream)) => stream,
                Ok(Err(failed)) => {
                    error = format!("`{address}` was not reached: {failed}");
                    continue;
                }
                Err(_late) => {
                    error = format!("`{address}` was not reached: it does not answer");
                    continue;
                }
            };
            match self.0.replication.connect(stream, *peer).await {
                Ok(link) => {
                    *slot = Some(link.clone());
                    return Ok(link);
                }
                Err(failed) => error = chain(&failed),
            }
        }
        self.0.dials.failed();
        Err(error)
    }

    /// The session by whose word a core is exchanged, where one stands.
    async fn session(&self, core: &CoreId) -> Option<Arc<Session>> {
        let session = self.0.sessions.lock().get(core).cloned()?;
        let facts = LoginFacts::of(&session.login, core);
        let account = session.account().clone();
        let stands = session.login.valid_at(self.0.clock.now_ms())
            && self.0.cores.with_log(core, |log| log.login_stands(&facts, &account)).await.unwrap_or(false);
        if !stands {
            self.0.sessions.lock().remove(core);
        }
        stands.then_some(session)
    }
}

/// Why a remote is not connected to any more.
const ENDED: &str = "the sign-in that added it has ended; sign in and run `kubelt remote sync`";

/// The task of one remote and one core.
struct Task {
    remotes: Remotes,
    core: CoreId,
    peer: PublicKey,
    addresses: Arc<Mutex<BTreeSet<String>>>,
    state: watch::Sender<State>,
    exchanged: watch::Sender<Exchanged>,
    kick: Arc<Notify>,
    hurry: Arc<Notify>,
}

impl Task {
    async fn run(self) {
        let mut pause = REMOTE_NODE_RETRY_MIN;
        // Since it was reached last, or somebody asked.
        let mut tries = 0;
        loop {
            let progress = |exchanged: &Exchanged| (exchanged.rounds, exchanged.ops);
            let before = progress(&self.exchanged.borrow());
            let (error, is_cut) = self.exchange().await;
            let after = progress(&self.exchanged.borrow());
            if after.0 != before.0 {
                pause = REMOTE_NODE_RETRY_MIN;
            }
            let was_reached = self.lost(error, is_cut && after != before);
            tries = if was_reached { 0 } else { tries + 1 };
            let is_likely = self.is_likely();
            if tries >= REMOTE_UNPROVEN_TRIES_MAX && !is_likely {
                self.give_up().await;
                (pause, tries) = (REMOTE_NODE_RETRY_MIN, 0);
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.kick.notified() => (pause, tries) = (REMOTE_NODE_RETRY_MIN, 0),
                () = self.hurry.notified(), if is_likely && pause <= REMOTE_HURRY_PAUSE_MAX => {}
            }
            let longest = if is_likely { REMOTE_NODE_RETRY_MAX } else { REMOTE_UNPROVEN_RETRY_MAX };
            pause = (pause * 2).min(longest);
        }
    }

    /// Notes why the exchange ended, and whether it `goes_on` over the next connection; gives whether the remote was reached
    /// at all.
    fn lost(&self, error: String, goes_on: bool) -> bool {
        tracing::debug!(core = %self.core, peer = %self.peer, error, "a remote is not connected");
        self.exchanged.send_modify(|exchanged| exchanged.settled = false);
        let now_ms = self.remotes.0.clock.now_ms();
        let mut was_reached = false;
        self.state.send_modify(|state| {
            was_reached = std::mem::take(&mut state.connected);
            if was_reached {
                state.lost_ms = Some(now_ms);
            }
            state.error = Some(error);
            state.failures += u64::from(!goes_on);
        });
        was_reached
    }

    /// Whether the remote is likely to be there again: somebody of this node added it, or it was there of late.
    fn is_likely(&self) -> bool {
        let lost_ms = self.state.borrow().lost_ms;
        let now_ms = self.remotes.0.clock.now_ms();
        lost_ms.is_some_and(|lost_ms| now_ms.saturating_sub(lost_ms) < REMOTE_LOST_MS)
            || self.remotes.row(&self.core, &self.peer).is_ok_and(|row| row.is_some())
    }

    /// Lets the remote be until somebody asks for it, or its addresses change. Another host has its place.
    async fn give_up(&self) {
        self.state.send_modify(|state| {
            state.given_up = true;
            let why = state.error.take().unwrap_or_default();
            state.error = Some(format!("{why}; it is not tried again before `kubelt remote sync`"));
        });
        self.remotes.0.cores.changes().mark_hosts(self.core);
        self.kick.notified().await;
        self.state.send_modify(|state| state.given_up = false);
    }

    /// Exchanges the core until that ends; gives why, and whether the connection was cut.
    async fn exchange(&self) -> (String, bool) {
        let replication = &self.remotes.0.replication;
        match replication.gives_all(&self.core, &self.peer).await {
            Ok(true) => {}
            Ok(false) => return (ENDED.to_owned(), false),
            Err(error) => return (chain(&error), false),
        }
        let addresses = self.addresses.lock().clone();
        let is_proven = self.state.borrow().lost_ms.is_some();
        let link = match self.remotes.link(&self.core, &self.peer, &addresses, is_proven).await {
            Ok(link) => link,
            Err(error) => return (error, false),
        };
        let session = self.remotes.session(&self.core).await;
        self.state.send_modify(|state| {
            state.connected = true;
            state.error = None;
        });
        let ended =
            link.replicate(replication, self.core, session.as_deref(), true, self.exchanged.clone()).await;
        match ended {
            Ok(()) => ("the peer closed the exchange".to_owned(), false),
            Err(error) => {
                if let ChannelError::Peer(fault) = &error {
                    replication.strike(&self.peer, fault);
                    link.end();
                }
                (chain(&error), matches!(error, ChannelError::Closed))
            }
        }
    }
}

/// The worker: looks which tasks there should be.
#[derive(Debug)]
pub(super) struct Keeper {
    remotes: Remotes,
    /// Where the first look at all cores is; none once it is done.
    looking: Option<Option<CoreId>>,
    trusted: bool,
}

impl Keeper {
    pub(super) const fn new(remotes: Remotes) -> Self {
        Self { remotes, looking: Some(None), trusted: false }
    }
}

impl Work for Keeper {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let inner = &self.remotes.0;
            let own = inner.identity.key().await?.public();
            if !std::mem::replace(&mut self.trusted, true) {
                self.remotes.trust_rows()?;
            }
            if inner.dialer.read().is_none() {
                return Ok(Step::Idle(REPLICATOR_LOOK));
            }
            let mut cores: HashSet<CoreId> = inner.cores.changes().take_hosts();
            if let Some(after) = self.looking {
                cores.extend(self.remotes.all_rows()?.into_iter().map(|(core, _)| core));
                let page: Vec<CoreId> =
                    inner.store.cores(after.as_ref()).take(REPLICATOR_PAGE).collect::<Result<_, _>>()?;
                self.looking = page.last().copied().map(Some);
                for core in page {
                    if inner.replication.is_host(&core, &own)? || self.remotes.copies_wanted(&core)?.is_some()
                    {
                        cores.insert(core);
                    }
                }
            }
            for core in cores {
                self.remotes.tend(&core)?;
                self.remotes.watch_copies(core)?;
            }
            let counted = self.remotes.repair()?;
            let (all, connected) = self.remotes.counts();
            progress.say(format!("{connected} of {all} connected"));
            let rest = if counted { COPIES_LOOK } else { REPLICATOR_LOOK };
            Ok(if self.looking.is_some() { Step::More } else { Step::Idle(rest) })
        })
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
