//! Host names: what leads to a core by the DNS.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The host names that a core binds, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostNameList {
    /// Them.
    pub names: Vec<HostNameView>,
}

/// A host name. A core binds it as `names/<host>` of its map, with an empty map as the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostNameView {
    /// The host, in lower case, with `xn--` for what is not ASCII.
    pub host: String,
    /// Whether the core's map binds it.
    pub bound: bool,
    /// Whether requests to it lead to the core: it is bound, and the DNS names this core.
    pub leads_here: bool,
    /// What the DNS says: `proved`, `unproved` (it names no core), `another` (it names another one), `unanswered` or
    /// `unchecked`.
    pub state: String,
    /// The same in words, and why.
    pub why: String,
    /// By which record it is proved: `txt` or `cname`.
    pub by: Option<String>,
    /// When the DNS was asked last (RFC 3339).
    pub looked: Option<String>,
    /// Records of which any one proves it.
    pub records: Vec<HostRecordView>,
    /// How it stands with its certificate, where the node ends TLS itself.
    pub certificate: Option<CertificateView>,
}

/// How it stands with the certificate of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateView {
    /// `given` (the operator's), `held` (issued), `wanted` (asked for) or `none`.
    pub state: String,
    /// When it ends (RFC 3339).
    pub until: Option<String>,
    /// When the next one is asked for (RFC 3339).
    pub next: Option<String>,
    /// Why there is none, or why it was not renewed when it was tried last.
    pub failure: Option<String>,
}

/// A record of the DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostRecordView {
    /// Where it stands.
    pub name: String,
    /// `TXT` or `CNAME`.
    pub kind: String,
    /// What it says.
    pub value: String,
}
