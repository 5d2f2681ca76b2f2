//! Rules about crates: who may depend on whom, and what every crate has.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{TextFile, Violation};

/// The arrows of the diagram in ARCHITECTURE.md. A crate that is not here may not exist.
const EDGES: &[(&str, &[&str])] = &[
    ("kubelt-core", &[]),
    ("kubelt-content", &[]),
    ("kubelt-api", &[]),
    ("kubelt-store", &["kubelt-core", "kubelt-content"]),
    ("kubelt-node", &["kubelt-core", "kubelt-content", "kubelt-store"]),
    ("kubelt-http", &["kubelt-api", "kubelt-core", "kubelt-content", "kubelt-node"]),
    ("kubelt-net", &["kubelt-core", "kubelt-content", "kubelt-node"]),
    ("kubelt-chain", &["kubelt-core", "kubelt-node"]),
    ("kubelt-sealed", &["kubelt-core"]),
    ("kubelt-pages", &[]),
    ("kubelt", EVERY_LIBRARY),
    ("kubelt-bench", EVERY_LIBRARY),
    ("xtask", &[]),
];

const EVERY_LIBRARY: &[&str] = &[
    "kubelt-api",
    "kubelt-chain",
    "kubelt-content",
    "kubelt-core",
    "kubelt-http",
    "kubelt-net",
    "kubelt-node",
    "kubelt-pages",
    "kubelt-sealed",
    "kubelt-store",
];

/// Heavy or far-reaching crates, each behind the crates that fence it in. Benchmarks and tests are free.
const FENCES: &[(&str, &[&str])] = &[
    ("alloy", &[]),
    ("aws-lc-rs", &["kubelt-sealed"]),
    ("axum", &["kubelt-http"]),
    ("brotli", &["kubelt-pages"]),
    ("clap", &["kubelt"]),
    ("fjall", &["kubelt-store"]),
    ("hpke", &["kubelt-sealed"]),
    ("hyper", &["kubelt-http"]),
    ("hyper-util", &["kubelt-http"]),
    ("indicatif", &["kubelt"]),
    ("instant-acme", &["kubelt"]),
    ("libp2p", &["kubelt-net"]),
    ("memmap2", &["kubelt-store"]),
    ("pulldown-cmark", &["kubelt-pages"]),
    ("rcgen", &["kubelt"]),
    ("reqwest", &[]),
    ("ureq", &["kubelt", "kubelt-chain"]),
    ("wasmtime", &["kubelt-functions"]),
];

/// What brings a clock, randomness, tasks or sockets with it, and so stays out of crates that are values only.
const IMPURE: &[&str] =
    &["async-std", "chrono", "getrandom", "mio", "rand", "rustix", "smol", "socket2", "tokio"];
const PURE_CRATES: &[&str] = &["kubelt-api", "kubelt-content", "kubelt-core", "kubelt-sealed"];

/// Checks crates as `cargo metadata --no-deps` describes them.
pub(super) fn check(metadata: &Value, files: &[TextFile]) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for package in packages(metadata)? {
        violations.extend(package.check_edges());
        violations.extend(package.check_fences());
        violations.extend(check_manifest(&package, files));
        violations.extend(check_root_docs(&package, files));
    }
    violations.extend(check_unused(files));
    Ok(violations)
}

struct Package {
    name: String,
    /// The crate's folder, relative to the top.
    folder: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    in_workspace: bool,
    only_in_tests: bool,
}

impl Package {
    fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    fn check_edges(&self) -> Vec<Violation> {
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == self.name) else {
            let message = format!(
                "crate `{}` is not in the architecture; add it to ARCHITECTURE.md and tidy",
                self.name
            );
            return vec![Violation::new(self.manifest(), message)];
        };
        let members = self.dependencies.iter().filter(|dependency| dependency.in_workspace);
        members
            .filter(|dependency| {
                let name = dependency.name.as_str();
                !(allowed.contains(&name) || dependency.only_in_tests && lies_below(&self.name, name))
            })
            .map(|dependency| {
                let message =
                    format!("`{}` may not depend on `{}`; see ARCHITECTURE.md", self.name, dependency.name);
                Violation::new(self.manifest(), message)
            })
            .collect()
    }

    fn check_fences(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        for dependency in self.dependencies.iter().filter(|dependency| !dependency.only_in_tests) {
            let fence = FENCES.iter().find(|(name, _)| *name == dependency.name);
            if let Some((name, owners)) = fence
                .filter(|(_, owners)| !owners.contains(&self.name.as_str()) && self.name != "kubelt-bench")
            {
                let owners = if owners.is_empty() { "nobody".to_owned() } else { owners.join("`, `") };
                let message = format!("only `{owners}` may depend on `{name}`");
                violations.push(Violation::new(self.manifest(), message));
            }
            if PURE_CRATES.contains(&self.name.as_str()) && IMPURE.contains(&dependency.name.as_str()) {
                let message =
                    format!("`{}` is values only and may not depend on `{}`", self.name, dependency.name);
                violations.push(Violation::new(self.manifest(), message));
            }
        }
        violations
    }
}

