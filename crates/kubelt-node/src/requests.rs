//! Requests: what somebody wants to do by an authority that several share.
//!
//! A request stands in the core's map ([`kubelt_core::schema::Request`]), so that every node of the core has it, and gives
//! nobody anything. Votes are operations like any other. A proposal binds its proposer: once enough agree, the proposer's
//! account makes the operation, which cites the votes. What a session may do (content), the proposer's session does,
//! by itself where it is open on a node that has the votes ([`settler`]); everything else waits for the proposer's wallet.

mod decide;
mod list;
mod settler;

use std::sync::Arc;

use kubelt_core::{
    Account, Act, Body, BodyId, CoreId, Log, MapPath, OpId, Verb,
    schema::{self, Request},
    words::{self, WordsError},
};
use kubelt_store::Store;
use tokio::sync::Mutex as AsyncMutex;

pub use decide::{Decided, Finish, VoteDraft};
pub use list::{CastVote, Pending, Standing};
pub(crate) use settler::Due;

use crate::{
    StoreError,
    clock::{Clock, random},
    cores::{Cores, LoadError},
    exchange::{Exchange, OpsError},
    limits::{REQUEST_LIFE, REQUEST_LIFE_MAX, REQUEST_LIFE_MIN, REQUESTS_PER_ACCOUNT_MAX},
    session::Session,
    session_table::SessionTable,
    write::{Write, WriteError},
};

/// The requests of a node's cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct Requests {
    store: Store,
    cores: Cores,
    clock: Arc<dyn Clock>,
    sessions: SessionTable,
    exchange: Exchange,
    /// Held while requests are decided, or nobody could tell who did what enough agreed to.
    finishing: Arc<AsyncMutex<()>>,
}

