//! A chain with one contract of each kind of token, of which a test says who holds what.

use std::{collections::HashMap, sync::Arc};

use kubelt_core::{Account, BlockRef, schema::BlockTag};
use kubelt_node::{Asking, ChainPort, ContractAnswers, ContractCall, Node};
use parking_lot::Mutex;

use crate::harness::Person;

pub(crate) const NFT: &str = "1:0x0000000000000000000000000000000000000721";
pub(crate) const ITEMS: &str = "1:0x0000000000000000000000000000000000001155";
pub(crate) const COIN: &str = "1:0x0000000000000000000000000000000000000020";
/// A contract that is none of tokens.
pub(crate) const OTHER: &str = "1:0x0000000000000000000000000000000000000001";

/// By the contract's last two bytes, a token of it, and the holder.
type Held = HashMap<(u16, u64, [u8; 20]), u64>;

#[derive(Debug, Default)]
pub(crate) struct TokenChain(Mutex<Held>);

fn address(person: &Person) -> [u8; 20] {
    let Account::Eoa(address) = person.key.account() else { panic!("a plain key") };
    address
}

fn kind(contract: &str) -> u16 {
    u16::from_str_radix(&contract[contract.len() - 4..], 16).expect("hex")
}

impl TokenChain {
    /// The chain that a node asks from now on.
    pub(crate) fn of(node: &Node) -> Arc<Self> {
        let chain = Arc::new(Self::default());
        node.chains.ask_by(Arc::clone(&chain) as Arc<dyn ChainPort>);
        chain
    }

    /// Somebody has so many of a token from now on; of what has no tokens with numbers, of number 0.
    pub(crate) fn give(&self, contract: &str, token: u64, person: &Person, amount: u64) {
        self.0.lock().insert((kind(contract), token, address(person)), amount);
    }

    /// The first word of what a contract answers; none where it reverts.
    fn answer(&self, call: &ContractCall) -> Option<[u8; 32]> {
        let kind = u16::from_be_bytes([call.to[18], call.to[19]]);
        let (selector, data) = call.data.split_at_checked(4)?;
        let holder = || data.get(12..32)?.try_into().ok();
        let number = |at: usize| Some(u64::from_be_bytes(data.get(at + 24..at + 32)?.try_into().ok()?));
        let held = self.0.lock();
        let balance = |token: Option<u64>, holder: [u8; 20]| -> u64 {
            let is_it = |(of, which, by): &(u16, u64, [u8; 20])| {
                *of == kind && token.is_none_or(|token| token == *which) && *by == holder
            };
            held.iter().filter(|(key, _)| is_it(key)).map(|(_, amount)| amount).sum()
        };
        match (selector, kind) {
            ([0x01, 0xff, 0xc9, 0xa7], 0x721 | 0x1155) => {
                let supported = match data.get(..4)? {
                    [0x01, 0xff, 0xc9, 0xa7] => true,
                    [0x80, 0xac, 0x58, 0xcd] => kind == 0x721,
                    [0xd9, 0xb6, 0x7a, 0x26] => kind == 0x1155,
                    _ => false,
                };
                Some(word(u64::from(supported)))
            }
            ([0x18, 0x16, 0x0d, 0xdd], 0x20) => Some(word(1_000_000)),
            ([0x70, 0xa0, 0x82, 0x31], 0x20 | 0x721) => Some(word(balance(None, holder()?))),
            ([0x00, 0xfd, 0xd5, 0x8e], 0x1155) => Some(word(balance(Some(number(32)?), holder()?))),
            ([0x63, 0x52, 0x21, 0x1e], 0x721) => {
                let token = number(0)?;
                let owns = |((of, which, _), amount): &(&(u16, u64, [u8; 20]), &u64)| {
                    (*of, *which) == (kind, token) && **amount > 0
                };
                let ((_, _, owner), _) = held.iter().find(owns)?;
                let mut word = [0; 32];
                word[12..].copy_from_slice(owner);
                Some(word)
            }
            _ => None,
        }
    }
}

fn word(number: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

impl ChainPort for TokenChain {
    fn knows(&self, chain: u64) -> bool {
        chain == 1
    }

    fn known(&self) -> Vec<u64> {
        vec![1]
    }

    fn call<'a>(
        &'a self,
        chain: u64,
        _: BlockTag,
        calls: &'a [ContractCall],
    ) -> Asking<'a, Option<ContractAnswers>> {
        let words = calls.iter().map(|call| self.answer(call)).collect();
        let block = BlockRef { chain, number: 1, hash: [1; 32] };
        Box::pin(async move { (chain == 1).then_some(ContractAnswers { block, words }) })
    }
}
