//! Trustless gateways that nobody here configured: hosts and providers that say that they answer HTTP.

use super::progress::FetchWay;
use crate::limits::{FETCH_DOOR_FAILURES_MAX, FETCH_DOORS_MAX};

/// The doors of one search.
#[derive(Debug, Default)]
pub(super) struct Doors(Vec<Door>);

#[derive(Debug)]
struct Door {
    url: String,
    way: FetchWay,
    failures: u32,
}

impl Doors {
    /// Knows one more, where there is room; gives whether it is new.
    pub(super) fn add(&mut self, url: String, way: FetchWay) -> bool {
        let is_new = self.0.len() < FETCH_DOORS_MAX && !self.0.iter().any(|door| door.url == url);
        if is_new {
            self.0.push(Door { url, way, failures: 0 });
        }
        is_new
    }

    /// The first that is of use and is none of `tried`, a bit for each.
    pub(super) fn best(&self, tried: u8) -> Option<usize> {
        let is_good = |n: &usize| self.0[*n].failures < FETCH_DOOR_FAILURES_MAX && tried & (1 << n) == 0;
        (0..self.0.len()).find(is_good)
    }

    pub(super) fn get(&self, n: usize) -> (String, FetchWay) {
        (self.0[n].url.clone(), self.0[n].way)
    }

    /// One was reached, or not; who lies is asked nothing more.
    pub(super) fn note(&mut self, n: usize, failed: bool, lied: bool) {
        let failures = &mut self.0[n].failures;
        *failures = match (failed, lied) {
            (_, true) => FETCH_DOOR_FAILURES_MAX,
            (true, _) => *failures + 1,
            _ if *failures < FETCH_DOOR_FAILURES_MAX => 0,
            _ => *failures,
        };
    }
}

/// The URL of an address over HTTP: of `/dns4/node.example/tcp/443/tls/http`, `https://node.example:443`.
pub(super) fn url_of(address: &str) -> Option<String> {
    let address = address.split("/p2p/").next()?;
    let mut parts = address.strip_prefix('/')?.split('/');
    let (kind, host) = (parts.next()?, parts.next()?);
    let is_sound =
        |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    let host = match kind {
        "ip4" => host.parse::<std::net::Ipv4Addr>().ok()?.to_string(),
        "ip6" => format!("[{}]", host.parse::<std::net::Ipv6Addr>().ok()?),
        "dns" | "dns4" | "dns6" if is_sound(host) => host.to_owned(),
        _ => return None,
    };
    let port: u16 = (parts.next()? == "tcp").then(|| parts.next()?.parse().ok()).flatten()?;
    let rest: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let scheme = match *rest {
        ["tls", "http"] | ["https"] => "https",
        ["http"] => "http",
        _ => return None,
    };
    Some(format!("{scheme}://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::{Doors, url_of};
    use crate::{
        fetch::FetchWay,
        limits::{FETCH_DOOR_FAILURES_MAX, FETCH_DOORS_MAX},
    };

    #[test]
    fn addresses_over_http_have_urls() {
        for (address, expected) in [
            ("/dns4/node.example/tcp/443/tls/http", "https://node.example:443"),
            ("/dns/node.example/tcp/8443/https/p2p/12D3Koo", "https://node.example:8443"),
            ("/ip4/192.0.2.1/tcp/80/http", "http://192.0.2.1:80"),
            ("/ip6/2001:db8::1/tcp/443/tls/http/", "https://[2001:db8::1]:443"),
        ] {
            assert_eq!(url_of(address).as_deref(), Some(expected), "{address}");
        }
        for none in [
            "",
            "/",
            "http://a",
            "/dns4/node.example/tcp/4749/tls",
            "/ip4/192.0.2.1/tcp/4001",
            "/ip4/192.0.2.1/udp/4001/quic-v1",
            "/ip4/192.0.2.1/tcp/4001/tls/ws",
            "/ip4/192.0.2.999/tcp/443/tls/http",
            "/dns4/user@node.example/tcp/443/tls/http",
            "/dns4/node.example:1/tcp/443/tls/http",
            "/dns4//tcp/443/tls/http",
            "/dns4/node.example/tcp/70000/tls/http",
            "/dns4/node.example/tcp/443/tls/http/http-path/x",
        ] {
            assert_eq!(url_of(none), None, "{none}");
        }
    }

    #[test]
    fn few_doors_are_known_and_bad_ones_are_left() {
        let mut doors = Doors::default();
        let added =
            (0..2 * FETCH_DOORS_MAX).filter(|n| doors.add(format!("https://{n}.example"), FetchWay::Http));
        assert_eq!(added.count(), FETCH_DOORS_MAX);
        assert!(!doors.add("https://0.example".to_owned(), FetchWay::Http));
        assert_eq!((doors.best(0), doors.best(0b11)), (Some(0), Some(2)));
        doors.note(0, false, true);
        doors.note(0, false, false);
        assert_eq!(doors.best(0), Some(1), "one honest answer does not make up for a lie");
        for _ in 1..FETCH_DOOR_FAILURES_MAX {
            doors.note(1, true, false);
        }
        doors.note(1, false, false);
        doors.note(1, true, false);
        assert_eq!(doors.best(0), Some(1));
        assert_eq!(doors.best(u8::MAX), None);
    }
}
