//! The sessions of an account, listed and ended: from any other of them, or by a signature of the wallet alone.
//!
//! A session ends by a logout in the log of each core that it covers; wherever such a log comes to, its token opens nothing
//! any more and its key writes nothing. No core's verdict may hang on another core's log, so there is one logout
//! for each, and by the wallet alone one signature for each.
//!
//! A node knows the sign-ins that were made at it, and those that have acted in a core that it holds. One that was made
//! elsewhere and has done nothing yet is ended by its id.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use kubelt_core::{
    Account, Act, Body, CheckedLogin, ContractSignatures, CoreId, Genesis, Intent, Log, LoginId, Scheme,
    SignatureError, Signed, Verdict,
    signature::{scheme_by, verify_signed},
    words::WordsError,
};

use super::{MadeChallenge, Sessions};
use crate::{
    StoreError,
    challenge::{Challenges, Purpose},
    clock::random,
    cores::LoadError,
    limits::SIGN_INS_SHOWN_MAX,
    parts,
    session::{Session, SessionInfo, SessionRecord},
    users::home,
    write::{SignedOp, Write, WriteError},
};

/// Why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// No such session of this account.
    #[error("the account has no such session, as far as this node knows")]
    NotFound,
    /// The challenge is not one, has been used, or is too old.
    #[error("this challenge was not given out here, has been used, or is too old; ask for a new one")]
    Challenge,
    /// A contract wallet's signature that cannot be checked now.
    #[error(
        "the contract's chain gives no answer at the moment; the message stays good, so send the same signature again in a while"
    )]
    Pending,
    /// The signature is wrong.
    #[error("the signature is refused")]
    Signature(#[from] SignatureError),
    /// The store could not be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The logout could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The log of a core could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There are no words for a logout.
    #[error(transparent)]
    Words(#[from] WordsError),
}

/// What is left to do where a session was ended.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// Cores in which it may still act, because the session that ended it does not cover them.
    pub left: Vec<CoreId>,
    /// Messages by which the wallet ends it in the other cores that it covers.
    pub more: Vec<MadeChallenge>,
}

