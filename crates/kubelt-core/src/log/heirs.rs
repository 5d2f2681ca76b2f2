//! Grants that count only after a wait: whose, since when they are claimed, and when they are due.

use crate::{
    account::Account,
    hlc::Hlc,
    id::OpId,
    log::{GrantView, Log, graph::Ix},
    op::Act,
};

/// A grant in force with a wait, and how far its holder is.
#[derive(Clone, Copy, Debug)]
pub struct HeirView<'a> {
    /// The grant.
    pub grant: GrantView<'a>,
    /// Its wait, in milliseconds.
    pub wait_ms: u64,
    /// The date of the first claim that counts. It is the holder's own word, as far as no seal of the root speaks against
    /// it.
    pub claimed: Option<Hlc>,
    /// Whether the wait is over, and was ended by a second claim.
    pub is_over: bool,
}

impl HeirView<'_> {
    /// When the wait can be ended, in milliseconds since the Unix epoch; none before it began.
    pub fn due_ms(&self) -> Option<u64> {
        self.claimed.map(|claimed| claimed.ms().saturating_add(self.wait_ms))
    }

    /// What the holder signs, to begin the wait and to end it.
    pub fn claim(&self) -> Act {
        Act::Claim { of: self.grant.by.clone(), wait_ms: self.wait_ms }
    }
}

impl Log {
    /// The grants in force that have a wait, whether it is over or not; the oldest first.
    pub fn heirs(&self) -> Vec<HeirView<'_>> {
        let mut heirs: Vec<_> = self.grants().filter_map(|grant| self.heir(grant)).collect();
        heirs.sort_by_key(|heir| (heir.grant.at, heir.grant.id));
        heirs
    }

    /// What `account` is heir to here by a grant of its own; the earliest to open first.
    pub fn heir_by(&self, account: &Account) -> Option<HeirView<'_>> {
        let heirs = self.grants_to(account).filter(|grant| grant.to.m() == 1);
        let rank = |heir: &HeirView<'_>| {
            (!heir.is_over, heir.due_ms().unwrap_or(u64::MAX), heir.wait_ms, heir.grant.id)
        };
        heirs.filter_map(|grant| self.heir(grant)).min_by_key(rank)
    }

    /// Whether a grant gives nothing yet, because its wait is not over.
    pub fn is_waiting_for(&self, grant: &OpId) -> bool {
        self.graph.find(grant).is_some_and(|grant| self.is_waiting(grant))
    }

    fn heir<'a>(&self, grant: GrantView<'a>) -> Option<HeirView<'a>> {
        let wait_ms = grant.wait_ms?;
        let ix = self.graph.find(&grant.id)?;
        let claimed = self.first_claim(ix).map(|claim| self.graph.node(claim).at);
        Some(HeirView { grant, wait_ms, claimed, is_over: self.status.ripe.contains_key(&ix) })
    }

    /// Whether a grant has a wait that is not over.
    pub(super) fn is_waiting(&self, grant: Ix) -> bool {
        let waits = self.tables.grant(self.seq(grant)).is_some_and(|grant| grant.wait_ms.is_some());
        waits && !self.status.ripe.contains_key(&grant)
    }

    /// What a claim of a grant follows: the first claim, or the grant. Nothing else is known to who waits.
    pub(super) fn known_to_claim(&self, auth: &OpId) -> OpId {
        let first = self.graph.find(auth).and_then(|grant| self.first_claim(grant));
        first.map_or(*auth, |claim| self.graph.node(claim).id)
    }

    fn first_claim(&self, grant: Ix) -> Option<Ix> {
        let claims = self.status.claims.get(&grant)?;
        let rank = |claim: &Ix| {
            let node = self.graph.node(*claim);
            (node.at, node.id)
        };
        claims.iter().copied().min_by_key(rank)
    }
}
