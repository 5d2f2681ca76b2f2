//! `kubelt heir`: to whom a private core is to open when its owner is gone.

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use kubelt_api::{HeirView, OpReceipt, Wish};
use kubelt_core::{Account, Genesis};

use super::caller::Caller;
use super::login::sign_in;
use super::signing::{Shared, SignerArgs};
use super::target::CoreTarget;
use crate::client::CorePlace;
use crate::config_dir::StoredCore;
use crate::keystore::Wallet;
use crate::output::short_time;

#[derive(Debug, Subcommand)]
pub(super) enum HeirCommand {
    /// List the heirs of your core, who of them claims it, and the cores that you are heir to
    Ls,
    /// Name an heir: it gets your core once it has claimed it and waited, unless you refuse
    Set(SetArgs),
    /// Name an heir no more
    Rm(RemoveArgs),
    /// Refuse whoever claims your core: they are heirs no more
    Refuse(RefuseArgs),
    /// Claim a core that you are heir to: once to begin the wait, once more to end it
    Claim(ClaimArgs),
    /// Give up what you are heir to
    Renounce(RenounceArgs),
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The heir
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// How long it must wait once it claims your core, in days (`30d`) or weeks (`6w`); 7 days at least. Sign in more often
    /// than that: a claim cannot be dated back behind your last sign-in
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    wait: u64,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The heir
    #[arg(value_name = "ACCOUNT")]
    account: String,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct RefuseArgs {
    /// The heir; all who claim your core without it
    #[arg(value_name = "ACCOUNT")]
    account: Option<String>,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ClaimArgs {
    /// The core, by its owner: `@0x…`
    #[arg(value_name = "@OWNER")]
    target: CoreTarget,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct RenounceArgs {
    /// The core, by its owner: `@0x…`
    #[arg(value_name = "@OWNER")]
    target: CoreTarget,
    #[command(flatten)]
    signer: SignerArgs,
}

const DAY_S: u64 = 24 * 60 * 60;

/// Seconds of `30d` or `6w`.
fn parse_wait(text: &str) -> Result<u64, String> {
    let unit_s = match text.chars().last() {
        Some('d') => DAY_S,
        Some('w') => 7 * DAY_S,
        _ => return Err("write days or weeks, such as `30d` or `6w`".to_owned()),
    };
    let count: u64 = text[..text.len() - 1]
        .parse()
        .map_err(|_cause| "write a number of days, such as `30d`".to_owned())?;
    count.checked_mul(unit_s).ok_or_else(|| "nobody waits that long".to_owned())
}

impl HeirCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Ls => ls(caller),
            Self::Set(args) => args.run(caller),
            Self::Rm(RemoveArgs { account, signer }) => refuse(caller, &signer, Some(account)),
            Self::Refuse(RefuseArgs { account, signer }) => refuse(caller, &signer, account),
            Self::Claim(args) => args.run(caller),
            Self::Renounce(args) => args.run(caller),
        }
    }
}

fn ls(caller: &Caller) -> Result<()> {
    let (client, session) = caller.signed_in()?;
    let own = client.heirs(&CorePlace::given(&session.path))?.heirs;
    let heir_to = client.heir_to()?.heirs;
    caller.out.result(&serde_json::json!({ "heirs": own, "heir_to": heir_to }), || {
        let mut text = String::new();
        for heir in &own {
            text.push_str(&format!("{}  {}\n", heir.account, standing(heir)));
        }
        if own.iter().any(|heir| heir.claimed.is_some()) {
            text.push_str("refuse with `kubelt heir refuse`\n");
        }
        if own.is_empty() {
            text.push_str("your core has no heirs; name one with `kubelt heir set 0x… --wait 30d`\n");
        }
        for heir in &heir_to {
            text.push_str(&format!("you are heir to @{}: {}\n", heir.of, standing(heir)));
        }
        text
    })?;
    Ok(())
}

/// How far an heir is.
pub(super) fn standing(heir: &HeirView) -> String {
    match (&heir.claimed, &heir.due) {
        _ if heir.open => "has waited, and the core is open to it".to_owned(),
        (Some(claimed), Some(due)) => {
            format!(
                "claims the core since {}; it opens at {} unless refused",
                short_time(claimed),
                short_time(due)
            )
        }
        _ => format!("has not claimed the core; would wait {} days", heir.wait_s / DAY_S),
    }
}

impl SetArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let own = Shared::own(caller)?;
        let account = caller.account(&self.account)?;
        let (_name, wallet) = self.signer.open(caller)?;
        let wish = Wish::Heir { account: account.clone(), wait_s: self.wait };
        let receipts = own.sign(caller, &wallet, &wish)?;
        caller.out.result(&receipts, || {
            let days = self.wait / DAY_S;
            format!(
                "{account} is heir of your core: it gets it {days} days after it claims it, unless you refuse\nsign in at least every {days} days, so that a claim cannot be dated back"
            )
        })?;
        Ok(())
    }
}

