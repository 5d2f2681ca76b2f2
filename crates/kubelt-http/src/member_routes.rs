//! Cores of several people: `/@core/-/cores`, `members`, `invites`, `heirs` and `drafts`, and `/-/invites`, `/-/heirs`
//! and `/-/roles`.

use std::net::IpAddr;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubelt_api::{
    AcceptRequest, AcceptedView, Code, CoreMade, DraftList, DraftRequest, DraftView, HeirList, HeirView,
    InviteList, InviteView, MemberList, MemberView, NamedCoreList, NamedCoreView, NamingPut, NewCoreRequest,
    OwnInviteList, OwnInviteView, PrincipalView, RoleList, RoleView, Wish as WireWish,
};
use kubelt_content::{Codec, Ipld};
use kubelt_core::{
    Account, CoreId, Header, MapPath, Principal, Signed, invite::InviteLink, role, typed_data, words,
};
use kubelt_node::{Drafted, Heir, Member, Members, NewCore, Sessions, Wish};

use crate::{
    auth::SignedIn,
    core_routes::{CoreRequest, CoreRoutes},
    ens_routes::Accounts,
    json::{self, JsonBody},
    limits::{ANONYMOUS_JSON_BYTES_MAX, ROOT_ACCOUNTS_MAX, VALUE_JSON_BYTES_MAX},
    passkey,
    problem::ApiError,
    rate::Rates,
    remote_routes,
    time::rfc3339,
};

/// What the routes of the node itself use.
#[derive(Debug, Clone)]
pub(crate) struct MemberRoutes {
    pub(crate) sessions: Sessions,
    pub(crate) members: Members,
    pub(crate) rates: Rates,
}

pub(crate) fn routes(state: MemberRoutes) -> Router {
    Router::new()
        .route("/-/invites", get(own_invites).post(accept))
        .route("/-/heirs", get(heir_to))
        .route("/-/roles", get(roles))
        .with_state(state)
}

/// Serves `/@core/-/cores`: GET lists the cores that a core names, POST makes a shared one inside it.
pub(crate) async fn cores(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    match request.method {
        Method::GET | Method::HEAD => {
            let named = routes.members.names(&request.reader, &request.core).await?;
            // A core without children, and one that is not here, are told apart for whoever may know of it.
            if named.is_empty() && routes.exchange.summary(&request.reader, &request.core).await?.is_none() {
                return Err(ApiError::not_found());
            }
            let view = |named: kubelt_node::NamedCore| NamedCoreView {
                name: named.name,
                core: named.core.to_string(),
                title: named.title,
                roles: named.roles,
                child: named.is_child,
            };
            Ok(Json(NamedCoreList { cores: named.into_iter().map(view).collect() }).into_response())
        }
        Method::POST => {
            let session = request.session()?;
            routes.rates.write(session.account())?;
            let NewCoreRequest { name, title, owners, threshold, child } =
                json::read(body, ANONYMOUS_JSON_BYTES_MAX).await?;
            let owners = accounts(&routes.accounts, &owners, request.client).await?;
            let new = NewCore { name, title, owners, threshold, is_child: child };
            let made = routes.members.create(&session, &request.core, new).await?;
            let made = CoreMade {
                core: made.core.to_string(),
                path: format!("/@{}", made.core),
                genesis: STANDARD.encode(made.genesis.encode()),
                named: made.is_named,
                puts: made.puts.iter().map(naming_put).collect(),
            };
            Ok((StatusCode::CREATED, Json(made)).into_response())
        }
        _ => Err(request.method_not_allowed()),
    }
}

fn naming_put((path, value): &(MapPath, Ipld)) -> NamingPut {
    let json = Codec::DagJson.encode(value).ok().and_then(|json| serde_json::from_slice(&json).ok());
    NamingPut { path: path.to_string(), value: json.expect("values of the map are dag-json") }
}

/// Serves `GET /@core/-/members`.
pub(crate) async fn members(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let session = request.session()?;
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(request.method_not_allowed());
    }
    let list = routes.members.list(&session, &request.core).await?;
    let view = MemberList {
        root: principal_view(&list.root),
        begun: list.begun,
        members: list.members.iter().map(member_view).collect(),
    };
    Ok(Json(view).into_response())
}

