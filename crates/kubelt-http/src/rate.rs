//! Rate limits per client address and per account: token buckets (GCRA, crate `governor`).

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
};

use governor::{Quota, RateLimiter, clock::DefaultClock, state::keyed::DefaultKeyedStateStore};
use kubelt_core::Account;

use crate::problem::ApiError;
use kubelt_api::Code;

type Buckets<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock>;

/// How many requests clients may make. Zero switches a limit off.
#[derive(Debug, Clone, Copy)]
pub struct RateLimits {
    /// Requests per second of one client address.
    pub requests_per_second: u32,
    /// Sign-ins and challenges per minute of one client address.
    pub sign_ins_per_minute: u32,
    /// Writes per second of one account.
    pub writes_per_second: u32,
    /// IPNS records per minute that one client address may bring.
    pub records_per_minute: u32,
    /// Questions per minute of one client address that other nodes may have to answer.
    pub lookups_per_minute: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            requests_per_second: 2_000,
            sign_ins_per_minute: 120,
            writes_per_second: 5_000,
            records_per_minute: 600,
            lookups_per_minute: 600,
        }
    }
}

/// The buckets of a node.
#[derive(Debug, Clone)]
pub(crate) struct Rates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requests: Option<Buckets<IpAddr>>,
    sign_ins: Option<Buckets<IpAddr>>,
    writes: Option<Buckets<Account>>,
    records: Option<Buckets<IpAddr>>,
    lookups: Option<Buckets<IpAddr>>,
}

impl Rates {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let per_second = |n| NonZeroU32::new(n).map(|n| RateLimiter::keyed(Quota::per_second(n)));
        Self(Arc::new(Inner {
            requests: per_second(limits.requests_per_second),
            sign_ins: NonZeroU32::new(limits.sign_ins_per_minute)
                .map(|n| RateLimiter::keyed(Quota::per_minute(n))),
            writes: NonZeroU32::new(limits.writes_per_second)
                .map(|n| RateLimiter::keyed(Quota::per_second(n))),
            records: NonZeroU32::new(limits.records_per_minute)
                .map(|n| RateLimiter::keyed(Quota::per_minute(n))),
            lookups: NonZeroU32::new(limits.lookups_per_minute)
                .map(|n| RateLimiter::keyed(Quota::per_minute(n))),
        }))
    }

    /// Counts a request.
    pub(crate) fn request(&self, client: IpAddr) -> Result<(), ApiError> {
        take(self.0.requests.as_ref(), &network(client), "requests from your address")
    }

    /// Counts a sign-in or a challenge.
    pub(crate) fn sign_in(&self, client: IpAddr) -> Result<(), ApiError> {
        take(self.0.sign_ins.as_ref(), &network(client), "sign-ins from your address")
    }

    /// Counts a write.
    pub(crate) fn write(&self, account: &Account) -> Result<(), ApiError> {
        take(self.0.writes.as_ref(), account, "writes of your account")
    }

    /// Counts an IPNS record.
    pub(crate) fn record(&self, client: IpAddr) -> Result<(), ApiError> {
        take(self.0.records.as_ref(), &network(client), "IPNS records from your address")
    }

    /// Counts a question that other nodes may have to answer.
    pub(crate) fn lookup(&self, client: IpAddr) -> Result<(), ApiError> {
        take(self.0.lookups.as_ref(), &network(client), "look-ups from your address")
    }

    /// Forgets clients that have been quiet, so that the buckets do not grow for ever.
    pub(crate) fn sweep(&self) {
        if let Some(buckets) = &self.0.requests {
            buckets.retain_recent();
        }
        if let Some(buckets) = &self.0.sign_ins {
            buckets.retain_recent();
        }
        if let Some(buckets) = &self.0.records {
            buckets.retain_recent();
        }
        if let Some(buckets) = &self.0.lookups {
            buckets.retain_recent();
        }
        if let Some(buckets) = &self.0.writes {
            buckets.retain_recent();
        }
    }
}

fn take<K: std::hash::Hash + Eq + Clone>(
    buckets: Option<&Buckets<K>>,
    key: &K,
    what: &str,
) -> Result<(), ApiError> {
    match buckets.map(|buckets| buckets.check_key(key)) {
        None | Some(Ok(())) => Ok(()),
        Some(Err(_until)) => Err(ApiError::new(Code::RateLimited, format!("too many {what}; wait a moment"))),
    }
}

/// One client of IPv6 holds a whole /64.
pub(crate) fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
        },
    }
}