/// Whether the arrows lead from one crate to another, however many of them: tests wire what lies below.
fn lies_below(from: &str, to: &str) -> bool {
    let below = EDGES.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, below)| below);
    below.iter().any(|name| *name == to || lies_below(name, to))
}

fn packages(metadata: &Value) -> Result<Vec<Package>> {
    let root = metadata["workspace_root"].as_str().context("metadata without a workspace root")?;
    let packages = metadata["packages"].as_array().context("metadata without packages")?;
    packages.iter().map(|package| read_package(package, root)).collect()
}

fn read_package(package: &Value, root: &str) -> Result<Package> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let manifest =
        text(&package["manifest_path"]).context("a package without a manifest")?.replace('\\', "/");
    let folder =
        manifest.strip_prefix(&root.replace('\\', "/")).and_then(|path| path.strip_suffix("/Cargo.toml"));
    let mut dependencies = Vec::new();
    for dependency in package["dependencies"].as_array().context("a package without dependencies")? {
        dependencies.push(Dependency {
            name: text(&dependency["name"]).context("a dependency without a name")?,
            in_workspace: dependency["path"].is_string(),
            only_in_tests: dependency["kind"] == "dev",
        });
    }
    Ok(Package {
        name: text(&package["name"]).context("a package without a name")?,
        folder: folder.context("a package outside the workspace")?.trim_start_matches('/').to_owned(),
        dependencies,
    })
}

/// Versions and features are chosen once, in the workspace's manifest; lints hold for every crate.
fn check_manifest(package: &Package, files: &[TextFile]) -> Vec<Violation> {
    let Some(manifest) = files.iter().find(|file| file.path == package.manifest()) else {
        return vec![Violation::new(package.manifest(), "is not tracked")];
    };
    let mut violations = Vec::new();
    if !manifest.text.contains("[lints]\nworkspace = true") {
        violations.push(Violation::new(&manifest.path, "must have `[lints]` with `workspace = true`"));
    }
    for (line, name, value) in dependency_lines(&manifest.text) {
        if !name.ends_with(".workspace") && !value.contains("workspace = true") {
            let message = format!("`{name}` must come from the workspace: `{name}.workspace = true`");
            violations.push(Violation::new(format!("{}:{line}", manifest.path), message));
        }
    }
    violations
}

/// Every crate says in its first line what it is.
fn check_root_docs(package: &Package, files: &[TextFile]) -> Option<Violation> {
    let roots = [format!("{}/src/lib.rs", package.folder), format!("{}/src/main.rs", package.folder)];
    let root = files.iter().find(|file| roots.contains(&file.path))?;
    let first = root.text.lines().next().unwrap_or_default();
    let is_said = first.strip_prefix("//!").is_some_and(|said| !said.trim().is_empty());
    (!is_said)
        .then(|| Violation::new(format!("{}:1", root.path), "must begin with `//!` and what the crate is"))
}

/// A dependency of the workspace that no crate takes is a leftover.
fn check_unused(files: &[TextFile]) -> Vec<Violation> {
    let Some(workspace) = files.iter().find(|file| file.path == "Cargo.toml") else { return Vec::new() };
    let manifests = files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let used: Vec<&str> = manifests
        .flat_map(|manifest| dependency_lines(&manifest.text))
        .map(|(_, name, _)| name.trim_end_matches(".workspace"))
        .collect();
    dependency_lines(&workspace.text)
        .into_iter()
        .filter(|(_, name, _)| !used.contains(name))
        .map(|(line, name, _)| {
            Violation::new(format!("Cargo.toml:{line}"), format!("no crate uses `{name}`; remove it"))
        })
        .collect()
}

/// Number, name and value of each line in a table of dependencies.
fn dependency_lines(manifest: &str) -> Vec<(usize, &str, &str)> {
    let mut in_table = false;
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        if let Some(table) = line.strip_prefix('[') {
            in_table = table.trim_end_matches(']').ends_with("dependencies");
        } else if let Some((name, value)) =
            line.split_once('=').filter(|_| in_table && !line.starts_with('#'))
        {
            found.push((index + 1, name.trim(), value.trim()));
        }
    }
    found
}

#[cfg(test)]
mod tests;
