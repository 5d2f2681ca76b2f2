//! `kubelt wallet`: keys of this machine. No node is asked.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use kubelt_core::Account;
use serde::Serialize;
use zeroize::Zeroizing;

use super::caller::Caller;
use crate::keystore::{Passphrase, WalletName, Wallets};
use crate::output::columns;

#[derive(Debug, Subcommand)]
pub(super) enum WalletCommand {
    /// Make a wallet with a new key
    New(NewArgs),
    /// Make a wallet of a key or keystore that exists
    Import(ImportArgs),
    /// List the wallets of this machine
    List,
    /// Show the address of a wallet and where its file is
    Show(NameArgs),
    /// Remove a wallet from this machine
    Remove(RemoveArgs),
}

/// Where the passphrase of a wallet comes from.
#[derive(Debug, Args)]
pub(super) struct PassphraseArgs {
    /// Read the passphrase from the first line of this file instead of the terminal
    #[arg(long, env = "KUBELT_PASSPHRASE_FILE", hide_env_values = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: WalletName,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: WalletName,
    /// A keystore file (Web3 Secret Storage v3), which keeps its passphrase
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    keystore: Option<PathBuf>,
    /// A file with a private key as 64 hex digits; `-` reads stdin. Without it, the terminal asks
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// The wallet
    #[arg(value_name = "NAME")]
    name: WalletName,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The wallet
    #[arg(value_name = "NAME")]
    name: WalletName,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct WalletView {
    name: String,
    /// As the API writes it.
    account: Option<String>,
    /// With its EIP-55 checksum.
    address: Option<String>,
    file: PathBuf,
}

impl PassphraseArgs {
    /// The passphrase of a wallet that exists.
    pub(super) fn ask(&self, name: &WalletName) -> Result<Passphrase> {
        self.ask_for(&format!("wallet `{name}`"))
    }

    /// The passphrase of something that exists.
    pub(super) fn ask_for(&self, what: &str) -> Result<Passphrase> {
        Ok(Passphrase::ask(self.passphrase_file.as_deref(), &format!("passphrase of {what}: "))?)
    }

    fn ask_new(&self) -> Result<Passphrase> {
        Ok(Passphrase::ask_new(self.passphrase_file.as_deref())?)
    }
}

impl WalletCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let wallets = Wallets::new(caller.config.wallets());
        match self {
            Self::New(args) => new(caller, &wallets, &args),
            Self::Import(args) => import(caller, &wallets, &args),
            Self::List => list(caller, &wallets),
            Self::Show(args) => show(caller, &wallets, &args.name),
            Self::Remove(args) => remove(caller, &wallets, &args),
        }
    }
}

fn new(caller: &Caller, wallets: &Wallets, args: &NewArgs) -> Result<()> {
    let wallet = wallets.create(&args.name, &args.passphrase.ask_new()?)?;
    made(caller, wallets, &args.name, wallet.address())
}

fn import(caller: &Caller, wallets: &Wallets, args: &ImportArgs) -> Result<()> {
    let wallet = if let Some(file) = &args.keystore {
        wallets.import_keystore(&args.name, file, &args.passphrase.ask(&args.name)?)?
    } else {
        let key = read_key(args.key_file.as_deref())?;
        wallets.import_key(&args.name, &key, &args.passphrase.ask_new()?)?
    };
    made(caller, wallets, &args.name, wallet.address())
}

fn read_key(file: Option<&Path>) -> Result<Zeroizing<String>> {
    let mut key = Zeroizing::new(String::new());
    match file {
        Some(file) if file == Path::new("-") => {
            io::stdin().read_to_string(&mut key).context("cannot read the key from stdin")?;
        }
        Some(file) => {
            key = Zeroizing::new(
                fs::read_to_string(file)
                    .with_context(|| format!("cannot read the key file `{}`", file.display()))?,
            );
        }
        None if io::stdin().is_terminal() => {
            key = Zeroizing::new(rpassword::prompt_password("private key (64 hex digits): ")?);
        }
        None => {
            bail!("there is no terminal to ask for the key; name a file with `--key-file` or `--keystore`")
        }
    }
    Ok(key)
}

fn made(caller: &Caller, wallets: &Wallets, name: &WalletName, address: [u8; 20]) -> Result<()> {
    let view = view(wallets, name, Some(address));
    caller.out.result(&view, || {
        let (address, file) = (view.address.as_deref().unwrap_or_default(), view.file.display());
        format!("wallet {name}: {address}\nits encrypted key is in {file}")
    })?;
    caller.out.remark(&format!("whoever loses the file or its passphrase loses the account: keep copies\nnext: kubelt login --wallet {name}"));
    Ok(())
}

fn list(caller: &Caller, wallets: &Wallets) -> Result<()> {
    let mut views = Vec::new();
    for name in wallets.names()? {
        views.push(view(wallets, &name, wallets.address(&name)?));
    }
    if views.is_empty() {
        caller.out.remark("no wallets yet; make one with `kubelt wallet new main`");
    }
    caller.out.result(&views, || {
        let row = |view: &WalletView| [view.name.clone(), view.address.clone().unwrap_or_default()];
        columns(&views.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(())
}

fn show(caller: &Caller, wallets: &Wallets, name: &WalletName) -> Result<()> {
    let view = view(wallets, name, wallets.address(name)?);
    caller.out.result(&view, || {
        let address = view.address.as_deref().unwrap_or("no address in the file");
        format!("{address}\n{}", view.file.display())
    })?;
    Ok(())
}

fn remove(caller: &Caller, wallets: &Wallets, args: &RemoveArgs) -> Result<()> {
    let name = &args.name;
    let view = view(wallets, name, wallets.address(name)?);
    if !args.yes {
        if !io::stdin().is_terminal() {
            bail!("there is no terminal to ask whether to remove wallet `{name}`; say so with `--yes`");
        }
        caller.out.ask(&format!(
            "remove wallet `{name}` ({})? without another copy its account is lost for ever. type its name: ",
            view.address.as_deref().unwrap_or_default()
        ));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if answer.trim() != name.to_string() {
            bail!("wallet `{name}` stays");
        }
    }
    fs::remove_file(&view.file).with_context(|| format!("cannot remove `{}`", view.file.display()))?;
    caller.out.result(&view, || format!("removed wallet {name}"))?;
    Ok(())
}

fn view(wallets: &Wallets, name: &WalletName, address: Option<[u8; 20]>) -> WalletView {
    let account = address.map(Account::Eoa);
    WalletView {
        name: name.to_string(),
        account: account.as_ref().map(ToString::to_string),
        address: account.as_ref().and_then(Account::checksummed),
        file: wallets.path(name),
    }
}
