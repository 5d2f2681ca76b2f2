//! `/-/session`: sign-in, sessions, signing out.

use std::{collections::BTreeMap, net::SocketAddr};

use axum::{
    Json, Router,
    extract::{ConnectInfo, FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{delete, post},
};
use kubelt_api::{
    AsksView, Challenge, ChallengeRequest, Code, CoreAbilities, EndChallengeRequest, EndRequest,
    PasskeyResponse, SessionCreated, SessionEnded, SessionList, SessionRequest, SessionView,
};
use kubelt_core::{
    Ability, Account, CoreId, LoginError, LoginId, OpId, PublicKey, limits::ABILITIES_MAX, words,
};
use kubelt_node::{Ask, Asks, Cores, Ended, MadeChallenge, Sessions};

use crate::{
    auth::{self, SignedIn},
    bound::BoundHost,
    json::JsonBody,
    member_routes::{heir_views, principal_view},
    origin::{Hosts, check_asker},
    passkey,
    problem::ApiError,
    rate::Rates,
    time::rfc3339,
};

/// What these routes use.
#[derive(Debug, Clone)]
pub(crate) struct SessionRoutes {
    pub(crate) sessions: Sessions,
    pub(crate) cores: Cores,
    pub(crate) hosts: Hosts,
    pub(crate) rates: Rates,
}

pub(crate) fn routes(state: SessionRoutes) -> Router {
    Router::new()
        .route("/-/session/challenge", post(challenge))
        .route("/-/session/end/challenge", post(end_challenge))
        .route("/-/session/end", post(end_signed))
        .route("/-/session", post(open).get(list).delete(end_current))
        .route("/-/session/{id}", delete(end))
        .with_state(state)
}

/// The host that a sign-in is for.
#[derive(Debug)]
pub(crate) struct Serving {
    /// The host as the message is to name it.
    origin: String,
    /// The core that it leads to, where it is one of a core: people sign in through that one there, and reach nothing that
    /// does not lie in it.
    core: Option<CoreId>,
}

impl FromRequestParts<SessionRoutes> for Serving {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, routes: &SessionRoutes) -> Result<Self, ApiError> {
        match parts.extensions.get::<BoundHost>() {
            Some(BoundHost { core, host }) => {
                check_asker(&parts.headers, host)?;
                Ok(Self { origin: host.clone(), core: Some(*core) })
            }
            None => Ok(Self { origin: routes.hosts.serving(&parts.uri, &parts.headers)?, core: None }),
        }
    }
}

