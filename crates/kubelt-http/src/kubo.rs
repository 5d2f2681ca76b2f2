//! `/api/v0/…`: the part of Kubo's RPC that tools use, for the core of the session that asks.
//!
//! Every call is a POST with a session's token. Answers, errors and streams have Kubo's form, so that its clients
//! work unchanged; what the commands do is in `kubelt-node`. Commands that are not here answer 404, as in Kubo.

mod about;
mod add;
mod answer;
mod args;
mod block;
mod dag;
mod entries;
mod get;
mod multipart;
mod name;
mod pin;
mod refs;
mod stat;
mod tree;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use kubelt_content::{Cid, CidBase, format_cid};
use kubelt_core::CoreId;
use kubelt_node::{Content, Followed, Ipns, Pins, Resolver, Rpc, Session, Sessions};

use self::{answer::KuboError, args::Args};
use crate::{auth, origin::Hosts, rate::Rates};

/// What these routes use.
#[derive(Debug, Clone)]
pub(crate) struct KuboRoutes {
    pub(crate) sessions: Sessions,
    pub(crate) rpc: Rpc,
    pub(crate) content: Content,
    pub(crate) pins: Pins,
    pub(crate) resolver: Resolver,
    pub(crate) ipns: Ipns,
    pub(crate) rates: Rates,
}

/// A call of one command.
#[derive(Debug)]
struct Call {
    routes: KuboRoutes,
    session: Arc<Session>,
    core: CoreId,
    args: Args,
    headers: HeaderMap,
}

pub(crate) fn routes(state: KuboRoutes) -> Router {
    Router::new().route("/api/v0/{*command}", any(dispatch)).with_state(state)
}

async fn dispatch(State(routes): State<KuboRoutes>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let command = parts.uri.path().strip_prefix("/api/v0/").unwrap_or_default().to_owned();
    if parts.method != Method::POST {
        let refused = (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], "405 - Method Not Allowed");
        return refused.into_response();
    }
    if !Hosts::is_own_page(&parts.uri, &parts.headers) {
        return KuboError::forbidden("pages of another origin may not call this").into_response();
    }
    let called = async {
        let reader = auth::reader(&routes.sessions, &parts.headers);
        let session = reader.ok().and_then(|reader| reader.session().cloned());
        let session = session.ok_or_else(KuboError::unauthorized)?;
        let args = Args::parse(parts.uri.query().unwrap_or_default())?;
        let core = session.core;
        run(Call { routes, session, core, args, headers: parts.headers }, body, &command).await
    };
    called.await.unwrap_or_else(IntoResponse::into_response)
}

async fn run(call: Call, body: Body, command: &str) -> Result<Response, KuboError> {
    match command {
        "version" => Ok(about::version()),
        "id" => about::id(&call).await,
        "repo/stat" => about::repo_stat(&call).await,
        "repo/version" => Ok(about::repo_version()),
        "add" => add::add(call, body).await,
        "cat" => get::cat(&call).await,
        "get" => get::get(&call).await,
        "ls" => entries::ls(&call).await,
        "block/get" => block::get(&call).await,
        "block/put" => block::put(&call, body).await,
        "block/rm" => block::rm(&call).await,
        "block/stat" => block::stat(&call).await,
        "dag/export" => dag::export(&call).await,
        "dag/get" => dag::get(&call).await,
        "dag/import" => dag::import(&call, body).await,
        "dag/put" => dag::put(&call, body).await,
        "dag/resolve" => dag::resolve(&call).await,
        "dag/stat" => dag::stat(&call).await,
        "files/stat" => stat::files_stat(&call).await,
        "key/list" => name::keys(&call).await,
        "key/gen" | "key/import" | "key/rename" | "key/rm" => Err(name::one_key()),
        "name/publish" => name::publish(&call).await,
        "name/resolve" => name::resolve(&call).await,
        "pin/add" => pin::add(&call).await,
        "pin/ls" => pin::ls(&call).await,
        "pin/rm" => pin::rm(&call).await,
        "pin/update" => pin::update(&call).await,
        "pin/verify" => pin::verify(&call).await,
        "refs" => refs::refs(&call).await,
        "resolve" => stat::resolve(&call).await,
        _ => Err(KuboError::unknown_command()),
    }
}

impl Call {
    /// Counts a write of the account.
    fn count_write(&self) -> Result<(), KuboError> {
        Ok(self.routes.rates.write(self.session.account())?)
    }

    /// Where a path leads: `/ipfs/{cid}/a/b`, the same without `/ipfs/`, or `/ipns/{name}/a/b`.
    async fn resolve(&self, path: &str) -> Result<Followed, KuboError> {
        let (root, segments) = match path.strip_prefix("/ipns/") {
            Some(below) => name::content_path(self, below).await?,
            None => args::content_path(path)?,
        };
        Ok(self.routes.rpc.resolve(&self.session, &self.core, &root, &segments).await?)
    }

    /// Where a path leads that ends at a block.
    async fn resolve_block(&self, path: &str) -> Result<Followed, KuboError> {
        let resolved = self.resolve(path).await?;
        match resolved.rest.first() {
            None => Ok(resolved),
            Some(name) => Err(KuboError::failed(format!("no link named \"{name}\" under {}", resolved.cid))),
        }
    }

    /// How CIDs are written in the answer.
    fn cids(&self) -> Result<Cids, KuboError> {
        match self.args.get(&["cid-base"]) {
            None => Ok(Cids(None)),
            Some("base32") => Ok(Cids(Some(CidBase::Base32))),
            Some("base36") => Ok(Cids(Some(CidBase::Base36))),
            Some("base58btc") => Ok(Cids(Some(CidBase::Base58))),
            Some(_) => Err(KuboError::bad("`cid-base` is `base32`, `base36` or `base58btc`")),
        }
    }
}

/// How CIDs are written.
#[derive(Debug, Clone, Copy)]
struct Cids(Option<CidBase>);

impl Cids {
    fn text(self, cid: &Cid) -> String {
        match self.0 {
            None => cid.to_string(),
            Some(base) => format_cid(cid, base),
        }
    }
}
