//! Effective: which operations count, as a function of the set of operations alone.
//!
//! [`evaluate`] is the specification; what [`super::Log::insert`] does on the quick way must agree with it.
//! It goes down the grant tree: rotations, then authority operations by depth, then what sessions did, then
//! content. Nothing it asks about lies at the same place or below, so it ends on every input.

use std::collections::{HashMap, HashSet};

use crate::{
    ability::Verb,
    hlc::Hlc,
    id::BodyId,
    limits::LOGIN_GRACE_MS,
    log::{
        Log,
        authority::{Deed, Grant},
        graph::{Ix, NONE},
        past::Past,
        sweep,
    },
};

/// What follows from an evaluation, kept to judge the next operation quickly.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// The root authority now: the genesis ([`NONE`]) or a rotation.
    pub(super) root: Ix,
    /// Root authorities that were replaced, and by what.
    pub(super) rotated: HashMap<Ix, Ix>,
    /// Effective revocations by the (first twin's) number of the grant they hit.
    pub(super) revoked: HashMap<u32, Vec<Ix>>,
    /// Everything that closes expired sign-ins, by date.
    pub(super) seals: Vec<Seal>,
    /// Effective claims of a waiting grant, by grant.
    pub(super) claims: HashMap<Ix, Vec<Ix>>,
    /// Those of them that end the wait, by grant.
    pub(super) ripe: HashMap<Ix, Vec<Ix>>,
}

/// An effective seal, or a sign-in that names heads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Seal {
    pub(super) at: Hlc,
    pub(super) digest: [u8; 32],
    pub(super) by_root: bool,
    pub(super) made: Sealer,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Sealer {
    Op(Ix),
    Login(u32),
}

impl Status {
    /// The first seal that closes what was dated or expired at `ms`.
    pub(super) fn first_seal(&self, ms: u64, wanted: impl Fn(&Seal) -> bool) -> Option<Seal> {
        let limit = ms.saturating_add(LOGIN_GRACE_MS);
        let start = self.seals.partition_point(|seal| seal.at.ms() <= limit);
        self.seals.get(start..)?.iter().copied().find(wanted)
    }

    pub(super) fn add_seal(&mut self, seal: Seal) {
        let place = self.seals.partition_point(|other| *other < seal);
        self.seals.insert(place, seal);
    }
}

/// The flag of every node, and the status.
pub(super) fn evaluate(log: &Log) -> (Vec<bool>, Status) {
    let status = Status { root: NONE, ..Status::default() };
    let mut judge = Judge {
        log,
        effective: vec![false; log.graph.len()],
        status,
        meets: HashMap::new(),
        consumed: HashSet::new(),
        votes: Vec::new(),
    };
    judge.rotations();
    judge.sign_ins();
    judge.authority();
    judge.session_votes();
    sweep::content(log, &mut judge.effective, &judge.status);
    judge.paid_puts();
    (judge.effective, judge.status)
}

/// What must have an operation in its past for a grant's revocations to spare it.
#[derive(Default)]
struct Meet {
    revokes: Option<Past>,
    resignations: Option<Past>,
}

struct Judge<'a> {
    log: &'a Log,
    effective: Vec<bool>,
    status: Status,
    meets: HashMap<u32, Meet>,
    consumed: HashSet<BodyId>,
    votes: Vec<Ix>,
}

/// Order of evaluation among operations of one depth.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Resignation,
    Seal,
    Other,
}

