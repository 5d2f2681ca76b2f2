//! A whole replica in memory: log, state and blocks, fed with signed operations in any order. What tests, the
//! simulation and the check of an exported core run on; a node keeps the same on disk.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    codec::DecodeError,
    genesis::Genesis,
    id::{BodyId, LoginId, OpId},
    log::{Entry, EntryError, Inserted, Log, LoginFacts, Refusal, Waiting},
    login::Login,
    map::MapState,
    op::{Body, Signed},
    session::{CheckedLogin, LoginError, Outcome},
    signature::ContractSignatures,
    sync::{Holdings, Received},
};

/// One core, in memory.
#[derive(Debug)]
pub struct Replica {
    log: Log,
    state: MapState,
    ops: HashMap<OpId, Held>,
    /// Operations without their body, by body.
    lacking: BTreeMap<BodyId, Vec<OpId>>,
    logins: HashMap<LoginId, (Login, CheckedLogin, Arc<LoginFacts>)>,
    waiting: Waiting,
    /// The blocks of operations that wait.
    parked: HashMap<OpId, Held>,
    /// Operations of which strangers may have the body.
    shown: HashSet<OpId>,
}

#[derive(Clone, Debug)]
struct Held {
    signed: Signed,
    entry: Entry,
}

/// What became of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is in the log, and others that waited for it may be too.
    In,
    /// It was there before.
    Known,
    /// It waits for others, or for its date.
    Waits,
    /// It waits for a chain's answer about a contract wallet, and has to be offered again.
    Pending,
    /// The queue of those that wait is full: it was dropped and has to be offered again.
    Dropped,
}

