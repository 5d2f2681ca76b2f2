//! Who has which part in a core, and which cores a core names.

use std::collections::HashSet;

use kubelt_core::{
    Ability, Account, CoreId, Genesis, Log, OpId, Principal, Verb,
    schema::{ChildCore, Exit},
};

use super::{Members, MembersError};
use crate::{access::Reader, names::is_open, session::Session};

/// A grant in force, as people see it.
#[derive(Debug, Clone)]
pub struct Member {
    /// The grant.
    pub grant: OpId,
    /// Who holds it.
    pub to: Principal,
    /// The name of the role.
    pub role: Option<String>,
    /// What it allows.
    pub can: Vec<Ability>,
    /// Who gave it.
    pub by: Account,
    /// When, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Whether any of its holders has done anything in the core.
    pub acted: bool,
}

/// The people of a core.
#[derive(Debug, Clone)]
pub struct MemberList {
    /// The root.
    pub root: Principal,
    /// Whether the core has begun: its root has signed something.
    pub begun: bool,
    /// All grants in force, the oldest first.
    pub members: Vec<Member>,
}

/// A core that another one names.
#[derive(Debug, Clone)]
pub struct NamedCore {
    /// The name.
    pub name: String,
    /// The core.
    pub core: CoreId,
    /// What its makers call it, where it is on this node and the account has a part in it.
    pub title: Option<String>,
    /// The account's roles in it; empty where it is not here, or the account has no part in it.
    pub roles: Vec<String>,
    /// Whether it is a child: it lies in the core that names it.
    pub is_child: bool,
}

/// What the root is called among roles.
const ROOT: &str = "root";
/// What a role without a name is called.
const CUSTOM: &str = "custom";

impl Members {
    /// The people of a core, for those who have a part in it.
    ///
    /// # Errors
    /// [`MembersError::NotFound`] for everybody else.
    pub async fn list(&self, session: &Session, core: &CoreId) -> Result<MemberList, MembersError> {
        self.check(session, core).await?;
        Ok(self.cores.with_log(core, members).await?)
    }

    /// The cores that a core's map names, as far as `reader` may know: for who has a part in the core all that the
    /// session may read, for everybody else the children that publish something.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn names(&self, reader: &Reader, core: &CoreId) -> Result<Vec<NamedCore>, MembersError> {
        let own = match reader.session() {
            Some(session) => self.check(session, core).await.is_ok().then_some(session),
            None => None,
        };
        let (kin, door) = (&self.cores.doors.kin, |core: &CoreId| self.cores.doors.of(core, Exit::Http));
        // How long the list of a private core is, is not to be told by the time that it takes.
        let is_private = matches!(self.cores.genesis(core), Ok(Genesis::Private { .. }));
        if own.is_none() && is_private && !is_open(&self.store, core, door(core)?)? {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for (name, named) in self.named(core)? {
            let is_child = kin.is_claimed(core, &named)?;
            let Some(session) = own else {
                if is_child && is_open(&self.store, &named, door(&named)?)? {
                    let title = self.title(&named)?;
                    found.push(NamedCore { name, core: named, title, roles: Vec::new(), is_child });
                }
                continue;
            };
            let path = ChildCore::path(&name);
            if path.is_some_and(|path| session.covers(core, Verb::Read, Some(&path))) {
                let roles = self.roles(session.account(), &named).await?;
                let title = if roles.is_empty() { None } else { self.title(&named)? };
                found.push(NamedCore { name, core: named, title, roles, is_child });
            }
        }
        Ok(found)
    }

    /// The names of what an account is in a core; empty where it is nothing there, or the core is not here.
    pub(super) async fn roles(&self, account: &Account, core: &CoreId) -> Result<Vec<String>, MembersError> {
        if !self.cores.has_part(core, account).await? {
            return Ok(Vec::new());
        }
        Ok(self.cores.with_log(core, |log| roles(log, account)).await?)
    }
}

fn members(log: &Log) -> MemberList {
    let authors = log.authors();
    let mut members: Vec<Member> = log
        .grants()
        // Who still waits is heir, and no member.
        .filter(|grant| !log.is_waiting_for(&grant.id))
        .map(|grant| Member {
            grant: grant.id,
            to: grant.to.clone(),
            role: grant.role.map(str::to_owned),
            can: grant.can.to_vec(),
            by: grant.by.clone(),
            since_ms: grant.at.ms(),
            acted: acted(grant.to, &authors),
        })
        .collect();
    members.sort_by_key(|member| (member.since_ms, member.grant));
    MemberList { root: log.root().clone(), begun: log.ops().any(|(_, _, _, effective)| effective), members }
}

fn acted(to: &Principal, authors: &HashSet<&Account>) -> bool {
    to.accounts().iter().any(|account| authors.contains(account))
}

fn roles(log: &Log, account: &Account) -> Vec<String> {
    let root = log.root().contains(account).then(|| ROOT.to_owned());
    let granted = log.grants_of(account).map(|grant| grant.role.unwrap_or(CUSTOM).to_owned());
    let mut roles: Vec<String> = root.into_iter().chain(granted).collect();
    roles.sort();
    roles.dedup();
    roles
}
