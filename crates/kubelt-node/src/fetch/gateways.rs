//! How gateways have answered: one that fails or lies is asked after the others for a while.

use std::time::Duration;

use kubelt_content::Block;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::{FETCH_GATEWAY_LIED_REST, FETCH_GATEWAY_REST};

/// What an answer of a gateway is worth.
#[derive(Debug)]
pub(super) enum Answered {
    /// A block whose bytes give its CID.
    Block(Block),
    /// It has none.
    Missing,
    /// No answer, or none that is of use.
    Failed,
    /// Bytes of something else.
    Lied,
}

/// Until when each gateway is passed over, where others can be asked.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<Vec<Option<Instant>>>);

impl Standings {
    /// The gateway to ask next of `count`, none of `tried`.
    pub(super) fn best(&self, count: usize, tried: &[usize]) -> Option<usize> {
        let standings = self.0.lock();
        let now = Instant::now();
        let rest = |gateway: &usize| standings.get(*gateway).copied().flatten().filter(|until| *until > now);
        // Those that are good in the order of the settings, then those whose rest is over soonest.
        (0..count).filter(|gateway| !tried.contains(gateway)).min_by_key(|gateway| (rest(gateway), *gateway))
    }

    /// Notes an answer.
    pub(super) fn note(&self, gateway: usize, answered: &Answered) {
        let rest = match answered {
            Answered::Block(_) | Answered::Missing => Duration::ZERO,
            Answered::Failed => FETCH_GATEWAY_REST,
            Answered::Lied => FETCH_GATEWAY_LIED_REST,
        };
        let mut standings = self.0.lock();
        if standings.len() <= gateway {
            standings.resize(gateway + 1, None);
        }
        let until = (!rest.is_zero()).then(|| Instant::now() + rest);
        // A good answer that was late does not end a rest that a lie has begun.
        if until.is_some() || standings[gateway].is_none_or(|until| until <= Instant::now()) {
            standings[gateway] = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answered, Standings};
    use crate::limits::FETCH_GATEWAY_REST;

    #[tokio::test(start_paused = true)]
    async fn who_fails_is_asked_after_the_others_for_a_while() {
        let standings = Standings::default();
        assert_eq!(standings.best(0, &[]), None);
        assert_eq!((standings.best(3, &[]), standings.best(3, &[0, 1, 2])), (Some(0), None));
        standings.note(0, &Answered::Lied);
        standings.note(1, &Answered::Failed);
        assert_eq!(standings.best(3, &[]), Some(2));
        assert_eq!(standings.best(3, &[2]), Some(1), "whose rest is over first");
        standings.note(2, &Answered::Missing);
        assert_eq!(standings.best(3, &[]), Some(2), "to have nothing is no fault");
        standings.note(0, &Answered::Missing);
        assert_eq!(standings.best(3, &[2]), Some(1), "an honest answer does not make up for a lie at once");
        tokio::time::advance(FETCH_GATEWAY_REST * 2).await;
        assert_eq!(standings.best(3, &[]), Some(1));
    }
}
