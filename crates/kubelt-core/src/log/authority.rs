//! Side tables: what the bodies of authority operations say, kept in memory for as long as the log is.

use std::{collections::HashMap, sync::Arc};

use crate::{
    ability::Ability,
    account::{Account, Principal},
    hlc::Hlc,
    id::{BodyId, LoginId, OpId},
    log::{
        entry::LoginFacts,
        graph::{Ix, NONE, index},
    },
    op::Act,
};

/// A grant as the log keeps it.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) to: Principal,
    pub(super) role: Option<String>,
    pub(super) can: Vec<Ability>,
    pub(super) wait_ms: Option<u64>,
    /// Grants between it and the root, itself included.
    pub(super) depth: usize,
    /// The number of the first grant with the same proposal: what a revocation of either hits.
    pub(super) twin: u32,
}

/// What an authority operation does.
#[derive(Debug)]
pub(super) enum Deed {
    Grant(Grant),
    Revoke { grant: Ix },
    Rotate { root: Principal },
    Logout { login: LoginId },
    Vote { proposal: BodyId, approve: bool, shown: [u8; 32], expires: Hlc },
    Seal { state: Option<BodyId> },
    Claim,
}

/// The claims of a grant that must wait, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) all: Vec<Ix>,
    /// Those that follow another by the wait.
    pub(super) ripe: Vec<Ix>,
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By number: the node and what it does.
    deeds: Vec<(Ix, Deed)>,
    accounts: Vec<Account>,
    account_index: HashMap<Account, u32>,
    logins: Vec<Arc<LoginFacts>>,
    login_index: HashMap<LoginId, u32>,
    twins: HashMap<BodyId, u32>,
    /// Each `put` under a threshold with the votes it counts, by the proposal that it consumes.
    pub(super) paid: HashMap<BodyId, Vec<(Ix, Vec<Ix>)>>,
    /// The proposal of each seal under a threshold.
    pub(super) proposals: HashMap<Ix, BodyId>,
    /// Rotations by the root authority that they replace.
    pub(super) rotates: HashMap<Ix, Vec<Ix>>,
    /// Logouts by login and signer: only the login's own account ends it.
    pub(super) logouts: HashMap<(LoginId, u32), Vec<Ix>>,
    /// Claims of waiting grants, by grant.
    pub(super) claims: HashMap<Ix, Claims>,
    /// Grants by holder.
    pub(super) held: HashMap<u32, Vec<Ix>>,
    /// Sign-ins that date what they name, by index.
    pub(super) sign_ins: Vec<u32>,
}

impl Tables {
    pub(super) fn deeds(&self) -> &[(Ix, Deed)] {
        &self.deeds
    }

    pub(super) fn deed(&self, seq: u32) -> Option<&Deed> {
        self.deeds.get(seq as usize).map(|(_, deed)| deed)
    }

    pub(super) fn grant(&self, seq: u32) -> Option<&Grant> {
        match self.deed(seq) {
            Some(Deed::Grant(grant)) => Some(grant),
            _ => None,
        }
    }

    pub(super) fn next_seq(&self) -> u32 {
        index(self.deeds.len())
    }

    pub(super) fn account(&self, ix: u32) -> &Account {
        &self.accounts[ix as usize]
    }

    pub(super) fn account_ix(&self, account: &Account) -> Option<u32> {
        self.account_index.get(account).copied()
    }

    pub(super) fn intern(&mut self, account: &Account) -> u32 {
        if let Some(ix) = self.account_ix(account) {
            return ix;
        }
        let ix = index(self.accounts.len());
        self.accounts.push(account.clone());
        self.account_index.insert(account.clone(), ix);
        ix
    }

    pub(super) fn logins(&self) -> &[Arc<LoginFacts>] {
        &self.logins
    }

    pub(super) fn login(&self, ix: u32) -> Option<&LoginFacts> {
        self.logins.get(ix as usize).map(Arc::as_ref)
    }

    pub(super) fn knows_login(&self, id: &LoginId) -> bool {
        self.login_index.contains_key(id)
    }

    /// The index of a login, and whether it is new here.
    pub(super) fn enlist(&mut self, login: Option<&Arc<LoginFacts>>) -> (u32, bool) {
        let Some(login) = login else { return (NONE, false) };
        if let Some(ix) = self.login_index.get(&login.id) {
            return (*ix, false);
        }
        let ix = index(self.logins.len());
        self.logins.push(Arc::clone(login));
        self.login_index.insert(login.id, ix);
        (ix, true)
    }

    /// Files what operation `op` by account `by` does; its number is [`Tables::next_seq`].
    pub(super) fn record(&mut self, op: Ix, by: u32, auth: Ix, deed: Deed) {
        match &deed {
            Deed::Grant(grant) => {
                for account in grant.to.accounts() {
                    let holder = self.intern(account);
                    self.held.entry(holder).or_default().push(op);
                }
            }
            Deed::Rotate { .. } => self.rotates.entry(auth).or_default().push(op),
            Deed::Logout { login } => self.logouts.entry((*login, by)).or_default().push(op),
            Deed::Revoke { .. } | Deed::Vote { .. } | Deed::Seal { .. } | Deed::Claim => {}
        }
        self.deeds.push((op, deed));
    }

    /// The number that stands for all grants of one proposal; `seq` for the first.
    pub(super) fn twin(&mut self, proposal: BodyId, seq: u32) -> u32 {
        *self.twins.entry(proposal).or_insert(seq)
    }
}

/// What an act does, without the grant's place in the tree.
pub(super) fn deed(act: &Act, depth: usize, twin: u32, find: impl Fn(&OpId) -> Option<Ix>) -> Option<Deed> {
    Some(match act {
        Act::Put { .. } => return None,
        Act::Grant { to, role, can, wait_ms } => Deed::Grant(Grant {
            to: to.clone(),
            role: role.clone(),
            can: can.clone(),
            wait_ms: *wait_ms,
            depth,
            twin,
        }),
        Act::Revoke { grant, .. } => Deed::Revoke { grant: find(grant)? },
        Act::Rotate { root } => Deed::Rotate { root: root.clone() },
        Act::Logout { login } => Deed::Logout { login: *login },
        Act::Vote { proposal, approve, shown, expires, .. } => {
            Deed::Vote { proposal: *proposal, approve: *approve, shown: **shown, expires: *expires }
        }
        Act::Seal { state } => Deed::Seal { state: *state },
        Act::Claim { .. } => Deed::Claim,
    })
}
