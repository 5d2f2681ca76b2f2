//! `kubelt ls`, `rm` and `versions`.

use anyhow::{Result, bail};
use clap::Args;
use kubelt_api::{Asked, Code, ContentRemoved, ContentVersion, Fate, ListingEntry, ListingKind};

use super::caller::Caller;
use super::request::ask;
use super::signing::Shared;
use super::target::CoreTarget;
use crate::output::{bytes_text, columns, count_text, short_time};

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
            let path = target.path.trim_end_matches('/');
            match client.remove(&core, path) {
                Err(error) if error.code() == Some(Code::VotesNeeded) => {
                    let shared = Shared { client, place: core, id: caller.core_id(target)? };
                    ask(caller, &shared, Asked::Unpublish { path: path.to_owned() })?;
                }
                removed => cleared.push((target.to_string(), removed?)),
            }
        }
        if cleared.is_empty() {
            return Ok(());
        }
        let words = || cleared.iter().map(|(target, removed)| told(target, removed)).collect::<String>();
        let targets: Vec<&String> = cleared.iter().map(|(target, _)| target).collect();
        let removed: Vec<&ContentRemoved> = cleared.iter().map(|(_, removed)| removed).collect();
        caller.out.result(&serde_json::json!({ "cleared": targets, "removed": removed }), words)?;
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
                match (version.effective, version.held) {
                    (false, _) => "does not count".to_owned(),
                    (true, false) if version.cid.is_some() => "no longer held".to_owned(),
                    (true, _) => String::new(),
                },
            ]
        };
        caller.out.result(&versions, || columns(&versions.versions.iter().map(row).collect::<Vec<_>>()))?;
        Ok(())
    }
}

/// What became of the content at a path.
fn told(target: &str, removed: &ContentRemoved) -> String {
    let blocks = |count, bytes| format!("{} ({})", count_text(count, "block"), bytes_text(bytes));
    let fate = match removed.fate {
        Fate::Nothing => "there was nothing at exactly this path".to_owned(),
        Fate::KeptAsVersion => match removed.versions_kept.as_str() {
            "all" => "its content stays: the core keeps all versions".to_owned(),
            count => format!("its content stays: the core keeps the newest {count} versions of each path"),
        },
        Fate::UsedByOthers => {
            format!(
                "its content stays: it is kept by {} of the core",
                count_text(removed.other_paths, "other path")
            )
        }
        Fate::Queued => match removed.blocks {
            None => "what nothing else uses is freed in the background".to_owned(),
            Some(found) => {
                let stay = match found.stay {
                    0 => String::new(),
                    count => {
                        format!("; {} stay, which other content uses too", blocks(count, found.stay_bytes))
                    }
                };
                format!("{} queued to be freed{stay}", blocks(found.freed, found.freed_bytes))
            }
        },
    };
    format!("cleared {target}: {fate}\n")
}
