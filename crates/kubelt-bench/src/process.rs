//! Processes that are measured: a node as people run it, and this program run again for one task.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// What it has now.
    pub(crate) now: f64,
    /// The most it ever had.
    pub(crate) peak: f64,
}

/// What the kernel says of the process `pid`; `self` for this one.
pub(crate) fn memory_of(pid: &str) -> Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("a process's memory can only be read where there is `/proc`")?;
    let field = |name: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let kib = line.trim_start_matches(':').trim_end_matches("kB").trim().parse::<f64>();
        Ok(kib.with_context(|| format!("the kernel tells no `{name}`"))? * 1024.0)
    };
    Ok(Memory { now: field("VmRSS")?, peak: field("VmHWM")? })
}

/// This program, to be run again.
pub(crate) fn again(task: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program has no path")?);
    command.arg(task);
    Ok(command)
}

/// `kubelt node`, running; ends when dropped.
#[derive(Debug)]
pub(crate) struct RunningNode {
    child: Child,
    /// Where it listens: `127.0.0.1:PORT`.
    pub(crate) address: String,
    /// How long it took from its start until it said so.
    pub(crate) ready_after: Duration,
}

impl RunningNode {
    pub(crate) fn start(data_dir: &Path) -> Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(binary()?)
            .args(["node", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .stdout(Stdio::piped())
            .spawn()
            .context("`kubelt node` does not start")?;
        let stdout = child.stdout.take().expect("piped above");
        let mut node = Self { child, address: String::new(), ready_after: Duration::ZERO };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("`kubelt node` says nothing")?;
        node.ready_after = began.elapsed();
        let told: serde_json::Value = serde_json::from_str(&line).context("`kubelt node` tells no JSON")?;
        let url = told["listening"].as_str().context("`kubelt node` does not say where it listens")?;
        node.address = url.trim_start_matches("http://").to_owned();
        Ok(node)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        memory_of(&self.child.id().to_string())
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        // What a benchmark leaves behind is thrown away: an orderly end would only take time.
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

/// `kubelt`, built beside this program.
fn binary() -> Result<PathBuf> {
    let path = std::env::current_exe().context("this program has no path")?.with_file_name("kubelt");
    if !path.is_file() {
        bail!("`{}` is not there; `cargo xtask bench` builds it", path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        let memory = super::memory_of("self").expect("the kernel tells");
        assert!(memory.now > 100_000.0 && memory.peak >= memory.now);
    }
}
