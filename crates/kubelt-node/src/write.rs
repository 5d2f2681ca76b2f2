//! One transaction of writes to one core.
//!
//! A batch takes operations one after the other: each is judged by the log, then it, its place in the
//! state, and the names of content that the state opens go into one transaction. What is refused leaves no
//! trace; what is committed is committed whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cid::Cid;
use ipld_core::ipld::Ipld;
use kubelt_core::{
    Act, Body, CoreId, Genesis, Header, Hlc, HostName, Log, Login, LoginId, MapPath, OpId, Signed, Verb,
    codec,
    limits::{NONCE_BYTES, VALUE_BYTES_MAX},
    log::{DraftError, Entry, EntryError, Inserted, Intent, LoginFacts, Refusal},
    schema::{self, ContentEntry, Request, SchemaError, Visibility},
};
use kubelt_store::{CommitError, OpRecord, Store, Tx, TxError, limits::HEADS_MAX};

use crate::{
    StoreError,
    clock::random,
    collect::{Job, VERSIONS, enqueue, keep_of, set_kept},
    content::{PREFIX, Wholeness, how_whole, is_shown},
    cores::{LoadError, Loaded},
    doors::Doors,
    exposures::Exposures,
    host_names, ipns,
    kin::{self, Kin},
    limits::{BATCH_BYTES_MAX, EFFECTS_MAX, HEADS_RESERVED, SHOW_AGAIN_MS},
    names::{Named, set_name},
    parts,
    replicate::Changes,
    session::Session,
    session_table::SessionTable,
};

/// Something to write.
#[derive(Debug)]
pub enum Write {
    /// An act of a session whose key the node holds: the node makes and signs the operation.
    Act {
        /// The session.
        session: Arc<Session>,
        /// The act.
        act: Act,
    },
    /// The operation of a body that was made before, by a session whose key the node holds: a request, or what was
    /// asked for in one.
    Made {
        /// The session.
        session: Arc<Session>,
        /// By which authority.
        auth: OpId,
        /// The votes that it cites.
        votes: Vec<OpId>,
        /// The body.
        body: Box<Body>,
    },
    /// An operation signed elsewhere.
    Op(Box<SignedOp>),
}

/// An operation whose signature and login were checked.
#[derive(Debug)]
pub struct SignedOp {
    signed: Signed,
    body: Option<Body>,
    facts: Option<Arc<LoginFacts>>,
    /// The login block, where the store may not have it yet.
    login: Option<Login>,
}

impl Write {
    /// Whether it takes something from who may do too much: no quota and no crowd of heads stands in its way.
    pub(crate) fn is_relief(&self) -> bool {
        match self {
            Self::Act { act, .. } => is_relief(act.verb()),
            Self::Made { body, .. } => is_relief(body.act.verb()),
            Self::Op(op) => is_relief(op.signed.header.verb),
        }
    }
}

impl SignedOp {
    /// Puts together what the caller has checked.
    pub(crate) fn verified(
        signed: Signed,
        body: Option<Body>,
        facts: Option<Arc<LoginFacts>>,
        login: Option<Login>,
    ) -> Self {
        Self { signed, body, facts, login }
    }

    /// What was checked, and the sign-in's block, where the store may not have it.
    pub(crate) fn into_parts(self) -> Result<(Signed, Entry, Option<Login>), EntryError> {
        let entry = Entry::new(self.signed.header.clone(), self.body, self.facts)?;
        Ok((self.signed, entry, self.login))
    }

    pub(crate) fn by(&self) -> &kubelt_core::Account {
        &self.signed.header.by
    }

    /// What the log takes in.
    pub(crate) fn entry(&self) -> Result<Entry, EntryError> {
        Entry::new(self.signed.header.clone(), self.body.clone(), self.facts.clone())
    }

    /// Whether it says all that it does: what puts may have come without its body.
    pub(crate) fn is_whole(&self) -> bool {
        self.body.is_some() || self.signed.header.verb != Verb::Put
    }

    /// Refuses what its maker should not sign, though it would be taken from a log that has it.
    pub(crate) fn check_new(&self) -> Result<(), WriteError> {
        self.body.as_ref().map_or(Ok(()), |body| check_new(&body.act))
    }

