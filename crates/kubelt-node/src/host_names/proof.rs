//! What the DNS says of a host name, and what follows from it.
//!
//! Two records prove that a host is meant for a core: a TXT record `core=bafy…` at `_kubelt.HOST`, or an alias (CNAME) of the
//! host itself to `bafy….core.NODE`, where NODE is a name of this node. An alias to the node alone would say which node is
//! meant and not which core, and any of its cores could take the host. Where a TXT record names a core, it alone counts.

use kubelt_core::{CoreId, HostName, host_name::core_of_host};

use crate::{
    ResolveError,
    dnslink::DnsLinks,
    limits::host_names::{
        HOST_ALIASES_MAX, HOST_GRACE_MS, HOST_LOOK_FAILED_MS, HOST_LOOK_MAX_MS, HOST_LOOK_MIN_MS,
        HOST_LOOK_PROVED_MS,
    },
};

/// By which record a host was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKind {
    /// TXT at `_kubelt.HOST`.
    Txt,
    /// An alias of the host.
    Cname,
}

/// That a host is meant for a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proved {
    pub(crate) core: CoreId,
    pub(crate) kind: ProofKind,
    /// When the DNS said so last, in milliseconds since the Unix epoch.
    pub(crate) good_ms: u64,
}

/// What is known of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    proved: Option<Proved>,
    /// When it was looked up last, in milliseconds since the Unix epoch; none where it was not since the start.
    pub looked_ms: Option<u64>,
    /// Why the DNS gave no answer when it was asked last, in words.
    pub failure: Option<String>,
    /// Look-ups in a row that proved nothing.
    tries: u32,
}

/// What the DNS answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It names a core.
    Core(CoreId, ProofKind),
    /// It names none.
    Nothing,
    /// It gave no answer, for this reason.
    Failed(String),
}

impl Proved {
    const V: u8 = 1;

    /// Whether the store is to hear of it: another core, or the same still, for long enough to matter after a start.
    pub(crate) fn is_worth_a_row(was: Option<Self>, is: Option<Self>) -> bool {
        match (was, is) {
            (Some(was), Some(is)) => {
                (was.core, was.kind) != (is.core, is.kind)
                    || was.good_ms / (HOST_GRACE_MS / 4) != is.good_ms / (HOST_GRACE_MS / 4)
            }
            (was, is) => was.is_some() != is.is_some(),
        }
    }

    /// Whether it counts while the DNS gives no answer.
    pub(crate) const fn counts(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.good_ms) < HOST_GRACE_MS
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let kind = match self.kind {
            ProofKind::Txt => 0,
            ProofKind::Cname => 1,
        };
        [&[Self::V, kind], self.core.digest().as_slice(), &self.good_ms.to_be_bytes()].concat()
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let ([Self::V, kind], rest) = row.split_first_chunk::<2>()? else { return None };
        let (core, rest) = rest.split_first_chunk::<32>()?;
        let kind = match kind {
            0 => ProofKind::Txt,
            1 => ProofKind::Cname,
            _ => return None,
        };
        Some(Self {
            core: CoreId::from_digest(*core),
            kind,
            good_ms: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

impl Proof {
    /// What was proved before the node started.
    pub(crate) fn of(proved: Proved) -> Self {
        Self { proved: Some(proved), ..Self::default() }
    }

    /// The core that the host is proved for.
    pub fn core(&self) -> Option<CoreId> {
        self.proved.map(|proved| proved.core)
    }

    /// By which record.
    pub fn kind(&self) -> Option<ProofKind> {
        self.proved.map(|proved| proved.kind)
    }

    /// Until when the proof counts while the DNS gives no answer, in milliseconds since the Unix epoch.
    pub fn grace_ms(&self) -> Option<u64> {
        self.proved.map(|proved| proved.good_ms.saturating_add(HOST_GRACE_MS))
    }

    pub(crate) const fn proved(&self) -> Option<Proved> {
        self.proved
    }

    /// What is known once the DNS has said this, and how long that may go unasked, in milliseconds.
    pub(crate) fn after(&self, said: Said, now_ms: u64) -> (Self, u64) {
        let failure = match &said {
            Said::Failed(why) => Some(why.clone()),
            _ => None,
        };
        let proved = match said {
            Said::Core(core, kind) => Some(Proved { core, kind, good_ms: now_ms }),
            Said::Nothing => None,
            // A server that is down for a while takes nobody's host away.
            Said::Failed(_) => self.proved.filter(|proved| proved.counts(now_ms)),
        };
        let tries = if proved.is_some() && failure.is_none() { 0 } else { self.tries.saturating_add(1) };
        let pause_ms = match (proved, &failure) {
            (Some(_), None) => HOST_LOOK_PROVED_MS,
            (Some(_), Some(_)) => HOST_LOOK_FAILED_MS,
            (None, _) => {
                HOST_LOOK_MIN_MS.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(HOST_LOOK_MAX_MS)
            }
        };
        (Self { proved, looked_ms: Some(now_ms), failure, tries }, pause_ms)
    }
}

/// Asks the DNS which core a host is meant for.
pub(crate) async fn ask(dns: &DnsLinks, host: &HostName, own: &[String]) -> Said {
    match dns.hosts(host.as_str()).await {
        Err(error) => return Said::Failed(words(&error)),
        Ok(record) => {
            if let Some(core) = record.core {
                return Said::Core(core, ProofKind::Txt);
            }
        }
    }
    match dns.aliases(host.as_str(), HOST_ALIASES_MAX).await {
        Err(error) => Said::Failed(words(&error)),
        Ok(aliases) => {
            let core = aliases.iter().find_map(|alias| own.iter().find_map(|own| core_of_host(alias, own)));
            core.map_or(Said::Nothing, |core| Said::Core(core, ProofKind::Cname))
        }
    }
}

/// Why the DNS gave no answer, in its own words.
fn words(error: &ResolveError) -> String {
    let error: &dyn std::error::Error = match error {
        ResolveError::Lookup { source, .. } => source,
        other => other,
    };
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
