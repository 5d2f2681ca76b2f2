//! A port to chains: what contract wallets say of signatures, and the blocks at which they are asked.
//!
//! A check of a signature is a pure function (`kubelt_core::signature`) and asks nobody. So it is run twice where a
//! contract has signed: once to learn its questions, and once with the answers. One that has no questions, which is
//! any of a plain key, is run once and costs no call.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
};

use kubelt_core::{
    Account, BlockRef, ContractQuestion, ContractSignatures, ContractVerdict, Scheme, Signed,
    schema::BlockTag,
};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::{task::JoinSet, time::Instant};

use crate::limits::CONTRACT_ANSWERS_TIME_MAX;

/// What a port answers, when it is done.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asks chains. Whoever implements it says which chains are known; what else it does not do, it gives no answer to.
pub trait ChainPort: Send + Sync + fmt::Debug {
    /// Whether there is anybody to ask about a chain (EIP-155 id).
    fn knows(&self, chain: u64) -> bool;
    /// The chains that somebody is asked about, in the order of their ids.
    fn known(&self) -> Vec<u64>;
    /// The newest block that the chain will not give up; none where nobody answers.
    fn final_block(&self, _chain: u64) -> Asking<'_, Option<BlockRef>> {
        Box::pin(async { None })
    }
    /// What a contract answers. [`ContractVerdict::Pending`] where nobody answers, and while the block is not final.
    fn judge<'a>(&'a self, _question: &'a ContractQuestion) -> Asking<'a, ContractVerdict> {
        Box::pin(async { ContractVerdict::Pending })
    }
    /// Calls contracts, all at one block, and gives what as many upstreams say alike as must agree; none where they do
    /// not. So many calls at most: [`GATE_TESTS_MAX`](kubelt_core::limits::GATE_TESTS_MAX).
    fn call<'a>(
        &'a self,
        _chain: u64,
        _at: BlockTag,
        _calls: &'a [ContractCall],
    ) -> Asking<'a, Option<ContractAnswers>> {
        Box::pin(async { None })
    }
    /// Passes a call of JSON-RPC on, and what is answered back. The caller sees to it that it is one that may be passed on.
    fn read<'a>(
        &'a self,
        _chain: u64,
        _method: &'a str,
        _params: &'a Value,
    ) -> Asking<'a, Result<Value, ChainFault>> {
        Box::pin(async { Err(ChainFault::Unanswered) })
    }
}

/// A call of a contract, and the word of its answer that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContractCall {
    /// The contract.
    pub to: [u8; 20],
    /// The call's data (contract ABI).
    pub data: Vec<u8>,
    /// The word's number, from 0.
    pub word: usize,
}

/// What contracts answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractAnswers {
    /// The block at which they were asked.
    pub block: BlockRef,
    /// The words, in the order of the calls; none of a contract that reverted, burnt its gas, is not there or
    /// answered less.
    pub words: Vec<Option<[u8; 32]>>,
}

/// Why a call was not answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChainFault {
    /// The chain's upstreams answer an error.
    #[error("the upstream refuses: {message} ({code})")]
    Refused {
        /// Its number.
        code: i64,
        /// Its words.
        message: String,
        /// What a contract said, for instance.
        data: Option<Value>,
    },
    /// Nobody answers.
    #[error("no upstream of the chain answers at the moment")]
    Unanswered,
}

/// The chains that a node can ask, if any; cheap to clone, and all clones see a change.
#[derive(Debug, Clone, Default)]
pub struct Chains(Arc<RwLock<Option<Arc<dyn ChainPort>>>>);

/// What a check asks of contracts; it is told that everything is pending.
#[derive(Debug, Default)]
pub(crate) struct Questions(Mutex<HashSet<ContractQuestion>>);

/// What contracts answered; pending where they did not.
#[derive(Debug, Default)]
pub(crate) struct Answers(HashMap<ContractQuestion, ContractVerdict>);

impl ContractSignatures for Questions {
    fn check(&self, question: &ContractQuestion) -> ContractVerdict {
        self.0.lock().insert(question.clone());
        ContractVerdict::Pending
    }
}

