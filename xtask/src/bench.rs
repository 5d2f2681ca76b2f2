//! `cargo xtask bench`: benchmarks, always optimised.

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Runs the benchmark that `args` name; without a name the benchmarks list themselves.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    // Some of them measure a node as people run it.
    process::run(workspace.cargo("build").args(["--release", "--quiet", "--package", "kubelt"]))?;
    let args = args.iter().filter(|arg| *arg != "--");
    process::run(
        workspace.cargo("run").args(["--release", "--quiet", "--package", "kubelt-bench", "--"]).args(args),
    )
}
