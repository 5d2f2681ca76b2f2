//! Random histories of one core: forks, members who go on after they were removed, quorums, seals, sign-ins,
//! heirs, rotations, votes that are used twice.

use std::sync::Arc;

use ipld_core::ipld::Ipld;
use kubelt_core::{
    Ability, Account, Act, Body, BodyId, Entry, Genesis, Header, Hlc, Log, LoginFacts, LoginId, OpId,
    Principal, Refusal, Verb,
    limits::{HEIR_WAIT_MS_MIN, PREV_MAX},
    log::HEIR_ROLE,
    schema::Request,
    words,
};

use crate::{dice::Dice, network::Logins};

pub(crate) const NEVER_AHEAD_MS: u64 = u64::MAX >> 16;
const START_MS: u64 = 1_700_000_000_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const ACCOUNTS: u8 = 5;
const PATHS: [&str; 4] = ["content/a", "content/b", "content/blog/a", "profile/name"];
const ABILITIES: [&str; 7] =
    ["put **", "put content/**", "put content/blog/**", "grant **", "revoke **", "seal **", "vote **"];

/// Operations, each after everything it follows, and the log that took them in in this order.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) genesis: Genesis,
    pub(crate) entries: Vec<Entry>,
    pub(crate) log: Log,
    /// Operations that are not well-formed, and why.
    pub(crate) refused: Vec<(Entry, Refusal)>,
    logins: Vec<Arc<LoginFacts>>,
    proposals: Vec<Proposal>,
    salt: u128,
}

#[derive(Debug)]
struct Proposal {
    header: Header,
    body: Body,
    votes: Vec<OpId>,
}

impl History {
    /// Takes `steps` steps, or fewer when the script ends; a step adds one operation or is refused.
    pub(crate) fn generate(dice: &mut Dice, steps: usize) -> Self {
        let genesis = genesis(dice);
        let mut history = Self {
            log: Log::new(genesis.clone()),
            genesis,
            entries: Vec::new(),
            refused: Vec::new(),
            logins: Vec::new(),
            proposals: Vec::new(),
            salt: 0,
        };
        for _ in 0..steps {
            if !dice.has_more() {
                break;
            }
            history.step(dice);
        }
        history
    }

    /// Takes an operation in that was made elsewhere, after everything it follows.
    pub(crate) fn adopt(&mut self, entry: Entry) {
        if !self.log.contains(&entry.id()) {
            self.log.insert(&entry, NEVER_AHEAD_MS).expect("well-formed elsewhere");
            self.entries.push(entry);
        }
    }

    /// The sign-ins that its operations name.
    pub(crate) fn logins(&self) -> Logins {
        let named = self.entries.iter().filter_map(|entry| entry.login());
        named.map(|login| (login.id, Arc::clone(login))).collect()
    }

