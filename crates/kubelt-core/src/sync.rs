//! How two replicas of a core become equal, as a state machine that sends no byte itself.
//!
//! ```text
//! initiator                                      responder
//! HELLO {core, heads, count, wants}       ->
//!                                         <-     HELLO {…, knows}       or DONE when equal, or NOT FOUND
//!                                         <-     windows and SENT at once where it knows the heads and nothing is wanted
//! RECON … <-> RECON …                            only where neither side knows the other's heads
//! WANT {ops, bodies} …                    ->
//! (HEADERS BODIES … BODIES)* SENT         ->     windows; NEXT asks for one more
//!                                         <-     (HEADERS BODIES … BODIES)* SENT
//! DONE {heads}                            ->
//!                                         <-     DONE {heads}
//! ```
//!
//! Each side knows at once what the other lacks when it knows all of the other's heads; otherwise range-based set
//! reconciliation (negentropy, NIP-77's protocol version 1) over (`at`, id) finds it. Operations travel in
//! windows, parents first: headers with the sign-ins they name, then the bodies of authority operations, then
//! content. The receiver hands a whole window to its caller, who checks and keeps it before the next step.
//!
//! What a peer may get is decided before the first step ([`Allowed`]); a core that it may know nothing of
//! looks like one that is not here. Headers of a core that is open to a peer are all sent, so that the peer
//! can check what it gets; a body that it may not read is left out.

mod machine;
mod message;
mod window;

pub use machine::{Output, Step, Sync, SyncError};
pub use message::Message;
pub use window::Received;

use crate::{
    id::{LoginId, OpId},
    log::Log,
};

/// What the steps read of a replica. A block that cannot be read is `None`: its operation is not sent.
pub trait Holdings {
    /// The log.
    fn log(&self) -> &Log;
    /// The canonical bytes of a signed operation.
    fn signed(&self, op: &OpId) -> Option<Vec<u8>>;
    /// The canonical bytes of a login.
    fn login(&self, login: &LoginId) -> Option<Vec<u8>>;
    /// The canonical bytes of an operation's body.
    fn body(&self, op: &OpId) -> Option<Vec<u8>>;
    /// The operations that are here without their body, of which a peer may have it.
    fn lacking(&self) -> Vec<OpId>;
    /// Whether anybody may have the body of an operation that puts, now.
    fn is_public(&self, op: &OpId) -> bool;
}

/// What a peer may get of a core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allowed {
    /// Everything: a host that the core named, or a login that may replicate.
    Full,
    /// Headers, authority, and the bodies that [`Holdings::is_public`] lets out.
    PublicOnly,
    /// Not even that there is such a core.
    Nothing,
}
