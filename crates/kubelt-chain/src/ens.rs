//! Where names of the Ethereum Name Service lead, asked of the registry and of a name's resolver.
//!
//! All of one answer is asked at the chain's last final block, of as many upstreams as must agree. A resolver may answer for
//! a whole branch of names (ENSIP-10). One that wants to have others asked (CCIP-Read, EIP-3668) is not followed: where it
//! would lead, nobody here can check, and it chooses whom the node calls.

use std::time::Instant;

use kubelt_core::{
    Account, BlockRef, EnsName,
    abi::{self, Argument},
};
use kubelt_node::{Asking, EnsFault, EnsPort};
use serde_json::json;

use crate::{
    limits::ENS_TEXT_BYTES_MAX,
    program::call::{self, Came},
    upstream::{CallError, Upstream, bytes},
    upstreams::{ConfigError, Upstreams},
    wallet::{RUN, at, hex, run},
};

/// Ethereum's main chain, where the service is.
const MAINNET: u64 = 1;
/// The registry there, and on the chains that copy it.
const REGISTRY: [u8; 20] = hex_literal(b"00000000000c2e074ec69a0dfb2997ba6c7d2e1e");

/// `resolver(bytes32)` of the registry.
const RESOLVER: &str = "resolver(bytes32)";
/// ENSIP-10, and its function.
const EXTENDED: [u8; 4] = [0x90, 0x61, 0xb9, 0x23];
/// The error of a resolver that wants others asked (EIP-3668).
const OFFCHAIN_LOOKUP: [u8; 4] = [0x55, 0x6f, 0x18, 0x30];
/// What the code of a plain key begins with that borrows a contract's (EIP-7702).
const ON_LOAN: [u8; 3] = [0xef, 0x01, 0x00];

/// The name service, as the operator describes it.
#[derive(Debug, Clone, Default)]
pub struct EnsConfig {
    /// The chain of its registry; Ethereum's main chain where absent.
    pub chain: Option<u64>,
    /// The registry; the one of Ethereum where absent.
    pub registry: Option<[u8; 20]>,
}

/// Asks the name service.
#[derive(Debug, Clone)]
pub struct Ens {
    upstreams: Upstreams,
    chain: u64,
    registry: [u8; 20],
}

/// What a name is asked for.
#[derive(Debug, Clone)]
enum Question {
    Account,
    Text(String),
}

/// What is said of it.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Account(Account),
    Text(String),
    Nothing,
    OffChain,
}

/// One upstream, at one block.
struct Place<'a> {
    upstream: &'a Upstream,
    block: &'a BlockRef,
    until: Instant,
}

impl Ens {
    /// The service behind these upstreams; none where nobody is asked about its chain.
    ///
    /// # Errors
    /// [`ConfigError::EnsChain`] where a chain is named that has no upstreams.
    pub fn new(upstreams: &Upstreams, config: &EnsConfig) -> Result<Option<Self>, ConfigError> {
        let chain = config.chain.unwrap_or(MAINNET);
        let registry = config.registry.unwrap_or(REGISTRY);
        match (upstreams.has(chain), config.chain) {
            (true, _) => Ok(Some(Self { upstreams: upstreams.clone(), chain, registry })),
            (false, None) => Ok(None),
            (false, Some(chain)) => Err(ConfigError::EnsChain(chain)),
        }
    }

    async fn ask(&self, name: &EnsName, question: Question) -> Result<(Said, BlockRef), EnsFault> {
        let (registry, asked) = (self.registry, name.clone());
        let answered = self.upstreams.on(self.chain, move |chain, until| {
            let block = chain.final_block(until)?;
            let said = chain.agreed(|upstream| {
                upstream.check_chain(block.chain, until)?;
                Place { upstream, block: &block, until }.look_up(&registry, &asked, &question)
            })?;
            Some((said, block))
        });
        match answered.await.ok_or(EnsFault::Unanswered)? {
            (Said::Nothing, _) => Err(EnsFault::Nowhere(name.clone())),
            (Said::OffChain, _) => Err(EnsFault::OffChain(name.clone())),
            answer => Ok(answer),
        }
    }
}

impl EnsPort for Ens {
    fn account<'a>(&'a self, name: &'a EnsName) -> Asking<'a, Result<(Account, BlockRef), EnsFault>> {
        Box::pin(async move {
            match self.ask(name, Question::Account).await? {
                (Said::Account(account), block) => Ok((account, block)),
                _ => Err(EnsFault::Nowhere(name.clone())),
            }
        })
    }

    fn text<'a>(
        &'a self,
        name: &'a EnsName,
        key: &'a str,
    ) -> Asking<'a, Result<(String, BlockRef), EnsFault>> {
        Box::pin(async move {
            match self.ask(name, Question::Text(key.to_owned())).await? {
                (Said::Text(text), block) => Ok((text, block)),
                _ => Err(EnsFault::Nowhere(name.clone())),
            }
        })
    }
}

