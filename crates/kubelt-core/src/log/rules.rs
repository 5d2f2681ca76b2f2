//! Well-formed: what one operation and its past alone decide, for ever and alike on every peer.

use crate::{
    ability::{Ability, Verb},
    account::{Account, Principal},
    genesis::Genesis,
    hlc::Hlc,
    id::{CoreId, LoginId, OpId},
    limits::{AUTHORITY_OPS_MAX, AUTHORITY_OPS_RESERVED, GRANT_DEPTH_MAX, HEIR_WAIT_MS_MIN},
    log::{
        Log,
        authority::{Claims, Deed, Grant},
        entry::{Entry, LoginFacts},
        graph::{Ix, NONE},
        past::Past,
    },
    op::{Act, Header, Holder},
    path::MapPath,
    words,
};

/// Role name of the one grant that a private core allows.
pub const HEIR_ROLE: &str = "heir";

/// Why an operation is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It follows operations that are not here yet: it waits for them.
    #[error("{} operations before this one are not here yet; fetch them first", .0.len())]
    UnknownPrev(Vec<OpId>),
    /// Dated too far ahead of this clock: it is held until then, never refused for it.
    #[error("the operation is dated ahead of this clock; it counts from {until_ms} ms on")]
    Ahead {
        /// When it may be taken in, in milliseconds since the Unix epoch.
        until_ms: u64,
    },
    /// It belongs to another core.
    #[error("the operation belongs to core `{0}`")]
    OtherCore(CoreId),
    /// Its header breaks a limit of the format.
    #[error("the header is not well-formed: {0}")]
    Shape(String),
    /// Not dated after everything it follows.
    #[error("the operation is not dated after everything it follows")]
    Date,
    /// An operation other than a `put` came without its body.
    #[error("the body of a `{0}` must not be withheld")]
    BodyMissing(Verb),
    /// Its authority is not the root and not in its past.
    #[error("authority `{0}` is not in the past of the operation")]
    UnknownAuth(OpId),
    /// Its authority is neither a grant nor a rotation.
    #[error("`{0}` is not a grant and gives no authority")]
    NotAnAuthority(OpId),
    /// Its authority was given to somebody else.
    #[error("authority `{auth}` was not given to `{by}`")]
    NotHolder {
        /// Who acts.
        by: Account,
        /// The authority named.
        auth: OpId,
    },
    /// Its authority does not cover the act.
    #[error("authority `{auth}` does not allow `{wanted}`")]
    NotAllowed {
        /// The authority named.
        auth: OpId,
        /// The verb, with a path where it has one.
        wanted: String,
    },
    /// The sign-in is another account's.
    #[error("the sign-in is not that of `{0}`")]
    LoginAccount(Account),
    /// The sign-in does not cover the act.
    #[error("the sign-in does not allow `{0}`; sign in again and ask for it")]
    LoginAbility(String),
    /// The operation is dated outside of the sign-in's life.
    #[error("the operation is dated outside of its sign-in's life; sign in again")]
    LoginDates,
    /// A session ends a sign-in that was ended in the past of the operation.
    #[error("sign-in `{0}` was ended before")]
    Ended(LoginId),
    /// A grant would hand on what its maker does not have.
    #[error("`{0}` cannot be handed on by who does not have it")]
    Delegation(String),
    /// A grant would lie too deep.
    #[error("a grant lies at most {GRANT_DEPTH_MAX} grants below the root")]
    Depth,
    /// A private core has one signer.
    #[error("a private core has one signer; its root may name heirs, each with a wait of 7 days or more")]
    PrivateCore,
    /// A user core's grants are made by its user alone.
    #[error("in a user core only its user makes grants")]
    UserCore,
    /// Private and user cores keep their root.
    #[error("the root of a private or user core cannot be replaced")]
    FixedRoot,
    /// A root for which passkeys alone could act.
    #[error("passkeys alone cannot be the root of a shared core: more than they must agree")]
    Passkeys,
    /// Only the root may do this.
    #[error("only the root may `{0}`")]
    RootOnly(Verb),
    /// What is revoked is not a grant in the past of the operation.
    #[error("`{0}` is not a grant in the past of the operation")]
    NotAGrant(OpId),
    /// A revocation from beside or below.
    #[error("grant `{0}` can be taken back from above, or given up by its holder")]
    NotAbove(OpId),
    /// A cited vote is not one, or not in the past of the operation.
    #[error("`{0}` is not a vote in the past of the operation")]
    NotAVote(OpId),
    /// A cited vote was cast on other words than those of the operation.
    #[error("vote `{0}` was cast on other words than those of what it is cited for; leave it out")]
    OtherWords(OpId),
    /// There are no words for what needs votes.
    #[error("what needs votes is shown in words to who votes: {0}")]
    Words(words::WordsError),
    /// A revocation names another holder than the grant's.
    #[error("grant `{0}` was not given to whom the revocation names")]
    OtherHolder(OpId),
    /// Too few agree.
    #[error("{have} of {need} accounts agree; collect more votes")]
    Quorum {
        /// Distinct accounts that agree.
        have: usize,
        /// How many must.
        need: usize,
    },
    /// The grant's wait is not over.
    #[error("the wait of grant `{0}` is not over; claim it, wait, and claim it again")]
    Wait(OpId),
    /// A claim of what has no wait.
    #[error("`{0}` has no wait, so there is nothing to claim")]
    NoWait(OpId),
    /// A claim that says of the grant what is not true.
    #[error("the claim names another wait than that of grant `{0}`, or not who made it")]
    OtherClaim(OpId),
    /// The core holds as many authority operations as it may.
    #[error("the core holds {AUTHORITY_OPS_MAX} authority operations, nearly or wholly as many as it may")]
    Full,
}

