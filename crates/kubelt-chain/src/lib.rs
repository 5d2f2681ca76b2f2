//! What chains say: JSON-RPC upstreams of EVM chains, the contract wallets behind them, and names (ENS).
//!
//! A node asks nobody before its operator names upstreams. What is asked is small: the last final block, and whether
//! a contract accepts a signature there. So this is a client of a few hundred lines of its own over the HTTP client
//! that the workspace has anyway, and encodes its calls by hand, where a library of contracts and transports would be
//! fifty crates.
//!
//! What is trusted: with one upstream, that one. With several, a verdict is what two of them (or as many as `agree`
//! says) answer alike; where they contradict each other the question stays open. No proof of a state is checked.
//!
//! A verdict is given only at a block that the chain will not give up any more, so that every node comes to the same
//! one, whenever it asks. What is reorganised away is never final, and never counts.
//!
//! It is not: the rules of signatures (`kubelt_core::signature`), or where they are applied (`kubelt_node`).
//!
//! What conditions on tokens ask (`calls.rs`) is agreed on in the same way, at whatever block the condition names.
//!
//! Start at [`Upstreams`]; `wallet.rs` puts one question to one upstream, `program.rs` is what runs there. [`Ens`] finds where
//! names lead.
#![warn(missing_docs)]

mod calls;
mod ens;
mod limits;
mod program;
mod upstream;
mod upstreams;
mod wallet;

pub use ens::{Ens, EnsConfig};
pub use upstreams::{ChainConfig, ConfigError, Upstreams};
