//! Limits of mirrors, and of what they are told.

use std::time::Duration;

/// Paths of a core that are told to mirrors, the first of them in order.
pub(crate) const PUBLISHED_MAX: usize = 131_072;
/// How long mirrors wait at least between two changes that they are told.
pub(crate) const PUBLISHED_PAUSE: Duration = Duration::from_millis(200);
/// How many times as long as it took to read what mirrors are told it is not read again.
pub(crate) const PUBLISHED_COST_RATIO: u32 = 4;
/// The longest that it is not.
pub(crate) const PUBLISHED_REST_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether settings of other cores have changed what mirrors are told.
pub(crate) const PUBLISHED_LOOK: Duration = Duration::from_secs(1);
/// Sign-ins that a mirror was shown on a channel and that both sides remember.
pub(crate) const PUBLISHED_LOGINS_MAX: usize = 256;
/// How long a mirror waits for a source that owes it something and sends nothing, before it asks another one.
pub(crate) const FOLLOW_SILENCE_MAX: Duration = Duration::from_secs(2 * 60);
/// Published operations that a mirror waits for at once.
pub(crate) const ASKED_MAX: usize = 256;
/// Paths that one transaction of a mirror closes.
pub(crate) const MIRROR_DROPS_PER_COMMIT: usize = 256;
/// Cores that one account mirrors on this node: each has a quota of its own.
pub(crate) const MIRRORS_PER_ACCOUNT_MAX: usize = 64;
/// Largest row of a mirror, in bytes.
pub(crate) const MIRROR_BYTES_MAX: usize = 16 * 1_024;
/// Shortest time between two looks at a core that is not mirrored live.
pub(crate) const MIRROR_EVERY_MIN: Duration = Duration::from_secs(60);
/// The longest.
pub(crate) const MIRROR_EVERY_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often it is looked whether a mirror has become a host.
pub(crate) const MIRRORS_LOOK: Duration = Duration::from_secs(60);
