//! `kubelt name`: names of cores, and of anything else.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use kubelt_core::EnsName;

use super::caller::Caller;
use super::target::CoreTarget;

#[derive(Debug, Subcommand)]
pub(super) enum NameCommand {
    /// Show the IPNS name of a core, which follows what it publishes
    Show(ShowArgs),
    /// Say where an IPNS name, a DNS name or an ENS name leads
    Resolve(ResolveArgs),
    /// Write the signed record of an IPNS name to stdout
    Get(GetArgs),
    /// Bring the record of an IPNS name to the node
    Put(PutArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The core
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
}

#[derive(Debug, Args)]
pub(super) struct ResolveArgs {
    /// The name: `k51…`, `docs.example`, either behind `/ipns/`, or `alice.eth`
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// The name: `k51…` or a peer id
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// The name: `k51…` or a peer id
    name: String,
    /// A file with its signed record
    file: PathBuf,
}

impl NameCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Show(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let view = client.core(&core)?;
                let name =
                    view.ipns.context("the node has no name for this core: its store takes no writes")?;
                let shown = serde_json::json!({ "core": view.core, "ipns": name });
                caller.out.result(&shown, || format!("{name}\n"))?;
            }
            Self::Resolve(args) if EnsName::is_meant(&args.name) && !args.name.starts_with('/') => {
                let view = caller.client()?.ens(&args.name.trim_start_matches('@').parse()?)?;
                caller.out.result(&view, || {
                    format!("{}\nat block {} of chain {}\n", view.account, view.block, view.chain)
                })?;
            }
            Self::Resolve(args) => {
                let view = caller.client()?.resolve(bare(&args.name))?;
                caller.out.result(&view, || format!("{}\n", view.path))?;
            }
            Self::Get(args) => {
                let record = caller.client()?.record(bare(&args.name))?;
                caller.out.raw(&record)?;
            }
            Self::Put(args) => {
                let record = fs::read(&args.file)
                    .with_context(|| format!("the record `{}` cannot be read", args.file.display()))?;
                let name = bare(&args.name);
                caller.client()?.put_record(name, &record)?;
                let shown = serde_json::json!({ "name": name });
                caller.out.result(&shown, || format!("the node keeps the record of {name}\n"))?;
            }
        }
        Ok(())
    }
}

fn bare(name: &str) -> &str {
    let name = name.strip_prefix("/ipns/").unwrap_or(name);
    name.trim_end_matches('/')
}
