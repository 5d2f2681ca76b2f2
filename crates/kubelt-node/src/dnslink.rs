//! DNSLink: DNS names that point to content (<https://dnslink.dev>).
//!
//! The node's own map comes first: for tests, and for places without a DNS. What is not in it is looked up
//! through the port [`TxtLookup`], if the node has one, and the answer is kept as long as its TTL says, within
//! bounds; that there is none is kept, too.
//!
//! The same map and the same port tell of hosts of cores, at `_kubelt.NAME` ([`DnsLinks::hosts`]).

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use kubelt_core::HostRecord;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    limits::{DNSLINK_TTL_MAX, DNSLINK_TTL_MIN, DNSLINK_TTL_NONE, DNSLINKS_CACHED_MAX, LOOKUPS_MAX},
    resolve::{ContentPath, ContentPathError, ResolveError},
};

/// Where a name tells of hosts of a core.
const HOSTS_LABEL: &str = "_kubelt.";

/// The TXT records of a DNS name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxtAnswer {
    /// The records, each with its strings put together; none where the name has none or is not there.
    pub records: Vec<Vec<u8>>,
    /// How long they may be kept; none where the DNS does not say.
    pub ttl: Option<Duration>,
}

/// Why the DNS gave no answer: neither records, nor that there are none.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LookupError {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// A failure, in the resolver's words.
    #[error("{0}")]
    Failed(String),
}

/// Why a map of DNSLinks was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BadLink {
    /// Not a DNS name.
    #[error("`{0}` is no DNS name")]
    Name(String),
    /// No hosts of a core.
    #[error("`{0}` names neither a core nor hosts; write `core=bafy… host=/dns/…/p2p/12D3…`")]
    Hosts(String),
    /// Not a content path.
    #[error("the DNSLink of `{name}` is no content path")]
    Path {
        /// The name.
        name: String,
        /// Why not.
        source: ContentPathError,
    },
}

/// What a lookup answers, when it is done.
pub type Looking<'a, T = TxtAnswer> = Pin<Box<dyn Future<Output = Result<T, LookupError>> + Send + 'a>>;

/// Looks up TXT records, and names that stand for others.
pub trait TxtLookup: Send + Sync + fmt::Debug {
    /// The TXT records of `name`, which has no dot at its end.
    fn txt<'a>(&'a self, name: &'a str) -> Looking<'a>;

    /// The name that `name` itself stands for (CNAME), in lower case and without a dot at its end; none where it stands
    /// for itself.
    fn alias<'a>(&'a self, name: &'a str) -> Looking<'a, Option<String>>;
}

/// A DNSLink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The content path.
    pub(crate) path: String,
    /// How long it may be kept; none where nobody says.
    pub(crate) ttl: Option<Duration>,
}

/// The DNSLinks that a node knows and finds; cheap to clone, and all clones see a change.
#[derive(Debug, Clone)]
pub struct DnsLinks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    map: RwLock<BTreeMap<String, String>>,
    /// What is known of hosts without asking, by the name behind `_kubelt.`.
    hosts: RwLock<BTreeMap<String, HostRecord>>,
    lookup: RwLock<Option<Arc<dyn TxtLookup>>>,
    clock: Arc<dyn Clock>,
    cache: Mutex<HashMap<String, Cached>>,
    /// Lookups at once.
    looking: Semaphore,
}

/// What was found, and until when that holds, in milliseconds since the Unix epoch.
#[derive(Debug, Clone)]
struct Cached {
    path: Option<String>,
    until_ms: u64,
}

