use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Arrival, TrustedProxies, hops};

const PROXY: &str = "10.1.2.3";
const CLIENT: &str = "203.0.113.9";

fn trusted() -> TrustedProxies {
    TrustedProxies::read(["10.0.0.0/8", "fd00::/8"]).expect("networks")
}

fn arrival(peer: &str, sent: &[(&str, &str)]) -> Option<Arrival> {
    let header = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in sent.iter().map(header) {
        headers.append(name, value);
    }
    trusted().arrival(peer.parse().expect("an address"), &headers).ok()
}

#[track_caller]
fn check(peer: &str, sent: &[(&str, &str)], client: &str, host: Option<&str>, https: Option<bool>) {
    let arrival = arrival(peer, sent).expect("taken");
    let host = host.map(str::to_owned);
    assert_eq!(
        (arrival.client.to_string(), arrival.host.map(|host| host.to_string()), arrival.https),
        (client.to_owned(), host, https),
        "{sent:?}"
    );
}

#[test]
fn nobody_but_a_trusted_proxy_is_believed() {
    let sent =
        [("x-forwarded-for", CLIENT), ("x-forwarded-host", "a.example"), ("x-forwarded-proto", "https")];
    check(PROXY, &sent, CLIENT, Some("a.example"), Some(true));
    check("::ffff:10.1.2.3", &sent, CLIENT, Some("a.example"), Some(true));
    check("fd12::1", &sent, CLIENT, Some("a.example"), Some(true));
    check("192.0.2.1", &sent, "192.0.2.1", None, None);
    check("11.0.0.1", &sent, "11.0.0.1", None, None);
    let sent = [("forwarded", "for=203.0.113.9;host=a.example;proto=https")];
    check(PROXY, &sent, CLIENT, Some("a.example"), Some(true));
    check("192.0.2.1", &sent, "192.0.2.1", None, None);
}

#[test]
fn the_last_address_that_is_no_proxys_is_the_clients() {
    let by_x = |list: &str, client: &str| check(PROXY, &[("x-forwarded-for", list)], client, None, None);
    by_x("198.51.100.7, 203.0.113.9", CLIENT);
    by_x("127.0.0.1, 203.0.113.9, 10.9.9.9", CLIENT);
    by_x("203.0.113.9:4711", CLIENT);
    by_x("2001:db8::1", "2001:db8::1");
    by_x("[2001:db8::1]:80", "2001:db8::1");
    by_x("::ffff:203.0.113.9", CLIENT);
    // Nothing but proxies: the farthest.
    by_x("10.0.0.1, 10.0.0.2", "10.0.0.1");
    // What nobody can read ends the walk; what stands before it was written by who knows whom.
    by_x("203.0.113.9, unknown", PROXY);
    by_x("203.0.113.9, nonsense, 10.9.9.9", "10.9.9.9");
    by_x("", PROXY);
    check(PROXY, &[("x-forwarded-for", "198.51.100.7"), ("x-forwarded-for", CLIENT)], CLIENT, None, None);
    let by_forwarded = |list: &str, client: &str| {
        let arrival = arrival(PROXY, &[("forwarded", list)]).expect("taken");
        assert_eq!(arrival.client.to_string(), client, "{list}");
    };
    by_forwarded("for=198.51.100.7, For=203.0.113.9;by=10.1.2.3", CLIENT);
    by_forwarded("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
    by_forwarded("for=203.0.113.9, for=_hidden", PROXY);
    by_forwarded("for=203.0.113.9, for=unknown, for=10.9.9.9", "10.9.9.9");
    by_forwarded("for=\"203.0.113.9", PROXY);
    by_forwarded("for=1.2.3.4;host=a;host=b, for=203.0.113.9", PROXY);
}

#[test]
fn host_and_scheme_are_those_of_the_hop_that_saw_the_client() {
    check(
        PROXY,
        &[(
            "forwarded",
            "for=198.51.100.7;host=evil.example, for=203.0.113.9;host=a.example;proto=https, for=10.9.9.9;host=inside;proto=http",
        )],
        CLIENT,
        Some("a.example"),
        Some(true),
    );
    let list = ("x-forwarded-for", "203.0.113.9, 10.9.9.9");
    check(
        PROXY,
        &[list, ("x-forwarded-host", "a.example, inside"), ("x-forwarded-proto", "https, http")],
        CLIENT,
        Some("a.example"),
        Some(true),
    );
    // Without an order to go by, the word of the nearest proxy.
    check(
        PROXY,
        &[list, ("x-forwarded-host", "evil.example, x, a.example")],
        CLIENT,
        Some("a.example"),
        None,
    );
    check(PROXY, &[("x-forwarded-host", "evil.example, a.example")], PROXY, Some("a.example"), None);
    check(
        PROXY,
        &[("forwarded", "for=unknown;host=a.example;proto=https")],
        PROXY,
        Some("a.example"),
        Some(true),
    );
    for bad in ["a b", "a@b", "", ":80"] {
        let is_taken = arrival(PROXY, &[("forwarded", &format!("for=1.2.3.4;host=\"{bad}\""))]);
        assert_eq!(is_taken, None, "{bad}");
    }
    assert_eq!(arrival(PROXY, &[("x-forwarded-host", "a/b")]), None);
}

#[test]
fn where_both_families_speak_neither_is_believed() {
    let sent = [("forwarded", "for=198.51.100.7;host=evil.example"), ("x-forwarded-for", CLIENT)];
    check(PROXY, &sent, PROXY, None, None);
}

#[test]
fn networks_are_read_and_hold_what_begins_alike() {
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
        ("fd00::/8", "fdff::1", "fe00::"),
        ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
    ] {
        let proxies = TrustedProxies::read([network]).expect("a network");
        let contains = |text: &str| proxies.contain(text.parse().expect("an address"));
        assert!(contains(inside) && !contains(outside), "{network}");
    }
    for bad in
        ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "fd00::/129", "example.com", "10.0.0.0/-1"]
    {
        assert!(TrustedProxies::read([bad]).is_err(), "{bad}");
    }
    assert!(!TrustedProxies::read([]).expect("nobody").contain([127, 0, 0, 1].into()));
    assert!(TrustedProxies::default().contain([127, 9, 0, 1].into()));
}

proptest! {
    #[test]
    fn no_header_makes_a_client_of_an_address_that_nobody_trusted_wrote(prefix in "[ -~]{0,60}", client in any::<[u8; 4]>()) {
        // What the client wrote, and what the proxy added behind it.
        let client = IpAddr::from(client);
        let header = format!("{prefix}, {client}");
        let arrival = arrival(PROXY, &[("x-forwarded-for", &header)]).expect("taken");
        if !trusted().contain(client) {
            prop_assert_eq!(arrival.client, client);
        }
    }

    #[test]
    fn whatever_is_read_of_a_list_was_in_it(text in "[a-z=\";,.\\\\: 0-9]{0,80}") {
        for hop in hops(&text).unwrap_or_default() {
            prop_assert!(hop.host.is_none_or(|host| host.len() <= text.len()));
        }
    }
}
