//! `cargo xtask test`: everything that runs, with one closing line.

use std::process::Command;

use anyhow::{Result, bail};

use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{codegen, conformance, examples, fuzz, process, web};

const FUZZ_SMOKE_SECONDS: u64 = 5;
/// Times that the fault suite kills the store, and the node.
const FAULT_KILLS: &str = "100";

/// Runs every kind of test to its end, also after failures, and fails if anything failed.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    match args {
        [] => {}
        [flag] if flag == "--faults" => return faults(workspace),
        _ => bail!("`test` takes nothing, or `--faults`"),
    }
    see_to("ip", &["-V"], "iproute2");
    see_to("nft", &["--version"], "nftables");
    let mut tally = Tally::default();
    if let Err(error) = web::build_console(workspace) {
        report(&mut tally, Err(error));
    }
    let suite = ["--workspace", "--no-fail-fast", "--locked"];
    count(workspace.cargo("test").args(suite), &mut tally)?;
    conformance::run_all(workspace, &mut tally)?;
    examples::run_all(workspace, &mut tally)?;
    if let Err(error) = web::test(workspace, &mut tally) {
        report(&mut tally, Err(error));
    }
    let same = codegen::run(workspace, &["--check".to_owned()]);
    report(&mut tally, same);
    fuzz::smoke(workspace, FUZZ_SMOKE_SECONDS, &mut tally)?;
    println!();
    tally.reasons().iter().for_each(|reason| println!("NOT RUN: {reason}"));
    println!("{tally}");
    if tally.is_good() { Ok(()) } else { bail!("tests failed") }
}

/// Sees to a program of the system that some tests use (`ip` makes networks of their own): where root lacks it, the system's
/// packages have it. Where they do not, those tests say that they were skipped.
pub(crate) fn see_to(program: &str, probe: &[&str], package: &str) {
    let is_here = Command::new(program).args(probe).output().is_ok_and(|output| output.status.success());
    let is_root =
        Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if is_here || !is_root {
        return;
    }
    let installed = process::run(Command::new("apt-get").arg("update"))
        .and_then(|()| process::run(Command::new("apt-get").args(["install", "--yes", package])));
    if let Err(error) = installed {
        eprintln!("`{program}` could not be installed: {error:#}");
    }
}

/// The tests that kill the store and the node, fill their disk and take it away, with many more kills.
fn faults(workspace: &Workspace) -> Result<()> {
    let suites: [(&str, &[&str]); 2] =
        [("kubelt-store", &["kill::", "full::", "disk::"]), ("kubelt", &["faults::"])];
    let mut tally = Tally::default();
    for (package, tests) in suites {
        let mut test = workspace.cargo("test");
        test.args(["--locked", "--package", package, "--test", "it", "--"]).args(tests).arg("--nocapture");
        count(test.env("KUBELT_KILL_ROUNDS", FAULT_KILLS), &mut tally)?;
    }
    println!("\n{tally}");
    if tally.is_good() { Ok(()) } else { bail!("the fault suite failed") }
}

/// Runs a program and adds up what it says it checked.
pub(crate) fn count(command: &mut Command, tally: &mut Tally) -> Result<()> {
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
