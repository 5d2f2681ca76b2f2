//! One upstream: somebody who answers JSON-RPC 2.0 by HTTP for a chain.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

use crate::limits::{
    CALL_TIME_MAX, CHECK_ANSWER_BYTES_MAX, FINAL_BLOCKS_KEPT_MAX, FINAL_HEIGHT_KEPT, UPSTREAM_REST,
};

/// Asks one URL. Redirects are not followed.
pub(crate) struct Upstream {
    agent: Agent,
    url: String,
    state: Mutex<State>,
}

/// What was learnt of it.
#[derive(Debug, Default)]
struct State {
    /// Whether it said that it is of the chain that it was configured for.
    is_of_chain: bool,
    /// Until when it is asked only where there is no other.
    rests_until: Option<Instant>,
    /// The height of the last final block, and when that was said.
    final_height: Option<(u64, Instant)>,
    /// Final blocks, by number.
    final_blocks: HashMap<u64, Block>,
}

/// What is needed of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    pub(crate) number: u64,
    pub(crate) hash: [u8; 32],
    /// Its date, in milliseconds since the Unix epoch.
    pub(crate) ms: u64,
}

/// Why an upstream has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It was not reached, or answered something else than JSON-RPC.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// It answered an error.
    #[error("it refuses: {message} ({code})")]
    Refused {
        /// The error's number.
        code: i64,
        /// Its words.
        message: String,
        /// What a contract said, for instance.
        data: Option<Value>,
    },
    /// It is of another chain than it was configured for.
    #[error("it is of chain {0}, not of the one that it was configured for")]
    OtherChain(u64),
    /// It does not know the block, or has another at that height, or may still give it up.
    #[error("it has not made that block final")]
    NotFinal,
    /// What it answers does not fit the question.
    #[error("it answers nonsense to `{0}`")]
    Nonsense(&'static str),
    /// Others took all the time that there was.
    #[error("there was no time left to ask it")]
    Late,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Value,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
    #[serde(default)]
    message: String,
    data: Option<Value>,
}

#[derive(Deserialize)]
struct BlockAnswer {
    number: String,
    hash: String,
    timestamp: String,
}

impl Upstream {
    pub(crate) fn new(url: String) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("kubelt/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: Agent::new_with_config(agent), url, state: Mutex::default() }
    }

    /// Calls a method whose answer is short.
    pub(crate) fn call(&self, method: &str, params: &Value, until: Instant) -> Result<Value, CallError> {
        self.call_within(method, params, CHECK_ANSWER_BYTES_MAX, until)
    }

    /// Calls a method. An upstream that gives no answer rests a while.
    pub(crate) fn call_within(
        &self,
        method: &str,
        params: &Value,
        bytes_max: u64,
        until: Instant,
    ) -> Result<Value, CallError> {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        let time = left.ok_or(CallError::Late)?.min(CALL_TIME_MAX);
        let answered = self.post(method, params, bytes_max, time);
        if let Err(CallError::Unreachable(error)) = &answered {
            tracing::warn!(upstream = %self, %error, "an upstream gave no answer");
            self.state.lock().rests_until = Some(Instant::now() + UPSTREAM_REST);
        }
        answered
    }

