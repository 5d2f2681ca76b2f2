//! Benchmarks. Each prints a ratio against a limit or a peer that it measures in the same run, because absolute
//! figures say more about the machine and its other work than about the program.
//!
//! Run them with `cargo xtask bench NAME`; without a name they are listed. A benchmark is one module and one line in
//! [`BENCHES`]; [`rounds`] measures, [`report`] prints, [`machine`] has
//! what the machine itself can do, [`world`] a node to measure, and [`process`] one that runs by itself.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tables go to the terminal")]

mod access;
mod args;
mod bitswap;
mod collect;
mod compose;
mod cores;
mod cpu;
mod floor;
mod gateway;
mod http;
mod import;
mod kubo;
mod limits;
mod load;
mod machine;
mod process;
mod relay;
mod replay;
mod replicate;
mod report;
mod rounds;
mod slow;
mod start;
mod transfer;
mod world;
mod writes;

use std::process::ExitCode;

use anyhow::{Result, bail};
use args::Args;

/// The one of `kubelt`, or the figures would be another program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(&Args) -> Result<()>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "limits",
        about: "what this machine's processor and disk can do at best",
        run: limits::run,
    },
    Bench { name: "import", about: "a file of 1 GiB into a store: speed and memory", run: import::run },
    Bench { name: "writes", about: "durable signed writes of 1, 8 and 64 clients", run: writes::run },
    Bench {
        name: "start",
        about: "start of a node with 10,000 cores, and its memory at rest",
        run: start::run,
    },
    Bench {
        name: "replay",
        about: "a core with 100,000 operations: loaded, checked, written to",
        run: replay::run,
    },
    Bench {
        name: "collect",
        about: "a million blocks unpublished: when their bytes are free, and what writers feel of it",
        run: collect::run,
    },
    Bench {
        name: "gateway",
        about: "files of 4 KiB, 1 MiB and 1 GiB by CID, a large directory, and 1,000 slow readers",
        run: gateway::run,
    },
    Bench {
        name: "bitswap",
        about: "1 GiB and 10,000 small blocks with Kubo, both ways, against Kubo with Kubo",
        run: bitswap::run,
    },
    Bench {
        name: "replicate",
        about: "1 GiB and 100,000 operations to a new node, against plain TCP with SHA-256",
        run: replicate::run,
    },
    Bench {
        name: "access",
        about: "authority checks with 1,000 members and 10,000 grants",
        run: access::run,
    },
    Bench {
        name: "compose",
        about: "reads through five cores and a gate; content sealed; 100,000 host names against 100",
        run: compose::run,
    },
    Bench { name: "cores", about: "reads from a node with 100,000 cores", run: cores::run },
];

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
    if name == import::CHILD {
        return import::child(words);
    }
    if name == floor::CHILD {
        return floor::child(words);
    }
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