impl Judge<'_> {
    /// Of the rotations of one root authority, the least (`at`, id) stands.
    fn rotations(&mut self) {
        let mut root = NONE;
        while let Some(next) = self.log.first_rotation(root) {
            self.effective[next as usize] = true;
            self.status.rotated.insert(root, next);
            root = next;
        }
        self.status.root = root;
    }

    fn sign_ins(&mut self) {
        for ix in &self.log.tables.sign_ins {
            if let Some(seal) = self.log.sign_in_seal(*ix) {
                self.status.add_seal(seal);
            }
        }
    }

    fn authority(&mut self) {
        let log = self.log;
        let mut order = Vec::with_capacity(log.tables.deeds().len());
        for (op, deed) in log.tables.deeds() {
            let node = log.graph.node(*op);
            let class = match deed {
                Deed::Rotate { .. } => continue,
                Deed::Logout { .. } => {
                    self.effective[*op as usize] = true;
                    continue;
                }
                Deed::Vote { .. } if node.login != NONE => {
                    self.votes.push(*op);
                    continue;
                }
                Deed::Revoke { grant } if log.twins(*grant, node.auth) => Class::Resignation,
                Deed::Seal { .. } | Deed::Claim => Class::Seal,
                _ => Class::Other,
            };
            order.push((log.depth(node.auth), class, node.at, node.id, *op));
        }
        order.sort_unstable();
        for (_, class, _, _, op) in order {
            if self.stands(op, class == Class::Resignation) && self.waited(op) && self.consumes(op) {
                self.effective[op as usize] = true;
                self.take_effect(op, class);
            }
        }
    }

    /// The rules of the chain: every grant counts, and no rotation or revocation hits that does not know `op`.
    fn stands(&self, op: Ix, resignation: bool) -> bool {
        let (graph, node) = (&self.log.graph, self.log.graph.node(op));
        if node.auth != NONE && !self.effective[node.auth as usize] {
            return false;
        }
        if let Some(rotation) = self.status.rotated.get(&node.auth)
            && !graph.authority_in_past(op, *rotation)
        {
            return false;
        }
        let own = self.log.tables.grant(self.log.seq(node.auth)).map(|grant| grant.twin);
        self.log.chain(node.auth).all(|(_, grant)| {
            let Some(meet) = self.meets.get(&grant.twin) else { return true };
            let exempt = resignation && own == Some(grant.twin);
            let spared = |past: &Option<Past>| past.as_ref().is_none_or(|past| past.contains(node.seq));
            spared(&meet.revokes) && (exempt || spared(&meet.resignations))
        })
    }

    /// The rule of the wait, for an operation directly under a grant that has one.
    fn waited(&self, op: Ix) -> bool {
        let log = self.log;
        let node = log.graph.node(op);
        let Some(Grant { wait_ms: Some(_), .. }) = log.tables.grant(log.seq(node.auth)) else { return true };
        match log.tables.deed(node.seq) {
            Some(Deed::Claim) => log.is_timely(op, &self.status),
            Some(Deed::Revoke { grant }) if log.twins(*grant, node.auth) => true,
            _ => log.is_ripe(op, &self.status),
        }
    }

    /// Votes pay for one operation.
    fn consumes(&mut self, op: Ix) -> bool {
        let node = self.log.graph.node(op);
        if node.verb != Verb::Seal {
            return true;
        }
        match self.log.tables.proposals.get(&op) {
            Some(proposal) => self.consumed.insert(*proposal),
            None => true,
        }
    }

    fn take_effect(&mut self, op: Ix, class: Class) {
        let log = self.log;
        let node = log.graph.node(op);
        match log.tables.deed(node.seq) {
            Some(Deed::Revoke { grant }) => {
                let Some(twin) = log.tables.grant(log.seq(*grant)).map(|grant| grant.twin) else { return };
                self.status.revoked.entry(twin).or_default().push(op);
                let meet = self.meets.entry(twin).or_default();
                let side =
                    if class == Class::Resignation { &mut meet.resignations } else { &mut meet.revokes };
                *side = Some(side.as_ref().map_or_else(|| node.after.clone(), |past| past.meet(&node.after)));
            }
            Some(Deed::Seal { .. }) => log.enter_seal(op, &mut self.status),
            Some(Deed::Claim) => log.count_claim(op, &mut self.status),
            _ => {}
        }
    }

    fn session_votes(&mut self) {
        for op in std::mem::take(&mut self.votes) {
            let ok = self.stands(op, false) && self.waited(op) && self.in_session(op);
            self.effective[op as usize] = ok;
        }
    }

    /// The rules of the login, for an authority operation.
    fn in_session(&self, op: Ix) -> bool {
        let log = self.log;
        let node = log.graph.node(op);
        let Some(login) = log.tables.login(node.login) else { return true };
        let ended = log.tables.logouts.get(&(login.id, node.by));
        let spared = |logout: &Ix| log.graph.authority_in_past(op, *logout);
        let closed = self.status.first_seal(login.expires_ms, |_| true);
        ended.is_none_or(|logouts| logouts.iter().all(spared))
            && closed.is_none_or(|seal| log.sealed(op, &seal))
    }

    /// Content under a threshold: enough of its votes count, and no earlier twin used them up.
    fn paid_puts(&mut self) {
        for paid in self.log.tables.paid.values() {
            let mut first: Option<(Hlc, crate::id::OpId, Ix)> = None;
            for (op, votes) in paid {
                let counts = |vote: &Ix| self.effective[*vote as usize];
                let standing = self.effective[*op as usize]
                    && self.log.has_quorum(*op, votes.iter().copied().filter(counts));
                self.effective[*op as usize] = false;
                let node = self.log.graph.node(*op);
                let place = (node.at, node.id, *op);
                if standing && first.is_none_or(|first| place < first) {
                    first = Some(place);
                }
            }
            if let Some((_, _, op)) = first {
                self.effective[op as usize] = true;
            }
        }
    }
}

