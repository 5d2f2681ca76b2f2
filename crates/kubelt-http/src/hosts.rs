//! Which host a request was sent to, and what is served there.
//!
//! A gateway host (`HOST`) serves content at origins of its own: `{cid}.ipfs.HOST` and `{name}.ipns.HOST`
//! (Subdomain Gateway Specification). A host with a DNSLink is an origin of its own, too (DNSLink Gateway
//! Specification). On such origins there is published content and nothing else. Everywhere else is the node
//! itself: API, paths of cores, and the path gateway.

mod label;

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header, uri::Authority};
use kubelt_api::Code;

pub(crate) use self::label::{LabelError, ipfs_label, ipns_label, read_ipfs_label, read_ipns_label};
use crate::{forwarded::Arrival, problem::ApiError};

/// What is served under which host.
#[derive(Debug, Clone)]
pub struct GatewayHosts {
    /// Hosts below which content has origins of its own: names, with a port where only that port is meant.
    pub subdomains: Vec<String>,
    /// Whether any other host name is looked up in the DNS for a DNSLink of its own. Names of the static map are
    /// served either way.
    pub dnslink_by_dns: bool,
}

impl Default for GatewayHosts {
    fn default() -> Self {
        Self { subdomains: vec!["localhost".to_owned()], dnslink_by_dns: false }
    }
}

/// Where a request was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Site {
    /// A gateway host itself: the node, but content goes to its own origin.
    Gateway(Origin),
    /// `{label}.ipfs.HOST` or `{label}.ipns.HOST`.
    Subdomain {
        /// Which of the two.
        space: Space,
        /// The label, as it was written; of a name with dots all of them.
        label: String,
        /// The gateway.
        gateway: Origin,
    },
    /// Another host: a name that may have a DNSLink, in lower case and without its port, and the host as it was
    /// written.
    Other {
        /// The name.
        name: String,
        /// The host with its port.
        host: String,
    },
    /// An address, or no usable host at all.
    Node,
}

/// Scheme and host of a gateway, as clients reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whether clients use `https`.
    pub(crate) https: bool,
    /// The host, with its port where it has one.
    pub(crate) host: String,
}

/// The two spaces of content paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// `/ipfs/`: by CID.
    Ipfs,
    /// `/ipns/`: by IPNS name or DNSLink.
    Ipns,
}

impl Space {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ipfs => "ipfs",
            Self::Ipns => "ipns",
        }
    }
}

impl Origin {
    /// `scheme://{label}.ipfs.HOST`.
    pub(crate) fn of_content(&self, space: Space, label: &str) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{label}.{}.{}", space.as_str(), self.host)
    }
}

impl GatewayHosts {
    /// Where a request was sent. What a trusted proxy says of the host is not asked under a host of content, nor under
    /// one that `is_bound` to a core.
    ///
    /// # Errors
    /// [`Code::BadRequest`] when `Host` is there and no host.
    pub(crate) fn site(
        &self,
        arrival: &Arrival,
        uri: &Uri,
        headers: &HeaderMap,
        is_bound: impl Fn(&str) -> bool,
    ) -> Result<Site, ApiError> {
        let Some(direct) = direct_host(uri, headers)? else { return Ok(Site::Node) };
        let https = arrival.https.unwrap_or(uri.scheme_str() == Some("https"));
        let site = self.site_of(&direct, https);
        // A page on an origin of content can send any header to its own host; it does not get out that way.
        let stays = match &site {
            Site::Other { name, .. } => is_bound(name),
            Site::Node => false,
            Site::Gateway(_) | Site::Subdomain { .. } => true,
        };
        match &arrival.host {
            Some(host) if !stays => Ok(self.site_of(host, https)),
            _ => Ok(site),
        }
    }

    fn site_of(&self, authority: &Authority, https: bool) -> Site {
        let host = authority.as_str().to_ascii_lowercase();
        // Labels keep their case here: base58 has two.
        let written = authority.as_str();
        for gateway in &self.subdomains {
            let Some(tail_len) = tail_of(&host, &gateway.to_ascii_lowercase()) else { continue };
            let origin = |from: usize| Origin { https, host: host[from..].to_owned() };
            let from = host.len() - tail_len;
            if from == 0 {
                return Site::Gateway(origin(0));
            }
            let below = &written[..from - 1];
            for space in [Space::Ipfs, Space::Ipns] {
                let Some((label, last)) = below.rsplit_once('.') else { continue };
                if last.eq_ignore_ascii_case(space.as_str()) && !label.is_empty() {
                    return Site::Subdomain { space, label: label.to_owned(), gateway: origin(from) };
                }
            }
        }
        let name = authority.host().to_ascii_lowercase();
        let is_name = name.contains('.') && name.parse::<IpAddr>().is_err() && !name.starts_with('[');
        if is_name {
            // A name of the DNS may end in one dot.
            let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
            Site::Other { name, host }
        } else {
            Site::Node
        }
    }
}

/// The length of the part of `host` that is `gateway`, with its port: the whole host, or what follows a dot.
fn tail_of(host: &str, gateway: &str) -> Option<usize> {
    let port = if gateway.contains(':') { "" } else { host.rfind(':').map_or("", |at| &host[at..]) };
    let rest = host.strip_suffix(port)?.strip_suffix(gateway)?;
    (rest.is_empty() || rest.ends_with('.')).then_some(gateway.len() + port.len())
}

/// The host of the request line, which a proxy's client writes there, or else of `Host`.
pub(crate) fn direct_host(uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, ApiError> {
    if let Some(authority) = uri.authority() {
        return if is_plain(authority) { Ok(Some(authority.clone())) } else { Err(bad_host("Host")) };
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    let authority = host.to_str().ok().and_then(|host| host.parse().ok()).filter(is_plain);
    match (authority, hosts.next()) {
        (Some(authority), None) => Ok(Some(authority)),
        _ => Err(bad_host("Host")),
    }
}

fn is_plain(authority: &Authority) -> bool {
    !authority.as_str().contains('@') && !authority.host().is_empty()
}

fn bad_host(header: &str) -> ApiError {
    ApiError::new(Code::BadRequest, format!("the request names no valid `{header}`"))
}

#[cfg(test)]
mod tests;
