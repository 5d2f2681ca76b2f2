//! Folders with a `package.json`: checks that run on Node.js.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::process;
use crate::workspace::Workspace;

/// Folders in `conformance/` that hold a check, in order of their names.
pub(crate) fn conformance_checks(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(workspace.root().join("conformance")) else { return Ok(Vec::new()) };
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry.context("cannot list `conformance`")?.path();
        if folder.join("check.mjs").exists() {
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
