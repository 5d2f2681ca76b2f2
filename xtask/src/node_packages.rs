//! Folders with a `package.json`: checks that run on Node.js.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::process;
use crate::workspace::Workspace;

/// Folders below a folder of the checkout that hold a program of this name, in order of their names.
pub(crate) fn folders_with(workspace: &Workspace, below: &str, program: &str) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(workspace.root().join(below)) else { return Ok(Vec::new()) };
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry.with_context(|| format!("cannot list `{below}`"))?.path();
        if folder.join(program).exists() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Installs exactly what the lock file names, unless that was done since the lock file last changed.
pub(crate) fn install(folder: &Path) -> Result<()> {
    let modified = |path: PathBuf| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    let locked = modified(folder.join("package-lock.json"));
    let installed = modified(folder.join("node_modules/.package-lock.json"));
    if locked.is_none() || installed >= locked {
        return Ok(());
    }
    let quiet = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
    process::run(Command::new("npm").args(quiet).current_dir(folder))
}
