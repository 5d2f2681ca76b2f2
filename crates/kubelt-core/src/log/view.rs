//! What may be asked of a log.

use std::collections::HashSet;

use crate::{
    ability::{Ability, Verb},
    account::{Account, Principal},
    genesis::Genesis,
    hlc::Hlc,
    id::{BodyId, CoreId, LoginId, OpId},
    log::{
        Log,
        authority::Deed,
        entry::{Entry, LoginFacts, check_body},
        graph::Ix,
        rules::Refusal,
    },
    op::{Act, Body, Header},
    schema::Request,
};

/// A grant that new operations can act by.
#[derive(Clone, Copy, Debug)]
pub struct GrantView<'a> {
    /// The grant.
    pub id: OpId,
    /// When it was made.
    pub at: Hlc,
    /// Who made it.
    pub by: &'a Account,
    /// What it was made by: another grant, a rotation, or the genesis.
    pub auth: OpId,
    /// To whom.
    pub to: &'a Principal,
    /// The name of the role.
    pub role: Option<&'a str>,
    /// What it allows.
    pub can: &'a [Ability],
    /// How long its holder must wait, in milliseconds.
    pub wait_ms: Option<u64>,
    /// Grants between it and the root, itself included.
    pub depth: usize,
}

impl Log {
    /// The core's genesis.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The core's id.
    pub const fn core(&self) -> CoreId {
        self.core
    }

    /// How many operations there are, effective or not.
    pub fn len(&self) -> usize {
        self.graph.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The operations that nothing follows, by (`at`, id).
    pub fn heads(&self) -> Vec<OpId> {
        self.graph.heads().map(|ix| self.graph.node(ix).id).collect()
    }

    /// Whether an operation is here.
    pub fn contains(&self, id: &OpId) -> bool {
        self.graph.find(id).is_some()
    }

    /// Whether an operation is here and counts.
    pub fn is_effective(&self, id: &OpId) -> bool {
        self.graph.find(id).is_some_and(|ix| self.graph.node(ix).effective)
    }

    /// Every operation with its date, its verb and whether it counts; each after everything it follows.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = (OpId, Hlc, Verb, bool)> {
        self.graph.nodes().iter().map(|node| (node.id, node.at, node.verb, node.effective))
    }

    /// The date of an operation.
    pub fn date(&self, id: &OpId) -> Option<Hlc> {
        self.graph.find(id).map(|ix| self.graph.node(ix).at)
    }

    /// What an operation follows; empty when it is not here.
    pub fn prev(&self, id: &OpId) -> Vec<OpId> {
        let prev = self.graph.find(id).map_or(&[][..], |ix| self.graph.prev(ix));
        prev.iter().map(|ix| self.graph.node(*ix).id).collect()
    }

    /// The root now.
    pub fn root(&self) -> &Principal {
        self.holder(self.status.root).expect("the root authority is the genesis or a rotation")
    }

    /// The authority that the root acts by now: the genesis or a rotation.
    pub fn root_auth(&self) -> OpId {
        self.authority_id(self.status.root)
    }

