//! Collection: what becomes of content that no path names any more.
//!
//! *What is kept.* A path of a core keeps the roots of its newest puts that count, as many as the core's
//! `config/versions` says (one, unless told otherwise: the content that is there; a cleared path keeps nothing). The
//! rows are written in the transaction that changes the path, and a root that the path lets go is put into a queue in
//! the same transaction. So nothing is ever looked for by reading all there is.
//!
//! *What goes.* The worker takes roots out of the queue. One that no path of its core keeps loses its mark of
//! being whole, under the core's own writer, so that no path can be opened by it meanwhile. Then its blocks go from the
//! leaves up: each loses the row that says that the root reaches it, and where no other root of the core reaches
//! it the core loses it, and where no other core has it the bytes are forgotten. Every such transaction says upon
//! what it rests, and the committer refuses it if a writer was faster. A kill leaves the queue's row, and the walk
//! begins again with what is left.
//!
//! *What is on its way.* Possessions carry a stamp, renewed whenever a block is brought or asked for. A root's death
//! takes only blocks that were not stamped since the root was linked: whoever has asked since counts on them.
//! Uploads that run hold a lease on all that was stamped since they began. What is never linked goes when its stamp
//! is older than [`GRACE_MS`](crate::limits::GRACE_MS); a sweep of the core's possessions finds it. A root that was
//! linked and not named yet has a lease of the same length.
//!
//! *What is being read.* An export reads what was whole when it came to it. A root that dies while exports run that
//! began before waits for them, all of it, for an hour at most; exports that begin later do not find it whole, and
//! hold nothing of it. So nobody keeps anything by reading slowly, or again and again.

mod keeps;
mod leaks;
mod leases;
mod queue;
mod worker;

pub(crate) use keeps::{Keep, VERSIONS, is_kept, keep_of, keepers, set_kept};
pub use leaks::{Leaks, SweepError};
pub(crate) use leases::{Lease, Leases, Stamps, end_lease, is_leased, lease};
pub(crate) use queue::{Job, enqueue};
pub(crate) use worker::Collector;

#[cfg(test)]
mod tests;
