//! Pending requests, and how they stand.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use kubelt_core::{
    Account, BodyId, CoreId, Log, MapPath, OpId, Principal, Verb, codec,
    limits::VALUE_BYTES_MAX,
    log::VoteView,
    schema::{REQUESTS, Request},
    words,
};

use super::{Requests, RequestsError};
use crate::{limits::REQUESTS_READ_MAX, session::Session};

/// A request as its signers see it.
#[derive(Debug, Clone)]
pub struct Pending {
    /// What votes on it name.
    pub id: BodyId,
    /// Who wants it.
    pub by: Account,
    /// What.
    pub request: Request,
    /// The same in words: what voters are shown.
    pub words: String,
    /// Who must agree, and how many of them.
    pub to: Principal,
    /// The last vote of each, by account. The proposer agrees without one.
    pub votes: Vec<CastVote>,
    /// Who has said nothing yet.
    pub missing: Vec<Account>,
    /// How it stands.
    pub standing: Standing,
}

/// A vote on a request.
#[derive(Debug, Clone)]
pub struct CastVote {
    /// Who.
    pub by: Account,
    /// Yes or no. A yes stands until it expires, whatever the same account says later.
    pub approve: bool,
    /// The operation.
    pub op: OpId,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Others must agree.
    Waiting,
    /// Enough agree: its proposer can finish it.
    Ready,
    /// So many are against it that there will never be enough.
    Rejected,
    /// Its time is over, or its authority is.
    Expired,
}

impl Pending {
    /// How many agree, the proposer among them.
    pub fn have(&self) -> usize {
        1 + self.votes.iter().filter(|vote| vote.approve).count()
    }
}

impl Requests {
    /// The requests that wait for votes, or to be finished, of those that the session's account has a part in: it shares
    /// their authority, or reads all of the core.
    ///
    /// # Errors
    /// [`RequestsError::NotFound`] for who has no part in the core.
    pub async fn list(&self, session: &Session, core: &CoreId) -> Result<Vec<Pending>, RequestsError> {
        self.check(session, core).await?;
        let all = self.cores.reads_private(core, session.account()).await?
            && session.covers(core, Verb::Read, None);
        let mut found = self.read(core, None).await?;
        found.retain(|pending| {
            let open = matches!(pending.standing, Standing::Waiting | Standing::Ready);
            open && (all || pending.to.contains(session.account()))
        });
        found.sort_by_key(|pending| (pending.request.expires_ms, pending.id));
        Ok(found)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`RequestsError::NotFound`] where there is none that the session's account has a part in.
    pub async fn get(&self, session: &Session, core: &CoreId, id: &BodyId) -> Result<Pending, RequestsError> {
        let found = self.list(session, core).await?.into_iter().find(|pending| pending.id == *id);
        found.ok_or(RequestsError::NotFound)
    }

    /// All requests of an account, those that are over among them.
    pub(super) async fn of_account(
        &self,
        core: &CoreId,
        account: &Account,
    ) -> Result<Vec<Pending>, RequestsError> {
        self.read(core, Some(account)).await
    }

    pub(super) async fn read(
        &self,
        core: &CoreId,
        account: Option<&Account>,
    ) -> Result<Vec<Pending>, RequestsError> {
        let base = account.map_or_else(|| REQUESTS.to_owned(), |account| format!("{REQUESTS}/{account}"));
        let base = MapPath::new(base).expect("an account is a segment");
        let mut requests = Vec::new();
        for (path, state) in self.store.state_scan(core, Some(&base), None, REQUESTS_READ_MAX)? {
            let Some((by, id)) = Request::read_path(&path) else { continue };
            let value: Option<Ipld> = codec::decode(&state.value, VALUE_BYTES_MAX, "value").ok();
            let request = value.and_then(|value| Request::from_ipld(&value).ok());
            // One that stands under another's name, or another hash, is none.
            let request = request.filter(|request| request.proposal(*core, &by) == id);
            if let Some(request) = request {
                requests.push((id, by, request));
            }
        }
        let now_ms = self.clock.now_ms();
        let judge = |log: &Log| {
            let mut votes: BTreeMap<BodyId, Vec<VoteView<'_>>> = BTreeMap::new();
            if !requests.is_empty() {
                log.votes().for_each(|vote| votes.entry(vote.proposal).or_default().push(vote));
            }
            let none = Vec::new();
            let pending = |(id, by, request): (BodyId, Account, Request)| {
                pending(log, id, by, request, votes.get(&id).unwrap_or(&none), now_ms)
            };
            requests.into_iter().filter_map(pending).collect()
        };
        Ok(self.cores.with_log(core, judge).await?)
    }
}

/// How a request stands; `None` where nobody could ever vote on it.
fn pending(
    log: &Log,
    id: BodyId,
    by: Account,
    request: Request,
    votes: &[VoteView<'_>],
    now_ms: u64,
) -> Option<Pending> {
    let to = log.holder_by(&request.auth).filter(|to| to.contains(&by))?.clone();
    let words = words::of_proposal(&by, &request.body).ok()?;
    let shown = words::hash(&words);
    let by_wallets = !request.body.act.verb().session_may();
    let mut cast: BTreeMap<String, CastVote> = BTreeMap::new();
    for vote in votes {
        let counts = vote.auth == request.auth
            && vote.shown == shown
            && to.contains(vote.by)
            && *vote.by != by
            && vote.expires.ms() > now_ms
            && !(by_wallets && vote.by_session);
        let slot = cast.get(&vote.by.to_string());
        if counts && slot.is_none_or(|before| !before.approve) {
            let vote = CastVote { by: vote.by.clone(), approve: vote.approve, op: vote.id };
            cast.insert(vote.by.to_string(), vote);
        }
    }
    let against = cast.values().filter(|vote| !vote.approve).count();
    let silent = |account: &&Account| **account != by && !cast.contains_key(&account.to_string());
    let missing = to.accounts().iter().filter(silent).cloned().collect();
    let votes: Vec<CastVote> = cast.into_values().collect();
    let agree = 1 + votes.len() - against;
    let standing = match () {
        () if request.expires_ms <= now_ms || !log.is_in_force(&request.auth) => Standing::Expired,
        () if agree >= to.m() => Standing::Ready,
        () if to.accounts().len() - against < to.m() => Standing::Rejected,
        () => Standing::Waiting,
    };
    Some(Pending { id, by, request, words, to, votes, missing, standing })
}
