//! The chains of a node's settings: several upstreams each, and what is made of what they say.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use kubelt_core::{BlockRef, ContractQuestion, ContractVerdict, schema::BlockTag};
use kubelt_node::{Asking, ChainFault, ChainPort, ContractAnswers, ContractCall};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    limits::{
        CONFIRMATIONS_MAX, QUESTION_TIME_MAX, QUESTIONS_AT_ONCE_MAX, READ_ANSWER_BYTES_MAX,
        READ_KEPT_BYTES_MAX, READS_KEPT_MAX, UPSTREAMS_MAX, VERDICTS_KEPT_MAX,
    },
    upstream::{CallError, Upstream},
    wallet,
};

/// One chain, as the operator describes it.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// EIP-155 chain id.
    pub chain: u64,
    /// Where JSON-RPC is answered; the first is asked first.
    pub urls: Vec<String>,
    /// How many upstreams must say the same of a signature; two where there are several, when absent.
    pub agree: Option<usize>,
    /// How many blocks above another make it final; what the chain itself calls `finalized`, when absent.
    pub confirmations: Option<u64>,
}

/// Why a chain's settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No chain has the id 0.
    #[error("0 is no chain id; write the chain's EIP-155 id, as in `[chains.1]`")]
    Chain,
    /// None, or too many.
    #[error("a chain has 1 to {UPSTREAMS_MAX} upstreams, not {0}")]
    Count(usize),
    /// Something else than an HTTP URL.
    #[error("`{0}` is no upstream; write `https://rpc.example`")]
    Url(String),
    /// One that stands twice agrees with itself.
    #[error("an upstream stands twice; name each once")]
    Twice,
    /// More than there are, or none.
    #[error("`agree` is 1 to the number of upstreams, {upstreams}, not {agree}")]
    Agree {
        /// As it stands.
        agree: usize,
        /// Upstreams there are.
        upstreams: usize,
    },
    /// More than anybody waits for.
    #[error("`confirmations` is {CONFIRMATIONS_MAX} at most, not {0}")]
    Confirmations(u64),
    /// Names are to be looked up where nobody is asked.
    #[error("`[ens]` names chain {0}, which has no upstreams; describe it under `[chains.{0}]`")]
    EnsChain(u64),
}

/// Asks the upstreams of all chains; cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstreams {
    chains: Arc<BTreeMap<u64, Arc<Chain>>>,
    /// Questions that may still be asked at once.
    places: Arc<Semaphore>,
}

#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) id: u64,
    upstreams: Vec<Upstream>,
    pub(crate) agree: usize,
    confirmations: Option<u64>,
    /// Verdicts at final blocks, which never change.
    verdicts: Mutex<HashMap<ContractQuestion, ContractVerdict>>,
    /// What was read of blocks named by their hash, which never changes either; by method and parameters.
    reads: Mutex<HashMap<String, Value>>,
}

impl Upstreams {
    /// The chains described. Nobody is asked before there is a question.
    ///
    /// # Errors
    /// [`ConfigError`] names what is wrong.
    pub fn new(chains: Vec<ChainConfig>) -> Result<Self, ConfigError> {
        let chains = chains.into_iter().map(Chain::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            chains: Arc::new(chains.into_iter().map(|chain| (chain.id, Arc::new(chain))).collect()),
            places: Arc::new(Semaphore::new(QUESTIONS_AT_ONCE_MAX)),
        })
    }

    /// Whether there is anybody to ask about a chain.
    pub(crate) fn has(&self, chain: u64) -> bool {
        self.chains.contains_key(&chain)
    }

    /// Asks about a chain on a thread of its own; none where it takes too long.
    pub(crate) async fn on<T: Send + 'static>(
        &self,
        chain: u64,
        ask: impl FnOnce(&Chain, Instant) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let chain = Arc::clone(self.chains.get(&chain)?);
        let until = Instant::now() + QUESTION_TIME_MAX;
        let place = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(QUESTION_TIME_MAX, place).await.ok()?.ok()?;
        let asking = tokio::task::spawn_blocking(move || {
            let _place = place;
            ask(&chain, until)
        });
        asking.await.ok()?
    }
}

