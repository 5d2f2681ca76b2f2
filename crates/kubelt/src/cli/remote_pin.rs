//! `kubelt remote-pin`: published content delivered to the pinning services of others.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use kubelt_api::{RemotePinService, RemotePinSetting, RemotePinView};

use super::caller::{Caller, read_token};
use super::target::CoreTarget;
use crate::output::columns;

#[derive(Debug, Subcommand)]
pub(super) enum RemotePinCommand {
    /// Deliver what is public at a path to a pinning service, and keep it up to date there
    Add(AddArgs),
    /// List the services, and how far each path is
    List(ListArgs),
    /// Deliver to a service no more, and forget its token; pins that it has stay there
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What to deliver: `@me/site`
    #[arg(value_name = "@CORE/PATH")]
    target: CoreTarget,
    /// What to call the service
    #[arg(long, value_name = "NAME")]
    service: String,
    /// The service's URL, without `/pins`
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// A file with the service's access token; the node keeps it, and shows it to nobody
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The core
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The name of the service
    #[arg(value_name = "NAME")]
    service: String,
    /// The core
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
}

impl RemotePinCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Add(args) => add(caller, &args),
            Self::List(args) => list(caller, &args),
            Self::Remove(args) => remove(caller, &args),
        }
    }
}

fn add(caller: &Caller, args: &AddArgs) -> Result<()> {
    let path = args.target.path.trim_matches('/').to_owned();
    if path.is_empty() {
        bail!("name the path to deliver, as in `@me/site`");
    }
    let (client, core) = caller.reach(&args.target)?;
    let token = args.token_file.as_deref().map(read_token).transpose()?;
    // Further paths of a service that is there are added to it.
    let known = client.remote_pins(&core)?.services.into_iter().find(|known| known.name == args.service);
    let mut paths = known.map(|known| known.paths).unwrap_or_default();
    if !paths.contains(&path) {
        paths.push(path);
    }
    let setting = RemotePinSetting { endpoint: args.endpoint.clone(), paths, token };
    client.set_remote_pin(&core, &args.service, &setting)?;
    let view =
        serde_json::json!({ "service": args.service, "endpoint": setting.endpoint, "paths": setting.paths });
    caller.out.result(&view, || format!("{} is delivered to {}", setting.paths.join(", "), args.service))?;
    Ok(())
}

fn list(caller: &Caller, args: &ListArgs) -> Result<()> {
    let (client, core) = caller.reach(&args.target)?;
    let list = client.remote_pins(&core)?;
    caller.out.result(&list, || list.services.iter().map(table).collect::<Vec<_>>().join("\n"))?;
    Ok(())
}

fn table(service: &RemotePinService) -> String {
    let token = if service.has_token { "" } else { " (no token on this node)" };
    let row = |pin: &RemotePinView| {
        let reason = pin.reason.clone().unwrap_or_default();
        [format!("  {}", pin.path), pin.status.clone(), pin.cid.clone(), reason]
    };
    let rows = columns(&service.pins.iter().map(row).collect::<Vec<_>>());
    format!("{} at {}: {}{token}\n{rows}", service.name, service.endpoint, service.paths.join(", "))
}

fn remove(caller: &Caller, args: &RemoveArgs) -> Result<()> {
    let (client, core) = caller.reach(&args.target)?;
    client.remove_remote_pin(&core, &args.service)?;
    let view = serde_json::json!({ "service": args.service });
    caller.out.result(&view, || format!("{} gets nothing more", args.service))?;
    Ok(())
}