/// A well-formed operation's place in the graph.
pub(super) struct Placed {
    pub(super) prev: Vec<Ix>,
    pub(super) past: Past,
    pub(super) auth: Ix,
    /// The votes it counts, where its authority has a threshold.
    pub(super) votes: Option<Vec<Ix>>,
}

/// Who an authority was given to, and what it allows.
#[derive(Clone, Copy)]
pub(super) enum Powers<'a> {
    Root,
    Grant(&'a Grant),
}

impl Powers<'_> {
    pub(super) fn allow(self, verb: Verb, path: Option<&MapPath>) -> bool {
        match self {
            Self::Root => true,
            Self::Grant(grant) => grant.can.iter().any(|ability| ability.allows(verb, path)),
        }
    }

    pub(super) fn cover(self, ability: &Ability) -> bool {
        match self {
            Self::Root => true,
            Self::Grant(grant) => grant.can.iter().any(|own| own.covers(ability)),
        }
    }
}

impl Log {
    pub(super) fn examine(&self, entry: &Entry) -> Result<Placed, Refusal> {
        let header = entry.header();
        let prev = self.place(header)?;
        let past = self.graph.past_of(&prev);
        let auth = self.authority_of(header, &past)?;
        let powers = self.powers(auth).ok_or(Refusal::NotAnAuthority(header.auth))?;
        let to = self.holder(auth).ok_or(Refusal::NotAnAuthority(header.auth))?;
        if !to.contains(&header.by) {
            return Err(Refusal::NotHolder { by: header.by.clone(), auth: header.auth });
        }
        match entry.body() {
            Some(body) => self.check_act(header, &body.act, auth, powers, &past)?,
            None if header.verb == Verb::Put => self.check_withheld(header, to, powers)?,
            None => return Err(Refusal::BodyMissing(header.verb)),
        }
        if let Some(login) = entry.login() {
            check_login(header, entry.body().map(|body| &body.act), login)?;
            self.check_ends_once(header, entry.body().map(|body| &body.act), &past)?;
        }
        let is_roots = matches!(powers, Powers::Root) && header.login.is_none();
        let room = AUTHORITY_OPS_MAX - if is_roots { 0 } else { AUTHORITY_OPS_RESERVED };
        if header.verb != Verb::Put && self.tables.deeds().len() >= room {
            return Err(Refusal::Full);
        }
        let votes = self.check_quorum(header, entry.body(), to, auth, &past)?;
        if let Powers::Grant(Grant { wait_ms: Some(_), .. }) = powers {
            let act = entry.body().map(|body| &body.act);
            let exempt =
                matches!(act, Some(Act::Claim { .. } | Act::Logout { .. })) || self.resigns(act, auth);
            let waited =
                |claims: &Claims| claims.ripe.iter().any(|claim| past.contains(self.graph.node(*claim).seq));
            if !exempt && !self.tables.claims.get(&auth).is_some_and(waited) {
                return Err(Refusal::Wait(header.auth));
            }
        }
        Ok(Placed { prev, past, auth, votes })
    }

