//! The wallet face of a core: what programs made for wallets ask, by JSON-RPC (EIP-1193, EIP-1474).
//!
//! Reads of a chain are passed on to its upstreams, those alone that are listed here. The node holds no key, so what is
//! to be signed waits for the signers ([`requests`]).

mod asked;
mod calls;
mod links;
mod methods;
mod requests;
mod safe;
mod subscribe;

use std::sync::Arc;

use kubelt_core::{Account, CoreId, Genesis, Verb};
use serde_json::{Value, json};

use self::{calls::Bundles, links::Links, methods::METHODS, requests::Requests};
pub use self::{
    requests::{AnswerError, WalletAnswer, WalletRequest},
    safe::{SafeReady, SafeStanding},
    subscribe::Subscription,
};
use crate::{
    chains::{ChainFault, Chains},
    clock::Clock,
    cores::{Cores, LoadError},
    follow::Followers,
    session::Session,
};

/// The wallet faces of a node's cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct Wallets {
    cores: Cores,
    chains: Chains,
    clock: Arc<dyn Clock>,
    requests: Requests,
    bundles: Bundles,
    links: Links,
    followers: Followers,
}

/// One core's wallet face, as one session sees it.
#[derive(Debug, Clone)]
pub struct WalletFace {
    core: CoreId,
    accounts: Vec<Account>,
    /// The chain that is meant where a call names none.
    chain: Option<u64>,
}

/// A method that the face has.
#[derive(Debug, Clone, Copy)]
pub struct WalletMethod {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub summary: &'static str,
    /// Its parameters, in order.
    pub params: &'static [Param],
    /// What it answers.
    pub result: Shape,
    /// How it is answered.
    pub kind: MethodKind,
}

/// A parameter of a method.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What is written there.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

/// What is written for a parameter or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// An address of an account.
    Address,
    /// Anything; chains differ.
    Any,
    /// A block's number or tag.
    Block,
    /// A block's number, tag or hash.
    BlockRef,
    /// The id of several calls (EIP-5792).
    Bundle,
    /// Bytes.
    Bytes,
    /// Several calls (EIP-5792).
    Calls,
    /// What a wallet can do, by chain (EIP-5792).
    Capabilities,
    /// A chain, as EIP-3326 names it.
    ChainName,
    /// A number, in either spelling.
    Count,
    /// Which events are asked for.
    Filter,
    /// Yes or no.
    Flag,
    /// An object, or null where there is none.
    Found,
    /// A hash.
    Hash,
    /// A list of texts.
    List,
    /// A message, as hex or as text.
    Message,
    /// Null.
    Nothing,
    /// An object.
    Object,
    /// A number.
    Quantity,
    /// Text.
    Text,
    /// A transaction.
    Transaction,
    /// Typed data (EIP-712), as an object or as its JSON.
    TypedData,
    /// What a subscription is to.
    Wanted,
}

/// How a method is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodKind {
    /// Here.
    Own,
    /// By an upstream of the chain.
    Read,
    /// By the signers.
    Sign,
    /// By telling things, where the client can be told.
    Socket,
}

/// An error of JSON-RPC: a number of EIP-1193 or EIP-1474, and words.
#[derive(Debug, Clone, PartialEq)]
pub struct WalletFault {
    /// Its number.
    pub code: i64,
    /// What went wrong, and what to do about it.
    pub message: String,
    /// What a contract said, for instance.
    pub data: Option<Value>,
}

impl WalletFault {
    /// What is asked for makes no sense.
    pub const INVALID_PARAMS: i64 = -32_602;
    /// There is no such method.
    pub const NO_METHOD: i64 = -32_601;
    /// The node has failed.
    pub const INTERNAL: i64 = -32_603;
    /// Too much at once.
    pub const LIMIT: i64 = -32_005;
    /// The signers say no, or nothing.
    pub const REJECTED: i64 = 4_001;
    /// The account is not one of the core's.
    pub const UNAUTHORIZED: i64 = 4_100;
    /// Nobody answers for the chain at the moment.
    pub const DISCONNECTED: i64 = 4_900;
    /// Nobody is asked about that chain.
    pub const UNKNOWN_CHAIN: i64 = 4_902;

    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

impl From<ChainFault> for WalletFault {
    fn from(fault: ChainFault) -> Self {
        match fault {
            ChainFault::Refused { code, message, data } => Self { code, message, data },
            ChainFault::Unanswered => {
                Self::new(Self::DISCONNECTED, "no upstream of the chain answers at the moment; try again")
            }
        }
    }
}

impl Wallets {
    pub(crate) fn new(cores: Cores, chains: Chains, clock: Arc<dyn Clock>) -> Self {
        Self {
            followers: Followers::new(chains.clone()),
            cores,
            chains,
            clock,
            requests: Requests::default(),
            bundles: Bundles::default(),
            links: Links::default(),
        }
    }

    /// The methods that [`Wallets::call`] answers, and those of subscriptions.
    pub const fn methods() -> &'static [WalletMethod] {
        METHODS
    }

