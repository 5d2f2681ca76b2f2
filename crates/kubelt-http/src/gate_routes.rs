//! `/@core/-/gates`: the gates of a core, and how accounts fare at them.

use axum::{
    Json,
    http::Method,
    response::{IntoResponse, Response},
};
use kubelt_api::{Code, GateBlock, GateList, GateTest, GateTrial, GateView};
use kubelt_core::{Account, schema::gate::Outcome};
use kubelt_node::{GateError, NamedGate, Trial};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    problem::ApiError,
    time::rfc3339,
};

/// Serves `GET` of `/@core/-/gates`, and of `/@core/-/gates/{name}/check?account=…`.
pub(crate) async fn serve(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    if request.method != Method::GET {
        return Err(request.method_not_allowed());
    }
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    Ok(match path[..] {
        [] => list(routes, request).await?.into_response(),
        [name, "check"] => check(routes, request, name).await?.into_response(),
        _ => return Err(ApiError::not_found()),
    })
}

async fn list(routes: &CoreRoutes, request: &CoreRequest) -> Result<Json<GateList>, ApiError> {
    let gates = routes.gates.list(&request.reader, &request.core).await?;
    // Where there is nothing that the reader may know of, that is all the answer tells.
    if gates.is_empty() && routes.exchange.summary(&request.reader, &request.core).await?.is_none() {
        return Err(ApiError::not_found());
    }
    Ok(Json(GateList { gates: gates.iter().map(view).collect() }))
}

async fn check(routes: &CoreRoutes, request: &CoreRequest, name: &str) -> Result<Json<GateTrial>, ApiError> {
    routes.rates.lookup(request.client)?;
    let account = request.query.get("account").map(str::parse::<Account>).transpose();
    let account = account.map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
    let checked = routes.gates.check(&request.reader, &request.core, name, account).await?;
    let (named, account, trial) = checked;
    Ok(Json(trial_view(&named, &account, &trial)))
}

fn view(named: &NamedGate) -> GateView {
    let gate = &named.gate;
    GateView {
        name: named.name.clone(),
        opens: gate.opens.iter().map(ToString::to_string).collect(),
        condition: gate.condition.lines(),
        at: gate.at.as_str().to_owned(),
        keep: gate.keep_s,
        shown: gate.shown,
    }
}

fn trial_view(named: &NamedGate, account: &Account, trial: &Trial) -> GateTrial {
    let block = |block: &kubelt_core::BlockRef| GateBlock {
        chain: block.chain,
        number: block.number,
        hash: format!("0x{}", hex::encode(block.hash)),
    };
    let tested = |tested: &kubelt_node::Tested| GateTest {
        test: tested.test.to_string(),
        holds: word(tested.outcome),
        why: tested.why.clone(),
        found: tested.found.map(|word| format!("0x{}", hex::encode(word))),
    };
    GateTrial {
        gate: named.name.clone(),
        account: account.to_string(),
        passes: word(trial.outcome),
        at: rfc3339(trial.at_ms),
        blocks: trial.blocks.iter().map(block).collect(),
        tests: trial.tests.iter().map(tested).collect(),
    }
}

fn word(outcome: Outcome) -> String {
    match outcome {
        Outcome::Yes => "yes",
        Outcome::No => "no",
        Outcome::Unknown => "unknown",
    }
    .to_owned()
}

impl From<GateError> for ApiError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::NotFound => Self::not_found(),
            GateError::NotYours => Self::new(Code::Forbidden, error.to_string()),
            GateError::Load(error) => error.into(),
            GateError::Store(error) => error.into(),
        }
    }
}
