//! `kubelt login`, `logout` and `whoami`.

use anyhow::{Context as _, Result};
use clap::Args;
use kubelt_api::{
    AsksView, Challenge, ChallengeRequest, Code, CoreAbilities, HeirView, RemoteView, SessionCreated,
    SessionRequest, Wish,
};
use kubelt_core::{Account, CoreId};
use serde::Serialize;

use super::caller::Caller;
use super::signing::Shared;
use super::target::CoreTarget;
use super::wallet::PassphraseArgs;
use super::{heir, remote};
use crate::client::{CorePlace, NodeUrl};
use crate::config_dir::{StoredCore, StoredSession};
use crate::keystore::{Wallet, WalletName, Wallets};
use crate::output::{bytes_text, count_text, short_time};

/// What a parent is called in the grants of its users.
const PARENT_ROLE: &str = "parent";

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The wallet that signs in
    #[arg(long, value_name = "NAME")]
    wallet: WalletName,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Retrieve the core from this node, which holds it: `/ip4/…/tcp/…/tls/p2p/12D3…`, a name such as `acme.org`
    /// or `alice.eth` that tells of it, or `dht`
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Sign in through this core: to your own core in it, made at the first sign-in, and to nothing that does not lie in it
    #[arg(long = "in", value_name = "@CORE", conflicts_with = "from")]
    within: Option<CoreTarget>,
    /// Grant that core what it asks of its users; without it you are only told
    #[arg(long, requires = "within")]
    agree: bool,
}

#[derive(Debug, Serialize)]
struct LoginView<'a> {
    node: &'a str,
    session: &'a str,
    wallet: &'a str,
    account: &'a str,
    core: &'a str,
    path: &'a str,
    url: String,
    created: bool,
    expires: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retrieved: Option<RemoteView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    heirs: Vec<HeirView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asks: Option<AsksView>,
    granted: bool,
}

/// The node asks the wallet to sign something else than a sign-in here.
#[derive(Debug, thiserror::Error)]
#[error(
    "the node asks to sign in at another place or for another account than {place} for {account}; nothing was signed. if the node is known by another name, use that with `--node`"
)]
pub(super) struct ForeignMessage {
    place: String,
    account: String,
}

impl LoginArgs {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let client = caller.anonymous();
        // Nobody should type a passphrase for a node that is not there.
        client.health()?;
        let wallets = Wallets::new(caller.config.wallets());
        wallets.address(&self.wallet)?;
        let wallet = wallets.open(&self.wallet, &self.passphrase.ask(&self.wallet)?)?;
        let within = self.within.as_ref().map(|core| through(caller, core)).transpose()?;
        let begun = sign_in_within(caller, &self.wallet, &wallet, Vec::new(), within)?;
        let granted = match begun.asks.as_ref().filter(|_| self.agree) {
            Some(asks) => agree(caller, &wallet, &begun, asks)?,
            None => false,
        };
        let url = format!("{}{}", caller.node, CorePlace::given(&begun.path));
        let mut heirs = begun.heirs.clone();
        let retrieved = match self.from {
            Some(address) => {
                let (client, _session) = caller.signed_in()?;
                let core = CorePlace::given(&begun.path);
                let retrieved = remote::add(caller, &client, &core, address, true);
                let retrieved = retrieved.context("you are signed in, but the core was not retrieved")?;
                if heirs.is_empty() {
                    heirs = client.heirs(&core)?.heirs;
                    heir::greet(caller, &wallet, &heirs);
                }
                Some(retrieved)
            }
            None => None,
        };
        let wallet = self.wallet.to_string();
        let view = LoginView {
            retrieved,
            heirs,
            node: caller.node.as_str(),
            session: &begun.id,
            wallet: &wallet,
            account: &begun.account,
            core: &begun.core,
            path: &begun.path,
            url,
            created: begun.created,
            expires: &begun.expires,
            asks: begun.asks.clone(),
            granted,
        };
        caller.out.result(&view, || {
            let LoginView { wallet, account, core, url, .. } = &view;
            let (did, until) = (if view.created { "created" } else { "opened" }, short_time(view.expires));
            let mut text = format!(
                "signed in as {account} (wallet {wallet})\n{did} core {core}\nat {url}\nuntil {until}"
            );
            if let Some(asks) = &view.asks {
                let did = if view.granted { "is granted" } else { "asks for this, granted with `--agree`" };
                text.push_str(&format!("\nit {did}: {}", asks.may.join("; ")));
            }
            if let Some(retrieved) = &view.retrieved {
                text.push('\n');
                text.push_str(&remote::said(retrieved));
            }
            text
        })?;
        Ok(())
    }
}

/// The id of a core to sign in through, for somebody who is not signed in yet.
fn through(caller: &Caller, core: &CoreTarget) -> Result<String> {
    let names: Vec<&str> = core.names().collect();
    if let [name] = names.as_slice()
        && name.trim_start_matches('@').parse::<CoreId>().is_ok()
    {
        return Ok(name.trim_start_matches('@').to_owned());
    }
    Ok(caller.anonymous().core(&CorePlace::of_names(names))?.core)
}

/// Grants a core what it asks of its users.
fn agree(caller: &Caller, wallet: &Wallet, begun: &SessionCreated, asks: &AsksView) -> Result<bool> {
    let (client, _session) = caller.signed_in()?;
    let id = begun.core.parse().context("the node gave no id")?;
    let wish = Wish::Grant {
        to: asks.to.of.clone(),
        threshold: u8::try_from(asks.to.m).ok().filter(|m| *m > 1),
        role: Some(PARENT_ROLE.to_owned()),
        can: asks.can.clone(),
    };
    let granted = Shared { client, place: CorePlace::given(&begun.path), id }.act(caller, wallet, wish)?;
    Ok(granted.is_some())
}

