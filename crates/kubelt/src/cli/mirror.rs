//! `kubelt mirror`: what other cores have published, kept and served by the node.

use anyhow::Result;
use clap::{Args, Subcommand};
use kubelt_api::{MirrorList, MirrorRequest, MirrorView};
use kubelt_core::{Account, CoreId};

use super::caller::Caller;
use super::target::CoreTarget;
use super::token::Lifetime;
use crate::client::CorePlace;
use crate::output::{bytes_text, columns, count_text, short_time};

#[derive(Debug, Subcommand)]
pub(super) enum MirrorCommand {
    /// Keep what a core has published on this node, and serve it from here
    Add(AddArgs),
    /// List what this node mirrors for you, and how far it is
    Ls,
    /// Mirror a core no more
    Rm(CoreArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    #[command(flatten)]
    core: CoreArgs,
    /// A node that holds the core, as it prints its address itself: `/ip4/…/tcp/…/tls/p2p/12D3…`; or a DNS name that
    /// tells of one (TXT records at `_kubelt.NAME`), or `dht` where the core's owner has it announced
    #[arg(long, value_name = "ADDRESS", default_value = "dht")]
    from: String,
    /// Look again in intervals, such as `15m`, `6h` or `1d`, instead of being told of each change
    #[arg(long, value_name = "TIME")]
    every: Option<Lifetime>,
}

#[derive(Debug, Args)]
pub(super) struct CoreArgs {
    /// The core: `@0x…`, `@acme` or a core id
    #[arg(value_name = "@CORE")]
    core: String,
}

impl MirrorCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let (client, session) = caller.signed_in()?;
        let own = CorePlace::given(&session.path);
        match self {
            Self::Add(AddArgs { core, from, every }) => {
                let every_s = every.map(|every| every.0);
                let core = core.id(caller)?;
                let mirror = client.add_mirror(&own, &MirrorRequest { core, from, every_s })?;
                caller.out.result(&mirror, || said(&mirror))?;
            }
            Self::Ls => {
                let list = client.mirrors(&own)?;
                caller.out.result(&list, || table(&list))?;
            }
            Self::Rm(core) => {
                let core = core.id(caller)?;
                client.remove_mirror(&own, &core)?;
                let view = serde_json::json!({ "core": core });
                caller.out.result(&view, || format!("{core} is not mirrored for you any more"))?;
            }
        }
        Ok(())
    }
}

impl CoreArgs {
    /// The account or the id that the node is told.
    fn id(&self, caller: &Caller) -> Result<String> {
        let name = self.core.trim_start_matches('@');
        if name.parse::<CoreId>().is_ok() || name.to_ascii_lowercase().parse::<Account>().is_ok() {
            return Ok(name.to_owned());
        }
        if name.parse::<Account>().is_ok() {
            return Ok(name.to_owned());
        }
        let target: CoreTarget = format!("@{name}").parse()?;
        Ok(caller.core_id(&target)?.to_string())
    }
}

fn said(mirror: &MirrorView) -> String {
    let (paths, blocks) = (count_text(mirror.paths, "path"), count_text(mirror.blocks, "block"));
    let mut text = format!("{paths} of {} served from here\n", mirror.core);
    text.push_str(&format!("{blocks} came, {}", bytes_text(mirror.bytes)));
    if !mirror.settled {
        text.push_str("\nit goes on; `kubelt mirror ls` says how far it is");
    }
    if mirror.lacking > 0 {
        text.push_str(&format!("\n{} not served", count_text(mirror.lacking, "path")));
    }
    if mirror.over_quota > 0 {
        text.push_str(&format!(", {} of them over the quota", mirror.over_quota));
    }
    text
}

fn table(list: &MirrorList) -> String {
    columns(&list.mirrors.iter().map(row).collect::<Vec<_>>())
}

fn row(mirror: &MirrorView) -> [String; 6] {
    let settled_at = mirror.settled_at.as_deref().map(short_time);
    let state = match (mirror.settled, mirror.connected) {
        (true, _) => "whole".to_owned(),
        (false, true) => "behind".to_owned(),
        (false, false) => {
            format!("away since {}", settled_at.as_deref().unwrap_or("before the node was started"))
        }
    };
    let lacking = match mirror.lacking {
        0 => String::new(),
        lacking => format!("{lacking} lacking"),
    };
    [
        mirror.core.clone(),
        state,
        count_text(mirror.paths, "path"),
        lacking,
        mirror.sources.join(" "),
        mirror.error.clone().or(settled_at).unwrap_or_default(),
    ]
}
