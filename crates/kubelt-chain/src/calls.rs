//! Calls of contracts at one block, as enough upstreams say alike.

use std::time::Instant;

use kubelt_core::{BlockRef, schema::BlockTag};
use kubelt_node::{ContractAnswers, ContractCall};
use serde_json::{Value, json};

use crate::{
    limits::CALLS_MAX,
    program::calls::{Call, program, read},
    upstream::{Block, CallError, Upstream},
    upstreams::Chain,
    wallet::{RUN, run},
};

impl Chain {
    /// What contracts answer at a block; none where there are no upstreams enough that say the same.
    pub(crate) fn call(
        &self,
        at: BlockTag,
        calls: &[ContractCall],
        until: Instant,
    ) -> Option<ContractAnswers> {
        if calls.len() > CALLS_MAX {
            return None;
        }
        let block = self.block_at(at, until)?;
        let asked: Vec<Call<'_>> =
            calls.iter().map(|ContractCall { to, data, word }| Call { to, data, word: *word }).collect();
        let code = program(&asked);
        let words = self.agreed(|upstream| {
            upstream.check_chain(self.id, until)?;
            read(&run(upstream, &code, &block.hash, until)?, calls.len()).ok_or(CallError::Nonsense(RUN))
        })?;
        let block = BlockRef { chain: self.id, number: block.number, hash: block.hash };
        Some(ContractAnswers { block, words })
    }

    /// The highest block of this kind that as many upstreams have as must agree.
    fn block_at(&self, at: BlockTag, until: Instant) -> Option<Block> {
        let named = |upstream: &Upstream, at: &Value| {
            upstream.check_chain(self.id, until)?;
            upstream.block(at, until)?.ok_or(CallError::NotFinal)
        };
        let mut newest: Vec<Block> = Vec::new();
        for upstream in self.order() {
            // One more than needed, so that one who names an old block does not choose it; but nobody waits for that.
            if newest.len() > self.agree || (newest.len() == self.agree && upstream.rests()) {
                break;
            }
            match named(upstream, &json!(at.as_str())) {
                Ok(block) => newest.push(block),
                Err(error) => {
                    tracing::debug!(%upstream, chain = self.id, %error, "an upstream has no answer");
                }
            }
        }
        newest.sort_unstable_by_key(|block| std::cmp::Reverse(block.number));
        let highest = *newest.get(self.agree - 1)?;
        if newest.iter().filter(|block| **block == highest).count() >= self.agree {
            return Some(highest);
        }
        let number = json!(format!("{:#x}", highest.number));
        self.agreed(|upstream| named(upstream, &number))
    }
}
