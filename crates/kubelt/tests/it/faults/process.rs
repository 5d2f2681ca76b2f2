//! A node as a process over a directory that outlives it.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::Value;

use super::dice::Dice;

/// Where a node keeps its things: `node.toml` and `node.log` in one directory, and its data.
pub(super) struct Place {
    dir: PathBuf,
    pub(super) data: PathBuf,
    /// Reads and writes that the last start took.
    start_calls: u64,
}

/// A running node; it is killed with the value.
pub(super) struct Process {
    pub(super) url: String,
    child: Child,
    log: PathBuf,
}

impl Place {
    pub(super) fn new(dir: &Path, data: PathBuf) -> Self {
        let settings = "[rates]\nrequests_per_second = 0\nsign_ins_per_minute = 0\nwrites_per_second = 0\n";
        fs::write(dir.join("node.toml"), settings).expect("settings can be written");
        Self { dir: dir.to_owned(), data, start_calls: 0 }
    }

    /// Starts the node and waits until it is ready.
    pub(super) fn start(&mut self) -> Process {
        let mut child = self.spawn();
        let Some(line) = ready_line(&mut child) else {
            panic!("the node did not start: {}", self.log());
        };
        let ready: Value = serde_json::from_str(&line).expect("with `--json` it says so in JSON");
        let url = ready["listening"].as_str().expect("it says where").to_owned();
        self.start_calls = calls(&child).unwrap_or(0);
        Process { url, child, log: self.dir.join("node.log") }
    }

    /// Starts the node and kills it before it is ready, or just then. Returns whether it was ready.
    pub(super) fn start_and_kill(&self, dice: &mut Dice) -> bool {
        let mut child = self.spawn();
        let mut stdout = child.stdout.take().expect("it is piped");
        let enough = dice.below(self.start_calls * 3 / 2 + 1);
        let ready = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut line = [0];
                let count = stdout.read(&mut line).expect("a pipe can be read");
                ready.store(count > 0, Ordering::SeqCst);
            });
            while !ready.load(Ordering::SeqCst) && calls(&child).is_some_and(|calls| calls < enough) {
                thread::yield_now();
            }
            child.kill().expect("it was not waited for");
        });
        let status = child.wait().expect("it ends");
        assert!(status.code().is_none(), "the node ended by itself: {}", self.log());
        ready.into_inner()
    }

    /// What nodes have said here so far.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("node.log")).unwrap_or_default()
    }

    /// Fails if a node here met something that a kill must not leave.
    pub(super) fn assert_undamaged(&self) {
        let log = self.log();
        for sign in ["damaged", "panicked", "ERROR"] {
            assert!(!log.contains(sign), "{log}");
        }
    }

    fn spawn(&self) -> Child {
        let log = OpenOptions::new().append(true).create(true).open(self.dir.join("node.log"));
        Command::new(env!("CARGO_BIN_EXE_kubelt"))
            .args(["node", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&self.data)
            .arg("--config")
            .arg(self.dir.join("node.toml"))
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("the log can be written"))
            .spawn()
            .expect("the binary was built")
    }
}

impl Process {
    /// Ends the node without a word of warning.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("it was not waited for");
        let status = self.child.wait().expect("it ends");
        assert!(status.code().is_none(), "the node ended by itself: {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            super::say(&format!("the node said: {log}"));
        }
        // It may have been killed before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ready_line(child: &mut Child) -> Option<String> {
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
    (!line.is_empty()).then_some(line)
}

/// How often the process read or wrote so far, where the system tells.
fn calls(child: &Child) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{}/io", child.id())).ok()?;
    let count = |name: &str| io.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    Some(count("syscr:")? + count("syscw:")?)
}
