//! Which operations count, written straight from the rules with sets and recursion, however slow.
//! Shares no code with the log but the types.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kubelt_core::{
    Account, Act, Entry, Genesis, Hlc, LoginFacts, OpId, Principal, limits::LOGIN_GRACE_MS, schema::Request,
};

pub(crate) struct Naive<'a> {
    genesis: &'a Genesis,
    ops: BTreeMap<OpId, &'a Entry>,
    past: HashMap<OpId, BTreeSet<OpId>>,
    memo: HashMap<OpId, bool>,
    asking: HashSet<OpId>,
}

/// Something that dates what it knows.
struct Seal {
    at: (Hlc, [u8; 32]),
    by_root: bool,
    knows: BTreeSet<OpId>,
}

impl<'a> Naive<'a> {
    /// The flags of well-formed operations, each after everything it follows.
    pub(crate) fn judge(genesis: &'a Genesis, entries: &'a [Entry]) -> BTreeMap<OpId, bool> {
        let mut naive = Self {
            genesis,
            ops: entries.iter().map(|entry| (entry.id(), entry)).collect(),
            past: HashMap::new(),
            memo: HashMap::new(),
            asking: HashSet::new(),
        };
        for entry in entries {
            let mut past: BTreeSet<OpId> = entry.header().prev.iter().copied().collect();
            for prev in &entry.header().prev {
                past.extend(naive.past[prev].iter().copied());
            }
            naive.past.insert(entry.id(), past);
        }
        entries.iter().map(|entry| (entry.id(), naive.effective(entry.id()))).collect()
    }

    fn effective(&mut self, op: OpId) -> bool {
        if let Some(known) = self.memo.get(&op) {
            return *known;
        }
        assert!(self.asking.insert(op), "the rules ask about `{op}` to answer about `{op}`");
        let answer = self.ask(op);
        self.asking.remove(&op);
        self.memo.insert(op, answer);
        answer
    }

    fn ask(&mut self, op: OpId) -> bool {
        match self.act(op) {
            Act::Logout { .. } => true,
            Act::Rotate { .. } => {
                let auth = self.ops[&op].header().auth;
                self.root_stands(auth) && self.successor(auth) == Some(op)
            }
            Act::Put { .. } | Act::Seal { .. } | Act::Claim { .. } => {
                self.otherwise(op) && self.pays_first(op)
            }
            _ => self.otherwise(op),
        }
    }

    /// Everything but rule 6.
    fn otherwise(&mut self, op: OpId) -> bool {
        self.chain_counts(op)
            && self.no_rotation_hits(op)
            && self.no_revocation_hits(op)
            && self.votes_count(op)
            && self.session_open(op)
            && self.wait_over(op)
    }

    fn chain_counts(&mut self, op: OpId) -> bool {
        let chain = self.chain(op);
        let top = chain.last().map_or(self.ops[&op].header().auth, |grant| self.ops[grant].header().auth);
        chain.into_iter().all(|grant| self.effective(grant)) && self.root_stands(top)
    }

    fn root_stands(&mut self, auth: OpId) -> bool {
        auth == self.genesis.id().as_root() || self.effective(auth)
    }

    fn no_rotation_hits(&self, op: OpId) -> bool {
        let auth = self.ops[&op].header().auth;
        self.successor(auth).is_none_or(|rotation| self.past[&rotation].contains(&op))
    }

    /// The rotation that replaces a root authority.
    fn successor(&self, auth: OpId) -> Option<OpId> {
        let rotates = self
            .ops
            .values()
            .filter(|entry| entry.header().auth == auth && matches!(act_of(entry), Act::Rotate { .. }));
        rotates.map(|entry| (entry.header().at, entry.id())).min().map(|(_, id)| id)
    }

