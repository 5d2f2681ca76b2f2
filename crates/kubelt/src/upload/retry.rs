//! Trying again after a connection was lost.

use std::thread;
use std::time::Duration;

use crate::client::ClientError;
use crate::limits::{RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX, RETRY_TRIES_MAX};

/// How often, and how long between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// The first pause; it doubles each time.
    pub(crate) pause_first: Duration,
    /// The longest pause.
    pub(crate) pause_max: Duration,
    /// How many tries in all.
    pub(crate) tries_max: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { pause_first: RETRY_PAUSE_FIRST, pause_max: RETRY_PAUSE_MAX, tries_max: RETRY_TRIES_MAX }
    }
}

impl RetryPolicy {
    /// Tries until it works, fails for good, or failed in passing too often; says so before each pause.
    pub(crate) fn run<T>(
        &self,
        mut before_pause: impl FnMut(&ClientError),
        mut attempt: impl FnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut pause = self.pause_first;
        for _ in 1..self.tries_max {
            match attempt() {
                Err(error) if error.is_passing() => {
                    before_pause(&error);
                    let asked = error.retry_after().map_or(Duration::ZERO, Duration::from_secs);
                    thread::sleep(pause.max(asked).min(self.pause_max));
                    pause = (pause * 2).min(self.pause_max);
                }
                result => return result,
            }
        }
        attempt()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kubelt_api::{Code, Problem};

    use super::RetryPolicy;
    use crate::client::ClientError;

    const AT_ONCE: RetryPolicy =
        RetryPolicy { pause_first: Duration::ZERO, pause_max: Duration::ZERO, tries_max: 3 };

    fn problem(code: Code) -> ClientError {
        ClientError::Problem { problem: Problem::new(code, ""), retry_after: Some(60) }
    }

    #[track_caller]
    fn check(code: Code, works_at: u32, tries_expected: u32, works: bool) {
        let mut tries = 0;
        let result = AT_ONCE.run(
            |_error| (),
            || {
                tries += 1;
                if tries == works_at { Ok(()) } else { Err(problem(code)) }
            },
        );
        assert_eq!((tries, result.is_ok()), (tries_expected, works));
    }

    #[test]
    fn what_passes_is_tried_again_and_nothing_else() {
        check(Code::Unavailable, 3, 3, true);
        check(Code::RateLimited, 4, 3, false);
        check(Code::QuotaExceeded, 2, 1, false);
        check(Code::Unauthorized, 2, 1, false);
    }
}
