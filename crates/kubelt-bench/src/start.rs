//! How fast a node is ready, and how little it takes when nothing happens.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::args::Args;
use crate::process::RunningNode;
use crate::report::Aim;
use crate::rounds::median;
use crate::world::{World, runtime};

const CORES_DEFAULT: u64 = 10_000;
const READY_MS_MAX: f64 = 100.0;
const IDLE_BYTES_MAX: f64 = 40e6;
/// How long a node is left alone before its memory counts as idle.
const REST: Duration = Duration::from_millis(500);

struct Start {
    ready_ms: f64,
    idle: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = args.scratch_dir()?;
    let cores = args.count.unwrap_or(CORES_DEFAULT);
    let (empty, full) = (dir.path().join("empty"), dir.path().join("full"));
    runtime()?.block_on(World::open(&full)?.fill(cores))?;
    drop(RunningNode::start(&empty)?);
    let (mut empties, mut fulls) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        empties.push(start(&empty)?);
        fulls.push(start(&full)?);
    }
    println!(
        "Start of `kubelt node` to its first line, and its memory after {} ms of rest",
        REST.as_millis()
    );
    println!(
        "| {:<20} | {:>10} | {:>10} | {:>10} | {:>10} |",
        "", "median ms", "fastest ms", "slowest ms", "idle MB"
    );
    println!("| {:-<20} | {:->9}: | {:->9}: | {:->9}: | {:->9}: |", "", "", "", "", "");
    row("empty store", &empties);
    row(&format!("{cores} cores"), &fulls);
    println!();
    println!("{}", Aim::below("start to ready", middle(&fulls, |start| start.ready_ms), READY_MS_MAX, "ms"));
    println!(
        "{}",
        Aim::below("idle memory", middle(&fulls, |start| start.idle) / 1e6, IDLE_BYTES_MAX / 1e6, "MB")
    );
    Ok(())
}

fn start(dir: &Path) -> Result<Start> {
    let node = RunningNode::start(dir)?;
    std::thread::sleep(REST);
    Ok(Start { ready_ms: node.ready_after.as_secs_f64() * 1e3, idle: node.memory()?.now })
}

fn row(name: &str, starts: &[Start]) {
    let ready = || starts.iter().map(|start| start.ready_ms);
    println!(
        "| {name:<20} | {:>10.1} | {:>10.1} | {:>10.1} | {:>10.1} |",
        middle(starts, |start| start.ready_ms),
        ready().fold(f64::MAX, f64::min),
        ready().fold(f64::MIN, f64::max),
        middle(starts, |start| start.idle) / 1e6,
    );
}

fn middle(starts: &[Start], of: impl Fn(&Start) -> f64) -> f64 {
    median(starts.iter().map(of).collect())
}
