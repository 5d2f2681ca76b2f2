//! Several transactions asked for at once (EIP-5792): each becomes a request to the signers, one after the other, and
//! the program looks later what became of them. They are not atomic, and say so.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use kubelt_core::CoreId;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{WalletFace, WalletFault, Wallets, read_quantity};
use crate::{
    clock::random,
    limits::{WALLET_BUNDLES_KEPT_MAX, WALLET_CALLS_MAX, WALLET_REQUEST_BYTES_MAX},
};

/// What is asked for is required to be atomic (EIP-5792).
const NOT_ATOMIC: i64 = 5_760;
/// There is no such bundle (EIP-5792).
const UNKNOWN_BUNDLE: i64 = 5_730;
/// A capability that the wallet does not have is required (EIP-5792).
const UNSUPPORTED_CAPABILITY: i64 = 5_700;

/// The bundles of a node, the oldest of which give way; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Bundles(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<String, Bundle>,
    order: VecDeque<String>,
}

#[derive(Debug, Clone)]
struct Bundle {
    core: CoreId,
    chain: u64,
    calls: usize,
    /// The transactions that were sent so far.
    sent: Vec<Value>,
    is_refused: bool,
    /// Whether all calls are one transaction.
    is_atomic: bool,
}

/// Reads the parameters of `wallet_sendCalls`: the calls, which must be as many as are allowed, and ask for nothing that is
/// not there.
pub(super) fn read_calls<'a>(
    face: &WalletFace,
    params: &'a Value,
    atomic: bool,
) -> Result<&'a [Value], WalletFault> {
    let invalid = |message: &str| WalletFault::new(WalletFault::INVALID_PARAMS, message);
    let asked = &params[0];
    let chain = face.chain()?;
    if asked["chainId"].as_str().and_then(read_quantity) != Some(chain) {
        let message = format!("this address is of chain {chain}; go on at `…/-/rpc?chain=ID`");
        return Err(WalletFault::new(WalletFault::UNKNOWN_CHAIN, message));
    }
    if asked["atomicRequired"] == true && !atomic {
        return Err(WalletFault::new(
            NOT_ATOMIC,
            "calls are sent one by one here; ask without `atomicRequired`",
        ));
    }
    let required = asked["capabilities"].as_object().into_iter().flatten();
    if let Some((name, _)) = required.into_iter().find(|(_, wanted)| wanted["optional"] != true) {
        let name: String = name.chars().take(64).collect();
        return Err(WalletFault::new(
            UNSUPPORTED_CAPABILITY,
            format!("there is no capability `{name}` here"),
        ));
    }
    let calls = asked["calls"].as_array().filter(|calls| (1..=WALLET_CALLS_MAX).contains(&calls.len()));
    let calls = calls.ok_or_else(|| invalid(&format!("name 1 to {WALLET_CALLS_MAX} calls")))?;
    if params.to_string().len() > WALLET_REQUEST_BYTES_MAX {
        return Err(invalid("the calls are too large"));
    }
    Ok(calls)
}

/// The account that is to make them: the first of the core where none is named.
pub(super) fn caller(face: &WalletFace, params: &Value) -> Value {
    match &params[0]["from"] {
        Value::Null => json!(face.addresses().first()),
        from => from.clone(),
    }
}

impl Wallets {
    /// Begins to ask for calls; gives the bundle's id.
    pub(super) fn send_calls(&self, face: &WalletFace, params: &Value) -> Result<Value, WalletFault> {
        let (chain, calls, from) = (face.chain()?, read_calls(face, params, false)?, caller(face, params));
        let transaction = |call: &Value| json!([{"from": from, "to": call["to"], "value": call["value"], "data": call["data"]}]);
        let transactions: Vec<Value> = calls.iter().map(transaction).collect();
        // What can be refused at once is.
        for transaction in &transactions {
            super::asked::Asked::read(face, "eth_sendTransaction", transaction)?;
        }
        let id = self.bundles.begin(face.core, chain, calls.len(), false);
        let (wallets, face, named) = (self.clone(), face.clone(), id.clone());
        tokio::spawn(async move {
            for transaction in transactions {
                let sent = wallets.ask_signers(&face, "eth_sendTransaction", &transaction).await;
                if !wallets.bundles.note(&named, sent) {
                    return;
                }
            }
        });
        Ok(json!({"id": id}))
    }

