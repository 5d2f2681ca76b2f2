//! Running other programs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Says what runs, runs it, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    if succeeds(command)? { Ok(()) } else { bail!("`{}` failed", shown(command)) }
}

/// Says what runs, runs it, and tells whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    announce(command);
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    eprintln!("     took {:.1} s", start.elapsed().as_secs_f64());
    Ok(status.success())
}

/// Runs a command, passes each line of its standard output on and to `each_line`; tells whether it succeeded.
pub(crate) fn follow(command: &mut Command, mut each_line: impl FnMut(&str)) -> Result<bool> {
    announce(command);
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    let stdout = child.stdout.take().expect("stdout was piped above");
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("a child's output broke off")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        each_line(&line);
    }
    let success = child.wait().context("a child got lost")?.success();
    eprintln!("     took {:.1} s", start.elapsed().as_secs_f64());
    Ok(success)
}

/// The standard output of a command that must succeed; its errors go to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        bail!("`{}` failed", shown(command));
    }
    Ok(output.stdout)
}

/// The first line that `program --version` prints; `None` where there is no such program.
pub(crate) fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// Cargo calls its wrapper with the path of the compiler as the first argument.
pub(crate) fn is_compiler_call(args: &[String]) -> bool {
    let is_rustc = |path: &str| Path::new(path).file_stem().is_some_and(|stem| stem == "rustc");
    std::env::var_os("RUSTC_WORKSPACE_WRAPPER").is_some() && args.first().is_some_and(|arg| is_rustc(arg))
}

/// Runs the compiler that `args` name, in this program's place.
pub(crate) fn become_compiler(args: &[String]) -> ExitCode {
    let error = replace_with(Command::new(&args[0]).args(&args[1..]));
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Replaces this program by another; comes back only with the reason why that failed.
#[cfg(unix)]
pub(crate) fn replace_with(command: &mut Command) -> anyhow::Error {
    use std::os::unix::process::CommandExt;
    anyhow::Error::new(command.exec()).context(format!("cannot start `{}`", shown(command)))
}

/// Runs another program and leaves with its status; comes back only with the reason why it did not start.
#[cfg(not(unix))]
#[allow(clippy::exit, reason = "stands in for exec")]
pub(crate) fn replace_with(command: &mut Command) -> anyhow::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => anyhow::Error::new(error).context(format!("cannot start `{}`", shown(command))),
    }
}

fn announce(command: &Command) {
    eprintln!("\n===> {}", shown(command));
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy();
    let args = command.get_args().map(|arg| arg.to_string_lossy());
    std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
}
