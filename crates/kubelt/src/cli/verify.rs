//! `kubelt verify`: a check of an exported core that asks no node.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kubelt_core::Genesis;
use kubelt_node::exchange::{VerifyReport, verify};

use super::caller::Caller;
use crate::output::{bytes_text, count_text};

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The CAR; `-` reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl VerifyArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let name = self.file.display();
        let (source, bytes): (Box<dyn Read>, _) = if self.file == Path::new("-") {
            (Box::new(io::stdin().lock()), None)
        } else {
            let opened = File::open(&self.file).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (bytes, file) = opened.with_context(|| format!("cannot read `{name}`"))?;
            (Box::new(file), Some(bytes))
        };
        let progress = caller.out.progress("verifying", bytes);
        let result = verify(progress.reading(source), now_ms());
        progress.finish();
        let report = result.with_context(|| format!("`{name}` does not pass"))?;
        let incomplete: Vec<String> = report.incomplete.iter().map(ToString::to_string).collect();
        let value = serde_json::json!({
            "core": report.core.to_string(),
            "owner": owner(&report.genesis),
            "heads": report.heads.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "ops": report.ops,
            "ops_effective": report.ops_effective,
            "withheld": report.withheld,
            "detached": report.detached,
            "partial": report.partial,
            "paths": report.paths,
            "blocks": report.blocks,
            "bytes": report.bytes,
            "incomplete": incomplete,
        });
        caller.out.result(&value, || in_words(&report))?;
        for path in &incomplete {
            caller.out.warn(&format!("the content at `{path}` is not whole in the file"));
        }
        if !incomplete.is_empty() && !report.partial {
            bail!("every operation in `{name}` is sound, but content is missing; export the core again");
        }
        Ok(())
    }
}

fn in_words(report: &VerifyReport) -> String {
    let (ops, paths) = (count_text(report.ops, "operation"), count_text(report.paths, "path"));
    let (blocks, bytes) = (count_text(report.blocks, "block"), bytes_text(report.bytes));
    let mut text = format!(
        "sound: every hash, signature and rule was checked\ncore {} of {}\n{ops}, {} of them count; {paths}\n{blocks} of content, {bytes} in all",
        report.core,
        owner(&report.genesis),
        report.ops_effective,
    );
    if report.partial {
        let (withheld, detached) = (report.withheld, report.detached);
        text.push_str(&format!(
            "\nan export of what is public: {withheld} bodies are withheld, {detached} operations cannot be judged without them"
        ));
    }
    text
}

fn owner(genesis: &Genesis) -> String {
    match genesis {
        Genesis::Private { root } | Genesis::User { root, .. } => root.to_string(),
        Genesis::Shared { root, .. } => {
            let accounts: Vec<String> = root.accounts().iter().map(ToString::to_string).collect();
            format!("{} of {}", root.m(), accounts.join(", "))
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
