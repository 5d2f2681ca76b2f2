//! Whom content is sealed to: what a person writes, and the keys that it leads to.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubelt_api::{Code, DeviceJwk};
use kubelt_core::schema::{DeviceKey, Gate, SealedForm, SealedTo};
use kubelt_core::signature::verify_signed;
use kubelt_core::{Account, Act, Body, Genesis, Signed, Unchecked, Verdict};
use kubelt_sealed::jwk::{KeySet, read_set};
use kubelt_sealed::{PublicKey, jwk};

use super::caller::Caller;
use super::target::CoreTarget;
use crate::client::CorePlace;
use crate::jwks_client;

/// Somebody, as written: `0x…`, `@0x…`, `@me`, `@name`, `gate:NAME`, `jwks:https://…`, `jwks:FILE`, the last two with `#kid`
/// for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    Account(Account),
    Core(CoreTarget),
    Url {
        url: String,
        kid: Option<String>,
    },
    File {
        path: PathBuf,
        kid: Option<String>,
    },
    /// Whoever passes a gate of the core that the content is in.
    Gate(String),
}

/// A key to seal to, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipient {
    pub(super) who: String,
    pub(super) label: Option<String>,
    pub(super) key: PublicKey,
    /// Whether its owner has nothing of ours, and needs a JWE.
    pub(super) is_foreign: bool,
    /// The gate for which it is sealed to them; none for who was named.
    pub(super) gate: Option<String>,
}

/// Text that names nobody.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is nobody to seal to; write an address `0x…`, `@me`, `@name`, `gate:NAME`, `jwks:https://…` or `jwks:FILE`"
)]
pub(super) struct ToError(String);

impl FromStr for To {
    type Err = ToError;

    fn from_str(text: &str) -> Result<Self, ToError> {
        let refused = || ToError(text.chars().take(128).collect());
        if let Some(set) = text.strip_prefix("jwks:") {
            let (place, kid) = match set.split_once('#') {
                Some((place, kid)) => (place, Some(kid.to_owned())),
                None => (set, None),
            };
            return match place.contains("://") {
                true => Ok(Self::Url { url: place.to_owned(), kid }),
                false if place.is_empty() => Err(refused()),
                false => Ok(Self::File { path: place.into(), kid }),
            };
        }
        if let Some(gate) = text.strip_prefix("gate:") {
            return Gate::path(gate).map(|_path| Self::Gate(gate.to_owned())).ok_or_else(refused);
        }
        if let Ok(account) = text.trim_start_matches('@').parse::<Account>() {
            return Ok(Self::Account(account));
        }
        let core: CoreTarget = text.parse().map_err(|_says_the_same| refused())?;
        if core.path.is_empty() { Ok(Self::Core(core)) } else { Err(refused()) }
    }
}

impl To {
    /// Whom an entry names.
    fn of_who(who: &str) -> Result<Self> {
        if who.contains("://") {
            return Ok(Self::Url { url: who.to_owned(), kid: None });
        }
        who.parse().map(Self::Account).map_err(|_source_is_no_account| {
            anyhow::anyhow!(
                "the key of `{who}` cannot be looked up again; give it again with `--to jwks:FILE`"
            )
        })
    }

    /// Whether an entry's recipient is one of these.
    pub(super) fn is(&self, caller: &Caller, sealed: &SealedTo) -> Result<bool> {
        let (who, kid) = match self {
            Self::Account(account) => (account.to_string(), None),
            Self::Core(core) => (account_of(caller, core)?.to_string(), None),
            Self::Url { url, kid } => (url.clone(), kid.as_ref()),
            Self::File { path, kid } => (who_of_file(path), kid.as_ref()),
            Self::Gate(gate) => return Ok(sealed.gate.as_ref() == Some(gate)),
        };
        Ok(sealed.who == who && kid.is_none_or(|kid| sealed.label.as_ref() == Some(kid)))
    }

    /// The keys of whoever is named; a gate names nobody by itself ([`holders`](super::holders)).
    pub(super) fn resolve(&self, caller: &Caller) -> Result<Vec<Recipient>> {
        match self {
            Self::Gate(_) => Ok(Vec::new()),
            Self::Account(account) => devices_of(caller, account),
            Self::Core(core) => devices_of(caller, &account_of(caller, core)?),
            Self::Url { url, kid } => of_set(caller, url, jwks_client::fetch(url)?, kid.as_deref()),
            Self::File { path, kid } => {
                let json = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
                let set = read_set(&json)
                    .with_context(|| format!("nothing can be sealed to the keys in `{}`", path.display()))?;
                of_set(caller, &who_of_file(path), set, kid.as_deref())
            }
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "{} ({label})", self.who),
            None => f.write_str(&self.who),
        }
    }
}

/// All keys of several, each once.
pub(super) fn resolve_all(caller: &Caller, to: &[To]) -> Result<Vec<Recipient>> {
    let mut all: Vec<Recipient> = Vec::new();
    for to in to {
        extend(&mut all, to.resolve(caller)?);
    }
    Ok(all)
}

