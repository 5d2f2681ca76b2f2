//! `cargo xtask test`: everything that runs, with one closing line.

use std::process::Command;

use anyhow::{Result, bail};

use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{codegen, fuzz, node_packages, process};

const FUZZ_SMOKE_SECONDS: u64 = 5;

/// Runs every kind of test to its end, also after failures, and fails if anything failed.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    match args {
        [] => {}
        [flag, rest @ ..] if flag == "--faults" => return faults(workspace, rest),
        _ => bail!("`test` takes nothing, or `--faults`"),
    }
    let mut tally = Tally::default();
    let suite = ["--workspace", "--no-fail-fast", "--locked"];
    count(workspace.cargo("test").args(suite), &mut tally)?;
    conformance(workspace, &mut tally)?;
    if codegen::has_output(workspace) {
        let same = codegen::run(workspace, &["--check".to_owned()]);
        report(&mut tally, same);
    } else {
        tally.skip("generated files: there are none yet");
    }
    fuzz::smoke(workspace, FUZZ_SMOKE_SECONDS, &mut tally)?;
    println!("\n{tally}");
    if tally.is_good() { Ok(()) } else { bail!("tests failed") }
}

/// The suite that kills a node at random moments and fills its disk.
fn faults(workspace: &Workspace, args: &[String]) -> Result<()> {
    let mut tally = Tally::default();
    let kills = ["--locked", "--package", "kubelt-store", "--test", "it", "kill_9", "--", "--nocapture"];
    count(workspace.cargo("test").args(kills).env("KUBELT_KILL_ROUNDS", "100"), &mut tally)?;
    let faults = ["--release", "--quiet", "--package", "kubelt-bench", "--", "faults"];
    count(workspace.cargo("run").args(faults).args(args), &mut tally)?;
    println!("\n{tally}");
    if tally.is_good() { Ok(()) } else { bail!("the fault suite failed") }
}

/// Checks against outside implementations.
fn conformance(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    for folder in node_packages::conformance_checks(workspace)? {
        node_packages::install(&folder)?;
        let mut check = Command::new("node");
        count(check.arg("check.mjs").current_dir(&folder), tally)?;
    }
    Ok(())
}

/// Runs a program and adds up what it says it checked.
fn count(command: &mut Command, tally: &mut Tally) -> Result<()> {
    let before = tally.so_far();
    let success = process::follow(command, |line| tally.read_line(line))?;
    tally.end_of_program(before, success);
    Ok(())
}

/// Counts one check that was done in this program.
pub(crate) fn report(tally: &mut Tally, outcome: Result<()>) {
    if let Err(error) = &outcome {
        eprintln!("failed: {error:#}");
    }
    tally.end_of_program(tally.so_far(), outcome.is_ok());
}