    /// The wallet face of a core, for somebody who has a part in it; none for others, and where there is no such core.
    ///
    /// # Errors
    /// Only when the core cannot be read.
    pub async fn face(
        &self,
        session: &Session,
        core: &CoreId,
        chain: Option<u64>,
    ) -> Result<Option<WalletFace>, LoadError> {
        // A token for one part of a core speaks for no wallet.
        let covers = |core| session.covers(core, Verb::Put, None);
        if !covers(&session.core)
            || (session.within.is_some() && !covers(core))
            || !self.cores.has_part(core, session.account()).await?
        {
            return Ok(None);
        }
        let accounts = match self.cores.genesis(core)? {
            Genesis::Private { root } | Genesis::User { root, .. } => vec![root],
            Genesis::Shared { .. } => {
                let linked = self.linked(core).await?;
                if linked.is_empty() {
                    let root = self.cores.with_log(core, |log| log.root().clone()).await?;
                    // Several accounts are no account: what speaks for all of them is a wallet of its own.
                    if root.m() == 1 { root.accounts().to_vec() } else { Vec::new() }
                } else {
                    linked
                }
            }
        };
        let of_contract = accounts.iter().find_map(|account| match account {
            Account::Contract { chain, .. } => Some(*chain),
            _ => None,
        });
        let chain = chain.or(of_contract).or_else(|| self.chains.known().first().copied());
        Ok(Some(WalletFace { core: *core, accounts, chain }))
    }

    /// Answers one call.
    ///
    /// # Errors
    /// [`WalletFault`], as it is told to the client.
    pub async fn call(&self, face: &WalletFace, method: &str, params: &Value) -> Result<Value, WalletFault> {
        let known = METHODS.iter().find(|known| known.name == method);
        let known = known.ok_or_else(|| {
            let method: String = method.chars().take(64).collect();
            WalletFault::new(
                WalletFault::NO_METHOD,
                format!("there is no method `{method}`; see `rpc.discover`"),
            )
        })?;
        match known.kind {
            MethodKind::Read => Ok(self.chains.read(face.chain()?, method, params).await?),
            MethodKind::Sign if method == "kb_linkWallet" => self.link(face, params).await,
            MethodKind::Sign => self.ask_signers(face, method, params).await,
            MethodKind::Own if method == "wallet_sendCalls" => self.send_any_calls(face, params).await,
            MethodKind::Own if method == "wallet_getCapabilities" => self.capabilities(face).await,
            MethodKind::Own if method == "wallet_getCallsStatus" => self.calls_status(face, params).await,
            MethodKind::Own => self.own(face, method, params),
            MethodKind::Socket => {
                let message = "nobody can be told anything over HTTP: open a WebSocket at this address";
                Err(WalletFault::new(WalletFault::NO_METHOD, message))
            }
        }
    }

    fn own(&self, face: &WalletFace, method: &str, params: &Value) -> Result<Value, WalletFault> {
        match method {
            "eth_accounts" | "eth_requestAccounts" => Ok(json!(face.addresses())),
            "eth_chainId" => Ok(json!(format!("{:#x}", face.chain()?))),
            "net_version" => Ok(json!(face.chain()?.to_string())),
            "web3_clientVersion" => Ok(json!(concat!("kubelt/", env!("CARGO_PKG_VERSION")))),
            "wallet_switchEthereumChain" => {
                let wanted = params[0]["chainId"].as_str().and_then(read_quantity).ok_or_else(|| {
                    WalletFault::new(WalletFault::INVALID_PARAMS, "name a chain: `[{\"chainId\": \"0x1\"}]`")
                })?;
                if face.chain == Some(wanted) {
                    return Ok(Value::Null);
                }
                let message = format!("this address is of another chain; go on at `…/-/rpc?chain={wanted}`");
                Err(WalletFault::new(WalletFault::UNKNOWN_CHAIN, message))
            }
            "kb_wallet" => Ok(json!({
                "core": face.core.to_string(),
                "accounts": face.accounts.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "chains": self.chains.known(),
            })),
            _ => Err(WalletFault::new(WalletFault::INTERNAL, "the method is listed and not written")),
        }
    }
}

impl WalletFace {
    /// The addresses of the core's EVM accounts, with their checksums.
    fn addresses(&self) -> Vec<String> {
        self.accounts.iter().filter_map(Account::checksummed).collect()
    }

    /// The account at an address, however that is written.
    fn account(&self, address: &str) -> Option<Account> {
        let is_at = |account: &&Account| {
            account.checksummed().is_some_and(|checksummed| checksummed.eq_ignore_ascii_case(address))
        };
        self.accounts.iter().find(is_at).cloned()
    }

    fn chain(&self) -> Result<u64, WalletFault> {
        let message =
            "this node asks nobody about any chain; its operator names upstreams under `[chains.1]`";
        self.chain.ok_or_else(|| WalletFault::new(WalletFault::UNKNOWN_CHAIN, message))
    }
}

/// A number as JSON-RPC of Ethereum writes it.
fn read_quantity(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests;
