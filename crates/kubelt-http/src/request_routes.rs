//! What waits for somebody: `/@core/-/requests`. For others to agree, where several share an authority; for a signer, where a
//! program asked the core's wallet for a signature.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubelt_api::{
    Asked, Code, DecidedView, RequestDetail, RequestList, RequestRequest, RequestStanding, RequestView,
    SafeExecution, SafeStandingView, Visibility as WireVisibility, VoteDraftView, VoteRequest, VoteView,
    Waiting, WalletRequestView,
};
use kubelt_core::{Account, Act, BodyId, Signed, schema::Visibility, typed_data};
use kubelt_node::{
    Decided, Finish, NewRequest, Pending, RequestsError, SafeReady, SafeStanding, Session, Standing, Target,
    VoteDraft, WalletAnswer, WalletRequest,
};

use crate::{
    content_routes::cid_of,
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::VALUE_JSON_BYTES_MAX,
    log_routes,
    member_routes::{self, principal_view},
    passkey,
    problem::ApiError,
    sealed_routes,
    time::rfc3339,
};

/// Serves `/@core/-/requests` and what lies below it.
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let session = request.session()?;
    let read = matches!(request.method, Method::GET | Method::HEAD);
    let words: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match (words.as_slice(), &request.method) {
        ([], _) if read => Ok(Json(list(routes, request, &session).await?).into_response()),
        ([], &Method::POST) => file(routes, request, &session, body).await,
        ([id], _) if read => match id.parse() {
            Ok(id) => detail(routes, request, &session, &id).await,
            Err(_not_of_votes) => {
                let found =
                    to_sign(routes, request, &session).await?.into_iter().find(|found| found.id == *id);
                let request = found.map(sign_view).ok_or(RequestsError::NotFound)?;
                Ok(Json(RequestDetail { request, approve: None, reject: None }).into_response())
            }
        },
        ([id], &Method::DELETE) => {
            routes.rates.write(session.account())?;
            routes.requests.withdraw(&session, &request.core, &read_id(id)?).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        ([id, word @ ("approve" | "reject")], &Method::POST) => {
            routes.rates.write(session.account())?;
            let approve = *word == "approve";
            let said: VoteRequest = json::read(body, VALUE_JSON_BYTES_MAX).await?;
            let decided = match id.parse() {
                Ok(id) => vote(routes, request, &session, &id, approve, said).await?,
                Err(_not_of_votes) => sign(routes, request, &session, id, approve, said).await?,
            };
            Ok(Json(decided).into_response())
        }
        ([id, "finish"], &Method::POST) => {
            routes.rates.write(session.account())?;
            let finished = routes.requests.finish(&session, &request.core, &read_id(id)?).await?;
            Ok(Json(finish_view(finished)).into_response())
        }
        ([] | [_] | [_, "approve" | "reject" | "finish"], _) => Err(request.method_not_allowed()),
        _ => Err(ApiError::not_found()),
    }
}

/// What waits for others to agree, and what waits for a signer, in one list.
async fn list(
    routes: &CoreRoutes,
    request: &CoreRequest,
    session: &Session,
) -> Result<RequestList, ApiError> {
    let signs = match to_sign(routes, request, session).await {
        Err(error) if error.is_not_found() => None,
        signs => Some(signs?),
    };
    let votes = match routes.requests.list(session, &request.core).await {
        // A session that is no whole one in this core may sign all the same.
        Err(RequestsError::NotFound) if signs.is_some() => Vec::new(),
        votes => votes?,
    };
    let signs = signs.unwrap_or_default();
    let mut all: Vec<(u64, Waiting)> =
        votes.iter().map(|vote| (vote.request.expires_ms, Waiting::Vote(view(vote)))).collect();
    all.extend(signs.into_iter().map(|sign| (sign.expires_ms, sign_view(sign))));
    all.sort_by_key(|(expires_ms, _)| *expires_ms);
    Ok(RequestList { requests: all.into_iter().map(|(_, waiting)| waiting).collect() })
}

/// What programs have asked the core's wallet to sign, for those who may answer.
async fn to_sign(
    routes: &CoreRoutes,
    request: &CoreRequest,
    session: &Session,
) -> Result<Vec<WalletRequest>, ApiError> {
    let face = routes.wallets.face(session, &request.core, None).await?;
    Ok(routes.wallets.requests(&face.ok_or(RequestsError::NotFound)?))
}

