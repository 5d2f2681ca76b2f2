//! Which hosts the cores of this node bind, and which of that the DNS proves, in memory.
//!
//! A row of the store says that a core's map binds a host; it is written with the operation, by the core's one writer.
//! Another says what the DNS proved last, so that hosts answer at once after a start. Both are derived: the map binds, and
//! the DNS is asked again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kubelt_core::{CoreId, HostName, MapPath, host_name::NAMES};
use kubelt_store::{Store, Tx, TxError};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};

use super::proof::{Proof, Proved};
use crate::{
    StoreError,
    limits::host_names::{HOST_LOOK_SPREAD_MS, HOSTS_PER_CORE_MAX},
    worker::Waker,
};

/// By core and host: the core's map binds the host.
const CLAIMED: &str = "host-claimed";
/// By host: what the DNS proved last ([`Proved`]).
const PROVED: &str = "host-proved";
/// Paths of a map read at once.
const SCAN_PAGE: usize = 1_000;

/// The hosts of a node; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct HostTable(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    rows: RwLock<Rows>,
    /// Grows with every change of what hosts lead to.
    changes: AtomicU64,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Rows {
    hosts: HashMap<HostName, Row>,
    of_core: HashMap<CoreId, BTreeSet<HostName>>,
    /// When hosts are looked up next, in milliseconds since the Unix epoch.
    due: BTreeSet<(u64, HostName)>,
}

#[derive(Debug, Default)]
struct Row {
    /// The cores that bind it; the DNS decides between them.
    claims: BTreeSet<CoreId>,
    proof: Proof,
    due_ms: u64,
}

impl HostTable {
    /// Reads what the store has. What was proved is looked up again soon.
    pub(crate) fn open(store: Store, now_ms: u64) -> Self {
        let rows = Rows::read(&store, now_ms).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the hosts of cores could not be read");
            Rows::default()
        });
        Self(Arc::new(Inner {
            store,
            rows: RwLock::new(rows),
            changes: AtomicU64::new(0),
            waker: Waker::default(),
        }))
    }

    /// The core that a host leads to: it binds it, and the DNS proves that. The host is in lower case, without its port
    /// and a dot at its end.
    pub(crate) fn find(&self, host: &str) -> Option<CoreId> {
        let rows = self.0.rows.read();
        rows.hosts.get(host)?.leads_to()
    }

    /// Every host that leads to a core, with that core.
    pub(crate) fn proved(&self) -> Vec<(HostName, CoreId)> {
        let rows = self.0.rows.read();
        let lead = |(host, row): (&HostName, &Row)| Some((host.clone(), row.leads_to()?));
        rows.hosts.iter().filter_map(lead).collect()
    }

    /// The hosts that a core binds, with what the DNS says of each.
    pub(crate) fn of(&self, core: &CoreId) -> Vec<(HostName, Proof)> {
        let rows = self.0.rows.read();
        let hosts = rows.of_core.get(core).into_iter().flatten();
        hosts.map(|host| (host.clone(), rows.hosts[host].proof.clone())).collect()
    }

    /// What the DNS says of a host; none of one that no core here binds.
    pub(crate) fn proof(&self, host: &HostName) -> Option<Proof> {
        self.0.rows.read().hosts.get(host).map(|row| row.proof.clone())
    }

    /// Takes note of what the DNS was found to say, and of when to ask again. What it proves is made durable first.
    pub(crate) async fn settle(
        &self,
        host: &HostName,
        proof: Proof,
        due_ms: u64,
    ) -> Result<(), crate::worker::WorkError> {
        let Some(before) = self.proof(host) else { return Ok(()) };
        let (was, is) = (before.proved(), proof.proved());
        if Proved::is_worth_a_row(was, is) {
            let mut tx = self.0.store.begin();
            tx.put_meta(PROVED, host.as_str().as_bytes(), is.map(Proved::encode).as_deref())?;
            tx.commit().await?;
        }
        let mut rows = self.0.rows.write();
        let rows = &mut *rows;
        let Some(row) = rows.hosts.get_mut(host) else { return Ok(()) };
        row.proof = proof;
        rows.due.remove(&(row.due_ms, host.clone()));
        row.due_ms = due_ms;
        rows.due.insert((due_ms, host.clone()));
        if was.map(|proved| proved.core) != is.map(|proved| proved.core) {
            self.0.changes.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Hosts that are to be looked up by now, so many at most, and when the next one is.
    pub(crate) fn due(&self, now_ms: u64, count_max: usize) -> (Vec<HostName>, Option<u64>) {
        let rows = self.0.rows.read();
        let hosts = rows.due.iter().take_while(|(at_ms, _)| *at_ms <= now_ms).take(count_max);
        (hosts.map(|(_, host)| host.clone()).collect(), rows.due.first().map(|(at_ms, _)| *at_ms))
    }

    /// How many hosts cores bind, and how many of them lead to one.
    pub(crate) fn count(&self) -> (usize, usize) {
        let rows = self.0.rows.read();
        (rows.hosts.len(), rows.hosts.values().filter(|row| row.leads_to().is_some()).count())
    }

    /// Wakes whoever looks hosts up.
    pub(crate) fn waker(&self) -> &Waker {
        &self.0.waker
    }

    /// Takes note of hosts that a core binds now, or does not. To be called once that is durable, before it is told.
    pub(crate) fn changed(&self, core: &CoreId, hosts: BTreeMap<HostName, bool>) {
        let mut rows = self.0.rows.write();
        let is_full = rows.of_core.get(core).is_some_and(|hosts| hosts.len() >= HOSTS_PER_CORE_MAX);
        for (host, is_bound) in hosts {
            if is_bound { rows.claim(core, host) } else { rows.release(core, &host) }
        }
        // There may be room for some that had none.
        if is_full {
            match claims(&self.0.store, core) {
                Ok(hosts) => hosts.into_iter().for_each(|host| rows.claim(core, host)),
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    %core,
                    "the hosts of a core could not be read; more of them count after the next start"
                ),
            }
        }
        drop(rows);
        self.0.changes.fetch_add(1, Ordering::AcqRel);
        self.0.waker.wake();
    }

    /// Grows with every change of what hosts lead to, before that is told.
    pub(crate) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }
}

