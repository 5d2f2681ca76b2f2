//! Limits of host names that lead to cores.

use std::time::Duration;

/// Hosts that one core binds and that are looked up; those that sort behind them are not.
pub(crate) const HOSTS_PER_CORE_MAX: usize = 1_000;
/// Aliases of a host that are followed.
pub(crate) const HOST_ALIASES_MAX: usize = 4;
/// How long a host that was proved counts while the DNS gives no answer, in milliseconds.
pub(crate) const HOST_GRACE_MS: u64 = 24 * 60 * 60 * 1_000;
/// How long the proof of a host goes unasked, in milliseconds.
pub(crate) const HOST_LOOK_PROVED_MS: u64 = 60 * 60 * 1_000;
/// The same while the DNS gives no answer.
pub(crate) const HOST_LOOK_FAILED_MS: u64 = 2 * 60 * 1_000;
/// How long a host that is not proved waits for its next look-up, in milliseconds; twice as long after each.
pub(crate) const HOST_LOOK_MIN_MS: u64 = 15 * 1_000;
/// The longest that it waits then.
pub(crate) const HOST_LOOK_MAX_MS: u64 = 6 * 60 * 60 * 1_000;
/// Within which time after a start all hosts are looked up that were proved before, in milliseconds.
pub(crate) const HOST_LOOK_SPREAD_MS: u64 = 10 * 60 * 1_000;
/// Hosts that are looked up together.
pub(crate) const HOST_LOOKS_MAX: usize = 32;
/// How often it is looked whether hosts are due, at least.
pub(crate) const HOST_LOOK_EVERY: Duration = Duration::from_secs(60);