/// Hands a program what it asked to be signed, or says no.
async fn sign(
    routes: &CoreRoutes,
    request: &CoreRequest,
    session: &Session,
    id: &str,
    approve: bool,
    said: VoteRequest,
) -> Result<DecidedView, ApiError> {
    let face = routes.wallets.face(session, &request.core, None).await?.ok_or(RequestsError::NotFound)?;
    let (answer, next) = match (approve, said.result) {
        (false, _) => (WalletAnswer::Reject, "the program was told that a signer says no"),
        (true, Some(result)) => (WalletAnswer::Result(result), "the program has what it asked for"),
        (true, None) => {
            let message =
                "send what the program asked for as `result`: the signature, or the hash of the transaction";
            return Err(ApiError::new(Code::BadRequest, message));
        }
    };
    routes.wallets.answer(&face, id, answer).await?;
    // A Safe has several owners, whose signatures come one by one.
    let waits = routes.wallets.requests(&face).iter().any(|request| request.id == *id);
    let next = if waits { "your signature is kept; it waits for more" } else { next };
    Ok(DecidedView { request: None, done: None, sign: None, next: next.to_owned() })
}

fn sign_view(request: WalletRequest) -> Waiting {
    let WalletRequest { id, account, method, params, expires_ms, safe } = request;
    Waiting::Sign(WalletRequestView {
        id,
        account: account.to_string(),
        method,
        params,
        expires: rfc3339(expires_ms),
        safe: safe.map(standing),
    })
}

fn standing(safe: SafeStanding) -> SafeStandingView {
    let SafeStanding { words, typed_data, threshold, owners, signed, execute } = safe;
    let texts = |accounts: Vec<Account>| accounts.iter().filter_map(Account::checksummed).collect();
    SafeStandingView {
        words,
        typed_data,
        threshold,
        owners: texts(owners),
        signed: texts(signed),
        execute: execute.map(|SafeReady { chain, to, data }| SafeExecution {
            chain,
            to: Account::Eoa(to).checksummed().unwrap_or_default(),
            data: format!("0x{}", hex::encode(data)),
        }),
    }
}

async fn file(
    routes: &CoreRoutes,
    request: &CoreRequest,
    session: &Arc<Session>,
    body: Body,
) -> Result<Response, ApiError> {
    routes.rates.write(session.account())?;
    let RequestRequest { act, title, lives_s } = json::read(body, VALUE_JSON_BYTES_MAX).await?;
    let life_ms = lives_s.map(|seconds| seconds.saturating_mul(1_000));
    let mut filed = Vec::new();
    for act in acts(routes, request, session, act).await? {
        let new = NewRequest { act, title: title.clone(), life_ms };
        filed.push(Waiting::Vote(view(&routes.requests.file(session, &request.core, new).await?)));
    }
    Ok((StatusCode::CREATED, Json(RequestList { requests: filed })).into_response())
}

async fn acts(
    routes: &CoreRoutes,
    request: &CoreRequest,
    session: &Session,
    asked: Asked,
) -> Result<Vec<Act>, ApiError> {
    let content = &routes.content;
    let path = |path: &str| {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        kubelt_node::content_path(&segments)
    };
    Ok(match asked {
        Asked::Publish { path: at, cid, visibility, media_type } => {
            let path = path(&at)?;
            content.may_write(session, &request.core, &path).await?;
            let visibility = match visibility {
                WireVisibility::Public => Visibility::Public,
                WireVisibility::Members => Visibility::Members,
                WireVisibility::Private => Visibility::Private,
            };
            let target = Target { path, visibility, partial: false, media_type };
            vec![content.act_of_link(&request.core, target, cid_of(&cid)?).await?]
        }
        Asked::Seal { path: at, entry } => {
            let path = path(&at)?;
            content.may_write(session, &request.core, &path).await?;
            let entry = sealed_routes::sealed_entry(&serde_json::to_vec(&entry).unwrap_or_default(), &path)?;
            vec![content.act_of_entry(&request.core, path, entry).await?]
        }
        Asked::Unpublish { path: at } => {
            let path = path(&at)?;
            content.may_write(session, &request.core, &path).await?;
            vec![Act::Put { path, value: kubelt_content::Ipld::Null }]
        }
        Asked::Act(wish) => {
            let wish = member_routes::wish(&routes.accounts, wish, request.client).await?;
            routes.members.acts(session, &request.core, wish).await?
        }
    })
}

