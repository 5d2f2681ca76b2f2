//! `/@core/-/names`: the host names that a core binds, and what is known of each.

use axum::{
    Json,
    http::Method,
    response::{IntoResponse, Response},
};
use kubelt_api::{CertificateView, Code, HostNameList, HostNameView, HostRecordView};
use kubelt_core::{CoreId, HostName};
use kubelt_node::{HostBinding, HostNameFault, ProofKind};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    problem::ApiError,
    time::rfc3339,
    tls::Certificates,
};

/// Serves `GET` of `/@core/-/names`, and of `/@core/-/names/{host}/check`.
pub(crate) async fn serve(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    if request.method != Method::GET {
        return Err(request.method_not_allowed());
    }
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    Ok(match path[..] {
        [] => list(routes, request).await?.into_response(),
        [host, "check"] => check(routes, request, host).await?.into_response(),
        _ => return Err(ApiError::not_found()),
    })
}

async fn list(routes: &CoreRoutes, request: &CoreRequest) -> Result<Json<HostNameList>, ApiError> {
    let names = routes.host_names.list(&request.reader, &request.core).await?;
    // Where there is nothing that the reader may know of, that is all the answer tells.
    if names.is_empty() && routes.exchange.summary(&request.reader, &request.core).await?.is_none() {
        return Err(ApiError::not_found());
    }
    Ok(Json(HostNameList {
        names: names.iter().map(|binding| view(routes, &request.core, binding)).collect(),
    }))
}

async fn check(
    routes: &CoreRoutes,
    request: &CoreRequest,
    host: &str,
) -> Result<Json<HostNameView>, ApiError> {
    let host: HostName = host
        .parse()
        .map_err(|error: kubelt_core::HostNameError| ApiError::new(Code::BadRequest, error.to_string()))?;
    let admit = || routes.rates.lookup(request.client);
    let binding = routes.host_names.check(&request.reader, &request.core, &host, admit).await?;
    Ok(Json(view(routes, &request.core, &binding)))
}

fn view(routes: &CoreRoutes, core: &CoreId, binding: &HostBinding) -> HostNameView {
    let (state, why) = standing(core, binding);
    let record = |record: &kubelt_node::ProofRecord| HostRecordView {
        name: record.name.clone(),
        kind: word(record.kind).to_ascii_uppercase(),
        value: record.value.clone(),
    };
    HostNameView {
        host: binding.host.to_string(),
        bound: binding.is_bound,
        leads_here: binding.leads_here,
        state: state.to_owned(),
        why,
        by: binding
            .proof
            .kind()
            .filter(|_| binding.proof.core() == Some(*core))
            .map(|kind| word(kind).to_owned()),
        looked: binding.proof.looked_ms.map(rfc3339),
        records: binding.records.iter().map(record).collect(),
        certificate: routes.certificates.as_deref().map(|all| certificate(all, binding)),
    }
}

/// How it stands with the certificate of a host.
fn certificate(all: &dyn Certificates, binding: &HostBinding) -> CertificateView {
    let Some(standing) = all.standing(binding.host.as_str()) else {
        let why = match binding.leads_here {
            true => "none is asked for as yet, or for a core that shows nothing to strangers",
            false => "none is asked for before the host leads here",
        };
        return CertificateView {
            state: "none".to_owned(),
            until: None,
            next: None,
            failure: Some(why.to_owned()),
        };
    };
    let state = match (standing.until_ms, standing.next_ms) {
        (None, None) => "given",
        (Some(_), _) => "held",
        (None, Some(_)) => "wanted",
    };
    CertificateView {
        state: state.to_owned(),
        until: standing.until_ms.map(rfc3339),
        next: standing.next_ms.filter(|at_ms| *at_ms > 0).map(rfc3339),
        failure: standing.failure,
    }
}

const fn word(kind: ProofKind) -> &'static str {
    match kind {
        ProofKind::Txt => "txt",
        ProofKind::Cname => "cname",
    }
}

/// How it stands with the proof, in a word and in words.
fn standing(core: &CoreId, binding: &HostBinding) -> (&'static str, String) {
    let proof = &binding.proof;
    match (proof.core(), &proof.failure) {
        (Some(named), None) if named == *core => {
            let record = proof.kind().map_or("", word).to_ascii_uppercase();
            ("proved", format!("a {record} record names this core"))
        }
        (Some(named), Some(failure)) if named == *core => {
            let until = proof.grace_ms().map(rfc3339).unwrap_or_default();
            (
                "proved",
                format!("the DNS gives no answer ({failure}); what it said before counts until {until}"),
            )
        }
        (Some(named), _) => ("another", format!("the DNS names another core, `{named}`")),
        (None, Some(failure)) => ("unanswered", format!("the DNS gives no answer: {failure}")),
        (None, None) if proof.looked_ms.is_none() => {
            ("unchecked", "the DNS has not been asked yet".to_owned())
        }
        (None, None) => ("unproved", "no record in the DNS names this core".to_owned()),
    }
}

impl From<HostNameFault> for ApiError {
    fn from(fault: HostNameFault) -> Self {
        match fault {
            HostNameFault::NotFound => Self::not_found(),
            HostNameFault::Load(error) => error.into(),
            HostNameFault::Store(error) => error.into(),
            HostNameFault::Keep(error) => {
                tracing::error!(
                    error = &*error as &dyn std::error::Error,
                    "what the DNS says could not be kept"
                );
                Self::new(Code::Internal, "what the DNS says could not be kept")
            }
        }
    }
}
