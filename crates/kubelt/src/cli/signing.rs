//! Acts that a wallet signs itself: drafted by the node, checked here, signed, and posted.

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use kubelt_api::{Asked, Code, DraftView, OpPostEntry, OpReceipt, Wish};
use kubelt_content::Codec;
use kubelt_core::{
    Account, Act, Body, CoreId, Header, Principal, Signed, role, role::HEIR, signature::scheme_of, words,
};

use super::caller::Caller;
use super::request;
use super::target::CoreTarget;
use super::wallet::PassphraseArgs;
use crate::client::{Client, CorePlace};
use crate::keystore::{Passphrase, Wallet, WalletName, Wallets};

/// The wallet that signs.
#[derive(Debug, Args)]
pub(super) struct SignerArgs {
    /// The wallet that signs; the one that is signed in without it
    #[arg(long, value_name = "NAME")]
    wallet: Option<WalletName>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl SignerArgs {
    /// The name of the wallet, and the wallet.
    pub(super) fn open(&self, caller: &Caller) -> Result<(WalletName, Wallet)> {
        let (name, wallet, _passphrase) = self.open_with_passphrase(caller)?;
        Ok((name, wallet))
    }

    /// The same, and what opened it.
    pub(super) fn open_with_passphrase(&self, caller: &Caller) -> Result<(WalletName, Wallet, Passphrase)> {
        let name = match &self.wallet {
            Some(name) => name.clone(),
            None => caller.signed_in()?.1.wallet.parse().context("name the wallet with `--wallet`")?,
        };
        // Nobody should type a passphrase for a node that is not there.
        caller.anonymous().health()?;
        let wallets = Wallets::new(caller.config.wallets());
        wallets.address(&name)?;
        let passphrase = self.passphrase.ask(&name)?;
        let wallet = wallets.open(&name, &passphrase)?;
        Ok((name, wallet, passphrase))
    }
}

/// The node drafted something else than what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the node drafted something else than what was asked for ({0}); nothing was signed")]
struct ForeignDraft(&'static str);

/// A core that the session covers, and where it is.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) place: CorePlace,
    pub(super) id: CoreId,
}

impl Shared {
    /// The core of a target, for which the session must have been opened.
    pub(super) fn of(caller: &Caller, target: &CoreTarget) -> Result<Self> {
        ensure!(target.path.is_empty(), "`{target}` has a path; name the core alone");
        let (client, session) = caller.signed_in()?;
        let id = caller.core_id(target)?;
        let covers = |core: &String| *core == id.to_string();
        let covered = covers(&session.core) || session.cores.iter().any(|core| covers(&core.core));
        ensure!(covered, "this session does not cover {target}; sign in to it with `kubelt use {target}`");
        Ok(Self { client, place: CorePlace::of_names([format!("@{id}").as_str()]), id })
    }

