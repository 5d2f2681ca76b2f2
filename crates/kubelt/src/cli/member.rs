//! `kubelt member`, `invite` and `role`: who has which part in a shared core.

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use kubelt_api::{AcceptRequest, InviteView, MemberView, OwnInviteView, PrincipalView, Wish};
use kubelt_core::{invite::InviteLink, role};

use super::caller::Caller;
use super::login::sign_in;
use super::signing::{Shared, SignerArgs};
use super::target::CoreTarget;
use crate::config_dir::StoredCore;
use crate::output::{columns, short_time};

#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
    /// List who has which part in a core, who gave it and when
    Ls(ListArgs),
    /// Give an account a part in a core: a role, or abilities of your own choice
    Invite(InviteArgs),
    /// Take back all that an account was granted, or one grant
    Rm(RemoveArgs),
    /// Give up your own part
    Resign(ResignArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum InviteCommand {
    /// List the invites that wait for you at this node, or those of a core with their links
    Ls(InvitesArgs),
    /// Accept an invite: sign in to the core, and have your own core name it
    Accept(AcceptArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum RoleCommand {
    /// List the ready-made roles
    Ls,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// Show abilities as they stand in the log, and the grants
    #[arg(short, long)]
    long: bool,
}

#[derive(Debug, Args)]
pub(super) struct InviteArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// Whom: `0x…`, `eip155:1:0x…`, `did:key:z…`, or a name such as `alice.eth`, which is looked up now
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// The role: owner, developer, designer, contract or reader (`kubelt role ls`), or a name of your own with `--can`
    #[arg(value_name = "ROLE", required_unless_present = "can")]
    role: Option<String>,
    /// What it may do, such as `put content/site/**`; may stand several times
    #[arg(long, value_name = "ABILITY")]
    can: Vec<String>,
    /// Who shares the part; may stand several times
    #[arg(long = "with", value_name = "ACCOUNT")]
    with: Vec<String>,
    /// How many of those who share it must agree
    #[arg(long, value_name = "COUNT", requires = "with")]
    threshold: Option<u8>,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    /// Whom, or the id of one grant (`kubelt member ls -l`)
    #[arg(value_name = "ACCOUNT|GRANT")]
    who: String,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ResignArgs {
    /// The core
    #[arg(value_name = "@CORE")]
    target: CoreTarget,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
pub(super) struct InvitesArgs {
    /// The core; without it, the invites that wait for you
    #[arg(value_name = "@CORE")]
    target: Option<CoreTarget>,
}

#[derive(Debug, Args)]
pub(super) struct AcceptArgs {
    /// The link that you were sent, or the id of the core
    #[arg(value_name = "LINK")]
    link: String,
    /// The name in your own core
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Bring the core from this node instead of the ones in the link: `/ip4/…/tcp/…/tls/p2p/12D3…`
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    #[command(flatten)]
    signer: SignerArgs,
}

impl MemberCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Ls(args) => args.run(caller),
            Self::Invite(args) => args.run(caller),
            Self::Rm(args) => args.run(caller),
            Self::Resign(args) => args.run(caller),
        }
    }
}

impl InviteCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        match self {
            Self::Ls(InvitesArgs { target: Some(target) }) => sent(caller, &target),
            Self::Ls(InvitesArgs { target: None }) => waiting(caller),
            Self::Accept(args) => args.run(caller),
        }
    }
}

impl RoleCommand {
    pub(super) fn run(self, caller: &Caller) -> Result<()> {
        let Self::Ls = self;
        let view = |role: &role::Role| {
            serde_json::json!({ "name": role.name, "says": role.says,
                "can": role.abilities().iter().map(ToString::to_string).collect::<Vec<_>>() })
        };
        caller.out.result(&role::ROLES.iter().map(view).collect::<Vec<_>>(), || {
            columns(&role::ROLES.map(|role| [role.name.to_owned(), role.says.to_owned()]))
        })?;
        Ok(())
    }
}

impl ListArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let shared = Shared::of(caller, &self.target)?;
        let list = shared.client.members(&shared.place)?;
        caller.out.result(&list, || {
            let mut text = format!("{}  root: may everything", who(&list.root));
            if !list.begun {
                text.push_str("; the core is dead until it has signed a first operation");
            }
            text.push('\n');
            for member in &list.members {
                text.push_str(&said(member, self.long));
            }
            text
        })?;
        Ok(())
    }
}

impl InviteArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let shared = Shared::of(caller, &self.target)?;
        // Before the passphrase is asked for, so that whoever signs has seen where names lead.
        let to = caller.accounts(&[std::slice::from_ref(&self.account), &self.with].concat())?;
        let (_name, wallet) = self.signer.open(caller)?;
        let account = to.first().cloned().unwrap_or_default();
        let wish = Wish::Grant { to, threshold: self.threshold, role: self.role.clone(), can: self.can };
        let Some(receipts) = shared.act(caller, &wallet, wish)? else { return Ok(()) };
        if !self.with.is_empty() {
            let who = format!("{account} and {} others", self.with.len());
            caller
                .out
                .result(&receipts, || format!("{who} share a part; each is to accept with the core's id"))?;
            return Ok(());
        }
        let grant = receipts.first().context("the node took nothing")?.id.clone();
        let invites = shared.client.invites(&shared.place)?.invites;
        let invite = invites.into_iter().find(|invite| invite.member.grant == grant);
        let invite = invite.context("the invite does not count: what you may changed meanwhile")?;
        caller.out.result(&invite, || {
            format!(
                "invited {account} as {}\n{}\nthe link opens nothing for anybody else",
                self.role.as_deref().unwrap_or("custom"),
                invite.link
            )
        })?;
        Ok(())
    }
}

