//! `cargo xtask examples`: each folder of `examples/` with a `run.mjs`, which fails where something is not as it says.

use std::process::Command;

use anyhow::{Result, bail};

use crate::conformance::{build_node, name_of};
use crate::node_packages;
use crate::tally::Tally;
use crate::test::{count, report, see_to};
use crate::workspace::Workspace;

/// Runs the example that `args` names, or all of them.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let name = match args {
        [] => None,
        [name] if !name.starts_with('-') => Some(name.as_str()),
        _ => bail!("`examples` takes one name, or nothing"),
    };
    build_node(workspace)?;
    let mut tally = Tally::default();
    if run_those(workspace, name, &mut tally)? == 0 {
        bail!("there is no such example; `examples/README.md` lists them");
    }
    println!("\n{tally}");
    if tally.is_good() { Ok(()) } else { bail!("an example failed") }
}

/// Runs every example, as tests; the debug binary must be built.
pub(crate) fn run_all(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    run_those(workspace, None, tally).map(drop)
}

fn run_those(workspace: &Workspace, name: Option<&str>, tally: &mut Tally) -> Result<usize> {
    // The notebook is shown in it, and says itself where there is none.
    see_to("chromium", &["--version"], "chromium");
    let mut folders = node_packages::folders_with(workspace, "examples", "run.mjs")?;
    folders.retain(|folder| name.is_none_or(|name| name == name_of(folder)));
    for folder in &folders {
        if let Err(error) = node_packages::install(folder) {
            report(tally, Err(error));
            continue;
        }
        let mut example = Command::new("node");
        example.arg("run.mjs").current_dir(folder).env("KUBELT_BIN", workspace.binary("debug", "kubelt"));
        count(&mut example, tally)?;
    }
    Ok(folders.len())
}
