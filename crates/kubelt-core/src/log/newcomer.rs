//! The quick way: judging an operation that nothing follows yet by what is known of its chain.

use crate::{
    ability::Verb,
    genesis::Genesis,
    hlc::Hlc,
    log::{
        Log,
        authority::Deed,
        entry::{Entry, LoginFacts},
        graph::{Ix, NONE},
    },
};

impl Log {
    /// Whether `ix`, just added, counts; `None` where it may change the standing of others, so that everything must
    /// be judged anew. `covers` says that it follows everything known.
    pub(super) fn judge_newcomer(&mut self, ix: Ix, entry: &Entry, covers: bool) -> Option<bool> {
        let node = self.graph.node(ix);
        let (verb, auth) = (node.verb, node.auth);
        let resigns = self.resigns(entry.body().map(|body| &body.act), auth);
        let open = self.is_open(auth);
        if self.may_be_paid_twice(ix, entry) || (verb == Verb::Rotate && !covers) || (resigns && !open) {
            return None;
        }
        let effective = verb == Verb::Logout || (open && self.is_new_work_good(ix, entry, resigns));
        let cuts = matches!(verb, Verb::Revoke | Verb::Logout | Verb::Seal) && !self.claims(ix);
        // A seal that follows everything is dated after every seal, sign-ins included: it follows the operations
        // that brought them.
        if effective && cuts && !covers {
            return None;
        }
        self.graph.node_mut(ix).effective = effective;
        if effective {
            self.take_newcomer(ix);
        }
        Some(effective)
    }

    /// Whether new work by `auth` can count: nothing cut it off yet.
    pub(super) fn is_open(&self, auth: Ix) -> bool {
        let standing = auth == NONE || self.graph.node(auth).effective;
        let is_grant = self.tables.grant(self.seq(auth)).is_some();
        let uncut =
            |(_, grant): (Ix, &super::authority::Grant)| !self.status.revoked.contains_key(&grant.twin);
        standing && if is_grant { self.chain(auth).all(uncut) } else { auth == self.status.root }
    }

    /// Whether a session can still do new work.
    pub(super) fn is_session_open(&self, login: &LoginFacts, by: u32) -> bool {
        let ended = self.tables.logouts.contains_key(&(login.id, by));
        !ended && self.status.first_seal(login.expires_ms, |_| true).is_none()
    }

    /// Whether what this operation says of its login may change the standing of others.
    pub(super) fn sign_in_reach(&self, entry: &Entry) -> bool {
        let Some(login) = entry.login() else { return false };
        if self.tables.knows_login(&login.id) || !self.is_sign_in_seal(login) {
            return false;
        }
        let heads: Option<Vec<Ix>> = login.heads.iter().map(|head| self.graph.find(head)).collect();
        let Some(heads) = heads else { return false };
        let at = Hlc::from_ms(login.issued_ms);
        let latest = self.status.seals.last().is_none_or(|seal| seal.at < at);
        !(latest && self.graph.covered_by(&heads))
    }

    /// Files a login that was not known before; if it names heads that are known, it is a seal.
    pub(super) fn enter_sign_in(&mut self, login: u32) {
        let Some(facts) = self.tables.logins().get(login as usize).cloned() else { return };
        if !self.is_sign_in_seal(&facts) {
            return;
        }
        self.tables.sign_ins.push(login);
        let unknown = facts.heads.iter().filter(|head| self.graph.find(head).is_none());
        self.awaited.extend(unknown);
        if let Some(seal) = self.sign_in_seal(login) {
            self.status.add_seal(seal);
        }
    }

    fn is_sign_in_seal(&self, login: &LoginFacts) -> bool {
        let alone = !matches!(self.genesis, Genesis::Shared { .. });
        alone && !login.heads.is_empty() && self.founder.contains(&login.account)
    }

    fn is_new_work_good(&self, ix: Ix, entry: &Entry, resigns: bool) -> bool {
        let node = self.graph.node(ix);
        if let Some(login) = self.tables.login(node.login)
            && !self.is_session_open(login, node.by)
        {
            return false;
        }
        let waits = self.tables.grant(self.seq(node.auth)).is_some_and(|grant| grant.wait_ms.is_some());
        let waited = if !waits || resigns {
            true
        } else if self.claims(ix) {
            self.is_timely(ix, &self.status)
        } else {
            self.is_ripe(ix, &self.status)
        };
        waited && self.is_paid(ix, entry)
    }

    /// Whether an operation is a claim. It is in nobody's past yet, and cuts nothing off.
    fn claims(&self, ix: Ix) -> bool {
        matches!(self.tables.deed(self.graph.node(ix).seq), Some(Deed::Claim))
    }

    /// Whether another operation may have used up the same votes.
    fn may_be_paid_twice(&self, ix: Ix, entry: &Entry) -> bool {
        match entry.header().verb {
            Verb::Put if self.has_threshold(ix) => {
                self.tables.paid.get(&entry.header().proposal()).is_some_and(|all| all.len() > 1)
            }
            Verb::Seal => self.tables.proposals.contains_key(&ix),
            _ => false,
        }
    }

    /// Whether the votes that content needs all count.
    fn is_paid(&self, ix: Ix, entry: &Entry) -> bool {
        if entry.header().verb != Verb::Put || !self.has_threshold(ix) {
            return true;
        }
        let paid = self.tables.paid.get(&entry.header().proposal());
        let own = paid.and_then(|all| all.iter().find(|(op, _)| *op == ix));
        // What is not among them needs none, or lacks its body.
        own.is_none_or(|(_, votes)| {
            let counts = |vote: &Ix| self.graph.node(*vote).effective;
            self.has_quorum(ix, votes.iter().copied().filter(counts))
        })
    }

    fn has_threshold(&self, ix: Ix) -> bool {
        self.holder(self.graph.node(ix).auth).is_some_and(|to| to.m() > 1)
    }

    fn take_newcomer(&mut self, ix: Ix) {
        let node = self.graph.node(ix);
        match self.tables.deed(node.seq) {
            Some(Deed::Revoke { grant }) => {
                if let Some(grant) = self.tables.grant(self.seq(*grant)) {
                    self.status.revoked.entry(grant.twin).or_default().push(ix);
                }
            }
            Some(Deed::Rotate { .. }) => {
                self.status.rotated.insert(node.auth, ix);
                self.status.root = ix;
            }
            Some(Deed::Seal { .. } | Deed::Claim) => {
                let mut status = std::mem::take(&mut self.status);
                match self.claims(ix) {
                    true => self.count_claim(ix, &mut status),
                    false => self.enter_seal(ix, &mut status),
                }
                self.status = status;
            }
            _ => {}
        }
    }
}
