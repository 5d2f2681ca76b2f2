//! `kubelt gate`: what on chains opens parts of a core.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};
use kubelt_api::{GateTrial, GateView};
use kubelt_content::Codec;
use kubelt_core::schema::{GATES, Gate};
use serde_json::{Value, json};

use super::caller::Caller;
use super::target::CoreTarget;

#[derive(Debug, Subcommand)]
pub(super) enum GateCommand {
    /// List the gates of a core
    Ls(LsArgs),
    /// Set a gate: what it opens, and to holders of what
    Set(SetArgs),
    /// Remove a gate
    Rm(RmArgs),
    /// Tell whether an account passes a gate, and why not
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
}

/// What is open to members at the paths that match is open to holders, too. Put content there with `--members`.
#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// The gate's name
    name: String,
    /// What it opens: `content/vip/**`, or `cores/club` for a child core
    #[arg(long, value_name = "PATTERN", required = true)]
    opens: Vec<String>,
    /// An NFT collection, with a token or without: `1:0x…` or `1:0x…:5` (the first number is the chain's id)
    #[arg(long, value_name = "CHAIN:CONTRACT[:TOKEN]")]
    erc721: Vec<String>,
    /// A token of several, and how many of it: `1:0x…:5` or `1:0x…:5:2`
    #[arg(long, value_name = "CHAIN:CONTRACT:TOKEN[:MIN]")]
    erc1155: Vec<String>,
    /// A currency, and how much of it, in its smallest unit: `1:0x…:1000000`
    #[arg(long, value_name = "CHAIN:CONTRACT:MIN")]
    erc20: Vec<String>,
    /// One of these is enough; all of them must hold without it
    #[arg(long)]
    any: bool,
    /// A condition as JSON in a file, for whatever else contracts can be asked
    #[arg(long = "if", value_name = "FILE", conflicts_with_all = ["erc721", "erc1155", "erc20", "any"])]
    condition: Option<PathBuf>,
    /// The block that is asked: `latest`, `safe` or `finalized`
    #[arg(long)]
    at: Option<String>,
    /// How long what was found holds, in seconds
    #[arg(long, value_name = "SECONDS")]
    keep: Option<u64>,
    /// Let strangers know of the gate, and why they do not pass it
    #[arg(long)]
    shown: bool,
}

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// The gate's name
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// The gate's name
    name: String,
    /// Whom it is about; yourself without it
    #[arg(value_name = "ACCOUNT")]
    account: Option<String>,
}

impl GateCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Ls(args) => args.run(caller),
            Self::Set(args) => args.run(caller),
            Self::Rm(args) => args.run(caller),
            Self::Check(args) => args.run(caller),
        }
    }
}

impl LsArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        let list = client.gates(&core)?;
        caller.out.result(&list, || match list.gates.is_empty() {
            true => "there are no gates\n".to_owned(),
            false => list.gates.iter().map(in_words).collect(),
        })?;
        Ok(())
    }
}

impl SetArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let value = self.value()?;
        let (client, core) = caller.reach(&self.target)?;
        let receipt = client.set_state(&core, &format!("{GATES}/{}", self.name), &value)?;
        let opens = self.opens.join(", ");
        caller.out.result(&receipt, || format!("`{}` opens {opens} to holders\n", self.name))?;
        Ok(())
    }

    /// The value of the map.
    fn value(&self) -> Result<Value> {
        let mut value = json!({ "opens": self.opens, "if": self.condition()? });
        if let Some(at) = &self.at {
            value["at"] = json!(at);
        }
        if let Some(keep) = self.keep {
            value["keep"] = json!(keep);
        }
        if self.shown {
            value["shown"] = json!(true);
        }
        Ok(value)
    }

    fn condition(&self) -> Result<Value> {
        if let Some(file) = &self.condition {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            return serde_json::from_str(&text).with_context(|| format!("{} holds no JSON", file.display()));
        }
        let kinds = [
            ("erc721", &self.erc721, &["token"][..], 0),
            ("erc1155", &self.erc1155, &["token", "min"], 1),
            ("erc20", &self.erc20, &["min"], 1),
        ];
        let mut tests = Vec::new();
        for (kind, given, fields, needed) in kinds {
            for text in given {
                tests.push(json!({ kind: test(kind, text, fields, needed)? }));
            }
        }
        match tests.len() {
            0 => bail!("say who passes: `--erc721`, `--erc1155`, `--erc20`, or `--if` with a file"),
            1 => Ok(tests.remove(0)),
            _ => Ok(json!({ if self.any { "any" } else { "all" }: tests })),
        }
    }
}

