//! A Safe as the account of a core: what it is asked to sign is signed by its owners one by one, and put together here.
//!
//! Owners and threshold are read at the chain's last final block, as everything that rests on a contract's word. A message
//! becomes one signature that the Safe itself has to accept (ERC-1271) before a program gets it. A transaction becomes a
//! call of the Safe that anybody may send, who then pays for its gas: the node has no key, and sends nothing.

mod calls;
mod words;

use kubelt_core::{
    Account, BlockRef, abi,
    safe::{self, OwnerSignatures, Safe, SafeCall, SafeTx},
};
use serde_json::{Value, json};

use super::{
    AnswerError, WalletFace, WalletFault, Wallets,
    asked::{Asked, What},
};
use crate::{
    chains::ChainFault,
    limits::{SAFE_OWNERS_MAX, WALLET_REQUEST_BYTES_MAX},
};

/// What the owners of a Safe are asked for.
#[derive(Debug, Clone)]
pub(super) struct SafeAsk {
    safe: Safe,
    owners: Vec<[u8; 20]>,
    threshold: usize,
    what: SafeWhat,
    /// What it does, for people.
    words: String,
    /// What an owner signs.
    typed_data: Value,
    /// Its digest.
    digest: [u8; 32],
    /// Who has signed.
    signed: OwnerSignatures,
}

#[derive(Debug, Clone)]
enum SafeWhat {
    /// The Safe's signature of a digest.
    Signature([u8; 32]),
    /// A transaction.
    Transaction(SafeTx),
}

/// How far a Safe is with what it is asked for.
#[derive(Debug, Clone)]
pub struct SafeStanding {
    /// What it does, in words.
    pub words: String,
    /// What each owner signs (`eth_signTypedData_v4`).
    pub typed_data: Value,
    /// How many owners must sign.
    pub threshold: usize,
    /// The owners.
    pub owners: Vec<Account>,
    /// Those who have signed.
    pub signed: Vec<Account>,
    /// What to send, once enough have signed a transaction.
    pub execute: Option<SafeReady>,
}

/// A call of a Safe that its owners have signed, for whoever sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeReady {
    /// The chain (EIP-155 id).
    pub chain: u64,
    /// The Safe.
    pub to: [u8; 20],
    /// The call.
    pub data: Vec<u8>,
}

/// What an answer of an owner comes to.
pub(super) enum Part {
    /// More is needed.
    More,
    /// That was all.
    Whole(Value),
}

/// A Safe at a final block.
struct State {
    owners: Vec<[u8; 20]>,
    threshold: usize,
}

/// Events of a Safe that has made a transaction, whose hash is their first topic, or, up to version 1.3.0, their first word.
const EXECUTED: [&str; 2] = ["ExecutionSuccess(bytes32,uint256)", "ExecutionFailure(bytes32,uint256)"];

impl Wallets {
    /// What is asked of a contract wallet, as its owners are asked for it where it is a Safe.
    pub(super) async fn by_safe(&self, face: &WalletFace, asked: Asked) -> Result<Asked, WalletFault> {
        let Account::Contract { chain, address } = asked.account else { return Ok(asked) };
        let safe = Safe { chain, address };
        let Some(state) = self.safe_state(&safe).await? else {
            return match asked.what {
                What::Transaction(_) => Err(invalid(
                    "a contract wallet that is no Safe sends no transaction itself; sign for it with `eth_signTypedData_v4`",
                )),
                _ => Ok(asked),
            };
        };
        let (what, words) = match asked.what {
            What::Digest(digest) => (SafeWhat::Signature(digest), words::signature(&safe, &asked.shown)),
            What::Transaction(transaction) => {
                let call = read_call(&transaction)?;
                let words = words::calls(&safe, std::slice::from_ref(&call));
                let nonce = self.safe_nonce(face, &safe).await?;
                (SafeWhat::Transaction(SafeTx { call, delegate: false, nonce }), words)
            }
            What::Safe(ask) => return Ok(Asked { what: What::Safe(ask), ..asked }),
        };
        let ask = SafeAsk::new(safe, state, what, words);
        Ok(Asked { what: What::Safe(Box::new(ask)), ..asked })
    }

