//! `cargo xtask codegen`: files that are generated from the code and kept in the repository.

use std::collections::HashSet;
use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{process, reference};

/// Each file, and what makes it.
const FILES: [(&str, Maker); 6] = [
    ("docs/reference/limits.md", Maker::Limits),
    ("spec/openapi.json", Maker::Binary("openapi")),
    ("spec/openrpc.json", Maker::Binary("openrpc")),
    ("docs/reference/cli.md", Maker::Description("commands", reference::command_line)),
    ("docs/reference/http.md", Maker::Description("openapi", reference::http)),
    ("docs/reference/json-rpc.md", Maker::Description("openrpc", reference::json_rpc)),
];

#[derive(Clone, Copy)]
enum Maker {
    /// This command of the binary prints it.
    Binary(&'static str),
    /// It is made of the description that this command prints.
    Description(&'static str, fn(&Value) -> Result<String>),
    /// It is made of the constants in the code.
    Limits,
}

/// Writes the generated files, or with `--check` fails where they differ from the code.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    match args {
        [] => {
            for (file, maker) in FILES {
                let path = workspace.root().join(file);
                fs::write(&path, make(workspace, maker)?)
                    .with_context(|| format!("cannot write `{file}`"))?;
                println!("wrote {file}");
            }
            // Tests check the vectors; told to, they write them.
            let vectors = ["--quiet", "--package", "kubelt-core", "--test", "it", "written_vectors"];
            process::run(workspace.cargo("test").args(vectors).env("KUBELT_WRITE_VECTORS", "1"))
        }
        [flag] if flag == "--check" => check(workspace),
        _ => bail!("`codegen` takes nothing, or `--check`"),
    }
}

fn check(workspace: &Workspace) -> Result<()> {
    for (file, maker) in FILES {
        let written =
            fs::read(workspace.root().join(file)).with_context(|| format!("cannot read `{file}`"))?;
        if written != make(workspace, maker)? {
            bail!("`{file}` differs from what the code says; run `cargo xtask codegen`");
        }
        println!("{file} is what the code says");
    }
    Ok(())
}

fn make(workspace: &Workspace, maker: Maker) -> Result<Vec<u8>> {
    let print = |command| {
        process::output(workspace.cargo("run").args(["--quiet", "--package", "kubelt", "--", command]))
    };
    match maker {
        Maker::Limits => {
            let texts = reference::limits::FILES.iter().map(|(file, _)| {
                fs::read_to_string(workspace.root().join(file))
                    .with_context(|| format!("cannot read `{file}`"))
            });
            Ok(reference::limits::page(&texts.collect::<Result<Vec<_>>>()?)?.into_bytes())
        }
        Maker::Binary(command) => print(command),
        Maker::Description(command, make) => {
            let description =
                serde_json::from_slice(&print(command)?).context("the description is no JSON")?;
            check_operations(&description)?;
            Ok(make(&description)?.into_bytes())
        }
    }
}

/// Ids of operations are unique (OpenAPI 3.1), or no types can be made of the description.
fn check_operations(description: &Value) -> Result<()> {
    let mut known = HashSet::new();
    let methods = description["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    for operation in methods.filter_map(Value::as_object).flat_map(|methods| methods.values()) {
        if let Some(id) = operation["operationId"].as_str()
            && !known.insert(id)
        {
            bail!("two operations are called `{id}`; give one an `operation_id` of its own");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_operations;

    #[test]
    fn operations_of_one_name_fail() {
        let named = |first: &str, second: &str| {
            serde_json::json!({"paths": {
                "/a": {"get": {"operationId": first}}, "/b": {"get": {}, "put": {"operationId": second}},
            }})
        };
        assert!(check_operations(&named("list_a", "list_b")).is_ok());
        assert!(check_operations(&named("list", "list")).is_err());
    }
}
