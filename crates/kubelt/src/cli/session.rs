//! `kubelt session`: the sessions of an account.

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use kubelt_api::{EndChallengeRequest, EndRequest, SessionView};

use super::caller::Caller;
use super::login::sign;
use super::wallet::PassphraseArgs;
use crate::keystore::{WalletName, Wallets};
use crate::output::{columns, short_time};

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List the sessions of your account
    #[command(visible_alias = "ls")]
    List,
    /// End a session
    End(EndArgs),
    /// Print the token of the session, for use with other programs
    Token,
}

#[derive(Debug, Args)]
pub(super) struct EndArgs {
    /// The id of the session, as `kubelt session list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// Sign with this wallet, for when you have no session at this node
    #[arg(long, value_name = "NAME")]
    wallet: Option<WalletName>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl SessionCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::List => list(caller),
            Self::End(args) => end(caller, &args),
            Self::Token => token(caller),
        }
    }
}

fn list(caller: &Caller) -> Result<()> {
    let (client, _session) = caller.signed_in()?;
    let list = client.sessions()?;
    caller.out.result(&list, || {
        let row = |session: &SessionView| {
            let (from, to) = (short_time(&session.created), short_time(&session.expires));
            let mark = if session.current { "this one" } else { "" };
            let cores: Vec<&str> = session.cores.iter().map(|core| core.core.as_str()).collect();
            [session.id.clone(), from, format!("until {to}"), mark.to_owned(), cores.join(" ")]
        };
        columns(&list.sessions.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(())
}

pub(super) fn end(caller: &Caller, args: &EndArgs) -> Result<()> {
    match &args.wallet {
        Some(name) => end_by_wallet(caller, args, name)?,
        None => caller.signed_in()?.0.end_session(Some(&args.id))?,
    }
    if caller.config.session(&caller.node)?.is_some_and(|session| session.id == args.id) {
        caller.config.forget(&caller.node)?;
    }
    caller.out.result(&serde_json::json!({ "session": args.id }), || format!("ended session {}", args.id))?;
    Ok(())
}

fn end_by_wallet(caller: &Caller, args: &EndArgs, name: &WalletName) -> Result<()> {
    let client = caller.anonymous();
    client.health()?;
    let wallets = Wallets::new(caller.config.wallets());
    wallets.address(name)?;
    let wallet = wallets.open(name, &args.passphrase.ask(name)?)?;
    let account = wallet.account().to_string();
    let challenge = client.end_challenge(&EndChallengeRequest { account, session: args.id.clone() })?;
    // Whatever else the text is, it may not sign in anywhere.
    ensure!(
        !challenge.message.contains(" wants you to sign in "),
        "the node asks to sign in where a session should end; nothing was signed"
    );
    let signature = sign(&wallet, &challenge.message);
    client.end_session_by_wallet(&EndRequest { nonce: challenge.nonce, signature })?;
    Ok(())
}

fn token(caller: &Caller) -> Result<()> {
    let (_client, session) = caller.signed_in()?;
    caller.out.result(&serde_json::json!({ "token": session.token }), || session.token.clone())?;
    Ok(())
}
