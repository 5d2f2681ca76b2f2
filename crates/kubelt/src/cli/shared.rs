//! `kubelt core create`, `ls`, `tree` and `rotate`, and `kubelt use`: shared cores as identities that one wears.

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use kubelt_api::{Asked, CoreAbilities, CoreMade, NamedCoreView, NamingPut, NewCoreRequest, Wish};
use kubelt_core::{
    CoreId, Genesis,
    schema::{CORES, ContractName, GATES},
};

use super::caller::Caller;
use super::login::sign_in;
use super::signing::{Shared, SignerArgs};
use super::target::CoreTarget;
use crate::client::CorePlace;
use crate::config_dir::StoredCore;
use crate::keystore::{Wallet, WalletName};
use crate::output::{columns, short_time};

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Where your private core is to name it: `@me/acme`; or the core that it is to lie in, and its name there:
    /// `@acme/@widget`, or `@acme/@1:0x…` for whoever holds what that contract gives out
    #[arg(value_name = "@me/NAME|@CORE/@NAME")]
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

/// Signs in anew, to your own core and to the shared ones named. `@me` alone leaves the shared ones. The core of a contract
/// is made where it is not there yet.
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
        let (_client, session) = caller.signed_in()?;
        let NewPlace { name, title, parent } = NewPlace::of(caller, &self.target)?;
        let owners = caller.accounts(&self.owners)?;
        let (wallet_name, wallet) = self.signer.open(caller)?;
        ensure!(
            wallet.account().to_string() == session.account,
            "wallet `{wallet_name}` is not the one that is signed in"
        );
        let request = NewCoreRequest {
            name: name.clone(),
            title: self.name,
            owners,
            threshold: self.threshold,
            child: parent.is_some(),
        };
        let Made { made, genesis, begun, .. } =
            make(caller, (&wallet_name, &wallet), &title, parent, request)?;
        let view = serde_json::json!({ "name": name, "core": made.core, "path": made.path, "begun": begun });
        caller.out.result(&view, || {
            let mut text = format!("created @{title}\ncore {}\nat {}{}", made.core, caller.node, made.path);
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

/// A core that was made.
pub(super) struct Made {
    made: CoreMade,
    pub(super) id: CoreId,
    pub(super) genesis: Genesis,
    /// Whether its root has signed something; others must, too, where it is several.
    begun: bool,
}

/// Makes a core, signs in to it, too, and begins it where the wallet alone can. `title` is what it is called here.
pub(super) fn make(
    caller: &Caller,
    (wallet_name, wallet): (&WalletName, &Wallet),
    title: &str,
    parent: Option<CoreId>,
    request: NewCoreRequest,
) -> Result<Made> {
    let (client, session) = caller.signed_in()?;
    let from = match &parent {
        Some(parent) => CorePlace::of_names([format!("@{parent}").as_str()]),
        None => CorePlace::given(&session.path),
    };
    let made = client.create_core(&from, &request)?;
    let id: CoreId = made.core.parse().context("the node gave no id")?;
    if let Some(parent) = parent {
        let shared = Shared { client, place: from, id: parent };
        for put in &made.puts {
            super::request::ask(caller, &shared, Asked::Act(naming(put, &request.name, &made.core)?))?;
        }
    }
    let mut cores = if parent.is_some() { session.cores } else { Vec::new() };
    cores.push(StoredCore { name: Some(title.to_owned()), core: made.core.clone() });
    sign_in(caller, wallet_name, wallet, cores)?;
    let genesis = genesis(&made.genesis, &id)?;
    let begun = genesis.root().m() == 1;
    if begun && genesis.root().contains(&wallet.account()) {
        // A shared core is dead until its root has signed something itself.
        let value = request.title.unwrap_or(request.name).into();
        let wish = Wish::Put { path: "profile/name".to_owned(), value };
        let (client, _session) = caller.signed_in()?;
        Shared { client, place: CorePlace::given(&made.path), id }.act(caller, wallet, wish)?;
    }
    Ok(Made { made, id, genesis, begun })
}

/// What the core above is asked to say of a new one: nothing but its name, and the gate of a contract's core.
fn naming(put: &NamingPut, name: &str, core: &str) -> Result<Wish> {
    let NamingPut { path, value } = put.clone();
    let name = ContractName::canonical(name).unwrap_or_else(|| name.to_owned());
    let is_name = path == format!("{CORES}/{name}") && value["core"] == serde_json::json!({ "/": core });
    let is_gate =
        path == format!("{GATES}/{name}") && value["opens"] == serde_json::json!([format!("{CORES}/{name}")]);
    ensure!(
        is_name || is_gate,
        "the node wants `{path}` to be put, which does not name the new core; nothing was asked"
    );
    Ok(Wish::Put { path, value })
}

/// Where a core is made.
struct NewPlace {
    /// Its name there.
    name: String,
    /// By what it is called here, without the first `@`.
    title: String,
    /// The core that it is to lie in.
    parent: Option<CoreId>,
}

impl NewPlace {
    fn of(caller: &Caller, target: &CoreTarget) -> Result<Self> {
        let path = target.path.trim_matches('/');
        if target.is_me() && target.names().count() == 1 && !path.is_empty() {
            return Ok(Self { name: path.to_owned(), title: path.to_owned(), parent: None });
        }
        let Some((above, name)) = target.split_last().filter(|_| path.is_empty()) else {
            bail!(
                "a shared core is made inside your own, `kubelt core create @me/acme`, or as a child of another one, \
                 `kubelt core create @acme/@widget`"
            );
        };
        let parent = if above.is_me() && above.names().count() == 1 {
            caller.core_id(&above)?
        } else {
            Shared::of(caller, &above)?.id
        };
        let title = target.to_string().trim_start_matches('@').to_owned();
        Ok(Self { name, title, parent: Some(parent) })
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

/// Lists the cores that a core names: the private one without a target.
pub(super) fn ls(caller: &Caller, target: Option<&CoreTarget>) -> Result<()> {
    let (client, place) = match target {
        Some(target) => caller.reach(target)?,
        None => {
            let (client, session) = caller.signed_in()?;
            (client, CorePlace::given(&session.path))
        }
    };
    let list = client.named_cores(&place)?;
    let session = caller.config.session(&caller.node)?;
    caller.out.result(&list, || {
        let cores = session.as_ref().map_or(&[][..], |session| &session.cores);
        let worn = |core: &str| cores.iter().any(|worn| worn.core == core);
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
        let owners = caller.accounts(&self.owners)?;
        let (_name, wallet) = self.signer.open(caller)?;
        let wish = Wish::Rotate { owners: owners.clone(), threshold: self.threshold };
        let Some(receipts) = shared.act(caller, &wallet, wish)? else { return Ok(()) };
        caller.out.result(&receipts, || {
            let (m, owners) = (self.threshold.unwrap_or(1), owners.join(", "));
            format!("{} is handed over: {m} of {owners}", self.target)
        })?;
        Ok(())
    }
}

impl UseArgs {
    /// Makes the core of a contract where the core above does not name it yet.
    fn make_of_contract(caller: &Caller, signer: (&WalletName, &Wallet), target: &CoreTarget) -> Result<()> {
        let contract =
            target.split_last().and_then(|(above, name)| Some((above, ContractName::canonical(&name)?)));
        let Some((above, name)) = contract else { return Ok(()) };
        let (client, _session) = caller.signed_in()?;
        let parent = caller.core_id(&above)?;
        let place = CorePlace::of_names([format!("@{parent}").as_str()]);
        if client.named_cores(&place)?.cores.iter().any(|named| named.name == name) {
            return Ok(());
        }
        let request = NewCoreRequest { name, title: None, owners: Vec::new(), threshold: None, child: true };
        let title = target.to_string().trim_start_matches('@').to_owned();
        make(caller, signer, &title, Some(parent), request)?;
        caller.out.remark(&format!(
            "made {target}: whoever holds what the contract gives out reads what is public there"
        ));
        Ok(())
    }

    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let (wallet_name, wallet) = self.signer.open(caller)?;
        let mut cores = Vec::new();
        for target in &self.targets {
            ensure!(target.path.is_empty(), "`{target}` has a path; name the core alone");
            if target.is_me() && target.names().count() == 1 {
                continue;
            }
            Self::make_of_contract(caller, (&wallet_name, &wallet), target)?;
            let name = target.to_string();
            let name = Some(name.trim_start_matches('@').trim_start_matches("me/@").to_owned());
            let core = caller.core_id(target)?.to_string();
            let name = name.filter(|name| *name != core);
            cores.push(StoredCore { name, core });
        }
        let begun = sign_in(caller, &wallet_name, &wallet, cores.clone())?;
        caller.out.result(&begun, || {
            let mut text = format!("signed in as {} (wallet {wallet_name})", begun.account);
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
