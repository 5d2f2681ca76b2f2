//! Accounts that are written as names of the Ethereum Name Service: in addresses, in requests, and `/-/ens/{name}` itself.

use std::net::{IpAddr, SocketAddr};

use axum::{
    Json, Router,
    extract::{ConnectInfo, Path, State},
    routing::get,
};
use kubelt_api::{Code, EnsView, Problem};
use kubelt_core::{Account, EnsName};
use kubelt_node::{EnsFault, EnsNames, NamedAccount};

use crate::{problem::ApiError, rate::Rates};

/// Reads accounts; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    pub(crate) ens: EnsNames,
    pub(crate) rates: Rates,
}

pub(crate) fn routes(state: Accounts) -> Router {
    Router::new().route("/-/ens/{name}", get(resolve)).with_state(state)
}

impl Accounts {
    /// The account that is written, or that the name leads to which is written instead.
    pub(crate) async fn read(&self, text: &str, client: IpAddr) -> Result<Account, ApiError> {
        if EnsName::is_meant(text) {
            return Ok(self.named(text, client).await?.account);
        }
        text.parse()
            .map_err(|error: kubelt_core::AccountError| ApiError::new(Code::BadRequest, error.to_string()))
    }

    /// Where a name leads. The chain is asked so often for each client, and no more.
    pub(crate) async fn named(&self, name: &str, client: IpAddr) -> Result<NamedAccount, ApiError> {
        self.ens.account(name, || self.rates.lookup(client)).await
    }

    /// An address with accounts in the place of their names.
    pub(crate) async fn unnamed(
        &self,
        mut cores: Vec<String>,
        client: IpAddr,
    ) -> Result<Vec<String>, ApiError> {
        for name in cores.iter_mut().filter(|name| EnsName::is_meant(name)) {
            *name = self.named(name, client).await?.account.to_string();
        }
        Ok(cores)
    }
}

/// Says which account an ENS name leads to, at the last final block of its chain; kept for a minute.
#[utoipa::path(get, path = "/-/ens/{name}", tag = "names", operation_id = "resolve_ens",
    params(("name" = String, Path, description = "a name that ends in `.eth`")),
    responses((status = 200, body = EnsView), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "this node looks up no names", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn resolve(
    State(accounts): State<Accounts>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(text): Path<String>,
) -> Result<Json<EnsView>, ApiError> {
    let NamedAccount { name, account, block } = accounts.named(&text, peer.ip()).await?;
    Ok(Json(EnsView {
        name: name.to_string(),
        account: account.to_string(),
        address: account.checksummed().unwrap_or_default(),
        chain: block.chain,
        block: block.number,
        block_hash: format!("0x{}", hex::encode(block.hash)),
    }))
}

impl From<EnsFault> for ApiError {
    fn from(fault: EnsFault) -> Self {
        let code = match &fault {
            EnsFault::Name(_) => Code::BadRequest,
            EnsFault::NoChain | EnsFault::OffChain(_) => Code::NotImplemented,
            EnsFault::Nowhere(_) => Code::NotFound,
            EnsFault::Busy => Code::RateLimited,
            EnsFault::Unanswered => Code::Unreachable,
        };
        Self::new(code, fault.to_string())
    }
}