    /// Has the node draft an act, signs what it drafted, and posts it. Where others must agree, asks them instead and says
    /// so: then there is no receipt.
    pub(super) fn act(&self, caller: &Caller, wallet: &Wallet, wish: Wish) -> Result<Option<Vec<OpReceipt>>> {
        let drafts = match self.client.drafts(&self.place, &wish) {
            Err(error) if error.code() == Some(Code::VotesNeeded) => {
                request::ask(caller, self, Asked::Act(wish))?;
                return Ok(None);
            }
            drafts => drafts?,
        };
        let mut ops = Vec::new();
        for draft in drafts {
            ops.push(sign_draft(caller, &draft, &self.id, wallet, |body| wished(&wish, &body.act))?);
        }
        Ok(Some(self.client.post_ops(&self.place, ops)?))
    }
}

/// Signs a draft that says what was wished for.
pub(super) fn sign_draft(
    caller: &Caller,
    draft: &DraftView,
    core: &CoreId,
    wallet: &Wallet,
    fits: impl Fn(&Body) -> Result<bool>,
) -> Result<OpPostEntry> {
    let block = |text: &str| STANDARD.decode(text).context("the node's draft is not base64");
    let header = Header::decode(&block(&draft.header)?).context("the node's draft has no header")?;
    let body_bytes = block(&draft.body)?;
    let body = Body::decode(&body_bytes).context("the node's draft has no body")?;
    let account = wallet.account();
    if header.core != *core {
        bail!(ForeignDraft("another core"));
    }
    if header.by != account || header.login.is_some() {
        bail!(ForeignDraft("another signer"));
    }
    if header.body != body.id() || header.verb != body.act.verb() || !fits(&body)? {
        bail!(ForeignDraft("another act"));
    }
    caller.out.remark(&format!("signing: {}", words::of_act(&body.act)?));
    let text = Signed::signing_text(&header, Some(&body))?;
    let scheme = scheme_of(&account);
    let signature = wallet.sign_personal(text.as_bytes()).to_vec();
    let signed = Signed { header, scheme, signature, block: None };
    Ok(OpPostEntry {
        signed: Some(STANDARD.encode(signed.encode())),
        header: None,
        signature: None,
        scheme: None,
        passkey: None,
        body: STANDARD.encode(body_bytes),
        login: None,
    })
}

/// Whether an act is what a wish says.
pub(super) fn wished(wish: &Wish, act: &Act) -> Result<bool> {
    Ok(match (wish, act) {
        (Wish::Put { path, value }, Act::Put { path: at, value: put }) => {
            let json = serde_json::to_vec(value).context("a value is JSON")?;
            path == at.as_str() && Codec::DagJson.decode(&json).is_ok_and(|value| value == *put)
        }
        (
            Wish::Grant { to, threshold, role, can },
            Act::Grant { to: given, role: name, can: all, wait_ms },
        ) => {
            let (role, can) = role::choose(role.as_deref(), can)?;
            is_of(given, to, *threshold) && *name == role && *all == can && wait_ms.is_none()
        }
        (Wish::Revoke { grant }, Act::Revoke { grant: revoked, .. }) => *grant == revoked.to_string(),
        (Wish::Remove { .. } | Wish::Resign {}, Act::Revoke { .. }) => true,
        (Wish::Rotate { owners, threshold }, Act::Rotate { root }) => is_of(root, owners, *threshold),
        (Wish::Logout { session }, Act::Logout { login }) => *session == login.to_string(),
        (Wish::Seal {}, Act::Seal { state }) => state.is_none(),
        (Wish::Heir { account, wait_s }, Act::Grant { to, role: name, can, wait_ms }) => {
            let named = is_of(to, std::slice::from_ref(account), None) && name.as_deref() == Some(HEIR.name);
            named && *can == HEIR.abilities() && *wait_ms == Some(wait_s.saturating_mul(1_000))
        }
        // Whoever is heir already is named anew.
        (Wish::Heir { .. } | Wish::Refuse { .. }, Act::Revoke { .. }) => true,
        (Wish::Claim {}, Act::Claim { .. }) => true,
        _ => false,
    })
}

/// Whether a principal is `m` of these accounts and no others.
fn is_of(principal: &Principal, texts: &[String], m: Option<u8>) -> bool {
    let mut wanted: Vec<Account> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    wanted.sort_by_key(ToString::to_string);
    wanted.dedup();
    principal.accounts() == wanted && principal.m() == usize::from(m.unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use kubelt_api::Wish;
    use kubelt_core::{Act, Principal, role};

    use super::wished;

    const ANN: &str = "0x00000000000000000000000000000000000000aa";
    const BOB: &str = "0x00000000000000000000000000000000000000bb";

    fn granted(to: &str, name: &str) -> Act {
        let (role, can) = role::choose::<&str>(Some(name), &[]).expect("is ready-made");
        Act::Grant { to: Principal::One(to.parse().expect("an account")), role, can, wait_ms: None }
    }

    #[track_caller]
    fn check(wish: &Wish, act: &Act, fit: bool) {
        assert_eq!(wished(wish, act).expect("can be told"), fit, "{wish:?} and {act:?}");
    }

    #[test]
    fn a_wallet_signs_what_was_asked_for_and_nothing_else() {
        let grant = |to: &str, role: &str| Wish::Grant {
            to: vec![to.to_owned()],
            threshold: None,
            role: Some(role.to_owned()),
            can: Vec::new(),
        };
        check(&grant(BOB, "reader"), &granted(BOB, "reader"), true);
        check(&grant(BOB, "reader"), &granted(ANN, "reader"), false);
        check(&grant(BOB, "reader"), &granted(BOB, "owner"), false);
        let Act::Grant { to, role, mut can, .. } = granted(BOB, "reader") else { panic!("a grant") };
        can.extend(role::Role::named("owner").expect("is ready-made").abilities());
        check(&grant(BOB, "reader"), &Act::Grant { to, role, can, wait_ms: None }, false);
        let both = vec![BOB.to_owned(), ANN.to_owned()];
        let wish = Wish::Rotate { owners: both.clone(), threshold: Some(2) };
        let root = |m| {
            let accounts = both.iter().map(|text| text.parse().expect("an account")).collect();
            Act::Rotate { root: Principal::threshold(m, accounts).expect("fits") }
        };
        check(&wish, &root(2), true);
        check(&wish, &root(1), false);
        check(&wish, &Act::Rotate { root: Principal::One(BOB.parse().expect("an account")) }, false);
        check(&wish, &granted(BOB, "owner"), false);
        let name = Wish::Put { path: "profile/name".to_owned(), value: "Acme".into() };
        let put = |path: &str, value: &str| Act::Put {
            path: path.parse().expect("a path"),
            value: kubelt_content::Ipld::String(value.to_owned()),
        };
        check(&name, &put("profile/name", "Acme"), true);
        check(&name, &put("profile/name", "Other"), false);
        check(&name, &put("profile/other", "Acme"), false);
    }
}
