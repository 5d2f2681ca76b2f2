//! Counts of passed, failed and skipped checks, summed over every kind of test.

use std::fmt;

/// How many checks passed and failed so far. What cannot run has failed, but for outside programs that this machine
/// cannot have: they are skipped, and the end of the run says which and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    reasons: Vec<String>,
}

impl Tally {
    /// Takes in the output of one program line by line: closing lines of Rust's test harness
    /// (`test result: ok. 3 passed; 0 failed; …`) and of our own checks (`3 passed, 0 failed`, and where something
    /// could not run `3 passed, 0 failed, 1 skipped` after a line `SKIPPED what: why`).
    pub(crate) fn read_line(&mut self, line: &str) {
        if let Some(reason) = line.strip_prefix("SKIPPED ") {
            self.reasons.push(reason.to_owned());
        } else if let Some((passed, failed, skipped)) = counts(line) {
            self.passed += passed;
            self.failed += failed;
            self.skipped += skipped;
        }
    }

    /// Counts something that could not run at all.
    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        self.skipped += 1;
        self.reasons.push(format!("{what}: {why}"));
    }

    /// What was skipped, and why.
    pub(crate) fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// Counts a program that ended: one that fails without having counted a failure is a failure itself, and one
    /// that succeeds without having counted anything is one passed check.
    pub(crate) fn end_of_program(&mut self, before: (u64, u64), success: bool) {
        if !success && self.failed == before.1 {
            self.failed += 1;
        } else if success && self.so_far() == before {
            self.passed += 1;
        }
    }

    pub(crate) fn so_far(&self) -> (u64, u64) {
        (self.passed, self.failed)
    }

    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

fn counts(line: &str) -> Option<(u64, u64, u64)> {
    let words: Vec<&str> = match line.split_once("test result:") {
        Some((_, rest)) => rest.split_whitespace().skip(1).take(4).collect(),
        None => line.split_whitespace().collect(),
    };
    let (passed, failed, skipped) = match words[..] {
        [passed, "passed," | "passed;", failed, "failed" | "failed;"] => (passed, failed, "0"),
        [passed, "passed,", failed, "failed,", skipped, "skipped"] => (passed, failed, skipped),
        _ => return None,
    };
    Some((passed.parse().ok()?, failed.parse().ok()?, skipped.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[track_caller]
    fn check(lines: &[&str], success: bool, expected: &str) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read_line(line));
        tally.end_of_program((0, 0), success);
        assert_eq!(tally.to_string(), expected);
    }

    #[test]
    fn sums_the_harness_and_our_own_checks() {
        let harness =
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        check(&[harness, "noise", harness, "34 passed, 1 failed"], false, "58 passed, 1 failed");
    }

    #[test]
    fn a_failing_program_always_counts() {
        check(&["3 passed, 0 failed"], false, "3 passed, 1 failed");
        check(&[], false, "0 passed, 1 failed");
    }

    #[test]
    fn a_program_without_counts_is_one_check() {
        check(&["all good", "2 passed the exam, 1 failed it"], true, "1 passed, 0 failed");
    }

    #[test]
    fn what_is_skipped_is_told_apart() {
        check(
            &["SKIPPED a: because", "3 passed, 0 failed, 1 skipped"],
            true,
            "3 passed, 0 failed, 1 skipped",
        );
        let mut tally = Tally::default();
        tally.read_line("SKIPPED a: because");
        tally.skip("b", "it is not here");
        assert_eq!(tally.to_string(), "0 passed, 0 failed, 1 skipped");
        assert_eq!(tally.reasons(), ["a: because", "b: it is not here"]);
        assert!(!tally.is_good());
    }

    #[test]
    fn nothing_run_is_not_good() {
        assert!(!Tally::default().is_good());
    }
}
