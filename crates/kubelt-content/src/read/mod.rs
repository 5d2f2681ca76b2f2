//! Reading UnixFS and walking DAGs over any source of blocks.
//!
//! Nothing here trusts what blocks say of each other: sizes, names, depths and shapes are checked, and
//! the work is bounded by what was asked for.

mod file;
#[cfg(test)]
mod handmade;
mod listing;
mod resolve;
mod scope;
mod source;
mod walk;
mod way;

pub use file::{FileReader, RangeOutside};
pub use listing::{Entry, Listing};
pub use resolve::{Node, NodeKind, resolve, stat};
pub use scope::{EntityBytes, Scope, ScopedBlocks};
pub use source::{Blocks, MissingBlock, ReadError, load};
pub use walk::{Visit, Walk, WalkError, WalkLimits};
pub use way::{Way, follow};
