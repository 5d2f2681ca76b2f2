//! Mirrors: what other cores have published, kept and served by this node, which holds no sign-in for them and is not
//! their host.
//!
//! An account of this node asks for one ([`Mirrors::add`]) and names nodes that hold the core. What these say is published
//! comes here, each entry with the signatures that prove it, and is served as if the core were here: by path, by CID, to
//! peers. A core that is here itself is served from there, and its mirror rests.
//!
//! For each mirrored core there is a task ([`keeper`]), whoever and however many have asked for it.

mod keeper;
mod rows;
mod shelf;
mod table;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use kubelt_core::CoreId;
use kubelt_store::{CommitError, Store, TxError};
use parking_lot::Mutex;
use tokio::{sync::Mutex as AsyncMutex, time::timeout};

use self::keeper::{Keeper, Kept};
use crate::{
    StoreError,
    access::{Access, Reader},
    clock::Clock,
    cores::{Cores, LoadError},
    disclosure::Disclosure,
    exchange::Exchange,
    identity::{Identity, IdentityError},
    limits::{
        REMOTE_WAIT,
        mirrors::{MIRROR_EVERY_MAX, MIRROR_EVERY_MIN, MIRRORS_PER_ACCOUNT_MAX},
    },
    remotes::{HostFinder, Place, RemoteNodeError, Remotes},
    replicate::Mirrored,
    session::Session,
    worker::{Waker, Worker},
};

pub(crate) use rows::{MirroredEntry, entry, mirrored, stand_ins};
pub(crate) use shelf::Shelf;
pub use shelf::ShelfError;

/// Where what is mirrored is kept; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shelves {
    pub(crate) store: Store,
    pub(crate) cores: Cores,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A mirror, as the account that asked for it may know it.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The core.
    pub core: CoreId,
    /// The nodes that it comes from.
    pub sources: Vec<String>,
    /// How long to wait between two looks; none where changes come live.
    pub every: Option<Duration>,
    /// Whether a node that it comes from is connected.
    pub connected: bool,
    /// How far it is.
    pub mirrored: Mirrored,
    /// Paths that are served.
    pub paths: u64,
    /// Why it is not connected.
    pub error: Option<String>,
}

/// Why a mirror was not added, removed or listed.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Mirrors belong to accounts, and are seen by sessions over all of an account's own core.
    #[error("mirrors belong to accounts; sign in and ask under `@me`")]
    NotFound,
    /// No such mirror.
    #[error("you have no such mirror here")]
    Unknown,
    /// Too many of them.
    #[error("an account has {MIRRORS_PER_ACCOUNT_MAX} mirrors here at most; remove one first")]
    TooMany,
    /// An interval that is too short or too long.
    #[error("a mirror looks every minute at most, and every 30 days at least")]
    Every,
    /// It was tried, and did not work; nothing was added.
    #[error("{0}")]
    Failed(String),
    /// The node cannot connect to where it was told to look.
    #[error(transparent)]
    Remote(#[from] RemoteNodeError),
    /// What is mirrored could not be kept or dropped.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The node has no key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A transaction was refused.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A transaction failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// The mirrors of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Mirrors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shelves: Shelves,
    access: Arc<Access>,
    exchange: Exchange,
    identity: Identity,
    remotes: Remotes,
    finder: HostFinder,
    kept: Mutex<HashMap<CoreId, Kept>>,
    /// Held while mirrors are added or removed.
    changing: AsyncMutex<()>,
}

impl Mirrors {
    pub(crate) fn new(
        shelves: Shelves,
        access: Arc<Access>,
        exchange: Exchange,
        identity: Identity,
        remotes: Remotes,
        finder: HostFinder,
    ) -> Self {
        Self(Arc::new(Inner {
            shelves,
            access,
            exchange,
            identity,
            remotes,
            finder,
            kept: Mutex::default(),
            changing: AsyncMutex::default(),
        }))
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker::new("mirrors", &Waker::default(), Keeper(self.clone()))
    }

    /// Mirrors what a core has published, from nodes that hold it, and waits for a while until all of it is here. It goes on
    /// from then on, live or by looking again in intervals.
    ///
    /// # Errors
    /// [`MirrorError`] when that did not work; nothing was added then.
    pub async fn add(
        &self,
        session: &Arc<Session>,
        account: CoreId,
        core: CoreId,
        place: Place,
        every: Option<Duration>,
    ) -> Result<Mirror, MirrorError> {
        self.check(session, account).await?;
        if every.is_some_and(|every| !(MIRROR_EVERY_MIN..=MIRROR_EVERY_MAX).contains(&every)) {
            return Err(MirrorError::Every);
        }
        let own = self.0.identity.key().await?.public();
        let sources = self.0.finder.find(&core, place).await?;
        if sources.iter().any(|source| source.peer == own) {
            return Err(RemoteNodeError::Own.into());
        }
        let sources = sources.into_iter().map(|source| source.text).collect();
        let (kept, before) = {
            let _changing = self.0.changing.lock().await;
            let before = self.row(&account, &core)?;
            if before.is_none() && self.rows_of(&account)?.len() >= MIRRORS_PER_ACCOUNT_MAX {
                return Err(MirrorError::TooMany);
            }
            self.put_row(&account, &core, Some((sources, every))).await?;
            self.tend(&core)?;
            let kept = self.0.kept.lock().get(&core).cloned().ok_or(MirrorError::Unknown)?;
            (kept, before)
        };
        kept.kick();
        // One that takes longer goes on.
        if let Ok(Err(error)) = timeout(REMOTE_WAIT, kept.settled()).await {
            if before.is_none() {
                self.forget(&account, &core).await?;
            }
            return Err(MirrorError::Failed(error));
        }
        self.view(&account, &core).await?.ok_or(MirrorError::Unknown)
    }

