//! Receipts: whether strangers can fetch what is published.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Visibility;

/// What stands at a path, who may read it, and what came of trying each way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// What was tried.
    #[serde(flatten)]
    pub of: ReceiptOf,
    /// Whether a stranger can fetch it now, on any way.
    pub reachable: bool,
    /// Each way. Of what is not public none is tried, so that nobody outside hears of it.
    pub ways: Vec<WayView>,
}

impl Receipt {
    /// The receipt of these ways, in the order of their names.
    pub fn new(of: ReceiptOf, mut ways: Vec<WayView>) -> Self {
        ways.sort_by(|a, b| (&a.way, &a.at).cmp(&(&b.way, &b.at)));
        Self { of, reachable: ways.iter().any(|way| way.open), ways }
    }
}

/// What a receipt is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptOf {
    /// The core.
    pub core: String,
    /// The path.
    pub path: String,
    /// What it leads to.
    pub cid: String,
    /// Who may read it.
    pub visibility: Visibility,
    /// The same in words.
    pub readers: String,
}

/// What came of trying one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WayView {
    /// `http-path`, `http-cid`, `peer`, `host`, `dht`, `ipns` or `pinning`.
    pub way: String,
    /// Where it leads: a URL, a node, a name or a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Whether a stranger gets the content on it.
    pub open: bool,
    /// From where: `everywhere`, `network` (the same one) or `machine` (this very one).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// At which step it fails: `exposure`, `denylist`, `setup`, `address`, `connection`, `answer`, `copy`,
    /// `announcement` or `trial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What was seen.
    pub detail: String,
    /// What opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
