//! `cargo xtask conformance`: outside implementations as judges.
//!
//! A judge is a folder in `conformance/` with a `check.mjs`. It gets the path of the `kubelt` binary in `KUBELT` and,
//! where it needs an outside program, that program's path; it ends with `N passed, M failed`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::go_programs::{self, Unavailable};
use crate::tally::Tally;
use crate::test::{count, report, see_to};
use crate::workspace::Workspace;
use crate::{node_packages, process};

/// Runs the judges that `args` name, or all of them: `[NAME] [--suite DIR]`. One that cannot run is an error here.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let mut name = None;
    let mut suite = None;
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--suite" => match words.next() {
                Some(dir) => suite = Some(PathBuf::from(dir)),
                None => bail!("`--suite` takes the directory of a checkout"),
            },
            flag if flag.starts_with('-') => bail!("`conformance` takes a name and `--suite DIR`"),
            _ => name = Some(word.as_str()),
        }
    }
    let mut judges = judges_of(workspace)?;
    let names = judges.iter().map(|folder| name_of(folder)).collect::<Vec<_>>().join(", ");
    judges.retain(|folder| name.is_none_or(|name| name == name_of(folder)));
    if judges.is_empty() {
        bail!("there is no such judge; there are: {names}");
    }
    let mut tally = Tally::default();
    build_node(workspace)?;
    for folder in judges {
        if let Err(why) = judge(workspace, &folder, suite.clone(), &mut tally)? {
            bail!("`{}` did not run: {why}", name_of(&folder));
        }
    }
    println!("\n{tally}");
    if tally.is_good() { Ok(()) } else { bail!("conformance failed") }
}

/// Runs every judge; those whose outside program this machine cannot have are counted as skipped.
pub(crate) fn run_all(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    build_node(workspace)?;
    for folder in judges_of(workspace)? {
        match judge(workspace, &folder, None, tally) {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                let what = format!("the outside checks of `conformance/{}` did NOT run", name_of(&folder));
                println!("SKIPPED {what}: {why}");
                tally.skip(&what, &why.to_string());
            }
            Err(error) => report(tally, Err(error)),
        }
    }
    Ok(())
}

fn judges_of(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    node_packages::folders_with(workspace, "conformance", "check.mjs")
}

/// Runs one judge, or says why it cannot run on this machine.
fn judge(
    workspace: &Workspace,
    folder: &Path,
    suite: Option<PathBuf>,
    tally: &mut Tally,
) -> Result<Result<(), Unavailable>> {
    let mut check = Command::new("node");
    check.arg("check.mjs").current_dir(folder).env("KUBELT", workspace.binary("debug", "kubelt"));
    match name_of(folder).as_str() {
        "gateway" => match go_programs::gateway_suite(workspace, suite)? {
            Ok(suite) => {
                check.env("GATEWAY_CONFORMANCE", suite.program);
                check.env("GATEWAY_CONFORMANCE_HOME", suite.home);
            }
            Err(why) => return Ok(Err(why)),
        },
        "acme" => match go_programs::pebble(workspace)? {
            Ok(pebble) => {
                check
                    .env("PEBBLE", pebble.program)
                    .env("PEBBLE_DNS", pebble.dns)
                    .env("PEBBLE_HOME", pebble.home);
            }
            Err(why) => return Ok(Err(why)),
        },
        "kubo" | "dht" => match go_programs::kubo(workspace)? {
            Ok(program) => {
                check.env("KUBO", program);
            }
            Err(why) => return Ok(Err(why)),
        },
        // It says itself where there is none.
        "passkeys" => see_to("chromium", &["--version"], "chromium"),
        // These run without Kubo, too.
        "bitswap" | "pinning" | "kubo-rpc" => {
            if let Ok(program) = go_programs::kubo(workspace)? {
                check.env("KUBO", program);
            }
        }
        _ => {}
    }
    node_packages::install(folder)?;
    count(&mut check, tally)?;
    Ok(Ok(()))
}

pub(crate) fn build_node(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo("build").args(["--locked", "--package", "kubelt"]))
}

pub(crate) fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
