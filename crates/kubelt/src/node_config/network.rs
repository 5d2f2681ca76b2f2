//! `[network]`: how a node takes part in the network of peers, and what it fetches.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, bail};
use kubelt_net::{DhtMode, DhtScope, Multiaddr, NetConfig, RootCertificate, is_loopback};
use kubelt_node::{FetchFor, FetchRules, What};
use serde::Deserialize;
use ureq::http::Uri;

use super::first_given;
use crate::gateways::GatewayUrl;

/// `[network]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NetworkFile {
    /// Addresses to listen at.
    listen: Vec<Multiaddr>,
    /// Addresses under which peers reach the node, where that is known.
    announce: Vec<Multiaddr>,
    /// Peers to connect to at the start, with their ids.
    bootstrap: Vec<Multiaddr>,
    /// Well-known peers to connect to besides.
    preset: Preset,
    /// Files (PEM) with certificates of authorities that secure WebSockets of peers may rely on besides the usual ones.
    wss_roots: Vec<PathBuf>,
    /// Whether nodes in the same local network find each other.
    mdns: bool,
    /// Whether the node relays for nodes that nobody reaches.
    relay: bool,
    /// MiB of memory over which no further connections are taken.
    memory_mib_max: Option<u64>,
    /// How the node takes part in the DHT.
    dht: DhtFile,
    /// Which DHT.
    dht_scope: DhtScopeFile,
    /// What the DHT is told that this node has.
    pub(super) provide: ProvideFile,
    /// Delegated routers to ask, too.
    pub(super) routers: Vec<String>,
    /// Trustless gateways that blocks are taken from, by their URLs.
    pub(super) gateways: Vec<String>,
    /// Those that are known to give whole DAGs as CARs, too.
    pub(super) car_gateways: Vec<String>,
    /// For whom content is fetched that is not here.
    fetch: FetchFile,
    /// Seconds that one request may be fetched for.
    fetch_seconds_max: Option<u64>,
    /// MiB that come from others for one request.
    fetch_mib_max: Option<u64>,
    /// MiB of what was fetched for readers that stay in memory.
    fetch_cache_mib: Option<usize>,
    /// Whether this machine and its networks are connected to where others name such an address; unless it says so, they
    /// are where the node itself is only for them.
    allow_local: Option<bool>,
    /// Address to listen on for other nodes that replicate cores.
    pub(super) replicate_listen: Option<SocketAddr>,
    /// Nodes that may bring cores here which name this node as a host, by their ids.
    pub(super) carry_for: Vec<String>,
    /// Where others reach that, where it is not the address itself: `/dns/node.example/tcp/4749/tls`.
    pub(super) replicate_addresses: Vec<Multiaddr>,
}

/// Where a node listens that looks for others in its network and was told no address.
const FOUND_AT: [&str; 2] = ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"];

/// `fetch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FetchFile {
    Nobody,
    /// For who signed in.
    #[default]
    Members,
    Anybody,
}

/// `preset`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Preset {
    #[default]
    None,
    Public,
}

/// `dht`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DhtFile {
    #[default]
    Auto,
    Client,
    Server,
    Off,
}

/// `dht_scope`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DhtScopeFile {
    #[default]
    Wan,
    Lan,
}

/// `provide`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ProvideFile {
    Nothing,
    #[default]
    Roots,
    All,
}

impl From<ProvideFile> for What {
    fn from(provide: ProvideFile) -> Self {
        match provide {
            ProvideFile::Nothing => Self::Nothing,
            ProvideFile::Roots => Self::Roots,
            ProvideFile::All => Self::All,
        }
    }
}

impl NetworkFile {
    pub(super) fn fetch_rules(&self) -> FetchRules {
        let rules = FetchRules::default();
        FetchRules {
            whom: match self.fetch {
                FetchFile::Nobody => FetchFor::Nobody,
                FetchFile::Members => FetchFor::Members,
                FetchFile::Anybody => FetchFor::Anybody,
            },
            time_max: self.fetch_seconds_max.map_or(rules.time_max, Duration::from_secs),
            bytes_max: self.fetch_mib_max.map_or(rules.bytes_max, |mib| mib.saturating_mul(1 << 20)),
            cache_bytes_max: self
                .fetch_cache_mib
                .map_or(rules.cache_bytes_max, |mib| mib.saturating_mul(1 << 20)),
        }
    }

