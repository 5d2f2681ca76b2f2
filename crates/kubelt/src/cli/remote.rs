//! `kubelt remote`: other nodes that hold a core.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use kubelt_api::{CopiesView, RemoteList, RemoteRequest, RemoteView};

use super::caller::Caller;
use super::target::CoreTarget;
use crate::client::{Client, CorePlace};
use crate::output::{bytes_text, columns, count_text, short_time};

#[derive(Debug, Subcommand)]
pub(super) enum RemoteCommand {
    /// Exchange a core with another node, now and from now on
    Add(AddArgs),
    /// List the other nodes that hold a core, and how far it is with each
    Ls(ListArgs),
    /// Exchange a core with a node no more
    Rm(PeerArgs),
    /// Wait until this node and another have the same of a core
    Sync(PeerArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// Where the other node is, as it prints it itself: `/ip4/…/tcp/…/tls/p2p/12D3…`; or a DNS name that tells of it
    /// (TXT records at `_kubelt.NAME`), an ENS name (text record `kubelt`), or `dht` where the core's owner has it announced
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Do not name the two nodes as hosts in the core's map; the exchange ends with this session then
    #[arg(long)]
    no_hosts: bool,
    /// Name it as a spare host: the core is brought there when fewer nodes hold it than `config/copies` says
    #[arg(long, conflicts_with = "no_hosts")]
    spare: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The core
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
}

#[derive(Debug, Args)]
pub(super) struct PeerArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// The node's id, `12D3…`; not needed where there is only one
    #[arg(value_name = "PEER")]
    peer: Option<String>,
}

impl RemoteCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Add(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let AddArgs { address, no_hosts, spare, .. } = args;
                if spare {
                    let request = RemoteRequest { address, hosts: true, spare };
                    let remote = client.add_remote(&core, &request)?;
                    caller.out.result(&remote, || format!("{} is a spare host now", remote.peer))?;
                    return Ok(());
                }
                let remote = add(caller, &client, &core, address, !no_hosts)?;
                caller.out.result(&remote, || said(&remote))?;
            }
            Self::Ls(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let list = client.remotes(&core)?;
                caller.out.result(&list, || table(&list))?;
            }
            Self::Rm(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let peer = one(&client, &core, args.peer)?;
                client.remove_remote(&core, &peer)?;
                let view = serde_json::json!({ "peer": peer });
                caller.out.result(&view, || format!("the core is not exchanged with {peer} any more"))?;
            }
            Self::Sync(args) => {
                let (client, core) = caller.reach(&args.target)?;
                let peer = one(&client, &core, args.peer)?;
                let remote = settled(caller, &client, &core, client.sync_remote(&core, &peer)?)?;
                caller.out.result(&remote, || said(&remote))?;
            }
        }
        Ok(())
    }
}

/// Adds a remote, and waits until both nodes have the same.
pub(super) fn add(
    caller: &Caller,
    client: &Client,
    core: &CorePlace,
    address: String,
    hosts: bool,
) -> Result<RemoteView> {
    let remote = client.add_remote(core, &RemoteRequest { address, hosts, spare: false })?;
    settled(caller, client, core, remote)
}

/// Each question waits at the node for a while.
fn settled(caller: &Caller, client: &Client, core: &CorePlace, mut remote: RemoteView) -> Result<RemoteView> {
    while !remote.settled {
        let (blocks, bytes) = (count_text(remote.blocks, "block"), bytes_text(remote.bytes));
        caller.out.remark(&format!("{blocks}, {bytes} so far"));
        remote = client.sync_remote(core, &remote.peer)?;
    }
    Ok(remote)
}

fn one(client: &Client, core: &CorePlace, peer: Option<String>) -> Result<String> {
    if let Some(peer) = peer {
        return Ok(peer);
    }
    let mut remotes = client.remotes(core)?.remotes;
    match (remotes.pop(), remotes.is_empty()) {
        (Some(remote), true) => Ok(remote.peer),
        (None, _) => bail!("the core is exchanged with no other node; add one with `kubelt remote add`"),
        (Some(_), false) => bail!("the core is exchanged with several nodes; name one (`kubelt remote ls`)"),
    }
}

pub(super) fn said(remote: &RemoteView) -> String {
    let (ops, blocks) = (count_text(remote.ops, "operation"), count_text(remote.blocks, "block"));
    let mut text =
        format!("equal with {}\n{ops} and {blocks} came, {}", remote.peer, bytes_text(remote.bytes));
    if remote.incomplete > 0 {
        text.push_str(&format!("\n{} not whole there either", count_text(remote.incomplete, "path")));
    }
    if !remote.host {
        text.push_str("\nit is no host of the core: the exchange ends with this session");
    }
    text
}

fn table(list: &RemoteList) -> String {
    let CopiesView { wanted, held, under_replicated } = list.copies;
    let mut text = columns(&list.remotes.iter().map(row).collect::<Vec<_>>());
    let nodes = if held == 1 { "node holds" } else { "nodes hold" };
    text.push_str(&format!("{held} {nodes} all of it"));
    if let Some(wanted) = wanted {
        let state = if under_replicated { ": under-replicated" } else { "" };
        text.push_str(&format!(", {wanted} wanted{state}"));
    }
    text
}

fn row(remote: &RemoteView) -> [String; 6] {
    let kind = match (remote.spare, remote.host) {
        (true, _) => "spare",
        (false, true) => "host",
        (false, false) => "remote",
    };
    let why = remote.error.clone().or_else(|| remote.settled_at.as_deref().map(short_time));
    let lag = remote.lag_ms.map(|ms| format!("for {} s", ms / 1_000));
    [
        remote.peer.clone(),
        kind.to_owned(),
        remote.holding.clone(),
        lag.unwrap_or_default(),
        remote.addresses.join(" "),
        why.unwrap_or_default(),
    ]
}