fn refuse(caller: &Caller, signer: &SignerArgs, account: Option<String>) -> Result<()> {
    let own = Shared::own(caller)?;
    let account = account.map(|account| caller.account(&account)).transpose()?;
    let (_name, wallet) = signer.open(caller)?;
    let receipts = own.sign(caller, &wallet, &Wish::Refuse { account: account.clone() })?;
    caller.out.result(&receipts, || {
        let who = account.unwrap_or_else(|| "whoever claimed your core".to_owned());
        format!("{who} is heir no more; name an heir anew with `kubelt heir set`")
    })?;
    Ok(())
}

impl ClaimArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let foreign = owned_by(caller, &self.target)?;
        let (name, wallet) = self.signer.open(caller)?;
        is_signed_in(caller, &wallet)?;
        foreign.sign(caller, &wallet, &Wish::Claim {})?;
        let heirs = foreign.client.heirs(&foreign.place)?.heirs;
        let heir = heirs.into_iter().find(|heir| heir.account == wallet.account().to_string());
        let heir = heir.context("the claim does not count: you are heir no more")?;
        if heir.open {
            // What is open to the account is open to a session that was told so.
            let (_client, session) = caller.signed_in()?;
            let mut cores = session.cores;
            if !cores.iter().any(|core| core.core == heir.core) {
                cores.push(StoredCore { name: None, core: heir.core.clone() });
            }
            sign_in(caller, &name, &wallet, cores)?;
        }
        caller.out.result(&heir, || match &heir.due {
            Some(due) if !heir.open => format!(
                "you claim {}; end the wait with the same command at {} or later, unless you are refused",
                self.target,
                short_time(due)
            ),
            _ => format!(
                "{0} is open to you, and you are signed in to it\ntake it with you: `kubelt core export {0} -o core.car`",
                self.target
            ),
        })?;
        Ok(())
    }
}

impl RenounceArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let foreign = owned_by(caller, &self.target)?;
        let (_name, wallet) = self.signer.open(caller)?;
        is_signed_in(caller, &wallet)?;
        let receipts = foreign.sign(caller, &wallet, &Wish::Resign {})?;
        caller.out.result(&receipts, || format!("you are not heir to {} any more", self.target))?;
        Ok(())
    }
}

/// The private core of another account.
fn owned_by(caller: &Caller, target: &CoreTarget) -> Result<Shared> {
    let names: Vec<&str> = target.names().collect();
    let owner = match names.as_slice() {
        [name] => caller.account(name.trim_start_matches('@'))?.parse::<Account>().ok(),
        _ => None,
    };
    let owner = owner.filter(|_| target.path.is_empty());
    let owner = owner.with_context(|| format!("`{target}` is no account's core; write `@0x…`"))?;
    let (client, _session) = caller.signed_in()?;
    let place = CorePlace::of_names([format!("@{owner}").as_str()]);
    Ok(Shared { client, place, id: Genesis::Private { root: owner }.id() })
}

fn is_signed_in(caller: &Caller, wallet: &Wallet) -> Result<()> {
    let (_client, session) = caller.signed_in()?;
    let account = wallet.account().to_string();
    ensure!(account == session.account, "`{account}` is not the account that is signed in");
    Ok(())
}

impl Shared {
    /// The private core of whoever is signed in.
    fn own(caller: &Caller) -> Result<Self> {
        let (client, session) = caller.signed_in()?;
        let id = session.core.parse().context("the session names no core; sign in again")?;
        Ok(Self { client, place: CorePlace::given(&session.path), id })
    }

    /// What nobody else has to agree to.
    fn sign(&self, caller: &Caller, wallet: &Wallet, wish: &Wish) -> Result<Vec<OpReceipt>> {
        let receipts = self.act(caller, wallet, wish.clone())?;
        receipts.context("the node asks others to agree where nobody else can")
    }
}

/// What an owner of heirs must hear at a sign-in, and does by it: whoever claims the core is named, and what is known is
/// sealed, so that nobody dates a claim back behind this day.
pub(super) fn greet(caller: &Caller, wallet: &Wallet, heirs: &[HeirView]) {
    if heirs.is_empty() {
        return;
    }
    for heir in heirs.iter().filter(|heir| heir.claimed.is_some()) {
        caller.out.warn(&format!("{} {}; refuse with `kubelt heir refuse`", heir.account, standing(heir)));
    }
    let sealed = Shared::own(caller).and_then(|own| own.sign(caller, wallet, &Wish::Seal {}));
    if let Err(error) = sealed {
        caller
            .out
            .warn(&format!("this sign-in left no seal, so that a claim might be dated back: {error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::parse_wait;

    #[test]
    fn waits_are_days_or_weeks() {
        assert_eq!(parse_wait("30d"), Ok(30 * 86_400));
        assert_eq!(parse_wait("6w"), Ok(42 * 86_400));
        for text in
            ["", "d", "30", "30h", "-3d", "3.5d", "99999999999999999999d", "18446744073709551615w", "3ö"]
        {
            assert!(parse_wait(text).is_err(), "{text}");
        }
    }
}
