//! `cargo xtask bench`: benchmarks, always optimised.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{go_programs, process};

/// Benchmarks that measure Kubo as well.
const AGAINST_KUBO: &[&str] = &["import", "gateway", "bitswap"];

/// Runs the benchmark that `args` name; without a name the benchmarks list themselves.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    // Some of them measure a node as people run it.
    process::run(workspace.cargo("build").args(["--release", "--quiet", "--package", "kubelt"]))?;
    let args: Vec<_> = args.iter().filter(|arg| *arg != "--").collect();
    let mut bench = workspace.cargo("run");
    bench.args(["--release", "--quiet", "--package", "kubelt-bench", "--"]).args(&args);
    if args.first().is_some_and(|name| AGAINST_KUBO.contains(&name.as_str()))
        && let Ok(program) = go_programs::kubo(workspace)?
    {
        bench.env("KUBO", program);
    }
    process::run(&mut bench)
}
