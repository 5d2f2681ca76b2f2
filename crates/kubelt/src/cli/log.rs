//! `kubelt log`: what happened to a core.

use anyhow::Result;
use clap::Args;
use kubelt_api::{OpView, OpsPage};

use super::caller::Caller;
use super::target::CoreTarget;
use crate::client::{Client, ClientError, CorePlace};
use crate::limits::PAGE_ENTRIES_MAX;
use crate::output::{columns, short_time};

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// At most so many operations, newest first
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// Show whole ids, and who acted
    #[arg(short, long)]
    verbose: bool,
}

impl LogArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        let page = newest(&client, &core, self.limit)?;
        caller.out.result(&page, || if self.verbose { long(&page.ops) } else { short(&page.ops) })?;
        Ok(())
    }
}

fn newest(client: &Client, core: &CorePlace, limit: usize) -> Result<OpsPage, ClientError> {
    let mut page = client.ops(core, limit.clamp(1, PAGE_ENTRIES_MAX), None)?;
    while page.ops.len() < limit
        && let Some(cursor) = page.next.take()
    {
        let count = (limit - page.ops.len()).min(PAGE_ENTRIES_MAX);
        let more = client.ops(core, count, Some(&cursor))?;
        page.ops.extend(more.ops);
        page.next = more.next;
    }
    page.ops.truncate(limit);
    Ok(page)
}

fn short(ops: &[OpView]) -> String {
    let row = |op: &OpView| [short_time(&op.at), op.verb.clone(), mark(op).to_owned(), path(op).to_owned()];
    columns(&ops.iter().map(row).collect::<Vec<_>>())
}

fn long(ops: &[OpView]) -> String {
    let entry = |op: &OpView| {
        let (mark, path) = (mark(op), path(op));
        let head = format!("{} {path} {mark}", op.verb);
        format!("{}\n  {}\n  {}  by {}\n", op.id, head.trim_end(), short_time(&op.at), op.by)
    };
    ops.iter().map(entry).collect()
}

const fn mark(op: &OpView) -> &'static str {
    if op.effective { "" } else { "does not count" }
}

fn path(op: &OpView) -> &str {
    match (&op.path, &op.body) {
        (Some(path), _) => path,
        (None, None) => "(withheld)",
        (None, Some(_)) => "",
    }
}