    pub(crate) fn at(&self) -> (Hlc, OpId) {
        (self.signed.header.at, self.signed.id())
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// The operation.
    pub id: OpId,
    /// Whether it was not here before.
    pub fresh: bool,
    /// Whether it counts.
    pub effective: bool,
}

/// Why a write was refused. Nothing of it was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The client holds the session's key, so only it can sign.
    #[error("this session's key is held by its client; sign the operation there and post it to `/-/ops`")]
    ClientKey,
    /// The account may not do this.
    #[error(transparent)]
    Draft(Arc<DraftError>),
    /// The operation's parts do not belong together.
    #[error(transparent)]
    Entry(EntryError),
    /// The value does not fit its path.
    #[error(transparent)]
    Schema(Arc<SchemaError>),
    /// The operation breaks a rule of the log, or cannot be judged yet.
    #[error(transparent)]
    Refused(Arc<Refusal>),
    /// The core has too many heads.
    #[error("the core has {0} heads, as many as it may; follow some of them")]
    Forked(usize),
    /// A transaction was refused.
    #[error(transparent)]
    Tx(Arc<TxError>),
    /// The transaction failed.
    #[error(transparent)]
    Commit(CommitError),
    /// The log could not be read.
    #[error(transparent)]
    Load(Arc<LoadError>),
    /// The node stopped in the middle.
    #[error("the node stopped before the write was done; look whether it is there, then try again")]
    Stopped,
}

impl WriteError {
    /// Whether the account could do it, if others agreed.
    pub(crate) fn needs_votes(&self) -> bool {
        let refusal = match self {
            Self::Draft(error) => match &**error {
                DraftError::Refused(refusal) => refusal,
                _ => return false,
            },
            Self::Refused(refusal) => &**refusal,
            _ => return false,
        };
        matches!(refusal, Refusal::Quorum { .. })
    }
}

impl From<TxError> for WriteError {
    fn from(error: TxError) -> Self {
        Self::Tx(Arc::new(error))
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Tx(Arc::new(error.into()))
    }
}

/// A transaction in the making.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    store: &'a Store,
    core: CoreId,
    loaded: &'a mut Loaded,
    tx: Tx,
    now_ms: u64,
    /// What earlier operations have come to count, or not to count any more.
    effects: BTreeMap<OpId, bool>,
    /// Content paths whose value may have changed.
    touched: BTreeSet<MapPath>,
    /// Sign-ins that the batch ends.
    ended: Vec<LoginId>,
    exposure_changed: bool,
    doors_changed: bool,
    /// Paths at which the core names another, perhaps a child.
    kin: BTreeSet<MapPath>,
    /// Hosts that the core may have come to bind, or to bind no more; in the end, whether it does.
    names: BTreeMap<HostName, bool>,
    /// Whether what the core's IPNS name points to may change.
    root_changed: bool,
    versions_changed: bool,
    hosts_changed: bool,
    /// Whether requests may stand otherwise than they did.
    requests_changed: bool,
    changed: bool,
}

/// A batch that is ready to be committed.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) tx: Tx,
    /// Sign-ins that it ends.
    pub(crate) ended: Vec<LoginId>,
    /// Whether it changes what strangers may reach, by its settings, of the core or of those below it.
    pub(crate) doors_changed: bool,
    /// Hosts that the core binds now, or does not.
    pub(crate) names: BTreeMap<HostName, bool>,
    /// Whether it changes what the core's IPNS name points to.
    pub(crate) root_changed: bool,
    /// Whether it changes which nodes host the core.
    pub(crate) hosts_changed: bool,
    /// Whether it brings votes, or requests for them.
    pub(crate) requests_changed: bool,
    /// Effects that this transaction had no room for. They are marked as owed with it ([`EFFECTS_OWED`]).
    pub(crate) owed: BTreeMap<OpId, bool>,
}

/// Records of cores whose state does not yet show all that their log says.
pub(crate) const EFFECTS_OWED: &str = "effects-owed";