    /// Who acts by an authority; `None` where it is none.
    pub(super) fn holder(&self, auth: Ix) -> Option<&Principal> {
        if auth == NONE {
            return Some(&self.founder);
        }
        match self.tables.deed(self.graph.node(auth).seq)? {
            Deed::Grant(grant) => Some(&grant.to),
            Deed::Rotate { root } => Some(root),
            _ => None,
        }
    }

    pub(super) fn powers(&self, auth: Ix) -> Option<Powers<'_>> {
        if auth == NONE {
            return Some(Powers::Root);
        }
        match self.tables.deed(self.graph.node(auth).seq)? {
            Deed::Grant(grant) => Some(Powers::Grant(grant)),
            Deed::Rotate { .. } => Some(Powers::Root),
            _ => None,
        }
    }

    /// The grants that an operation by `auth` hangs on, from `auth` up to the root.
    pub(super) fn chain(&self, auth: Ix) -> impl Iterator<Item = (Ix, &Grant)> {
        let grant = |ix: Ix| {
            let node = (ix != NONE).then(|| self.graph.node(ix))?;
            Some((ix, self.tables.grant(node.seq)?))
        };
        std::iter::successors(grant(auth), move |(ix, _)| grant(self.graph.node(*ix).auth))
    }

    /// Whether an act by `auth` gives `auth` itself up.
    pub(super) fn resigns(&self, act: Option<&Act>, auth: Ix) -> bool {
        let Some(Act::Revoke { grant, .. }) = act else { return false };
        self.graph.find(grant).is_some_and(|grant| self.twins(grant, auth))
    }

    /// Whether two operations are grants of one and the same proposal.
    pub(super) fn twins(&self, a: Ix, b: Ix) -> bool {
        let twin = |ix| Some(self.tables.grant(self.graph.node(ix).seq)?.twin);
        a != NONE && b != NONE && twin(a).is_some() && twin(a) == twin(b)
    }

    /// Whom a grant was given to.
    pub(super) fn holder_of(&self, grant: Ix) -> Option<Holder> {
        let grant = self.tables.grant(self.graph.node(grant).seq)?;
        Some(Holder { to: grant.to.clone(), role: grant.role.clone() })
    }

    fn place(&self, header: &Header) -> Result<Vec<Ix>, Refusal> {
        if header.core != self.core {
            return Err(Refusal::OtherCore(header.core));
        }
        header.check_shape().map_err(|error| Refusal::Shape(error.to_string()))?;
        let known = |id: &OpId| self.graph.find(id);
        let unknown: Vec<OpId> = header.prev.iter().filter(|id| known(id).is_none()).copied().collect();
        if !unknown.is_empty() {
            return Err(Refusal::UnknownPrev(unknown));
        }
        let prev: Vec<Ix> = header.prev.iter().filter_map(known).collect();
        let late = |ix: &Ix| self.graph.node(*ix).at < header.at;
        if header.at == Hlc::MAX || !prev.iter().all(late) {
            return Err(Refusal::Date);
        }
        Ok(prev)
    }

    fn authority_of(&self, header: &Header, past: &Past) -> Result<Ix, Refusal> {
        if header.auth == self.core.as_root() {
            return Ok(NONE);
        }
        let auth = self.graph.find(&header.auth).ok_or(Refusal::UnknownAuth(header.auth))?;
        match self.graph.node(auth).seq {
            NONE => Err(Refusal::NotAnAuthority(header.auth)),
            seq if past.contains(seq) => Ok(auth),
            _ => Err(Refusal::UnknownAuth(header.auth)),
        }
    }

    /// A session that ended itself has nothing more to say: it could fill the log with saying so.
    fn check_ends_once(&self, header: &Header, act: Option<&Act>, past: &Past) -> Result<(), Refusal> {
        let Some(Act::Logout { login }) = act else { return Ok(()) };
        let by = self.tables.account_ix(&header.by);
        let ended = by.and_then(|by| self.tables.logouts.get(&(*login, by)));
        let known = |ix: &Ix| past.contains(self.graph.node(*ix).seq);
        match ended.is_some_and(|ended| ended.iter().any(known)) {
            true => Err(Refusal::Ended(*login)),
            false => Ok(()),
        }
    }

    fn check_withheld(&self, header: &Header, to: &Principal, powers: Powers<'_>) -> Result<(), Refusal> {
        match powers {
            // It may be a request.
            _ if to.m() > 1 => Ok(()),
            Powers::Grant(grant) if !grant.can.iter().any(|ability| ability.verb == header.verb) => {
                Err(not_allowed(header, None))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_act(
        &self,
        header: &Header,
        act: &Act,
        auth: Ix,
        powers: Powers<'_>,
        past: &Past,
    ) -> Result<(), Refusal> {
        match act {
            Act::Put { path, .. } if powers.allow(Verb::Put, Some(path)) => Ok(()),
            Act::Put { path, .. } if self.is_request(header, path, auth) => Ok(()),
            Act::Put { path, .. } => Err(not_allowed(header, Some(path))),
            Act::Vote { .. } | Act::Logout { .. } => Ok(()),
            Act::Grant { to, role, can, wait_ms } => {
                self.check_grant(header, auth, powers, can)?;
                self.check_kind(auth, to, role.as_deref(), *wait_ms)
            }
            Act::Revoke { grant, from } => {
                self.check_revoke(header, grant, from.as_ref(), auth, powers, past)
            }
            Act::Rotate { .. } if matches!(powers, Powers::Grant(_)) => Err(Refusal::RootOnly(Verb::Rotate)),
            Act::Rotate { .. } if !matches!(self.genesis, Genesis::Shared { .. }) => Err(Refusal::FixedRoot),
            Act::Rotate { root } if root.is_of_passkeys() => Err(Refusal::Passkeys),
            Act::Rotate { .. } => Ok(()),
            Act::Seal { state: Some(_) } if matches!(powers, Powers::Grant(_)) => {
                Err(Refusal::RootOnly(Verb::Seal))
            }
            Act::Seal { .. } if powers.allow(Verb::Seal, None) => Ok(()),
            Act::Seal { .. } => Err(not_allowed(header, None)),
            Act::Claim { of, wait_ms } => match powers {
                Powers::Grant(Grant { wait_ms: Some(wait), .. }) => {
                    let maker = self.tables.account(self.graph.node(auth).by);
                    let is_true = wait == wait_ms && maker == of;
                    if is_true { Ok(()) } else { Err(Refusal::OtherClaim(header.auth)) }
                }
                _ => Err(Refusal::NoWait(header.auth)),
            },
        }
    }

    fn check_grant(
        &self,
        header: &Header,
        auth: Ix,
        powers: Powers<'_>,
        can: &[Ability],
    ) -> Result<(), Refusal> {
        if !powers.allow(Verb::Grant, None) {
            return Err(not_allowed(header, None));
        }
        if let Some(lacking) = can.iter().find(|ability| !powers.cover(ability)) {
            return Err(Refusal::Delegation(lacking.to_string()));
        }
        if self.depth(auth) >= GRANT_DEPTH_MAX {
            return Err(Refusal::Depth);
        }
        Ok(())
    }

    fn check_kind(
        &self,
        auth: Ix,
        to: &Principal,
        role: Option<&str>,
        wait_ms: Option<u64>,
    ) -> Result<(), Refusal> {
        match self.genesis {
            Genesis::Shared { .. } => Ok(()),
            Genesis::User { .. } if auth == NONE => Ok(()),
            Genesis::User { .. } => Err(Refusal::UserCore),
            Genesis::Private { .. } => {
                let heir = matches!(to, Principal::One(_)) && role == Some(HEIR_ROLE) && auth == NONE;
                let waits = wait_ms.is_some_and(|wait| wait >= HEIR_WAIT_MS_MIN);
                if heir && waits { Ok(()) } else { Err(Refusal::PrivateCore) }
            }
        }
    }

    fn check_revoke(
        &self,
        header: &Header,
        grant: &OpId,
        from: Option<&Holder>,
        auth: Ix,
        powers: Powers<'_>,
        past: &Past,
    ) -> Result<(), Refusal> {
        let known = self.graph.find(grant).filter(|ix| {
            let seq = self.graph.node(*ix).seq;
            past.contains(seq) && self.tables.grant(seq).is_some()
        });
        let target = known.ok_or(Refusal::NotAGrant(*grant))?;
        if from.is_some() && from != self.holder_of(target).as_ref() {
            return Err(Refusal::OtherHolder(*grant));
        }
        if self.twins(target, auth) {
            return Ok(());
        }
        let above = match powers {
            Powers::Root => true,
            Powers::Grant(_) => self.chain(self.graph.node(target).auth).any(|(ix, _)| ix == auth),
        };
        if !above {
            return Err(Refusal::NotAbove(*grant));
        }
        if powers.allow(Verb::Revoke, None) { Ok(()) } else { Err(not_allowed(header, None)) }
    }

    /// Whether `second` follows one of `claims` by the wait.
    pub(super) fn ripe(&self, mut claims: impl Iterator<Item = Ix>, second: Ix, wait_ms: u64) -> bool {
        let at = self.graph.node(second).at.ms();
        claims.any(|first| {
            let due = self.graph.node(first).at.ms().saturating_add(wait_ms);
            due <= at && self.graph.authority_in_past(first, second)
        })
    }

    /// Grants between an operation by `auth` and the root.
    pub(super) fn depth(&self, auth: Ix) -> usize {
        if auth == NONE { 0 } else { self.tables.grant(self.graph.node(auth).seq).map_or(0, |g| g.depth) }
    }
}

pub(super) fn check_login(header: &Header, act: Option<&Act>, login: &LoginFacts) -> Result<(), Refusal> {
    if login.account != header.by {
        return Err(Refusal::LoginAccount(header.by.clone()));
    }
    let allowed = match act {
        Some(act) => login.allows(act),
        None => login.abilities.iter().any(|ability| ability.verb == header.verb),
    };
    if !allowed {
        let path = match act {
            Some(Act::Put { path, .. }) => Some(path),
            _ => None,
        };
        return Err(Refusal::LoginAbility(wanted(header.verb, path)));
    }
    let at = header.at.ms();
    if at < login.from_ms.max(login.issued_ms) || at >= login.expires_ms {
        Err(Refusal::LoginDates)
    } else {
        Ok(())
    }
}

fn not_allowed(header: &Header, path: Option<&MapPath>) -> Refusal {
    Refusal::NotAllowed { auth: header.auth, wanted: wanted(header.verb, path) }
}

fn wanted(verb: Verb, path: Option<&MapPath>) -> String {
    path.map_or_else(|| verb.to_string(), |path| format!("{verb} {path}"))
}
