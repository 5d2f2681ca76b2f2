//! `kubelt verify`: checks that ask no node: of an exported core, of a proof of provenance. Of a path in a core, a node is asked
//! for the proof, and not believed.

mod core;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use kubelt_core::Genesis;
use kubelt_core::limits::PROVENANCE_BYTES_MAX;
use kubelt_core::provenance::{Proof, Provenance};

use super::caller::Caller;
use super::send::PROOF_SUFFIX;
use super::target::CoreTarget;
use crate::client::{Client, ClientError, CorePlace};
use crate::download::{Verdict, check_file};

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// An exported core (a CAR), a proof of provenance, or a path in a core; `-` reads a CAR from stdin
    #[arg(value_name = "FILE_OR_PATH")]
    what: PathBuf,
    /// With a core: ask this chain about contract wallets: its EIP-155 id, and where its JSON-RPC is answered. May stand several
    /// times; of several for one chain two must agree
    #[arg(long, value_name = "ID=URL")]
    rpc: Vec<core::Rpc>,
    /// With a proof: the file that it is about
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// With a path in a core: keep the proof in this file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

impl VerifyArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let text = self.what.to_string_lossy();
        if text.starts_with('@') || text.starts_with("/@") {
            return self.at_path(caller, &text.parse()?);
        }
        if let Some(proof) = proof_in(&self.what)? {
            return self.of_proof(caller, &proof);
        }
        ensure!(self.content.is_none(), "`{}` is no proof; `--content` goes with one", self.what.display());
        core::run(&self.what, &self.rpc, caller)
    }

    /// What stands at a path: who put it there, and, where it was sent, who put it where it came from.
    fn at_path(&self, caller: &Caller, target: &CoreTarget) -> Result<()> {
        let (client, core) = caller.reach(target)?;
        let path = target.path.trim_end_matches('/');
        let bytes = client.proof(&core, path).with_context(|| format!("there is no proof for {target}"))?;
        let here = checked(&bytes)?;
        let origin = origin_of(&client, &core, path)?;
        if let Some(origin) = &origin {
            let (found, said) = (&here.entry.cid, &origin.entry.cid);
            ensure!(found == said, "the proof beside it is about {said}, and what stands there is {found}");
        }
        if let Some(file) = &self.save {
            fs::write(file, &bytes).with_context(|| format!("cannot write `{}`", file.display()))?;
        }
        let value = serde_json::json!({
            "here": provenance_view(&here), "from": origin.as_ref().map(provenance_view),
        });
        caller.out.result(&value, || {
            let mut text = provenance_words(&here);
            if let Some(origin) = &origin {
                text.push_str("\nit was sent there from elsewhere:\n");
                text.push_str(&provenance_words(origin));
            }
            text
        })?;
        Ok(())
    }

    fn of_proof(&self, caller: &Caller, bytes: &[u8]) -> Result<()> {
        let shown = checked(bytes)?;
        if let Some(file) = &self.content {
            let name = file.display();
            let opened = File::open(file).with_context(|| format!("cannot read `{name}`"))?;
            match check_file(opened, &shown.entry.cid.to_string())? {
                Verdict::Verified => {}
                Verdict::Mismatch => bail!("`{name}` is not the content that the proof is about"),
                Verdict::Unverified => bail!(
                    "whether `{name}` is that content cannot be told here: its CID {} was made in another way",
                    shown.entry.cid
                ),
            }
        }
        caller.out.result(&provenance_view(&shown), || provenance_words(&shown))?;
        Ok(())
    }
}

/// The bytes of a proof, where a file is one.
fn proof_in(path: &Path) -> Result<Option<Vec<u8>>> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    file.take(PROVENANCE_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok(Proof::decode(&bytes).is_ok().then_some(bytes))
}

/// The proof that came with what was sent to a path, checked; none where nothing was.
fn origin_of(client: &Client, core: &CorePlace, path: &str) -> Result<Option<Provenance>> {
    let beside = format!("{path}{PROOF_SUFFIX}");
    let download = match client.content(core, &beside, None) {
        Err(ClientError::Problem { .. }) => return Ok(None),
        download => download?,
    };
    let mut bytes = Vec::new();
    download.body.take(PROVENANCE_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    checked(&bytes).map(Some).with_context(|| format!("the proof at {beside} does not pass"))
}

fn checked(bytes: &[u8]) -> Result<Provenance> {
    Ok(Proof::decode(bytes)?.check()?)
}

/// What a proof shows, for programs.
pub(super) fn provenance_view(shown: &Provenance) -> serde_json::Value {
    let chain: Vec<_> = shown
        .chain
        .iter()
        .map(|link| serde_json::json!({ "op": link.id.to_string(), "by": link.by.to_string(), "role": link.role }))
        .collect();
    serde_json::json!({
        "core": shown.core.to_string(),
        "owner": owner(&shown.genesis),
        "op": shown.op.to_string(),
        "by": shown.by.to_string(),
        "at": shown.at,
        "path": shown.path.to_string(),
        "cid": shown.entry.cid.to_string(),
        "sealed": shown.entry.encryption.is_some(),
        "signed_in_at": shown.session.as_ref().map(|session| session.domain.clone()),
        "session_held_by_node": shown.session.as_ref().map(|session| session.held_by_node),
        "chain": chain,
        "voters": shown.voters.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "unchecked": shown.unchecked.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// The same, for people.
pub(super) fn provenance_words(shown: &Provenance) -> String {
    let how = match &shown.session {
        None => "signed by the account itself".to_owned(),
        Some(session) if session.held_by_node => {
            format!("by a session at {}, whose key the node there holds", session.domain)
        }
        Some(session) => format!("by a session at {}", session.domain),
    };
    let mut text = format!(
        "{}\nput at {} of core {}, which is that of {}\nby {}, {how}\nat {}, operation {}",
        shown.entry.cid,
        shown.path,
        shown.core,
        owner(&shown.genesis),
        shown.by,
        shown.at,
        shown.op,
    );
    for link in &shown.chain {
        let role = link.role.as_deref().unwrap_or("an authority");
        text.push_str(&format!("\nallowed as {role} by {}, operation {}", link.by, link.id));
    }
    if !shown.voters.is_empty() {
        let voters: Vec<String> = shown.voters.iter().map(ToString::to_string).collect();
        text.push_str(&format!("\nagreed to by {}", voters.join(", ")));
    }
    for account in &shown.unchecked {
        text.push_str(&format!(
            "\nNOT checked: the signature of {account}, for which only its chain can answer"
        ));
    }
    text.push_str(
        "\nevery other signature was checked; whether something came later, only the whole log tells",
    );
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
