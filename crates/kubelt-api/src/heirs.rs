//! Heirs of private cores.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Somebody to whom a private core is to open after a wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeirView {
    /// The core's id.
    pub core: String,
    /// Whose core it is.
    pub of: String,
    /// The heir.
    pub account: String,
    /// The grant: the id of the operation by which the heir was named.
    pub grant: String,
    /// When it was named (RFC 3339).
    pub since: String,
    /// How long it must wait, in seconds.
    pub wait_s: u64,
    /// Since when it claims the core, by its own word (RFC 3339); absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<String>,
    /// When it can end the wait, unless it is refused before (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// Whether it has ended the wait: the core is open to it.
    pub open: bool,
}

/// Heirs of a core, or cores that one is heir to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeirList {
    /// The oldest first.
    pub heirs: Vec<HeirView>,
}