    fn post(&self, method: &str, params: &Value, bytes_max: u64, time: Duration) -> Result<Value, CallError> {
        let failed = |error: &dyn fmt::Display| CallError::Unreachable(error.to_string());
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let request = self.agent.post(&self.url).content_type("application/json");
        let sent = request.config().timeout_global(Some(time)).build().send(&body);
        let mut response = sent.map_err(|error| failed(&error))?;
        let status = response.status();
        let read = response.body_mut().with_config().limit(bytes_max).read_to_vec();
        let bytes = read.map_err(|error| failed(&error))?;
        // Some say errors under another status than 200; what is no JSON-RPC is no answer under any.
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|_cause| failed(&format!("status {status}")))?;
        match answer.error {
            Some(Fault { code, message, data }) => {
                Err(CallError::Refused { code, message: message.chars().take(256).collect(), data })
            }
            None => Ok(answer.result),
        }
    }

    /// Whether it failed a moment ago.
    pub(crate) fn rests(&self) -> bool {
        self.state.lock().rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Makes sure, once, that it is of this chain.
    pub(crate) fn check_chain(&self, chain: u64, until: Instant) -> Result<(), CallError> {
        if self.state.lock().is_of_chain {
            return Ok(());
        }
        let answer = self.call("eth_chainId", &json!([]), until)?;
        let found = answer.as_str().and_then(quantity).ok_or(CallError::Nonsense("eth_chainId"))?;
        if found != chain {
            return Err(CallError::OtherChain(found));
        }
        self.state.lock().is_of_chain = true;
        Ok(())
    }

    /// The height of the last block that the chain will not give up: the one that it calls `finalized`, or so many
    /// blocks below the newest.
    pub(crate) fn final_height(&self, confirmations: Option<u64>, until: Instant) -> Result<u64, CallError> {
        if let Some((height, at)) = self.state.lock().final_height
            && at.elapsed() < FINAL_HEIGHT_KEPT
        {
            return Ok(height);
        }
        let newest = |tag: &str| {
            let block = self.block(&json!(tag), until)?;
            block.map(|block| block.number).ok_or(CallError::NotFinal)
        };
        let height = match confirmations {
            None => newest("finalized")?,
            Some(depth) => newest("latest")?.saturating_sub(depth),
        };
        self.state.lock().final_height = Some((height, Instant::now()));
        Ok(height)
    }

    /// The block at a height that is final.
    pub(crate) fn final_block(
        &self,
        number: u64,
        confirmations: Option<u64>,
        until: Instant,
    ) -> Result<Block, CallError> {
        if let Some(block) = self.state.lock().final_blocks.get(&number) {
            return Ok(*block);
        }
        if number > self.final_height(confirmations, until)? {
            return Err(CallError::NotFinal);
        }
        let block = self.block(&json!(format!("{number:#x}")), until)?;
        let block = block.filter(|block| block.number == number).ok_or(CallError::NotFinal)?;
        let kept = &mut self.state.lock().final_blocks;
        if kept.len() >= FINAL_BLOCKS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(number, block);
        Ok(block)
    }

    /// A block by its number, or by what it is called.
    pub(crate) fn block(&self, at: &Value, until: Instant) -> Result<Option<Block>, CallError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let answer = self.call(METHOD, &json!([at, false]), until)?;
        if answer.is_null() {
            return Ok(None);
        }
        let nonsense = || CallError::Nonsense(METHOD);
        let read: BlockAnswer = serde_json::from_value(answer).map_err(|_cause| nonsense())?;
        let block = (|| {
            let hash = bytes(&read.hash)?.try_into().ok()?;
            let seconds = quantity(&read.timestamp)?;
            Some(Block { number: quantity(&read.number)?, hash, ms: seconds.checked_mul(1_000)? })
        })();
        block.map(Some).ok_or_else(nonsense)
    }
}

/// Without what may be secret in it: keys of services stand in paths, queries and user names.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        write!(f, "{scheme}://{host}")
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number as JSON-RPC of Ethereum writes it: `0x` and hex digits.
pub(crate) fn quantity(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'))?;
    u64::from_str_radix(digits, 16).ok()
}

/// Bytes as JSON-RPC of Ethereum writes them.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

#[cfg(test)]
mod tests {
    use super::{Upstream, bytes, quantity};

    #[test]
    fn what_is_secret_in_a_url_is_not_shown() {
        for url in ["https://me:secret@rpc.example/v3/secret?key=secret", "https://rpc.example#secret"] {
            assert_eq!(format!("{:?}", Upstream::new(url.to_owned())), "https://rpc.example");
        }
    }

    #[test]
    fn numbers_and_bytes_are_hex() {
        assert_eq!(quantity("0x10"), Some(16));
        assert_eq!(quantity("0xffffffffffffffff"), Some(u64::MAX));
        for bad in ["10", "0x", "0x10000000000000000", "0x+1", "0xg"] {
            assert_eq!(quantity(bad), None, "{bad}");
        }
        assert_eq!(bytes("0x00ff"), Some(vec![0, 255]));
        assert_eq!(bytes("00ff"), None);
        assert_eq!(bytes("0x0"), None);
    }
}
