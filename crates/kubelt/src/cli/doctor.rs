//! `kubelt doctor`: what is well on this machine, and what is not.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use kubelt_node::{Clock as _, Leaks, SystemClock};
use kubelt_store::{OpenError, Options, Store, check, rebuild_index};
use serde::Serialize;

use super::caller::Caller;
use crate::client::ClientError;
use crate::keystore::Wallets;
use crate::node_config::default_data_dir;
use crate::output::{Progress, bytes_text, columns, count_text};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The store to look at, as `kubelt node --data-dir` names it
    #[arg(long, env = "KUBELT_DATA", hide_env_values = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Throw the index of the store away and make it again from the segments
    #[arg(long)]
    rebuild_index: bool,
    /// Look for content that nothing needs and that the collector has missed
    #[arg(long)]
    leaks: bool,
    /// The same, and have the node's collector look at it when it runs next
    #[arg(long)]
    sweep: bool,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Well,
    /// Not as it could be, and no fault.
    Note,
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    detail: String,
}

impl DoctorArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let dir = match self.data_dir {
            Some(dir) => dir,
            None => default_data_dir()?,
        };
        let mut findings = Vec::new();
        if self.rebuild_index {
            findings.push(rebuild(caller, &dir)?);
        }
        findings.push(store(caller, &dir));
        if self.leaks || self.sweep {
            findings.push(leaks(caller, &dir, self.sweep));
        }
        findings.push(node(caller));
        findings.push(session(caller));
        findings.push(wallets(caller));
        caller.out.result(&serde_json::json!({ "findings": findings }), || {
            let row = |finding: &Finding| {
                let mark = match finding.state {
                    State::Well => "ok",
                    State::Note => "note",
                    State::Bad => "BAD",
                };
                [mark.to_owned(), finding.what.to_owned(), finding.detail.clone()]
            };
            columns(&findings.iter().map(row).collect::<Vec<_>>())
        })?;
        match findings.iter().filter(|finding| finding.state == State::Bad).count() {
            0 => Ok(()),
            1 => bail!("something is not well"),
            count => bail!("{count} things are not well"),
        }
    }
}

fn rebuild(caller: &Caller, dir: &Path) -> Result<Finding> {
    if !dir.join("segments").is_dir() {
        bail!("there is no store in `{}`; name one with `--data-dir`", dir.display());
    }
    let progress = caller.out.progress("rebuilding", Some(0));
    let result = rebuild_index(dir, &Options::default(), |now| show(&progress, now));
    progress.finish();
    let recovery = result?;
    let (records, transactions) =
        (count_text(recovery.records, "record"), count_text(recovery.transactions, "transaction"));
    let detail = format!("made again from {records}, {transactions}; {} skipped", recovery.bad.len());
    Ok(Finding { what: "index", state: State::Well, detail })
}

fn store(caller: &Caller, dir: &Path) -> Finding {
    let finding = |state, detail| Finding { what: "store", state, detail };
    let place = dir.display();
    if !dir.join("segments").is_dir() {
        return finding(State::Note, format!("none in {place} yet; `kubelt node` makes one"));
    }
    let progress = caller.out.progress("checking", Some(0));
    let result = check(dir, |now| show(&progress, now));
    progress.finish();
    let report = match result {
        Ok(report) => report,
        Err(OpenError::Locked { .. }) => {
            return finding(
                State::Note,
                format!("{place} is in use by a node; stop it to have its store checked"),
            );
        }
        Err(error) => return finding(State::Bad, format!("{:#}", anyhow::Error::from(error))),
    };
    for bad in &report.bad {
        caller.out.warn(&format!(
            "segment {:016x} is damaged at byte {}: {} were skipped",
            bad.segment,
            bad.offset,
            bytes_text(bad.len)
        ));
    }
    for cid in &report.mismatched {
        caller.out.warn(&format!("block {cid} does not match its hash"));
    }
    let (blocks, transactions) =
        (count_text(report.blocks, "block"), count_text(report.transactions, "transaction"));
    let detail = format!("{place}: {blocks}, {transactions}, {}", bytes_text(report.bytes));
    if report.is_whole() {
        return finding(State::Well, detail);
    }
    let (bad, mismatched) = (report.bad.len(), report.mismatched.len());
    finding(
        State::Bad,
        format!("{detail}; {bad} places are damaged, {mismatched} blocks do not match their hash"),
    )
}

