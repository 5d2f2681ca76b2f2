//! Several calls of a Safe at once (EIP-5792): one transaction, all of it or nothing.
//!
//! They are packed for `MultiSendCallOnly`, whose code the Safe runs as its own. So that must be the code that it says it is:
//! it is known by its hash, whatever stands at its address.

use kubelt_core::{
    Account,
    safe::{Safe, SafeCall, SafeTx, multi_send},
};
use serde_json::{Value, json};

use super::{SafeAsk, SafeWhat, bytes, read_call, words};
use crate::{
    limits::SAFE_CALLS_LIFE,
    wallet::{
        WalletFace, WalletFault, Wallets,
        asked::{Asked, Shown, What},
        calls::{caller, read_calls},
    },
};

/// Where `MultiSendCallOnly` is, and the keccak-256 of its code: of versions 1.4.1, 1.3.0 (twice) and 1.5.0, from the
/// deployments that Safe publishes.
const MULTI_SENDS: [(&str, &str); 4] = [
    (
        "0x9641d764fc13c8B624c04430C7356C1C7C8102e2",
        "ecd5bd14a08c5d2122379900b2f272bdf107a7e92423c10dd5fe3254386c9939",
    ),
    (
        "0x40A2aCCbd92BCA938b02010E17A5b8929b49130D",
        "a9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad",
    ),
    (
        "0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B",
        "a9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad",
    ),
    (
        "0xA83c336B20401Af773B6219BA5027174338D1836",
        "cdbdcec38d2f1c7d961b0029ff8416b7e86e9974d6f0e9c9580c7d17fcfb6663",
    ),
];

impl Wallets {
    /// Begins to ask for calls: of a Safe as one transaction, of other accounts one after the other.
    pub(in crate::wallet) async fn send_any_calls(
        &self,
        face: &WalletFace,
        params: &Value,
    ) -> Result<Value, WalletFault> {
        let from = caller(face, params);
        let account = from.as_str().and_then(|address| face.account(address));
        let Some(Account::Contract { chain, address }) = account else {
            return self.send_calls(face, params);
        };
        let safe = Safe { chain, address };
        let account = Account::Contract { chain, address };
        let Some(state) = self.safe_state(&safe).await? else { return self.send_calls(face, params) };
        let calls = read_calls(face, params, true)?.iter().map(read_call).collect::<Result<Vec<_>, _>>()?;
        let words = words::calls(&safe, &calls);
        let (call, delegate) = self.as_one(&safe, calls).await?;
        let nonce = self.safe_nonce(face, &safe).await?;
        let ask = SafeAsk::new(safe, state, SafeWhat::Transaction(SafeTx { call, delegate, nonce }), words);
        let asked = Asked { account, what: What::Safe(Box::new(ask)), shown: Shown::Nothing };
        let id = self.bundles.begin(face.core, chain, 1, true);
        let (wallets, face, params, named) = (self.clone(), face.clone(), params.clone(), id.clone());
        tokio::spawn(async move {
            let sent = wallets.ask(&face, asked, "wallet_sendCalls", &params, SAFE_CALLS_LIFE).await;
            wallets.bundles.note(&named, sent);
        });
        Ok(json!({ "id": id }))
    }

    /// One call that makes all of these, and whether its code runs as the Safe's own.
    async fn as_one(&self, safe: &Safe, mut calls: Vec<SafeCall>) -> Result<(SafeCall, bool), WalletFault> {
        if calls.len() == 1 {
            return Ok((calls.remove(0), false));
        }
        for (address, hash) in MULTI_SENDS {
            let code = self.chains.read(safe.chain, "eth_getCode", &json!([address, "latest"])).await?;
            let code = code.as_str().and_then(bytes).unwrap_or_default();
            if hex::encode(kubelt_core::safe::code_hash(&code)) == hash {
                let to = Account::evm_address(address).expect("an address that stands here");
                return Ok((SafeCall { to, value: [0; 32], data: multi_send(&calls) }, true));
            }
        }
        let message =
            "the contract `MultiSendCallOnly` of the Safe is not on this chain; send the calls one by one";
        Err(WalletFault::new(WalletFault::INVALID_PARAMS, message))
    }

    /// What the core's accounts can do beyond single transactions, by chain (EIP-5792).
    pub(in crate::wallet) async fn capabilities(&self, face: &WalletFace) -> Result<Value, WalletFault> {
        let mut atomic = Vec::new();
        for account in &face.accounts {
            if let Account::Contract { chain, address } = account
                && self.safe_state(&Safe { chain: *chain, address: *address }).await?.is_some()
            {
                atomic.push(*chain);
            }
        }
        let can = |chain: u64| {
            let status = if atomic.contains(&chain) { "supported" } else { "unsupported" };
            (format!("{chain:#x}"), json!({"atomic": {"status": status}}))
        };
        Ok(self.chains.known().into_iter().map(can).collect())
    }
}
