//! Processes that are measured: a node as people run it, and this program run again for one task.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
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
    /// What it has now of its own, shared with no file.
    pub(crate) own: f64,
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
    Ok(Memory { now: field("VmRSS")?, peak: field("VmHWM")?, own: field("RssAnon")? })
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
        Self::start_with(data_dir, None)
    }

    /// With a file of settings.
    pub(crate) fn start_with(data_dir: &Path, settings: Option<&Path>) -> Result<Self> {
        let began = Instant::now();
        let mut command = Command::new(binary()?);
        command.args(["node", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        if let Some(settings) = settings {
            command.arg("--config").arg(settings);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().context("`kubelt node` does not start")?;
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

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
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

/// Another server, running; ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens: `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Server {
    /// Starts it and waits until it takes connections.
    pub(crate) fn start(mut command: Command, address: String) -> Result<Self> {
        let child = command.spawn().context("the server does not start")?;
        let mut server = Self { child, address };
        for _ in 0..STARTING_POLLS_MAX {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server has ended: {status}");
            }
            if TcpStream::connect(&server.address).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(STARTING_POLL);
        }
        bail!("the server takes no connections")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its workers end with it only when it is asked to end.
        let _gone_already = Command::new("kill").arg(self.child.id().to_string()).status();
        let _gone_already = self.child.wait();
    }
}

const STARTING_POLLS_MAX: usize = 300;
const STARTING_POLL: Duration = Duration::from_millis(100);

/// An address that was free a moment ago, for servers that cannot choose one themselves.
pub(crate) fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// What the processor has done for a process and its children that still run.
pub(crate) fn processor_time(pid: u32) -> Result<Duration> {
    let mut ticks = 0;
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(text) = std::fs::read_to_string(format!("/proc/{number}/stat")) else { continue };
        // The name of a process may hold anything; what follows its last bracket does not.
        let Some((_, fields)) = text.rsplit_once(')') else { continue };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        if number == pid || field(1) == u64::from(pid) {
            ticks += field(11) + field(12);
        }
    }
    Ok(Duration::from_millis(ticks * MS_PER_TICK))
}

/// The kernel counts in hundredths of a second for everybody (`USER_HZ`).
const MS_PER_TICK: u64 = 10;

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
