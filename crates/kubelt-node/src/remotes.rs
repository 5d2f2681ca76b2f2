//! Other nodes that hold cores of this one: who they are, how they are reached, and how far each core is with them.
//!
//! A remote is a row of this node's own ([`Remotes::add`]), or a host that the core's own map names while it names this
//! node, too. For each there is a task that connects, replicates, and begins anew whenever the connection is lost,
//! after a pause that grows ([`keeper`]). So work goes on by itself after the cable was out, and both sides end with
//! the same core. A host that is only named, and never answers, is let be in the end.
//!
//! A connection proves this node to the other by its name among the core's hosts or by the sign-in of whoever
//! added the remote. By that sign-in the other node may have the core, too; when it ends, the exchange does, unless
//! the core's map names the other node. Adding writes both nodes into the core's map, so that it stays so
//! without anybody's session.

mod address;
mod copies;
mod dials;
mod find;
mod keeper;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    pin::Pin,
    sync::Arc,
};

use kubelt_core::{Act, CoreId, MapPath, PublicKey, Verb, schema::Host};
use kubelt_store::{CommitError, Store, TxError};
use parking_lot::{Mutex, RwLock};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Mutex as AsyncMutex,
    time::timeout,
};

pub use address::{AddressError, NodeAddress};
pub use copies::{CopiesHeld, Holding};
pub use find::{HostFinder, Place};
pub(crate) use keeper::chain;

use self::{
    copies::Repairs,
    dials::Dials,
    keeper::{Keeper, Kept},
};
use crate::{
    StoreError,
    access::{Access, Reader},
    clock::Clock,
    cores::{Cores, LoadError},
    identity::{Identity, IdentityError},
    limits::{REMOTE_WAIT, REMOTES_PER_CORE_MAX},
    replicate::{Exchanged, Link, Replication},
    session::Session,
    worker::Worker,
    write::{Write, WriteError},
};

/// A connection with a node, whatever it runs over.
pub trait PeerStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> PeerStream for S {}

/// What dialling gives: a connection whose other end has proven the key that the address names.
pub type Dialling<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn PeerStream>, DialError>> + Send + 'a>>;

/// The way to other nodes.
pub trait Dialer: Send + Sync + std::fmt::Debug {
    /// Connects to the node at an address.
    fn dial<'a>(&'a self, address: &'a NodeAddress) -> Dialling<'a>;

    /// Where this node itself is reached, as far as it knows.
    fn reached_at(&self) -> Vec<String>;
}

/// Why a node is not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DialError(pub String);

/// A remote, and how far a core is with it.
#[derive(Debug, Clone)]
pub struct Remote {
    /// The node.
    pub peer: PublicKey,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// Whether the core's own map names it.
    pub host: bool,
    /// Whether that names it as spare.
    pub spare: bool,
    /// How much of the core it holds.
    pub holding: Holding,
    /// For how long it has not had everything, in milliseconds, where it ever had.
    pub lag_ms: Option<u64>,
    /// Whether somebody added it on this node.
    pub added: bool,
    /// Whether it is connected now, for this core.
    pub connected: bool,
    /// How far the core is with it.
    pub exchanged: Exchanged,
    /// Why it is not connected.
    pub error: Option<String>,
}

/// The remotes of a core, and its copies.
#[derive(Debug, Clone)]
pub struct RemotesOfCore {
    /// Each remote.
    pub remotes: Vec<Remote>,
    /// How many nodes hold all of it, and how many are to.
    pub copies: CopiesHeld,
}

/// Why a remote was not added, removed or listed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteNodeError {
    /// No such core, or none that this session may replicate.
    #[error("there is no core here that you may replicate")]
    NotFound,
    /// No such remote.
    #[error("the core has no such remote here")]
    Unknown,
    /// An address that cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// This very node.
    #[error("this is the address of this node itself")]
    Own,
    /// The session may not write it into the core's map.
    #[error("this session may not name hosts of the core")]
    Forbidden,
    /// Too many of them.
    #[error("a core has {REMOTES_PER_CORE_MAX} remotes here at most; remove one first")]
    TooMany,
    /// The node is connected to nobody.
    #[error("this node does not connect to others")]
    Alone,
    /// It was tried, and did not work; nothing was added.
    #[error("{0}")]
    Failed(String),
    /// The core's map could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
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