    fn step(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0 => self.propose(dice),
            1 | 2 => self.vote(dice),
            3 => self.execute(dice),
            _ => {
                let (auth, by) = self.actor(dice);
                let act = self.act(dice, auth, &by);
                let (header, body) = self.draft(dice, by, auth, act);
                self.submit(dice, header, body);
            }
        }
    }

    /// Something that needs votes, not yet in the log.
    fn propose(&mut self, dice: &mut Dice) {
        let (auth, by) = self.actor(dice);
        let act = self.act(dice, auth, &by);
        let (header, body) = self.draft(dice, by, auth, act);
        self.proposals.push(Proposal { header, body, votes: Vec::new() });
    }

    fn vote(&mut self, dice: &mut Dice) {
        if self.proposals.is_empty() {
            return self.propose(dice);
        }
        let which = dice.below(self.proposals.len());
        let proposal = &self.proposals[which].header;
        let (auth, at) = (proposal.auth, proposal.at);
        let voters = self.principal(auth);
        let act = Act::Vote {
            proposal: proposal.proposal(),
            approve: !dice.once_in(5),
            shown: if dice.once_in(8) { [7; 32] } else { self.shown(which) }.into(),
            what: None,
            expires: Hlc::from_ms(at.ms() + *dice.pick(&[HOUR_MS, 8 * DAY_MS, 60 * DAY_MS])),
        };
        let by = dice.pick(voters.accounts()).clone();
        let (header, body) = self.draft(dice, by, auth, act);
        if let Some(id) = self.submit(dice, header, body) {
            self.proposals[which].votes.push(id);
        }
    }

    /// The words of a proposal, which random votes get wrong at times.
    fn shown(&self, which: usize) -> [u8; 32] {
        let Proposal { header, body, .. } = &self.proposals[which];
        words::shown(&header.by, body).expect("has words")
    }

    /// Puts a proposal into the log with the votes it has so far, perhaps once more.
    fn execute(&mut self, dice: &mut Dice) {
        if self.proposals.is_empty() {
            return self.propose(dice);
        }
        let proposal = &self.proposals[dice.below(self.proposals.len())];
        let (mut header, body, votes) =
            (proposal.header.clone(), proposal.body.clone(), proposal.votes.clone());
        let mut prev = if dice.once_in(2) { self.log.heads() } else { votes.clone() };
        prev.truncate(PREV_MAX);
        let late = prev.iter().filter_map(|id| self.log.date(id)).max().unwrap_or_default();
        header.at = Hlc::next(Some(late.max(header.at)), late.ms() + dice.below(5) as u64).expect("in time");
        (header.prev, header.votes) = (prev, votes);
        self.submit(dice, header, body);
    }

    /// An authority and somebody who may use it.
    fn actor(&self, dice: &mut Dice) -> (OpId, Account) {
        let mut auths = vec![self.genesis.id().as_root(); 2];
        for entry in &self.entries {
            if matches!(entry.header().verb, Verb::Grant | Verb::Rotate) {
                auths.push(entry.id());
            }
        }
        let auth = *dice.pick(&auths);
        let by = dice.pick(self.principal(auth).accounts()).clone();
        (auth, by)
    }

    fn principal(&self, auth: OpId) -> Principal {
        let entry = self.entries.iter().find(|entry| entry.id() == auth);
        match entry.and_then(|entry| entry.body()).map(|body| &body.act) {
            Some(Act::Grant { to, .. }) => to.clone(),
            Some(Act::Rotate { root }) => root.clone(),
            _ => self.genesis.root(),
        }
    }

    fn act(&self, dice: &mut Dice, auth: OpId, by: &Account) -> Act {
        let waits = self.log.grant(&auth).and_then(|grant| Some((grant.by.clone(), grant.wait_ms?)));
        if let Some((of, wait_ms)) = waits
            && dice.below(2) == 0
        {
            // Now and then it lies.
            let wait_ms = wait_ms + u64::from(dice.once_in(30));
            return Act::Claim { of, wait_ms };
        }
        match dice.below(12) {
            0..=3 => Act::Put { path: dice.pick(&PATHS).parse().expect("a path"), value: value(dice) },
            4 | 5 => self.grant(dice),
            6 | 7 => {
                let grants: Vec<OpId> = self.ids(|verb| verb == Verb::Grant);
                match dice.below(4) {
                    0 => Act::Revoke { grant: auth, from: None },
                    _ if grants.is_empty() => Act::Seal { state: None },
                    _ => Act::Revoke { grant: *dice.pick(&grants), from: None },
                }
            }
            8 => Act::Rotate { root: principal(dice) },
            9 if dice.once_in(2) => {
                // Whose request, of what: only one's own needs no votes.
                let by = if dice.once_in(4) { account(dice) } else { by.clone() };
                Act::Put { path: Request::path(&by, &BodyId::of(b"proposed")), value: value(dice) }
            }
            9 if !self.logins.is_empty() => Act::Logout { login: dice.pick(&self.logins).id },
            _ => Act::Seal { state: None },
        }
    }

    fn grant(&self, dice: &mut Dice) -> Act {
        let heir = self.genesis.is_private();
        let mut can: Vec<Ability> =
            (0..=dice.below(5)).map(|_| dice.pick(&ABILITIES).parse().expect("an ability")).collect();
        if heir {
            can.push(Ability::everywhere(Verb::Put));
            can.push(Ability::everywhere(Verb::Seal));
        }
        can.sort();
        can.dedup();
        Act::Grant {
            to: if heir { Principal::One(account(dice)) } else { principal(dice) },
            role: heir.then(|| HEIR_ROLE.to_owned()),
            can,
            wait_ms: match dice.below(6) {
                _ if heir => Some(HEIR_WAIT_MS_MIN),
                0 => Some(4 * DAY_MS),
                _ => None,
            },
        }
    }

    fn waits(&self, auth: OpId) -> bool {
        self.log.grant(&auth).is_some_and(|grant| grant.wait_ms.is_some())
    }

    fn draft(&mut self, dice: &mut Dice, by: Account, auth: OpId, act: Act) -> (Header, Body) {
        // Who waits claims, again and again.
        let claims = self.waits(auth) && dice.below(3) > 0;
        let mut prev = if claims { self.log.heads() } else { self.view(dice) };
        prev.truncate(PREV_MAX);
        prev.sort_unstable();
        prev.dedup();
        let late = prev.iter().filter_map(|id| self.log.date(id)).max().unwrap_or(Hlc::from_ms(START_MS));
        let step_ms = match *dice.pick(&[0, 1, 1, HOUR_MS, HOUR_MS, DAY_MS, 2 * DAY_MS, 8 * DAY_MS]) {
            HOUR_MS | 1 if claims => 8 * DAY_MS,
            step_ms => step_ms,
        };
        self.salt += 1;
        let body = Body::new(self.salt.to_be_bytes(), act);
        let header = Header {
            v: 1,
            core: self.genesis.id(),
            prev,
            by,
            login: None,
            auth,
            at: Hlc::next(Some(late), late.ms() + step_ms).expect("in time"),
            votes: Vec::new(),
            verb: body.act.verb(),
            body: body.id(),
        };
        (header, body)
    }

    /// What somebody knows: everything, or what lies behind a few operations.
    fn view(&self, dice: &mut Dice) -> Vec<OpId> {
        if dice.below(3) == 0 || self.entries.is_empty() {
            let heads = self.log.heads();
            return heads.into_iter().rev().take(PREV_MAX).collect();
        }
        (0..=dice.below(3)).map(|_| dice.pick(&self.entries).id()).collect()
    }

    /// Adds an operation if it is well-formed, by a session where that may be.
    fn submit(&mut self, dice: &mut Dice, mut header: Header, body: Body) -> Option<OpId> {
        header.prev.sort_unstable();
        header.prev.dedup();
        header.votes.sort_unstable();
        header.votes.dedup();
        let login = (header.verb.session_may() && dice.below(3) > 0).then(|| self.login(dice, &header));
        header.login = login.as_ref().map(|login| login.id);
        let entry = Entry::new(header, Some(body), login).expect("fits together");
        if self.log.contains(&entry.id()) {
            return None;
        }
        let id = entry.id();
        match self.log.insert(&entry, NEVER_AHEAD_MS) {
            Ok(_) => self.entries.push(entry),
            Err(refusal) => self.refused.push((entry, refusal)),
        }
        self.log.contains(&id).then_some(id)
    }

    /// A sign-in that is in date for an operation, old or new.
    fn login(&mut self, dice: &mut Dice, header: &Header) -> Arc<LoginFacts> {
        let at = header.at.ms();
        let fits = |login: &&Arc<LoginFacts>| {
            login.account == header.by && login.from_ms <= at && at < login.expires_ms
        };
        if dice.below(4) > 0
            && let Some(login) = self.logins.iter().rev().find(fits)
        {
            return Arc::clone(login);
        }
        let heads = match dice.below(3) {
            0 => self.view(dice),
            _ => Vec::new(),
        };
        let n = u64::try_from(self.logins.len()).expect("few");
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_be_bytes());
        let login = Arc::new(LoginFacts {
            id: LoginId::from_digest(digest),
            account: header.by.clone(),
            abilities: vec![Ability::everywhere(Verb::Put), Ability::everywhere(Verb::Vote)],
            issued_ms: at,
            from_ms: at,
            expires_ms: at + *dice.pick(&[HOUR_MS, DAY_MS, 3 * DAY_MS]),
            heads,
        });
        self.logins.push(Arc::clone(&login));
        login
    }

    fn ids(&self, wanted: impl Fn(Verb) -> bool) -> Vec<OpId> {
        self.entries.iter().filter(|entry| wanted(entry.header().verb)).map(Entry::id).collect()
    }
}