impl<'a> Batch<'a> {
    pub(crate) fn new(store: &'a Store, core: CoreId, loaded: &'a mut Loaded, now_ms: u64) -> Self {
        Self {
            store,
            core,
            loaded,
            tx: store.begin(),
            now_ms,
            effects: BTreeMap::new(),
            touched: BTreeSet::new(),
            ended: Vec::new(),
            exposure_changed: false,
            doors_changed: false,
            kin: BTreeSet::new(),
            names: BTreeMap::new(),
            root_changed: false,
            versions_changed: false,
            hosts_changed: false,
            requests_changed: false,
            changed: false,
        }
    }

    /// Judges one write and takes it in.
    pub(crate) fn apply(&mut self, write: Write, sessions: &SessionTable) -> Result<Written, WriteError> {
        let op = match write {
            Write::Act { session, act } => {
                check_new(&act)?;
                self.sign(&session, act, random(), None, Vec::new())?
            }
            Write::Made { session, auth, votes, body } => {
                check_new(&body.act)?;
                self.sign(&session, body.act, body.salt.into_array(), Some(auth), votes)?
            }
            Write::Op(op) => *op,
        };
        let SignedOp { signed, body, facts, login } = op;
        if let Some(Body { act: Act::Put { path, value }, .. }) = &body {
            schema::check(path, value).map_err(|error| WriteError::Schema(Arc::new(error)))?;
        }
        let entry = Entry::new(signed.header.clone(), body, facts).map_err(WriteError::Entry)?;
        self.check_heads(entry.header())?;
        let inserted = self
            .loaded
            .log
            .insert(&entry, self.now_ms)
            .map_err(|refusal| WriteError::Refused(Arc::new(refusal)))?;
        let written = Written { id: entry.id(), fresh: inserted.fresh, effective: inserted.effective };
        if inserted.fresh {
            self.changed = true;
            self.record(&signed, &entry, &inserted)?;
            if let Some(login) = login {
                self.tx.put_login(&self.core, &login.id(), &login.encode())?;
            }
            if let Some(Body { act: Act::Logout { login }, .. }) = entry.body() {
                sessions.remove(&mut self.tx, &signed.header.by, login)?;
                self.ended.push(*login);
            }
        }
        Ok(written)
    }

    /// A core that is forked too often takes no more forks, but what joins some, and what ends them.
    fn check_heads(&self, header: &Header) -> Result<(), WriteError> {
        let room = HEADS_MAX - if is_relief(header.verb) { 0 } else { HEADS_RESERVED };
        let heads = self.loaded.log.heads();
        let joins = || header.prev.iter().any(|prev| heads.contains(prev));
        if heads.len() >= room && !joins() { Err(WriteError::Forked(heads.len())) } else { Ok(()) }
    }

    /// Makes and signs the operation of a session whose key the node holds.
    fn sign(
        &self,
        session: &Session,
        act: Act,
        salt: [u8; NONCE_BYTES],
        auth: Option<OpId>,
        votes: Vec<OpId>,
    ) -> Result<SignedOp, WriteError> {
        let facts = Arc::new(LoginFacts::of(&session.login, &self.core));
        let by = session.account().clone();
        let intent = Intent { by, login: Some(Arc::clone(&facts)), act, auth, votes };
        let drafted = self.loaded.log.draft(intent, salt, self.now_ms);
        let (header, body) = drafted.map_err(|error| WriteError::Draft(Arc::new(error)))?;
        let signed = session.sign(header).ok_or(WriteError::ClientKey)?;
        // The sign-in is kept by the account's own core; each other core that it acts in keeps a copy.
        let login = match self.core == session.core || self.store.login(&self.core, &session.id())?.is_some()
        {
            true => None,
            false => self.store.login(&session.core, &session.id())?,
        };
        let login = login.and_then(|block| Login::decode(&block).ok());
        Ok(SignedOp::verified(signed, Some(body), Some(facts), login))
    }

