//! `kubelt session`: the sessions of an account.

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use kubelt_api::{Challenge, EndChallengeRequest, EndRequest, SessionView};

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
    /// The id of the core that the session signed in through, where it did
    #[arg(long = "in", value_name = "CORE", requires = "wallet")]
    within: Option<String>,
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
            let mark = match (session.current, session.elsewhere) {
                (true, _) => "this one",
                (false, true) => "at another node",
                (false, false) => "",
            };
            let cores: Vec<&str> = session.cores.iter().map(|core| core.core.as_str()).collect();
            [session.id.clone(), from, format!("until {to}"), mark.to_owned(), cores.join(" ")]
        };
        columns(&list.sessions.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(())
}

pub(super) fn end(caller: &Caller, args: &EndArgs) -> Result<()> {
    let left = match &args.wallet {
        Some(name) => {
            end_by_wallet(caller, args, name)?;
            Vec::new()
        }
        None => caller.signed_in()?.0.end_session(Some(&args.id))?.left,
    };
    if caller.config.session(&caller.node)?.is_some_and(|session| session.id == args.id) {
        caller.config.forget(&caller.node)?;
    }
    let view = serde_json::json!({ "session": args.id, "left": left });
    caller.out.result(&view, || format!("ended session {}", args.id))?;
    for core in &left {
        caller.out.warn(&format!(
            "its key can still write to core {core}, which this session does not cover; end it there with `kubelt session end {} --wallet NAME`",
            args.id
        ));
    }
    Ok(())
}

/// Ends it in one core after the other: the wallet signs once for each that the session covers.
fn end_by_wallet(caller: &Caller, args: &EndArgs, name: &WalletName) -> Result<()> {
    let client = caller.anonymous();
    client.health()?;
    let wallets = Wallets::new(caller.config.wallets());
    wallets.address(name)?;
    let wallet = wallets.open(name, &args.passphrase.ask(name)?)?;
    let account = wallet.account().to_string();
    let words = format!("Kubelt operation\n\nEnd the sign-in {}.\n\n", args.id);
    let answer = |challenge: Challenge| -> Result<Vec<Challenge>> {
        // A wallet signs what it was asked to sign, whatever the node says.
        ensure!(
            challenge.message.starts_with(&words),
            "the node asks to sign something else than the end of the session; it was not signed"
        );
        let signature = Some(sign(&wallet, &challenge.message));
        let request = EndRequest { nonce: challenge.nonce, signature, passkey: None };
        Ok(client.end_session_by_wallet(&request)?.more)
    };
    let ask = EndChallengeRequest { account, session: args.id.clone(), within: args.within.clone() };
    let first = client.end_challenge(&ask)?;
    for other in answer(first)? {
        answer(other)?;
    }
    Ok(())
}

fn token(caller: &Caller) -> Result<()> {
    let (_client, session) = caller.signed_in()?;
    caller.out.result(&serde_json::json!({ "token": session.token }), || session.token.clone())?;
    Ok(())
}