impl RemoveArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let shared = Shared::of(caller, &self.target)?;
        let (_name, wallet) = self.signer.open(caller)?;
        let is_grant = self.who.parse::<kubelt_core::OpId>().is_ok();
        let wish = match is_grant {
            true => Wish::Revoke { grant: self.who.clone() },
            false => Wish::Remove { account: caller.account(&self.who)? },
        };
        let Some(receipts) = shared.act(caller, &wallet, wish)? else { return Ok(()) };
        caller.out.result(&receipts, || format!("{} has no part in {} any more", self.who, self.target))?;
        Ok(())
    }
}

impl ResignArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let shared = Shared::of(caller, &self.target)?;
        let (_name, wallet) = self.signer.open(caller)?;
        let Some(receipts) = shared.act(caller, &wallet, Wish::Resign {})? else { return Ok(()) };
        caller.out.result(&receipts, || format!("you have given up your part in {}", self.target))?;
        Ok(())
    }
}

impl AcceptArgs {
    fn run(self, caller: &Caller) -> Result<()> {
        let (core, nodes) = match self.link.parse::<InviteLink>() {
            Ok(link) => (link.core, link.from),
            Err(error) => match self.link.parse() {
                Ok(core) => (core, Vec::new()),
                Err(_no_id) => return Err(error.into()),
            },
        };
        let (name, wallet) = self.signer.open(caller)?;
        let stored = StoredCore { name: self.name.clone(), core: core.to_string() };
        sign_in(caller, &name, &wallet, vec![stored])?;
        let (client, _session) = caller.signed_in()?;
        let request = |from| AcceptRequest { core: core.to_string(), name: self.name.clone(), from };
        // Where the core is on this node, it need not come from another one.
        let mut accepted = match &self.from {
            Some(from) => client.accept(&request(Some(from.clone()))),
            None => client.accept(&request(None)),
        };
        if self.from.is_none() {
            for node in nodes {
                match &accepted {
                    Err(error) if error.code() == Some(kubelt_api::Code::NotFound) => {
                        caller.out.remark(&format!("the core is not here; bringing it from {node}"));
                        accepted = client.accept(&request(Some(node)));
                    }
                    _ => break,
                }
            }
        }
        let accepted = accepted?;
        caller.name_core(&accepted.core, &accepted.name)?;
        caller.out.result(&accepted, || {
            let did = if accepted.known { "you are in" } else { "you are in now:" };
            format!(
                "{did} @{} as {}\nat {}{}",
                accepted.name,
                accepted.roles.join(", "),
                caller.node,
                accepted.path
            )
        })?;
        Ok(())
    }
}

/// The invites of a core, for whoever invites.
fn sent(caller: &Caller, target: &CoreTarget) -> Result<()> {
    let shared = Shared::of(caller, target)?;
    let list = shared.client.invites(&shared.place)?;
    caller.out.result(&list, || {
        let entry = |invite: &InviteView| {
            let member = &invite.member;
            let acted = if member.acted { "has been there" } else { "not seen yet" };
            let role = member.role.as_deref().unwrap_or("custom");
            format!("{}  {role}  {acted}\n  {}\n", who(&member.to), invite.link)
        };
        list.invites.iter().map(entry).collect()
    })?;
    Ok(())
}

/// The invites that wait for whoever is signed in.
fn waiting(caller: &Caller) -> Result<()> {
    let (client, _session) = caller.signed_in()?;
    let list = client.own_invites()?;
    caller.out.result(&list, || {
        if list.invites.is_empty() {
            return "no invites wait for you at this node\n".to_owned();
        }
        let row = |invite: &OwnInviteView| {
            [invite.title.clone().unwrap_or_default(), invite.roles.join(", "), invite.core.clone()]
        };
        columns(&list.invites.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(())
}

fn who(principal: &PrincipalView) -> String {
    match (principal.m, principal.of.as_slice()) {
        (1, [one]) => one.clone(),
        (m, of) => format!("{m} of {}", of.join(", ")),
    }
}

fn said(member: &MemberView, long: bool) -> String {
    let role = member.role.as_deref().unwrap_or("custom");
    let may = if long { &member.can } else { &member.may };
    let mut text = format!("{}  {role}: {}\n", who(&member.to), may.join("; "));
    text.push_str(&format!("  given by {} on {}\n", member.by, short_time(&member.since)));
    if long {
        text.push_str(&format!("  grant {}\n", member.grant));
    }
    text
}

impl Caller {
    /// Remembers the name of a core that the session covers.
    fn name_core(&self, core: &str, name: &str) -> Result<()> {
        let (_client, mut session) = self.signed_in()?;
        ensure!(
            session.cores.iter().any(|stored| stored.core == core),
            "the session does not cover the core"
        );
        for stored in session.cores.iter_mut().filter(|stored| stored.core == core) {
            stored.name = Some(name.to_owned());
        }
        Ok(self.config.remember(&self.node, session)?)
    }
}
