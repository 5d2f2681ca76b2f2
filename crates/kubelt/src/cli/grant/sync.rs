//! `kubelt grant sync`: what is sealed to whoever passes a gate, sealed to whoever passes it now.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use kubelt_core::schema::{Encryption, SealedTo};
use serde_json::{Value, json};

use super::super::caller::Caller;
use super::super::holders::add_holders;
use super::super::recipients::resolve_listed;
use super::super::sealing::{Wanted, encryption_of};
use super::super::target::CoreTarget;
use super::super::wallet::PassphraseArgs;
use super::{Changed, Opened};
use crate::client::{Client, CorePlace};

/// Whoever sold their token can open no version that is sealed from then on. What they could open before, they may have
/// kept. Run it on a device that can open the content; the node never has its key.
#[derive(Debug, Args)]
pub(in crate::cli) struct SyncArgs {
    /// The sealed content, or a core with all that is sealed in it
    #[arg(value_name = "@CORE[/PATH]")]
    target: CoreTarget,
    /// Somebody who may pass the gates, too; members of the core, owners of tokens that a gate names, and those who can
    /// open it now are tried anyway
    #[arg(long, value_name = "ACCOUNT")]
    among: Vec<String>,
    /// Go on, and look again after so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl SyncArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let Some(seconds) = self.watch else { return self.once(caller).map(drop) };
        loop {
            if let Err(error) = self.once(caller) {
                caller.out.warn(&format!("nothing was changed, and it is tried again: {error:#}"));
            }
            thread::sleep(Duration::from_secs(seconds));
        }
    }

    fn once(&self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        let mut done = Vec::new();
        for path in self.paths(&client, &core)? {
            done.push(self.sync(caller, (&client, &core), &path)?);
        }
        ensure!(
            !done.is_empty() || self.watch.is_some(),
            "nothing in {} is sealed to whoever passes a gate; seal it with `--to gate:NAME`",
            self.target
        );
        let is_quiet = self.watch.is_some() && done.iter().all(|done| done["did"] == AS_IT_WAS);
        if !is_quiet {
            caller.out.result(&json!({ "paths": done }), || {
                let line = |done: &Value| {
                    let text = |field: &str| done[field].as_str().unwrap_or_default().to_owned();
                    format!("{}: {}", text("path"), text("did"))
                };
                done.iter().map(line).collect::<Vec<_>>().join("\n")
            })?;
        }
        Ok(())
    }

    /// The paths of what is sealed to holders.
    fn paths(&self, client: &Client, core: &CorePlace) -> Result<Vec<String>> {
        let path = self.target.path.trim_end_matches('/');
        if !path.is_empty() {
            return Ok(vec![path.to_owned()]);
        }
        let mut entries = client.whole_state(core, "content")?;
        entries.retain(|entry| entry.value["encryption"]["gates"].is_array());
        Ok(entries
            .iter()
            .filter_map(|entry| entry.path.strip_prefix("content/"))
            .map(str::to_owned)
            .collect())
    }

    fn sync(&self, caller: &Caller, place: (&Client, &CorePlace), path: &str) -> Result<Value> {
        let encryption = encryption_of(&place.0.sealed(place.1, path)?)?;
        ensure!(
            !encryption.gates.is_empty(),
            "`{path}` is not sealed to whoever passes a gate; `kubelt grant add` with `--to gate:NAME` seals it so"
        );
        let wanted = self.wanted(caller, place, &encryption)?;
        let has = |to: &SealedTo| wanted.to.iter().any(|wanted| wanted.key.thumbprint().0 == to.key);
        if wanted.to.len() == encryption.to.len() && encryption.to.iter().all(has) {
            return Ok(json!({ "path": path, "did": AS_IT_WAS }));
        }
        // Only now is a key needed; and what was read of the list so far is checked with it.
        let opened = Opened::at(caller, &self.target.with_path(path), &self.passphrase)?;
        ensure!(opened.encryption == encryption, "`{path}` has changed just now; try again");
        let Changed { receipt, rekeyed, to } = opened.set(caller, wanted)?;
        let did = match (&receipt, rekeyed) {
            (None, _) => "others were asked to agree",
            (_, true) => "sealed anew with another key",
            (_, false) => "the key was wrapped for more",
        };
        let names: Vec<String> = to.into_iter().map(|to| to.who).collect();
        let cid = receipt.map(|receipt| receipt.cid);
        Ok(json!({ "path": path, "did": did, "rekeyed": rekeyed, "cid": cid, "to": names }))
    }

    /// Those who were named, and whoever passes the gates now.
    fn wanted(
        &self,
        caller: &Caller,
        place: (&Client, &CorePlace),
        encryption: &Encryption,
    ) -> Result<Wanted> {
        let (held, named): (Vec<SealedTo>, Vec<SealedTo>) =
            encryption.to.iter().cloned().partition(|to| to.gate.is_some());
        let mut among: BTreeSet<String> = self.among.iter().cloned().collect();
        among.extend(held.into_iter().map(|to| to.who));
        let to = if named.is_empty() { Vec::new() } else { resolve_listed(caller, &named)? };
        let mut wanted = Wanted { to, gates: encryption.gates.clone() };
        add_holders(caller, place, &mut wanted, among)?;
        Ok(wanted)
    }
}

const AS_IT_WAS: &str = "as it was";
