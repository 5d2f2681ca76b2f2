//! Thresholds: whether as many agree as must, and that they were shown what they agree to.

use std::collections::HashSet;

use crate::{
    ability::Verb,
    account::{Account, Principal},
    log::{
        Log,
        authority::Deed,
        graph::{Ix, NONE},
        past::Past,
        rules::Refusal,
    },
    op::{Act, Body, Header},
    path::MapPath,
    schema::Request,
    words,
};

impl Log {
    /// The votes that count towards the threshold of `to`; `None` where it has none, or the act needs none.
    ///
    /// Without its body, a `put` under a threshold may be a request, which needs none: it is taken in, and changes nothing
    /// until its body is here and judged.
    pub(super) fn check_quorum(
        &self,
        header: &Header,
        body: Option<&Body>,
        to: &Principal,
        auth: Ix,
        past: &Past,
    ) -> Result<Option<Vec<Ix>>, Refusal> {
        let mut cited = Vec::with_capacity(header.votes.len());
        for id in &header.votes {
            let vote = self.graph.find(id).filter(|ix| past.contains(self.graph.node(*ix).seq));
            let is_vote = |ix: &Ix| self.graph.node(*ix).verb == Verb::Vote;
            cited.push(vote.filter(is_vote).ok_or(Refusal::NotAVote(*id))?);
        }
        let need = to.m();
        if need == 1 || matches!(header.verb, Verb::Vote | Verb::Logout) {
            return Ok(None);
        }
        if let Some(Body { act: Act::Put { path, .. }, .. }) = body
            && self.is_request(header, path, auth)
        {
            return match header.votes.is_empty() {
                true => Ok(None),
                false => Err(Refusal::Shape("a request cites no votes".to_owned())),
            };
        }
        let proposal = header.proposal();
        cited.retain(|vote| {
            let node = self.graph.node(*vote);
            let agrees = matches!(self.tables.deed(node.seq), Some(Deed::Vote { proposal: on, approve: true, expires, .. })
                if *on == proposal && *expires > header.at);
            let signed = node.login == NONE || header.verb.session_may();
            agrees && signed && node.auth == auth && to.contains(self.tables.account(node.by))
        });
        if let (Some(body), false) = (body, cited.is_empty()) {
            self.check_words(header, body, &cited)?;
        }
        let have = self.voices(&header.by, cited.iter().copied());
        match (have < need, body) {
            (true, Some(_)) => Err(Refusal::Quorum { have, need }),
            (true, None) => Ok(None),
            (false, _) => Ok(Some(cited)),
        }
    }

    /// What was shown to the voters must be what the operation does.
    fn check_words(&self, header: &Header, body: &Body, votes: &[Ix]) -> Result<(), Refusal> {
        let words = words::shown(&header.by, body).map_err(Refusal::Words)?;
        let other = |vote: &&Ix| {
            let deed = self.tables.deed(self.graph.node(**vote).seq);
            !matches!(deed, Some(Deed::Vote { shown, .. }) if *shown == words)
        };
        votes.iter().find(other).map_or(Ok(()), |vote| Err(Refusal::OtherWords(self.graph.node(*vote).id)))
    }

    /// Whether a `put` asks others for their votes, or takes that back: it is its maker's own, and its authority is one
    /// that several share.
    pub(super) fn is_request(&self, header: &Header, path: &MapPath, auth: Ix) -> bool {
        Request::is_of(path, &header.by) && self.holder(auth).is_some_and(|to| to.m() > 1)
    }

    /// How many distinct accounts speak for an operation: its maker and the voters.
    pub(super) fn voices(&self, by: &Account, votes: impl Iterator<Item = Ix>) -> usize {
        let mut accounts: HashSet<&Account> =
            votes.map(|vote| self.tables.account(self.graph.node(vote).by)).collect();
        accounts.insert(by);
        accounts.len()
    }
}
