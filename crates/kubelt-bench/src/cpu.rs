//! Processor time of this process, which says more than time on the clock where others use the machine, too.

use std::cell::RefCell;

use anyhow::{Context, Result};

use crate::rounds::{Rates, Work};

/// Processor time of each round of one contender, in seconds.
#[derive(Default)]
pub(crate) struct Cpu(RefCell<Vec<f64>>);

impl Cpu {
    /// Does `work` and times it, by both clocks.
    pub(crate) fn timed(&self, amount: f64, work: impl FnOnce() -> Result<()>) -> Result<Work> {
        let before = seconds()?;
        let work = Work::timed(amount, work)?;
        self.0.borrow_mut().push(seconds()? - before);
        Ok(work)
    }

    /// What was done for each second of it, where each round did as much.
    pub(crate) fn rates(self, name: &'static str, amount: f64) -> Rates {
        let per_second = self.0.into_inner().into_iter().map(|seconds| amount / seconds).collect();
        Rates { name, per_second }
    }
}

/// What this process has used of the processors, itself and in the system.
fn seconds() -> Result<f64> {
    /// What Linux counts in, whatever its own ticks are (`USER_HZ`).
    const TICKS: f64 = 100.0;
    /// The places of `utime` and `stime` behind the name (proc_pid_stat(5)).
    const USER_TIME: usize = 11;
    const SYSTEM_TIME: usize = 12;
    let stat = std::fs::read_to_string("/proc/self/stat").context("processor time is read from /proc")?;
    let after_name = stat.rsplit_once(')').context("a line of /proc/self/stat")?.1;
    let ticks = |place| {
        let field = after_name.split_whitespace().nth(place).context("a shorter line of /proc/self/stat")?;
        Ok::<f64, anyhow::Error>(field.parse()?)
    };
    let (in_itself, in_system) = (ticks(USER_TIME)?, ticks(SYSTEM_TIME)?);
    Ok((in_itself + in_system) / TICKS)
}
