//! Host names that lead to cores: `widgets.acme.org` is `@acme`.
//!
//! It takes two sides: the core's map binds the host (`names/<host>`), and the DNS says that the host is meant for that core
//! ([`proof`]). Either alone leads nowhere, so nobody takes a host by writing it into their map, and no node is made to
//! serve a core by a record in the DNS. Whoever binds a host, the DNS decides; of two cores it names one.
//!
//! What was proved is looked up again and again, and ends with the record. While the DNS gives no answer it counts for a
//! day. All of it is in memory ([`table`]), so that a request finds its core by one look into a map, however many hosts
//! there are.

mod proof;
mod table;

use std::sync::Arc;

use kubelt_core::{
    CoreId, HostName,
    host_name::{core_of_host, host_of_core},
    schema::Visibility,
};
use parking_lot::RwLock;
use tokio::task::JoinSet;

use self::proof::ask;
pub use self::proof::{Proof, ProofKind};
pub(crate) use self::table::{HostTable, note};
use crate::{
    Reader, StoreError,
    access::Access,
    clock::Clock,
    cores::{Cores, LoadError},
    dnslink::DnsLinks,
    exchange::Exchange,
    limits::host_names::{HOST_LOOK_EVERY, HOST_LOOKS_MAX},
    worker::{Progress, Step, Stepping, Work, WorkError, Worker},
};

/// The hosts of cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct HostNames(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: HostTable,
    dns: DnsLinks,
    clock: Arc<dyn Clock>,
    cores: Cores,
    exchange: Exchange,
    access: Arc<Access>,
    /// The names under which others reach this node.
    own: RwLock<Vec<String>>,
}

/// A host, as the people of a core see it.
#[derive(Debug, Clone)]
pub struct HostBinding {
    /// The host.
    pub host: HostName,
    /// Whether the core's map binds it.
    pub is_bound: bool,
    /// Whether requests to it lead to the core.
    pub leads_here: bool,
    /// What the DNS says.
    pub proof: Proof,
    /// Where each of the records would prove it: name, type and value.
    pub records: Vec<ProofRecord>,
}

/// A record that proves a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofRecord {
    /// Where it stands.
    pub name: String,
    /// `TXT` or `CNAME`.
    pub kind: ProofKind,
    /// What it says.
    pub value: String,
}

/// Why nothing is told of a host.
#[derive(Debug, thiserror::Error)]
pub enum HostNameFault {
    /// No such core, or not for this reader.
    #[error("there is no such core")]
    NotFound,
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// What was found could not be kept.
    #[error("what the DNS says could not be kept")]
    Keep(#[source] WorkError),
}

impl HostNames {
    pub(crate) fn new(
        cores: &Cores,
        exchange: &Exchange,
        access: &Arc<Access>,
        dns: DnsLinks,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (cores, exchange, access) = (cores.clone(), exchange.clone(), Arc::clone(access));
        let (table, own) = (cores.doors.hosts.clone(), RwLock::default());
        Self(Arc::new(Inner { table, dns, clock, cores, exchange, access, own }))
    }

    /// The names under which others reach this node, without ports: aliases to `{core}.core.NAME` prove hosts.
    pub fn known_as(&self, names: impl IntoIterator<Item = String>) {
        *self.0.own.write() = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
    }

    /// The core that a host leads to, for a host in lower case without its port.
    pub fn find(&self, host: &str) -> Option<CoreId> {
        self.0.table.find(host).or_else(|| self.0.own.read().iter().find_map(|own| core_of_host(host, own)))
    }

    /// The same, where there is anything for `reader` at the core or where the names below it lead. To everybody else such
    /// a host is one that this node does not know.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn find_for(
        &self,
        reader: &Reader,
        host: &str,
        below: &[String],
    ) -> Result<Option<CoreId>, LoadError> {
        let Some(core) = self.find(host) else { return Ok(None) };
        if self.shows(reader, &core).await? {
            return Ok(Some(core));
        }
        if below.is_empty() {
            return Ok(None);
        }
        let names: Vec<_> = std::iter::once(core.to_string()).chain(below.iter().cloned()).collect();
        let target = self.0.cores.resolve_for(reader, &names).await?;
        Ok(self.shows(reader, &target).await?.then_some(core))
    }

    async fn shows(&self, reader: &Reader, core: &CoreId) -> Result<bool, LoadError> {
        Ok(self.0.exchange.summary(reader, core).await?.is_some()
            || self.0.cores.admission(core).await?.is_some())
    }

