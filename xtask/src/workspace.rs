//! Where this checkout is, and where its builds go.
//!
//! Compiled dependencies are shared between all checkouts of one machine: inner cargo runs get a common
//! *build* directory, while finished binaries land in this checkout's own `target/`. Cargo names the build of a
//! workspace member by its path relative to the workspace, so two checkouts would take each other's members for
//! their own. A compiler wrapper for members (this program, at a path that differs per checkout) keeps them
//! apart; dependencies from the registry stay shared.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// This checkout and its build directories.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    cache: PathBuf,
    target: PathBuf,
    wrapper: PathBuf,
    sharing: bool,
}

impl Workspace {
    /// Finds the checkout that this program was built from.
    pub(crate) fn locate() -> Result<Self> {
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let root = Path::new(&manifest_dir).parent().context("xtask lies in no workspace")?.to_path_buf();
        // Whoever names a target directory or a wrapper of their own gets cargo's plain behaviour.
        let own = ["CARGO_TARGET_DIR", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
        let sharing = own.iter().all(|name| env::var_os(name).is_none_or(|value| value.is_empty()));
        let target = env::var_os("CARGO_TARGET_DIR")
            .filter(|value| !value.is_empty())
            .map_or_else(|| root.join("target"), |dir| root.join(dir));
        let wrapper = env::current_exe().context("this program does not know where it is")?;
        Ok(Self { cache: cache_dir()?, root, target, wrapper, sharing })
    }

    /// The top of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory for what is shared between checkouts and can be deleted at any time.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Where a finished binary of this checkout lies.
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// An inner cargo that shares compiled dependencies with other checkouts.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = self.plain_cargo(subcommand);
        command.env("CARGO_TARGET_DIR", &self.target);
        if self.sharing {
            command.env("CARGO_BUILD_BUILD_DIR", self.cache.join("target"));
            command.env("RUSTC_WORKSPACE_WRAPPER", &self.wrapper);
        }
        command
    }

    /// An inner cargo with other compiler flags, which would push the usual builds out: kept apart by `name`.
    pub(crate) fn cargo_apart(&self, subcommand: &str, name: &str) -> Command {
        let mut command = self.cargo(subcommand);
        command.env("CARGO_TARGET_DIR", self.target_apart(name));
        if self.sharing {
            command.env("CARGO_BUILD_BUILD_DIR", self.cache.join(name));
        }
        command
    }

    /// Where finished binaries of [`Self::cargo_apart`] lie.
    pub(crate) fn target_apart(&self, name: &str) -> PathBuf {
        self.target.join(name)
    }

    /// An inner cargo for clippy and rustdoc. Clippy takes the wrapper's place, so nothing is shared here.
    pub(crate) fn lint_cargo(&self, subcommand: &str) -> Command {
        let mut command = self.plain_cargo(subcommand);
        if self.sharing {
            command.env("CARGO_TARGET_DIR", self.target_apart("lint"));
            command.env("CARGO_BUILD_BUILD_DIR", self.cache.join("lint").join("{workspace-path-hash}"));
        }
        command
    }

    /// A cargo without any build directory of ours: for metadata, formatting and tools.
    pub(crate) fn plain_cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command.arg(subcommand).current_dir(&self.root);
        command
    }
}

/// `$KUBELT_TARGET_DIR`, or `kubelt` below the user's cache directory.
fn cache_dir() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set("KUBELT_TARGET_DIR") {
        return std::path::absolute(dir).context("`KUBELT_TARGET_DIR` is no usable path");
    }
    let caches = match (set("XDG_CACHE_HOME"), env::home_dir()) {
        (Some(dir), _) => dir,
        (None, Some(home)) => home.join(".cache"),
        (None, None) => env::temp_dir(),
    };
    Ok(caches.join("kubelt"))
}