async fn detail(
    routes: &CoreRoutes,
    request: &CoreRequest,
    session: &Session,
    id: &BodyId,
) -> Result<Response, ApiError> {
    let pending = routes.requests.get(session, &request.core, id).await?;
    let mut drafts = [None, None];
    for (draft, approve) in drafts.iter_mut().zip([true, false]) {
        *draft = match routes.requests.draft_vote(session, &request.core, id, approve).await {
            Ok(drafted) => Some(draft_view(&drafted)),
            Err(RequestsError::Own | RequestsError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
    }
    let [approve, reject] = drafts;
    Ok(Json(RequestDetail { request: Waiting::Vote(view(&pending)), approve, reject }).into_response())
}

async fn vote(
    routes: &CoreRoutes,
    request: &CoreRequest,
    session: &Arc<Session>,
    id: &BodyId,
    approve: bool,
    said: VoteRequest,
) -> Result<DecidedView, ApiError> {
    let (requests, core) = (&routes.requests, &request.core);
    let decided = match said.vote {
        None => requests.vote(session, core, id, approve).await?,
        Some(vote) => requests.take_vote(session, core, id, approve, log_routes::posted(&vote)?).await?,
    };
    Ok(decided_view(decided))
}

fn decided_view(decided: Decided) -> DecidedView {
    let next = match (&decided.pending, &decided.done) {
        (_, Some(_)) => "enough agree, and it is done".to_owned(),
        (Some(pending), None) => next(pending),
        (None, None) => "it is over: so many are against it that there will never be enough".to_owned(),
    };
    let done = decided.done.map(|op| op.to_string());
    DecidedView { request: decided.pending.as_ref().map(view), done, sign: None, next }
}

fn next(pending: &Pending) -> String {
    match pending.standing {
        Standing::Ready if pending.request.body.act.verb().session_may() => format!(
            "enough agree; it is done once a node has this where `{}` is signed in, or with `kubelt request finish {}`",
            pending.by, pending.id
        ),
        Standing::Ready => format!(
            "enough agree; `{}` has to finish it: with `kubelt request finish {}`, or by any other client",
            pending.by, pending.id
        ),
        _ => format!(
            "{} of {} agree; {} more must",
            pending.have(),
            pending.to.m(),
            pending.to.m().saturating_sub(pending.have())
        ),
    }
}

fn finish_view(finished: Finish) -> DecidedView {
    match finished {
        Finish::Done(op) => DecidedView {
            request: None,
            done: Some(op.to_string()),
            sign: None,
            next: "enough agree, and it is done".to_owned(),
        },
        Finish::Sign { header, body } => DecidedView {
            request: None,
            done: None,
            sign: Some(member_routes::draft_of(&header, &body)),
            next: "enough agree; your wallet has to sign it".to_owned(),
        },
    }
}

pub(crate) fn view(pending: &Pending) -> RequestView {
    let Pending { request, .. } = pending;
    RequestView {
        id: pending.id.to_string(),
        by: pending.by.to_string(),
        what: pending.words.clone(),
        title: request.title.clone(),
        to: principal_view(&pending.to),
        agree: pending.have(),
        standing: match pending.standing {
            Standing::Waiting => RequestStanding::Waiting,
            Standing::Ready => RequestStanding::Ready,
            Standing::Rejected => RequestStanding::Rejected,
            Standing::Expired => RequestStanding::Expired,
        },
        votes: pending
            .votes
            .iter()
            .map(|vote| VoteView { by: vote.by.to_string(), approve: vote.approve, op: vote.op.to_string() })
            .collect(),
        missing: pending.missing.iter().map(ToString::to_string).collect(),
        session_may: request.body.act.verb().session_may(),
        expires: rfc3339(request.expires_ms),
        auth: request.auth.to_string(),
        body: STANDARD.encode(request.body.encode()),
    }
}

fn draft_view(draft: &VoteDraft) -> VoteDraftView {
    let VoteDraft { header, body, what } = draft;
    let is_typed = matches!(header.by, Account::Eoa(_));
    VoteDraftView {
        id: header.id().to_string(),
        header: STANDARD.encode(header.encode()),
        body: STANDARD.encode(body.encode()),
        text: Signed::signing_text(header, Some(body)).ok(),
        typed_data: is_typed.then(|| typed_data::json(header, body, Some(what)).ok()).flatten(),
        passkey_challenge: passkey::challenge_of_op(header, body),
    }
}

fn read_id(text: &str) -> Result<BodyId, ApiError> {
    text.parse().map_err(|_cause| RequestsError::NotFound.into())
}

impl From<RequestsError> for ApiError {
    fn from(error: RequestsError) -> Self {
        let text = error.to_string();
        match error {
            RequestsError::NotFound => Self::new(Code::NotFound, text),
            RequestsError::NoAuthority(_) | RequestsError::WalletOnly | RequestsError::NotProposer(_) => {
                Self::new(Code::Forbidden, text)
            }
            RequestsError::Alone | RequestsError::Own => Self::new(Code::Conflict, text),
            RequestsError::TooFew { .. } => Self::new(Code::VotesNeeded, text),
            RequestsError::TooMany => Self::new(Code::QuotaExceeded, text),
            RequestsError::Life | RequestsError::Value(_) | RequestsError::Words(_) => {
                Self::new(Code::BadRequest, text)
            }
            RequestsError::OtherVote => Self::new(Code::BadOperation, text),
            RequestsError::Posted(error) => error.into(),
            RequestsError::Write(error) => error.into(),
            RequestsError::Load(error) => error.into(),
            RequestsError::Store(error) => error.into(),
        }
    }
}