/// Signs in again as before, to the own core and to `cores`; the session before it at this node ends. One that went
/// through a core goes through it again.
pub(super) fn sign_in(
    caller: &Caller,
    name: &WalletName,
    wallet: &Wallet,
    cores: Vec<StoredCore>,
) -> Result<SessionCreated> {
    let within = caller.config.session(&caller.node)?.and_then(|session| session.within);
    sign_in_within(caller, name, wallet, cores, within)
}

fn sign_in_within(
    caller: &Caller,
    name: &WalletName,
    wallet: &Wallet,
    cores: Vec<StoredCore>,
    within: Option<String>,
) -> Result<SessionCreated> {
    let account = wallet.account();
    let before = caller.config.session(&caller.node)?;
    // Whoever is known may be told what they may do, so that the message says no more than that.
    let own = before.as_ref().is_some_and(|session| session.account == account.to_string());
    let covered = |core: &StoredCore| CoreAbilities { core: core.core.clone(), abilities: None };
    let request = ChallengeRequest {
        account: account.to_string(),
        cores: cores.iter().map(covered).collect(),
        within: within.clone(),
        ..ChallengeRequest::default()
    };
    let known = if own && !cores.is_empty() { caller.client()?.challenge(&request).ok() } else { None };
    let client = caller.anonymous();
    let challenge = match known {
        Some(challenge) => challenge,
        None => client.challenge(&request)?,
    };
    check_message(&challenge, &caller.node, &account)?;
    let signature = sign(wallet, &challenge.message);
    let begun = client.begin_session(&SessionRequest {
        message: challenge.message,
        signature: Some(signature),
        passkey: None,
    })?;
    if before.is_some() {
        // The session that this one replaces; it may have ended long ago.
        drop(caller.client()?.end_session(None));
    }
    caller.config.remember(
        &caller.node,
        StoredSession {
            id: begun.id.clone(),
            token: begun.token.clone(),
            account: begun.account.clone(),
            core: begun.core.clone(),
            path: begun.path.clone(),
            expires: begun.expires.clone(),
            wallet: name.to_string(),
            within,
            cores,
        },
    )?;
    heir::greet(caller, wallet, &begun.heirs);
    Ok(begun)
}

/// The signature of a wallet over a message, as the API takes it.
pub(super) fn sign(wallet: &Wallet, message: &str) -> String {
    format!("0x{}", hex::encode(wallet.sign_personal(message.as_bytes())))
}

/// Ends the session and forgets it, also where the node has forgotten it before.
pub(super) fn logout(caller: &Caller) -> Result<()> {
    let (client, session) = caller.signed_in()?;
    match client.end_session(None) {
        Err(error) if error.code() == Some(Code::Unauthorized) => {
            caller.out.remark("the session had ended before");
        }
        result => drop(result?),
    }
    caller.config.forget(&caller.node)?;
    let value = serde_json::json!({ "node": caller.node.as_str(), "session": session.id });
    caller.out.result(&value, || format!("signed out at {}", caller.node))?;
    Ok(())
}

/// Who is signed in, as the node sees it.
pub(super) fn whoami(caller: &Caller) -> Result<()> {
    let (client, session) = caller.signed_in()?;
    client.sessions().context("the session is of no use any more")?;
    let core = client.core(&CorePlace::given(&session.path))?;
    let value = serde_json::json!({
        "node": caller.node.as_str(),
        "account": session.account,
        "wallet": session.wallet,
        "session": session.id,
        "expires": session.expires,
        "core": core,
        "cores": session.cores,
    });
    caller.out.result(&value, || {
        let mut text = format!("{} (wallet {})\n", session.account, session.wallet);
        text.push_str(&format!("core {} at {}{}\n", core.core, caller.node, core.path));
        if let Some(usage) = &core.usage {
            let (ops, blocks) = (count_text(usage.ops, "operation"), count_text(usage.blocks, "block"));
            let (used, most) = (bytes_text(usage.block_bytes), bytes_text(usage.block_bytes_max));
            text.push_str(&format!("{ops}, {blocks}, {used} of {most}\n"));
        }
        for heir in core.heirs.iter().filter(|heir| heir.claimed.is_some()) {
            text.push_str(&format!("{} {}\n", heir.account, heir::standing(heir)));
        }
        for worn in &session.cores {
            let name = worn.name.as_deref().unwrap_or(&worn.core);
            text.push_str(&format!("also as @{name}, core {}\n", worn.core));
        }
        text.push_str(&format!("signed in until {}", short_time(&session.expires)));
        text
    })?;
    Ok(())
}

/// A wallet signs only what names this node and its own account (EIP-4361), or a node could have it sign in
/// elsewhere.
pub(super) fn check_message(
    challenge: &Challenge,
    node: &NodeUrl,
    account: &Account,
) -> Result<(), ForeignMessage> {
    let (place, address) = (node.authority(), account.checksummed().unwrap_or_default());
    let start = format!("{place} wants you to sign in with your Ethereum account:\n{address}\n");
    if challenge.message.starts_with(&start) {
        Ok(())
    } else {
        Err(ForeignMessage { place: place.to_owned(), account: address })
    }
}
