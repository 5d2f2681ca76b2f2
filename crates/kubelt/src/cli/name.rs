//! `kubelt name`: names of cores, and of anything else.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use kubelt_api::{HostNameView, HostRecordView};
use kubelt_core::{EnsName, HostName};

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
    /// Bind a host name to a core: `kubelt name add @me widgets.acme.org`
    Add(HostArgs),
    /// List the host names that a core binds, and whether they lead to it
    Ls(LsArgs),
    /// Take a host name from a core
    Rm(HostArgs),
    /// Ask the DNS about a host name now, and say what is missing
    Check(HostArgs),
}

#[derive(Debug, Args)]
pub(super) struct HostArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// The host name, without a port
    host: HostName,
}

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// The core
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
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
            Self::Add(args) => args.add(caller)?,
            Self::Ls(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let list = client.host_names(&core)?;
                caller.out.result(&list, || match list.names.is_empty() {
                    true => "the core binds no host names\n".to_owned(),
                    false => list.names.iter().map(line).collect(),
                })?;
            }
            Self::Rm(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let receipt = client.clear_state(&core, &args.path())?;
                caller
                    .out
                    .result(&receipt, || format!("{} leads to {} no more\n", args.host, args.target))?;
            }
            Self::Check(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let view = client.check_host_name(&core, args.host.as_str())?;
                caller.out.result(&view, || in_words(&view))?;
            }
        }
        Ok(())
    }
}

impl HostArgs {
    fn path(&self) -> String {
        self.host.path().to_string()
    }

    fn add(self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        client.set_state(&core, &self.path(), &serde_json::json!({}))?;
        let view = client.check_host_name(&core, self.host.as_str())?;
        caller.out.result(&view, || in_words(&view))?;
        Ok(())
    }
}

fn line(view: &HostNameView) -> String {
    let mark = if view.leads_here { "leads here" } else { "leads nowhere" };
    let certificate = view.certificate.as_ref().map(|certificate| match &certificate.until {
        Some(until) => format!("; certificate {} until {until}", certificate.state),
        None => format!("; certificate {}", certificate.state),
    });
    format!("{}  {mark}: {}{}\n", view.host, view.why, certificate.unwrap_or_default())
}

/// All that there is to know of a host, and what to do next.
fn in_words(view: &HostNameView) -> String {
    let mut text = line(view);
    if !view.bound {
        text.push_str("the core does not bind it: `kubelt name add @CORE HOST`\n");
    }
    if let Some(certificate) = &view.certificate {
        if let Some(next) = &certificate.next {
            text.push_str(&format!("the next certificate is asked for at {next}\n"));
        }
        if let Some(failure) = &certificate.failure {
            text.push_str(&format!("why no other certificate: {failure}\n"));
        }
    }
    if view.by.is_none() {
        text.push_str("one of these records proves it:\n");
        for HostRecordView { name, kind, value } in &view.records {
            let value = if kind == "TXT" { format!("\"{value}\"") } else { format!("{value}.") };
            text.push_str(&format!("  {name}. {kind} {value}\n"));
        }
    }
    text
}

fn bare(name: &str) -> &str {
    let name = name.strip_prefix("/ipns/").unwrap_or(name);
    name.trim_end_matches('/')
}