/// Serves `GET /@core/-/invites`: the grants to single accounts, each with the link to send.
pub(crate) async fn invites(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let session = request.session()?;
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(request.method_not_allowed());
    }
    let list = routes.members.list(&session, &request.core).await?;
    let from = routes.remotes.reached_at();
    let single = |member: &Member| matches!(member.to, Principal::One(_));
    let view = |member: Member| InviteView {
        link: InviteLink::new(request.core, member.grant, from.iter().cloned()).to_string(),
        member: member_view(&member),
    };
    let invites = list.members.into_iter().filter(single).map(view).collect();
    Ok(Json(InviteList { invites }).into_response())
}

/// Serves `GET /@core/-/heirs`.
pub(crate) async fn heirs(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    let session = request.session()?;
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(request.method_not_allowed());
    }
    let heirs = routes.members.heirs(&session, &request.core).await?;
    Ok(Json(HeirList { heirs: heir_views(heirs) }).into_response())
}

/// Serves `POST /@core/-/drafts`: operations for the account itself to sign.
pub(crate) async fn drafts(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let session = request.session()?;
    if request.method != Method::POST {
        return Err(request.method_not_allowed());
    }
    routes.rates.write(session.account())?;
    let DraftRequest { act } = json::read(body, VALUE_JSON_BYTES_MAX).await?;
    let wish = wish(&routes.accounts, act, request.client).await?;
    let drafts = routes.members.draft(&session, &request.core, wish).await?;
    Ok(Json(DraftList { drafts: drafts.into_iter().map(draft_view).collect() }).into_response())
}

/// What somebody wants to do. An account may be given by its name: what comes of it names the account.
pub(crate) async fn wish(known: &Accounts, act: WireWish, client: IpAddr) -> Result<Wish, ApiError> {
    Ok(match act {
        WireWish::Put { path, value } => {
            let json = serde_json::to_vec(&value).expect("JSON is written as it was read");
            let value = Codec::DagJson.decode(&json).map_err(bad)?;
            Wish::Put { path: MapPath::new(path)?, value }
        }
        WireWish::Grant { to, threshold, role, can } => {
            let (role, can) = role::choose(role.as_deref(), &can).map_err(bad)?;
            Wish::Grant { to: accounts(known, &to, client).await?, m: threshold, role, can }
        }
        WireWish::Revoke { grant } => Wish::Revoke { grant: grant.parse().map_err(|_cause| not_an_id())? },
        WireWish::Remove { account } => Wish::Remove { account: known.read(&account, client).await? },
        WireWish::Resign {} => Wish::Resign,
        WireWish::Rotate { owners, threshold } => {
            Wish::Rotate { owners: accounts(known, &owners, client).await?, m: threshold }
        }
        WireWish::Logout { session } => {
            Wish::Logout { login: session.parse().map_err(|_cause| not_an_id())? }
        }
        WireWish::Seal {} => Wish::Seal,
        WireWish::Heir { account, wait_s } => {
            Wish::Heir { account: known.read(&account, client).await?, wait_ms: wait_s.saturating_mul(1_000) }
        }
        WireWish::Refuse { account: None } => Wish::Refuse { account: None },
        WireWish::Refuse { account: Some(account) } => {
            Wish::Refuse { account: Some(known.read(&account, client).await?) }
        }
        WireWish::Claim {} => Wish::Claim,
    })
}

/// An operation for its author's wallet to sign.
pub(crate) fn draft_of(header: &Header, body: &kubelt_core::Body) -> DraftView {
    let text = Signed::signing_text(header, Some(body)).unwrap_or_default();
    draft_view(Drafted { header: header.clone(), body: body.clone(), text })
}

fn draft_view(drafted: Drafted) -> DraftView {
    let Drafted { header, body, text } = drafted;
    DraftView {
        // What puts is signed as a text alone.
        typed_data: typed_data::json(&header, &body, None).ok(),
        passkey_challenge: passkey::challenge_of_op(&header, &body),
        id: header.id().to_string(),
        by: header.by.to_string(),
        header: STANDARD.encode(header.encode()),
        body: STANDARD.encode(body.encode()),
        text,
    }
}

