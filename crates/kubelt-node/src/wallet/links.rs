//! Contract wallets that are linked to a shared core, and so its accounts towards programs.
//!
//! The core's map names them (`config/wallets/…`), and holds the wallet's own word that it wants that. It is checked at the
//! block that the map names, so that what a wallet's owners said once holds until the core takes the wallet out again.

use std::{collections::HashSet, sync::Arc};

use ipld_core::ipld::Ipld;
use kubelt_content::Codec;
use kubelt_core::{
    Account, ContractSignatures, CoreId, MapPath, OpId, Scheme, Verdict, codec,
    limits::VALUE_BYTES_MAX,
    schema::{LinkedWallet, WALLETS},
    signature::{eip191_hash, verify_pinned},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    WalletFace, WalletFault, Wallets,
    asked::{Asked, Shown, What},
};
use crate::{
    cores::LoadError,
    limits::{LINKED_WALLETS_READ_MAX, LINKS_KEPT_MAX, WALLET_REQUEST_LIFE},
};

/// Links whose proof was found to be good: by core, and by the operation that put them there.
#[derive(Debug, Clone, Default)]
pub(super) struct Links(Arc<Mutex<HashSet<(CoreId, OpId)>>>);

impl Wallets {
    /// The wallets that are linked to a core. One whose chain gives no answer is not among them.
    pub(super) async fn linked(&self, core: &CoreId) -> Result<Vec<Account>, LoadError> {
        let base: MapPath = WALLETS.parse().expect("a constant path");
        let mut linked = Vec::new();
        for (path, entry) in self.cores.store.state_scan(core, Some(&base), None, LINKED_WALLETS_READ_MAX)? {
            let value: Option<Ipld> = codec::decode(&entry.value, VALUE_BYTES_MAX, "value").ok();
            let wallet = value.and_then(|value| LinkedWallet::read(&path, &value).ok());
            let Some(wallet) = wallet else { continue };
            let key = (*core, entry.id);
            if !self.links.0.lock().contains(&key) {
                if !self.wants(core, &wallet).await {
                    continue;
                }
                let known = &mut *self.links.0.lock();
                if known.len() >= LINKS_KEPT_MAX {
                    known.clear();
                }
                known.insert(key);
            }
            linked.push(wallet.account);
        }
        Ok(linked)
    }

    /// Whether a wallet has said that it is linked to a core.
    async fn wants(&self, core: &CoreId, wallet: &LinkedWallet) -> bool {
        let LinkedWallet { account, date, signature, block } = wallet;
        let text = LinkedWallet::text(core, account, date);
        let at_ms = wallet.at_ms();
        let check = |contracts: &dyn ContractSignatures| {
            let text = text.as_bytes();
            verify_pinned(account, Scheme::Eip1271, text, signature, Some(block), at_ms, contracts)
        };
        matches!(self.chains.settle(check).await, Ok(Verdict::Valid))
    }

    /// Asks a contract wallet to be linked to the core: gives the value to put, and where.
    pub(super) async fn link(&self, face: &WalletFace, params: &Value) -> Result<Value, WalletFault> {
        let invalid = |message: &str| WalletFault::new(WalletFault::INVALID_PARAMS, message);
        let account = params[0].as_str().and_then(|text| text.to_ascii_lowercase().parse::<Account>().ok());
        let Some((account, path)) =
            account.and_then(|account| LinkedWallet::path(&account).map(|path| (account, path)))
        else {
            return Err(invalid("name a contract wallet: `[\"eip155:1:0x…\"]`"));
        };
        let date = LinkedWallet::date_of(self.clock.now_ms());
        let date =
            date.ok_or_else(|| WalletFault::new(WalletFault::INTERNAL, "the clock is beyond the calendar"))?;
        let text = LinkedWallet::text(&face.core, &account, &date);
        let what = What::Digest(eip191_hash(text.as_bytes()));
        let asked = Asked { account: account.clone(), what, shown: Shown::Text(text.clone()) };
        let asked = self.by_safe(face, asked).await?;
        let shown = json!([format!("0x{}", hex::encode(&text)), account.checksummed()]);
        let signature = self.ask(face, asked, "personal_sign", &shown, WALLET_REQUEST_LIFE).await?;
        let signature = signature.as_str().and_then(|text| hex::decode(text.strip_prefix("0x")?).ok());
        let block = self.chains.block_for(&account).await;
        let (Some(signature), Some(block)) = (signature, block) else {
            return Err(WalletFault::new(
                WalletFault::DISCONNECTED,
                "the wallet's chain gives no answer; link it again",
            ));
        };
        let wallet = LinkedWallet { account, date, signature, block };
        if !self.wants(&face.core, &wallet).await {
            return Err(WalletFault::new(
                WalletFault::REJECTED,
                "the wallet does not accept the signature any more",
            ));
        }
        let value = Codec::DagJson.encode(&wallet.to_ipld());
        let value: Value =
            value.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Ok(json!({ "path": path.to_string(), "value": value }))
    }
}