impl DnsLinks {
    /// Knows no name, and looks up none.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let looking = Semaphore::new(LOOKUPS_MAX);
        let (map, lookup, cache) = (RwLock::default(), RwLock::default(), Mutex::default());
        Self(Arc::new(Inner { map, hosts: RwLock::default(), lookup, clock, cache, looking }))
    }

    /// Gives DNS names a content path each, and names below `_kubelt.` hosts of a core, whatever the DNS says.
    ///
    /// # Errors
    /// The first name that is no DNS name, or the error of its path.
    pub fn set(&self, map: BTreeMap<String, String>) -> Result<(), BadLink> {
        let (mut checked, mut hosts) = (BTreeMap::new(), BTreeMap::new());
        for (name, path) in map {
            let lower = name.to_ascii_lowercase();
            if !is_dns_name(&lower) {
                return Err(BadLink::Name(name));
            }
            if let Some(of) = lower.strip_prefix(HOSTS_LABEL) {
                let record = HostRecord::read([path.as_bytes()]);
                if record.is_empty() {
                    return Err(BadLink::Hosts(name));
                }
                hosts.insert(of.to_owned(), record);
                continue;
            }
            if let Err(source) = ContentPath::parse(&path) {
                return Err(BadLink::Path { name, source });
            }
            checked.insert(lower, path);
        }
        *self.0.map.write() = checked;
        *self.0.hosts.write() = hosts;
        Ok(())
    }

    /// Looks up in the DNS what the map does not have.
    pub fn look_up_by(&self, lookup: Arc<dyn TxtLookup>) {
        *self.0.lookup.write() = Some(lookup);
    }

    /// Whether a name, in lower case, is in the node's own map.
    pub fn is_mapped(&self, name: &str) -> bool {
        self.0.map.read().contains_key(name)
    }

    /// The DNSLink of a name in lower case.
    pub(crate) async fn link(&self, name: &str) -> Result<Link, ResolveError> {
        if let Some(path) = self.0.map.read().get(name) {
            return Ok(Link { path: path.clone(), ttl: None });
        }
        let lookup = self.0.lookup.read().clone();
        let Some(lookup) = lookup else { return Err(ResolveError::NoLookup(name.to_owned())) };
        let cached = match self.cached(name) {
            Some(cached) => cached,
            None => {
                let _turn = self.0.looking.acquire().await.expect("the semaphore is never closed");
                match self.cached(name) {
                    Some(cached) => cached,
                    None => self
                        .look_up(&*lookup, name)
                        .await
                        .map_err(|source| ResolveError::Lookup { name: name.to_owned(), source })?,
                }
            }
        };
        let left = Duration::from_millis(cached.until_ms.saturating_sub(self.0.clock.now_ms()));
        match cached.path {
            Some(path) => Ok(Link { path, ttl: Some(left) }),
            None => Err(ResolveError::NoLink(name.to_owned())),
        }
    }

    /// Where a name leads by its aliases, one after the other; so many of them at most.
    pub(crate) async fn aliases(&self, name: &str, count_max: usize) -> Result<Vec<String>, ResolveError> {
        let Some(lookup) = self.0.lookup.read().clone() else { return Ok(Vec::new()) };
        let _turn = self.0.looking.acquire().await.expect("the semaphore is never closed");
        let mut aliases: Vec<String> = Vec::new();
        while aliases.len() < count_max {
            let from = aliases.last().map_or(name, String::as_str);
            let alias = lookup.alias(from).await;
            let alias = alias.map_err(|source| ResolveError::Lookup { name: from.to_owned(), source })?;
            match alias {
                Some(alias) if alias != name && !aliases.contains(&alias) => aliases.push(alias),
                _ => break,
            }
        }
        Ok(aliases)
    }

    /// What the DNS says of hosts at `_kubelt.{name}`, for a name in lower case.
    pub(crate) async fn hosts(&self, name: &str) -> Result<HostRecord, ResolveError> {
        if let Some(record) = self.0.hosts.read().get(name) {
            return Ok(record.clone());
        }
        let lookup = self.0.lookup.read().clone();
        let Some(lookup) = lookup else { return Err(ResolveError::NoLookup(format!("{HOSTS_LABEL}{name}"))) };
        let _turn = self.0.looking.acquire().await.expect("the semaphore is never closed");
        let answer = lookup.txt(&format!("{HOSTS_LABEL}{name}")).await;
        let answer = answer.map_err(|source| ResolveError::Lookup { name: name.to_owned(), source })?;
        Ok(HostRecord::read(answer.records.iter().map(Vec::as_slice)))
    }

    /// Asks at `_dnslink.{name}`, and only where nothing is there at the name itself.
    async fn look_up(&self, lookup: &dyn TxtLookup, name: &str) -> Result<Cached, LookupError> {
        let first = lookup.txt(&format!("_dnslink.{name}")).await?;
        let mut found = (path_of_records(&first.records), first.ttl);
        if found.0.is_none() {
            let second = lookup.txt(name).await?;
            found = (path_of_records(&second.records), second.ttl.into_iter().chain(first.ttl).min());
        }
        let (path, ttl) = found;
        let ttl = match (&path, ttl) {
            (_, Some(ttl)) => ttl.clamp(DNSLINK_TTL_MIN, DNSLINK_TTL_MAX),
            (Some(_), None) => DNSLINK_TTL_MIN,
            (None, None) => DNSLINK_TTL_NONE,
        };
        let until_ms = self.0.clock.now_ms() + u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let cached = Cached { path, until_ms };
        self.keep(name, cached.clone());
        Ok(cached)
    }

    fn cached(&self, name: &str) -> Option<Cached> {
        let now_ms = self.0.clock.now_ms();
        self.0.cache.lock().get(name).filter(|cached| cached.until_ms > now_ms).cloned()
    }

    fn keep(&self, name: &str, cached: Cached) {
        let (now_ms, cache) = (self.0.clock.now_ms(), &mut *self.0.cache.lock());
        if cache.len() >= DNSLINKS_CACHED_MAX {
            cache.retain(|_, cached| cached.until_ms > now_ms);
        }
        if cache.len() >= DNSLINKS_CACHED_MAX {
            cache.clear();
        }
        cache.insert(name.to_owned(), cached);
    }
}

/// The content path of a name's TXT records: of several the least, so that every node takes the same.
fn path_of_records(records: &[Vec<u8>]) -> Option<String> {
    let link = |record: &Vec<u8>| {
        let path = std::str::from_utf8(record).ok()?.strip_prefix("dnslink=")?.trim();
        ContentPath::parse(path).is_ok().then(|| path.to_owned())
    };
    records.iter().filter_map(link).min()
}

/// Whether a text, in lower case, is a DNS name with at least one dot, and no address.
pub fn is_dns_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(is_label)
        && !text.rsplit('.').next().is_some_and(is_number)
}

#[cfg(test)]
mod tests;
