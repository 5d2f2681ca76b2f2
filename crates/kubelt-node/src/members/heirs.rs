//! Heirs of private cores: named by the owner, claiming, refused.
//!
//! An heir's grant counts only after a wait that the heir's own claims begin and end ([`kubelt_core::log`]). Until then the
//! heir has no part in the core: it is told what it is heir to and for how long it must wait, and nothing else.

use kubelt_core::{
    Account, Act, CoreId, Hlc, Log, OpId, Principal, Verb, limits::HEIR_WAIT_MS_MIN, log::HeirView,
    role::HEIR,
};

use super::{Drafted, Members, MembersError, draft::draft};
use crate::{
    cores::{Cores, LoadError},
    limits::HEIR_WAIT_MS_MAX,
    parts,
    session::Session,
};

/// Somebody to whom a private core is to open.
#[derive(Debug, Clone)]
pub struct Heir {
    /// The core.
    pub core: CoreId,
    /// Who named the heir.
    pub of: Account,
    /// The heir.
    pub account: Account,
    /// The grant.
    pub grant: OpId,
    /// When it was named, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// How long it must wait, in milliseconds.
    pub wait_ms: u64,
    /// Since when it claims the core, in milliseconds since the Unix epoch.
    pub claimed_ms: Option<u64>,
    /// When it can end the wait, in milliseconds since the Unix epoch; none where it does not claim.
    pub due_ms: Option<u64>,
    /// Whether it has ended the wait: the core is open to it.
    pub is_over: bool,
}

impl Heir {
    fn of(core: CoreId, view: &HeirView<'_>) -> Option<Self> {
        let Principal::One(account) = view.grant.to else { return None };
        Some(Self {
            core,
            of: view.grant.by.clone(),
            account: account.clone(),
            grant: view.grant.id,
            since_ms: view.grant.at.ms(),
            wait_ms: view.wait_ms,
            claimed_ms: view.claimed.map(Hlc::ms),
            due_ms: view.due_ms(),
            is_over: view.is_over,
        })
    }
}

impl Cores {
    /// The heirs of a core, the oldest first. Where none was ever named, the log is not looked at.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn heirs(&self, core: &CoreId) -> Result<Vec<Heir>, LoadError> {
        if !parts::has_had_heirs(&self.store, core)? {
            return Ok(Vec::new());
        }
        let read = |log: &Log| log.heirs().iter().filter_map(|heir| Heir::of(*core, heir)).collect();
        self.with_log(core, read).await
    }
}

impl Members {
    /// The heirs of a core: all of them for who may hold a copy of it, and for an heir itself.
    ///
    /// # Errors
    /// [`MembersError::NotFound`] for everybody else.
    pub async fn heirs(&self, session: &Session, core: &CoreId) -> Result<Vec<Heir>, MembersError> {
        let account = session.account();
        let holds = session.covers(core, Verb::Replicate, None)
            && self.cores.may(core, account, Verb::Replicate, None).await?;
        let is_heir = session.speaks_for_account() && self.cores.may_sign(core, account).await?;
        if !holds && !is_heir {
            return Err(MembersError::NotFound);
        }
        let mut heirs = self.cores.heirs(core).await?;
        heirs.retain(|heir| holds || heir.account == *account);
        if heirs.is_empty() && !holds { Err(MembersError::NotFound) } else { Ok(heirs) }
    }

    /// The cores on this node to which the session's account is heir.
    ///
    /// # Errors
    /// [`MembersError::Forbidden`] for a session that is a token for one program.
    pub async fn heir_to(&self, session: &Session) -> Result<Vec<Heir>, MembersError> {
        if !session.speaks_for_account() {
            return Err(MembersError::Forbidden);
        }
        let mut found = Vec::new();
        for core in parts::of(&self.store, session.account())? {
            if parts::has_had_heirs(&self.store, &core)? {
                let read =
                    |log: &Log| log.heir_by(session.account()).as_ref().and_then(|heir| Heir::of(core, heir));
                found.extend(self.cores.with_log(&core, read).await?);
            }
        }
        Ok(found)
    }

    /// Drafts the claim of a core by its heir, for the session's account to sign: the one that begins the wait, or the
    /// one that ends it. It follows what the heir has made itself, so that it tells nothing of the core.
    pub(super) async fn draft_claim(
        &self,
        session: &Session,
        core: &CoreId,
    ) -> Result<Vec<Drafted>, MembersError> {
        let (account, now_ms) = (session.account().clone(), self.clock.now_ms());
        let claim = |log: &Log| {
            let heir = log.heir_by(&account).ok_or(MembersError::NotFound)?;
            match heir.due_ms() {
                _ if heir.is_over => Err(MembersError::Inherited),
                Some(due_ms) if now_ms < due_ms => Err(MembersError::Waits { due_ms }),
                _ => Ok(vec![draft(log, &account, heir.claim(), Some(heir.grant.id), now_ms)?]),
            }
        };
        self.cores.with_log(core, claim).await?
    }
}

/// Names an heir; whoever is one already waits anew.
pub(super) fn name(log: &Log, account: &Account, wait_ms: u64) -> Result<Vec<Act>, MembersError> {
    if !log.genesis().is_private() {
        return Err(MembersError::NotPrivate);
    }
    if log.root().contains(account) {
        return Err(MembersError::OwnHeir);
    }
    if !(HEIR_WAIT_MS_MIN..=HEIR_WAIT_MS_MAX).contains(&wait_ms) {
        return Err(MembersError::HeirWait);
    }
    let mut acts = revocations(log, |heir| heir.grant.to.contains(account));
    acts.push(Act::Grant {
        to: Principal::One(account.clone()),
        role: Some(HEIR.name.to_owned()),
        can: HEIR.abilities(),
        wait_ms: Some(wait_ms),
    });
    Ok(acts)
}

/// Takes back what one heir was named to, or all that is claimed now.
pub(super) fn refuse(log: &Log, account: Option<&Account>) -> Result<Vec<Act>, MembersError> {
    let acts = revocations(log, |heir| match account {
        Some(account) => heir.grant.to.contains(account),
        None => heir.claimed.is_some(),
    });
    match (acts.is_empty(), account) {
        (false, _) => Ok(acts),
        (true, Some(account)) => Err(MembersError::NoHeir(account.to_string())),
        (true, None) => Err(MembersError::NoClaim),
    }
}

fn revocations(log: &Log, wanted: impl Fn(&HeirView<'_>) -> bool) -> Vec<Act> {
    let heirs = log.heirs().into_iter().filter(|heir| wanted(heir));
    heirs.map(|heir| Act::Revoke { grant: heir.grant.id, from: None }).collect()
}
