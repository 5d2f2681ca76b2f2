//! The sessions that stand on this node: records in the store, decoded ones in memory.
//!
//! A record is found by the hash of its token; a second row, by account and sign-in, lists and ends them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use kubelt_core::{Ability, Account, CheckedLogin, CoreId, Login, LoginId, Unchecked, codec};
use kubelt_store::{Store, Tx, TxError};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::broadcast;

use crate::{
    StoreError,
    limits::SESSIONS_CACHED_MAX,
    requests::Due,
    session::{Session, SessionRecord, Token},
};

const BY_TOKEN: &str = "session";
const BY_LOGIN: &str = "session-of";
const RECORD_BYTES_MAX: usize = 4_096;

/// The table; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SessionTable {
    store: Store,
    cache: Arc<Mutex<HashMap<[u8; 32], Arc<Session>>>>,
    /// Told of sign-ins that end.
    ended: broadcast::Sender<LoginId>,
    /// Told of cores in which a session may have to do something.
    pub(crate) due: Due,
}

/// Ends of sessions that somebody who listens may have missed before it looks itself.
const ENDS_WAITING: usize = 256;

impl SessionTable {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            cache: Arc::default(),
            ended: broadcast::Sender::new(ENDS_WAITING),
            due: Due::default(),
        }
    }

    /// Writes a new session.
    pub(crate) fn insert(&self, tx: &mut Tx, token: &Token, record: &SessionRecord) -> Result<(), TxError> {
        tx.put_meta(BY_TOKEN, &token.hash(), Some(&codec::encode(record)))?;
        tx.put_meta(BY_LOGIN, &login_key(&record.account, &record.login), Some(&token.hash()))?;
        Ok(())
    }

    /// The session of a token, whatever its dates say.
    pub(crate) fn get(&self, token: &Token) -> Result<Option<Arc<Session>>, StoreError> {
        let hash = token.hash();
        if let Some(session) = self.cache.lock().get(&hash) {
            return Ok(Some(Arc::clone(session)));
        }
        let Some(record) = self.record(&hash)? else { return Ok(None) };
        let Some(login) = self.login(&record.core, &record.login)? else { return Ok(None) };
        let session = Arc::new(Session {
            login: Arc::new(login),
            core: record.core,
            within: record.within,
            created_ms: record.created_ms,
            token_hash: hash,
            key: record.held_by_node.then(|| token.session_key()),
        });
        self.remember(hash, &session);
        // Who ends a session removes its row first and the decoded one after. So it may have passed by between
        // the two steps above: then the row is gone now.
        if self.store.meta(BY_TOKEN, &hash)?.is_none() {
            self.cache.lock().remove(&hash);
            return Ok(None);
        }
        Ok(Some(session))
    }

    fn remember(&self, hash: [u8; 32], session: &Arc<Session>) {
        let cache = &mut *self.cache.lock();
        if cache.len() >= SESSIONS_CACHED_MAX {
            cache.clear();
        }
        cache.insert(hash, Arc::clone(session));
        if session.key.is_some() {
            // Nobody shares the authority over a private core.
            let shared = session.login.abilities.keys().filter(|core| **core != session.core);
            shared.for_each(|core| self.due.mark(*core));
        }
    }

    fn record(&self, hash: &[u8]) -> Result<Option<SessionRecord>, StoreError> {
        let Some(bytes) = self.store.meta(BY_TOKEN, hash)? else { return Ok(None) };
        Ok(codec::decode(&bytes, RECORD_BYTES_MAX, "session").ok())
    }

    /// A sign-in that a core keeps.
    pub(crate) fn login(&self, core: &CoreId, id: &LoginId) -> Result<Option<CheckedLogin>, StoreError> {
        let Some(bytes) = self.store.login(core, id)? else { return Ok(None) };
        let login = Login::decode(&bytes).ok();
        // Its signature was judged when it was stored.
        Ok(login.and_then(|login| Some(CheckedLogin::check(&login, &Unchecked).ok()?.kept())))
    }

    /// What the sign-in of a session handed it, by core.
    pub(crate) fn abilities(&self, record: &SessionRecord) -> BTreeMap<CoreId, Vec<Ability>> {
        let login = self.login(&record.core, &record.login).ok().flatten();
        login.map(|login| login.abilities).unwrap_or_default()
    }

    /// The sessions of an account, in no order.
    pub(crate) fn of(&self, account: &Account) -> Result<Vec<([u8; 32], SessionRecord)>, StoreError> {
        let mut found = Vec::new();
        for row in self.store.meta_scan(BY_LOGIN, &account_key(account), None) {
            let (_, hash) = row?;
            let Ok(hash) = <[u8; 32]>::try_from(hash.as_ref()) else { continue };
            if let Some(record) = self.record(&hash)? {
                found.push((hash, record));
            }
        }
        Ok(found)
    }

    /// A session of an account whose key the node holds, that has been used since the node started, and fits.
    pub(crate) fn open_of(&self, account: &Account, fits: impl Fn(&Session) -> bool) -> Option<Arc<Session>> {
        let cache = self.cache.lock();
        let mut open = cache.values().filter(|session| session.key.is_some() && session.account() == account);
        open.find(|session| fits(session)).cloned()
    }

    /// Removes the session of a sign-in; [`SessionTable::evict`] must follow the commit.
    pub(crate) fn remove(&self, tx: &mut Tx, account: &Account, login: &LoginId) -> Result<(), TxError> {
        let key = login_key(account, login);
        if let Some(hash) = self.store.meta(BY_LOGIN, &key)? {
            tx.put_meta(BY_TOKEN, &hash, None)?;
            tx.put_meta(BY_LOGIN, &key, None)?;
        }
        Ok(())
    }

    /// Drops the decoded session of a sign-in, and tells whoever waits for its end.
    pub(crate) fn evict(&self, login: &LoginId) {
        self.cache.lock().retain(|_, session| session.id() != *login);
        // Where nobody listens nobody is told.
        let _listeners = self.ended.send(*login);
    }

    /// Resolves when the session is ended.
    pub(crate) async fn ended(&self, session: &Session) {
        use broadcast::error::RecvError;
        let mut ended = self.ended.subscribe();
        // It may have ended before anybody listened; and where this listens too slowly, meanwhile.
        let stands = || matches!(self.store.meta(BY_TOKEN, &session.token_hash), Ok(Some(_)));
        let mut is_sure = false;
        while is_sure || stands() {
            match ended.recv().await {
                Ok(login) if login == session.id() => return,
                Ok(_other) => is_sure = true,
                Err(RecvError::Lagged(_)) => is_sure = false,
                Err(RecvError::Closed) => return,
            }
        }
    }
}

pub(crate) fn account_key(account: &Account) -> [u8; 32] {
    Sha256::digest(account.to_string()).into()
}

fn login_key(account: &Account, login: &LoginId) -> Vec<u8> {
    [&account_key(account)[..], login.digest()].concat()
}
