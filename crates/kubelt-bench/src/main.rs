//! Benchmarks. Each prints a ratio against a limit or a peer that it measures in the same run, because absolute
//! figures say more about the machine and its other work than about the program.
//!
//! Run them with `cargo xtask bench NAME`; without a name they are listed. A benchmark is one module and one line in
//! [`BENCHES`]; [`rounds`] measures, [`report`] prints, [`machine`] has what the machine itself can do.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tables go to the terminal")]

mod args;
mod limits;
mod machine;
mod report;
mod rounds;

use std::process::ExitCode;

use anyhow::{Result, bail};
use args::Args;

struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(&Args) -> Result<()>,
}

const BENCHES: &[Bench] = &[Bench {
    name: "limits",
    about: "what this machine's processor and disk can do at best",
    run: limits::run,
}];

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
    let Some(name) = words.next() else {
        print!("{}", listing());
        return Ok(());
    };
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == name) else {
        bail!("`{name}` is no benchmark\n\n{}", listing());
    };
    if cfg!(debug_assertions) {
        bail!("benchmarks of an unoptimised build say nothing; run `cargo xtask bench {name}`");
    }
    (bench.run)(&Args::parse(words)?)
}

fn listing() -> String {
    let lines = BENCHES.iter().map(|bench| format!("  {:<10} {}\n", bench.name, bench.about));
    format!(
        "usage: cargo xtask bench NAME [-- OPTIONS]\n\n{}\noptions (not every benchmark takes each):\n{}",
        lines.collect::<String>(),
        args::OPTIONS
    )
}