    /// What became of a bundle.
    pub(super) async fn calls_status(&self, face: &WalletFace, params: &Value) -> Result<Value, WalletFault> {
        let id = params[0].as_str().unwrap_or_default();
        let bundle = self.bundles.find(&face.core, id).ok_or_else(|| {
            WalletFault::new(
                UNKNOWN_BUNDLE,
                "there is no such bundle, or it is forgotten; bundles live in memory",
            )
        })?;
        let mut receipts = Vec::with_capacity(bundle.sent.len());
        for hash in &bundle.sent {
            receipts.push(self.chains.read(bundle.chain, "eth_getTransactionReceipt", &json!([hash])).await?);
        }
        Ok(json!({
            "version": "2.0.0",
            "id": id,
            "chainId": format!("{:#x}", bundle.chain),
            "atomic": bundle.is_atomic,
            "status": bundle.status(&receipts),
            "receipts": receipts.into_iter().filter(|receipt| !receipt.is_null()).collect::<Vec<_>>(),
        }))
    }
}

impl Bundle {
    /// The status of EIP-5792.
    fn status(&self, receipts: &[Value]) -> u16 {
        const PENDING: u16 = 100;
        const CONFIRMED: u16 = 200;
        const REFUSED: u16 = 400;
        const REVERTED: u16 = 500;
        const IN_PART: u16 = 600;
        let good = receipts.iter().filter(|receipt| receipt["status"] == "0x1").count();
        let is_over = self.is_refused || self.sent.len() == self.calls;
        match (is_over, self.sent.is_empty(), good) {
            (true, true, _) => REFUSED,
            (false, ..) => PENDING,
            _ if receipts.iter().any(Value::is_null) => PENDING,
            (true, false, 0) => REVERTED,
            (true, false, good) if good == self.calls => CONFIRMED,
            _ => IN_PART,
        }
    }
}

impl Bundles {
    /// A new bundle of so many transactions; gives its id.
    pub(super) fn begin(&self, core: CoreId, chain: u64, calls: usize, is_atomic: bool) -> String {
        let id = format!("0x{}", hex::encode(random::<16>()));
        let bundle = Bundle { core, chain, calls, sent: Vec::new(), is_refused: false, is_atomic };
        self.put(id.clone(), bundle);
        id
    }

    /// Notes what became of a transaction of a bundle; says whether it was sent.
    pub(super) fn note(&self, id: &str, sent: Result<Value, WalletFault>) -> bool {
        let is_sent = sent.is_ok();
        self.change(id, |bundle| match sent {
            Ok(hash) => bundle.sent.push(hash),
            Err(_refused) => bundle.is_refused = true,
        });
        is_sent
    }

    fn put(&self, id: String, bundle: Bundle) {
        let inner = &mut *self.0.lock();
        if inner.order.len() >= WALLET_BUNDLES_KEPT_MAX
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.by_id.remove(&oldest);
        }
        inner.order.push_back(id.clone());
        inner.by_id.insert(id, bundle);
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Bundle)) {
        if let Some(bundle) = self.0.lock().by_id.get_mut(id) {
            change(bundle);
        }
    }

    fn find(&self, core: &CoreId, id: &str) -> Option<Bundle> {
        self.0.lock().by_id.get(id).filter(|bundle| bundle.core == *core).cloned()
    }
}

#[cfg(test)]
mod tests {
    use kubelt_core::CoreId;
    use serde_json::{Value, json};

    use super::{Bundle, Bundles};
    use crate::limits::WALLET_BUNDLES_KEPT_MAX;

    fn bundle(sent: usize, is_refused: bool) -> Bundle {
        Bundle {
            core: CoreId::of(b"core"),
            chain: 1,
            calls: 2,
            sent: vec![json!("0x"); sent],
            is_refused,
            is_atomic: false,
        }
    }

    #[test]
    fn a_bundles_status_follows_from_its_receipts() {
        let (good, bad, none) = (json!({"status": "0x1"}), json!({"status": "0x0"}), Value::Null);
        for (sent, refused, receipts, status) in [
            (0, false, vec![], 100),
            (1, false, vec![&good], 100),
            (2, false, vec![&good, &none], 100),
            (2, false, vec![&good, &good], 200),
            (0, true, vec![], 400),
            (2, false, vec![&bad, &bad], 500),
            (2, false, vec![&good, &bad], 600),
            (1, true, vec![&good], 600),
            (1, true, vec![&bad], 500),
        ] {
            let receipts: Vec<Value> = receipts.into_iter().cloned().collect();
            assert_eq!(bundle(sent, refused).status(&receipts), status, "{sent} {refused} {receipts:?}");
        }
    }

    #[test]
    fn the_oldest_bundles_give_way_and_belong_to_their_core() {
        let bundles = Bundles::default();
        for n in 0..=WALLET_BUNDLES_KEPT_MAX {
            bundles.put(n.to_string(), bundle(0, false));
        }
        let core = CoreId::of(b"core");
        assert!(bundles.find(&core, "0").is_none() && bundles.find(&core, "1").is_some());
        assert!(bundles.find(&CoreId::of(b"other"), "1").is_none());
    }
}
