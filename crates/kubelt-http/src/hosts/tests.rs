use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::{GatewayHosts, Origin, Site, Space};
use crate::forwarded::TrustedProxies;

fn hosts() -> GatewayHosts {
    GatewayHosts {
        subdomains: vec!["example.com".to_owned(), "localhost".to_owned(), "dweb.example:8443".to_owned()],
        ..GatewayHosts::default()
    }
}

fn site(hosts: &GatewayHosts, peer: [u8; 4], headers: &[(&'static str, &'static str)]) -> Option<Site> {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect::<HeaderMap>();
    let arrival = TrustedProxies::default().arrival(IpAddr::from(peer), &headers).ok()?;
    hosts.site(&arrival, &Uri::from_static("/"), &headers, |name| name == "bound.example").ok()
}

fn origin(host: &str, https: bool) -> Origin {
    Origin { https, host: host.to_owned() }
}

fn other(name: &str, host: &str) -> Site {
    Site::Other { name: name.to_owned(), host: host.to_owned() }
}

#[test]
fn hosts_are_told_apart() {
    let check = |host: &'static str, expected: Option<Site>| {
        assert_eq!(site(&hosts(), [127, 0, 0, 1], &[("host", host)]), expected, "{host}");
    };
    let below = |space, label: &str, host: &str| {
        Some(Site::Subdomain { space, label: label.to_owned(), gateway: origin(host, false) })
    };
    check("example.com", Some(Site::Gateway(origin("example.com", false))));
    check("Example.COM:8080", Some(Site::Gateway(origin("example.com:8080", false))));
    check("localhost:4747", Some(Site::Gateway(origin("localhost:4747", false))));
    check("bafy.ipfs.localhost:4747", below(Space::Ipfs, "bafy", "localhost:4747"));
    check("QmAb.IPFS.example.com", below(Space::Ipfs, "QmAb", "example.com"));
    check("a.b.ipns.example.com", below(Space::Ipns, "a.b", "example.com"));
    check("dweb.example:8443", Some(Site::Gateway(origin("dweb.example:8443", false))));
    check("dweb.example:1", Some(other("dweb.example", "dweb.example:1")));
    check("x.ipfs.dweb.example:8443", below(Space::Ipfs, "x", "dweb.example:8443"));
    check("notexample.com", Some(other("notexample.com", "notexample.com")));
    check("www.example.com", Some(other("www.example.com", "www.example.com")));
    check("ipfs.example.com", Some(other("ipfs.example.com", "ipfs.example.com")));
    check("127.0.0.1:4747", Some(Site::Node));
    check("[::1]:4747", Some(Site::Node));
    check("somewhere", Some(Site::Node));
    for bad in ["", "a@example.com", "exam ple.com", "example.com/x"] {
        check(bad, None);
    }
    let twice = [("host", "example.com"), ("host", "other.example")];
    assert_eq!(site(&hosts(), [127, 0, 0, 1], &twice), None);
    assert_eq!(site(&hosts(), [127, 0, 0, 1], &[]), Some(Site::Node));
}

#[test]
fn only_a_trusted_proxy_names_another_host() {
    let sent =
        [("host", "fake.example.net"), ("x-forwarded-host", "example.com"), ("x-forwarded-proto", "https")];
    let fake = Some(other("fake.example.net", "fake.example.net"));
    let real = Some(Site::Gateway(origin("example.com", true)));
    assert_eq!(site(&hosts(), [127, 0, 0, 1], &sent), real);
    assert_eq!(site(&hosts(), [192, 0, 2, 1], &sent), fake);
}

#[test]
fn content_does_not_get_out_of_its_origin_by_a_header() {
    let sent = [("host", "bafy.ipfs.localhost"), ("x-forwarded-host", "localhost")];
    let site = site(&hosts(), [127, 0, 0, 1], &sent);
    assert!(matches!(site, Some(Site::Subdomain { .. })), "{site:?}");
    // Nor does a page on a host of a core.
    let sent = [("host", "bound.example"), ("x-forwarded-host", "localhost")];
    assert_eq!(self::site(&hosts(), [127, 0, 0, 1], &sent), Some(other("bound.example", "bound.example")));
}
