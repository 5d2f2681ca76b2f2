//! `eth_subscribe` and `eth_unsubscribe`, for clients that can be told things (EIP-1474; over a socket alone).

use kubelt_core::LogFilter;
use serde_json::{Value, json};

use super::{WalletFace, WalletFault, Wallets};
use crate::{
    clock::random,
    follow::{FollowError, Following, Outlet, Wants},
};

/// A subscription, which ends when it is dropped.
#[derive(Debug)]
pub struct Subscription {
    /// Its id, as notices name it.
    pub id: String,
    _following: Following,
}

impl Wallets {
    /// Begins to tell `outlet` of what the parameters name: `newHeads`, or `logs` with a filter.
    ///
    /// # Errors
    /// [`WalletFault`], as it is told to the client.
    pub async fn subscribe(
        &self,
        face: &WalletFace,
        params: &Value,
        outlet: &Outlet,
    ) -> Result<Subscription, WalletFault> {
        let wants = read(params)?;
        let id = format!("0x{}", hex::encode(random::<16>()));
        let following = self.followers.follow(face.chain()?, wants, id.clone(), outlet.clone()).await;
        let following = following.map_err(|error| {
            let code = match error {
                FollowError::TooMany => WalletFault::LIMIT,
                FollowError::Unanswered => WalletFault::DISCONNECTED,
            };
            WalletFault::new(code, error.to_string())
        })?;
        Ok(Subscription { id, _following: following })
    }
}

fn read(params: &Value) -> Result<Wants, WalletFault> {
    let invalid = |message: String| WalletFault::new(WalletFault::INVALID_PARAMS, message);
    match params[0].as_str() {
        Some("newHeads") => Ok(Wants::Heads),
        Some("logs") => {
            let filter = if params[1].is_null() { &json!({}) } else { &params[1] };
            LogFilter::read(filter).map(Wants::Logs).map_err(|error| invalid(error.to_string()))
        }
        _ => Err(invalid("there are subscriptions to `newHeads` and to `logs` here".to_owned())),
    }
}
