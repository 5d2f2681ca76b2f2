//! `kubelt usage`.

use anyhow::{Result, bail};
use clap::Args;
use kubelt_api::CoreUsage;

use super::caller::Caller;
use super::target::CoreTarget;
use crate::output::{bytes_text, columns, count_text};

#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// The core; that of whoever is signed in without it
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
}

impl UsageArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        if !self.target.path.is_empty() {
            bail!("`{}` has a path, and only whole cores are counted", self.target);
        }
        let (client, core) = caller.reach(&self.target)?;
        let told = client.usage(&core)?;
        caller.out.result(&told, || table(&told))?;
        Ok(())
    }
}

fn table(told: &CoreUsage) -> String {
    let CoreUsage { usage, versions_kept, content } = told;
    let of = |max: u64, text: fn(u64) -> String| match max {
        u64::MAX => "no limit".to_owned(),
        max => format!("of {}", text(max)),
    };
    let number = |n: u64| count_text(n, "").trim_end_matches(['s', ' ']).to_owned();
    let row = |name: &str, used: String, max: String| [name.to_owned(), used, max];
    let least = if content.complete { "" } else { "at least " };
    let blocks = |count, bytes| format!("{least}{} in {}", bytes_text(bytes), count_text(count, "block"));
    let notes =
        format!("{} for {}", bytes_text(usage.reach_note_bytes), count_text(usage.reach_notes, "note"));
    let versions = match versions_kept.as_str() {
        "all" => "every version of each path is kept".to_owned(),
        "1" => "the newest version of each path is kept".to_owned(),
        count => format!("the newest {count} versions of each path are kept"),
    };
    columns(&[
        row("bytes", bytes_text(usage.block_bytes), of(usage.block_bytes_max, bytes_text)),
        row("blocks", number(usage.blocks), of(usage.blocks_max, number)),
        row("operations", number(usage.ops), of(usage.ops_max, number)),
        row("bytes of operations", bytes_text(usage.op_bytes), of(usage.op_bytes_max, bytes_text)),
        row("kept by paths", blocks(content.kept_blocks, content.kept_bytes), versions),
        row("not freed yet", blocks(content.loose_blocks, content.loose_bytes), String::new()),
        row("what reaches what", notes, "counts beside the bytes when something is published".to_owned()),
    ])
}