/// The gates among several, sorted.
pub(super) fn gates_of(to: &[To]) -> Vec<String> {
    let gate = |to: &To| if let To::Gate(gate) = to { Some(gate.clone()) } else { None };
    to.iter().filter_map(gate).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Adds those whose keys are not there.
pub(super) fn extend(all: &mut Vec<Recipient>, more: Vec<Recipient>) {
    for recipient in more {
        if !all.iter().any(|known| known.key == recipient.key) {
            all.push(recipient);
        }
    }
}

/// The keys that those on a list have now, and those of them that cannot be had any more.
pub(super) fn resolve_listed(caller: &Caller, listed: &[SealedTo]) -> Result<Vec<Recipient>> {
    let mut whos: Vec<&str> = listed.iter().map(|to| to.who.as_str()).collect();
    whos.sort_unstable();
    whos.dedup();
    let mut all = Vec::new();
    for who in whos {
        let found = To::of_who(who)?.resolve(caller)?;
        // Of somebody's set, one key may have been chosen.
        let is_on_list = |found: &Recipient| {
            !found.is_foreign || listed.iter().any(|to| to.who == who && to.label == found.label)
        };
        let by_gate = |found: Recipient| {
            let named = |to: &&SealedTo| to.who == who && to.gate.is_none();
            let gate = listed.iter().find(|to| to.who == who).filter(|_| !listed.iter().any(|to| named(&to)));
            Recipient { gate: gate.and_then(|to| to.gate.clone()), ..found }
        };
        all.extend(found.into_iter().filter(is_on_list).map(by_gate));
    }
    Ok(all)
}

/// In which form all of them can open it.
pub(super) fn form_for(recipients: &[Recipient]) -> SealedForm {
    let is_jwe = recipients.iter().any(|to| to.is_foreign || to.key.as_x25519().is_none());
    if is_jwe { SealedForm::Jwe } else { SealedForm::Chunks }
}

/// The devices of an account, each with a key that the account itself has signed: the node is not believed.
pub(super) fn devices_of(caller: &Caller, account: &Account) -> Result<Vec<Recipient>> {
    let place = CorePlace::of_names([format!("@{account}").as_str()]);
    let set = match caller.client()?.device_keys(&place) {
        Err(error) if error.code() == Some(Code::NotFound) => bail!(
            "{account} has published no key at {}; whoever that is can do so with `kubelt key new NAME`",
            caller.node
        ),
        set => set?,
    };
    let mut devices = Vec::new();
    for jwk in &set.keys {
        match check_key(account, jwk) {
            Ok((label, key)) => {
                let who = account.to_string();
                devices.push(Recipient { who, label: Some(label), key, is_foreign: false, gate: None });
            }
            Err(error) => caller.out.warn(&format!("a key of {account} is left out: {error:#}")),
        }
    }
    ensure!(!devices.is_empty(), "no key of {account} at {} can be believed", caller.node);
    Ok(devices)
}

/// The account of a private core. A name is looked up by the node, so that is said.
fn account_of(caller: &Caller, target: &CoreTarget) -> Result<Account> {
    if target.is_me() && target.names().count() == 1 {
        return caller.signed_in()?.1.account.parse().context("the session names no account; sign in again");
    }
    let (client, place) = caller.reach(target)?;
    let core = client.core(&place)?;
    let account = core.account.filter(|_| core.kind == "private").with_context(|| {
        format!("{target} belongs to several people; name those who shall open it by their addresses")
    })?;
    let account: Account = account.parse().context("the node gave no account")?;
    caller.out.remark(&format!("{target} is {account}, as the node says"));
    Ok(account)
}

/// Checks that an account published a key; gives the device's name and the key.
fn check_key(account: &Account, jwk: &DeviceJwk) -> Result<(String, PublicKey)> {
    let block = |text: &str| STANDARD.decode(text).context("its proof is not base64");
    let signed = Signed::decode(&block(&jwk.proof.signed)?)?;
    let body = Body::decode(&block(&jwk.proof.body)?)?;
    let core = Genesis::Private { root: account.clone() }.id();
    let header = &signed.header;
    let is_theirs = header.core == core && header.by == *account && header.auth == core.as_root();
    ensure!(is_theirs && header.login.is_none(), "it was not put there by the account itself");
    ensure!(header.body == body.id() && header.verb == body.act.verb(), "its proof is of something else");
    match verify_signed(&signed, Some(&body), None, &Unchecked)? {
        Verdict::Valid => {}
        Verdict::Pending => bail!("it is a contract account's, which only its chain can answer for"),
    }
    let Act::Put { path, value } = &body.act else { bail!("its proof is of something else") };
    let device = path.below(kubelt_core::schema::KEYS).unwrap_or_default();
    let key = DeviceKey::read(device, value)?;
    Ok((device.to_owned(), PublicKey::x25519(key.x25519)?))
}

fn of_set(caller: &Caller, who: &str, set: KeySet, kid: Option<&str>) -> Result<Vec<Recipient>> {
    for (name, reason) in &set.others {
        caller.out.remark(&format!("key `{name}` of {who} is left out: {reason}"));
    }
    let set = match kid {
        Some(kid) => set.only(kid)?,
        None => set,
    };
    let recipient = |named: jwk::NamedKey| Recipient {
        who: who.to_owned(),
        label: named.kid,
        key: named.key,
        is_foreign: true,
        gate: None,
    };
    Ok(set.keys.into_iter().map(recipient).collect())
}

fn who_of_file(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("file:{}", name.chars().filter(|c| !c.is_control()).take(128).collect::<String>())
}

#[cfg(test)]
mod tests;