    /// Whether addresses of this machine and its networks are connected to that others name. `is_local` says that
    /// nobody else reaches the node over HTTP.
    pub(super) fn allows_local(
        &self,
        is_local: bool,
        p2p_listen: &[Multiaddr],
        replicate_listen: Option<SocketAddr>,
    ) -> bool {
        let listen = self.listens(p2p_listen.to_vec());
        let is_alone = is_local
            && replicate_listen.is_none_or(|at| at.ip().is_loopback())
            && listen.iter().all(is_loopback)
            && self.announce.is_empty()
            && self.replicate_addresses.is_empty();
        self.allow_local.unwrap_or(is_alone || matches!(self.dht_scope, DhtScopeFile::Lan))
    }

    /// Where the node listens for peers. One that is to be found in its network, and was told nowhere, takes any free port.
    fn listens(&self, given: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let told = first_given(given, self.listen.clone());
        if !told.is_empty() || !self.mdns {
            return told;
        }
        FOUND_AT.iter().map(|address| address.parse().expect("a constant address")).collect()
    }

    pub(super) fn resolve(
        self,
        listen: Vec<Multiaddr>,
        bootstrap: Vec<Multiaddr>,
        gateway: Option<Multiaddr>,
        only_public: bool,
    ) -> anyhow::Result<NetConfig> {
        let (listen, wss_roots) = (self.listens(listen), roots(&self.wss_roots)?);
        let mut bootstrap = first_given(bootstrap, self.bootstrap);
        if matches!(self.preset, Preset::Public) {
            bootstrap.extend(kubelt_net::public_bootstrap());
        }
        Ok(NetConfig {
            listen,
            announce: self.announce.into_iter().chain(gateway).collect(),
            bootstrap,
            mdns: self.mdns,
            relay: self.relay,
            memory_bytes_max: self.memory_mib_max.map(|mib| mib.saturating_mul(1 << 20)),
            dht: match self.dht {
                DhtFile::Auto => DhtMode::Auto,
                DhtFile::Client => DhtMode::Client,
                DhtFile::Server => DhtMode::Server,
                DhtFile::Off => DhtMode::Off,
            },
            dht_scope: match self.dht_scope {
                DhtScopeFile::Wan => DhtScope::Wan,
                DhtScopeFile::Lan => DhtScope::Lan,
            },
            only_public,
            wss_roots,
            certificates: None,
        })
    }
}

/// The certificates in these files.
fn roots(files: &[PathBuf]) -> anyhow::Result<Vec<RootCertificate>> {
    let mut found = Vec::new();
    for file in files {
        let read = || anyhow::Ok(RootCertificate::read(&std::fs::read(file)?)?);
        found.extend(read().with_context(|| format!("`wss_roots`: `{}` is not taken", file.display()))?);
    }
    Ok(found)
}

/// The gateways of the settings, those that are known first.
pub(super) fn gateways(cars: Vec<String>, blocks: Vec<String>) -> anyhow::Result<Vec<GatewayUrl>> {
    let cars = check_gateways(cars)?.into_iter().map(|url| GatewayUrl { url, gives_cars: true });
    let blocks = check_gateways(blocks)?.into_iter().map(|url| GatewayUrl { url, gives_cars: false });
    Ok(cars.chain(blocks).collect())
}

fn check_gateways(urls: Vec<String>) -> anyhow::Result<Vec<String>> {
    let is_bad =
        |url: &&String| !(url.starts_with("https://") || url.starts_with("http://")) || url.contains('?');
    if let Some(bad) = urls.iter().find(is_bad) {
        bail!("`{bad}` is no gateway; write `https://gateway.example`");
    }
    Ok(urls)
}

