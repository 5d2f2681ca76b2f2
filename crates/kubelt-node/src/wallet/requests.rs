//! What waits for signers: a program's call stays open until one of them answers, says no, or time is up.
//!
//! Requests live in memory. They are nobody's state: a program that goes away takes its requests along.

use std::{collections::HashMap, sync::Arc};

use kubelt_core::{Account, ContractSignatures, CoreId, SignatureError, Verdict, signature::verify_digest};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::timeout};

use super::{
    WalletFace, WalletFault, Wallets,
    asked::{Asked, What, is_transaction},
};
use crate::{
    chains::ChainFault,
    clock::random,
    limits::{
        WALLET_REQUEST_BYTES_MAX, WALLET_REQUEST_LIFE, WALLET_REQUESTS_MAX, WALLET_REQUESTS_PER_CORE_MAX,
    },
};

/// Something that waits to be signed.
#[derive(Debug, Clone)]
pub struct WalletRequest {
    /// Its id.
    pub id: String,
    /// Who is to sign.
    pub account: Account,
    /// The method that was called.
    pub method: String,
    /// What it was called with.
    pub params: Value,
    /// Until when it waits, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

/// What a signer answers.
#[derive(Debug, Clone)]
pub enum WalletAnswer {
    /// A signature, or the hash of the transaction that was sent; hex with `0x`.
    Result(String),
    /// No.
    Reject,
}

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Nothing of the kind waits here.
    #[error("there is no such request, or nobody waits for it any more")]
    NotFound,
    /// Not hex with `0x`, or too short.
    #[error("an answer is hex with `0x`: a signature, or the hash of a transaction")]
    Form,
    /// The signature is not one of what was asked.
    #[error("the signature is refused")]
    Signature(#[from] SignatureError),
    /// The transaction is another than was asked for.
    #[error("the transaction is not the one that was asked for")]
    OtherTransaction,
    /// The chain does not answer, or does not know the transaction yet.
    #[error("the chain does not know that yet, or gives no answer at the moment; answer again in a while")]
    Pending,
}

/// The requests that wait; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Arc<Mutex<HashMap<String, Waiting>>>);

#[derive(Debug)]
struct Waiting {
    core: CoreId,
    chain: Option<u64>,
    asked: Asked,
    request: WalletRequest,
    answer: oneshot::Sender<Result<Value, WalletFault>>,
}

/// Takes a request away when nobody waits for it any more.
struct Leaving {
    requests: Requests,
    id: String,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.requests.0.lock().remove(&self.id);
    }
}

impl Wallets {
    /// Asks the signers, and waits for them.
    pub(super) async fn ask_signers(
        &self,
        face: &WalletFace,
        method: &str,
        params: &Value,
    ) -> Result<Value, WalletFault> {
        let asked = Asked::read(face, method, params)?;
        if params.to_string().len() > WALLET_REQUEST_BYTES_MAX {
            let message = format!("what is to be signed is over {WALLET_REQUEST_BYTES_MAX} bytes of JSON");
            return Err(WalletFault::new(WalletFault::LIMIT, message));
        }
        let life_ms = u64::try_from(WALLET_REQUEST_LIFE.as_millis()).expect("minutes fit");
        let request = WalletRequest {
            id: hex::encode(random::<16>()),
            account: asked.account.clone(),
            method: method.to_owned(),
            params: params.clone(),
            expires_ms: self.clock.now_ms().saturating_add(life_ms),
        };
        let _leaving = Leaving { requests: self.requests.clone(), id: request.id.clone() };
        let answered = self.requests.put(face, asked, request)?;
        match timeout(WALLET_REQUEST_LIFE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => {
                Err(WalletFault::new(WalletFault::REJECTED, "no signer answered in time; ask again"))
            }
        }
    }

    /// What waits for the signers of a core, the oldest first.
    pub fn requests(&self, face: &WalletFace) -> Vec<WalletRequest> {
        let all = self.requests.0.lock();
        let own = all.values().filter(|waiting| waiting.core == face.core);
        let mut found: Vec<_> = own.map(|waiting| waiting.request.clone()).collect();
        found.sort_by(|a, b| (a.expires_ms, &a.id).cmp(&(b.expires_ms, &b.id)));
        found
    }