impl Log {
    pub(super) fn seq(&self, op: Ix) -> u32 {
        if op == NONE { NONE } else { self.graph.node(op).seq }
    }

    pub(super) fn first_rotation(&self, of: Ix) -> Option<Ix> {
        let place = |ix: &Ix| {
            let node = self.graph.node(*ix);
            (node.at, node.id)
        };
        self.tables.rotates.get(&of)?.iter().copied().min_by_key(place)
    }

    /// A sign-in as a seal, once every head that it names is known.
    pub(super) fn sign_in_seal(&self, login: u32) -> Option<Seal> {
        let facts = self.tables.login(login)?;
        let known = facts.heads.iter().all(|head| self.graph.find(head).is_some());
        known.then(|| Seal {
            at: Hlc::from_ms(facts.issued_ms),
            digest: *facts.id.digest(),
            by_root: true,
            made: Sealer::Login(login),
        })
    }

    /// Whether authority operation `op` lies in the past of a seal.
    pub(super) fn sealed(&self, op: Ix, seal: &Seal) -> bool {
        match seal.made {
            Sealer::Op(seal) => self.graph.authority_in_past(op, seal),
            Sealer::Login(login) => self.named_heads(login).any(|head| {
                let seq = self.graph.node(op).seq;
                self.graph.node(head).after.contains(seq)
            }),
        }
    }

    pub(super) fn named_heads(&self, login: u32) -> impl Iterator<Item = Ix> {
        let heads = self.tables.login(login).map_or(&[][..], |login| &login.heads);
        heads.iter().filter_map(|head| self.graph.find(head))
    }

    /// Files an effective seal.
    pub(super) fn enter_seal(&self, op: Ix, status: &mut Status) {
        let node = self.graph.node(op);
        let by_root = self.tables.grant(self.seq(node.auth)).is_none();
        status.add_seal(Seal { at: node.at, digest: *node.id.digest(), by_root, made: Sealer::Op(op) });
    }

    /// Files an effective claim.
    pub(super) fn count_claim(&self, op: Ix, status: &mut Status) {
        let auth = self.graph.node(op).auth;
        let Some(Grant { wait_ms: Some(wait_ms), .. }) = self.tables.grant(self.seq(auth)) else { return };
        let claims = status.claims.entry(auth).or_default();
        if self.ripe(claims.iter().copied(), op, *wait_ms) {
            status.ripe.entry(auth).or_default().push(op);
        }
        claims.push(op);
    }

    /// Whether no seal of the root speaks against the date of a claim.
    pub(super) fn is_timely(&self, claim: Ix, status: &Status) -> bool {
        let contradicted = status.first_seal(self.graph.node(claim).at.ms(), |seal| seal.by_root);
        contradicted.is_none_or(|seal| self.sealed(claim, &seal))
    }

    /// Whether the wait of its grant is over in the past of `op`.
    pub(super) fn is_ripe(&self, op: Ix, status: &Status) -> bool {
        let node = self.graph.node(op);
        let ripe = status.ripe.get(&node.auth).map_or(&[][..], Vec::as_slice);
        ripe.iter().any(|claim| *claim != op && node.after.contains(self.graph.node(*claim).seq))
    }

    pub(super) fn has_quorum(&self, op: Ix, votes: impl Iterator<Item = Ix>) -> bool {
        let node = self.graph.node(op);
        let need = self.holder(node.auth).map_or(usize::MAX, crate::account::Principal::m);
        self.voices(self.tables.account(node.by), votes) >= need
    }
}
