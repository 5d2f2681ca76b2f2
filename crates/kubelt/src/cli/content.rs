//! `kubelt ls`, `rm` and `versions`.

use anyhow::{Result, bail};
use clap::Args;
use kubelt_api::{ContentVersion, ListingEntry, ListingKind};

use super::caller::Caller;
use super::target::CoreTarget;
use crate::output::{bytes_text, columns, short_time};

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// What to list
    #[arg(value_name = "@CORE[/PATH]")]
    target: CoreTarget,
    /// Show CIDs and media types too
    #[arg(short, long)]
    long: bool,
}

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// What to clear
    #[arg(value_name = "@CORE/PATH", required = true)]
    targets: Vec<CoreTarget>,
}

#[derive(Debug, Args)]
pub(super) struct VersionsArgs {
    /// The path
    #[arg(value_name = "@CORE/PATH")]
    target: CoreTarget,
}

impl LsArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        let listing = client.whole_listing(&core, self.target.path.trim_end_matches('/'))?;
        let row = |entry: &ListingEntry| {
            let slash = if entry.kind == ListingKind::Directory { "/" } else { "" };
            let link = if entry.kind == ListingKind::Symlink { "@" } else { "" };
            let visibility = entry.visibility.map_or("", |visibility| visibility.as_str());
            let long = |text: &Option<String>| text.clone().filter(|_| self.long).unwrap_or_default();
            [
                visibility.to_owned(),
                entry.size.map(bytes_text).unwrap_or_default(),
                long(&entry.media_type),
                long(&entry.cid),
                format!("{}{slash}{link}", entry.name),
            ]
        };
        caller.out.result(&listing, || columns(&listing.entries.iter().map(row).collect::<Vec<_>>()))?;
        Ok(())
    }
}

impl RmArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        for target in &self.targets {
            if target.path.is_empty() {
                bail!("name a path in the core, such as `{target}/site`");
            }
        }
        let mut cleared = Vec::new();
        for target in &self.targets {
            let (client, core) = caller.reach(target)?;
            client.remove(&core, target.path.trim_end_matches('/'))?;
            cleared.push(target.to_string());
        }
        let words = || format!("cleared {}", cleared.join(", "));
        caller.out.result(&serde_json::json!({ "cleared": cleared }), words)?;
        Ok(())
    }
}

impl VersionsArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        let versions = client.versions(&core, self.target.path.trim_end_matches('/'))?;
        let row = |version: &ContentVersion| {
            [
                short_time(&version.at),
                version.size.map(bytes_text).unwrap_or_default(),
                version.cid.clone().unwrap_or_else(|| "cleared".to_owned()),
                if version.effective { String::new() } else { "does not count".to_owned() },
            ]
        };
        caller.out.result(&versions, || columns(&versions.versions.iter().map(row).collect::<Vec<_>>()))?;
        Ok(())
    }
}
