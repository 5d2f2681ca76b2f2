//! `kubelt car`: DAGs from CAR files.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use kubelt_api::ContentReceipt;
use kubelt_content::unixfs::Profile;
use serde::Serialize;

use super::caller::Caller;
use super::publish::VisibilityArgs;
use super::target::CoreTarget;
use crate::client::{Link, gateway_path};
use crate::output::{bytes_text, count_text};
use crate::upload::{CarUploaded, RetryPolicy, Upload};

#[derive(Debug, Subcommand)]
pub(super) enum CarCommand {
    /// Upload the blocks of a CAR (version 1 or 2) and put its root at a path
    ///
    /// Only blocks that the core lacks are sent: after whatever stopped it, the same command goes on. A CAR with
    /// several roots puts each below the path, named by its CID.
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The CAR
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to put its root
    #[arg(long, value_name = "@CORE/PATH")]
    to: CoreTarget,
    #[command(flatten)]
    visibility: VisibilityArgs,
    /// Take a DAG of which blocks are missing, and mark it so
    #[arg(long)]
    partial: bool,
}

#[derive(Debug, Serialize)]
struct Imported {
    published: Vec<ContentReceipt>,
    blocks: u64,
    blocks_known: u64,
    bytes_sent: u64,
}

impl CarCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Import(args) => args.run(caller),
        }
    }
}

impl ImportArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let path = self.to.path.trim_end_matches('/');
        if path.is_empty() {
            bail!("name a path in the core, such as `{}/site`", self.to);
        }
        let (client, core) = caller.reach(&self.to)?;
        // A session that is of no use should show before anything is sent.
        client.sessions()?;
        let progress = caller.out.progress("importing", None);
        let retry = RetryPolicy::default();
        let profile = Profile::default();
        let upload = Upload { client: &client, core: &core, profile, retry, progress: &progress };
        let uploaded = upload.run_car(&self.file);
        progress.finish();
        let CarUploaded { roots, blocks, blocks_known, bytes_sent } = uploaded?;
        if roots.is_empty() {
            bail!(
                "`{}` names no root; its blocks were uploaded, and no path opens them",
                self.file.display()
            );
        }
        let mut published = Vec::with_capacity(roots.len());
        for root in &roots {
            let cid = root.to_string();
            let path = if roots.len() == 1 { path.to_owned() } else { format!("{path}/{cid}") };
            let link = Link { cid: &cid, partial: self.partial };
            let again = |error: &_| caller.out.remark(&format!("trying again: {error}"));
            published
                .push(retry.run(again, || client.link(&core, &path, self.visibility.get(), None, &link))?);
        }
        let done = Imported { published, blocks, blocks_known, bytes_sent };
        caller.out.result(&done, || {
            let url = |receipt: &ContentReceipt| {
                let path = core.published(&receipt.path);
                format!("{}{path}\n{}{}\n", client.node(), client.node(), gateway_path(&receipt.cid, ""))
            };
            let urls: String = done.published.iter().map(url).collect();
            let (blocks, known) = (count_text(blocks, "block"), blocks_known);
            format!("{urls}{blocks}, {known} of them there before; sent {}", bytes_text(bytes_sent))
        })?;
        Ok(())
    }
}