fn genesis(dice: &mut Dice) -> Genesis {
    let parent = Genesis::Private { root: Account::Eoa([99; 20]) }.id();
    match dice.below(7) {
        0 | 1 => Genesis::Private { root: Account::Eoa([1; 20]) },
        2 => Genesis::User { root: Account::Eoa([1; 20]), parent },
        3 | 4 => shared(Principal::One(Account::Eoa([1; 20]))),
        _ => {
            let of = (1..=3).map(|n| Account::Eoa([n; 20])).collect();
            shared(Principal::threshold(2, of).expect("two of three"))
        }
    }
}

fn shared(root: Principal) -> Genesis {
    Genesis::Shared { root, parent: None, name: "shared".to_owned(), nonce: [0; 16] }
}

fn account(dice: &mut Dice) -> Account {
    let n = u8::try_from(dice.below(ACCOUNTS.into())).expect("few");
    Account::Eoa([n + 1; 20])
}

fn principal(dice: &mut Dice) -> Principal {
    if dice.below(3) > 0 {
        return Principal::One(account(dice));
    }
    let mut of: Vec<Account> = (0..3).map(|_| account(dice)).collect();
    of.sort_by_key(ToString::to_string);
    of.dedup();
    let m = u8::try_from(of.len().min(2)).expect("few");
    Principal::threshold(m, of).expect("fits")
}

fn value(dice: &mut Dice) -> Ipld {
    match dice.below(5) {
        0 => Ipld::Null,
        n => Ipld::Integer(n as i128),
    }
}
