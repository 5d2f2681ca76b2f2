//! Making operations: which authority to name, what to follow, what date to carry.

use crate::{
    ability::Verb,
    account::Account,
    genesis::VERSION,
    hlc::Hlc,
    id::OpId,
    limits::{NONCE_BYTES, PREV_MAX},
    log::{
        Log,
        entry::{Entry, EntryError, LoginFacts},
        graph::Ix,
        rules::{Powers, Refusal},
    },
    op::{Act, Body, Header},
    path::MapPath,
};
use std::sync::Arc;

/// What somebody wants to do.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Who.
    pub by: Account,
    /// By which session; `None` where the account itself signs.
    pub login: Option<Arc<LoginFacts>>,
    /// What.
    pub act: Act,
    /// By which authority; `None` to take the best there is. A vote names the authority of the proposal.
    pub auth: Option<OpId>,
    /// Votes to cite.
    pub votes: Vec<OpId>,
}

impl Intent {
    /// An act by the best authority there is, with no votes.
    pub const fn new(by: Account, login: Option<Arc<LoginFacts>>, act: Act) -> Self {
        Self { by, login, act, auth: None, votes: Vec::new() }
    }
}

/// Why no operation can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// Nothing in force allows it.
    #[error("`{by}` may not `{verb}` here; ask who may to grant it")]
    NoAuthority {
        /// Who wants to.
        by: Account,
        /// What.
        verb: Verb,
    },
    /// The sign-in was ended, or a seal has closed it.
    #[error("the sign-in is over; sign in again")]
    SessionOver,
    /// The log is dated at the end of time.
    #[error("no later date exists in this core")]
    NoLaterDate,
    /// The act is too large or not well-formed.
    #[error("the act is not well-formed")]
    Act(#[from] EntryError),
    /// The operation would not be well-formed.
    #[error("the operation would be refused")]
    Refused(#[from] Refusal),
}

impl Log {
    /// The authority by which `account` may do this now: the root, or the grant with the fewest signers and
    /// the shortest chain. Without a path, for acts that have none.
    pub fn may(&self, account: &Account, verb: Verb, path: Option<&MapPath>) -> Option<OpId> {
        let allows = |_, powers: Powers<'_>| match verb {
            Verb::Rotate => matches!(powers, Powers::Root),
            Verb::Vote | Verb::Logout => true,
            _ => powers.allow(verb, path),
        };
        let waits = !matches!(verb, Verb::Logout | Verb::Revoke);
        self.best(account, waits, allows).map(|auth| self.authority_id(auth))
    }

    /// Makes the operation that `intent` asks for, to be signed, at `now_ms` milliseconds since the Unix epoch,
    /// after all that is known (where there are more heads than [`PREV_MAX`], after those that it needs and the
    /// latest of the others).
    ///
    /// # Errors
    /// [`DraftError`] says what is lacking.
    pub fn draft(
        &self,
        intent: Intent,
        salt: [u8; NONCE_BYTES],
        now_ms: u64,
    ) -> Result<(Header, Body), DraftError> {
        let Intent { by, login, mut act, auth, votes } = intent;
        self.complete(&mut act);
        let verb = act.verb();
        let auth = match auth {
            Some(auth) => auth,
            None => {
                self.auth_for(&by, &act).ok_or_else(|| DraftError::NoAuthority { by: by.clone(), verb })?
            }
        };
        if let (Some(login), Some(account)) = (&login, self.tables.account_ix(&by))
            && !self.is_session_open(login, account)
        {
            return Err(DraftError::SessionOver);
        }
        let mut needed: Vec<OpId> = votes.clone();
        needed.push(auth);
        if let Act::Revoke { grant, .. } = &act {
            needed.push(*grant);
        }
        let (prev, at) = match &act {
            // Who waits does not see what happens in the core, and its heads would tell.
            Act::Claim { .. } => {
                let prev = self.known_to_claim(&auth);
                (vec![prev], Hlc::next(self.date(&prev), now_ms))
            }
            _ => (self.prev_for(&needed), self.next_at(now_ms)),
        };
        let at = at.filter(|at| *at < Hlc::MAX).ok_or(DraftError::NoLaterDate)?;
        let body = Body::new(salt, act);
        let mut votes = votes;
        votes.sort_unstable();
        votes.dedup();
        let header = Header {
            v: VERSION,
            core: self.core,
            prev,
            by,
            login: login.as_ref().map(|login| login.id),
            auth,
            at,
            votes,
            verb,
            body: body.id(),
        };
        let entry = Entry::new(header.clone(), Some(body.clone()), login)?;
        self.check(&entry)?;
        Ok((header, body))
    }

    /// Puts an act into its canonical form, and says whom a grant that is taken back was given to.
    pub fn complete(&self, act: &mut Act) {
        match act {
            Act::Grant { can, .. } => {
                can.sort_unstable();
                can.dedup();
            }
            Act::Revoke { grant, from: from @ None } => {
                *from = self.graph.find(grant).and_then(|grant| self.holder_of(grant));
            }
            _ => {}
        }
    }

    /// The authority for one act.
    pub(super) fn auth_for(&self, by: &Account, act: &Act) -> Option<OpId> {
        let fits = |auth: Ix, powers: Powers<'_>| match act {
            Act::Put { path, .. } => powers.allow(Verb::Put, Some(path)),
            Act::Grant { can, .. } => {
                powers.allow(Verb::Grant, None) && can.iter().all(|ability| powers.cover(ability))
            }
            Act::Revoke { grant, .. } => {
                let Some(target) = self.graph.find(grant) else { return false };
                let above = || self.chain(self.graph.node(target).auth).any(|(ix, _)| ix == auth);
                let may = |verb| powers.allow(verb, None);
                matches!(powers, Powers::Root) || self.twins(target, auth) || (may(Verb::Revoke) && above())
            }
            Act::Rotate { .. } | Act::Seal { state: Some(_) } => matches!(powers, Powers::Root),
            Act::Seal { state: None } => powers.allow(Verb::Seal, None),
            Act::Claim { .. } => powers.waits(),
            Act::Vote { .. } | Act::Logout { .. } => true,
        };
        let waits = !matches!(act, Act::Claim { .. } | Act::Logout { .. } | Act::Revoke { .. });
        self.best(by, waits, fits).map(|auth| self.authority_id(auth))
    }

    /// The best authority that fits; where it `waits`, a grant with a wait only once that is over.
    fn best(&self, account: &Account, waits: bool, fits: impl Fn(Ix, Powers<'_>) -> bool) -> Option<Ix> {
        if self.root().contains(account) && fits(self.status.root, Powers::Root) {
            return Some(self.status.root);
        }
        let held = self.tables.held.get(&self.tables.account_ix(account)?)?;
        let usable = |ix: &&Ix| {
            let waited = !waits || !self.is_waiting(**ix);
            let fits = |powers| fits(**ix, powers);
            self.is_open(**ix) && waited && self.powers(**ix).is_some_and(fits)
        };
        let rank = |ix: &&Ix| {
            let node = self.graph.node(**ix);
            let signers = self.holder(**ix).map_or(usize::MAX, crate::account::Principal::m);
            (signers, self.depth(**ix), node.at, node.id)
        };
        held.iter().filter(usable).min_by_key(rank).copied()
    }

    /// The heads to follow, so that `needed` lies in the past.
    fn prev_for(&self, needed: &[OpId]) -> Vec<OpId> {
        let heads: Vec<Ix> = self.graph.heads().rev().collect();
        let mut prev: Vec<Ix> = Vec::with_capacity(PREV_MAX);
        if heads.len() > PREV_MAX {
            for ix in needed.iter().filter_map(|id| self.graph.find(id)) {
                let knows = |head: &&Ix| self.graph.node(**head).after.contains(self.seq(ix));
                prev.extend(heads.iter().find(knows));
            }
            prev.sort_unstable();
            prev.dedup();
        }
        for head in heads {
            if prev.len() < PREV_MAX && !prev.contains(&head) {
                prev.push(head);
            }
        }
        let mut prev: Vec<OpId> = prev.into_iter().map(|ix| self.graph.node(ix).id).collect();
        prev.sort_unstable();
        prev
    }
}

impl Powers<'_> {
    fn waits(self) -> bool {
        match self {
            Self::Root => false,
            Self::Grant(grant) => grant.wait_ms.is_some(),
        }
    }
}
