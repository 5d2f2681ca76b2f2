//! The store: everything a node keeps, behind one handle.
//!
//! [`Store`] holds blocks, operations, the state they add up to, who possesses what and which paths show
//! it. All of it is written to append-only *segments*, the one source of truth, in transactions ([`Tx`])
//! that are durable when their [`CommitTicket`] says so; one sync serves all transactions that wait. The
//! *index* (an ordered key-value store) is derived: it can be thrown away and made again from the segments
//! ([`rebuild_index`]), and it is never more than a replay behind them.
//!
//! It is not: the rules. It stores what it is told, and shows it to whoever has the handle; what is valid
//! is `kubelt-core`'s business, what is allowed is `kubelt-node`'s.
//!
//! Start at [`Store`] and [`Tx`]; then `keys.rs` (what is where in the index), `segment/format.rs` (the
//! bytes on disk), `commit.rs` (how a write happens) and `recover.rs` (how a store comes back).
#![warn(missing_docs)]

mod apply;
mod commit;
mod compact;
mod doctor;
mod error;
mod index;
mod keys;
pub mod limits;
mod lock;
mod mutation;
mod options;
mod recover;
mod segment;
mod store;
mod tx;
mod values;

pub use commit::{Mode, ticket::CommitTicket};
pub use compact::CompactError;
pub use doctor::{CheckReport, check, rebuild_index};
pub use error::{CommitError, IndexError, OpenError, QuotaExceeded, ReadError, TxError};
pub use options::{Options, Quota, Usage};
pub use recover::{BadRecord, Progress, Recovery};
pub use store::{LinkCursor, OpRecord, OpsOrder, StateEntry, Stats, Store, Version};
pub use tx::{Collection, Took, Tx};

#[cfg(test)]
mod tests;
