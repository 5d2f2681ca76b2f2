//! Bitswap 1.2: blocks between peers.
//!
//! `engine.rs` is the protocol without I/O: what is asked of whom (`client.rs`), and who is served when (`server.rs`).
//! `handler.rs` is one connection: its streams, and messages as bytes. `behaviour.rs` joins them. Whoever wants blocks
//! opens a [`BlockSession`].
//!
//! Bitswap 1.1 is spoken with whoever knows no newer one; 1.0 is understood, but not offered.

mod behaviour;
mod client;
mod engine;
mod frames;
mod handler;
mod limits;
mod server;
mod session;

pub(crate) use behaviour::{Behaviour, Misbehaved};
pub use engine::{BitswapCounts, Ledger};
pub(crate) use session::Handle;
pub use session::{BlockSession, FetchError, SessionEvent};

#[cfg(test)]
mod tests;
