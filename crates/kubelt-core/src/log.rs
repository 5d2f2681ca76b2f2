//! The log of one core: which operations count.
//!
//! # Words
//! *past(op)* is everything that `op` follows through `prev`, however far. *chain(op)* is the grant it acts
//! by, the grant that one was made by, and so on up to a root authority. A *root authority* is the genesis
//! or a rotation.
//!
//! # Well-formed: decided by an operation and its past alone
//! * It is dated later than each `prev`. Only what acts by the genesis may follow nothing, so that two nodes
//!   can begin one private core apart from each other.
//! * `auth` is the genesis or a grant or rotation in its past, given to a principal that contains `by`, and
//!   allows the act; the root may everything. The login is `by`'s, allows the act and is in date.
//! * `grant` needs the ability `grant` and every ability handed on, and lies [`GRANT_DEPTH_MAX`] deep at
//!   most. `revoke` of T needs the ability `revoke` and an authority strictly above T, or T itself
//!   (*resignation*, which needs no ability). A root authority is above every grant, those of the roots
//!   before it included. `seal` needs the ability, and the root where it carries a state. `rotate` needs the
//!   root of a shared core. `vote` and `logout` need only that the authority was given to `by`.
//! * Under a threshold, m distinct accounts: the maker and the unexpired, approving votes it cites on this
//!   very proposal by the same authority. Votes that sessions signed count for content only. A cited vote was cast on
//!   the words that the operation's body makes ([`crate::words`]); without the body, which only a `put` may lack, this
//!   cannot be told, and need not: what has no body changes no path.
//! * Under a threshold, everybody may `put` and clear requests of their own ([`crate::schema::Request`]), alone and
//!   whatever the authority allows. They cite no votes.
//! * A `revoke` that names the grant's holder names the true one.
//! * A private core knows one kind of grant: the root's to an heir, with a wait. In a user core only its user
//!   makes grants.
//! * Under a grant with a wait W, anything but a claim, a logout or a resignation needs in its past two
//!   claims of that grant, one in the other's past, dated W apart. A claim says truly how long the wait is and who made
//!   the grant.
//!
//! # Effective: a function of the set of operations
//! 1. Every grant in the chain and every vote counted is effective. (The m accounts are counted again over
//!    effective votes.)
//! 2. No effective revocation R of a grant in the chain, unless the operation lies in past(R). A resignation
//!    is spared by other resignations of the same grant, or two of them would chase each other; not by other
//!    revocations, or a removed member could void what others did with one backdated resignation.
//! 3. Of the rotations of one root authority the least (`at`, id) is effective, and what acts *directly* by
//!    the replaced authority must lie in its past; grants made before stay. Nothing better exists without
//!    consensus: two rotations that do not know each other are symmetric, so that a choice must look at
//!    something their makers control, and preferring the later one would let every replaced root come
//!    back at any time. Preferring the earlier one lets it come back only by a fork from before its
//!    replacement, which everybody sees as one.
//! 4. No logout of its login by the login's account, unless the operation lies in the logout's past. Logouts
//!    always stand.
//! 5. Once a seal is dated later than the login's expiry and [`LOGIN_GRACE_MS`], the operation lies in the
//!    past of the first such seal. In private and user cores the root's sign-in is a seal in passing of the
//!    heads it names, once they are all known; in shared cores it is not, because a root that was replaced
//!    could go on signing in.
//! 6. Votes pay once: of the otherwise effective `put`s or `seal`s of one proposal under a threshold, only the least
//!    (`at`, id). Grants of one proposal are one grant to revocations: a revocation of one hits all. (Were
//!    only the least to count, any one proposer could void all that was done under a grant with a backdated
//!    copy of it.) Copies of a revocation hit what it hit, and of rotations only one counts by rule 3.
//! 7. A claim is void when the first seal of the root dated later than it by [`LOGIN_GRACE_MS`] does not know it: who
//!    waits cannot date the wait back behind a sign of life of the root. The two claims that end a wait must be
//!    effective.
//!
//! # Why it ends, and what it costs
//! A revocation of T is made from above T, or by T as a resignation, so that rule 2 asks only about operations
//! nearer the root, or about resignations, which do not ask about each other. Rotations ask only about
//! rotations, and authority never asks about sessions or content.
//!
//! A new operation lies in nobody's past, so that an ordinary one is judged by what is known about its chain
//! alone, whatever the size of the log. One that may void others ([`Log::insert`]) costs one pass over the log, unless it follows
//! everything known: then it voids nothing.
//!
//! [`GRANT_DEPTH_MAX`]: crate::limits::GRANT_DEPTH_MAX
//! [`LOGIN_GRACE_MS`]: crate::limits::LOGIN_GRACE_MS