impl ContractSignatures for Answers {
    fn check(&self, question: &ContractQuestion) -> ContractVerdict {
        self.0.get(question).copied().unwrap_or(ContractVerdict::Pending)
    }
}

impl Questions {
    /// All that was asked.
    pub(crate) fn into_all(self) -> Vec<ContractQuestion> {
        self.0.into_inner().into_iter().collect()
    }
}

impl From<HashMap<ContractQuestion, ContractVerdict>> for Answers {
    fn from(answers: HashMap<ContractQuestion, ContractVerdict>) -> Self {
        Self(answers)
    }
}

impl Answers {
    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl Chains {
    /// From now on this one asks the chains.
    pub fn ask_by(&self, port: Arc<dyn ChainPort>) {
        *self.0.write() = Some(port);
    }

    /// Whether there is anybody to ask about a chain.
    pub(crate) fn knows(&self, chain: u64) -> bool {
        self.port().is_some_and(|port| port.knows(chain))
    }

    /// The chains that somebody is asked about.
    pub(crate) fn known(&self) -> Vec<u64> {
        self.port().map(|port| port.known()).unwrap_or_default()
    }

    /// Calls contracts, all at one block.
    pub(crate) async fn call(
        &self,
        chain: u64,
        at: BlockTag,
        calls: &[ContractCall],
    ) -> Option<ContractAnswers> {
        self.port()?.call(chain, at, calls).await
    }

    /// Passes a call on to the upstreams of a chain.
    pub(crate) async fn read(&self, chain: u64, method: &str, params: &Value) -> Result<Value, ChainFault> {
        let port = self.port().ok_or(ChainFault::Unanswered)?;
        port.read(chain, method, params).await
    }

    /// The block at which a contract wallet that signs now is asked; none for other accounts, and where nobody answers.
    pub(crate) async fn block_for(&self, account: &Account) -> Option<BlockRef> {
        let Account::Contract { chain, .. } = account else { return None };
        let port = self.port()?;
        port.final_block(*chain).await
    }

    /// Names the block at which a contract wallet's operation is judged, where it names none.
    pub(crate) async fn pin(&self, signed: &mut Signed) {
        if signed.scheme == Scheme::Eip1271 && signed.block.is_none() {
            signed.block = self.block_for(&signed.header.by).await;
        }
    }

    /// Whether a contract wallet's operation cannot be judged yet by anybody who asks its chain: that gives no answer, or has
    /// not made the block final that the operation names. Neither has to do with the wallet, or with any core.
    pub(crate) async fn is_pending(&self, signed: &Signed) -> bool {
        let Account::Contract { chain, .. } = &signed.header.by else { return false };
        let Some(port) = self.port().filter(|port| port.knows(*chain)) else { return false };
        match (port.final_block(*chain).await, &signed.block) {
            (None, _) => true,
            (Some(last), Some(named)) => named.chain == *chain && named.number > last.number,
            (Some(_), None) => false,
        }
    }

    /// Runs a check; where it asks contracts, it is run again with their answers.
    pub(crate) async fn settle<T>(&self, check: impl Fn(&dyn ContractSignatures) -> T) -> T {
        let questions = Questions::default();
        {
            let answer = check(&questions);
            if questions.0.lock().is_empty() {
                return answer;
            }
        }
        let answers = self.answer(questions).await;
        check(&answers)
    }

    /// Asks contracts, all at once and not for ever.
    pub(crate) async fn answer(&self, questions: Questions) -> Answers {
        let mut answers = Answers::default();
        let questions = questions.0.into_inner();
        let Some(port) = self.port().filter(|_| !questions.is_empty()) else { return answers };
        let until = Instant::now() + CONTRACT_ANSWERS_TIME_MAX;
        let mut asking = JoinSet::new();
        for question in questions {
            let port = Arc::clone(&port);
            asking.spawn(async move {
                let verdict = port.judge(&question).await;
                (question, verdict)
            });
        }
        while let Ok(Some(answered)) = tokio::time::timeout_at(until, asking.join_next()).await {
            // One that panicked has no answer.
            answers.0.extend(answered);
        }
        answers
    }

    fn port(&self) -> Option<Arc<dyn ChainPort>> {
        self.0.read().clone()
    }
}

#[cfg(test)]
mod tests;
