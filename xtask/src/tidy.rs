//! House rules that no compiler checks. Each rule is a function from values to what breaks it, so that its tests
//! can show it failing; only this file reads the checkout.

mod crates;
mod docs;
mod sources;
mod texts;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// One text file of the repository; its path is relative to the top and uses `/`.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    path: String,
    text: String,
}

/// Something that breaks a rule: where, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    place: String,
    message: String,
}

impl Violation {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Checks every rule and names all that breaks one.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let paths = listed_files(workspace.root())?;
    let files = text_files(workspace.root(), &paths)?;
    let metadata = process::output(workspace.plain_cargo("metadata").args([
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]))?;
    let metadata = serde_json::from_slice(&metadata).context("cargo's metadata is no JSON")?;

    let mut violations = crates::check(&metadata, &files)?;
    violations.extend(sources::check(&files));
    violations.extend(texts::check(&files));
    violations.extend(docs::check(&files, &paths));
    for violation in &violations {
        eprintln!("{violation}");
    }
    if !violations.is_empty() {
        bail!("{} house rules broken; STYLE.md has the reasons", violations.len());
    }
    println!("tidy: {} files keep the house rules", files.len());
    Ok(())
}

/// All files that git tracks or would track.
fn listed_files(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listing = String::from_utf8(process::output(&mut git)?).context("a file's name is not UTF-8")?;
    let exists = |path: &&str| root.join(path).is_file();
    Ok(listing.split_terminator('\0').filter(exists).map(str::to_owned).collect())
}

/// The files that are text; binary fixtures are left out.
fn text_files(root: &Path, paths: &[String]) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    for path in paths {
        let bytes = fs::read(root.join(path)).with_context(|| format!("cannot read `{path}`"))?;
        if bytes.contains(&0) {
            continue;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path: path.clone(), text });
        }
    }
    Ok(files)
}
