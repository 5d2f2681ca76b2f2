//! `kubelt apply`: a tree of cores, with their gates, described in one file, and made so after what would change was shown.
//!
//! What the file does not mention is left as it is, so that a second run finds nothing to do. Every change is an act that
//! the wallet signs, or that others are asked to agree to, like any other.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kubelt_api::{NewCoreRequest, Wish};
use kubelt_core::{
    Account, CoreId, Principal, role,
    schema::{CORES, GATES},
};
use serde_json::{Value, json};

use self::file::{Part, Plan, Wanted};
use super::caller::Caller;
use super::gate;
use super::shared::make;
use super::signing::{Shared, SignerArgs};
use super::target::CoreTarget;
use crate::client::{Client, CorePlace};
use crate::keystore::{Wallet, WalletName};

/// Makes what a TOML file describes: settings, gates, members and children of a core, and of those in turn.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The file
    file: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Change it without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Something that is not as the file has it.
#[derive(Debug)]
struct Change {
    /// Which core it is about, as one writes it: `@acme/@widget`.
    core: String,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The core is made, in the one above.
    Create { name: String, title: Option<String>, owners: Vec<String>, threshold: Option<u8> },
    /// A gate is set.
    Gate { name: String, value: Value, before: Option<Value> },
    /// A value is put.
    Put { path: String, value: Value, before: Option<Value> },
    /// The core above says who may pass.
    Pass { name: String, visibility: String },
    /// Somebody is given a part.
    Grant { account: String, part: Part },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = &self.core;
        match &self.step {
            Step::Create { title, .. } => {
                let title = title.as_ref().map(|title| format!(" \"{title}\"")).unwrap_or_default();
                write!(f, "+ {core}{title}")
            }
            Step::Gate { name, value, before } => {
                let words =
                    |value: &Value| gate::planned(name, value).unwrap_or_else(|_cause| format!("{value}\n"));
                let new = words(value);
                match before {
                    None => write!(f, "+ {core} gate {}", new.trim_end()),
                    Some(before) => {
                        write!(f, "~ {core} gate {}  instead of {}", new, words(before).trim_end())
                    }
                }
            }
            Step::Put { path, value, before: None } => write!(f, "+ {core} {path} {value}"),
            Step::Put { path, value, before: Some(before) } => {
                write!(f, "~ {core} {path} {before} -> {value}")
            }
            Step::Pass { visibility, .. } => write!(f, "~ {core} is passed to by: {visibility}"),
            Step::Grant { account, part } => write!(f, "+ {core} member {account} {part}"),
        }
    }
}

impl ApplyArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let plan = Plan::read(&self.file)?;
        let target: CoreTarget = plan.core.parse()?;
        let (client, _session) = caller.signed_in()?;
        let top = match target.is_me() && target.names().count() == 1 {
            true => caller.core_id(&target)?,
            false => Shared::of(caller, &target)?.id,
        };
        let mut found = Found { client: &client, changes: Vec::new(), ids: BTreeMap::new() };
        found.ids.insert(target.to_string(), top);
        found.look(&target.to_string(), Some(&top), &plan.top)?;
        let Found { changes, mut ids, .. } = found;
        let said: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let is_done = !changes.is_empty() && !self.dry_run;
        if is_done {
            if !self.yes {
                confirm(&said)?;
            }
            let (name, wallet) = self.signer.open(caller)?;
            for change in &changes {
                change.make(caller, (&name, &wallet), &mut ids)?;
                caller.out.remark(&change.to_string());
            }
        }
        caller.out.result(&json!({ "changes": said, "applied": is_done }), || {
            match (said.len(), is_done) {
                (0, _) => "nothing to do; everything is as the file has it".to_owned(),
                (_, false) => said.join("\n"),
                (count, true) => format!("done: {count} changes"),
            }
        })?;
        Ok(())
    }
}