/// Errors that every upstream would answer.
const EXECUTION_REVERTED: i64 = 3;
const INVALID_PARAMS: i64 = -32_602;

/// Whether an answer is about a block named by its hash, and so stays what it is.
fn stays(method: &str, params: &Value) -> bool {
    match method {
        "eth_getBlockByHash" | "eth_getBlockTransactionCountByHash" => true,
        "eth_getLogs" => params[0]["blockHash"].is_string(),
        "eth_call" | "eth_getBalance" | "eth_getCode" | "eth_getTransactionCount" => {
            params[1]["blockHash"].is_string()
        }
        "eth_getStorageAt" | "eth_getProof" => params[2]["blockHash"].is_string(),
        _ => false,
    }
}

impl ChainPort for Upstreams {
    fn knows(&self, chain: u64) -> bool {
        self.has(chain)
    }

    fn known(&self) -> Vec<u64> {
        self.chains.keys().copied().collect()
    }

    fn final_block(&self, chain: u64) -> Asking<'_, Option<BlockRef>> {
        Box::pin(self.on(chain, Chain::final_block))
    }

    fn judge<'a>(&'a self, question: &'a ContractQuestion) -> Asking<'a, ContractVerdict> {
        Box::pin(async move {
            let asked = question.clone();
            let verdict = self.on(question.block.chain, move |chain, until| chain.judge(&asked, until)).await;
            verdict.unwrap_or(ContractVerdict::Pending)
        })
    }

    fn call<'a>(
        &'a self,
        chain: u64,
        at: BlockTag,
        calls: &'a [ContractCall],
    ) -> Asking<'a, Option<ContractAnswers>> {
        Box::pin(async move {
            let calls = calls.to_vec();
            self.on(chain, move |chain, until| chain.call(at, &calls, until)).await
        })
    }

    fn read<'a>(
        &'a self,
        chain: u64,
        method: &'a str,
        params: &'a Value,
    ) -> Asking<'a, Result<Value, ChainFault>> {
        Box::pin(async move {
            let (method, params) = (method.to_owned(), params.clone());
            let read = self.on(chain, move |chain, until| Some(chain.read(&method, &params, until))).await;
            read.unwrap_or(Err(ChainFault::Unanswered))
        })
    }
}

impl Chain {
    fn new(config: ChainConfig) -> Result<Self, ConfigError> {
        let ChainConfig { chain, urls, agree, confirmations } = config;
        let count = urls.len();
        if chain == 0 {
            return Err(ConfigError::Chain);
        }
        if count == 0 || count > UPSTREAMS_MAX {
            return Err(ConfigError::Count(count));
        }
        let is_url = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
        if let Some(bad) = urls.iter().find(|url| !is_url(url)) {
            return Err(ConfigError::Url(bad.clone()));
        }
        let mut sorted: Vec<&String> = urls.iter().collect();
        sorted.sort();
        sorted.dedup();
        if sorted.len() < count {
            return Err(ConfigError::Twice);
        }
        let agree = agree.unwrap_or(count.min(2));
        if agree == 0 || agree > count {
            return Err(ConfigError::Agree { agree, upstreams: count });
        }
        if let Some(depth) = confirmations.filter(|depth| *depth > CONFIRMATIONS_MAX) {
            return Err(ConfigError::Confirmations(depth));
        }
        let upstreams = urls.into_iter().map(Upstream::new).collect();
        Ok(Self {
            id: chain,
            upstreams,
            agree,
            confirmations,
            verdicts: Mutex::default(),
            reads: Mutex::default(),
        })
    }

    /// The upstreams in the order in which they are asked: those that failed a moment ago come last.
    pub(crate) fn order(&self) -> impl Iterator<Item = &Upstream> {
        let (rested, tired): (Vec<_>, Vec<_>) = self.upstreams.iter().partition(|upstream| !upstream.rests());
        rested.into_iter().chain(tired)
    }

