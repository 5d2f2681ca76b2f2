//! Names resolved: from what stands behind `/ipns/` to a CID and a path below it.
//!
//! A name is an IPNS name or a DNS name with a DNSLink; each may lead to another of either kind. Steps are
//! counted, and a name that is met twice ends it.

use std::{fmt, sync::Arc, time::Duration};

use cid::Version;
use kubelt_content::{Cid, ipns::Name, ipns::Record, parse_cid};

use crate::{
    clock::Clock,
    denylists::Denylists,
    dnslink::{DnsLinks, LookupError, is_dns_name},
    ipns::{Ipns, OwnNameError},
    limits::{CONTENT_PATH_SEGMENTS_MAX, NAME_STEPS_MAX},
    routing::{NameRouting, RecordRouting},
};

/// Multicodec of dag-pb.
const DAG_PB: u64 = 0x70;

/// Resolves names; cheap to clone.
#[derive(Debug, Clone)]
pub struct Resolver {
    ipns: Ipns,
    dnslinks: DnsLinks,
    denylists: Denylists,
    clock: Arc<dyn Clock>,
    routing: NameRouting,
}

/// A name, as it stands behind `/ipns/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NameRef {
    /// A key.
    Ipns(Name),
    /// A DNS name, in lower case.
    Dns(String),
}

/// Where a content path begins: `/ipfs/{cid}` or `/ipns/{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// By CID.
    Cid(Cid),
    /// By name.
    Name(NameRef),
}

/// A content path: where it begins, and segments behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPath {
    /// Where it begins.
    pub start: Start,
    /// What follows.
    pub segments: Vec<String>,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The root.
    pub root: Cid,
    /// What the names on the way put behind it.
    pub segments: Vec<String>,
    /// How long this may be kept; none where no record on the way says.
    pub ttl: Option<Duration>,
}

/// Why a text is no content path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentPathError {
    /// Not `/ipfs/…` or `/ipns/…`.
    #[error("`{0}` is no content path; one begins with `/ipfs/` or `/ipns/`")]
    Form(String),
    /// Not a CID.
    #[error("`{0}` is no CID")]
    Cid(String),
    /// Not a name.
    #[error("`{0}` is neither an IPNS name nor a DNS name")]
    Name(String),
    /// A segment that no path may have, or too many.
    #[error("a content path has at most {CONTENT_PATH_SEGMENTS_MAX} segments, none empty, `.` or `..`")]
    Segment,
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No valid record of the name is here.
    #[error("no valid record of the IPNS name `{0}` is known here")]
    NoRecord(Box<Name>),
    /// The name has no DNSLink.
    #[error("`{0}` has no DNSLink; it is a TXT record `dnslink=/ipfs/…` at `_dnslink.{0}`")]
    NoLink(String),
    /// This node does not look up DNS names.
    #[error("this node looks up no DNS names; its operator can set `{0}` in `dnslink`")]
    NoLookup(String),
    /// The DNS did not answer.
    #[error("the DNSLink of `{name}` could not be looked up")]
    Lookup {
        /// The name.
        name: String,
        /// Why not.
        source: LookupError,
    },
    /// A record points to something that is no content path.
    #[error("`{name}` points to no content path")]
    Value {
        /// The name.
        name: String,
        /// Why not.
        source: ContentPathError,
    },
    /// Names that lead to each other.
    #[error("`{0}` leads back to itself")]
    Loop(String),
    /// Too many names, one after the other.
    #[error("the name leads over more than {NAME_STEPS_MAX} others")]
    TooLong,
    /// The operator of this node does not serve it.
    #[error("the operator of this node does not serve this name")]
    Denied,
    /// One of the node's own names could not be brought up to date.
    #[error(transparent)]
    Own(#[from] OwnNameError),
}

impl Resolver {
    pub(crate) fn new(ipns: Ipns, dnslinks: DnsLinks, denylists: Denylists, clock: Arc<dyn Clock>) -> Self {
        let routing = ipns.routing().clone();
        Self { ipns, dnslinks, denylists, clock, routing }
    }

    /// From now on, names are also looked for among other nodes, and the records of this node's cores given to them.
    pub fn route_by(&self, routing: Arc<dyn RecordRouting>) {
        self.routing.by(routing);
        self.ipns.spread_now();
    }

    /// Follows a name until there is a CID. `segments` are what is asked for behind the name, which the operator may
    /// have denied.
    ///
    /// # Errors
    /// [`ResolveError`] says at which name it ends.
    pub async fn resolve(&self, name: &NameRef, segments: &[String]) -> Result<Resolved, ResolveError> {
        let mut met: Vec<NameRef> = Vec::new();
        let (mut name, mut behind, mut ttl) = (name.clone(), Vec::<String>::new(), None);
        loop {
            if met.contains(&name) {
                return Err(ResolveError::Loop(name.to_string()));
            }
            if met.len() >= NAME_STEPS_MAX {
                return Err(ResolveError::TooLong);
            }
            if self.is_denied(&name, behind.iter().chain(segments)) {
                return Err(ResolveError::Denied);
            }
            let (mut path, kept) = self.step(&name).await?;
            ttl = match (ttl, kept) {
                (Some(one), Some(other)) => Some(std::cmp::min::<Duration>(one, other)),
                (one, other) => one.or(other),
            };
            path.segments.append(&mut behind);
            if path.segments.len() > CONTENT_PATH_SEGMENTS_MAX {
                return Err(ResolveError::Value {
                    name: name.to_string(),
                    source: ContentPathError::Segment,
                });
            }
            behind = path.segments;
            match path.start {
                Start::Cid(root) => return Ok(Resolved { root, segments: behind, ttl }),
                Start::Name(next) => met.push(std::mem::replace(&mut name, next)),
            }
        }
    }

