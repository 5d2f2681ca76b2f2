//! `/@core/-/rpc`: the wallet face of a core, as JSON-RPC 2.0 over HTTP.

use std::net::IpAddr;

use axum::{
    Json,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use kubelt_api::{
    Code, SafeExecution, SafeStandingView, WalletRequestAnswer, WalletRequestList, WalletRequestView,
};
use kubelt_core::Account;
use kubelt_node::{SafeReady, SafeStanding, WalletAnswer, WalletFace, WalletFault, WalletRequest, Wallets};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::{RPC_BATCH_MAX, RPC_BODY_BYTES_MAX},
    problem::ApiError,
    rate::Rates,
    time::rfc3339,
};

/// What is no JSON (JSON-RPC 2.0).
const PARSE_ERROR: i64 = -32_700;
/// What is no request (JSON-RPC 2.0).
const INVALID_REQUEST: i64 = -32_600;

/// Serves `POST /@core/-/rpc` (`?chain=ID` chooses the chain), `GET /@core/-/rpc/requests` and `POST
/// /@core/-/rpc/requests/{id}`. Who has no part in the core finds nothing here.
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let session = request.session()?;
    let chain = request.query.get("chain").map(|id| {
        id.parse()
            .map_err(|_cause| ApiError::new(Code::BadRequest, "`chain` is an EIP-155 id, as in `?chain=1`"))
    });
    let face = routes.wallets.face(&session, &request.core, chain.transpose()?).await?;
    let face = face.ok_or_else(ApiError::not_found)?;
    match (request.method.clone(), request.path.as_slice()) {
        (Method::POST, []) => {}
        (Method::GET, [what]) if what == "requests" => {
            let requests = routes.wallets.requests(&face).into_iter().map(view).collect();
            return Ok(Json(WalletRequestList { requests }).into_response());
        }
        (Method::POST, [what, id]) if what == "requests" => {
            routes.rates.write(session.account())?;
            let answer = match json::read(body, RPC_BODY_BYTES_MAX).await? {
                WalletRequestAnswer::Result(result) => WalletAnswer::Result(result),
                WalletRequestAnswer::Reject(_why) => WalletAnswer::Reject,
            };
            routes.wallets.answer(&face, id, answer).await?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        (_, []) => return Err(request.method_not_allowed()),
        _ => return Err(ApiError::not_found()),
    }
    let bytes = json::bytes(body, RPC_BODY_BYTES_MAX).await?;
    let client = Client {
        wallets: routes.wallets.clone(),
        face,
        rates: routes.rates.clone(),
        address: request.client,
    };
    Ok(match serde_json::from_slice::<Value>(&bytes) {
        Err(_cause) => {
            Json(failure(&Value::Null, &WalletFault::new(PARSE_ERROR, "that is no JSON"))).into_response()
        }
        Ok(Value::Array(calls)) => match client.answer_all(calls).await {
            Ok(answers) if answers.is_empty() => StatusCode::NO_CONTENT.into_response(),
            Ok(answers) => Json(answers).into_response(),
            Err(fault) => Json(failure(&Value::Null, &fault)).into_response(),
        },
        Ok(call) => match client.answer(call).await {
            Some(answer) => Json(answer).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        },
    })
}

fn view(request: WalletRequest) -> WalletRequestView {
    let WalletRequest { id, account, method, params, expires_ms, safe } = request;
    WalletRequestView {
        id,
        account: account.to_string(),
        method,
        params,
        expires: rfc3339(expires_ms),
        safe: safe.map(standing),
    }
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

/// Whoever calls.
#[derive(Debug, Clone)]
struct Client {
    wallets: Wallets,
    face: WalletFace,
    rates: Rates,
    address: IpAddr,
}

impl Client {
    /// Answers a batch, in its order, all at once.
    async fn answer_all(&self, calls: Vec<Value>) -> Result<Vec<Value>, WalletFault> {
        if calls.is_empty() || calls.len() > RPC_BATCH_MAX {
            let message = format!("a batch has 1 to {RPC_BATCH_MAX} calls, not {}", calls.len());
            return Err(WalletFault::new(INVALID_REQUEST, message));
        }
        let mut answering = JoinSet::new();
        for (index, call) in calls.into_iter().enumerate() {
            let client = self.clone();
            answering.spawn(async move { (index, client.answer(call).await) });
        }
        let mut answers = answering.join_all().await;
        answers.sort_unstable_by_key(|(index, _)| *index);
        Ok(answers.into_iter().filter_map(|(_, answer)| answer).collect())
    }

    /// Answers one call; none where it wants no answer.
    async fn answer(&self, call: Value) -> Option<Value> {
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
        let answered = match self.rates.lookup(self.address) {
            Ok(()) => self.wallets.call(&self.face, method, &params).await,
            Err(_limited) => {
                Err(WalletFault::new(WalletFault::LIMIT, "too many calls from your address; wait a moment"))
            }
        };
        let id = id?;
        Some(match answered {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(fault) => failure(id, &fault),
        })
    }
}

fn failure(id: &Value, fault: &WalletFault) -> Value {
    let mut error = json!({"code": fault.code, "message": fault.message});
    if let Some(data) = &fault.data {
        error["data"] = data.clone();
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}