impl Row {
    fn leads_to(&self) -> Option<CoreId> {
        self.proof.core().filter(|core| self.claims.contains(core))
    }
}

impl Rows {
    fn read(store: &Store, now_ms: u64) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        for row in store.meta_scan(CLAIMED, &[], None) {
            let (key, _) = row?;
            let Some((core, host)) = read_claim(&key) else { continue };
            rows.claim(&core, host);
        }
        for row in store.meta_scan(PROVED, &[], None) {
            let (key, value) = row?;
            let host = std::str::from_utf8(&key).ok().and_then(|host| host.parse::<HostName>().ok());
            let proved = Proved::decode(&value).filter(|proved| proved.counts(now_ms));
            if let (Some(host), Some(proved)) = (host, proved) {
                rows.believe(&host, proved, now_ms);
            }
        }
        Ok(rows)
    }

    /// Takes for true what was proved before the start; it is looked up soon, but not all of it at once.
    fn believe(&mut self, host: &HostName, proved: Proved, now_ms: u64) {
        let Some(row) = self.hosts.get_mut(host) else { return };
        self.due.remove(&(row.due_ms, host.clone()));
        row.proof = Proof::of(proved);
        row.due_ms = now_ms + spread(host, HOST_LOOK_SPREAD_MS);
        self.due.insert((row.due_ms, host.clone()));
    }

    /// A core binds a host. The DNS is asked at once.
    fn claim(&mut self, core: &CoreId, host: HostName) {
        let hosts = self.of_core.entry(*core).or_default();
        if hosts.len() >= HOSTS_PER_CORE_MAX || !hosts.insert(host.clone()) {
            return;
        }
        let row = self.hosts.entry(host.clone()).or_default();
        row.claims.insert(*core);
        self.due.remove(&(row.due_ms, host.clone()));
        row.due_ms = 0;
        self.due.insert((row.due_ms, host));
    }

    /// A core binds a host no more.
    fn release(&mut self, core: &CoreId, host: &HostName) {
        let Some(hosts) = self.of_core.get_mut(core) else { return };
        if !hosts.remove(host) {
            return;
        }
        if hosts.is_empty() {
            self.of_core.remove(core);
        }
        let Some(row) = self.hosts.get_mut(host) else { return };
        row.claims.remove(core);
        if row.claims.is_empty() {
            self.due.remove(&(row.due_ms, host.clone()));
            self.hosts.remove(host);
        }
    }
}

/// A pause of its own for each host, below `most_ms`, so that they are not all looked up together.
pub(super) fn spread(host: &HostName, most_ms: u64) -> u64 {
    let sum = Sha256::digest(host.as_str().as_bytes());
    let (first, _) = sum.split_first_chunk::<8>().expect("32 bytes");
    u64::from_be_bytes(*first) % most_ms.max(1)
}

/// The hosts that a core's map binds; so many at most.
fn claims(store: &Store, core: &CoreId) -> Result<BTreeSet<HostName>, StoreError> {
    let base = MapPath::new(NAMES).expect("a constant path");
    let (mut hosts, mut after) = (BTreeSet::new(), None);
    loop {
        let rows = store.state_scan(core, Some(&base), after.as_ref(), SCAN_PAGE)?;
        hosts.extend(rows.iter().filter_map(|(path, _)| HostName::of_path(path)));
        if rows.len() < SCAN_PAGE || hosts.len() >= HOSTS_PER_CORE_MAX {
            return Ok(hosts.into_iter().take(HOSTS_PER_CORE_MAX).collect());
        }
        after = rows.into_iter().next_back().map(|(path, _)| path);
    }
}

fn read_claim(key: &[u8]) -> Option<(CoreId, HostName)> {
    let (core, host) = key.split_first_chunk::<32>()?;
    Some((CoreId::from_digest(*core), std::str::from_utf8(host).ok()?.parse().ok()?))
}

/// Notes whether a core binds a host now. Only the core's one writer may call this, with what its transaction leaves.
pub(crate) fn note(tx: &mut Tx, core: &CoreId, host: &HostName, is_bound: bool) -> Result<(), TxError> {
    let key = [core.digest().as_slice(), host.as_str().as_bytes()].concat();
    tx.put_meta(CLAIMED, &key, is_bound.then_some(&[]))
}
