//! What is written in TypeScript: the npm workspace `web/`. Its packages say what they do in the scripts `lint` and `test`
//! of their `package.json`; tests get the path of the `kubelt` binary in `KUBELT`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

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

/// Builds the console, which the binary is packed with, unless all that it is made of is older.
pub(crate) fn build_console(workspace: &Workspace) -> Result<()> {
    let web = folder(workspace);
    let built = fs::metadata(web.join("console/dist/index.html")).and_then(|page| page.modified()).ok();
    let parts = [
        web.join("console"),
        web.join("sdk"),
        web.join("package-lock.json"),
        workspace.root().join("spec/openapi.json"),
    ];
    let mut newest = None;
    for part in &parts {
        newest = newest.max(changed(part).with_context(|| format!("cannot look at `{}`", part.display()))?);
    }
    if built > newest {
        return Ok(());
    }
    let mut build = npm(workspace, "build")?;
    process::run(build.args(["--workspace", "console"]))
}

/// When a file changed, or the newest below a folder; what is made or installed does not count.
fn changed(path: &Path) -> io::Result<Option<SystemTime>> {
    if !path.is_dir() {
        return fs::metadata(path)?.modified().map(Some);
    }
    let mut newest = None;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != "node_modules" && name != "dist" && !name.to_string_lossy().ends_with(".gen.ts") {
            newest = newest.max(changed(&entry.path())?);
        }
    }
    Ok(newest)
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