    fn no_revocation_hits(&mut self, op: OpId) -> bool {
        let all: Vec<OpId> = self.ops.keys().copied().collect();
        for grant in self.chain(op) {
            for revoke in &all {
                let Act::Revoke { grant: target, .. } = self.act(*revoke) else { continue };
                if !self.same_grant(*target, grant) || self.past[revoke].contains(&op) {
                    continue;
                }
                let both = self.resigns(op) == Some(*revoke) || self.both_resign(op, *revoke);
                if !both && self.effective(*revoke) {
                    return false;
                }
            }
        }
        true
    }

    fn resigns(&self, op: OpId) -> Option<OpId> {
        let Act::Revoke { grant, .. } = self.act(op) else { return None };
        self.same_grant(*grant, self.ops[&op].header().auth).then_some(op)
    }

    fn both_resign(&self, a: OpId, b: OpId) -> bool {
        let (Act::Revoke { grant: one, .. }, Act::Revoke { grant: other, .. }) = (self.act(a), self.act(b))
        else {
            return false;
        };
        self.resigns(a).is_some() && self.resigns(b).is_some() && self.same_grant(*one, *other)
    }

    fn votes_count(&mut self, op: OpId) -> bool {
        let entry = self.ops[&op];
        let header = entry.header();
        let Some(need) = self.need(op) else { return true };
        let mut agree: BTreeSet<Account> = BTreeSet::from([header.by.clone()]);
        for vote in &header.votes {
            let cast = self.ops[vote];
            let Act::Vote { proposal, approve: true, expires, .. } = act_of(cast) else { continue };
            let on_this = *proposal == header.proposal() && *expires > header.at;
            let by_account = cast.login().is_none() || matches!(act_of(entry), Act::Put { .. });
            let member = self.principal(header.auth).accounts().contains(&cast.header().by);
            if on_this && by_account && member && cast.header().auth == header.auth {
                // A resignation, and votes on it, are spared by other resignations.
                if self.resigns(op).is_some() || self.effective(*vote) {
                    agree.insert(cast.header().by.clone());
                }
            }
        }
        agree.len() >= need
    }

    /// How many must agree, where it is more than one.
    fn need(&self, op: OpId) -> Option<usize> {
        let header = self.ops[&op].header();
        let m = self.principal(header.auth).m();
        let free = match self.act(op) {
            Act::Vote { .. } | Act::Logout { .. } => true,
            Act::Put { path, .. } => Request::is_of(path, &header.by),
            _ => false,
        };
        (m > 1 && !free).then_some(m)
    }

    fn pays_first(&mut self, op: OpId) -> bool {
        if self.need(op).is_none() {
            return true;
        }
        let header = self.ops[&op].header();
        let place = (header.at, op);
        let twins: Vec<OpId> = self
            .ops
            .values()
            .filter(|twin| (twin.header().at, twin.id()) < place)
            .filter(|twin| twin.header().proposal() == header.proposal())
            .map(|twin| twin.id())
            .collect();
        !twins.into_iter().any(|twin| self.otherwise(twin))
    }

    fn session_open(&mut self, op: OpId) -> bool {
        let entry = self.ops[&op];
        let Some(login) = entry.login() else { return true };
        let ended = self.ops.values().any(|other| match act_of(other) {
            Act::Logout { login: ends } => {
                *ends == login.id
                    && other.header().by == login.account
                    && !self.past[&other.id()].contains(&op)
            }
            _ => false,
        });
        !ended && self.first_seal(login.expires_ms, false).is_none_or(|seal| seal.knows.contains(&op))
    }

    fn first_seal(&mut self, ms: u64, by_root: bool) -> Option<Seal> {
        let mut seals = self.sign_ins();
        let made: Vec<OpId> = self.ops.keys().copied().collect();
        for op in made {
            let top = self.chain(op).is_empty();
            let is_seal = matches!(self.act(op), Act::Seal { .. });
            if is_seal && (top || !by_root) && self.effective(op) {
                let at = (self.ops[&op].header().at, *op.digest());
                seals.push(Seal { at, by_root: top, knows: self.past[&op].clone() });
            }
        }
        seals.retain(|seal| seal.at.0.ms() > ms + LOGIN_GRACE_MS && (seal.by_root || !by_root));
        seals.into_iter().min_by_key(|seal| seal.at)
    }

