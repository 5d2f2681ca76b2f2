//! A check of an exported core that asks no node, and chains only where it is told to.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use kubelt_chain::{ChainConfig, Upstreams};
use kubelt_core::ContractQuestion;
use kubelt_node::ChainPort as _;
use kubelt_node::exchange::{Ask, ChainAnswers, OnChain, VerifyReport, WalletSigned, verify_on_chain};
use tokio::runtime::{self, Runtime};

use super::super::caller::Caller;
use super::owner;
use crate::output::{bytes_text, count_text};

/// Where a chain's JSON-RPC is answered.
#[derive(Debug, Clone)]
pub(super) struct Rpc {
    chain: u64,
    url: String,
}

impl FromStr for Rpc {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (chain, url) = text.split_once('=').ok_or("write `1=https://rpc.example`")?;
        let chain =
            chain.parse().map_err(|_cause| "a chain is its EIP-155 id; write `1=https://rpc.example`")?;
        Ok(Self { chain, url: url.to_owned() })
    }
}

/// Checks the CAR in a file; `-` reads stdin. Chains are asked about contract wallets where they are named.
pub(super) fn run(file: &Path, rpc: &[Rpc], caller: &Caller) -> Result<()> {
    let name = file.display();
    let (source, bytes): (Box<dyn Read>, _) = if file == Path::new("-") {
        (Box::new(io::stdin().lock()), None)
    } else {
        let opened = File::open(file).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = opened.with_context(|| format!("cannot read `{name}`"))?;
        (Box::new(file), Some(bytes))
    };
    let progress = caller.out.progress("verifying", bytes);
    let chains = (!rpc.is_empty()).then(|| chains(rpc)).transpose()?;
    let ask = |questions| chains.as_ref().map(|chains| chains.ask(questions)).unwrap_or_default();
    let ask = chains.is_some().then_some(&ask as Ask<'_>);
    let result = verify_on_chain(progress.reading(source), now_ms(), ask);
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
        "on_chain": report.on_chain.iter().map(on_chain).collect::<Vec<_>>(),
        "chains_asked": report.is_asked,
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

fn in_words(report: &VerifyReport) -> String {
    let (ops, paths) = (count_text(report.ops, "operation"), count_text(report.paths, "path"));
    let (blocks, bytes) = (count_text(report.blocks, "block"), bytes_text(report.bytes));
    let rests = !report.on_chain.is_empty() && !report.is_asked;
    let sound = match rests {
        false => "sound: every hash, signature and rule was checked",
        true => {
            "sound, if contract wallets signed what they are said to have; every other hash, signature and rule was checked"
        }
    };
    let mut text = format!(
        "{sound}\ncore {} of {}\n{ops}, {} of them count; {paths}\n{blocks} of content, {bytes} in all",
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
    if !report.on_chain.is_empty() {
        let (count, word) = (report.on_chain.len(), if rests { "not asked" } else { "asked, and said yes" });
        text.push_str(&format!(
            "\n{} of contract wallets; their chains were {word}",
            count_text(count as u64, "signature")
        ));
        for OnChain { what, account, block } in report.on_chain.iter().take(LISTED_MAX) {
            text.push_str(&format!("\n  {}, {account} at block {block}", name(what)));
        }
        if count > LISTED_MAX {
            text.push_str("\n  and more; `--json` lists them all");
        }
        if rests {
            text.push_str("\nask them with `--rpc ID=URL`");
        }
    }
    text
}

/// Signatures of contract wallets that are listed one by one.
const LISTED_MAX: usize = 16;

fn name(what: &WalletSigned) -> String {
    match what {
        WalletSigned::Op(id) => format!("operation {id}"),
        WalletSigned::Login(id) => format!("sign-in {id}"),
    }
}

fn on_chain(found: &OnChain) -> serde_json::Value {
    let (kind, id) = match found.what {
        WalletSigned::Op(id) => ("operation", id.to_string()),
        WalletSigned::Login(id) => ("sign-in", id.to_string()),
    };
    serde_json::json!({ "kind": kind, "id": id, "account": found.account.to_string(), "block": found.block })
}

/// Chains that can be asked.
struct Chains {
    upstreams: Upstreams,
    runtime: Runtime,
}

fn chains(named: &[Rpc]) -> Result<Chains> {
    let mut urls: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for Rpc { chain, url } in named {
        urls.entry(*chain).or_default().push(url.clone());
    }
    let config = |(chain, urls)| ChainConfig { chain, urls, agree: None, confirmations: None };
    let upstreams = Upstreams::new(urls.into_iter().map(config).collect())?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    Ok(Chains { upstreams, runtime: runtime.context("the async runtime did not start")? })
}

impl Chains {
    /// What the chains say; those that give no answer leave the question open.
    fn ask(&self, questions: Vec<ContractQuestion>) -> ChainAnswers {
        self.runtime.block_on(async {
            let mut answers = ChainAnswers::new();
            for question in questions {
                let verdict = self.upstreams.judge(&question).await;
                answers.insert(question, verdict);
            }
            answers
        })
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