    /// What enough upstreams say alike.
    pub(crate) fn agreed<T: PartialEq>(&self, ask: impl Fn(&Upstream) -> Result<T, CallError>) -> Option<T> {
        let mut said: Vec<(T, usize)> = Vec::new();
        for upstream in self.order() {
            let answer = match ask(upstream) {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::debug!(%upstream, chain = self.id, %error, "an upstream has no answer");
                    continue;
                }
            };
            let at = match said.iter().position(|(other, _)| *other == answer) {
                Some(at) => at,
                None => {
                    said.push((answer, 0));
                    said.len() - 1
                }
            };
            said[at].1 += 1;
            if said[at].1 == self.agree {
                return Some(said.swap_remove(at).0);
            }
        }
        if said.len() > 1 {
            tracing::warn!(chain = self.id, "upstreams contradict each other; the question stays open");
        }
        None
    }

    fn judge(&self, question: &ContractQuestion, until: Instant) -> Option<ContractVerdict> {
        if let Some(verdict) = self.verdicts.lock().get(question) {
            return Some(*verdict);
        }
        let verdict = self.agreed(|upstream| wallet::ask(upstream, question, self.confirmations, until))?;
        let kept = &mut *self.verdicts.lock();
        if kept.len() >= VERDICTS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(question.clone(), verdict);
        Some(verdict)
    }

    /// What the first upstream says that can answer. It is believed: who reads a chain here trusts it as little or as
    /// much as any provider.
    fn read(&self, method: &str, params: &Value, until: Instant) -> Result<Value, ChainFault> {
        let key = stays(method, params).then(|| format!("{method} {params}"));
        if let Some(known) = key.as_ref().and_then(|key| self.reads.lock().get(key).cloned()) {
            return Ok(known);
        }
        let mut refusal = None;
        for upstream in self.order() {
            let read = upstream
                .check_chain(self.id, until)
                .and_then(|()| upstream.call_within(method, params, READ_ANSWER_BYTES_MAX, until));
            match read {
                Ok(value) => {
                    if let Some(key) = key {
                        self.keep(key, &value);
                    }
                    return Ok(value);
                }
                Err(CallError::Refused { code, message, data }) => {
                    let fault = ChainFault::Refused { code, message, data };
                    if matches!(code, EXECUTION_REVERTED | INVALID_PARAMS) {
                        return Err(fault);
                    }
                    refusal.get_or_insert(fault);
                }
                Err(error) => {
                    tracing::debug!(%upstream, chain = self.id, %error, "an upstream has no answer");
                }
            }
        }
        Err(refusal.unwrap_or(ChainFault::Unanswered))
    }

    fn keep(&self, key: String, value: &Value) {
        if value.is_null() || key.len() + value.to_string().len() > READ_KEPT_BYTES_MAX {
            return;
        }
        let kept = &mut *self.reads.lock();
        if kept.len() >= READS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, value.clone());
    }

    /// The highest block that is final for as many upstreams as must agree.
    pub(crate) fn final_block(&self, until: Instant) -> Option<BlockRef> {
        let height = |upstream: &Upstream| {
            upstream.check_chain(self.id, until)?;
            upstream.final_height(self.confirmations, until)
        };
        let mut heights: Vec<u64> = Vec::new();
        for upstream in self.order() {
            // One more than needed, so that one who lies about it does not choose the block; but nobody waits for that.
            if heights.len() > self.agree || (heights.len() == self.agree && upstream.rests()) {
                break;
            }
            match height(upstream) {
                Ok(height) => heights.push(height),
                Err(error) => {
                    tracing::debug!(%upstream, chain = self.id, %error, "an upstream has no answer");
                }
            }
        }
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let number = *heights.get(self.agree - 1)?;
        let block = self.agreed(|upstream| upstream.final_block(number, self.confirmations, until))?;
        Some(BlockRef { chain: self.id, number, hash: block.hash })
    }
}

#[cfg(test)]
mod tests;
