//! What was voted, and by which authority something is to be done.

use crate::{
    account::{Account, Principal},
    hlc::Hlc,
    id::{BodyId, OpId},
    log::{
        Log,
        authority::Deed,
        graph::{Ix, NONE},
    },
    op::Act,
};

/// A vote that counts, as far as the log can tell: it was not cut off. Whether it is on the words of its proposal, and for
/// how long, whoever has the proposal must see.
#[derive(Clone, Copy, Debug)]
pub struct VoteView<'a> {
    /// The operation.
    pub id: OpId,
    /// Who voted.
    pub by: &'a Account,
    /// By which authority: that of the proposal.
    pub auth: OpId,
    /// On what.
    pub proposal: BodyId,
    /// Yes or no.
    pub approve: bool,
    /// The hash of the words that were shown.
    pub shown: [u8; 32],
    /// Until when it may be cited.
    pub expires: Hlc,
    /// Whether a session cast it: then it decides content only.
    pub by_session: bool,
}

impl Log {
    /// Every effective vote, in the order they came.
    pub fn votes(&self) -> impl Iterator<Item = VoteView<'_>> {
        self.tables.deeds().iter().filter_map(|(ix, deed)| {
            let node = self.graph.node(*ix);
            let Deed::Vote { proposal, approve, shown, expires } = deed else { return None };
            node.effective.then(|| VoteView {
                id: node.id,
                by: self.tables.account(node.by),
                auth: self.authority_id(node.auth),
                proposal: *proposal,
                approve: *approve,
                shown: *shown,
                expires: *expires,
                by_session: node.login != NONE,
            })
        })
    }

    /// By which authority `by` would do this now: the root, or the grant with the fewest signers and the shortest chain.
    pub fn authority_for(&self, by: &Account, act: &Act) -> Option<OpId> {
        self.auth_for(by, act)
    }

    /// Who acts by an authority: the genesis, a rotation or a grant; `None` where it is none of these, or is not here.
    pub fn holder_by(&self, auth: &OpId) -> Option<&Principal> {
        let ix: Option<Ix> = if *auth == self.core.as_root() { Some(NONE) } else { self.graph.find(auth) };
        ix.and_then(|ix| self.holder(ix))
    }
}