/// Where Kubo and others look for the trustless gateway at a URL: `/dns4/HOST/tcp/443/tls/http`; none where they would
/// not find it.
pub(super) fn https_address(url: &str) -> Option<Multiaddr> {
    let uri: Uri = url.parse().ok()?;
    if uri.scheme_str() != Some("https") || uri.path() != "/" {
        return None;
    }
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let kind = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => "ip4",
        Ok(IpAddr::V6(_)) => "ip6",
        Err(_name) => "dns4",
    };
    format!("/{kind}/{host}/tcp/{}/tls/http", uri.port_u16().unwrap_or(443)).parse().ok()
}

#[cfg(test)]
mod tests {
    use kubelt_node::{FetchFor, FetchRules};

    use super::{FetchFile, check_gateways, https_address};
    use crate::node_config::File;

    #[test]
    fn members_fetch_unless_nobody_may() {
        let read = |text: &str| toml::from_str::<File>(text);
        assert!(read("").is_ok_and(|file| file.network.fetch == FetchFile::Members));
        assert!(
            read("[network]\nfetch = 'nobody'").is_ok_and(|file| file.network.fetch == FetchFile::Nobody)
        );
        assert!(read("[network]\nfetch = 'everybody'").is_err());
        let rules = |text: &str| read(text).expect("is read").network.fetch_rules();
        assert_eq!(rules(""), FetchRules::default());
        let own = rules(
            "[network]\nfetch = 'anybody'\nfetch_seconds_max = 5\nfetch_mib_max = 2\nfetch_cache_mib = 0",
        );
        assert_eq!((own.whom, own.time_max.as_secs()), (FetchFor::Anybody, 5));
        assert_eq!((own.bytes_max, own.cache_bytes_max), (2 << 20, 0));
        assert!(check_gateways(vec!["https://gateway.example".to_owned()]).is_ok());
        assert!(check_gateways(vec!["gateway.example".to_owned()]).is_err());
    }

    #[test]
    fn what_is_near_is_connected_to_where_the_node_is_for_nobody_else() {
        let allows = |text: &str, is_local| {
            let file = toml::from_str::<File>(&format!("[network]\n{text}")).expect("is read");
            file.network.allows_local(is_local, &[], file.network.replicate_listen)
        };
        for alone in [
            "",
            "replicate_listen = '127.0.0.1:0'\nlisten = ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/udp/0/quic-v1']",
        ] {
            assert!(allows(alone, true) && !allows(alone, false), "{alone}");
        }
        for reached in [
            "replicate_listen = '0.0.0.0:4749'",
            "listen = ['/ip4/0.0.0.0/tcp/4748']",
            "listen = ['/ip4/127.0.0.1/tcp/0', '/ip4/192.0.2.1/tcp/4748']",
            "announce = ['/dns4/node.example/tcp/4748']",
            "replicate_addresses = ['/dns/node.example/tcp/4749/tls']",
        ] {
            assert!(!allows(reached, true), "{reached}");
            assert!(allows(&format!("{reached}\nallow_local = true"), false), "{reached}");
        }
        assert!(!allows("allow_local = false", true));
        assert!(!allows("mdns = true", true), "it listens for its network");
        assert!(allows("dht_scope = 'lan'", false));
    }

    #[test]
    fn the_public_url_is_announced_as_an_address() {
        for (url, expected) in [
            ("https://node.example", "/dns4/node.example/tcp/443/tls/http"),
            ("https://node.example:8443/", "/dns4/node.example/tcp/8443/tls/http"),
            ("https://192.0.2.1", "/ip4/192.0.2.1/tcp/443/tls/http"),
            ("https://[2001:db8::1]", "/ip6/2001:db8::1/tcp/443/tls/http"),
        ] {
            assert_eq!(https_address(url).map(|address| address.to_string()).as_deref(), Some(expected));
        }
        for url in ["http://a", "https://a/b", "a", "https://"] {
            assert_eq!(https_address(url), None, "{url}");
        }
    }
}