/// Lists the invites that wait for the account of the session.
#[utoipa::path(get, path = "/-/invites", tag = "members", security(("bearer" = [])),
    responses((status = 200, body = OwnInviteList), (status = "4XX", body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn own_invites(
    State(routes): State<MemberRoutes>,
    headers: HeaderMap,
) -> Result<Json<OwnInviteList>, ApiError> {
    let SignedIn(session) = SignedIn::from_headers(&routes.sessions, &headers)?;
    let invites = routes.members.invites(&session).await?;
    let view = |invite: kubelt_node::Invite| OwnInviteView {
        core: invite.core.to_string(),
        title: invite.title,
        roles: invite.roles,
    };
    Ok(Json(OwnInviteList { invites: invites.into_iter().map(view).collect() }))
}

/// Accepts an invite: names the core in the private core, and brings it here where it is to come from another node.
#[utoipa::path(post, path = "/-/invites", tag = "members", security(("bearer" = [])), request_body = AcceptRequest,
    responses((status = 200, body = AcceptedView), (status = "4XX", body = kubelt_api::Problem, content_type = "application/problem+json"),
        (status = 502, body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn accept(
    State(routes): State<MemberRoutes>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<AcceptRequest>,
) -> Result<Json<AcceptedView>, ApiError> {
    let SignedIn(session) = SignedIn::from_headers(&routes.sessions, &headers)?;
    routes.rates.write(session.account())?;
    let AcceptRequest { core, name, from } = request;
    let core: CoreId = core.parse().map_err(|_cause| not_an_id())?;
    let from = from.map(|from| from.parse()).transpose().map_err(kubelt_node::RemoteNodeError::from)?;
    let accepted = routes.members.accept(&session, core, name, from).await?;
    Ok(Json(AcceptedView {
        path: format!("/@{}", accepted.core),
        name: accepted.name,
        core: accepted.core.to_string(),
        title: accepted.title,
        roles: accepted.roles,
        known: accepted.known,
        remote: accepted.remote.map(remote_routes::view),
    }))
}

/// Lists the cores on this node to which the account of the session is heir.
#[utoipa::path(get, path = "/-/heirs", tag = "members", security(("bearer" = [])),
    responses((status = 200, body = HeirList), (status = "4XX", body = kubelt_api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn heir_to(
    State(routes): State<MemberRoutes>,
    headers: HeaderMap,
) -> Result<Json<HeirList>, ApiError> {
    let SignedIn(session) = SignedIn::from_headers(&routes.sessions, &headers)?;
    Ok(Json(HeirList { heirs: heir_views(routes.members.heir_to(&session).await?) }))
}

pub(crate) fn heir_views(heirs: Vec<Heir>) -> Vec<HeirView> {
    let view = |heir: Heir| HeirView {
        core: heir.core.to_string(),
        of: heir.of.to_string(),
        account: heir.account.to_string(),
        grant: heir.grant.to_string(),
        since: rfc3339(heir.since_ms),
        wait_s: heir.wait_ms / 1_000,
        claimed: heir.claimed_ms.map(rfc3339),
        due: heir.due_ms.map(rfc3339),
        open: heir.is_over,
    };
    heirs.into_iter().map(view).collect()
}

/// Lists the ready-made roles.
#[utoipa::path(get, path = "/-/roles", tag = "members", responses((status = 200, body = RoleList)))]
pub(crate) async fn roles() -> Json<RoleList> {
    let view = |role: &role::Role| RoleView {
        name: role.name.to_owned(),
        says: role.says.to_owned(),
        can: role.abilities().iter().map(ToString::to_string).collect(),
        may: role.abilities().iter().map(words::ability).collect(),
    };
    Json(RoleList { roles: role::ROLES.iter().map(view).collect() })
}

pub(crate) fn principal_view(principal: &Principal) -> PrincipalView {
    PrincipalView { m: principal.m(), of: principal.accounts().iter().map(ToString::to_string).collect() }
}

fn member_view(member: &Member) -> MemberView {
    MemberView {
        to: principal_view(&member.to),
        role: member.role.clone(),
        can: member.can.iter().map(ToString::to_string).collect(),
        may: member.can.iter().map(words::ability).collect(),
        by: member.by.to_string(),
        since: rfc3339(member.since_ms),
        grant: member.grant.to_string(),
        acted: member.acted,
    }
}

async fn accounts(known: &Accounts, texts: &[String], client: IpAddr) -> Result<Vec<Account>, ApiError> {
    if texts.len() > ROOT_ACCOUNTS_MAX {
        return Err(ApiError::new(Code::BadRequest, format!("name {ROOT_ACCOUNTS_MAX} accounts at most")));
    }
    let mut accounts = Vec::with_capacity(texts.len());
    for text in texts {
        accounts.push(known.read(text, client).await?);
    }
    Ok(accounts)
}

#[allow(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn bad(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(Code::BadRequest, error.to_string())
}

fn not_an_id() -> ApiError {
    ApiError::new(Code::BadRequest, "not an id of a core, a grant or a session")
}