    /// Answers a request of a core. A signature is checked first, so that programs get none that does not hold.
    ///
    /// # Errors
    /// [`AnswerError`]; the request waits on then.
    pub async fn answer(&self, face: &WalletFace, id: &str, answer: WalletAnswer) -> Result<(), AnswerError> {
        let (asked, chain) = self.requests.find(&face.core, id).ok_or(AnswerError::NotFound)?;
        let answer = match answer {
            WalletAnswer::Reject => Err(WalletFault::new(WalletFault::REJECTED, "a signer said no")),
            WalletAnswer::Result(text) => Ok(self.check(&asked, chain, &text).await?),
        };
        let waiting = self.requests.0.lock().remove(id).ok_or(AnswerError::NotFound)?;
        waiting.answer.send(answer).map_err(|_gone| AnswerError::NotFound)
    }

    /// Checks what a signer brings; gives it in the form in which programs take it.
    async fn check(&self, asked: &Asked, chain: Option<u64>, text: &str) -> Result<Value, AnswerError> {
        let mut bytes =
            text.strip_prefix("0x").and_then(|hex| hex::decode(hex).ok()).ok_or(AnswerError::Form)?;
        match &asked.what {
            What::Digest(digest) => {
                if let (Account::Eoa(_), 65, Some(v @ (0 | 1))) =
                    (&asked.account, bytes.len(), bytes.last_mut())
                {
                    *v += 27;
                }
                let block = self.chains.block_for(&asked.account).await;
                if block.is_none() && matches!(asked.account, Account::Contract { .. }) {
                    return Err(AnswerError::Pending);
                }
                let now_ms = self.clock.now_ms();
                let check = |contracts: &dyn ContractSignatures| {
                    verify_digest(&asked.account, digest, &bytes, block.as_ref(), now_ms, contracts)
                };
                match self.chains.settle(check).await? {
                    Verdict::Valid => Ok(json!(format!("0x{}", hex::encode(&bytes)))),
                    Verdict::Pending => Err(AnswerError::Pending),
                }
            }
            What::Transaction(transaction) => {
                if bytes.len() != 32 {
                    return Err(AnswerError::Form);
                }
                let hash = json!(format!("0x{}", hex::encode(&bytes)));
                let chain = chain.ok_or(AnswerError::Pending)?;
                let read = self.chains.read(chain, "eth_getTransactionByHash", &json!([hash])).await;
                let found = read.map_err(|_fault: ChainFault| AnswerError::Pending)?;
                match found.is_null() {
                    true => Err(AnswerError::Pending),
                    false if is_transaction(transaction, &found) => Ok(hash),
                    false => Err(AnswerError::OtherTransaction),
                }
            }
        }
    }
}

impl Requests {
    fn put(
        &self,
        face: &WalletFace,
        asked: Asked,
        request: WalletRequest,
    ) -> Result<oneshot::Receiver<Result<Value, WalletFault>>, WalletFault> {
        let all = &mut *self.0.lock();
        let own = all.values().filter(|waiting| waiting.core == face.core).count();
        if own >= WALLET_REQUESTS_PER_CORE_MAX || all.len() >= WALLET_REQUESTS_MAX {
            let message = "too much waits to be signed; have the signers answer, or say no";
            return Err(WalletFault::new(WalletFault::LIMIT, message));
        }
        let (answer, answered) = oneshot::channel();
        let id = request.id.clone();
        all.insert(id, Waiting { core: face.core, chain: face.chain, asked, request, answer });
        Ok(answered)
    }

    fn find(&self, core: &CoreId, id: &str) -> Option<(Asked, Option<u64>)> {
        let all = self.0.lock();
        let waiting = all.get(id).filter(|waiting| waiting.core == *core)?;
        Some((waiting.asked.clone(), waiting.chain))
    }
}