mod alone;
#[allow(clippy::indexing_slicing, reason = "indices are handed out by the graph and never leave the log")]
mod authority;
mod draft;
#[allow(clippy::indexing_slicing, reason = "indices are handed out by the graph and never leave the log")]
mod effective;
mod entry;
#[allow(clippy::indexing_slicing, reason = "indices are handed out by the graph and never leave the log")]
mod graph;
mod heirs;
mod newcomer;
#[allow(clippy::indexing_slicing, reason = "indices are handed out by the graph and never leave the log")]
mod past;
#[allow(clippy::indexing_slicing, reason = "indices are handed out by the graph and never leave the log")]
mod quorum;
mod rules;
#[allow(clippy::indexing_slicing, reason = "indices are handed out by the graph and never leave the log")]
mod sweep;
mod view;
#[allow(clippy::indexing_slicing, reason = "indices are handed out by the graph and never leave the log")]
mod votes;
mod waiting;

pub use alone::check_alone;
pub use draft::{DraftError, Intent};
pub use entry::{Entry, EntryError, LoginFacts};
pub use heirs::HeirView;
pub use rules::{HEIR_ROLE, Refusal};
pub use view::GrantView;
pub use votes::VoteView;
pub use waiting::Waiting;

use crate::{
    ability::Verb,
    account::Principal,
    genesis::Genesis,
    id::{CoreId, OpId},
    limits::CLOCK_AHEAD_MS_MAX,
    log::{
        authority::{Deed, Tables},
        effective::{Status, evaluate},
        graph::{Graph, Ix, NewNode},
        rules::Placed,
    },
};
use std::collections::HashSet;

/// The operations of one core, in memory without their content.
#[derive(Debug)]
pub struct Log {
    genesis: Genesis,
    founder: Principal,
    core: CoreId,
    graph: Graph,
    tables: Tables,
    status: Status,
    /// Heads that sign-ins name and that are not here yet.
    awaited: HashSet<OpId>,
}

/// What taking an operation in changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inserted {
    /// Whether it was not here before.
    pub fresh: bool,
    /// Whether it counts.
    pub effective: bool,
    /// Other operations whose standing changed, and whether they count now.
    pub changes: Vec<(OpId, bool)>,
}

/// What taking many operations in changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// What became of each, in the order given.
    pub results: Vec<Result<(), Refusal>>,
    /// Operations that were here before and whose standing changed, and whether they count now.
    pub changes: Vec<(OpId, bool)>,
}

impl Log {
    /// The empty log of a core.
    pub fn new(genesis: Genesis) -> Self {
        Self {
            founder: genesis.root(),
            core: genesis.id(),
            genesis,
            graph: Graph::default(),
            tables: Tables::default(),
            status: Status { root: graph::NONE, ..Status::default() },
            awaited: HashSet::new(),
        }
    }

    /// The log of operations that were taken in before, each after everything it follows; the order of
    /// (`at`, id) is one such. They are judged once, at the end.
    ///
    /// # Errors
    /// The id of the first operation that is not well-formed, and why.
    pub fn load(genesis: Genesis, entries: impl IntoIterator<Item = Entry>) -> Result<Self, (OpId, Refusal)> {
        let mut log = Self::new(genesis);
        for entry in entries {
            if !log.contains(&entry.id()) {
                let placed = log.examine(&entry).map_err(|refusal| (entry.id(), refusal))?;
                log.push(&entry, placed);
            }
        }
        log.evaluate_all();
        Ok(log)
    }

    /// Whether an operation is well-formed and everything it follows is here.
    ///
    /// # Errors
    /// [`Refusal`] says which rule it breaks; [`Refusal::UnknownPrev`] that it must wait.
    pub fn check(&self, entry: &Entry) -> Result<(), Refusal> {
        self.examine(entry).map(drop)
    }

