//! A shared core made from inside another one: a private core that only names it, or a parent in which it lies.

use std::sync::Arc;

use kubelt_content::Ipld;
use kubelt_core::{
    Account, CoreId, Genesis, MapPath, Principal,
    limits::NAME_BYTES_MAX,
    schema::{ChildCore, ContractName},
};

use super::{Members, MembersError};
use crate::{clock::random, session::Session};

/// A shared core that somebody wants.
#[derive(Debug, Clone)]
pub struct NewCore {
    /// Under which name the core that it is made from knows it.
    pub name: String,
    /// What its makers call it; the name where absent.
    pub title: Option<String>,
    /// Who else is of its root.
    pub owners: Vec<Account>,
    /// How many of the root must agree; one where absent.
    pub threshold: Option<u8>,
    /// Whether it lies in the core that it is made from, for good.
    pub is_child: bool,
}

impl NewCore {
    /// A core of the session's account alone, which lies in no other where that can be.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), title: None, owners: Vec::new(), threshold: None, is_child: false }
    }
}

/// A shared core that was made.
#[derive(Debug, Clone)]
pub struct MadeCore {
    /// Its id.
    pub core: CoreId,
    /// How it begins.
    pub genesis: Genesis,
    /// What the core that it was made from does not say yet, and says once it names it.
    pub puts: Vec<(MapPath, Ipld)>,
    /// Whether the core that it was made from names it; otherwise others must agree to that first.
    pub is_named: bool,
}

impl Members {
    /// Makes a shared core whose root is the session's account and `owners`, and names it in the core `from`, where the node
    /// holds the session's key. It is dead until its root has signed a first operation. Only private cores name cores that
    /// are not their children.
    ///
    /// # Errors
    /// [`MembersError`] when the name is taken, the threshold does not fit, the account may not name cores there, or has
    /// too many of them here.
    pub async fn create(
        &self,
        session: &Arc<Session>,
        from: &CoreId,
        new: NewCore,
    ) -> Result<MadeCore, MembersError> {
        let is_own = *from == session.core && session.within.is_none();
        if !is_own {
            self.check(session, from).await?;
        }
        if self.cores.doors.kin.depth(from)? == Some(kubelt_core::limits::CORES_ABOVE_MAX) {
            return Err(MembersError::TooDeep);
        }
        self.check_guard(session, from, &new.name).await?;
        if let Some(name) = ContractName::canonical(&new.name).and_then(|name| name.parse().ok()) {
            return self.create_of_contract(session, from, &name, &new).await;
        }
        // Of two who want one name only one finds it free.
        let _one_at_a_time = self.cores.naming.lock().await;
        let path = self.free_path(session, from, &new.name, None)?;
        let title = new.title.unwrap_or(new.name);
        let plain = (1..=NAME_BYTES_MAX).contains(&title.len()) && !title.chars().any(char::is_control);
        if !plain {
            return Err(MembersError::Title);
        }
        let mut accounts = new.owners;
        accounts.insert(0, session.account().clone());
        let root = principal(accounts, new.threshold)?;
        if root.is_of_passkeys() {
            return Err(MembersError::Passkeys);
        }
        let parent = (new.is_child || !is_own).then_some(*from);
        let genesis = Genesis::Shared { root, parent, name: title, nonce: random() };
        self.cores.bring(session.account(), &genesis).await?;
        let child = ChildCore::new(genesis.id());
        self.name_made(session, from, genesis, vec![(path, child.to_ipld())]).await
    }

    /// Has the core `from` name a new core, as far as nobody else must agree.
    pub(super) async fn name_made(
        &self,
        session: &Arc<Session>,
        from: &CoreId,
        genesis: Genesis,
        puts: Vec<(MapPath, Ipld)>,
    ) -> Result<MadeCore, MembersError> {
        let is_named = match self.enter(session, from, puts.clone()).await {
            Err(MembersError::Write(error)) if error.needs_votes() => false,
            entered => entered?,
        };
        let puts = if is_named { Vec::new() } else { puts };
        Ok(MadeCore { core: genesis.id(), genesis, puts, is_named })
    }

    /// Lets through whoever passes the gate that the core's template names for children of this name.
    async fn check_guard(&self, session: &Session, from: &CoreId, name: &str) -> Result<(), MembersError> {
        let template = self.cores.doors.kin.template(from)?;
        let Some(gate) = template.as_ref().and_then(|(_, template)| template.gate_of(name)) else {
            return Ok(());
        };
        Ok(self.gates.guard(from, gate, session.account()).await??)
    }
}

/// One account, or `m` of several; each counts once, however often it is named.
pub(super) fn principal(mut accounts: Vec<Account>, m: Option<u8>) -> Result<Principal, MembersError> {
    accounts.sort_by_key(ToString::to_string);
    accounts.dedup();
    match (accounts.as_slice(), m.unwrap_or(1)) {
        ([one], 1) => Ok(Principal::One(one.clone())),
        (_, m) => Ok(Principal::threshold(m, accounts)?),
    }
}
