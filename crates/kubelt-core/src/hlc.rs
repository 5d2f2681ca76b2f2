//! Hybrid logical clock: the order of operations.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A time in milliseconds since the Unix epoch (upper 48 bits) with a counter (lower 16 bits), so that
/// an operation is always dated after everything it has seen
/// (Kulkarni et al., *Logical Physical Clocks*, 2014).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hlc(u64);

impl Hlc {
    /// The greatest time there is.
    pub const MAX: Self = Self(u64::MAX);

    /// The first instant of a millisecond.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms << 16)
    }

    /// From its 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its 64 bits: milliseconds in the upper 48, the counter in the lower 16.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Milliseconds since the Unix epoch.
    pub const fn ms(self) -> u64 {
        self.0 >> 16
    }

    /// The date of a new operation made at `now_ms` whose latest predecessor is dated `seen`: the clock,
    /// or just after `seen` where the clock is behind. `None` when no later time exists.
    pub fn next(seen: Option<Self>, now_ms: u64) -> Option<Self> {
        let now = Self::from_ms(now_ms);
        match seen {
            Some(seen) if seen >= now => seen.0.checked_add(1).map(Self),
            _ => Some(now),
        }
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hlc({}ms+{})", self.ms(), self.0 & 0xffff)
    }
}
