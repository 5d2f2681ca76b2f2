//! `cargo xtask up`: from a fresh clone to a running node.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{process, web};

const NODE_MAJOR_MIN: u32 = 20;

/// Checks what the build needs, builds the console and the node, puts `kubelt` on the PATH and becomes the node.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let node_args = match args {
        [] => &[],
        [dashes, rest @ ..] if dashes == "--" => rest,
        [other, ..] => bail!("`{other}` is not for `up`; arguments for the node go after `--`"),
    };
    check_prerequisites()?;
    web::build_console(workspace)?;
    process::run(workspace.cargo("build").args(["--release", "--package", "kubelt"]))?;
    let binary = workspace.binary("release", "kubelt");
    announce(&binary, install(&binary).as_deref());
    Err(process::replace_with(Command::new(&binary).arg("node").args(node_args)))
}

/// Says everything that is missing at once.
fn check_prerequisites() -> Result<()> {
    let mut missing = Vec::new();
    match process::version("node").as_deref().and_then(node_major) {
        Some(major) if major >= NODE_MAJOR_MIN => {}
        Some(major) => {
            missing.push(format!("Node.js is version {major}; version {NODE_MAJOR_MIN} or later is needed"))
        }
        None => {
            missing.push(format!("Node.js was not found (`node`); install version {NODE_MAJOR_MIN} or later"))
        }
    }
    if process::version(&env::var("CC").unwrap_or_else(|_| "cc".to_owned())).is_none() {
        missing.push("a C compiler was not found (`cc`); install gcc or clang".to_owned());
    }
    // Cargo itself checks `rust-version` of the workspace and says which Rust is needed.
    if missing.is_empty() {
        Ok(())
    } else {
        bail!("this machine lacks something:\n  {}", missing.join("\n  "))
    }
}

fn node_major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Copies the binary to the first directory for a user's own programs that is on the PATH.
fn install(binary: &Path) -> Option<PathBuf> {
    let home = env::home_dir()?;
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let on_path: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    [cargo_home.join("bin"), home.join(".local/bin")]
        .into_iter()
        .filter(|dir| on_path.contains(dir))
        .find_map(|dir| copy_into(binary, &dir).ok())
}

/// Renames into place, so that a node which runs from the old file goes on undisturbed.
fn copy_into(binary: &Path, dir: &Path) -> Result<PathBuf> {
    let name = binary.file_name().context("a binary has a name")?;
    let (fresh, place) = (dir.join(".kubelt.new"), dir.join(name));
    fs::copy(binary, &fresh)?;
    fs::rename(&fresh, &place)?;
    Ok(place)
}

fn announce(binary: &Path, installed: Option<&Path>) {
    let Some(place) = installed else {
        let dir = binary.parent().unwrap_or(binary);
        println!("\nto have `kubelt` in another terminal: export PATH=\"{}:$PATH\"\n", dir.display());
        return;
    };
    println!("\n`kubelt` is installed as {}: use it from another terminal\n", place.display());
}

#[cfg(test)]
mod tests {
    use super::{copy_into, node_major};

    #[test]
    fn reads_the_version_of_node() {
        assert_eq!(node_major("v20.20.2"), Some(20));
        assert_eq!(node_major("20"), None);
    }

    #[test]
    fn installing_replaces_what_was_there() {
        let dir = std::env::temp_dir().join(format!("kubelt-xtask-up-{}", std::process::id()));
        let (from, to) = (dir.join("from"), dir.join("to"));
        std::fs::create_dir_all(&from).expect("temporary directories can be made");
        std::fs::create_dir_all(&to).expect("temporary directories can be made");
        for content in ["old", "new"] {
            std::fs::write(from.join("kubelt"), content).expect("a temporary file can be written");
            let place = copy_into(&from.join("kubelt"), &to).expect("the directory is writable");
            assert_eq!(std::fs::read_to_string(place).expect("it was just written"), content);
        }
        std::fs::remove_dir_all(dir).expect("temporary directories can be removed");
    }
}
