//! Automation of this repository: `cargo xtask <command>`.
//!
//! It is plain Rust without a shell, so that it runs wherever the project builds. It holds no product code and
//! depends on no crate of the workspace, so it compiles in seconds. Start at [`dispatch`]; [`workspace`] says
//! where builds go, [`tidy`] holds the house rules that no compiler checks.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]

mod bench;
mod codegen;
mod conformance;
mod deny;
mod examples;
mod fuzz;
mod go_programs;
mod lint;
mod node_packages;
mod process;
mod reference;
mod tally;
mod test;
mod tidy;
mod up;
mod web;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <command>

  up [-- NODE-ARGS]          build everything and run a node on 127.0.0.1:4747
  test [--faults]            install what tests need and run them all; --faults: a hundred kills, full and read-only disks
  lint [--advisories]        formatting, clippy, rustdoc, house rules, dependency rules
  tidy                       only the house rules
  bench [NAME] [-- ARGS]     run one benchmark; without a name, list them
  codegen [--check]          write the files that are generated from the code, or compare them
  conformance [NAME] [--suite DIR]  judge the node by outside programs, one (`gateway`, `kubo`, …) or all;
                             --suite: a checkout of gateway-conformance, where its module cannot be downloaded
  examples [NAME]            run one example of `examples/`, or all
  fuzz [TARGET] [--seconds N]  fuzz one target or all of them
  dist                       build the optimised binary
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if process::is_compiler_call(&args) {
        return process::become_compiler(&args);
    }
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let Some((command, rest)) = args.split_first() else {
        print!("{USAGE}");
        return Ok(());
    };
    if matches!(command.as_str(), "help" | "-h" | "--help") {
        print!("{USAGE}");
        return Ok(());
    }
    let workspace = Workspace::locate()?;
    match command.as_str() {
        "up" => up::run(&workspace, rest),
        "test" => test::run(&workspace, rest),
        "lint" => lint::run(&workspace, rest),
        "tidy" => tidy::run(&workspace),
        "bench" => bench::run(&workspace, rest),
        "codegen" => codegen::run(&workspace, rest),
        "conformance" => conformance::run(&workspace, rest),
        "examples" => examples::run(&workspace, rest),
        "fuzz" => fuzz::run(&workspace, rest),
        "dist" => dist(&workspace),
        other => bail!("`{other}` is no command of xtask\n\n{USAGE}"),
    }
}

fn dist(workspace: &Workspace) -> Result<()> {
    web::build_console(workspace)?;
    process::run(workspace.cargo("build").args(["--profile", "dist", "--package", "kubelt"]))?;
    println!("built {}", workspace.binary("dist", "kubelt").display());
    Ok(())
}
