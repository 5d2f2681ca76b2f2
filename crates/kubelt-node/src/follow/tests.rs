//! A chain of a test: it grows, forks and falls silent as it is told.

use std::sync::{Arc, Mutex as StdMutex};

use kubelt_core::LogFilter;
use serde_json::{Value, json};

use super::{FollowError, Followers, Following, Inlet, Lost, Outlet, Wants, outlet};
use crate::{
    chains::{Asking, ChainFault, ChainPort, Chains},
    limits::{FOLLOW_CATCH_UP_MAX, FOLLOW_EVERY, FOLLOWED_BLOCKS_MAX, NOTICES_WAITING_MAX},
};

const CHAIN: u64 = 31_337;

/// Blocks of which each has one event, of the contract that the block's number names.
#[derive(Debug, Clone, Default)]
struct TestChain(Arc<StdMutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The branch of each block of the chain.
    branches: Vec<u64>,
    calls: Vec<String>,
    silent: bool,
}

fn hash_of(number: usize, branch: u64) -> String {
    format!("0x{branch:032x}{number:032x}")
}

fn contract(number: usize) -> String {
    format!("0x{number:040x}")
}

impl State {
    fn block(&self, number: usize) -> Value {
        let hash = |number: usize| hash_of(number, self.branches[number]);
        let parent = number.checked_sub(1).map_or_else(|| hash_of(0, 99), hash);
        json!({"number": format!("{number:#x}"), "hash": hash(number), "parentHash": parent, "transactions": []})
    }

    fn at(&self, wanted: &Value) -> Option<usize> {
        (0..self.branches.len()).find(|number| hash_of(*number, self.branches[*number]) == *wanted)
    }

    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, ChainFault> {
        self.calls.push(method.to_owned());
        if self.silent {
            return Err(ChainFault::Unanswered);
        }
        Ok(match method {
            "eth_getBlockByNumber" => self.block(self.branches.len() - 1),
            "eth_getBlockByHash" => self.at(&params[0]).map_or(Value::Null, |number| self.block(number)),
            "eth_getLogs" => {
                let number = self.at(&params[0]["blockHash"]).expect("a block that is there");
                json!([{"address": contract(number), "topics": [], "data": "0x", "blockHash": params[0]["blockHash"]}])
            }
            other => panic!("nobody asks for {other}"),
        })
    }
}

impl ChainPort for TestChain {
    fn knows(&self, chain: u64) -> bool {
        chain == CHAIN
    }

    fn known(&self) -> Vec<u64> {
        vec![CHAIN]
    }

    fn read<'a>(
        &'a self,
        _chain: u64,
        method: &'a str,
        params: &'a Value,
    ) -> Asking<'a, Result<Value, ChainFault>> {
        Box::pin(async move { self.0.lock().expect("no panic").answer(method, params) })
    }
}

impl TestChain {
    fn grow(&self, count: usize, branch: u64) {
        let branches = &mut self.0.lock().expect("no panic").branches;
        branches.extend(std::iter::repeat_n(branch, count));
    }

    /// Gives up the newest blocks, and grows otherwise.
    fn fork(&self, back: usize, count: usize, branch: u64) {
        let branches = &mut self.0.lock().expect("no panic").branches;
        branches.truncate(branches.len() - back);
        branches.extend(std::iter::repeat_n(branch, count));
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic").calls)
    }
}

/// A chain of ten blocks, and who follows it.
struct World {
    chain: TestChain,
    followers: Followers,
    outlet: Outlet,
    inlet: Inlet,
}

impl World {
    fn new() -> Self {
        let (chain, chains) = (TestChain::default(), Chains::default());
        chain.grow(10, 0);
        chains.ask_by(Arc::new(chain.clone()));
        let (outlet, inlet) = outlet();
        Self { chain, followers: Followers::new(chains), outlet, inlet }
    }

    async fn follow(&self, id: &str, wants: Wants) -> Result<Following, FollowError> {
        self.followers.follow(CHAIN, wants, id.to_owned(), self.outlet.clone()).await
    }

    /// What is told next: the subscription, the block or contract, and whether it is taken back.
    async fn next(&mut self) -> (String, String, bool) {
        let notice = self.inlet.next().await.expect("nothing is lost");
        let what = notice.result.get("number").or(notice.result.get("address")).expect("one of the two");
        let removed = notice.result["removed"] == true;
        (notice.subscription, what.as_str().expect("hex").to_owned(), removed)
    }

    async fn expect(&mut self, told: &[(&str, String, bool)]) {
        for (id, what, removed) in told {
            assert_eq!(self.next().await, ((*id).to_owned(), what.clone(), *removed));
        }
    }
}

fn logs(addresses: &[usize]) -> Wants {
    let addresses: Vec<String> = addresses.iter().map(|number| contract(*number)).collect();
    Wants::Logs(LogFilter::read(&json!({"address": addresses})).expect("a filter"))
}