    /// Takes an operation in and judges it, and what it changes, at `now_ms` milliseconds since the Unix epoch. An
    /// operation that is here already changes nothing.
    ///
    /// # Errors
    /// As [`Log::check`], and [`Refusal::Ahead`] when it must be held.
    pub fn insert(&mut self, entry: &Entry, now_ms: u64) -> Result<Inserted, Refusal> {
        if let Some(ix) = self.graph.find(&entry.id()) {
            let effective = self.graph.node(ix).effective;
            return Ok(Inserted { fresh: false, effective, changes: Vec::new() });
        }
        let placed = self.examine(entry)?;
        check_clock(entry, now_ms)?;
        let covers = self.graph.covered_by(&placed.prev);
        let sign_in = self.sign_in_reach(entry);
        let awaited = self.awaited.contains(&entry.id());
        let ix = self.push(entry, placed);
        if !awaited
            && !sign_in
            && let Some(effective) = self.judge_newcomer(ix, entry, covers)
        {
            return Ok(Inserted { fresh: true, effective, changes: Vec::new() });
        }
        let mut changes = self.evaluate_all();
        changes.retain(|(id, _)| *id != entry.id());
        Ok(Inserted { fresh: true, effective: self.graph.node(ix).effective, changes })
    }

    /// Takes many operations in, each after everything it follows, and judges once at the end.
    pub fn insert_many<'a>(&mut self, entries: impl IntoIterator<Item = &'a Entry>, now_ms: u64) -> Batch {
        let before = self.graph.len();
        let mut results = Vec::new();
        for entry in entries {
            let known = self.contains(&entry.id());
            let placed = if known { Ok(None) } else { self.examine(entry).map(Some) };
            results.push(placed.and_then(|placed| {
                if let Some(placed) = placed {
                    check_clock(entry, now_ms)?;
                    self.push(entry, placed);
                }
                Ok(())
            }));
        }
        let mut changes = self.evaluate_all();
        changes.retain(|(id, _)| self.graph.find(id).is_some_and(|ix| (ix as usize) < before));
        Batch { results, changes }
    }

    fn push(&mut self, entry: &Entry, placed: Placed) -> Ix {
        let header = entry.header();
        let by = self.tables.intern(&header.by);
        let (login, new_login) = self.tables.enlist(entry.login());
        if new_login {
            self.enter_sign_in(login);
        }
        self.awaited.remove(&entry.id());
        let seq = if header.verb == Verb::Put { graph::NONE } else { self.tables.next_seq() };
        let deed = entry.body().and_then(|body| {
            let is_grant = header.verb == Verb::Grant;
            let twin = if is_grant { self.tables.twin(header.proposal(), seq) } else { seq };
            let depth = self.depth(placed.auth) + 1;
            authority::deed(&body.act, depth, twin, |id| self.graph.find(id))
        });
        let ix = self.graph.push(NewNode {
            id: entry.id(),
            at: header.at,
            prev: placed.prev,
            past: placed.past,
            auth: placed.auth,
            by,
            login,
            seq,
            verb: header.verb,
        });
        if let Some(deed) = deed {
            self.tables.record(ix, by, placed.auth, deed);
        }
        if let Some(votes) = placed.votes {
            match header.verb {
                Verb::Put => self.tables.paid.entry(header.proposal()).or_default().push((ix, votes)),
                Verb::Seal => drop(self.tables.proposals.insert(ix, header.proposal())),
                _ => {}
            }
        }
        self.enter_claim(ix);
        ix
    }

    /// Files a claim, for the local rule of the wait.
    fn enter_claim(&mut self, ix: Ix) {
        let auth = self.graph.node(ix).auth;
        if !matches!(self.tables.deed(self.seq(ix)), Some(Deed::Claim)) {
            return;
        }
        let Some(wait_ms) = self.tables.grant(self.seq(auth)).and_then(|grant| grant.wait_ms) else { return };
        let earlier = self.tables.claims.get(&auth).map_or(&[][..], |claims| &claims.all);
        let ripe = self.ripe(earlier.iter().copied(), ix, wait_ms);
        let claims = self.tables.claims.entry(auth).or_default();
        claims.all.push(ix);
        if ripe {
            claims.ripe.push(ix);
        }
    }

    /// Judges everything anew; gives what changed.
    fn evaluate_all(&mut self) -> Vec<(OpId, bool)> {
        let (effective, status) = evaluate(self);
        self.status = status;
        let mut changes = Vec::new();
        for (ix, effective) in (0..).zip(effective) {
            let node = self.graph.node_mut(ix);
            if node.effective != effective {
                node.effective = effective;
                changes.push((node.id, effective));
            }
        }
        changes
    }
}

fn check_clock(entry: &Entry, now_ms: u64) -> Result<(), Refusal> {
    let until_ms = entry.header().at.ms().saturating_sub(CLOCK_AHEAD_MS_MAX);
    if until_ms > now_ms { Err(Refusal::Ahead { until_ms }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
