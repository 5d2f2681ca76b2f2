//! `kubelt core`: shared cores, and whole cores in and out as CAR files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use kubelt_api::CAR;

use super::caller::Caller;
use super::heir::standing;
use super::shared::{self, CreateArgs, RotateArgs};
use super::target::CoreTarget;
use super::tree;
use crate::client::Sending;
use crate::download::Destination;
use crate::output::{bytes_text, count_text};

#[derive(Debug, Subcommand)]
pub(super) enum CoreCommand {
    /// Make a shared core inside your own, or as a child of another one, and sign in to it
    Create(CreateArgs),
    /// Show a core: what it is, what it uses, and who claims it as an heir
    Show(ShowArgs),
    /// List the cores that a core names, your own without one, and what you are in them
    Ls(NamedArgs),
    /// Show the cores that lie in a core, and in those, as far as you may know of them
    Tree(NamedArgs),
    /// Hand a core over to a new root
    Rotate(RotateArgs),
    /// Write a whole core, its log and its content, to a CAR file
    Export(ExportArgs),
    /// Take in a whole core from a CAR file
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The core
    #[arg(value_name = "@CORE", default_value = "@me")]
    target: CoreTarget,
}

#[derive(Debug, Args)]
pub(super) struct NamedArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: Option<CoreTarget>,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// Where to write it; `-` writes to stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The CAR; `-` reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl CoreCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Create(args) => args.run(caller),
            Self::Show(args) => args.run(caller),
            Self::Ls(NamedArgs { target }) => shared::ls(caller, target.as_ref()),
            Self::Tree(NamedArgs { target }) => tree::run(caller, target.as_ref()),
            Self::Rotate(args) => args.run(caller),
            Self::Export(args) => args.run(caller),
            Self::Import(args) => args.run(caller),
        }
    }
}

impl ShowArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        ensure!(self.target.path.is_empty(), "`{}` has a path; name the core alone", self.target);
        let (client, place) = caller.reach(&self.target)?;
        let core = client.core(&place)?;
        caller.out.result(&core, || {
            let of = core.account.iter().chain(&core.name).map(|of| format!(" of {of}"));
            let mut text = format!("{} core{}\n", core.kind, of.collect::<String>());
            text.push_str(&format!("core {} at {}{}\n", core.core, caller.node, core.path));
            if let Some(usage) = &core.usage {
                let (ops, blocks) = (count_text(usage.ops, "operation"), count_text(usage.blocks, "block"));
                text.push_str(&format!("{ops}, {blocks}, {}\n", bytes_text(usage.block_bytes)));
            }
            for heir in &core.heirs {
                text.push_str(&format!("heir {}: {}\n", heir.account, standing(heir)));
            }
            if let Some(name) = &core.ipns {
                text.push_str(&format!("name {name}\n"));
            }
            text
        })?;
        Ok(())
    }
}

impl ExportArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        ensure!(self.target.path.is_empty(), "a core is exported whole; write `kubelt core export {}`", {
            self.target.names().collect::<Vec<_>>().join("/")
        });
        let (client, core) = caller.reach(&self.target)?;
        let download = client.export(&core)?;
        let progress = caller.out.progress("exporting", download.bytes);
        let mut destination = Destination::open(&self.output)?;
        let copied = io::copy(&mut progress.reading(download.body), &mut destination);
        progress.finish();
        let bytes = copied.context("the export was cut short")?;
        destination.keep()?;
        if self.output != Path::new("-") {
            let value = serde_json::json!({ "core": core.to_string(), "file": self.output, "bytes": bytes });
            let words = || format!("{} ({})", self.output.display(), bytes_text(bytes));
            caller.out.result(&value, words)?;
        }
        Ok(())
    }
}

impl ImportArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let (client, _session) = caller.signed_in()?;
        let media_type = Some(CAR.to_owned());
        let (import, progress) = if self.file == Path::new("-") {
            let progress = caller.out.progress("importing", None);
            let reader = progress.reading(io::stdin().lock());
            (client.import(Sending { reader, bytes: None, media_type }), progress)
        } else {
            let opened = File::open(&self.file).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (bytes, file) = opened.with_context(|| format!("cannot read `{}`", self.file.display()))?;
            let progress = caller.out.progress("importing", Some(bytes));
            let reader = progress.reading(file);
            (client.import(Sending { reader, bytes: Some(bytes), media_type }), progress)
        };
        progress.finish();
        let import = import?;
        caller.out.result(&import, || {
            let (ops, blocks) = (count_text(import.ops, "operation"), count_text(import.blocks, "block"));
            let (new, counting, bytes) = (import.ops_new, import.ops_effective, bytes_text(import.bytes));
            format!(
                "{}{}\ncore {}\n{ops}: {new} new, {counting} count\n{blocks}, {bytes}",
                caller.node, import.path, import.core
            )
        })?;
        for path in &import.incomplete {
            caller
                .out
                .warn(&format!("the content at `{path}` is not whole: the CAR lacks some of its blocks"));
        }
        Ok(())
    }
}