    /// Puts the operation, its value and whatever it changed into the transaction.
    fn record(&mut self, signed: &Signed, entry: &Entry, inserted: &Inserted) -> Result<(), WriteError> {
        let header = &signed.header;
        let put = Log::put_of(entry);
        self.requests_changed |= header.verb == Verb::Vote;
        if !is_relief(header.verb) {
            self.tx.enforce_quota(&self.core);
        }
        self.tx.put_op(
            &self.core,
            &OpRecord {
                id: entry.id(),
                at: header.at,
                verb: header.verb,
                path: put.map(|(path, _)| path.clone()),
                effective: inserted.effective,
                signed: signed.encode().into(),
                body: entry.body().map(|body| body.encode().into()),
            },
        )?;
        if let Some((path, value)) = put {
            let cleared = *value == Ipld::Null;
            let bytes = codec::encode(value);
            self.tx.index_put(
                &self.core,
                path,
                header.at,
                &entry.id(),
                inserted.effective,
                cleared,
                &bytes,
            )?;
            self.touch(path);
        }
        self.note_parts(entry)?;
        self.effects.extend(inserted.changes.iter().copied());
        Ok(())
    }

    /// Takes up what an earlier transaction had no room for, or a kill has left.
    pub(crate) fn owe(&mut self, effects: BTreeMap<OpId, bool>) {
        self.effects = effects;
        self.changed = true;
    }

    /// Says in the state what has come to count, as much as one transaction holds. One operation may void any number of
    /// others: a logout all that a session wrote.
    fn put_effects(&mut self) -> Result<(), WriteError> {
        for _ in 0..EFFECTS_MAX {
            if self.tx.size_bytes() >= BATCH_BYTES_MAX {
                break;
            }
            let Some((id, effective)) = self.effects.pop_first() else { break };
            self.tx.set_effective(&self.core, &id, effective)?;
            if let Some(path) = self.tx.op(&self.core, &id)?.and_then(|op| op.path) {
                self.touch(&path);
            }
        }
        let is_owed = !self.effects.is_empty();
        if is_owed || self.store.meta(EFFECTS_OWED, self.core.digest())?.is_some() {
            self.tx.put_meta(EFFECTS_OWED, self.core.digest(), is_owed.then_some(&[]))?;
        }
        Ok(())
    }

    /// Notes which accounts the operation gives a part in a core of several signers, or names as heirs of a private one.
    fn note_parts(&mut self, entry: &Entry) -> Result<(), TxError> {
        let act = entry.body().map(|body| &body.act);
        let root = match self.loaded.log.genesis() {
            Genesis::Shared { root, .. } => root,
            Genesis::Private { .. } => {
                return match act {
                    Some(Act::Grant { to, .. }) => parts::note_heirs(&mut self.tx, &self.core, to.accounts()),
                    _ => Ok(()),
                };
            }
            Genesis::User { .. } => return Ok(()),
        };
        if self.loaded.log.len() == 1 {
            parts::note(&mut self.tx, &self.core, root.accounts())?;
        }
        match act {
            Some(Act::Grant { to: given, .. } | Act::Rotate { root: given }) => {
                parts::note(&mut self.tx, &self.core, given.accounts())
            }
            _ => Ok(()),
        }
    }

    fn touch(&mut self, path: &MapPath) {
        // What a request is about is kept until it is decided; nothing but content is opened.
        if path.prefix() == PREFIX || path.prefix() == schema::REQUESTS {
            self.touched.insert(path.clone());
        }
        if Kin::concerns(path) {
            self.kin.insert(path.clone());
        }
        if let Some(host) = HostName::of_path(path) {
            self.names.insert(host, false);
        }
        self.exposure_changed |= Exposures::concerns(path);
        self.doors_changed |= Doors::concern(path);
        self.root_changed |= ipns::concerns(path);
        self.versions_changed |= path.as_str() == VERSIONS;
        self.hosts_changed |= Changes::concerns_hosts(path);
        self.requests_changed |= path.prefix() == schema::REQUESTS;
    }

    /// Opens whatever has become whole at these paths since its operation was taken in.
    pub(crate) fn reopen(&mut self, paths: Vec<MapPath>) {
        self.touched.extend(paths);
        self.changed = true;
    }

    /// Bytes that it will take in a segment, nearly.
    pub(crate) fn size_bytes(&self) -> usize {
        self.tx.size_bytes()
    }