/// A test as it stands in the map, of a chain, a contract and numbers with colons between them.
fn test(kind: &str, text: &str, fields: &[&str], needed: usize) -> Result<Value> {
    let parts: Vec<&str> = text.split(':').collect();
    let [chain, contract, numbers @ ..] = &parts[..] else {
        bail!("`{text}` is no test of `--{kind}`; write the chain's id and the contract, as in `1:0x…`");
    };
    ensure!(
        (needed..=fields.len()).contains(&numbers.len()),
        "`{text}` is no test of `--{kind}`; after the contract stand: {}",
        fields.join(", ")
    );
    let chain: u64 = chain.parse().with_context(|| format!("`{chain}` is no chain id; write `1:0x…`"))?;
    let mut test = json!({ "chain": chain, "contract": contract.to_ascii_lowercase() });
    for (field, number) in fields.iter().zip(numbers) {
        test[field] = json!(number);
    }
    Ok(test)
}

impl RmArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        let receipt = client.clear_state(&core, &format!("{GATES}/{}", self.name))?;
        caller.out.result(&receipt, || format!("`{}` is removed: it opens nothing any more\n", self.name))?;
        Ok(())
    }
}

impl CheckArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let (client, core) = caller.reach(&self.target)?;
        let trial = client.check_gate(&core, &self.name, self.account.as_deref())?;
        caller.out.result(&trial, || trial_in_words(&trial))?;
        Ok(())
    }
}

/// A gate as it is to stand in the map, in words.
pub(super) fn planned(name: &str, value: &Value) -> Result<String> {
    let gate = Gate::from_ipld(&Codec::DagJson.decode(&serde_json::to_vec(value)?)?)?;
    Ok(in_words(&GateView {
        name: name.to_owned(),
        opens: gate.opens.iter().map(ToString::to_string).collect(),
        condition: gate.condition.lines(),
        at: gate.at.as_str().to_owned(),
        keep: gate.keep_s,
        shown: gate.shown,
    }))
}

fn in_words(gate: &GateView) -> String {
    let GateView { name, opens, condition, at, keep, shown } = gate;
    let condition: String = condition.iter().map(|line| format!("    {line}\n")).collect();
    let shown = if *shown { "; strangers may know of it" } else { "" };
    let opens = opens.join(", ");
    format!(
        "{name}  opens {opens} to who\n{condition}    at the {at} block, looked at again after {keep} s{shown}\n"
    )
}

fn trial_in_words(trial: &GateTrial) -> String {
    let GateTrial { gate, account, passes, blocks, tests, .. } = trial;
    let verdict = match passes.as_str() {
        "yes" => "passes",
        "no" => "does not pass",
        _ => "does not pass, since nobody knows:",
    };
    let mut text = format!("{account} {verdict} `{gate}`\n");
    for test in tests {
        text.push_str(&format!("  {:<8} {}: {}\n", test.holds, test.test, test.why));
    }
    for block in blocks {
        text.push_str(&format!("  asked at block {} of chain {}\n", block.number, block.chain));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::test;

    #[test]
    fn tests_are_written_with_colons() {
        let nft = test("erc721", "1:0xAB", &["token"], 0).expect("a test");
        assert_eq!(nft, json!({"chain": 1, "contract": "0xab"}));
        let multi = test("erc1155", "10:0xab:5:2", &["token", "min"], 1).expect("a test");
        assert_eq!(multi, json!({"chain": 10, "contract": "0xab", "token": "5", "min": "2"}));
        for bad in ["0xab", "1", "main:0xab", "1:0xab:1:2"] {
            assert!(test("erc721", bad, &["token"], 0).is_err(), "{bad}");
        }
        assert!(test("erc20", "1:0xab", &["min"], 1).is_err(), "no amount");
    }
}