fn leaks(caller: &Caller, dir: &Path, sweeps: bool) -> Finding {
    let finding = |state, detail| Finding { what: "leaks", state, detail };
    if !dir.join("segments").is_dir() {
        return finding(State::Note, format!("no store in {} yet", dir.display()));
    }
    match find_leaks(caller, dir, sweeps) {
        Ok(text) if text.is_empty() => finding(State::Well, "everything that is held is needed".to_owned()),
        Ok(text) => finding(State::Bad, text),
        Err(error) => match error.downcast_ref::<OpenError>() {
            Some(OpenError::Locked { .. }) => {
                let place = dir.display();
                finding(State::Note, format!("{place} is in use by a node; stop it to have them looked for"))
            }
            _ => finding(State::Bad, format!("{error:#}")),
        },
    }
}

/// What leaks in the store, in words; empty where nothing does.
fn find_leaks(caller: &Caller, dir: &Path, sweeps: bool) -> Result<String> {
    let store = Store::open(dir, Options::default())?;
    let now_ms = SystemClock.now_ms();
    let leaks = Leaks::find(&store, now_ms)?;
    for (core, usage, counted) in &leaks.miscounted {
        caller.out.warn(&format!(
            "core {core} is said to use {} ({}), and {} ({}) are there",
            count_text(usage.blocks, "block"),
            bytes_text(usage.block_bytes),
            count_text(counted.blocks, "block"),
            bytes_text(counted.block_bytes)
        ));
    }
    let parts = [
        (leaks.unowned, "block", "that no core possesses"),
        (leaks.unreached, "possession", "that nothing reaches"),
        (leaks.stray, "row", "of roots that are not whole"),
        (leaks.unkept, "root", "that no path keeps"),
        (leaks.miscounted.len() as u64, "core", "whose use is counted wrongly"),
    ];
    let found = parts.iter().filter(|(count, ..)| *count > 0);
    let mut text = found
        .map(|(count, what, which)| format!("{} {which}", count_text(*count, what)))
        .collect::<Vec<_>>()
        .join(", ");
    if sweeps && !leaks.is_empty() {
        leaks.queue_sweeps(&store, now_ms)?;
        text.push_str("; the collector will look at it when a node runs");
    }
    Ok(text)
}

fn show(progress: &Progress, now: kubelt_store::Progress) {
    progress.at(now.bytes_done, now.bytes_total);
}

fn node(caller: &Caller) -> Finding {
    let (state, detail) = match caller.anonymous().health() {
        Ok(health) if health.status == "ok" && health.store == "read-write" => {
            (State::Well, format!("{} answers", caller.node))
        }
        Ok(health) => {
            (State::Bad, format!("{}: {}, the store is {}", caller.node, health.status, health.store))
        }
        Err(error @ ClientError::NoNode { .. }) => (State::Note, error.to_string()),
        Err(error) => (State::Bad, format!("{:#}", anyhow::Error::from(error))),
    };
    Finding { what: "node", state, detail }
}

fn session(caller: &Caller) -> Finding {
    let finding = |state, detail| Finding { what: "session", state, detail };
    let session = match caller.config.session(&caller.node) {
        Ok(Some(session)) => session,
        Ok(None) => return finding(State::Note, format!("not signed in at {}", caller.node)),
        Err(error) => return finding(State::Bad, format!("{:#}", anyhow::Error::from(error))),
    };
    let who = format!("{} (wallet {})", session.account, session.wallet);
    match caller.signed_in().and_then(|(client, _session)| Ok(client.sessions()?)) {
        Ok(_) => finding(State::Well, who),
        Err(error) => finding(State::Note, format!("{who}: {error:#}")),
    }
}

fn wallets(caller: &Caller) -> Finding {
    let finding = |state, detail| Finding { what: "wallets", state, detail };
    let wallets = Wallets::new(caller.config.wallets());
    let names = match wallets.names() {
        Ok(names) => names,
        Err(error) => return finding(State::Bad, format!("{:#}", anyhow::Error::from(error))),
    };
    for name in &names {
        if let Err(error) = wallets.address(name) {
            return finding(State::Bad, format!("{name}: {:#}", anyhow::Error::from(error)));
        }
        if is_open_to_others(&wallets.path(name)) {
            let path = wallets.path(name);
            return finding(State::Bad, format!("others may read {0}; run `chmod 600 {0}`", path.display()));
        }
    }
    match names.len() {
        0 => finding(State::Note, "none; make one with `kubelt wallet new main`".to_owned()),
        _ => finding(State::Well, names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
const fn is_open_to_others(_path: &Path) -> bool {
    false
}