impl Sessions {
    /// The sessions of the same account, newest first, those at other nodes that have acted in its private core among them;
    /// for a session that does not look after others, itself alone.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list(&self, session: &Session) -> Result<Vec<SessionInfo>, LoadError> {
        let now_ms = self.clock.now_ms();
        let may_see = |hash: &[u8; 32], record: &SessionRecord| {
            *hash == session.token_hash || (session.keeps_sessions() && session.reaches(record))
        };
        let mut sessions: Vec<_> = self
            .table
            .of(session.account())?
            .into_iter()
            .filter(|(hash, record)| now_ms < record.expires_ms && may_see(hash, record))
            .map(|(hash, record)| SessionInfo {
                abilities: self.table.abilities(&record),
                id: record.login,
                created_ms: record.created_ms,
                expires_ms: record.expires_ms,
                held_by_node: record.held_by_node,
                current: hash == session.token_hash,
                elsewhere: false,
            })
            .collect();
        if session.keeps_sessions() {
            let here: HashSet<LoginId> = sessions.iter().map(|info| info.id).collect();
            sessions.extend(self.elsewhere(session, &here, now_ms).await?);
        }
        sessions.sort_by_key(|info| (std::cmp::Reverse(info.created_ms), info.id));
        Ok(sessions)
    }

    /// Sign-ins at other nodes that have acted in the account's private core and stand.
    async fn elsewhere(
        &self,
        session: &Session,
        here: &HashSet<LoginId>,
        now_ms: u64,
    ) -> Result<Vec<SessionInfo>, LoadError> {
        let account = session.account();
        let standing = |log: &Log| -> Vec<LoginId> {
            let stands = log.sign_ins().filter(|login| {
                login.account == *account
                    && now_ms < login.expires_ms
                    && !here.contains(&login.id)
                    && log.login_stands(login, account)
            });
            stands.map(|login| login.id).take(SIGN_INS_SHOWN_MAX).collect()
        };
        let mut found = Vec::new();
        for id in self.cores.with_log(&session.core, standing).await? {
            let Some(login) = self.table.login(&session.core, &id)? else { continue };
            found.push(SessionInfo {
                id,
                created_ms: login.issued_at_ms,
                expires_ms: login.expires_ms,
                held_by_node: login.held_by_node,
                current: false,
                elsewhere: true,
                abilities: login.abilities,
            });
        }
        Ok(found)
    }

    /// A sign-in of the account, as far as this node has seen it: one that is at home in the core `home`, or has acted in
    /// one of several people.
    fn sign_in_of(
        &self,
        home: CoreId,
        account: &Account,
        id: &LoginId,
    ) -> Result<Option<CheckedLogin>, StoreError> {
        for core in std::iter::once(home).chain(parts::of(&self.store, account)?) {
            if let Some(login) = self.table.login(&core, id)?.filter(|login| login.account == *account) {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }

    /// The core that another session of the account is at home in, where it was opened at this node; the private one
    /// otherwise.
    fn home_of(&self, session: &Session, id: &LoginId) -> Result<CoreId, StoreError> {
        let mut records = self.table.of(session.account())?.into_iter();
        let record = records.find(|(_, record)| record.login == *id);
        Ok(record.map_or(session.core, |(_, record)| record.core))
    }

    /// Ends a session of the same account, here or elsewhere: a logout in the log of each core that both cover, and its token
    /// opens nothing more.
    ///
    /// # Errors
    /// [`EndError`] when there is no such session, or the logout could not be written.
    pub async fn end(&self, session: &Arc<Session>, id: LoginId) -> Result<Ended, EndError> {
        let itself = id == session.id();
        if !itself && !session.keeps_sessions() {
            return Err(EndError::NotFound);
        }
        let found = match session.within {
            // One that signed in through a core knows only its like.
            Some(_) => self.table.login(&session.core, &id)?,
            None => self.sign_in_of(self.home_of(session, &id)?, session.account(), &id)?,
        };
        let found = found.ok_or(EndError::NotFound)?;
        if session.key.is_none() {
            return Err(EndError::Write(WriteError::ClientKey));
        }
        let end = |core| {
            let act = Act::Logout { login: id };
            self.cores.write(core, Write::Act { session: Arc::clone(session), act })
        };
        // The first one ends the token here; the others keep the session's key from writing elsewhere.
        end(session.core).await?;
        let mut left = Vec::new();
        for core in found.abilities.into_keys().filter(|core| *core != session.core) {
            if !self.cores.has_part(&core, session.account()).await.unwrap_or(false) {
                continue;
            }
            let reaches = itself || session.is_whole_in(&core);
            if !reaches || end(core).await.is_err() {
                left.push(core);
            }
        }
        Ok(Ended { left, more: Vec::new() })
    }

    /// Makes the message by which the wallet itself ends a session: the logout operation, ready to sign.
    /// It is made for any id, so that nobody learns which sessions stand.
    ///
    /// # Errors
    /// [`EndError::Write`] when the store cannot be read.
    pub fn end_challenge(
        &self,
        origin: &str,
        account: Account,
        session: LoginId,
        within: Option<CoreId>,
    ) -> Result<MadeChallenge, EndError> {
        let core = home(account.clone(), within).id();
        let now_ms = self.clock.now_ms();
        let body = Body::new(random(), Act::Logout { login: session });
        let header = self.cores.draft_unlisted(core, &account, &body, now_ms)?;
        let message = Signed::signing_text(&header, Some(&body))?;
        let purpose = Purpose::End { session, header: Box::new(header), body: Box::new(body) };
        Ok(self.remember(origin, account, message, Challenges::nonce(), purpose, now_ms))
    }

    /// Ends a session by the wallet's signature over the message of [`Sessions::end_challenge`], whichever node it was opened
    /// at. Gives the messages by which it ends in the other cores on this node that it covers, for whoever has shown to be
    /// the account by this signature.
    ///
    /// # Errors
    /// [`EndError`] when the challenge is used up or the signature is wrong.
    pub async fn end_signed(&self, origin: &str, nonce: &str, signature: &[u8]) -> Result<Ended, EndError> {
        let now_ms = self.clock.now_ms();
        let pending = self.challenges.take(nonce, now_ms).ok_or(EndError::Challenge)?;
        let Purpose::End { session, header, body } = pending.purpose.clone() else {
            return Err(EndError::Challenge);
        };
        if pending.origin != origin {
            return Err(EndError::Challenge);
        }
        let account = pending.account.clone();
        let scheme = scheme_by(&account, signature);
        let mut signed = Signed { header: *header, scheme, signature: signature.to_vec(), block: None };
        self.chains.pin(&mut signed).await;
        let is_pinned = signed.block.is_some() || scheme != Scheme::Eip1271;
        let judge = |contracts: &dyn ContractSignatures| verify_signed(&signed, Some(&body), None, contracts);
        if !is_pinned || self.chains.settle(judge).await? == Verdict::Pending {
            self.challenges.put(nonce.to_owned(), pending, now_ms);
            return Err(EndError::Pending);
        }
        let core = signed.header.core;
        let op = SignedOp::verified(signed, Some(*body), None, None);
        match self.cores.write(core, Write::Op(Box::new(op))).await {
            // Who has never signed in here has no session here.
            Err(WriteError::Load(error)) if matches!(*error, LoadError::Unknown) => {
                return Err(EndError::NotFound);
            }
            written => written?,
        };
        // In its own core the account is the root; in others each signature is for one core alone.
        let more = match self.cores.genesis(&core)? {
            Genesis::Shared { .. } => Vec::new(),
            _ => self.end_in_others(origin, &account, session, core).await?,
        };
        Ok(Ended { left: Vec::new(), more })
    }

    /// The messages that end a session in the cores of several people that it covers. Where this node has not seen the
    /// sign-in, it may cover any of them.
    async fn end_in_others(
        &self,
        origin: &str,
        account: &Account,
        session: LoginId,
        home: CoreId,
    ) -> Result<Vec<MadeChallenge>, EndError> {
        let now_ms = self.clock.now_ms();
        let cores: BTreeSet<CoreId> = match self.sign_in_of(home, account, &session)? {
            Some(login) if login.expires_ms <= now_ms => BTreeSet::new(),
            Some(login) => login.abilities.into_keys().collect(),
            None => parts::of(&self.store, account)?.into_iter().collect(),
        };
        let mut more = Vec::new();
        for core in cores.into_iter().filter(|core| *core != home) {
            if !self.cores.has_part(&core, account).await.unwrap_or(false) {
                continue;
            }
            let draft = |log: &Log| {
                let act = Act::Logout { login: session };
                let open = !log.has_ended(&session, account);
                open.then(|| log.draft(Intent::new(account.clone(), None, act), random(), now_ms).ok())
                    .flatten()
            };
            if let Some((header, body)) = self.cores.with_log(&core, draft).await? {
                let message = Signed::signing_text(&header, Some(&body))?;
                let purpose = Purpose::End { session, header: Box::new(header), body: Box::new(body) };
                more.push(self.remember(
                    origin,
                    account.clone(),
                    message,
                    Challenges::nonce(),
                    purpose,
                    now_ms,
                ));
            }
        }
        Ok(more)
    }
}