    /// The grants that new operations can act by.
    pub fn grants(&self) -> impl Iterator<Item = GrantView<'_>> {
        let deeds = self.tables.deeds().iter();
        deeds.filter_map(|(ix, _)| self.is_open(*ix).then(|| self.grant_view(*ix)).flatten())
    }

    /// The grants in force that name `account`, alone or with others, those among them whose wait is not over.
    pub fn grants_to(&self, account: &Account) -> impl Iterator<Item = GrantView<'_>> {
        self.open_grants_to(account).filter_map(|ix| self.grant_view(ix))
    }

    /// The grants that `account`, alone or with others, can act by now.
    pub fn grants_of(&self, account: &Account) -> impl Iterator<Item = GrantView<'_>> {
        let usable = self.open_grants_to(account).filter(|ix| !self.is_waiting(*ix));
        usable.filter_map(|ix| self.grant_view(ix))
    }

    /// Whether `account` may do anything at all here but wait: it is of the root, or can act by a grant.
    pub fn has_part(&self, account: &Account) -> bool {
        self.root().contains(account) || self.grants_of(account).next().is_some()
    }

    /// Whether `account` can sign anything that would be taken in: who waits can claim, resign and end sign-ins.
    pub fn may_sign(&self, account: &Account) -> bool {
        self.root().contains(account) || self.open_grants_to(account).next().is_some()
    }

    pub(super) fn open_grants_to(&self, account: &Account) -> impl Iterator<Item = Ix> {
        let held = self.tables.account_ix(account).and_then(|account| self.tables.held.get(&account));
        held.into_iter().flatten().copied().filter(|ix| self.is_open(*ix))
    }

    /// All that a session of `account` can use here: what the account may of what sessions ever may. Who has a part may
    /// vote and end sign-ins of its own, whatever its grants say, and file requests where others must agree.
    pub fn session_abilities(&self, account: &Account) -> Vec<Ability> {
        let everywhere = || Verb::ALL.into_iter().filter(|verb| verb.session_may()).map(Ability::everywhere);
        let mut abilities: Vec<Ability> = match (self.root().contains(account), self.has_part(account)) {
            (true, _) => everywhere().collect(),
            (false, false) => return Vec::new(),
            (false, true) => {
                let granted = self.grants_of(account).flat_map(|grant| grant.can.iter().cloned());
                let own = [Verb::Vote, Verb::Logout].map(Ability::everywhere);
                let requests = self.grants_of(account).any(|grant| grant.to.m() > 1);
                let requests = requests.then(|| Request::ability(account));
                granted.filter(|ability| ability.verb.session_may()).chain(own).chain(requests).collect()
            }
        };
        abilities.sort_unstable();
        abilities.dedup();
        let all = abilities.clone();
        abilities.retain(|ability| !all.iter().any(|other| other != ability && other.covers(ability)));
        abilities
    }

    /// The accounts that have done anything here, effective or not.
    pub fn authors(&self) -> HashSet<&Account> {
        let by: HashSet<u32> = self.graph.nodes().iter().map(|node| node.by).collect();
        by.into_iter().map(|account| self.tables.account(account)).collect()
    }

    /// The effective seals that carry a state, by (`at`, id), with the id of the state block.
    pub fn checkpoints(&self) -> Vec<(OpId, BodyId)> {
        let mut found = Vec::new();
        for (ix, deed) in self.tables.deeds() {
            let node = self.graph.node(*ix);
            if let (Deed::Seal { state: Some(state) }, true) = (deed, node.effective) {
                found.push((node.at, node.id, *state));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, id, state)| (id, state)).collect()
    }

    /// One grant, whether it counts or not.
    pub fn grant(&self, id: &OpId) -> Option<GrantView<'_>> {
        self.graph.find(id).and_then(|ix| self.grant_view(ix))
    }

    /// Whether new operations can act by a grant, a rotation or the genesis.
    pub fn is_in_force(&self, auth: &OpId) -> bool {
        let ix = if *auth == self.core.as_root() { Some(super::graph::NONE) } else { self.graph.find(auth) };
        ix.is_some_and(|ix| self.powers(ix).is_some() && self.is_open(ix))
    }

    /// The date that a new operation made at `now_ms` would carry; `None` when no later time exists.
    pub fn next_at(&self, now_ms: u64) -> Option<Hlc> {
        let latest = self.graph.heads().next_back().map(|ix| self.graph.node(ix).at);
        Hlc::next(latest, now_ms)
    }

    /// Everything in the past of `ids`, and `ids`, as far as they are here; each after everything it follows.
    pub fn closure(&self, ids: &[OpId]) -> Vec<OpId> {
        self.select(ids, true)
    }

    /// Everything that is here but neither among `ids` nor in their past: what somebody with these heads
    /// lacks. Each after everything it follows.
    pub fn missing(&self, ids: &[OpId]) -> Vec<OpId> {
        self.select(ids, false)
    }

    /// Whether `account` may still act under this sign-in: it was neither ended nor closed by a seal.
    pub fn login_stands(&self, login: &LoginFacts, account: &Account) -> bool {
        self.tables.account_ix(account).is_none_or(|account| self.is_session_open(login, account))
    }

    /// The sign-ins that have acted here.
    pub fn sign_ins(&self) -> impl Iterator<Item = &LoginFacts> {
        self.tables.logins().iter().map(AsRef::as_ref)
    }

    /// Whether a sign-in was ended here by this account.
    pub fn has_ended(&self, login: &LoginId, account: &Account) -> bool {
        let by = self.tables.account_ix(account);
        by.is_some_and(|by| self.tables.logouts.contains_key(&(*login, by)))
    }

    /// Checks a body that was withheld when its operation was taken in.
    ///
    /// # Errors
    /// [`Refusal`] when the operation should never have been taken in: load the log again without it.
    pub fn check_late_body(&self, header: &Header, body: &Body) -> Result<(), Refusal> {
        check_body(header, body).map_err(|error| Refusal::Shape(error.to_string()))?;
        let ix = self.graph.find(&header.id()).ok_or_else(|| Refusal::UnknownPrev(vec![header.id()]))?;
        let node = self.graph.node(ix);
        let powers = self.powers(node.auth).ok_or(Refusal::NotAnAuthority(header.auth))?;
        let to = self.holder(node.auth).ok_or(Refusal::NotAnAuthority(header.auth))?;
        self.check_act(header, &body.act, node.auth, powers, &node.after)?;
        self.check_quorum(header, Some(body), to, node.auth, &node.after)?;
        match self.tables.login(node.login) {
            Some(login) if !login.allows(&body.act) => {
                Err(Refusal::LoginAbility(body.act.verb().to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Whether an entry is a `put` and what it sets: what a map of the core's state needs of it.
    pub fn put_of(entry: &Entry) -> Option<(&crate::path::MapPath, &ipld_core::ipld::Ipld)> {
        match entry.body().map(|body| &body.act) {
            Some(Act::Put { path, value }) => Some((path, value)),
            _ => None,
        }
    }

    fn select(&self, ids: &[OpId], inside: bool) -> Vec<OpId> {
        let seen = self.graph.closure(ids.iter().filter_map(|id| self.graph.find(id)));
        let nodes = self.graph.nodes().iter().zip(seen);
        nodes.filter(|(_, seen)| *seen == inside).map(|(node, _)| node.id).collect()
    }

    pub(super) fn authority_id(&self, auth: Ix) -> OpId {
        if auth == super::graph::NONE { self.core.as_root() } else { self.graph.node(auth).id }
    }

    fn grant_view(&self, ix: Ix) -> Option<GrantView<'_>> {
        let node = self.graph.node(ix);
        let Some(Deed::Grant(grant)) = self.tables.deed(node.seq) else { return None };
        Some(GrantView {
            id: node.id,
            at: node.at,
            by: self.tables.account(node.by),
            auth: self.authority_id(node.auth),
            to: &grant.to,
            role: grant.role.as_deref(),
            can: &grant.can,
            wait_ms: grant.wait_ms,
            depth: grant.depth,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Account, Act, Genesis, Intent, Log, OpId, Principal, Role, log::Entry};

    fn act(log: &mut Log, by: &Account, act: Act) -> OpId {
        let now_ms = 1_700_000_000_000 + 1_000 * log.len() as u64;
        let salt = (log.len() as u128).to_be_bytes();
        let (header, body) = log.draft(Intent::new(by.clone(), None, act), salt, now_ms).expect("may");
        let entry = Entry::new(header, Some(body), None).expect("fits together");
        log.insert(&entry, now_ms).expect("is well-formed");
        entry.id()
    }

    fn texts(log: &Log, account: &Account) -> Vec<String> {
        log.session_abilities(account).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sessions_get_what_their_account_may_and_no_more() {
        let [root, ann, eve] = [1, 2, 3].map(|n| Account::Eoa([n; 20]));
        let genesis = Genesis::Shared {
            root: Principal::One(root.clone()),
            parent: None,
            name: "acme".to_owned(),
            nonce: [0; 16],
        };
        let mut log = Log::new(genesis);
        assert!(log.has_part(&root) && !log.has_part(&ann));
        let grant = |role: &str| Act::Grant {
            to: Principal::One(ann.clone()),
            role: Some(role.to_owned()),
            can: Role::named(role).expect("is ready-made").abilities(),
            wait_ms: None,
        };
        act(&mut log, &root, grant("reader"));
        assert_eq!(texts(&log, &ann), ["read content/**", "logout **", "vote **"]);
        let owner = act(&mut log, &root, grant("owner"));
        assert_eq!(log.grants_of(&ann).count(), 2);
        let all = ["read **", "put **", "logout **", "vote **", "call **", "replicate **"];
        assert_eq!(texts(&log, &ann), all, "what sessions never do is left out, and what a wider one covers");
        assert_eq!(texts(&log, &root), all);
        assert!(texts(&log, &eve).is_empty() && !log.has_part(&eve));
        assert_eq!(log.authors(), [&root].into());
        act(&mut log, &root, Act::Revoke { grant: owner, from: None });
        assert_eq!(texts(&log, &ann), ["read content/**", "logout **", "vote **"]);
        act(&mut log, &root, Act::Rotate { root: Principal::One(eve.clone()) });
        assert!(log.has_part(&eve) && !log.has_part(&root) && log.has_part(&ann));
    }
}
