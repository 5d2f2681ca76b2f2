//! Rules about dependencies (`deny.toml`), checked by cargo-deny.

use std::path::PathBuf;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

const CARGO_DENY_VERSION: &str = "0.20.2";

/// Licences, banned and duplicate crates, sources. Needs no network beyond the crates themselves.
pub(crate) fn rules(workspace: &Workspace) -> Result<()> {
    check(workspace, &["bans", "licenses", "sources"])
}

/// Known vulnerabilities. Fetches a database with git, which closed networks do not allow.
pub(crate) fn advisories(workspace: &Workspace) -> Result<()> {
    check(workspace, &["advisories"])
}

fn check(workspace: &Workspace, checks: &[&str]) -> Result<()> {
    let cargo_deny = installed(workspace)?;
    let quiet = ["--log-level", "error", "--all-features", "check", "--hide-inclusion-graph"];
    let mut command = std::process::Command::new(cargo_deny);
    process::run(command.current_dir(workspace.root()).args(quiet).args(checks))
}

/// The tool at its pinned version, built on first use.
fn installed(workspace: &Workspace) -> Result<PathBuf> {
    let root = workspace.cache().join("tools").join(format!("cargo-deny-{CARGO_DENY_VERSION}"));
    let binary = root.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !binary.exists() {
        eprintln!("building cargo-deny {CARGO_DENY_VERSION}: once per machine, a few minutes");
        let version = ["--version", CARGO_DENY_VERSION, "--locked", "--root"];
        process::run(workspace.plain_cargo("install").arg("cargo-deny").args(version).arg(&root))?;
    }
    Ok(binary)
}