    fn sign_ins(&self) -> Vec<Seal> {
        let mut seals = Vec::new();
        if matches!(self.genesis, Genesis::Shared { .. }) {
            return seals;
        }
        let logins: BTreeMap<_, &LoginFacts> =
            self.ops.values().filter_map(|entry| entry.login()).map(|login| (login.id, &**login)).collect();
        for login in logins.into_values() {
            let named = !login.heads.is_empty() && login.heads.iter().all(|head| self.ops.contains_key(head));
            if named && self.genesis.root() == Principal::One(login.account.clone()) {
                let mut knows: BTreeSet<OpId> = login.heads.iter().copied().collect();
                login.heads.iter().for_each(|head| knows.extend(&self.past[head]));
                let at = (Hlc::from_ms(login.issued_ms), *login.id.digest());
                seals.push(Seal { at, by_root: true, knows });
            }
        }
        seals
    }

    fn wait_over(&mut self, op: OpId) -> bool {
        let auth = self.ops[&op].header().auth;
        if self.wait_of(auth).is_none() || self.resigns(op).is_some() {
            return true;
        }
        if matches!(self.act(op), Act::Claim { .. }) {
            let at = self.ops[&op].header().at.ms();
            return self.first_seal(at, true).is_none_or(|seal| seal.knows.contains(&op));
        }
        self.ended_wait(op)
    }

    /// Whether two effective claims of the same grant, a wait apart, lie in the past.
    fn ended_wait(&mut self, op: OpId) -> bool {
        let auth = self.ops[&op].header().auth;
        let Some(wait_ms) = self.wait_of(auth) else { return true };
        let mut claims = Vec::new();
        for claim in self.past[&op].clone() {
            let claims_here =
                matches!(self.act(claim), Act::Claim { .. }) && self.ops[&claim].header().auth == auth;
            if claims_here && self.effective(claim) {
                claims.push(claim);
            }
        }
        let at = |claim: &OpId| self.ops[claim].header().at.ms();
        claims.iter().any(|second| {
            claims.iter().any(|first| self.past[second].contains(first) && at(second) >= at(first) + wait_ms)
        })
    }

    fn wait_of(&self, auth: OpId) -> Option<u64> {
        match self.ops.get(&auth).map(|entry| act_of(entry)) {
            Some(Act::Grant { wait_ms, .. }) => *wait_ms,
            _ => None,
        }
    }

    fn principal(&self, auth: OpId) -> Principal {
        match self.ops.get(&auth).map(|entry| act_of(entry)) {
            Some(Act::Grant { to, .. }) => to.clone(),
            Some(Act::Rotate { root }) => root.clone(),
            _ => self.genesis.root(),
        }
    }

    fn chain(&self, op: OpId) -> Vec<OpId> {
        let mut chain = Vec::new();
        let mut auth = self.ops[&op].header().auth;
        while let Some(grant) = self.ops.get(&auth) {
            if !matches!(act_of(grant), Act::Grant { .. }) {
                break;
            }
            chain.push(auth);
            auth = grant.header().auth;
        }
        chain
    }

    fn same_grant(&self, a: OpId, b: OpId) -> bool {
        let proposal = |id| {
            let entry: &Entry = self.ops.get(&id)?;
            matches!(act_of(entry), Act::Grant { .. }).then(|| entry.header().proposal())
        };
        proposal(a).is_some() && proposal(a) == proposal(b)
    }

    fn act(&self, op: OpId) -> &'a Act {
        act_of(self.ops[&op])
    }
}

fn act_of(entry: &Entry) -> &Act {
    &entry.body().expect("bodies are here").act
}
