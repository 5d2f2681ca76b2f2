//! `cargo xtask lint`: everything that can be said about the code without running it.

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{deny, process, tidy, web};

/// Runs every check, cheap ones first, and stops at the first that fails.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    match args {
        [] => {}
        [flag] if flag == "--advisories" => return deny::advisories(workspace),
        _ => bail!("`lint` takes nothing, or `--advisories`"),
    }
    process::run(workspace.plain_cargo("fmt").args(["--all", "--check"]))?;
    if workspace.root().join("fuzz/Cargo.toml").exists() {
        let fuzz = ["--manifest-path", "fuzz/Cargo.toml", "--check"];
        process::run(workspace.plain_cargo("fmt").args(fuzz))?;
    }
    tidy::run(workspace)?;
    web::lint(workspace)?;
    let clippy = ["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    process::run(workspace.lint_cargo("clippy").args(clippy))?;
    let doc = ["--workspace", "--no-deps", "--document-private-items", "--locked"];
    process::run(
        workspace.lint_cargo("doc").args(doc).env("RUSTDOCFLAGS", "-D rustdoc::broken_intra_doc_links"),
    )?;
    deny::rules(workspace)
}