    /// The valid record of an IPNS name that is here, and how long it may be kept.
    ///
    /// # Errors
    /// Only when the store or the rebuild of an own name fails.
    pub async fn record(&self, name: &Name) -> Result<Option<(Record, Option<Duration>)>, OwnNameError> {
        let Some(record) = self.ipns.record(name).await? else { return Ok(None) };
        let left = record.validity_end().saturating_sub(Duration::from_millis(self.clock.now_ms()));
        let ttl = record.ttl().map(|ttl| ttl.min(left));
        Ok(Some((record, ttl)))
    }

    /// Asks others for the record of a name of theirs, and keeps it where it is better than what is here.
    async fn look_for(&self, name: &Name) -> Result<(), OwnNameError> {
        if self.ipns.is_own(name)? {
            return Ok(());
        }
        if let Some(record) = self.routing.find(name, self.clock.now_ms()).await
            && let Err(error) = self.ipns.put(name, record).await
        {
            // What is here is as good, or it is not kept: then it is looked for again.
            tracing::debug!(%name, %error, "a record that others have was not kept");
        }
        Ok(())
    }

    /// Whether a DNS name has a DNSLink in the node's own map, which no lookup is needed for.
    pub fn is_mapped(&self, name: &str) -> bool {
        self.dnslinks.is_mapped(name)
    }

    fn is_denied<'a>(&self, name: &NameRef, segments: impl Iterator<Item = &'a String>) -> bool {
        let rules = self.denylists.now();
        if rules.is_empty() {
            return false;
        }
        let path = segments.map(String::as_str).collect::<Vec<_>>().join("/");
        match name {
            NameRef::Ipns(key) => rules.denies_key(&key.to_cid(), &path),
            NameRef::Dns(domain) => rules.denies_domain(domain, &path),
        }
    }

    async fn step(&self, name: &NameRef) -> Result<(ContentPath, Option<Duration>), ResolveError> {
        let bad = |source| ResolveError::Value { name: name.to_string(), source };
        match name {
            NameRef::Ipns(key) => {
                self.look_for(key).await?;
                let Some((record, ttl)) = self.record(key).await? else {
                    return Err(ResolveError::NoRecord(Box::new(*key)));
                };
                let value = String::from_utf8_lossy(record.value());
                Ok((ContentPath::parse(&value).map_err(bad)?, ttl))
            }
            NameRef::Dns(dns) => {
                let link = self.dnslinks.link(dns).await?;
                Ok((ContentPath::parse(&link.path).map_err(bad)?, link.ttl))
            }
        }
    }
}

impl NameRef {
    /// Reads what stands behind `/ipns/`: an IPNS name in any spelling, or a DNS name.
    ///
    /// # Errors
    /// [`ContentPathError::Name`] when it is neither.
    pub fn parse(text: &str) -> Result<Self, ContentPathError> {
        if let Some(name) = key_name(text) {
            return Ok(Self::Ipns(name));
        }
        let lower = text.to_ascii_lowercase();
        if is_dns_name(&lower) { Ok(Self::Dns(lower)) } else { Err(ContentPathError::Name(text.to_owned())) }
    }
}

/// The IPNS name in a text: a peer id, or a CID of a key, which old software wrote with the codec of dag-pb.
pub fn key_name(text: &str) -> Option<Name> {
    let old = || parse_cid(text).ok().filter(|cid| cid.version() == Version::V1 && cid.codec() == DAG_PB);
    text.parse().ok().or_else(|| Name::from_hash(old()?.hash()).ok())
}

impl fmt::Display for NameRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipns(name) => name.fmt(f),
            Self::Dns(name) => name.fmt(f),
        }
    }
}

impl ContentPath {
    /// Reads a content path as records write it: not percent-encoded.
    ///
    /// # Errors
    /// [`ContentPathError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, ContentPathError> {
        let form = || ContentPathError::Form(text.to_owned());
        let (space, rest) = text.strip_prefix('/').and_then(|rest| rest.split_once('/')).ok_or_else(form)?;
        let mut parts = rest.trim_end_matches('/').split('/');
        let first = parts.next().unwrap_or_default();
        let start = match space {
            "ipfs" => {
                Start::Cid(parse_cid(first).map_err(|_no_cid| ContentPathError::Cid(first.to_owned()))?)
            }
            "ipns" => Start::Name(NameRef::parse(first)?),
            _ => return Err(form()),
        };
        let segments: Vec<String> = parts.map(str::to_owned).collect();
        let bad = |segment: &String| matches!(segment.as_str(), "" | "." | "..") || segment.contains('\0');
        if segments.len() > CONTENT_PATH_SEGMENTS_MAX || segments.iter().any(bad) {
            return Err(ContentPathError::Segment);
        }
        Ok(Self { start, segments })
    }
}

#[cfg(test)]
mod tests;
