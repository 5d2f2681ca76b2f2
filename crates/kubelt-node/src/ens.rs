//! Names of the Ethereum Name Service, wherever an address may be given.
//!
//! A port asks the chain, at its last final block. What it says is kept for [`ENS_KEPT_MS`] (that there is nothing, for
//! [`ENS_MISSING_KEPT_MS`]), so that a name which changed
//! hands leads elsewhere at most so long after the change is final. A name leads to an account, and from there on all is
//! as if that account had been written: what is granted is granted to the account and never follows the name, and nobody is
//! let in anywhere because of a name.

use std::{collections::HashMap, fmt, sync::Arc};

use kubelt_core::{Account, BlockRef, EnsName, EnsNameError, HostRecord};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::{
    chains::Asking,
    clock::Clock,
    limits::{ENS_AT_ONCE_MAX, ENS_KEPT_MAX, ENS_KEPT_MS, ENS_MISSING_KEPT_MS},
};

/// The text record that tells of hosts of a core, in the words of [`HostRecord`].
const HOSTS_KEY: &str = "kubelt";

/// Asks the name service.
pub trait EnsPort: Send + Sync + fmt::Debug {
    /// The account that a name leads to, and the block at which it does.
    fn account<'a>(&'a self, name: &'a EnsName) -> Asking<'a, Result<(Account, BlockRef), EnsFault>>;
    /// A text record of a name, and the block at which it stands there.
    fn text<'a>(
        &'a self,
        name: &'a EnsName,
        key: &'a str,
    ) -> Asking<'a, Result<(String, BlockRef), EnsFault>>;
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAccount {
    /// The name, normalised.
    pub name: EnsName,
    /// The account: a contract wallet where there is code at the address, otherwise a plain key.
    pub account: Account,
    /// The block at which it was looked up.
    pub block: BlockRef,
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnsFault {
    /// It is none.
    #[error(transparent)]
    Name(#[from] EnsNameError),
    /// Nobody is asked about the chain of the names.
    #[error(
        "this node looks up no ENS names: its operator names no upstreams of their chain (`[chains.1]`); write the address"
    )]
    NoChain,
    /// The service knows no such record of it.
    #[error(
        "`{0}` leads nowhere at the last final block of its chain; what was set a moment ago counts a little later"
    )]
    Nowhere(EnsName),
    /// Its resolver wants others asked.
    #[error(
        "where `{0}` leads is kept off the chain (CCIP-Read), and this node asks nobody there; write the address"
    )]
    OffChain(EnsName),
    /// Others are being looked up.
    #[error("too many names are being looked up; try again in a moment")]
    Busy,
    /// The chain gives no answer.
    #[error("the chain of the names gives no answer at the moment; try again in a while")]
    Unanswered,
}

/// Looks up names; cheap to clone.
#[derive(Debug, Clone)]
pub struct EnsNames(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    port: RwLock<Option<Arc<dyn EnsPort>>>,
    accounts: Kept<NamedAccount>,
    hosts: Kept<HostRecord>,
    places: Semaphore,
}

/// What was found, and when, in milliseconds since the Unix epoch.
type Rows<T> = HashMap<EnsName, (u64, Result<T, EnsFault>)>;

#[derive(Debug)]
struct Kept<T>(Mutex<Rows<T>>);

impl EnsNames {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            clock,
            port: RwLock::default(),
            accounts: Kept(Mutex::default()),
            hosts: Kept(Mutex::default()),
            places: Semaphore::new(ENS_AT_ONCE_MAX),
        }))
    }

    /// From now on this one asks the name service.
    pub fn look_up_by(&self, port: Arc<dyn EnsPort>) {
        *self.0.port.write() = Some(port);
    }

    /// The account that a name leads to. `admit` is asked before the chain is, and not where the answer is known.
    ///
    /// # Errors
    /// [`EnsFault`], or what `admit` says.
    pub async fn account<E: From<EnsFault>>(
        &self,
        name: &str,
        admit: impl FnOnce() -> Result<(), E>,
    ) -> Result<NamedAccount, E> {
        let name: EnsName = name.parse().map_err(EnsFault::from)?;
        let inner = &*self.0;
        if let Some(known) = inner.accounts.find(&name, inner.clock.now_ms()) {
            return Ok(known?);
        }
        let port = inner.port()?;
        admit()?;
        let _place = inner.places.try_acquire().map_err(|_full| EnsFault::Busy)?;
        let found = port.account(&name).await;
        let found = found.map(|(account, block)| NamedAccount { name: name.clone(), account, block });
        Ok(inner.accounts.keep(name, inner.clock.now_ms(), found)?)
    }

    /// What a name says of hosts of a core, in its text record `kubelt`.
    pub(crate) async fn hosts(&self, name: &EnsName) -> Result<HostRecord, EnsFault> {
        let inner = &*self.0;
        if let Some(known) = inner.hosts.find(name, inner.clock.now_ms()) {
            return known;
        }
        let port = inner.port()?;
        let _place = inner.places.try_acquire().map_err(|_full| EnsFault::Busy)?;
        let found = port.text(name, HOSTS_KEY).await;
        let found = found.map(|(text, _block)| HostRecord::read([text.as_bytes()]));
        inner.hosts.keep(name.clone(), inner.clock.now_ms(), found)
    }
}

impl Inner {
    fn port(&self) -> Result<Arc<dyn EnsPort>, EnsFault> {
        self.port.read().clone().ok_or(EnsFault::NoChain)
    }
}

impl<T: Clone> Kept<T> {
    fn find(&self, name: &EnsName, now_ms: u64) -> Option<Result<T, EnsFault>> {
        let rows = self.0.lock();
        let row = rows.get(name)?;
        holds(row, now_ms).then(|| row.1.clone())
    }

    /// Keeps what was found. That nobody answers is not kept.
    fn keep(&self, name: EnsName, now_ms: u64, found: Result<T, EnsFault>) -> Result<T, EnsFault> {
        if !matches!(found, Err(EnsFault::Unanswered)) {
            let rows = &mut *self.0.lock();
            if rows.len() >= ENS_KEPT_MAX {
                rows.retain(|_, row| holds(row, now_ms));
            }
            if rows.len() < ENS_KEPT_MAX {
                rows.insert(name, (now_ms, found.clone()));
            }
        }
        found
    }
}

/// Whether what was found is still taken for true.
fn holds<T>((at_ms, found): &(u64, Result<T, EnsFault>), now_ms: u64) -> bool {
    let kept_ms = if found.is_ok() { ENS_KEPT_MS } else { ENS_MISSING_KEPT_MS };
    now_ms.abs_diff(*at_ms) < kept_ms
}

#[cfg(test)]
mod tests;