    /// Ends the batch: heads, and what content paths open.
    pub(crate) fn finish(mut self) -> Result<Finished, WriteError> {
        if self.changed {
            self.put_effects()?;
            let keep = keep_of(&self.tx, &self.core)?;
            for path in std::mem::take(&mut self.touched) {
                let now = self.opened(&path)?;
                self.root_changed |= set_name(&mut self.tx, &self.core, &path, now)?;
                set_kept(&mut self.tx, &self.core, &path, keep, self.now_ms)?;
                if let Some(named) = now.filter(|named| named.visibility == Visibility::Public) {
                    let shown = is_shown(self.store, &named.root)?;
                    let due_ms = self.now_ms + if shown { SHOW_AGAIN_MS } else { 0 };
                    enqueue(&mut self.tx, due_ms, &Job::Show { core: self.core, root: named.root })?;
                }
            }
            for path in std::mem::take(&mut self.kin) {
                let before = self.store.state(&self.core, &path)?.map(|entry| entry.value);
                let now = self.tx.state(&self.core, &path)?.map(|entry| entry.value);
                kin::note(&mut self.tx, &self.core, &path, before.as_deref(), now.as_deref())?;
            }
            for (host, is_bound) in &mut self.names {
                *is_bound = self.tx.state(&self.core, &host.path())?.is_some();
                host_names::note(&mut self.tx, &self.core, host, *is_bound)?;
            }
            if self.versions_changed {
                enqueue(&mut self.tx, self.now_ms, &Job::Versions { core: self.core })?;
            }
            self.root_changed |= self.exposure_changed;
            if self.root_changed {
                ipns::retire(&mut self.tx, &self.core)?;
            }
            self.tx.set_heads(&self.core, &self.loaded.log.heads())?;
        }
        let Self { tx, ended, doors_changed, root_changed, hosts_changed, requests_changed, .. } = self;
        let (owed, names) = (self.effects, self.names);
        Ok(Finished { tx, ended, doors_changed, names, root_changed, hosts_changed, requests_changed, owed })
    }

    /// What a path opens as the transaction leaves it: its content, if that is whole in this core.
    fn opened(&self, path: &MapPath) -> Result<Option<Named>, WriteError> {
        let Some(state) = self.tx.state(&self.core, path)? else { return Ok(None) };
        let Some(entry) = content_entry(&state.value) else { return Ok(None) };
        let here = how_whole(self.store, &self.core, &entry.cid)?;
        let partial = here == Some(Wholeness::Partial);
        let opens = here.is_some() && (entry.partial || !partial);
        let (op, at) = (state.id, state.at);
        let now = Named { root: entry.cid, visibility: entry.visibility, partial, op, at };
        Ok(opens.then_some(now))
    }
}

/// Refuses a setting of the wrong form, for whoever is about to make it.
fn check_new(act: &Act) -> Result<(), WriteError> {
    let Act::Put { path, value } = act else { return Ok(()) };
    schema::check_new(path, value).map_err(|error| WriteError::Schema(Arc::new(error)))
}

/// The content that a stored value keeps: that of its entry, or that which a request is about.
pub(crate) fn kept_content(value: &[u8]) -> Option<Cid> {
    let value: Ipld = codec::decode(value, VALUE_BYTES_MAX, "value").ok()?;
    let entry = match ContentEntry::from_ipld(&value) {
        Ok(entry) => entry,
        Err(_other) => match Request::from_ipld(&value).ok()?.body.act {
            Act::Put { value, .. } => ContentEntry::from_ipld(&value).ok()?,
            _ => return None,
        },
    };
    Some(entry.cid)
}

/// The content entry in a stored value; none where the value is something else.
pub(crate) fn content_entry(value: &[u8]) -> Option<ContentEntry> {
    let value: Ipld = codec::decode(value, VALUE_BYTES_MAX, "value").ok()?;
    ContentEntry::from_ipld(&value).ok()
}

fn is_relief(verb: Verb) -> bool {
    matches!(verb, Verb::Logout | Verb::Revoke | Verb::Rotate)
}