#[tokio::test(start_paused = true)]
async fn every_block_is_told_of_once_and_asked_for_once() {
    let mut world = World::new();
    let _heads = world.follow("heads", Wants::Heads).await.expect("is followed");
    let _more = world.follow("more", Wants::Heads).await.expect("is followed");
    let _logs = world.follow("logs", logs(&[11, 12])).await.expect("is followed");
    world.chain.calls();
    world.chain.grow(3, 0);
    let (a, b, c) = ("0xa".to_owned(), "0xb".to_owned(), "0xc".to_owned());
    world.expect(&[("heads", a.clone(), false), ("more", a, false)]).await;
    world.expect(&[("heads", b.clone(), false), ("more", b, false), ("logs", contract(11), false)]).await;
    world.expect(&[("heads", c.clone(), false), ("more", c, false), ("logs", contract(12), false)]).await;
    let calls = world.chain.calls();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!((count("eth_getBlockByHash"), count("eth_getLogs")), (2, 3), "{calls:?}");
    // Nothing is new: nothing is told, whatever is asked.
    tokio::time::sleep(FOLLOW_EVERY * 3).await;
    assert!(world.chain.calls().iter().all(|call| call == "eth_getBlockByNumber"));
    world.chain.grow(1, 0);
    assert_eq!(world.next().await.1, "0xd");
}

#[tokio::test(start_paused = true)]
async fn what_a_reorganisation_takes_is_taken_back() {
    let mut world = World::new();
    let _logs = world.follow("logs", logs(&[10, 11])).await.expect("is followed");
    world.chain.grow(2, 0);
    world.expect(&[("logs", contract(10), false), ("logs", contract(11), false)]).await;
    let _late = world.follow("late", logs(&[10, 11])).await.expect("is followed");
    let _heads = world.follow("heads", Wants::Heads).await.expect("is followed");
    world.chain.fork(2, 1, 7);
    // The newest is taken back first. Who came later was not told of these blocks.
    world.expect(&[("logs", contract(11), true), ("logs", contract(10), true)]).await;
    world.expect(&[("heads", "0xa".to_owned(), false)]).await;
    world.expect(&[("logs", contract(10), false), ("late", contract(10), false)]).await;
    // An upstream that is behind takes nothing back.
    world.chain.fork(1, 0, 7);
    tokio::time::sleep(FOLLOW_EVERY * 2).await;
    world.chain.grow(2, 7);
    world.expect(&[("heads", "0xb".to_owned(), false)]).await;
}

#[tokio::test(start_paused = true)]
async fn silence_is_caught_up_with_as_far_as_that_goes() {
    let mut world = World::new();
    let _heads = world.follow("heads", Wants::Heads).await.expect("is followed");
    world.chain.0.lock().expect("no panic").silent = true;
    world.chain.grow(FOLLOW_CATCH_UP_MAX, 0);
    tokio::time::sleep(FOLLOW_EVERY * 5).await;
    let (other, _inlet) = outlet();
    let joined = world.followers.follow(CHAIN, Wants::Heads, "late".to_owned(), other).await;
    assert!(joined.is_ok(), "what it follows is known");
    world.chain.0.lock().expect("no panic").silent = false;
    for number in 10..10 + FOLLOW_CATCH_UP_MAX {
        assert_eq!(world.next().await.1, format!("{number:#x}"));
    }
    world.chain.grow(FOLLOW_CATCH_UP_MAX + 1, 0);
    assert_eq!(world.inlet.next().await.map(drop), Err(Lost::Behind));
}

#[tokio::test(start_paused = true)]
async fn nobody_follows_a_chain_that_is_silent_or_forks_too_deep() {
    let mut world = World::new();
    world.chain.0.lock().expect("no panic").silent = true;
    assert_eq!(world.follow("heads", Wants::Heads).await.map(drop), Err(FollowError::Unanswered));
    world.chain.0.lock().expect("no panic").silent = false;
    let _heads = world.follow("heads", Wants::Heads).await.expect("is followed");
    for _ in 0..FOLLOWED_BLOCKS_MAX {
        world.chain.grow(1, 0);
        world.next().await;
    }
    // As deep as what is remembered, and one deeper.
    let depth = FOLLOWED_BLOCKS_MAX - 1;
    world.chain.fork(depth, 1, 1);
    assert_eq!(world.next().await.1, "0xb");
    world.chain.fork(2, 1, 2);
    assert_eq!(world.inlet.next().await.map(drop), Err(Lost::Behind));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_lost_and_who_leaves_costs_nothing() {
    let mut world = World::new();
    let heads = world.follow("heads", Wants::Heads).await.expect("is followed");
    for _ in 0..=NOTICES_WAITING_MAX / FOLLOW_CATCH_UP_MAX {
        world.chain.grow(FOLLOW_CATCH_UP_MAX, 0);
        tokio::time::sleep(FOLLOW_EVERY * 2).await;
    }
    assert_eq!(world.inlet.next().await.map(drop), Err(Lost::Slow));
    drop(heads);
    tokio::time::sleep(FOLLOW_EVERY * 2).await;
    world.chain.calls();
    tokio::time::sleep(FOLLOW_EVERY * 10).await;
    assert!(world.chain.calls().is_empty(), "nobody follows it");
    let (outlet, inlet) = outlet();
    (world.outlet, world.inlet) = (outlet, inlet);
    let _again = world.follow("again", Wants::Heads).await.expect("is followed");
    world.chain.grow(1, 0);
    assert_eq!(world.next().await.0, "again");
}
