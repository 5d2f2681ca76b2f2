//! `kubelt token`: sign-ins for one program each, which may do one kind of thing.

use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use kubelt_api::{ChallengeRequest, CoreAbilities, SessionRequest, SessionView};

use super::caller::Caller;
use super::login::{check_message, sign};
use super::session::{EndArgs, end};
use super::target::CoreTarget;
use super::wallet::PassphraseArgs;
use crate::client::CorePlace;
use crate::keystore::{WalletName, Wallets};
use crate::output::{columns, short_time};

/// The ability that tokens never have: to look after other sessions.
const KEEPS_SESSIONS: &str = "logout **";

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token for one program, signed by your wallet
    New(NewArgs),
    /// List the tokens of your account
    List,
    /// End a token
    End(EndArgs),
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Purpose {
    /// Pin content, replace and remove pins, and see what is pinned: for clients of the IPFS Pinning Service API
    Pins,
    /// Write and read content, at `--path` and below
    Publish,
    /// Read content, what is private among it, at `--path` and below
    Read,
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// What the token is for; it can do nothing else
    #[arg(long = "for", value_enum, value_name = "PURPOSE")]
    purpose: Purpose,
    /// The path of content that it reaches; all content without it
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The core: your own, or a shared one by its name in your own, or by its id
    #[arg(long, value_name = "@CORE", default_value = "@me")]
    core: CoreTarget,
    /// When it ends by itself: `12h`, `90d`; 366 days at most
    #[arg(long, value_name = "TIME", default_value = "90d")]
    expires: Lifetime,
    /// The wallet that signs
    #[arg(long, value_name = "NAME")]
    wallet: WalletName,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// A number of seconds, written as `30m`, `12h` or `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime(pub(super) u64);

/// Text that is no lifetime.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time; write a number and a unit: `30m`, `12h` or `90d`")]
pub(super) struct LifetimeError(String);

impl FromStr for Lifetime {
    type Err = LifetimeError;

    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        let refused = || LifetimeError(text.chars().take(64).collect());
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(refused)?;
        let seconds = match unit {
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(refused()),
        };
        let number = number.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(refused)?;
        number.checked_mul(seconds).map(Self).ok_or_else(refused)
    }
}

impl TokenCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::New(args) => new(caller, &args),
            Self::List => list(caller),
            Self::End(args) => end(caller, &args),
        }
    }
}

fn new(caller: &Caller, args: &NewArgs) -> Result<()> {
    let abilities = abilities(args)?;
    ensure!(
        args.core.path.is_empty(),
        "`{}` has a path; name the core alone, and the path with `--path`",
        args.core
    );
    let own = args.core.is_me() && args.core.names().count() == 1;
    let core = if own { None } else { Some(caller.core_id(&args.core)?.to_string()) };
    let client = caller.anonymous();
    client.health()?;
    let wallets = Wallets::new(caller.config.wallets());
    wallets.address(&args.wallet)?;
    let wallet = wallets.open(&args.wallet, &args.passphrase.ask(&args.wallet)?)?;
    let account = wallet.account();
    let request = ChallengeRequest {
        account: account.to_string(),
        // Where it is for another core, it may do nothing in one's own.
        abilities: Some(if own { abilities.clone() } else { Vec::new() }),
        cores: core
            .iter()
            .map(|core| CoreAbilities { core: core.clone(), abilities: Some(abilities.clone()) })
            .collect(),
        life_seconds: Some(args.expires.0),
        ..ChallengeRequest::default()
    };
    let challenge = client.challenge(&request)?;
    check_message(&challenge, &caller.node, &account)?;
    let signature = sign(&wallet, &challenge.message);
    let made = client.begin_session(&SessionRequest {
        message: challenge.message,
        signature: Some(signature),
        passkey: None,
    })?;
    let (id, path) = match core {
        Some(core) => (core.clone(), format!("/@{core}")),
        None => (made.core, made.path),
    };
    let endpoint =
        (args.purpose == Purpose::Pins).then(|| format!("{}{}/-", caller.node, CorePlace::given(&path)));
    let view = serde_json::json!({
        "id": made.id, "token": made.token, "core": id, "path": path,
        "abilities": abilities, "expires": made.expires, "endpoint": endpoint,
    });
    if let Some(endpoint) = &endpoint {
        caller.out.remark(&format!("endpoint for clients: {endpoint}"));
    }
    caller.out.remark(&format!(
        "id {}, until {}; the token is shown only this once:",
        made.id,
        short_time(&made.expires)
    ));
    caller.out.result(&view, || made.token.clone())?;
    Ok(())
}

fn abilities(args: &NewArgs) -> Result<Vec<String>> {
    let below = match args.path.as_deref().map(|path| path.trim_matches('/')).filter(|path| !path.is_empty())
    {
        Some(path) => format!("content/{path}/**"),
        None => "content/**".to_owned(),
    };
    let below = match args.purpose {
        Purpose::Pins if args.path.is_some() => {
            anyhow::bail!("a token for pins takes no `--path`: pins have a place of their own")
        }
        Purpose::Pins => "content/pins/**".to_owned(),
        Purpose::Publish | Purpose::Read => below,
    };
    below.parse::<kubelt_core::PathPattern>().with_context(|| format!("`{below}` is no path of content"))?;
    let read = format!("read {below}");
    Ok(match args.purpose {
        Purpose::Read => vec![read],
        Purpose::Pins | Purpose::Publish => vec![format!("put {below}"), read],
    })
}

fn list(caller: &Caller) -> Result<()> {
    let (client, _session) = caller.signed_in()?;
    let mut list = client.sessions()?;
    list.sessions.retain(|session| !session.abilities.iter().any(|ability| ability == KEEPS_SESSIONS));
    caller.out.result(&list, || {
        let row = |session: &SessionView| {
            let may = session.abilities.join(", ");
            let of = |core: &CoreAbilities| {
                format!("{} in {}", core.abilities.clone().unwrap_or_default().join(", "), core.core)
            };
            let there: Vec<String> = session.cores.iter().map(of).collect();
            let may = [may].into_iter().chain(there).filter(|may| !may.is_empty()).collect::<Vec<_>>();
            [session.id.clone(), may.join("; "), format!("until {}", short_time(&session.expires))]
        };
        columns(&list.sessions.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Lifetime;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000)] {
            assert_eq!(text.parse::<Lifetime>().expect("a time"), Lifetime(seconds));
        }
        for text in ["", "d", "90", "0d", "-1d", "1.5h", "9ü", "99999999999999999999d", "999999999999999999d"]
        {
            assert!(text.parse::<Lifetime>().is_err(), "{text}");
        }
    }
}
