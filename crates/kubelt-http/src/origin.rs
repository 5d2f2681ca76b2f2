//! The serving origin: the host that a request was sent to, and whether it is one of ours.
//!
//! A sign-in message names the serving origin as its domain (EIP-4361). A request may claim any host, so a
//! sign-in is only taken under the hosts that the node was told to serve, and under loopback names; this
//! also stops other people's pages from reaching a local node by DNS rebinding.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, Uri, header, uri::Authority};
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
    /// Whether the request comes from this machine, under one of its own names, and was not passed on.
    fn is_local(peer: IpAddr, uri: &Uri, headers: &HeaderMap) -> bool {
        let passed_on = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
        peer.to_canonical().is_loopback()
            && authority(uri, headers).is_some_and(|authority| is_loopback(&authority))
            && passed_on.iter().all(|name| !headers.contains_key(*name))
    }

    /// Whether the request comes from who runs this machine, and from no other site's page in a browser of theirs.
    pub(crate) fn is_operators(peer: IpAddr, uri: &Uri, headers: &HeaderMap) -> bool {
        Self::is_local(peer, uri, headers) && Self::is_own_page(uri, headers)
    }

    /// Whether the request may come from a page of this very host, or from no page at all.
    pub(crate) fn is_own_page(uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(host) = authority(uri, headers).map(|host| host.as_str().to_ascii_lowercase()) else {
            return false;
        };
        let referers = headers.get_all(header::REFERER).iter();
        check_asker(headers, &host).is_ok() && referers.into_iter().all(|referer| is_below(referer, &host))
    }

    /// The authority that the request was sent to, when it is one of ours and no other site's page asks.
    pub(crate) fn serving(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, ApiError> {
        let authority = authority(uri, headers)
            .ok_or_else(|| ApiError::new(Code::BadRequest, "the request names no valid `Host`"))?;
        let host = authority.as_str().to_ascii_lowercase();
        check_asker(headers, &host)?;
        if self.public.iter().any(|public| public.eq_ignore_ascii_case(&host)) || is_loopback(&authority) {
            return Ok(host);
        }
        Err(ApiError::new(
            Code::Forbidden,
            "this node does not serve sign-ins under that host; its operator can add it with `--public-host`",
        ))
    }
}

/// A browser names the page that asks. Sign-ins are asked for by pages of this very host alone: another page,
/// or a published one in its sandbox (`null`), must not get a person to sign a message that names this host.
pub(crate) fn check_asker(headers: &HeaderMap, host: &str) -> Result<(), ApiError> {
    let same = |origin: &HeaderValue| {
        let asker = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        asker.is_some_and(|(_scheme, asker)| asker.eq_ignore_ascii_case(host))
    };
    if headers.get_all(header::ORIGIN).iter().all(same) {
        return Ok(());
    }
    Err(ApiError::new(
        Code::Forbidden,
        "pages of another origin do not sign in here; open this node's own page",
    ))
}

fn is_below(referer: &HeaderValue, host: &str) -> bool {
    let page = referer.to_str().ok().and_then(|referer| referer.parse::<Uri>().ok());
    page.is_some_and(|page| page.authority().is_some_and(|page| page.as_str().eq_ignore_ascii_case(host)))
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
    fn only_our_own_pages_sign_in() {
        let asked = |origin: &'static str| {
            let headers = [(header::HOST, "localhost:4747"), (header::ORIGIN, origin)];
            let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
            let uri = Uri::from_static("/-/session");
            Hosts::default().serving(&uri, &HeaderMap::from_iter(headers)).is_ok()
        };
        assert!(asked("http://localhost:4747"));
        for origin in [
            "null",
            "",
            "http://localhost:4748",
            "http://localhost",
            "https://evil.example",
            "localhost:4747",
        ] {
            assert!(!asked(origin), "{origin}");
        }
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
