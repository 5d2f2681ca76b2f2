//! `cargo xtask codegen`: files that are generated from the code and kept in the repository.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

const OPENAPI: &str = "spec/openapi.json";

/// Writes the generated files, or with `--check` fails where they differ from the code.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    match args {
        [] => {
            let path = workspace.root().join(OPENAPI);
            fs::write(&path, openapi(workspace)?).with_context(|| format!("cannot write `{OPENAPI}`"))?;
            println!("wrote {OPENAPI}");
            // Tests check the vectors; told to, they write them.
            let vectors = ["--quiet", "--package", "kubelt-core", "--test", "it", "written_vectors"];
            process::run(workspace.cargo("test").args(vectors).env("KUBELT_WRITE_VECTORS", "1"))
        }
        [flag] if flag == "--check" => check(workspace),
        _ => bail!("`codegen` takes nothing, or `--check`"),
    }
}

fn check(workspace: &Workspace) -> Result<()> {
    let written =
        fs::read(workspace.root().join(OPENAPI)).with_context(|| format!("cannot read `{OPENAPI}`"))?;
    if written != openapi(workspace)? {
        bail!("`{OPENAPI}` differs from what the code says; run `cargo xtask codegen`");
    }
    println!("{OPENAPI} is what the code says");
    Ok(())
}

fn openapi(workspace: &Workspace) -> Result<Vec<u8>> {
    process::output(workspace.cargo("run").args(["--quiet", "--package", "kubelt", "--", "openapi"]))
}