    /// The Safe at an address, at the last final block; none of what is none, or of a version before 1.3.0.
    async fn safe_state(&self, safe: &Safe) -> Result<Option<State>, WalletFault> {
        let account = Account::Contract { chain: safe.chain, address: safe.address };
        let block = self.chains.block_for(&account).await.ok_or(ChainFault::Unanswered)?;
        let at = at(&block);
        let Some(version) = self.ask_contract(safe, "VERSION()", &at).await? else { return Ok(None) };
        let version = abi::read_bytes(&version, 0).and_then(|text| std::str::from_utf8(text).ok());
        if !version.is_some_and(is_known) {
            return Ok(None);
        }
        let owners = self.ask_contract(safe, "getOwners()", &at).await?;
        let threshold = self.ask_contract(safe, "getThreshold()", &at).await?;
        let owners = owners.and_then(|owners| abi::read_addresses(&owners, 0));
        let threshold = threshold.and_then(|threshold| abi::read_number(&threshold, 0));
        Ok(match (owners, threshold.and_then(|threshold| usize::try_from(threshold).ok())) {
            (Some(owners), Some(threshold))
                if (1..=SAFE_OWNERS_MAX).contains(&owners.len())
                    && (1..=owners.len()).contains(&threshold) =>
            {
                Some(State { owners, threshold })
            }
            _ => None,
        })
    }

    /// Which transaction of the Safe is next. One at a time is asked for, or one that is declined would keep those behind it
    /// from ever being made.
    async fn safe_nonce(&self, face: &WalletFace, safe: &Safe) -> Result<u64, WalletFault> {
        if face.chain()? != safe.chain {
            let message = format!("this Safe is of chain {0}; go on at `…/-/rpc?chain={0}`", safe.chain);
            return Err(WalletFault::new(WalletFault::UNKNOWN_CHAIN, message));
        }
        if self.requests.any(|what| matches!(what, What::Safe(ask) if ask.is_transaction_of(safe))) {
            let message =
                "another transaction of this Safe waits for its owners; have them send it, or say no";
            return Err(WalletFault::new(WalletFault::LIMIT, message));
        }
        let nonce = self.ask_contract(safe, "nonce()", &json!("latest")).await?;
        let nonce = nonce.and_then(|nonce| abi::read_number(&nonce, 0));
        nonce.ok_or_else(|| WalletFault::new(WalletFault::INTERNAL, "the Safe does not say its nonce"))
    }

