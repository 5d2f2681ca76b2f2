//! Telling the DHT what this node has.
//!
//! `plan.rs` decides which keys are due and how many peers hear of them by one walk, `worker.rs` carries it out, and
//! `push.rs` brings the announcements to the peers.

pub(crate) mod message;
mod plan;
pub(crate) mod push;
mod worker;

pub use worker::provider;