/// Why something about requests was not done.
#[derive(Debug, thiserror::Error)]
pub enum RequestsError {
    /// Nothing that this session may know of.
    #[error(
        "there is no such request that you have a part in; it may have expired, or been withdrawn or done"
    )]
    NotFound,
    /// Nobody else has to agree.
    #[error("nobody else has to agree to this; do it")]
    Alone,
    /// The account may not do it, however many agree.
    #[error("`{0}` may not do this here, whoever agrees; ask who may to grant it")]
    NoAuthority(Account),
    /// Too many are open.
    #[error("you have {REQUESTS_PER_ACCOUNT_MAX} open requests in this core; withdraw one first")]
    TooMany,
    /// Not within the limits.
    #[error(
        "a request lives {} seconds at least and {} days at most",
        REQUEST_LIFE_MIN.as_secs(),
        REQUEST_LIFE_MAX.as_secs() / 86_400
    )]
    Life,
    /// The request would not fit the map.
    #[error("the request cannot be made: {0}")]
    Value(#[from] schema::SchemaError),
    /// Whoever asks agrees.
    #[error("it is your own request, and counts as your vote; `finish` it once enough others agree")]
    Own,
    /// A vote on something else, or the other way round, would be taken in all the same.
    #[error("what was signed is no such vote on this request; sign the one that it gives")]
    OtherVote,
    /// The vote was refused.
    #[error(transparent)]
    Posted(#[from] OpsError),
    /// A session decides content only.
    #[error("this is for your wallet itself to decide: sign the vote, and send its signature")]
    WalletOnly,
    /// Only who asked can act.
    #[error("`{0}` made the request, and has to finish or withdraw it")]
    NotProposer(Account),
    /// Too few agree.
    #[error("{have} of {need} agree; {} more must", need.saturating_sub(*have))]
    TooFew {
        /// Who agree, the proposer among them.
        have: usize,
        /// Who must.
        need: usize,
    },
    /// Nobody would read what is to be agreed to.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The operation was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The core's log could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// A request that somebody wants to file.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// What is to be done.
    pub act: Act,
    /// What its maker says of it.
    pub title: Option<String>,
    /// How long it may be voted on, in milliseconds; a week where absent.
    pub life_ms: Option<u64>,
}

impl Requests {
    pub(crate) fn new(
        store: &Store,
        cores: &Cores,
        clock: &Arc<dyn Clock>,
        sessions: &SessionTable,
        exchange: &Exchange,
    ) -> Self {
        Self {
            store: store.clone(),
            cores: cores.clone(),
            clock: Arc::clone(clock),
            sessions: sessions.clone(),
            exchange: exchange.clone(),
            finishing: Arc::default(),
        }
    }

    /// Files a request. Requests of the account that have expired or been rejected are cleared on the way.
    ///
    /// # Errors
    /// [`RequestsError::Alone`] where nobody else has to agree, otherwise why it cannot be asked for.
    pub async fn file(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        new: NewRequest,
    ) -> Result<Pending, RequestsError> {
        self.check(session, core).await?;
        let NewRequest { act, title, life_ms } = new;
        let life_ms = life_ms.unwrap_or_else(|| ms(REQUEST_LIFE));
        if !(ms(REQUEST_LIFE_MIN)..=ms(REQUEST_LIFE_MAX)).contains(&life_ms) {
            return Err(RequestsError::Life);
        }
        let by = session.account().clone();
        let (auth, act) = self.cores.with_log(core, |log| prepare(log, &by, act)).await??;
        let body = Body::new(random(), act);
        words::of_proposal(&by, &body)?;
        let request = Request { auth, body, expires_ms: self.clock.now_ms() + life_ms, title };
        let id = request.proposal(*core, &by);
        let path = Request::path(&by, &id);
        let value = request.to_ipld();
        schema::check_new(&path, &value)?;
        let _one_at_a_time = self.cores.bringing.lock().await;
        self.make_room(session, core).await?;
        self.write(session, core, auth, Vec::new(), Act::Put { path, value }).await?;
        self.get(session, core, &id).await
    }

    /// Withdraws a request of the session's own account.
    ///
    /// # Errors
    /// [`RequestsError::NotProposer`] for others.
    pub async fn withdraw(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        id: &BodyId,
    ) -> Result<(), RequestsError> {
        let pending = self.get(session, core, id).await?;
        if pending.by != *session.account() {
            return Err(RequestsError::NotProposer(pending.by));
        }
        self.clear(session, core, &pending).await
    }

    /// Clears stale requests of the account, and sees that there is room for one more.
    async fn make_room(&self, session: &Arc<Session>, core: &CoreId) -> Result<(), RequestsError> {
        let mut open = 0;
        for pending in self.of_account(core, session.account()).await? {
            match pending.standing {
                Standing::Expired | Standing::Rejected => self.clear(session, core, &pending).await?,
                Standing::Waiting | Standing::Ready => open += 1,
            }
        }
        if open < REQUESTS_PER_ACCOUNT_MAX { Ok(()) } else { Err(RequestsError::TooMany) }
    }

    async fn clear(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        pending: &Pending,
    ) -> Result<(), RequestsError> {
        let path = Request::path(&pending.by, &pending.id);
        let act = Act::Put { path, value: ipld_core::ipld::Ipld::Null };
        self.write(session, core, pending.request.auth, Vec::new(), act).await?;
        Ok(())
    }

    async fn write(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        auth: OpId,
        votes: Vec<OpId>,
        act: Act,
    ) -> Result<OpId, RequestsError> {
        self.make(session, core, auth, votes, Body::new(random(), act)).await
    }

    async fn make(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        auth: OpId,
        votes: Vec<OpId>,
        body: Body,
    ) -> Result<OpId, RequestsError> {
        let made = Write::Made { session: Arc::clone(session), auth, votes, body: Box::new(body) };
        Ok(self.cores.write(*core, made).await?.id)
    }

    /// Lets through whoever signed in to the core as a whole and has a part in it.
    async fn check(&self, session: &Session, core: &CoreId) -> Result<(), RequestsError> {
        if session.is_whole_in(core) && self.cores.has_part(core, session.account()).await? {
            Ok(())
        } else {
            Err(RequestsError::NotFound)
        }
    }
}

/// By which authority, and the act as it is to be agreed to.
fn prepare(log: &Log, by: &Account, mut act: Act) -> Result<(OpId, Act), RequestsError> {
    log.complete(&mut act);
    let auth = log.authority_for(by, &act).ok_or_else(|| RequestsError::NoAuthority(by.clone()))?;
    match log.holder_by(&auth) {
        Some(to) if to.m() > 1 => Ok((auth, act)),
        _ => Err(RequestsError::Alone),
    }
}

/// The path that a `put` is about.
fn path_of(act: &Act) -> Option<&MapPath> {
    match act {
        Act::Put { path, .. } => Some(path),
        _ => None,
    }
}

/// Whether a session of the account may do it.
fn covers(session: &Session, core: &CoreId, act: &Act) -> bool {
    act.verb() == Verb::Put && session.covers(core, Verb::Put, path_of(act))
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("days fit")
}

#[cfg(test)]
mod tests;