/// Why an operation is refused.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The login it names did not come with it and is not here.
    #[error("sign-in `{0}` is not here; send it along")]
    UnknownLogin(LoginId),
    /// The login is not good.
    #[error("the sign-in is refused")]
    Login(#[from] LoginError),
    /// Its signature is not good, or its parts do not belong together.
    #[error("the operation is refused")]
    Entry(#[from] EntryError),
    /// It breaks a rule of the log.
    #[error("the operation breaks a rule")]
    Rule(#[from] Refusal),
    /// A block is not one.
    #[error("the block is malformed")]
    Block(#[from] DecodeError),
}

impl Replica {
    /// The replica of a core that nothing is known of.
    pub fn new(genesis: Genesis) -> Self {
        Self {
            log: Log::new(genesis),
            state: MapState::new(),
            ops: HashMap::new(),
            lacking: BTreeMap::new(),
            logins: HashMap::new(),
            waiting: Waiting::new(),
            parked: HashMap::new(),
            shown: HashSet::new(),
        }
    }

    /// Lets strangers have the body of an operation.
    pub fn show(&mut self, op: OpId) {
        self.shown.insert(op);
    }

    /// Its log.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// What its operations add up to.
    pub const fn state(&self) -> &MapState {
        &self.state
    }

    /// The operations that wait.
    pub const fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// An operation that is in the log.
    pub fn entry(&self, op: &OpId) -> Option<&Entry> {
        self.ops.get(op).map(|held| &held.entry)
    }

    /// Every operation in the log, each after everything it follows.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.log.ops().filter_map(|(id, _, _, _)| self.entry(&id))
    }

    /// A login that is here, checked.
    pub fn checked_login(&self, id: &LoginId) -> Option<&CheckedLogin> {
        self.logins.get(id).map(|(_, checked, _)| checked)
    }

    /// What the log needs of a login that is here.
    pub fn login_facts(&self, id: &LoginId) -> Option<Arc<LoginFacts>> {
        self.logins.get(id).map(|(_, _, facts)| Arc::clone(facts))
    }

    /// Checks a login and keeps it; `false` while a contract wallet's signature waits for the chain's answer.
    ///
    /// # Errors
    /// [`LoginError`] says what is wrong with it.
    pub fn take_login(
        &mut self,
        login: &Login,
        contracts: &dyn ContractSignatures,
    ) -> Result<bool, LoginError> {
        if self.logins.contains_key(&login.id()) {
            return Ok(true);
        }
        let Outcome::Valid(checked) = CheckedLogin::check(login, contracts)? else { return Ok(false) };
        let facts = Arc::new(LoginFacts::of(&checked, &self.log.core()));
        self.logins.insert(checked.id, (login.clone(), checked, facts));
        Ok(true)
    }

    /// Checks an operation, takes it in, and then whatever waited for it.
    ///
    /// # Errors
    /// [`TakeError`] says what is wrong with it.
    pub fn take(
        &mut self,
        received: Received,
        now_ms: u64,
        contracts: &dyn ContractSignatures,
    ) -> Result<Taken, TakeError> {
        let Received { signed, login, body } = received;
        let id = signed.id();
        if self.log.contains(&id) {
            if let Some(body) = body {
                self.take_body(body)?;
            }
            return Ok(Taken::Known);
        }
        if let Some(login) = login
            && !self.take_login(&login, contracts)?
        {
            return Ok(Taken::Pending);
        }
        let checked = match signed.header.login {
            Some(id) => Some(self.checked_login(&id).ok_or(TakeError::UnknownLogin(id))?),
            None => None,
        };
        match Entry::verify(&signed, body, checked, contracts)? {
            Some(entry) => self.admit(Held { signed, entry }, now_ms),
            None => Ok(Taken::Pending),
        }
    }

    /// Takes in the body of an operation that came without; one that belongs to none is passed over.
    ///
    /// # Errors
    /// [`TakeError`] when its operation should never have been taken in.
    pub fn take_body(&mut self, body: Body) -> Result<(), TakeError> {
        let id = body.id();
        for op in self.lacking.remove(&id).unwrap_or_default() {
            let Some(held) = self.ops.get_mut(&op) else { continue };
            let (header, login) = (held.entry.header().clone(), held.entry.login().cloned());
            self.log.check_late_body(&header, &body)?;
            held.entry = Entry::stored(op, header, Some(body.clone()), login);
            self.state.enter(&held.entry, self.log.is_effective(&op));
        }
        Ok(())
    }

    /// Takes in the operations that were held until now.
    pub fn tick(&mut self, now_ms: u64) {
        for entry in self.waiting.due(now_ms) {
            if let Some(held) = self.parked.remove(&entry.id()) {
                // One that turns out not to be well-formed is dropped.
                drop(self.admit(held, now_ms));
            }
        }
    }

    /// The state of what lies in the past of `heads`, and `heads`, judged without anything else.
    pub fn state_at(&self, heads: &[OpId]) -> MapState {
        let entries = || self.log.closure(heads).into_iter().filter_map(|id| self.entry(&id).cloned());
        let log = Log::load(self.log.genesis().clone(), entries())
            .expect("a part of a log that is closed under `prev` is well-formed");
        let mut state = MapState::new();
        entries().for_each(|entry| state.enter(&entry, log.is_effective(&entry.id())));
        state
    }

    fn admit(&mut self, held: Held, now_ms: u64) -> Result<Taken, TakeError> {
        let taken = self.insert(held, now_ms)?;
        if let Taken::In = taken.0 {
            let mut arrived = vec![taken.1];
            while let Some(id) = arrived.pop() {
                for entry in self.waiting.arrived(&id) {
                    let Some(held) = self.parked.remove(&entry.id()) else { continue };
                    if let Ok((Taken::In, id)) = self.insert(held, now_ms) {
                        arrived.push(id);
                    }
                }
            }
        }
        Ok(taken.0)
    }

    fn insert(&mut self, held: Held, now_ms: u64) -> Result<(Taken, OpId), Refusal> {
        let id = held.entry.id();
        let queued = match self.log.insert(&held.entry, now_ms) {
            Ok(Inserted { effective, changes, .. }) => {
                self.state.enter(&held.entry, effective);
                self.state.apply(&changes);
                if held.entry.body().is_none() {
                    self.lacking.entry(held.entry.header().body).or_default().push(id);
                }
                self.ops.insert(id, held);
                return Ok((Taken::In, id));
            }
            Err(Refusal::UnknownPrev(lacks)) => self.waiting.park(held.entry.clone(), &lacks),
            Err(Refusal::Ahead { .. }) => self.waiting.hold(held.entry.clone()),
            Err(refusal) => return Err(refusal),
        };
        if queued {
            self.parked.insert(id, held);
        }
        Ok((if queued { Taken::Waits } else { Taken::Dropped }, id))
    }
}

impl Holdings for Replica {
    fn log(&self) -> &Log {
        &self.log
    }

    fn signed(&self, op: &OpId) -> Option<Vec<u8>> {
        self.ops.get(op).map(|held| held.signed.encode())
    }

    fn login(&self, login: &LoginId) -> Option<Vec<u8>> {
        self.logins.get(login).map(|(login, _, _)| login.encode())
    }

    fn body(&self, op: &OpId) -> Option<Vec<u8>> {
        self.entry(op)?.body().map(Body::encode)
    }

    fn lacking(&self) -> Vec<OpId> {
        self.lacking.values().flatten().copied().collect()
    }

    fn is_public(&self, op: &OpId) -> bool {
        self.shown.contains(op)
    }
}