/// Asks for a sign-in message.
#[utoipa::path(post, path = "/-/session/challenge", tag = "session", request_body = ChallengeRequest,
    responses((status = 200, body = Challenge), (status = "4XX", body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn challenge(
    State(routes): State<SessionRoutes>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    serving: Serving,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ChallengeRequest>,
) -> Result<Json<Challenge>, ApiError> {
    routes.rates.sign_in(peer.ip())?;
    let mut ask = ask(&request)?;
    if let Some(core) = serving.core {
        ask.within = Some(routes.sessions.within_host(core, ask.within)?);
    }
    let asking = auth::reader(&routes.sessions, &headers)?;
    for core in &request.cores {
        let id: CoreId = core.core.parse().map_err(|_cause| {
            ApiError::new(Code::BadRequest, format!("`{}` is not the id of a core", short(&core.core)))
        })?;
        let abilities = match &core.abilities {
            Some(texts) => abilities(texts)?,
            None => {
                let asking = asking.session().map(AsRef::as_ref);
                routes.sessions.usual_abilities(asking, &ask.account, &id).await?
            }
        };
        ask.cores.insert(id, abilities);
    }
    let made = routes.sessions.challenge_within(&serving.origin, ask).await?;
    Ok(Json(challenge_view(made)))
}

fn ask(request: &ChallengeRequest) -> Result<Ask, ApiError> {
    let account = request.account.parse::<Account>().map_err(|error| bad(&error))?;
    if request.cores.len() > ABILITIES_MAX {
        return Err(bad(&LoginError::Abilities(request.cores.len())));
    }
    let abilities = request.abilities.as_deref().map(abilities).transpose()?;
    let session_key = request
        .session_key
        .as_deref()
        .map(str::parse::<PublicKey>)
        .transpose()
        .map_err(|error| bad(&error))?;
    let heads = request
        .heads
        .iter()
        .map(|head| head.parse::<OpId>())
        .collect::<Result<_, _>>()
        .map_err(|error| bad(&error))?;
    let life_ms = request.life_seconds.map(|seconds| seconds.saturating_mul(1_000));
    let within = within(request.within.as_deref())?;
    Ok(Ask { abilities, session_key, heads, life_ms, within, ..Ask::of(account) })
}

fn within(core: Option<&str>) -> Result<Option<CoreId>, ApiError> {
    let read = |core: &str| core.parse().map_err(|error: kubelt_core::id::IdError| bad(&error));
    core.map(read).transpose()
}

fn abilities(texts: &[String]) -> Result<Vec<Ability>, ApiError> {
    let read = texts.iter().map(|text| text.parse::<Ability>());
    read.collect::<Result<_, _>>().map_err(|error| bad(&error))
}

fn bad(error: &dyn std::error::Error) -> ApiError {
    ApiError::new(Code::BadRequest, error.to_string())
}

fn short(text: &str) -> String {
    text.chars().take(128).collect()
}

/// What a session was handed in cores other than the account's own.
fn others(abilities: &BTreeMap<CoreId, Vec<Ability>>, own: &CoreId) -> Vec<CoreAbilities> {
    let text = |abilities: &[Ability]| abilities.iter().map(ToString::to_string).collect();
    let view = |(core, abilities): (&CoreId, &Vec<Ability>)| CoreAbilities {
        core: core.to_string(),
        abilities: Some(text(abilities)),
    };
    abilities.iter().filter(|(core, _)| *core != own).map(view).collect()
}

/// Opens a session with a signed message.
#[utoipa::path(post, path = "/-/session", tag = "session", request_body = SessionRequest,
    responses((status = 201, body = SessionCreated), (status = 401, body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn open(
    State(routes): State<SessionRoutes>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Serving { origin, .. }: Serving,
    JsonBody(request): JsonBody<SessionRequest>,
) -> Result<impl IntoResponse, ApiError> {
    routes.rates.sign_in(peer.ip())?;
    let opened = routes
        .sessions
        .open(&origin, &request.message, &signature(request.signature.as_deref(), request.passkey.as_ref())?)
        .await?;
    let session = &opened.session;
    let account = session.account().to_string();
    let asks = opened.asks.map(|Asks { to, can }| AsksView {
        to: principal_view(&to),
        can: can.iter().map(ToString::to_string).collect(),
        may: can.iter().map(words::ability).collect(),
    });
    let created = SessionCreated {
        id: session.id().to_string(),
        token: opened.token,
        path: match session.within {
            Some(parent) => format!("/@{parent}/@{account}"),
            None => format!("/@{account}"),
        },
        account,
        within: session.within.map(|parent| parent.to_string()),
        asks,
        core: session.core.to_string(),
        created: opened.created,
        cores: others(&session.login.abilities, &session.core),
        heirs: heir_views(routes.cores.heirs(&session.core).await?),
        expires: rfc3339(session.expires_ms()),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Lists the account's sessions on this node.
#[utoipa::path(get, path = "/-/session", tag = "session", operation_id = "list_sessions", security(("bearer" = [])),
    responses((status = 200, body = SessionList), (status = 401, body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(routes): State<SessionRoutes>,
    headers: HeaderMap,
) -> Result<Json<SessionList>, ApiError> {
    let SignedIn(session) = SignedIn::from_headers(&routes.sessions, &headers)?;
    let sessions = routes.sessions.list(&session).await?;
    let sessions = sessions
        .into_iter()
        .map(|info| SessionView {
            id: info.id.to_string(),
            created: rfc3339(info.created_ms),
            expires: rfc3339(info.expires_ms),
            held_by_node: info.held_by_node,
            current: info.current,
            elsewhere: info.elsewhere,
            abilities: {
                let own = info.abilities.get(&session.core).into_iter().flatten();
                own.map(ToString::to_string).collect()
            },
            cores: others(&info.abilities, &session.core),
        })
        .collect();
    Ok(Json(SessionList { sessions }))
}

/// Ends the session that asks.
#[utoipa::path(delete, path = "/-/session", tag = "session", security(("bearer" = [])),
    responses((status = 204), (status = 200, body = SessionEnded, description = "ended, but not everywhere")))]
pub(crate) async fn end_current(
    State(routes): State<SessionRoutes>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let SignedIn(session) = SignedIn::from_headers(&routes.sessions, &headers)?;
    Ok(ended_view(routes.sessions.end(&session, session.id()).await?))
}

/// Ends another session of the same account.
#[utoipa::path(delete, path = "/-/session/{id}", tag = "session", security(("bearer" = [])),
    params(("id" = String, Path, description = "the session's id")),
    responses((status = 204), (status = 200, body = SessionEnded, description = "ended, but not everywhere")))]
pub(crate) async fn end(
    State(routes): State<SessionRoutes>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let SignedIn(session) = SignedIn::from_headers(&routes.sessions, &headers)?;
    Ok(ended_view(routes.sessions.end(&session, login_id(&id)?).await?))
}

/// Asks for a message by which the wallet itself ends a session.
#[utoipa::path(post, path = "/-/session/end/challenge", tag = "session", request_body = EndChallengeRequest,
    responses((status = 200, body = Challenge)))]
pub(crate) async fn end_challenge(
    State(routes): State<SessionRoutes>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Serving { origin, core }: Serving,
    JsonBody(request): JsonBody<EndChallengeRequest>,
) -> Result<Json<Challenge>, ApiError> {
    routes.rates.sign_in(peer.ip())?;
    let account = request
        .account
        .parse::<Account>()
        .map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
    let within = within(request.within.as_deref())?.or(core);
    let made = routes.sessions.end_challenge(&origin, account, login_id(&request.session)?, within)?;
    Ok(Json(challenge_view(made)))
}

/// Ends a session by the wallet's signature, with no session at hand.
#[utoipa::path(post, path = "/-/session/end", tag = "session", request_body = EndRequest,
    responses((status = 204), (status = 200, body = SessionEnded, description = "ended; more is to be signed to end it in other cores"),
        (status = 401, body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn end_signed(
    State(routes): State<SessionRoutes>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Serving { origin, .. }: Serving,
    JsonBody(request): JsonBody<EndRequest>,
) -> Result<Response, ApiError> {
    routes.rates.sign_in(peer.ip())?;
    let signature = signature(request.signature.as_deref(), request.passkey.as_ref())?;
    Ok(ended_view(routes.sessions.end_signed(&origin, &request.nonce, &signature).await?))
}

/// That a session was ended; and what is left to do, if anything.
fn ended_view(ended: Ended) -> Response {
    let Ended { left, more } = ended;
    if left.is_empty() && more.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let left = left.iter().map(ToString::to_string).collect();
    Json(SessionEnded { left, more: more.into_iter().map(challenge_view).collect() }).into_response()
}

fn login_id(text: &str) -> Result<LoginId, ApiError> {
    text.parse().map_err(|_cause| ApiError::new(Code::BadRequest, "not the id of a session"))
}

/// A message on its way to whoever signs it.
fn challenge_view(made: MadeChallenge) -> Challenge {
    Challenge {
        message: made.message,
        nonce: made.nonce,
        expires: rfc3339(made.expires_ms),
        passkey_challenge: made.passkey.as_ref().map(passkey::challenge_text),
    }
}

fn signature(text: Option<&str>, passkey: Option<&PasskeyResponse>) -> Result<Vec<u8>, ApiError> {
    let refused = |text: &str| ApiError::new(Code::BadSignIn, text);
    match (text, passkey) {
        (Some(text), None) => {
            let digits = text.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
            digits.ok_or_else(|| refused("the signature is not hex with `0x`"))
        }
        (None, Some(response)) => passkey::signature(response, Code::BadSignIn),
        _ => Err(refused("give `signature` or `passkey`")),
    }
}