/// The remotes of a node's cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct Remotes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    cores: Cores,
    access: Arc<Access>,
    identity: Identity,
    clock: Arc<dyn Clock>,
    replication: Replication,
    dialer: RwLock<Option<Arc<dyn Dialer>>>,
    /// Sessions of people who added remotes, by core: their word until the core's map names both nodes.
    sessions: Mutex<HashMap<CoreId, Arc<Session>>>,
    kept: Mutex<HashMap<(CoreId, PublicKey), Kept>>,
    links: Mutex<HashMap<PublicKey, Arc<AsyncMutex<Option<Link>>>>>,
    repairs: Mutex<Repairs>,
    dials: Dials,
}

impl Remotes {
    pub(crate) fn new(
        store: Store,
        cores: Cores,
        access: Arc<Access>,
        identity: Identity,
        clock: Arc<dyn Clock>,
        replication: Replication,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            cores,
            access,
            identity,
            clock,
            replication,
            dialer: RwLock::default(),
            sessions: Mutex::default(),
            kept: Mutex::default(),
            links: Mutex::default(),
            repairs: Mutex::default(),
            dials: Dials::default(),
        }))
    }

    /// Lets the node connect to others this way; before that it does not.
    pub fn dial_by(&self, dialer: Arc<dyn Dialer>) {
        *self.0.dialer.write() = Some(dialer);
        self.0.cores.changes().replicator().wake();
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker::new("replicator", self.0.cores.changes().replicator(), Keeper::new(self.clone()))
    }

    /// Connects to a node, exchanges a core's log with it, and writes both nodes into the core's map as hosts, where the
    /// session may and `as_host` says so. Then it waits for a while until both have all content, too. The exchange
    /// goes on from then on.
    ///
    /// # Errors
    /// [`RemoteNodeError`] when that did not work; nothing was added then.
    pub async fn add(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        address: NodeAddress,
        as_host: bool,
    ) -> Result<Remote, RemoteNodeError> {
        self.check(session, &core).await?;
        let own = self.0.identity.key().await?.public();
        let peer = address.peer;
        if peer == own {
            return Err(RemoteNodeError::Own);
        }
        if self.0.dialer.read().is_none() {
            return Err(RemoteNodeError::Alone);
        }
        let before = self.row(&core, &peer)?;
        if before.is_none() && self.rows(&core)?.len() >= REMOTES_PER_CORE_MAX {
            return Err(RemoteNodeError::TooMany);
        }
        if session.key.is_some() {
            self.0.sessions.lock().insert(core, Arc::clone(session));
        }
        self.vouch(session, core, peer, Some(&address)).await?;
        let kept = self.keep(core, peer, BTreeSet::from([address.text.clone()]));
        let (this, session) = (self.clone(), Arc::clone(session));
        let as_host = as_host && session.key.is_some();
        // A task of its own: a large core goes on coming when whoever asked has waited long enough.
        let introducing = tokio::spawn(async move {
            kept.reach(|exchanged| exchanged.rounds > 0).await.map_err(RemoteNodeError::Failed)?;
            let rounds = kept.state().exchanged.rounds;
            let written = as_host && this.write_hosts(&session, core, &own, &address).await?;
            let after = if written { rounds } else { 0 };
            let done = |exchanged: &Exchanged| exchanged.settled && exchanged.rounds > after;
            kept.reach(done).await.map_err(RemoteNodeError::Failed)
        });
        if let Ok(Ok(Err(error))) = timeout(REMOTE_WAIT, introducing).await {
            if before.is_none() {
                self.forget(&core, &peer).await?;
            }
            return Err(error);
        }
        self.view(&core, &peer)?.ok_or(RemoteNodeError::Unknown)
    }

    /// Names a node in the core's map as a spare host: the core is brought to it when fewer nodes hold it than the map
    /// asks for. Nobody is connected to.
    ///
    /// # Errors
    /// [`RemoteNodeError::Forbidden`] where the session may not write that.
    pub async fn add_spare(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        address: NodeAddress,
    ) -> Result<Remote, RemoteNodeError> {
        self.check(session, &core).await?;
        let own = self.0.identity.key().await?.public();
        let peer = address.peer;
        if peer == own {
            return Err(RemoteNodeError::Own);
        }
        let hosts = self.hosts(&core)?;
        if !hosts.contains_key(&peer) && hosts.len() >= REMOTES_PER_CORE_MAX {
            return Err(RemoteNodeError::TooMany);
        }
        // Who brings the core must be named, too.
        self.write_host(session, core, own, self.reached_at(), None).await?;
        self.write_host(session, core, peer, vec![address.text], Some(true)).await?;
        let is_spare = |view: &Remote| view.spare;
        self.view(&core, &peer)?.filter(is_spare).ok_or(RemoteNodeError::Forbidden)
    }

    /// Names both nodes as hosts in the core's map; gives whether that changed anything.
    async fn write_hosts(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        own: &PublicKey,
        remote: &NodeAddress,
    ) -> Result<bool, RemoteNodeError> {
        let this_one = self.write_host(session, core, *own, self.reached_at(), None).await?;
        let other = vec![remote.text.clone()];
        let other = self.write_host(session, core, remote.peer, other, Some(false)).await?;
        Ok(this_one || other)
    }

    /// The remotes of a core, and how many copies there are.
    ///
    /// # Errors
    /// [`RemoteNodeError::NotFound`] where the session may not replicate the core.
    pub async fn list(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
    ) -> Result<RemotesOfCore, RemoteNodeError> {
        self.check(session, core).await?;
        let own = self.0.identity.key().await?.public();
        let mut peers: BTreeSet<PublicKey> = self.rows(core)?.into_keys().collect();
        peers.extend(self.hosts(core)?.into_keys());
        peers.remove(&own);
        let views = peers.iter().filter_map(|peer| self.view(core, peer).transpose());
        Ok(RemotesOfCore { remotes: views.collect::<Result<_, _>>()?, copies: self.held(core)? })
    }

    /// Exchanges a core with one of its remotes now.
    ///
    /// # Errors
    /// [`RemoteNodeError::Failed`] when that does not work.
    pub async fn sync(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        peer: &PublicKey,
    ) -> Result<Remote, RemoteNodeError> {
        self.check(session, &core).await?;
        if session.key.is_some() {
            self.0.sessions.lock().insert(core, Arc::clone(session));
        }
        if self.row(&core, peer)?.is_some() {
            self.vouch(session, core, *peer, None).await?;
        }
        let addresses = self.wanted(&core)?.remove(peer).ok_or(RemoteNodeError::Unknown)?;
        let kept = self.keep(core, *peer, addresses);
        kept.kick();
        // One that takes longer goes on.
        if let Ok(Err(error)) = timeout(REMOTE_WAIT, kept.reach(|exchanged| exchanged.settled)).await {
            return Err(RemoteNodeError::Failed(error));
        }
        self.view(&core, peer)?.ok_or(RemoteNodeError::Unknown)
    }

    /// Exchanges a core with a node no more, and clears it from the core's hosts where the session may.
    ///
    /// # Errors
    /// [`RemoteNodeError::Unknown`] when there is no such remote.
    pub async fn remove(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        peer: &PublicKey,
    ) -> Result<(), RemoteNodeError> {
        self.check(session, &core).await?;
        let view = self.view(&core, peer)?.ok_or(RemoteNodeError::Unknown)?;
        self.forget(&core, peer).await?;
        let path = Host::path(peer);
        if view.host && session.covers(&core, Verb::Put, Some(&path)) {
            let act = Act::Put { path, value: kubelt_content::Ipld::Null };
            self.0.cores.write(core, Write::Act { session: Arc::clone(session), act }).await?;
        }
        Ok(())
    }

    /// The node's own key, as others know it.
    pub(crate) async fn own_key(&self) -> Result<PublicKey, IdentityError> {
        Ok(self.0.identity.key().await?.public())
    }

    /// Where this node is reached, as far as it knows.
    pub fn reached_at(&self) -> Vec<String> {
        self.0.dialer.read().as_ref().map(|dialer| dialer.reached_at()).unwrap_or_default()
    }

    pub(crate) fn replication(&self) -> &Replication {
        &self.0.replication
    }

    /// Keeps a core equal with a node that nobody added.
    #[cfg(test)]
    pub(crate) fn keep_for_test(&self, core: CoreId, peer: PublicKey, address: String) {
        drop(self.keep(core, peer, BTreeSet::from([address])));
    }

    /// Keeps the word of a session for a remote: a row of it, at one more address, and all of the core for the remote
    /// while the sign-in stands.
    async fn vouch(
        &self,
        session: &Session,
        core: CoreId,
        peer: PublicKey,
        address: Option<&NodeAddress>,
    ) -> Result<(), RemoteNodeError> {
        self.add_row(&core, &peer, address, session).await?;
        self.0.replication.trust(core, peer, Arc::clone(&session.login));
        Ok(())
    }

    async fn check(&self, session: &Arc<Session>, core: &CoreId) -> Result<(), RemoteNodeError> {
        let reader = Reader::Session(Arc::clone(session));
        match self.0.access.replicates(&reader, core).await? {
            true => Ok(()),
            false => Err(RemoteNodeError::NotFound),
        }
    }

    /// Names a node as a host in the core's map; false where it is there already or the session may not write it.
    async fn write_host(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        peer: PublicKey,
        addresses: Vec<String>,
        spare: Option<bool>,
    ) -> Result<bool, RemoteNodeError> {
        let path = Host::path(&peer);
        let addresses = addresses.into_iter().collect();
        let mut host = Host { peer, addresses, spare: spare.unwrap_or_default() };
        if let Some(known) = self.hosts(&core)?.remove(&peer) {
            host.spare = spare.unwrap_or(known.spare);
            if host.addresses.is_subset(&known.addresses) && host.spare == known.spare {
                return Ok(false);
            }
            host.addresses.extend(known.addresses);
        }
        while host.addresses.len() > kubelt_core::limits::HOST_ADDRESSES_MAX {
            host.addresses.pop_last();
        }
        let may = session.covers(&core, Verb::Put, Some(&path))
            && self.0.cores.may(&core, session.account(), Verb::Put, Some(&path)).await?;
        if !may {
            return Ok(false);
        }
        let act = Act::Put { path, value: host.to_ipld() };
        match self.0.cores.write(core, Write::Act { session: Arc::clone(session), act }).await {
            Ok(_) => Ok(true),
            // Others would have to agree. The nodes exchange the core by the sign-in, without being named.
            Err(error) if error.needs_votes() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The hosts that the core's map names.
    fn hosts(&self, core: &CoreId) -> Result<BTreeMap<PublicKey, Host>, StoreError> {
        let base: MapPath = kubelt_core::schema::HOSTS.parse().expect("a constant path");
        let rows = self.0.store.state_scan(core, Some(&base), None, HOSTS_READ_MAX)?;
        let read = |(path, state): (MapPath, kubelt_store::StateEntry)| {
            crate::replicate::read_host(&path, &state.value).map(|host| (host.peer, host))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    fn view(&self, core: &CoreId, peer: &PublicKey) -> Result<Option<Remote>, StoreError> {
        let row = self.row(core, peer)?;
        let host = self.hosts(core)?.remove(peer);
        if row.is_none() && host.is_none() {
            return Ok(None);
        }
        let (added, is_host) = (row.is_some(), host.is_some());
        let spare = host.as_ref().is_some_and(|host| host.spare);
        let mut addresses: BTreeSet<String> = row.into_iter().flatten().collect();
        addresses.extend(host.into_iter().flat_map(|host| host.addresses));
        let seen = self.seen(core, peer)?;
        let rests = spare && !seen.connected && seen.error.is_none();
        let holding = seen.holding.unwrap_or(if rests { Holding::Spare } else { Holding::Away });
        let now_ms = self.0.clock.now_ms();
        let lag_ms = seen.exchanged.settled_ms.filter(|_| holding != Holding::Whole);
        Ok(Some(Remote {
            spare,
            holding,
            lag_ms: lag_ms.map(|settled_ms| now_ms.saturating_sub(settled_ms)),
            peer: *peer,
            addresses: addresses.into_iter().collect(),
            host: is_host,
            added,
            connected: seen.connected,
            exchanged: seen.exchanged,
            error: seen.error,
        }))
    }
}

/// Hosts of a core that are read; those that sort behind them are not connected to.
const HOSTS_READ_MAX: usize = REMOTES_PER_CORE_MAX;

#[cfg(test)]
mod tests;
