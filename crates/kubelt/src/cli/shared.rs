//! `kubelt core create`, `ls` and `rotate`, and `kubelt use`: shared cores as identities that one wears.

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use kubelt_api::{CoreAbilities, NamedCoreView, NewCoreRequest, Wish};
use kubelt_core::{CoreId, Genesis};

use super::caller::Caller;
use super::login::sign_in;
use super::signing::{Shared, SignerArgs};
use super::target::CoreTarget;
use crate::client::CorePlace;
use crate::config_dir::StoredCore;
use crate::output::{columns, short_time};

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Where your private core is to name it: `@me/acme`
    #[arg(value_name = "@me/NAME")]
    target: CoreTarget,
    /// Another account of its root; may stand several times
    #[arg(long = "owner", value_name = "ACCOUNT")]
    owners: Vec<String>,
    /// How many of the root must agree
    #[arg(long, value_name = "COUNT")]
    threshold: Option<u8>,
    /// What its makers call it; its name in your core without it
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// An account of the new root; may stand several times
    #[arg(long = "owner", value_name = "ACCOUNT", required = true)]
    owners: Vec<String>,
    /// How many of them must agree
    #[arg(long, value_name = "COUNT")]
    threshold: Option<u8>,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Signs in anew, to your own core and to the shared ones named. `@me` alone leaves the shared ones.
#[derive(Debug, Args)]
pub(super) struct UseArgs {
    /// The cores, as your own core names them: `@acme`
    #[arg(value_name = "@CORE", required = true)]
    targets: Vec<CoreTarget>,
    #[command(flatten)]
    signer: SignerArgs,
}

impl CreateArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let name = self.target.path.trim_matches('/').to_owned();
        ensure!(
            self.target.is_me() && self.target.names().count() == 1 && !name.is_empty(),
            "a shared core is made inside your own; write `kubelt core create @me/acme`"
        );
        let (client, session) = caller.signed_in()?;
        let (wallet_name, wallet) = self.signer.open(caller)?;
        ensure!(
            wallet.account().to_string() == session.account,
            "wallet `{wallet_name}` is not the one that is signed in"
        );
        let request = NewCoreRequest {
            name: name.clone(),
            title: self.name.clone(),
            owners: self.owners,
            threshold: self.threshold,
        };
        let made = client.create_core(&CorePlace::given(&session.path), &request)?;
        let id: CoreId = made.core.parse().context("the node gave no id")?;
        let core = StoredCore { name: Some(name.clone()), core: made.core.clone() };
        sign_in(caller, &wallet_name, &wallet, vec![core])?;
        let genesis = genesis(&made.genesis, &id)?;
        let begun = genesis.root().m() == 1;
        if begun {
            // A shared core is dead until its root has signed something itself.
            let title = self.name.unwrap_or_else(|| name.clone());
            let wish = Wish::Put { path: "profile/name".to_owned(), value: title.into() };
            let (client, _session) = caller.signed_in()?;
            Shared { client, place: CorePlace::given(&made.path), id }.act(caller, &wallet, wish)?;
        }
        let view = serde_json::json!({ "name": name, "core": made.core, "path": made.path, "begun": begun });
        caller.out.result(&view, || {
            let mut text = format!("created @{name}\ncore {}\nat {}{}", made.core, caller.node, made.path);
            if !begun {
                let root = genesis.root();
                text.push_str(&format!(
                    "\nit is dead until {} of its {} owners have signed a first operation",
                    root.m(),
                    root.accounts().len()
                ));
            }
            text
        })?;
        Ok(())
    }
}

/// The genesis block of a core, which names its root: what the node says is checked against the id.
fn genesis(block: &str, id: &CoreId) -> Result<Genesis> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let bytes = STANDARD.decode(block).context("the node gave no genesis")?;
    let genesis = Genesis::decode(&bytes).context("the node gave no genesis")?;
    ensure!(genesis.id() == *id, "the node gave the genesis of another core");
    Ok(genesis)
}

/// Lists the cores that the private core names.
pub(super) fn ls(caller: &Caller) -> Result<()> {
    let (client, session) = caller.signed_in()?;
    let list = client.named_cores(&CorePlace::given(&session.path))?;
    caller.out.result(&list, || {
        let worn = |core: &str| session.cores.iter().any(|worn| worn.core == core);
        let row = |core: &NamedCoreView| {
            let roles = match core.roles.as_slice() {
                [] => "no part, or not on this node".to_owned(),
                roles => roles.join(", "),
            };
            let mark = if worn(&core.core) { "in use" } else { "" };
            [format!("@{}", core.name), roles, mark.to_owned(), core.core.clone()]
        };
        columns(&list.cores.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(())
}

impl RotateArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let shared = Shared::of(caller, &self.target)?;
        let (_name, wallet) = self.signer.open(caller)?;
        let wish = Wish::Rotate { owners: self.owners.clone(), threshold: self.threshold };
        let Some(receipts) = shared.act(caller, &wallet, wish)? else { return Ok(()) };
        caller.out.result(&receipts, || {
            let (m, owners) = (self.threshold.unwrap_or(1), self.owners.join(", "));
            format!("{} is handed over: {m} of {owners}", self.target)
        })?;
        Ok(())
    }
}

impl UseArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let mut cores = Vec::new();
        for target in &self.targets {
            ensure!(target.path.is_empty(), "`{target}` has a path; name the core alone");
            if target.is_me() && target.names().count() == 1 {
                continue;
            }
            let name = target.names().last().map(|name| name.trim_start_matches('@').to_owned());
            let core = caller.core_id(target)?.to_string();
            let name = name.filter(|name| *name != core);
            cores.push(StoredCore { name, core });
        }
        let (name, wallet) = self.signer.open(caller)?;
        let begun = sign_in(caller, &name, &wallet, cores.clone())?;
        caller.out.result(&begun, || {
            let mut text = format!("signed in as {} (wallet {name})", begun.account);
            for CoreAbilities { core, abilities } in &begun.cores {
                let label = cores.iter().find(|stored| stored.core == *core);
                let label = label.and_then(|stored| stored.name.clone()).unwrap_or_else(|| core.clone());
                text.push_str(&format!("\n@{label}: {}", abilities.clone().unwrap_or_default().join(", ")));
            }
            text.push_str(&format!("\nuntil {}", short_time(&begun.expires)));
            text
        })?;
        Ok(())
    }
}
