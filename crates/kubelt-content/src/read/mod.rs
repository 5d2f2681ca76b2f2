//! Reading UnixFS and walking DAGs over any source of blocks.
//!
//! Nothing here trusts what blocks say of each other: sizes, names, depths and shapes are checked, and
//! the work is bounded by what was asked for.

mod file;
#[cfg(test)]
mod handmade;
mod listing;
mod resolve;
mod source;
mod walk;

pub use file::{FileReader, RangeOutside};
pub use listing::{Entry, Listing};
pub use resolve::{Node, NodeKind, resolve, stat};
pub use source::{Blocks, MissingBlock, ReadError};
pub use walk::{Visit, Walk, WalkError, WalkLimits};