impl Place<'_> {
    fn look_up(&self, registry: &[u8; 20], name: &EnsName, question: &Question) -> Result<Said, CallError> {
        let node = Argument::Word(name.namehash());
        let data = match question {
            Question::Account => abi::call(abi::selector("addr(bytes32)"), &[node]),
            Question::Text(key) => {
                abi::call(abi::selector("text(bytes32,string)"), &[node, Argument::Bytes(key.as_bytes())])
            }
        };
        let mut nodes = name.nodes().enumerate();
        let (above, resolver) = loop {
            // Nothing of the name, and of nothing above it.
            let Some((above, node)) = nodes.next() else { return Ok(Said::Nothing) };
            let call = abi::call(abi::selector(RESOLVER), &[Argument::Word(node)]);
            if let Some(resolver) = self.call(registry, &call)?.good().and_then(|word| address(&word)) {
                break (above, resolver);
            }
        };
        let came = match (self.is_extended(&resolver)?, above) {
            (true, _) => {
                let encoded = name.dns_encoded();
                let arguments = [Argument::Bytes(&encoded), Argument::Bytes(&data)];
                self.call(&resolver, &abi::call(EXTENDED, &arguments))?.unwrapped()
            }
            (false, 0) => self.call(&resolver, &data)?,
            // A resolver of another name says nothing of this one.
            (false, _) => return Ok(Said::Nothing),
        };
        match came {
            Came::Reverted(why) if why.starts_with(&OFFCHAIN_LOOKUP) => Ok(Said::OffChain),
            Came::Reverted(_) | Came::Long => Ok(Said::Nothing),
            Came::Good(returned) => self.read(&returned, question),
        }
    }

    fn read(&self, returned: &[u8], question: &Question) -> Result<Said, CallError> {
        match question {
            Question::Account => match address(returned) {
                Some(address) => Ok(Said::Account(self.account(address)?)),
                None => Ok(Said::Nothing),
            },
            Question::Text(_) => {
                let text = abi::read_bytes(returned, 0).filter(|text| text.len() <= ENS_TEXT_BYTES_MAX);
                let text =
                    text.and_then(|text| std::str::from_utf8(text).ok()).filter(|text| !text.is_empty());
                Ok(text.map_or(Said::Nothing, |text| Said::Text(text.to_owned())))
            }
        }
    }

    /// The account at an address: a contract's where there is code, unless that is on loan to a key.
    fn account(&self, address: [u8; 20]) -> Result<Account, CallError> {
        const METHOD: &str = "eth_getCode";
        let params = json!([hex(&address), at(&self.block.hash)]);
        let answer = self.upstream.call(METHOD, &params, self.until)?;
        let code = answer.as_str().and_then(bytes).ok_or(CallError::Nonsense(METHOD))?;
        let is_key = code.is_empty() || code.starts_with(&ON_LOAN);
        Ok(if is_key {
            Account::Eoa(address)
        } else {
            Account::Contract { chain: self.block.chain, address }
        })
    }

    /// Whether a resolver answers for whole branches (ERC-165).
    fn is_extended(&self, resolver: &[u8; 20]) -> Result<bool, CallError> {
        let mut interface = [0; 32];
        interface[..4].copy_from_slice(&EXTENDED);
        let call = abi::call(abi::selector("supportsInterface(bytes4)"), &[Argument::Word(interface)]);
        let says = self.call(resolver, &call)?.good();
        Ok(says.is_some_and(|word| abi::read_number(&word, 0) == Some(1)))
    }

    fn call(&self, to: &[u8; 20], data: &[u8]) -> Result<Came, CallError> {
        let returned = run(self.upstream, &call::program(to, data), &self.block.hash, self.until)?;
        Came::read(&returned).ok_or(CallError::Nonsense(RUN))
    }
}

impl Came {
    fn good(self) -> Option<Vec<u8>> {
        match self {
            Self::Good(returned) => Some(returned),
            Self::Reverted(_) | Self::Long => None,
        }
    }

    /// What is inside of the `bytes` that a resolver of a branch returns.
    fn unwrapped(self) -> Self {
        match self {
            Self::Good(returned) => {
                Self::Good(abi::read_bytes(&returned, 0).map(<[u8]>::to_vec).unwrap_or_default())
            }
            other => other,
        }
    }
}

/// The address that was returned; none where it is zero, which stands for nobody.
fn address(returned: &[u8]) -> Option<[u8; 20]> {
    abi::read_address(returned, 0).filter(|address| *address != [0; 20])
}

const fn hex_literal(digits: &[u8; 40]) -> [u8; 20] {
    let mut bytes = [0; 20];
    let mut at = 0;
    while at < 20 {
        bytes[at] = digit(digits[2 * at]) << 4 | digit(digits[2 * at + 1]);
        at += 1;
    }
    bytes
}

const fn digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}
