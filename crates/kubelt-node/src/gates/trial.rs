//! How one account fares at one gate.

use std::collections::{BTreeMap, HashMap};

use kubelt_core::{
    Account, BlockRef,
    schema::{
        Gate,
        gate::{Outcome, Test, U256},
    },
};

use tokio::task::JoinSet;

use crate::{
    chains::{Chains, ContractCall},
    limits::CONTRACT_ANSWERS_TIME_MAX,
};

/// How an account fares at a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Whether it passes.
    pub outcome: Outcome,
    /// When it was tried, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The blocks at which contracts were asked, by chain.
    pub blocks: Vec<BlockRef>,
    /// What became of each test, in the gate's order.
    pub tests: Vec<Tested>,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The test.
    pub test: Test,
    /// What it came to.
    pub outcome: Outcome,
    /// The same in words.
    pub why: String,
    /// The word that the contract answered.
    pub found: Option<[u8; 32]>,
}

/// Why nobody was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// The account is none of an EVM chain.
    NoAddress,
    /// The account is a contract's on another chain: its address is somebody else's here.
    OtherChain,
    /// Nobody answers for the chain on this node, or upstreams contradict each other.
    NoAnswer,
    /// Too much was asked in this minute.
    TooOften,
}

impl Unasked {
    const fn says(self) -> &'static str {
        match self {
            Self::NoAddress => "the account has no address on EVM chains",
            Self::OtherChain => "the account is a contract on another chain",
            Self::NoAnswer => "the chain gives no answer: no upstream is set, none answers, or they disagree",
            Self::TooOften => "too many accounts were tried in this minute; ask again in the next",
        }
    }

    const fn outcome(self) -> Outcome {
        match self {
            Self::NoAddress | Self::OtherChain => Outcome::No,
            Self::NoAnswer | Self::TooOften => Outcome::Unknown,
        }
    }
}

impl Trial {
    /// Whether the gate is open to the account.
    pub fn passes(&self) -> bool {
        self.outcome == Outcome::Yes
    }

    /// One in which nobody was asked.
    pub(super) fn unasked(gate: &Gate, account: &Account, now_ms: u64, why: Unasked) -> Self {
        Self::of(gate, now_ms, Vec::new(), |test| {
            let unasked = holder(account, test).err().unwrap_or(why);
            (unasked.outcome(), unasked.says().to_owned(), None)
        })
    }

    /// Asks the contracts of a gate about an account: chains side by side, all tests of one at one block.
    pub(super) async fn hold(chains: &Chains, gate: &Gate, account: &Account, now_ms: u64) -> Self {
        let mut asked: BTreeMap<u64, Vec<(&Test, [u8; 20])>> = BTreeMap::new();
        for test in gate.condition.tests() {
            if let Ok(holder) = holder(account, test) {
                let of_chain = asked.entry(test.chain).or_default();
                if !of_chain.iter().any(|(other, _)| *other == test) {
                    of_chain.push((test, holder));
                }
            }
        }
        let mut asking = JoinSet::new();
        for (chain, tests) in &asked {
            let call = |(test, holder): &(&Test, [u8; 20])| ContractCall {
                to: test.contract,
                data: test.call_data(holder),
                word: test.word(),
            };
            let calls: Vec<ContractCall> = tests.iter().map(call).collect();
            let (chains, chain, at) = (chains.clone(), *chain, gate.at);
            asking.spawn(async move {
                tokio::time::timeout(CONTRACT_ANSWERS_TIME_MAX, chains.call(chain, at, &calls)).await
            });
        }
        let mut blocks = Vec::new();
        let mut found: HashMap<&Test, ([u8; 20], Option<U256>)> = HashMap::new();
        for answers in asking.join_all().await.into_iter().flatten().flatten() {
            let of_chain = asked.get(&answers.block.chain).map(Vec::as_slice).unwrap_or_default();
            for ((test, holder), word) in of_chain.iter().zip(answers.words) {
                found.insert(test, (*holder, word.map(U256::from_be_bytes)));
            }
            blocks.push(answers.block);
        }
        blocks.sort_unstable_by_key(|block| block.chain);
        Self::of(gate, now_ms, blocks, |test| match (holder(account, test), found.get(test)) {
            (Err(unasked), _) => (unasked.outcome(), unasked.says().to_owned(), None),
            (Ok(_), None) => (Unasked::NoAnswer.outcome(), Unasked::NoAnswer.says().to_owned(), None),
            (Ok(_), Some((_, None))) => (
                Outcome::Unknown,
                "the contract has no answer: it reverts, uses too much gas, or is not there".to_owned(),
                None,
            ),
            (Ok(_), Some((holder, Some(word)))) => {
                (test.judge(holder, Some(*word)), test.says_found(*word), Some(word.to_be_bytes()))
            }
        })
    }

    fn of(
        gate: &Gate,
        at_ms: u64,
        blocks: Vec<BlockRef>,
        judge: impl Fn(&Test) -> (Outcome, String, Option<[u8; 32]>),
    ) -> Self {
        let tested = |test: &Test| {
            let (outcome, why, found) = judge(test);
            Tested { test: test.clone(), outcome, why, found }
        };
        let tests = gate.condition.tests().into_iter().map(tested).collect();
        Self { outcome: gate.condition.outcome(&|test| judge(test).0), at_ms, blocks, tests }
    }
}

/// The address that a test is about, for an account.
fn holder(account: &Account, test: &Test) -> Result<[u8; 20], Unasked> {
    match account {
        Account::Eoa(address) => Ok(*address),
        Account::Contract { chain, address } if *chain == test.chain => Ok(*address),
        Account::Contract { .. } => Err(Unasked::OtherChain),
        _ => Err(Unasked::NoAddress),
    }
}
