//! Append-only segments: the source of truth.
//!
//! `<dir>/segments/%016x.seg` holds a header and then records, one after the other. What a transaction
//! stores is a run of block records and one commit record that closes it; without its commit record it
//! did not happen. Nothing in a segment is ever rewritten: the tail that no commit record closes may be
//! cut off, and that is all.

pub(crate) mod disk;
#[cfg(test)]
pub(crate) mod faulty;
pub(crate) mod file;
pub(crate) mod format;
pub(crate) mod log;
mod map;
pub(crate) mod memory;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod writer;
