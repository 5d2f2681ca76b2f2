//! What is asked of the gateway, once the root is known.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method};
use kubelt_content::Cid;
use kubelt_node::Reader;

/// A request for content below a root that is known: by its CID, or by a name that was resolved.
#[derive(Debug, Clone)]
pub(crate) struct ContentRequest {
    /// How the address names the content.
    pub(crate) named: Named,
    /// Where the path begins.
    pub(crate) root: Cid,
    /// Decoded segments that a name leads to below the root (`/ipns/{name}` may stand for `/ipfs/{cid}/a/b`);
    /// the address does not show them.
    pub(crate) hidden: Vec<String>,
    /// Decoded segments of the address below what names the content.
    pub(crate) segments: Vec<String>,
    /// Whether the address ends with a slash.
    pub(crate) slash: bool,
    /// Who asks.
    pub(crate) reader: Reader,
    /// From where.
    pub(crate) client: IpAddr,
    /// GET or HEAD; all others are refused.
    pub(crate) method: Method,
    /// The headers of the request.
    pub(crate) headers: HeaderMap,
    /// The query as it came, without `?`; empty where there is none.
    pub(crate) query: String,
}

/// How an address names content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// `/ipfs/{cid}` or `/ipns/{name}`, spelled as in the address: what `X-Ipfs-Path` and pages show.
    pub(crate) base: String,
    /// Where in the address that stands.
    pub(crate) place: Place,
    /// How long the root is what the address names.
    pub(crate) lasts: Lasts,
}

/// Where an address names its content, which decides what its links look like.
#[allow(dead_code, reason = "names and host names make the others")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the path: `HOST/ipfs/{cid}/a` or `HOST/ipns/{name}/a`. Its pages share an origin with all others.
    Path,
    /// In the host: `{cid}.ipfs.HOST/a` or `{name}.ipns.HOST/a`.
    Subdomain {
        /// The host (with its port) of the gateway, under which `/ipfs/{cid}` is found.
        gateway: String,
    },
    /// The host itself, by its DNSLink: `HOST/a`.
    DnsLink {
        /// The host, with its port.
        host: String,
    },
}

/// How long a root is what an address names.
#[allow(dead_code, reason = "names and host names make the others")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// For ever: the address holds its CID.
    Forever,
    /// As long as a record says, in seconds; none where it does not say.
    Seconds(Option<u64>),
}

impl ContentRequest {
    /// All segments from the root, the hidden ones first.
    pub(crate) fn path(&self) -> Vec<String> {
        self.hidden.iter().chain(&self.segments).cloned().collect()
    }
}
