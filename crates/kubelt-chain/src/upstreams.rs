//! The chains of a node's settings: several upstreams each, and what is made of what they say.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use kubelt_core::{BlockRef, ContractQuestion, ContractVerdict};
use kubelt_node::{Asking, ChainPort};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::{
    limits::{CONFIRMATIONS_MAX, QUESTION_TIME_MAX, QUESTIONS_AT_ONCE_MAX, UPSTREAMS_MAX, VERDICTS_KEPT_MAX},
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
}

/// Asks the upstreams of all chains; cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstreams {
    chains: Arc<BTreeMap<u64, Arc<Chain>>>,
    /// Questions that may still be asked at once.
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Chain {
    id: u64,
    upstreams: Vec<Upstream>,
    agree: usize,
    confirmations: Option<u64>,
    /// Verdicts at final blocks, which never change.
    verdicts: Mutex<HashMap<ContractQuestion, ContractVerdict>>,
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

    /// Asks about a chain on a thread of its own; none where it takes too long.
    async fn on<T: Send + 'static>(
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

impl ChainPort for Upstreams {
    fn knows(&self, chain: u64) -> bool {
        self.chains.contains_key(&chain)
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
        Ok(Self { id: chain, upstreams, agree, confirmations, verdicts: Mutex::default() })
    }

    /// The upstreams in the order in which they are asked: those that failed a moment ago come last.
    fn order(&self) -> impl Iterator<Item = &Upstream> {
        let (rested, tired): (Vec<_>, Vec<_>) = self.upstreams.iter().partition(|upstream| !upstream.rests());
        rested.into_iter().chain(tired)
    }

    /// What enough upstreams say alike.
    fn agreed<T: PartialEq>(&self, ask: impl Fn(&Upstream) -> Result<T, CallError>) -> Option<T> {
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

    /// The highest block that is final for as many upstreams as must agree.
    fn final_block(&self, until: Instant) -> Option<BlockRef> {
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
