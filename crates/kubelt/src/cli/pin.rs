//! `kubelt pin`: content that a core keeps by its CID, fetched from wherever it is.

use std::thread;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use kubelt_api::{PinObject, PinResults, PinState};
use kubelt_content::parse_cid;

use super::caller::Caller;
use super::target::CoreTarget;
use crate::client::{Client, CorePlace};
use crate::limits::{PIN_LOOK_MAX, PIN_LOOK_MIN};
use crate::output::{Progress, columns, short_time};

#[derive(Debug, Subcommand)]
pub(super) enum PinCommand {
    /// Keep what has this CID, and wait until all of it is here
    Add(AddArgs),
    /// List the pins of a core, newest first, and how far they are
    Ls(LsArgs),
    /// Keep content for a pin no more
    Rm(RmArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What to keep
    #[arg(value_name = "CID")]
    cid: String,
    /// The core that keeps it
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
    /// What to call it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A peer that has it, `/ip4/…/p2p/12D3…`; may be given several times
    #[arg(long, value_name = "MULTIADDR")]
    from: Vec<String>,
    /// Do not wait: the node goes on by itself
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// The core
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
}

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// The pin's id, as `kubelt pin ls` has it
    #[arg(value_name = "ID")]
    id: String,
    /// The core
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
}

impl PinCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Add(args) => args.run(caller),
            Self::Ls(LsArgs { target }) => {
                let (client, core) = caller.reach(&target)?;
                let pins = client.pins(&core)?;
                caller.out.result(&pins, || table(&pins))?;
                Ok(())
            }
            Self::Rm(RmArgs { id, target }) => {
                let (client, core) = caller.reach(&target)?;
                client.remove_pin(&core, &id)?;
                caller.out.result(&serde_json::json!({ "requestid": id }), || {
                    format!("{id} is not kept any more")
                })?;
                Ok(())
            }
        }
    }
}

impl AddArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        parse_cid(&self.cid).with_context(|| format!("`{}` is no CID", self.cid))?;
        let (client, core) = caller.reach(&self.target)?;
        let origins = (!self.from.is_empty()).then_some(self.from);
        let object = PinObject { cid: self.cid, name: self.name, origins, meta: None };
        let mut pin = client.add_pin(&core, &object)?;
        if !self.no_wait {
            let progress = caller.out.progress("pinning", None);
            let ended = wait(&client, &core, pin, &progress);
            progress.finish();
            pin = ended?;
        }
        if pin.status == "failed" {
            bail!("{} cannot be kept: {}", pin.pin.cid, details(&pin));
        }
        caller.out.result(&pin, || said(&pin))?;
        Ok(())
    }
}

/// Waits until a pin is whole or failed, or nobody who can be asked now has the rest of it.
fn wait(client: &Client, core: &CorePlace, mut pin: PinState, progress: &Progress) -> Result<PinState> {
    let mut pause = PIN_LOOK_MIN;
    loop {
        thread::sleep(pause);
        pause = (pause * 2).min(PIN_LOOK_MAX);
        pin = client.pin(core, &pin.requestid)?;
        if pin.status != "pinning" {
            return Ok(pin);
        }
        progress.say(details(&pin).to_owned());
    }
}

fn details(pin: &PinState) -> &str {
    pin.info.get("status_details").map_or("", String::as_str)
}

fn said(pin: &PinState) -> String {
    let mut text = format!("{} {} as {}", pin.status, pin.pin.cid, pin.requestid);
    if !details(pin).is_empty() {
        text.push_str(&format!("\n{}", details(pin)));
    }
    if pin.status != "pinned" {
        text.push_str("\nthe node goes on; `kubelt pin ls` says how far it is");
    }
    text
}

fn table(pins: &PinResults) -> String {
    let row = |pin: &PinState| {
        [
            pin.requestid.clone(),
            pin.status.clone(),
            short_time(&pin.created),
            pin.pin.cid.clone(),
            pin.pin.name.clone().unwrap_or_default(),
            details(pin).to_owned(),
        ]
    };
    columns(&pins.results.iter().map(row).collect::<Vec<_>>())
}
