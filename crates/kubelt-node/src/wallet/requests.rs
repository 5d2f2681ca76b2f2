//! What waits for signers: a program's call stays open until one of them answers, says no, or time is up.
//!
//! Requests live in memory. They are nobody's state: a program that goes away takes its requests along.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kubelt_core::{
    Account, ContractSignatures, CoreId, SignatureError, Verdict, safe::OwnerSignatures,
    signature::verify_digest,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::timeout};

use super::{
    SafeStanding, WalletFace, WalletFault, Wallets,
    asked::{Asked, What, is_transaction},
    safe::Part,
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
    /// How far its owners are, where a Safe is to sign.
    pub safe: Option<SafeStanding>,
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
    /// The signature is nobody's who owns the Safe.
    #[error("that is no owner's signature of this; sign the request's `typed_data` with an owner's wallet")]
    NotOwner,
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
        let asked = self.by_safe(face, Asked::read(face, method, params)?).await?;
        self.ask(face, asked, method, params, WALLET_REQUEST_LIFE).await
    }

    /// Asks the signers for something that was read, and waits for them so long.
    pub(super) async fn ask(
        &self,
        face: &WalletFace,
        asked: Asked,
        method: &str,
        params: &Value,
        life: Duration,
    ) -> Result<Value, WalletFault> {
        if params.to_string().len() > WALLET_REQUEST_BYTES_MAX {
            let message = format!("what is to be signed is over {WALLET_REQUEST_BYTES_MAX} bytes of JSON");
            return Err(WalletFault::new(WalletFault::LIMIT, message));
        }
        let life_ms = u64::try_from(life.as_millis()).expect("days fit");
        let request = WalletRequest {
            id: hex::encode(random::<16>()),
            account: asked.account.clone(),
            method: method.to_owned(),
            params: params.clone(),
            expires_ms: self.clock.now_ms().saturating_add(life_ms),
            safe: None,
        };
        let _leaving = Leaving { requests: self.requests.clone(), id: request.id.clone() };
        let answered = self.requests.put(face, asked, request)?;
        match timeout(life, answered).await {
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
        let mut found: Vec<_> = own.map(Waiting::view).collect();
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
            WalletAnswer::Result(text) => match &asked.what {
                What::Safe(ask) => match self.take_part(face, id, &asked, ask, &text).await? {
                    Part::More => return Ok(()),
                    Part::Whole(whole) => Ok(whole),
                },
                _ => Ok(self.check(&asked, chain, &text).await?),
            },
        };
        let waiting = self.requests.0.lock().remove(id).ok_or(AnswerError::NotFound)?;
        waiting.answer.send(answer).map_err(|_gone| AnswerError::NotFound)
    }

    /// Checks what a signer brings; gives it in the form in which programs take it.
    async fn check(&self, asked: &Asked, chain: Option<u64>, text: &str) -> Result<Value, AnswerError> {
        let mut bytes =
            text.strip_prefix("0x").and_then(|hex| hex::decode(hex).ok()).ok_or(AnswerError::Form)?;
        match &asked.what {
            What::Safe(_) => Err(AnswerError::Form),
            What::Digest(digest) => {
                if let (Account::Eoa(_), 65, Some(v @ (0 | 1))) =
                    (&asked.account, bytes.len(), bytes.last_mut())
                {
                    *v += 27;
                }
                self.check_digest(&asked.account, digest, bytes).await
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

impl Wallets {
    /// Checks an account's signature of a digest, a contract's at the last final block.
    pub(super) async fn check_digest(
        &self,
        account: &Account,
        digest: &[u8; 32],
        signature: Vec<u8>,
    ) -> Result<Value, AnswerError> {
        let block = self.chains.block_for(account).await;
        if block.is_none() && matches!(account, Account::Contract { .. }) {
            return Err(AnswerError::Pending);
        }
        let now_ms = self.clock.now_ms();
        let check = |contracts: &dyn ContractSignatures| {
            verify_digest(account, digest, &signature, block.as_ref(), now_ms, contracts)
        };
        match self.chains.settle(check).await? {
            Verdict::Valid => Ok(json!(format!("0x{}", hex::encode(&signature)))),
            Verdict::Pending => Err(AnswerError::Pending),
        }
    }
}

impl Waiting {
    fn view(&self) -> WalletRequest {
        let safe = match &self.asked.what {
            What::Safe(ask) => Some(ask.standing()),
            _ => None,
        };
        WalletRequest { safe, ..self.request.clone() }
    }
}

impl Requests {
    /// Whether anything like this waits.
    pub(super) fn any(&self, is_it: impl Fn(&What) -> bool) -> bool {
        self.0.lock().values().any(|waiting| is_it(&waiting.asked.what))
    }

    /// Notes the signature of an owner of a Safe; gives all there are, or nothing where that waits no more.
    pub(super) fn sign(
        &self,
        core: &CoreId,
        id: &str,
        owner: [u8; 20],
        signature: [u8; 65],
    ) -> Option<OwnerSignatures> {
        let mut all = self.0.lock();
        let waiting = all.get_mut(id).filter(|waiting| waiting.core == *core)?;
        match &mut waiting.asked.what {
            What::Safe(ask) => Some(ask.sign(owner, signature)),
            _ => None,
        }
    }

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