    /// Calls a function of a contract that takes nothing; none where it refuses.
    async fn ask_contract(
        &self,
        safe: &Safe,
        function: &str,
        at: &Value,
    ) -> Result<Option<Vec<u8>>, WalletFault> {
        let call = json!({ "to": hex(&safe.address), "data": hex(&abi::selector(function)) });
        match self.chains.read(safe.chain, "eth_call", &json!([call, at])).await {
            Ok(answer) => Ok(answer.as_str().and_then(bytes)),
            Err(ChainFault::Refused { .. }) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Takes what an owner, or somebody who has sent the transaction, answers.
    pub(super) async fn take_part(
        &self,
        face: &WalletFace,
        id: &str,
        asked: &Asked,
        ask: &SafeAsk,
        text: &str,
    ) -> Result<Part, AnswerError> {
        let given = bytes(text).ok_or(AnswerError::Form)?;
        if let (SafeWhat::Transaction(_), 32) = (&ask.what, given.len()) {
            return Ok(Part::Whole(self.executed(ask, &hex(&given)).await?));
        }
        let part = safe::owner_of(&ask.digest, &given).filter(|(owner, _)| ask.owners.contains(owner));
        let whole = match (&ask.what, part) {
            (_, Some((owner, signature))) => {
                let signed =
                    self.requests.sign(&face.core, id, owner, signature).ok_or(AnswerError::NotFound)?;
                match (&ask.what, safe::together(&signed, ask.threshold)) {
                    (SafeWhat::Signature(_), Some(whole)) => whole,
                    _ => return Ok(Part::More),
                }
            }
            // All of it at once, made elsewhere.
            (SafeWhat::Signature(_), None) if given.len() != 65 => given,
            _ => return Err(AnswerError::NotOwner),
        };
        let SafeWhat::Signature(digest) = &ask.what else { return Err(AnswerError::Form) };
        Ok(Part::Whole(self.check_digest(&asked.account, digest, whole).await?))
    }

    /// Makes sure that a transaction of the chain made the Safe do what was asked for.
    async fn executed(&self, ask: &SafeAsk, hash: &str) -> Result<Value, AnswerError> {
        let read = self.chains.read(ask.safe.chain, "eth_getTransactionReceipt", &json!([hash])).await;
        let receipt = read.map_err(|_fault| AnswerError::Pending)?;
        if receipt.is_null() {
            return Err(AnswerError::Pending);
        }
        let logs = receipt["logs"].as_array().ok_or(AnswerError::OtherTransaction)?;
        let done = logs.iter().any(|log| is_executed(log, &ask.safe.address, &ask.digest));
        if done { Ok(json!(hash)) } else { Err(AnswerError::OtherTransaction) }
    }
}

impl SafeAsk {
    fn new(safe: Safe, state: State, what: SafeWhat, words: String) -> Self {
        let typed_data = match &what {
            SafeWhat::Signature(digest) => safe.message(digest),
            SafeWhat::Transaction(tx) => safe.transaction(tx),
        };
        let State { owners, threshold } = state;
        let digest = safe::digest(&typed_data);
        Self { safe, owners, threshold, what, words, typed_data, digest, signed: OwnerSignatures::new() }
    }

    fn is_transaction_of(&self, safe: &Safe) -> bool {
        self.safe == *safe && matches!(self.what, SafeWhat::Transaction(_))
    }

    /// Notes an owner's signature; gives all there are.
    pub(super) fn sign(&mut self, owner: [u8; 20], signature: [u8; 65]) -> OwnerSignatures {
        self.signed.insert(owner, signature);
        self.signed.clone()
    }

    pub(super) fn standing(&self) -> SafeStanding {
        let account = |address: &[u8; 20]| Account::Eoa(*address);
        let whole = safe::together(&self.signed, self.threshold);
        SafeStanding {
            words: self.words.clone(),
            typed_data: self.typed_data.clone(),
            threshold: self.threshold,
            owners: self.owners.iter().map(account).collect(),
            signed: self.signed.keys().map(account).collect(),
            execute: match (&self.what, whole) {
                (SafeWhat::Transaction(tx), Some(whole)) => {
                    let Safe { chain, address: to } = self.safe;
                    Some(SafeReady { chain, to, data: safe::execution(tx, &whole) })
                }
                _ => None,
            },
        }
    }
}

/// Whether an event says that the Safe has made this transaction, whatever came of it.
fn is_executed(log: &Value, safe: &[u8; 20], hash: &[u8; 32]) -> bool {
    let word = |value: &Value| value.as_str().and_then(bytes);
    let (topic, first) = (word(&log["topics"][0]), word(&log["topics"][1]).or_else(|| word(&log["data"])));
    let is_event = EXECUTED.iter().any(|event| topic.as_deref() == Some(&abi::topic(event)[..]));
    is_event
        && word(&log["address"]).as_deref() == Some(&safe[..])
        && first.is_some_and(|first| first.starts_with(hash))
}

/// The call that a transaction is, as programs describe it.
fn read_call(transaction: &Value) -> Result<SafeCall, WalletFault> {
    let to = transaction["to"].as_str().and_then(bytes).and_then(|to| to.try_into().ok());
    let to = to.ok_or_else(|| invalid("a Safe calls an address: `to` is missing, or is none"))?;
    let value = match &transaction["value"] {
        Value::Null => Some([0; 32]),
        value => value.as_str().and_then(word),
    };
    let data = if transaction["data"].is_null() { &transaction["input"] } else { &transaction["data"] };
    let data = match data {
        Value::Null => Some(Vec::new()),
        data => data.as_str().and_then(bytes),
    };
    let (Some(value), Some(data)) = (value, data) else {
        return Err(invalid("`value` is a number and `data` are bytes, both in hex with `0x`"));
    };
    if data.len() > WALLET_REQUEST_BYTES_MAX {
        return Err(invalid("the call is too large"));
    }
    Ok(SafeCall { to, value, data })
}

/// Whether this is a version whose owners sign as it is described in [`kubelt_core::safe`].
fn is_known(version: &str) -> bool {
    let mut parts = version.split(['.', '+']).map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(1)), Some(Ok(minor))) if minor >= 3)
}

fn invalid(message: &str) -> WalletFault {
    WalletFault::new(WalletFault::INVALID_PARAMS, message)
}

fn at(block: &BlockRef) -> Value {
    json!({ "blockHash": hex(&block.hash), "requireCanonical": true })
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

/// A number of 256 bits at most.
fn word(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("0x").filter(|digits| (1..=64).contains(&digits.len()))?;
    let mut word = [0; 32];
    hex::decode_to_slice(format!("{digits:0>64}"), &mut word).ok()?;
    Some(word)
}

#[cfg(test)]
mod tests;
