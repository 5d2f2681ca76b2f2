//! `/@core/-/rpc`: JSON-RPC 2.0, over HTTP and over WebSockets. Methods of wallets are answered by the core's wallet face,
//! those of cores (`kb_*`) by the API's own routes.

pub(crate) mod inside;
pub(crate) mod operations;
pub(crate) mod socket;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::ws::WebSocketUpgrade,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use kubelt_api::Code;
use kubelt_node::{Outlet, Session, Subscription, WalletFace, WalletFault};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::inside::Origin;
use crate::{
    auth,
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::{RPC_BATCH_MAX, RPC_BODY_BYTES_MAX},
    openrpc,
    problem::ApiError,
};

/// What is no JSON (JSON-RPC 2.0).
const PARSE_ERROR: i64 = -32_700;
/// What is no request (JSON-RPC 2.0).
const INVALID_REQUEST: i64 = -32_600;

/// Serves `POST /@core/-/rpc` (`?chain=ID` chooses the chain), and sockets at this address. Who has no part in the core
/// finds nothing here.
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    upgrade: Option<WebSocketUpgrade>,
    body: Body,
) -> Result<Response, ApiError> {
    request.session()?;
    let caller = Caller::of(routes, request)?;
    if let Some(upgrade) = upgrade.filter(|_| request.path.is_empty()) {
        return socket::open(caller, upgrade).await;
    }
    let client = caller.admit(None).await?;
    match (&request.method, request.path.as_slice()) {
        (&Method::POST, []) => {}
        (_, []) => return Err(request.method_not_allowed()),
        _ => return Err(ApiError::not_found()),
    }
    let bytes = json::bytes(body, RPC_BODY_BYTES_MAX).await?;
    Ok(match client.answer(&bytes).await {
        Some(answer) => Json(answer).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Whoever calls, before it is asked whether they may.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    routes: CoreRoutes,
    core: kubelt_core::CoreId,
    chain: Option<u64>,
    origin: Origin,
}

/// Whoever calls and may.
#[derive(Debug, Clone)]
struct Client {
    caller: Caller,
    session: Arc<Session>,
    face: WalletFace,
    /// Where it can be told things by itself.
    hears: Option<Hears>,
}

/// One message of somebody who can be told things by itself.
#[derive(Debug, Clone)]
struct Hears {
    told: Arc<Told>,
    /// The ids of subscriptions that begin with this message.
    opened: Arc<Mutex<Vec<String>>>,
}

/// What the client of a socket is told by itself.
#[derive(Debug)]
struct Told {
    outlet: Outlet,
    subscriptions: Mutex<HashMap<String, Subscription>>,
}

impl Caller {
    fn of(routes: &CoreRoutes, request: &CoreRequest) -> Result<Self, ApiError> {
        let bad = |_cause| ApiError::new(Code::BadRequest, "`chain` is an EIP-155 id, as in `?chain=1`");
        let chain = request.query.get("chain").map(|id| id.parse().map_err(bad)).transpose()?;
        let origin = Origin {
            uri: request.uri.clone(),
            core: request.address.clone(),
            headers: request.headers.clone(),
            arrival: request.arrival.clone(),
        };
        Ok(Self { routes: routes.clone(), core: request.core, chain, origin })
    }

    /// Lets in whom the token speaks for at this moment, where they have a part in the core.
    async fn admit(&self, hears: Option<Hears>) -> Result<Client, ApiError> {
        let reader = auth::reader(&self.routes.sessions, &self.origin.headers)?;
        let session = Arc::clone(reader.session().ok_or_else(ApiError::not_found)?);
        let face = self.routes.wallets.face(&session, &self.core, self.chain).await?;
        let face = face.ok_or_else(ApiError::not_found)?;
        Ok(Client { caller: self.clone(), session, face, hears })
    }
}

impl Client {
    /// Answers a call, or a batch of them; none where no answer is wanted.
    async fn answer(&self, bytes: &[u8]) -> Option<Value> {
        match serde_json::from_slice::<Value>(bytes) {
            Err(_cause) => Some(failure(&Value::Null, &WalletFault::new(PARSE_ERROR, "that is no JSON"))),
            Ok(Value::Array(calls)) => match self.answer_all(calls).await {
                Ok(answers) if answers.is_empty() => None,
                Ok(answers) => Some(Value::Array(answers)),
                Err(fault) => Some(failure(&Value::Null, &fault)),
            },
            Ok(call) => self.answer_one(call).await,
        }
    }

    /// Answers a batch, in its order, all at once.
    async fn answer_all(&self, calls: Vec<Value>) -> Result<Vec<Value>, WalletFault> {
        if calls.is_empty() || calls.len() > RPC_BATCH_MAX {
            let message = format!("a batch has 1 to {RPC_BATCH_MAX} calls, not {}", calls.len());
            return Err(WalletFault::new(INVALID_REQUEST, message));
        }
        let mut answering = JoinSet::new();
        for (index, call) in calls.into_iter().enumerate() {
            let client = self.clone();
            answering.spawn(async move { (index, client.answer_one(call).await) });
        }
        let mut answers = answering.join_all().await;
        answers.sort_unstable_by_key(|(index, _)| *index);
        Ok(answers.into_iter().filter_map(|(_, answer)| answer).collect())
    }

    /// Answers one call; none where it wants no answer.
    async fn answer_one(&self, call: Value) -> Option<Value> {
        let invalid =
            |message: &str| Some(failure(&Value::Null, &WalletFault::new(INVALID_REQUEST, message)));
        let id = call.get("id");
        let (Some("2.0"), Some(method)) = (call["jsonrpc"].as_str(), call["method"].as_str()) else {
            return invalid("a call has `\"jsonrpc\": \"2.0\"` and a `method`");
        };
        if id.is_some_and(|id| !(id.is_null() || id.is_number() || id.is_string())) {
            return invalid("an `id` is a number, a string or null");
        }
        let params = match call.get("params") {
            None | Some(Value::Null) => json!([]),
            Some(params @ (Value::Array(_) | Value::Object(_))) => params.clone(),
            Some(_) => return invalid("`params` is a list or an object"),
        };
        let answered = self.call(method, &params).await;
        let id = id?;
        Some(match answered {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(fault) => failure(id, &fault),
        })
    }

    async fn call(&self, method: &str, params: &Value) -> Result<Value, WalletFault> {
        let Caller { routes, origin, .. } = &self.caller;
        if method == openrpc::DISCOVER {
            return Ok(openrpc::document().clone());
        }
        // These are counted where they are answered.
        if let Some(operation) = operations::find(method) {
            return routes.inside.call(origin, operation, params).await;
        }
        let limited = |_limited| {
            WalletFault::new(WalletFault::LIMIT, "too many calls from your address; wait a moment")
        };
        routes.rates.lookup(origin.arrival.client).map_err(limited)?;
        match (&self.hears, method) {
            (Some(Hears { told, opened }), "eth_subscribe") => {
                let subscription = routes.wallets.subscribe(&self.face, params, told.outlet()).await?;
                let id = told.keep(subscription)?;
                opened.lock().push(id.clone());
                Ok(json!(id))
            }
            (Some(Hears { told, .. }), "eth_unsubscribe") => {
                Ok(json!(told.end(params[0].as_str().unwrap_or_default())))
            }
            _ => routes.wallets.call(&self.face, method, params).await,
        }
    }
}

fn failure(id: &Value, fault: &WalletFault) -> Value {
    let mut error = json!({"code": fault.code, "message": fault.message});
    if let Some(data) = &fault.data {
        error["data"] = data.clone();
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}