    /// Every host that leads to a core of which strangers see something.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn shown(&self) -> Result<Vec<HostName>, LoadError> {
        let mut shown = Vec::new();
        for (host, core) in self.0.table.proved() {
            if self.shows(&Reader::Anonymous, &core).await? {
                shown.push(host);
            }
        }
        Ok(shown)
    }

    /// How often what hosts lead to has changed.
    pub fn changes(&self) -> u64 {
        self.0.table.changes()
    }

    /// Figures for the operator: name, meaning, value.
    pub fn figures(&self) -> [(&'static str, &'static str, u64); 2] {
        let (bound, leading) = self.0.table.count();
        [
            ("hosts_bound", "Host names that cores bind", bound as u64),
            ("hosts_proved", "Those of them that lead to their core", leading as u64),
        ]
    }

    /// The hosts that a core binds, as far as `reader` may know of them.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list(&self, reader: &Reader, core: &CoreId) -> Result<Vec<HostBinding>, HostNameFault> {
        let mut known = Vec::new();
        for (host, proof) in self.0.table.of(core) {
            if self.knows(reader, core, &host).await? {
                known.push(self.binding(core, host, true, proof));
            }
        }
        Ok(known)
    }

    /// Asks the DNS about a host now, for whoever may know which hosts a core binds. `admit` is asked first.
    ///
    /// # Errors
    /// [`HostNameFault`], or what `admit` says.
    pub async fn check<E: From<HostNameFault>>(
        &self,
        reader: &Reader,
        core: &CoreId,
        host: &HostName,
        admit: impl FnOnce() -> Result<(), E>,
    ) -> Result<HostBinding, E> {
        if !self.knows(reader, core, host).await? {
            return Err(HostNameFault::NotFound.into());
        }
        admit()?;
        let is_bound = self.0.table.of(core).iter().any(|(bound, _)| bound == host);
        let proof = self.look(host).await.map_err(HostNameFault::Keep)?;
        Ok(self.binding(core, host.clone(), is_bound, proof))
    }

    async fn knows(&self, reader: &Reader, core: &CoreId, host: &HostName) -> Result<bool, HostNameFault> {
        let seen = self.0.access.sees_within(reader, core, &host.path(), Visibility::Members).await;
        match seen {
            Ok(seen) => Ok(seen.is_some()),
            Err(LoadError::Unknown) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn binding(&self, core: &CoreId, host: HostName, is_bound: bool, proof: Proof) -> HostBinding {
        let txt =
            ProofRecord { name: host.proof_name(), kind: ProofKind::Txt, value: format!("core={core}") };
        let own = self.0.own.read().first().map(|own| ProofRecord {
            name: host.to_string(),
            kind: ProofKind::Cname,
            value: host_of_core(core, own),
        });
        let leads_here = is_bound && proof.core() == Some(*core);
        HostBinding { host, is_bound, leads_here, proof, records: std::iter::once(txt).chain(own).collect() }
    }

    /// Asks the DNS about a host, and keeps what it says where a core binds the host.
    async fn look(&self, host: &HostName) -> Result<Proof, WorkError> {
        let own = self.0.own.read().clone();
        let said = ask(&self.0.dns, host, &own).await;
        let now_ms = self.0.clock.now_ms();
        let before = self.0.table.proof(host).unwrap_or_default();
        let (proof, pause_ms) = before.after(said, now_ms);
        if before.core() != proof.core() {
            tracing::info!(%host, core = proof.core().map(tracing::field::display), "what the DNS says of a host has changed");
        }
        let due_ms = now_ms + pause_ms - table::spread(host, pause_ms / 8);
        self.0.table.settle(host, proof.clone(), due_ms).await?;
        Ok(proof)
    }

    /// Looks hosts up when they are due.
    pub(crate) fn worker(&self) -> Worker {
        Worker::new("hosts", self.0.table.waker(), Looks(self.clone()))
    }
}

#[derive(Debug)]
struct Looks(HostNames);

impl Work for Looks {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let names = &self.0;
            let (due, next) = names.0.table.due(names.0.clock.now_ms(), HOST_LOOKS_MAX);
            if due.is_empty() {
                progress.waiting(0);
                let now_ms = names.0.clock.now_ms();
                let next = next.map(|at_ms| std::time::Duration::from_millis(at_ms.saturating_sub(now_ms)));
                return Ok(Step::Idle(next.unwrap_or(HOST_LOOK_EVERY).min(HOST_LOOK_EVERY)));
            }
            progress.waiting(due.len() as u64);
            let mut looks = JoinSet::new();
            for host in due {
                let names = names.clone();
                looks.spawn(async move { names.look(&host).await });
            }
            while let Some(looked) = looks.join_next().await {
                looked??;
            }
            Ok(Step::More)
        })
    }
}

#[cfg(test)]
mod tests;
