//! `kubelt config`: the settings of a core, which stand in its map below `config/`.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kubelt_api::StateEntry;

use super::caller::Caller;
use super::target::CoreTarget;
use crate::output::columns;

/// Settings are values in the core's own map, signed like everything in it: they travel with the core.
///
/// `exposure` says through which exits strangers may reach what is public, for the whole core or for a path:
/// `kubelt config @me exposure '{"ipfs": false}'`, `kubelt config @me exposure/drafts '{"http": false}'`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// The setting; all of them are shown without it
    name: Option<String>,
    /// Its new value, as JSON
    #[arg(value_name = "JSON")]
    value: Option<String>,
    /// Go back to the default
    #[arg(long, conflicts_with = "value", requires = "name")]
    unset: bool,
}

impl ConfigArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        if !self.target.path.is_empty() {
            bail!("`{}` has a path; name the core, then the setting: `@me exposure/drafts`", self.target);
        }
        let (client, core) = caller.reach(&self.target)?;
        let name = self.name.as_deref().map(|name| name.trim_matches('/')).filter(|name| !name.is_empty());
        let path = name.map_or("config".to_owned(), |name| format!("config/{name}"));
        if self.unset {
            let receipt = client.clear_state(&core, &path)?;
            return Ok(caller.out.result(&receipt, || format!("{path} is unset\n"))?);
        }
        if let Some(value) = &self.value {
            let value: serde_json::Value = serde_json::from_str(value)
                .context("the value is not JSON; write for example '{\"ipfs\": false}'")?;
            let receipt = client.set_state(&core, &path, &value)?;
            return Ok(caller.out.result(&receipt, || format!("{path} is set\n"))?);
        }
        let entries = client.whole_state(&core, &path)?;
        caller.out.result(&entries, || table(&entries))?;
        Ok(())
    }
}

fn table(entries: &[StateEntry]) -> String {
    if entries.is_empty() {
        return "nothing is set; the defaults hold\n".to_owned();
    }
    let row = |entry: &StateEntry| {
        let name = entry.path.strip_prefix("config/").unwrap_or(&entry.path);
        [name.to_owned(), entry.value.to_string()]
    };
    columns(&entries.iter().map(row).collect::<Vec<_>>())
}
