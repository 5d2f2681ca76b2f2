//! What is written in TypeScript: the npm workspace `web/`. Its packages say what they do in the scripts `lint` and `test`
//! of their `package.json`; tests get the path of the `kubelt` binary in `KUBELT`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::tally::Tally;
use crate::test::{count, see_to};
use crate::workspace::Workspace;
use crate::{node_packages, process};

/// Formatting, a linter and the types of the packages. Types of the API are made of `spec/openapi.json` right before.
pub(crate) fn lint(workspace: &Workspace) -> Result<()> {
    process::run(&mut npm(workspace, "lint")?)
}

/// Every package's tests, against the debug binary, which must be built.
pub(crate) fn test(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    // `e2e` says itself where there is none.
    see_to("chromium", &["--version"], "chromium");
    let mut tests = npm(workspace, "test")?;
    count(tests.env("KUBELT", workspace.binary("debug", "kubelt")), tally)
}

fn npm(workspace: &Workspace, script: &str) -> Result<Command> {
    let folder = folder(workspace);
    node_packages::install(&folder)?;
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", script]).current_dir(folder);
    Ok(npm)
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join("web")
}