/// Shows what would change, and asks.
fn confirm(said: &[String]) -> Result<()> {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{}", said.join("\n"))?;
    if !std::io::stdin().is_terminal() {
        bail!("nothing was changed; say `--yes` to do it, or `--dry-run` to look only");
    }
    write!(stderr, "do this? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}

/// What is found to differ.
struct Found<'a> {
    client: &'a Client,
    changes: Vec<Change>,
    /// The cores that are there, by their addresses.
    ids: BTreeMap<String, CoreId>,
}

impl Found<'_> {
    /// Compares a core with what is wanted of it; `id` is none where it is yet to be made.
    fn look(&mut self, core: &str, id: Option<&CoreId>, wanted: &Wanted) -> Result<()> {
        let place = id.map(place);
        let at = |error: anyhow::Error| error.context(format!("{core} cannot be looked at"));
        let put = |path, value: &Value, before| Step::Put { path, value: value.clone(), before };
        self.values(core, place.as_ref(), ("config", &wanted.config), put).map_err(at)?;
        // Before children, whose making may depend on them.
        let set = |path: String, value: &Value, before| {
            let name = path.trim_start_matches(GATES).trim_start_matches('/').to_owned();
            Step::Gate { name, value: value.clone(), before }
        };
        self.values(core, place.as_ref(), (GATES, &wanted.gates), set).map_err(at)?;
        let members = match &place {
            Some(place) if !wanted.members.is_empty() => self.client.members(place)?.members,
            _ => Vec::new(),
        };
        for (account, part) in &wanted.members {
            let (_role, can) = role::choose(part.role.as_deref(), &part.can)?;
            let can: Vec<String> = can.iter().map(ToString::to_string).collect();
            if !members.iter().any(|member| member.to.of == [account.clone()] && member.can == can) {
                self.push(core, Step::Grant { account: account.clone(), part: part.clone() });
            }
        }
        self.children(core, place.as_ref(), &wanted.cores).map_err(at)
    }

    /// Compares the values below a prefix of the map with those that are wanted.
    fn values(
        &mut self,
        core: &str,
        place: Option<&CorePlace>,
        (prefix, wanted): (&str, &BTreeMap<String, Value>),
        step: impl Fn(String, &Value, Option<Value>) -> Step,
    ) -> Result<()> {
        let state = match place {
            Some(place) if !wanted.is_empty() => self.client.whole_state(place, prefix)?,
            _ => Vec::new(),
        };
        for (name, value) in wanted {
            let path = format!("{prefix}/{name}");
            let before = state.iter().find(|entry| entry.path == path).map(|entry| entry.value.clone());
            if before.as_ref() != Some(value) {
                self.push(core, step(path, value, before));
            }
        }
        Ok(())
    }

    fn children(
        &mut self,
        core: &str,
        above: Option<&CorePlace>,
        wanted: &BTreeMap<String, Wanted>,
    ) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (named, names) = match above {
            Some(above) => (self.client.named_cores(above)?.cores, self.client.whole_state(above, CORES)?),
            None => (Vec::new(), Vec::new()),
        };
        for (name, child) in wanted {
            let address = format!("{core}/@{name}");
            let there = named.iter().find(|named| named.name == *name);
            if let Some(there) = there
                && !there.child
            {
                bail!("`{address}` is a core that does not lie in {core}; choose another name");
            }
            let id = there.map(|there| there.core.parse::<CoreId>()).transpose()?;
            match id {
                Some(id) => drop(self.ids.insert(address.clone(), id)),
                None => self.push(&address, create(name, child)),
            }
            let path = format!("{CORES}/{name}");
            let says = names.iter().find(|entry| entry.path == path);
            let says = says.and_then(|entry| entry.value["visibility"].as_str()).unwrap_or("public");
            if let Some(visibility) = child.visibility.as_ref().filter(|visibility| **visibility != says) {
                let step = Step::Pass { name: name.clone(), visibility: visibility.clone() };
                self.push(&address, step);
            }
            self.look(&address, id.as_ref(), child)?;
        }
        Ok(())
    }

    fn push(&mut self, core: &str, step: Step) {
        self.changes.push(Change { core: core.to_owned(), step });
    }
}

fn create(name: &str, wanted: &Wanted) -> Step {
    Step::Create {
        name: name.to_owned(),
        title: wanted.title.clone(),
        owners: wanted.owners.clone(),
        threshold: wanted.threshold,
    }
}

fn place(id: &CoreId) -> CorePlace {
    CorePlace::of_names([format!("@{id}").as_str()])
}

impl Change {
    fn make(
        &self,
        caller: &Caller,
        signer: (&WalletName, &Wallet),
        ids: &mut BTreeMap<String, CoreId>,
    ) -> Result<()> {
        let core = &self.core;
        let above = core.rsplit_once("/@").map_or("", |(above, _name)| above);
        let shared = |of: &str, ids: &BTreeMap<String, CoreId>| -> Result<Shared> {
            let id = *ids.get(of).with_context(|| format!("{of} is not there yet"))?;
            Ok(Shared { client: caller.signed_in()?.0, place: place(&id), id })
        };
        let wish = match &self.step {
            Step::Create { name, title, owners, threshold } => {
                let from = shared(above, ids)?.id;
                let request = NewCoreRequest {
                    name: name.clone(),
                    title: title.clone(),
                    owners: owners.clone(),
                    threshold: *threshold,
                    child: true,
                };
                let made = make(caller, signer, core.trim_start_matches('@'), Some(from), request)?;
                if made.genesis.root().m() > 1 {
                    bail!(
                        "{core} is made, and dead until its owners have signed a first operation; run this again then"
                    );
                }
                ids.insert(core.clone(), made.id);
                return Ok(());
            }
            Step::Put { path, value, .. } => Wish::Put { path: path.clone(), value: value.clone() },
            Step::Gate { name, value, .. } => {
                Wish::Put { path: format!("{GATES}/{name}"), value: value.clone() }
            }
            Step::Pass { name, visibility } => {
                let id = ids.get(core).with_context(|| format!("{core} is not there yet"))?;
                let value = json!({ "core": { "/": id.to_string() }, "visibility": visibility });
                let wish = Wish::Put { path: format!("{CORES}/{name}"), value };
                shared(above, ids)?.act(caller, signer.1, wish)?;
                return Ok(());
            }
            Step::Grant { account, part } => Wish::Grant {
                to: vec![account.clone()],
                threshold: None,
                role: part.role.clone(),
                can: part.can.clone(),
            },
        };
        shared(core, ids)?.act(caller, signer.1, wish)?;
        Ok(())
    }
}

/// An account as the node writes it.
fn as_written(text: &str) -> Result<String> {
    let account: Account = text.parse()?;
    Ok(Principal::One(account).accounts()[0].to_string())
}
