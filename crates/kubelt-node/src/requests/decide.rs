//! Votes, and what follows from the last one.

use std::sync::Arc;

use kubelt_core::{
    Account, Act, Body, BodyId, CoreId, Header, Hlc, OpId, Verb,
    log::{DraftError, Intent},
    words,
};

use super::{Pending, Requests, RequestsError, Standing, covers};
use crate::{access::Reader, clock::random, exchange::PostedOp, session::Session, write::WriteError};

/// A vote for the account's wallet to sign.
#[derive(Debug, Clone)]
pub struct VoteDraft {
    /// The header, which is what the signature binds.
    pub header: Header,
    /// The body.
    pub body: Body,
    /// The words that it is on.
    pub what: String,
}

/// What became of a vote.
#[derive(Debug, Clone)]
pub struct Decided {
    /// How the request stands; none where it is done.
    pub pending: Option<Pending>,
    /// The operation that did it, where the proposer's session could.
    pub done: Option<OpId>,
}

/// How a request was finished.
#[derive(Debug, Clone)]
pub enum Finish {
    /// The session did it.
    Done(OpId),
    /// The proposer's wallet has to sign this; then the request is withdrawn.
    Sign {
        /// The header.
        header: Box<Header>,
        /// The body.
        body: Box<Body>,
    },
}

impl Requests {
    /// Drafts a vote for the session's account to sign itself.
    ///
    /// # Errors
    /// [`RequestsError::NotFound`] where there is nothing to vote on for this account.
    pub async fn draft_vote(
        &self,
        session: &Session,
        core: &CoreId,
        id: &BodyId,
        approve: bool,
    ) -> Result<VoteDraft, RequestsError> {
        let pending = self.to_decide(session, core, id).await?;
        let by = session.account().clone();
        // A text must bring its words, which everybody may read then. What is put may be private.
        let hides = matches!(by, Account::Eoa(_)) || by.is_passkey();
        let brings = !(hides && matches!(pending.request.body.act, Act::Put { .. }));
        let (act, what) = (vote(&pending, approve, brings), pending.words.clone());
        let auth = Some(pending.request.auth);
        let (header, body) =
            self.draft(core, Intent { by, login: None, act, auth, votes: Vec::new() }, random()).await?;
        Ok(VoteDraft { header, body, what })
    }

    /// Votes by the session itself, on what sessions may do.
    ///
    /// # Errors
    /// [`RequestsError::WalletOnly`] where the account itself must sign.
    pub async fn vote(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        id: &BodyId,
        approve: bool,
    ) -> Result<Decided, RequestsError> {
        let pending = self.to_decide(session, core, id).await?;
        if !pending.request.body.act.verb().session_may() || !session.covers(core, Verb::Vote, None) {
            return Err(RequestsError::WalletOnly);
        }
        let act = vote(&pending, approve, false);
        let _one_at_a_time = self.finishing.lock().await;
        self.write(session, core, pending.request.auth, Vec::new(), act).await?;
        self.settle(session, core, id).await
    }

    /// Takes a vote that the account signed itself.
    ///
    /// # Errors
    /// [`RequestsError::OtherVote`] where it is none, the other way round, or on something else.
    pub async fn take_vote(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        id: &BodyId,
        approve: bool,
        posted: PostedOp,
    ) -> Result<Decided, RequestsError> {
        let cast = Body::decode(&posted.body).map(|body| body.act);
        let fits = matches!(&cast, Ok(Act::Vote { proposal, approve: yes, .. }) if proposal == id && *yes == approve);
        if !fits {
            return Err(RequestsError::OtherVote);
        }
        self.get(session, core, id).await?;
        let _one_at_a_time = self.finishing.lock().await;
        for result in self.exchange.post(&Reader::Session(Arc::clone(session)), core, &[posted]).await {
            result?;
        }
        self.settle(session, core, id).await
    }

    /// How a request stands after a vote; where enough agree, it is done if that can be done here.
    async fn settle(&self, session: &Session, core: &CoreId, id: &BodyId) -> Result<Decided, RequestsError> {
        let pending = match self.get(session, core, id).await {
            Ok(pending) => pending,
            Err(RequestsError::NotFound) => return Ok(Decided { pending: None, done: None }),
            Err(error) => return Err(error),
        };
        let done = match pending.standing {
            Standing::Ready => self.finish_here(core, &pending).await,
            _ => None,
        };
        Ok(Decided { pending: Some(pending).filter(|_| done.is_none()), done })
    }

    /// Does what enough agree to, by the proposer's session, or drafts it for the proposer's wallet.
    ///
    /// # Errors
    /// [`RequestsError::NotProposer`] for others, [`RequestsError::TooFew`] as long as too few agree.
    pub async fn finish(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        id: &BodyId,
    ) -> Result<Finish, RequestsError> {
        let _one_at_a_time = self.finishing.lock().await;
        let pending = self.get(session, core, id).await?;
        if pending.by != *session.account() {
            return Err(RequestsError::NotProposer(pending.by));
        }
        if pending.standing != Standing::Ready {
            return Err(RequestsError::TooFew { have: pending.have(), need: pending.to.m() });
        }
        if covers(session, core, &pending.request.body.act) {
            return self.do_it(session, core, &pending).await.map(Finish::Done);
        }
        let Pending { by, request, .. } = &pending;
        let intent = Intent {
            by: by.clone(),
            login: None,
            act: request.body.act.clone(),
            auth: Some(request.auth),
            votes: approvals(&pending),
        };
        let (header, body) = self.draft(core, intent, request.body.salt.into_array()).await?;
        Ok(Finish::Sign { header: Box::new(header), body: Box::new(body) })
    }

    pub(super) async fn do_it(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        pending: &Pending,
    ) -> Result<OpId, RequestsError> {
        let (auth, body) = (pending.request.auth, pending.request.body.clone());
        let op = self.make(session, core, auth, approvals(pending), body).await?;
        self.clear(session, core, pending).await?;
        Ok(op)
    }

    /// A request that the session's account can vote on.
    async fn to_decide(
        &self,
        session: &Session,
        core: &CoreId,
        id: &BodyId,
    ) -> Result<Pending, RequestsError> {
        let pending = self.get(session, core, id).await?;
        match session.account() {
            own if *own == pending.by => Err(RequestsError::Own),
            other if !pending.to.contains(other) => Err(RequestsError::NotFound),
            _ => Ok(pending),
        }
    }

    async fn draft(
        &self,
        core: &CoreId,
        intent: Intent,
        salt: [u8; 16],
    ) -> Result<(Header, Body), RequestsError> {
        let now_ms = self.clock.now_ms();
        let refuse = |error: DraftError| WriteError::Draft(Arc::new(error));
        let drafted = self.cores.with_log(core, |log| log.draft(intent, salt, now_ms)).await?;
        Ok(drafted.map_err(refuse)?)
    }
}

fn vote(pending: &Pending, approve: bool, brings: bool) -> Act {
    Act::Vote {
        proposal: pending.id,
        approve,
        shown: words::hash(&pending.words).into(),
        what: brings.then(|| pending.words.clone()),
        expires: Hlc::from_ms(pending.request.expires_ms),
    }
}

fn approvals(pending: &Pending) -> Vec<OpId> {
    pending.votes.iter().filter(|vote| vote.approve).map(|vote| vote.op).collect()
}