    /// The mirrors of an account.
    ///
    /// # Errors
    /// [`MirrorError::NotFound`] for a session that is not the account's, or not over all of its core.
    pub async fn list(&self, session: &Arc<Session>, account: CoreId) -> Result<Vec<Mirror>, MirrorError> {
        self.check(session, account).await?;
        let mut found = Vec::new();
        for core in self.rows_of(&account)?.into_keys() {
            found.extend(self.view(&account, &core).await?);
        }
        Ok(found)
    }

    /// Mirrors a core no more. Where nobody else mirrors it, nothing of it is served when this returns.
    ///
    /// # Errors
    /// [`MirrorError::Unknown`] when there is no such mirror.
    pub async fn remove(
        &self,
        session: &Arc<Session>,
        account: CoreId,
        core: CoreId,
    ) -> Result<(), MirrorError> {
        self.check(session, account).await?;
        self.row(&account, &core)?.ok_or(MirrorError::Unknown)?;
        self.forget(&account, &core).await
    }

    /// What is counted of mirrors, by name and meaning.
    pub fn figures(&self) -> Vec<(&'static str, &'static str, u64)> {
        let kept = self.0.kept.lock();
        let connected = kept.values().filter(|kept| kept.state().connected).count();
        vec![
            ("mirrors", "Cores of which this node mirrors what is published", kept.len() as u64),
            ("mirrors_connected", "Those of them whose source is connected", connected as u64),
        ]
    }

    #[cfg(test)]
    pub(crate) fn shelves(&self) -> &Shelves {
        &self.0.shelves
    }

    async fn check(&self, session: &Arc<Session>, account: CoreId) -> Result<(), MirrorError> {
        let reader = Reader::Session(Arc::clone(session));
        let is_own = session.core == account && self.0.access.has_part(&reader, &account).await?;
        if is_own { Ok(()) } else { Err(MirrorError::NotFound) }
    }

    async fn view(&self, account: &CoreId, core: &CoreId) -> Result<Option<Mirror>, MirrorError> {
        let Some((sources, every)) = self.row(account, core)? else { return Ok(None) };
        let kept = self.0.kept.lock().get(core).cloned();
        let (state, mirrored) = kept.map(|kept| (kept.state(), kept.mirrored())).unwrap_or_default();
        let mut error = state.error.filter(|_| !state.connected);
        // Whether a core is here that shows nothing, nobody is told.
        if state.rests && self.0.exchange.disclosure(&Reader::Anonymous, core).await? != Disclosure::Nothing {
            error = Some("the core itself is on this node, and is served from there".to_owned());
        }
        let paths = self.0.shelves.open_paths(core, &self.0.access)?;
        Ok(Some(Mirror { core: *core, sources, every, connected: state.connected, mirrored, paths, error }))
    }

    /// Forgets a mirror of an account, and all that was kept for it where nobody else has it.
    async fn forget(&self, account: &CoreId, core: &CoreId) -> Result<(), MirrorError> {
        let (this, account, core) = (self.clone(), *account, *core);
        // A task of its own: whoever asked may go away in the middle.
        let forgetting = tokio::spawn(async move {
            let _changing = this.0.changing.lock().await;
            this.put_row(&account, &core, None).await?;
            this.tend(&core)?;
            this.end_unasked(&core).await
        });
        forgetting.await.map_err(|_panicked| MirrorError::Unknown)?
    }

    /// Ends what nobody has asked for any more. The caller holds `changing`.
    async fn end_unasked(&self, core: &CoreId) -> Result<(), MirrorError> {
        if self.wanted(core)?.is_some() {
            return Ok(());
        }
        let kept = self.0.kept.lock().remove(core);
        if let Some(kept) = kept {
            kept.stop().await;
        }
        Ok(self.0.shelves.clear(core).await?)
    }

    /// The rows of an account.
    fn rows_of(&self, account: &CoreId) -> Result<BTreeMap<CoreId, table::Wish>, StoreError> {
        table::rows_of(&self.0.shelves.store, account)
    }
}

#[cfg(test)]
mod tests;
