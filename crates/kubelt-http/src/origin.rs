//! The serving origin: the host that a request was sent to, and whether it is one of ours.
//!
//! A sign-in message names the serving origin as its domain (EIP-4361). A request may claim any host, so a
//! sign-in is only taken under the hosts that the node was told to serve, and under loopback names; this
//! also stops other people's pages from reaching a local node by DNS rebinding.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header, uri::Authority};
use kubelt_api::Code;

use crate::problem::ApiError;

/// The hosts under which people may sign in.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// Host names or addresses, with the port where it is not the scheme's own: `kubelt.example`,
    /// `kubelt.example:8443`. Loopback hosts need not be named.
    pub public: Vec<String>,
}

impl Hosts {
    /// The authority that the request was sent to, when it is one of ours.
    pub(crate) fn serving(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, ApiError> {
        let authority = authority(uri, headers)
            .ok_or_else(|| ApiError::new(Code::BadRequest, "the request names no valid `Host`"))?;
        let host = authority.as_str().to_ascii_lowercase();
        if self.public.iter().any(|public| public.eq_ignore_ascii_case(&host)) || is_loopback(&authority) {
            return Ok(host);
        }
        Err(ApiError::new(
            Code::Forbidden,
            "this node does not serve sign-ins under that host; its operator can add it with `--public-host`",
        ))
    }
}

fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let authority = match uri.authority() {
        Some(authority) => authority.clone(),
        None => headers.get(header::HOST)?.to_str().ok()?.parse().ok()?,
    };
    let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    plain.then_some(authority)
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::Hosts;
    use axum::http::{HeaderMap, HeaderValue, Uri, header};

    fn serving(hosts: &Hosts, host: &'static str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        hosts.serving(&Uri::from_static("/-/session"), &headers).ok()
    }

    #[test]
    fn only_our_own_hosts_serve_sign_ins() {
        let hosts = Hosts { public: vec!["kubelt.example".to_owned()] };
        assert_eq!(serving(&hosts, "127.0.0.1:4747").as_deref(), Some("127.0.0.1:4747"));
        assert_eq!(serving(&hosts, "localhost:1").as_deref(), Some("localhost:1"));
        assert_eq!(serving(&hosts, "[::1]:4747").as_deref(), Some("[::1]:4747"));
        assert_eq!(serving(&hosts, "Kubelt.Example").as_deref(), Some("kubelt.example"));
        for host in
            ["evil.example", "kubelt.example:81", "kubelt.example@evil.example", "localhost.evil.example", ""]
        {
            assert_eq!(serving(&hosts, host), None, "{host}");
        }
    }
}
