//! `cargo xtask fuzz`: libFuzzer on stable Rust.
//!
//! The compiler's own coverage pass is switched on by flags, so no nightly and no further tool is needed, only
//! a C++ compiler for libFuzzer itself. Targets are the programs of the `fuzz/` workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{process, test};

const SECONDS_DEFAULT: u64 = 60;
const MEMORY_MIB_MAX: u32 = 2_048;
const INPUT_SECONDS_MAX: u32 = 10;

/// Coverage counters per edge with their addresses, and traced comparisons; what libFuzzer steers by.
const COVERAGE_FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Fuzzes one target or each in turn.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let (target, seconds) = parse(args)?;
    let known = targets(workspace)?;
    let chosen = match target {
        None => known,
        Some(name) if known.contains(&name) => vec![name],
        Some(name) => bail!("`{name}` is no fuzz target; there are: {}", known.join(", ")),
    };
    let programs = build(workspace)?;
    for target in &chosen {
        fuzz(workspace, &programs, target, seconds)?;
    }
    Ok(())
}

/// Fuzzes each target for a short while from its seeds, as a test.
pub(crate) fn smoke(workspace: &Workspace, seconds: u64, tally: &mut Tally) -> Result<()> {
    let targets = targets(workspace)?;
    let programs = match install_cxx().and_then(|()| build(workspace)) {
        Ok(programs) => programs,
        Err(error) => {
            test::report(tally, Err(error));
            return Ok(());
        }
    };
    for target in &targets {
        test::report(tally, fuzz_quietly(workspace, &programs, target, seconds));
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<(Option<String>, u64)> {
    let (mut target, mut seconds) = (None, SECONDS_DEFAULT);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let value = args.next().context("`--seconds` needs a number")?;
                seconds = value.parse().with_context(|| format!("`{value}` is no number of seconds"))?;
            }
            name if target.is_none() && !name.starts_with('-') => target = Some(name.to_owned()),
            other => bail!("`{other}` is not for `fuzz`; usage: cargo xtask fuzz [TARGET] [--seconds N]"),
        }
    }
    Ok((target, seconds))
}

/// Names of the targets, in order: the programs in `fuzz/src/bin`.
/// Sees to the C++ compiler that libFuzzer is built with: where there is none, the system's packages have one.
fn install_cxx() -> Result<()> {
    if process::version("c++").is_some() {
        return Ok(());
    }
    process::run(Command::new("apt-get").arg("update"))
        .and_then(|()| process::run(Command::new("apt-get").args(["install", "--yes", "g++"])))
        .context("no C++ compiler (`c++`) was found or could be installed; install g++ or clang")
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(workspace.root().join("fuzz/src/bin")).context("there are no fuzz targets to list")?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.context("cannot list the fuzz targets")?.path();
        let name =
            path.file_stem().and_then(|stem| stem.to_str()).context("a fuzz target needs a plain name")?;
        names.push(name.to_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds all targets with coverage and gives the folder they are in.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let host = host_triple()?;
    // With `--target`, build scripts and macros stay without coverage, which they could not be linked with.
    let profile = ["--release", "--locked", "--target", &host];
    process::run(
        workspace
            .cargo_apart("build", "fuzz")
            .args(["--manifest-path", "fuzz/Cargo.toml"])
            .args(profile)
            .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE_FLAGS.join("\u{1f}")),
    )?;
    Ok(workspace.target_apart("fuzz").join(host).join("release"))
}

fn host_triple() -> Result<String> {
    let about = process::output(Command::new("rustc").arg("-vV"))?;
    let about = String::from_utf8(about).context("rustc speaks no UTF-8")?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(host.to_owned())
}

/// Runs one target and lets the terminal see all that libFuzzer says.
fn fuzz(workspace: &Workspace, programs: &Path, target: &str, seconds: u64) -> Result<()> {
    let mut command = prepare(workspace, programs, target, seconds)?;
    process::run(&mut command)
        .with_context(|| format!("fuzz target `{target}` found a failure; see its output above"))
}

/// Runs one target and says in a line what it did; everything, where it failed.
fn fuzz_quietly(workspace: &Workspace, programs: &Path, target: &str, seconds: u64) -> Result<()> {
    let mut command = prepare(workspace, programs, target, seconds)?;
    let output = command.output().with_context(|| format!("cannot start fuzz target `{target}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{said}");
        bail!("fuzz target `{target}` found a failure; see its output above");
    }
    let statistic = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim();
    let (runs, fresh) = (statistic("stat::number_of_executed_units:"), statistic("stat::new_units_added:"));
    println!("fuzz {target}: {runs} inputs in {seconds} s, {fresh} of them reached something new");
    Ok(())
}

/// New inputs go to `fuzz/corpus`, those that break something to `fuzz/artifacts`.
fn prepare(workspace: &Workspace, programs: &Path, target: &str, seconds: u64) -> Result<Command> {
    let fuzz = workspace.root().join("fuzz");
    let (corpus, seeds) = (fuzz.join("corpus").join(target), fuzz.join("seeds").join(target));
    let artifacts = fuzz.join("artifacts").join(target);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    }
    let program = programs.join(format!("{target}{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command.current_dir(&fuzz).args([
        format!("-max_total_time={seconds}"),
        format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
        format!("-timeout={INPUT_SECONDS_MAX}"),
        format!("-artifact_prefix={}/", artifacts.display()),
        "-print_final_stats=1".to_owned(),
        "-print_funcs=0".to_owned(),
    ]);
    command.arg(&corpus);
    if seeds.is_dir() {
        command.arg(&seeds);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn arguments_in_any_order() {
        let parse = |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse("").expect("nothing is fine"), (None, 60));
        assert_eq!(parse("--seconds 5 header").expect("both are known"), (Some("header".to_owned()), 5));
        assert!(parse("a b").is_err());
        assert!(parse("--seconds").is_err());
        assert!(parse("--seconds many").is_err());
    }
}
