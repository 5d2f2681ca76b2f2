//! Places at home: each behind a router of its own, which translates addresses as those of households do (the kernel's
//! masquerading, set up by `nft`).

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{Cable, Network, ip, street};

/// The port at which nodes at home listen for peers.
pub(super) const PORT: u16 = 4_748;

/// How a router translates, and what it lets in that nobody at home has asked for: nothing, if it does not forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Router {
    /// A port stays what it is outside, whoever is spoken to.
    Plain,
    /// Each peer sees another port, of which it is of no use to tell others (a "symmetric" NAT).
    Symmetric,
    /// Like a plain one, and what comes for the port of the node at home is passed on to it.
    Forwarding,
}

/// The place of the node in a home.
pub(super) const fn home(n: usize) -> usize {
    2 * n + 1
}

impl Network {
    /// One place in the street, the first, and a home behind each of these routers: their places are in order the router,
    /// then the node behind it ([`home`], counted from one).
    pub(super) fn with_homes(purpose: &str, routers: &[Router]) -> Result<Self, String> {
        let mut cables = vec![street(1)];
        for n in 1..=routers.len() {
            let inside = |place, name, host: u8| Cable {
                place,
                name,
                address: format!("192.168.{n}.{host}/24"),
                side: n,
            };
            cables.extend([street(2 * n), inside(2 * n, "cable1", 1), inside(home(n), "cable0", 2)]);
        }
        let network = Self::new(purpose, &cables)?;
        for (n, router) in (1..).zip(routers) {
            ip(&format!("-n {} route add default via 192.168.{n}.1", network.place(home(n))))?;
            routes(&network.place(2 * n), &rules(n, *router))?;
        }
        Ok(network)
    }
}

/// What a router does, as `nft` reads it. What comes from outside and was not asked for is dropped, as routers do: an answer
/// would tell the other side that nobody is there, and spoil the meeting.
fn rules(n: usize, router: Router) -> String {
    let masquerade = if router == Router::Symmetric { "masquerade fully-random" } else { "masquerade" };
    let mut rules = format!(
        "add table ip home
         add chain ip home out {{ type nat hook postrouting priority 100; }}
         add rule ip home out oifname cable0 {masquerade}
         add chain ip home own {{ type filter hook input priority 0; policy drop; }}
         add chain ip home through {{ type filter hook forward priority 0; policy drop; }}
         add rule ip home through iifname cable1 accept
         add rule ip home through ct state established,related accept
"
    );
    if router == Router::Forwarding {
        rules.push_str(&format!(
            "add chain ip home in {{ type nat hook prerouting priority -100; }}
             add rule ip home in iifname cable0 udp dport {PORT} dnat to 192.168.{n}.2
             add rule ip home through ct status dnat accept
"
        ));
    }
    rules
}

/// Makes a place a router with these rules.
fn routes(place: &str, rules: &str) -> Result<(), String> {
    ip(&format!("netns exec {place} sysctl -qw net.ipv4.ip_forward=1"))?;
    let mut nft = Command::new("ip")
        .args(["netns", "exec", place, "nft", "-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`ip` cannot be run ({error})"))?;
    let said = nft.stdin.take().map(|mut stdin| stdin.write_all(rules.as_bytes()));
    let output = nft.wait_with_output().map_err(|error| format!("`nft` cannot be run ({error})"))?;
    let is_good = output.status.success() && matches!(said, Some(Ok(())));
    if is_good { Ok(()) } else { Err(format!("`nft`: {}", String::from_utf8_lossy(&output.stderr).trim())) }
}
