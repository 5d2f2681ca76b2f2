//! Configuration of a node: flags over environment over a TOML file over defaults. An empty one runs.

mod network;
mod tls;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use kubelt_core::{CoreId, Genesis, PublicKey, schema::ChildCore};
use kubelt_http::{GatewayHosts, RateLimits, TrustedProxies};
use kubelt_net::{Multiaddr, NetConfig};
use kubelt_node::{FetchRules, What, peer_key};
use kubelt_store::Quota;
use serde::Deserialize;

use self::network::{NetworkFile, gateways, https_address};
pub(crate) use self::tls::TlsConfig;
use self::tls::TlsFile;
use crate::{
    chain_config::{ChainFile, ChainsConfig, EnsFile, chains},
    client::NodeUrl,
    gateways::GatewayUrl,
    routers::Router,
    txt_lookup::DnsServers,
};

/// Where a node listens unless told otherwise.
pub(crate) const LISTEN: &str = "127.0.0.1:4747";

/// Flags and environment of `kubelt node`.
#[derive(Debug, Default, Args)]
pub(crate) struct NodeArgs {
    /// Keep the store here
    #[arg(long, env = "KUBELT_DATA", hide_env_values = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Listen here; port 0 takes any free one [default: 127.0.0.1:4747]
    #[arg(long, env = "KUBELT_LISTEN", hide_env_values = true, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// A host name under which people may sign in; loopback names always work
    #[arg(
        long,
        env = "KUBELT_PUBLIC_HOST",
        hide_env_values = true,
        value_name = "HOST",
        value_delimiter = ','
    )]
    public_host: Vec<String>,
    /// The URL under which strangers reach this node, `https://kubelt.example` [default: `https://` and the first public host]
    #[arg(long, env = "KUBELT_PUBLIC_URL", hide_env_values = true, value_name = "URL")]
    public_url: Option<NodeUrl>,
    /// Serve nothing that this file denies (compact denylist format); may be given several times
    #[arg(long, env = "KUBELT_DENYLIST", hide_env_values = true, value_name = "FILE", value_delimiter = ',')]
    denylist: Vec<PathBuf>,
    /// A host below which content has origins of its own: `{cid}.ipfs.HOST` [default: localhost]
    #[arg(
        long,
        env = "KUBELT_GATEWAY_HOST",
        hide_env_values = true,
        value_name = "HOST",
        value_delimiter = ','
    )]
    gateway_host: Vec<String>,
    /// A DNSLink that counts without asking the DNS; may be given several times
    #[arg(long, value_name = "NAME=PATH")]
    dnslink: Vec<String>,
    /// Read DNSLinks from this JSON file: an object of names and paths, or one under `domains`
    #[arg(long, env = "KUBELT_DNSLINK_FILE", hide_env_values = true, value_name = "FILE")]
    dnslink_file: Option<PathBuf>,
    /// Listen for peers here, `/ip4/0.0.0.0/tcp/4748`; may be given several times [default: nowhere]
    #[arg(
        long,
        env = "KUBELT_P2P_LISTEN",
        hide_env_values = true,
        value_name = "MULTIADDR",
        value_delimiter = ','
    )]
    p2p_listen: Vec<Multiaddr>,
    /// Connect to this peer at the start, `/ip4/…/p2p/12D3…`; may be given several times [default: nobody]
    #[arg(
        long,
        env = "KUBELT_BOOTSTRAP",
        hide_env_values = true,
        value_name = "MULTIADDR",
        value_delimiter = ','
    )]
    bootstrap: Vec<Multiaddr>,
    /// Listen here for other nodes that replicate cores, `0.0.0.0:4749` [default: nowhere]
    #[arg(long, env = "KUBELT_REPLICATE_LISTEN", hide_env_values = true, value_name = "ADDR")]
    replicate_listen: Option<SocketAddr>,
    /// Read settings from this TOML file
    #[arg(long, env = "KUBELT_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The TOML file: every setting, none needed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// Directory of the store.
    data_dir: Option<PathBuf>,
    /// Address to listen on.
    listen: Option<SocketAddr>,
    /// Host names under which people may sign in.
    public_hosts: Vec<String>,
    /// The URL under which strangers reach this node.
    public_url: Option<String>,
    /// Files of what the node does not serve.
    denylists: Vec<PathBuf>,
    /// Hosts below which content has origins of its own.
    gateway_hosts: Option<Vec<String>>,
    /// DNSLinks that count without asking the DNS: name to content path.
    dnslink: BTreeMap<String, String>,
    /// How other DNS names are looked up.
    dns: DnsFile,
    /// Addresses of proxies whose word is taken for who asks, for which host, and by which scheme; this machine's without it.
    trusted_proxies: Option<Vec<String>>,
    /// Where the node ends TLS itself.
    tls: TlsFile,
    /// How published content is delivered to pinning services.
    pinning: PinningFile,
    /// How the node takes part in the network of peers.
    network: NetworkFile,
    /// What this node calls cores: label to the id of a core, or to the account of a private one.
    labels: BTreeMap<String, String>,
    /// Who is asked about which chain, by EIP-155 id; nobody unless named.
    chains: BTreeMap<String, ChainFile>,
    /// Where names of the Ethereum Name Service are looked up.
    ens: EnsFile,
    /// What one core may use.
    quota: QuotaFile,
    /// How many requests clients may make; 0 switches a limit off.
    rates: RatesFile,
}

/// `[pinning]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PinningFile {
    /// Whether owners of cores may name services at addresses of this machine and its networks, and by plain http.
    allow_local: bool,
}

/// `[dns]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DnsFile {
    /// Whether names are looked up at all.
    lookup: bool,
    /// Servers to ask, with their port where it is not 53; those of the system where there are none.
    servers: Vec<String>,
    /// Whether any host that a request names is looked up, and served where it has a DNSLink.
    hosts: bool,
}

impl Default for DnsFile {
    fn default() -> Self {
        Self { lookup: true, servers: Vec::new(), hosts: false }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct QuotaFile {
    ops: u64,
    op_bytes: u64,
    blocks: u64,
    block_bytes: u64,
}

impl Default for QuotaFile {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self { ops: 10_000_000, op_bytes: 8 * GIB, blocks: 100_000_000, block_bytes: 1_024 * GIB }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RatesFile {
    requests_per_second: u32,
    sign_ins_per_minute: u32,
    writes_per_second: u32,
    records_per_minute: u32,
    lookups_per_minute: u32,
}

impl Default for RatesFile {
    fn default() -> Self {
        let RateLimits {
            requests_per_second,
            sign_ins_per_minute,
            writes_per_second,
            records_per_minute,
            lookups_per_minute,
        } = RateLimits::default();
        Self {
            requests_per_second,
            sign_ins_per_minute,
            writes_per_second,
            records_per_minute,
            lookups_per_minute,
        }
    }
}

impl From<RatesFile> for RateLimits {
    fn from(file: RatesFile) -> Self {
        let RatesFile {
            requests_per_second,
            sign_ins_per_minute,
            writes_per_second,
            records_per_minute,
            lookups_per_minute,
        } = file;
        Self {
            requests_per_second,
            sign_ins_per_minute,
            writes_per_second,
            records_per_minute,
            lookups_per_minute,
        }
    }
}

/// A node's configuration, resolved.
#[derive(Debug)]
pub(crate) struct NodeConfig {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) public_hosts: Vec<String>,
    /// What this node calls cores.
    pub(crate) labels: BTreeMap<String, CoreId>,
    /// The URL under which strangers reach this node, where that is known.
    pub(crate) public_url: Option<NodeUrl>,
    pub(crate) denylists: Vec<PathBuf>,
    pub(crate) quota: Quota,
    pub(crate) rates: RateLimits,
    pub(crate) gateway: GatewayHosts,
    pub(crate) proxies: TrustedProxies,
    pub(crate) tls: Option<TlsConfig>,
    /// Which servers are asked for DNSLinks; none where nobody is.
    pub(crate) dns: Option<DnsServers>,
    /// DNSLinks that are known without asking.
    pub(crate) dnslinks: BTreeMap<String, String>,
    /// Whether pinning services may be at local addresses.
    pub(crate) pinning_allow_local: bool,
    pub(crate) network: NetConfig,
    /// What the DHT is told that this node has.
    pub(crate) provide: What,
    /// Trustless gateways.
    pub(crate) gateways: Vec<GatewayUrl>,
    /// How content is fetched that is not here.
    pub(crate) fetch: FetchRules,
    /// Delegated routers to ask, too.
    pub(crate) routers: Vec<Router>,
    pub(crate) replication: ReplicationConfig,
    /// Who is asked about which chain.
    pub(crate) chains: ChainsConfig,
}

/// How a node replicates cores with others.
#[derive(Debug, Default)]
pub(crate) struct ReplicationConfig {
    /// Where it listens for them.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether they are connected to at addresses of the public internet only.
    pub(crate) only_public: bool,
    /// Where they reach it.
    pub(crate) addresses: Vec<String>,
    /// Who may bring cores here.
    pub(crate) carry_for: Vec<PublicKey>,
}

impl NodeConfig {
    pub(crate) fn resolve(args: NodeArgs) -> anyhow::Result<Self> {
        let mut file = match &args.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        let data_dir = match args.data_dir.or(file.data_dir) {
            Some(dir) => dir,
            None => default_data_dir()?,
        };
        let listen = args.listen.or(file.listen);
        let public_hosts = first_given(args.public_host, file.public_hosts);
        check_hosts(&public_hosts)?;
        let is_told = args.public_url.is_some() || file.public_url.is_some();
        let public_url = public_url(args.public_url, file.public_url.as_deref(), &public_hosts)?;
        // A guess is good enough to look whether it is true, but not to be announced.
        let gateway_address =
            public_url.as_ref().filter(|_| is_told).and_then(|url| https_address(&url.to_string()));
        let gateway = GatewayHosts {
            subdomains: if args.gateway_host.is_empty() {
                file.gateway_hosts.unwrap_or_else(|| GatewayHosts::default().subdomains)
            } else {
                args.gateway_host
            },
            dnslink_by_dns: file.dns.hosts,
        };
        check_hosts(&gateway.subdomains)?;
        let listen = listen.unwrap_or_else(|| LISTEN.parse().expect("a constant address"));
        let replicate_listen = args.replicate_listen.or(file.network.replicate_listen);
        // Whoever has a public name is reached through a proxy, wherever the node itself listens.
        let is_local = listen.ip().is_loopback() && public_url.is_none();
        let only_public = !file.network.allows_local(is_local, &args.p2p_listen, replicate_listen);
        let dnslinks = dnslinks(file.dnslink, args.dnslink_file.as_deref(), args.dnslink)?;
        let QuotaFile { ops, op_bytes, blocks, block_bytes } = file.quota;
        Ok(Self {
            data_dir,
            listen,
            public_hosts,
            labels: labels(&file.labels)?,
            public_url,
            denylists: first_given(args.denylist, file.denylists),
            quota: Quota { ops, op_bytes, blocks, block_bytes },
            rates: file.rates.into(),
            gateway,
            proxies: proxies(file.trusted_proxies.as_deref())?,
            tls: file.tls.resolve()?,
            dns: file.dns.resolve()?,
            dnslinks,
            pinning_allow_local: file.pinning.allow_local,
            gateways: gateways(
                std::mem::take(&mut file.network.car_gateways),
                std::mem::take(&mut file.network.gateways),
            )?,
            fetch: file.network.fetch_rules(),
            replication: ReplicationConfig {
                listen: replicate_listen,
                only_public,
                addresses: file.network.replicate_addresses.iter().map(ToString::to_string).collect(),
                carry_for: node_keys(&file.network.carry_for)?,
            },
            chains: chains(file.chains, &file.ens)?,
            provide: file.network.provide.into(),
            routers: file.network.routers.iter().map(|url| Router::new(url)).collect::<Result<_, _>>()?,
            network: file.network.resolve(args.p2p_listen, args.bootstrap, gateway_address, only_public)?,
        })
    }
}

impl DnsFile {
    fn resolve(&self) -> anyhow::Result<Option<DnsServers>> {
        if !self.lookup {
            return Ok(None);
        }
        let server = |text: &String| {
            let address = text.parse::<SocketAddr>().ok();
            let address = address.or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)));
            address.with_context(|| format!("`{text}` is no DNS server; write `192.0.2.1` or `192.0.2.1:53`"))
        };
        let servers = self.servers.iter().map(server).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Some(if servers.is_empty() { DnsServers::System } else { DnsServers::These(servers) }))
    }
}

/// The flags' values, or those of the file where there is no flag.
fn first_given<T>(flags: Vec<T>, file: Vec<T>) -> Vec<T> {
    if flags.is_empty() { file } else { flags }
}

/// Where strangers come in; proxies that end TLS have the port of https.
fn public_url(
    flag: Option<NodeUrl>,
    file: Option<&str>,
    hosts: &[String],
) -> anyhow::Result<Option<NodeUrl>> {
    if flag.is_some() {
        return Ok(flag);
    }
    match file {
        Some(url) => Ok(Some(url.parse().context("`public_url` of the settings is refused")?)),
        None => Ok(hosts.first().and_then(|host| format!("https://{host}").parse().ok())),
    }
}

fn check_hosts(hosts: &[String]) -> anyhow::Result<()> {
    if let Some(bad) = hosts.iter().find(|host| host.contains(['/', '@', ' ']) || host.is_empty()) {
        bail!("`{bad}` is not a host name; write `kubelt.example` or `kubelt.example:8443`");
    }
    Ok(())
}

fn proxies(networks: Option<&[String]>) -> anyhow::Result<TrustedProxies> {
    match networks {
        None => Ok(TrustedProxies::default()),
        Some(networks) => TrustedProxies::read(networks.iter().map(String::as_str))
            .context("`trusted_proxies` of the settings is refused"),
    }
}

/// Labels stand where accounts and ids do, and hide neither.
fn labels(named: &BTreeMap<String, String>) -> anyhow::Result<BTreeMap<String, CoreId>> {
    let read = |(label, core): (&String, &String)| {
        if ChildCore::path(label).is_none() {
            bail!("`{label}` is no label; take 1 to 64 letters, digits, `-` or `_`, and no address");
        }
        let account = || Some(Genesis::Private { root: core.parse().ok()? }.id());
        let id = core.parse().ok().or_else(account);
        let id =
            id.with_context(|| format!("`{core}` of `{label}` is neither the id of a core nor an account"))?;
        Ok((label.clone(), id))
    };
    named.iter().map(read).collect()
}

fn node_keys(ids: &[String]) -> anyhow::Result<Vec<PublicKey>> {
    let key = |id: &String| {
        peer_key(id).with_context(|| format!("`{id}` of `carry_for` is no id of a node; write `12D3…`"))
    };
    ids.iter().map(key).collect()
}

/// The settings' DNSLinks, those of the file over them, and those of the flags over both.
fn dnslinks(
    mut links: BTreeMap<String, String>,
    file: Option<&Path>,
    flags: Vec<String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    /// An object of names and paths, alone or as `domains`.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Links {
        Under { domains: BTreeMap<String, String> },
        Alone(BTreeMap<String, String>),
    }
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the DNSLinks `{}` cannot be read", path.display()))?;
        let read: Links = serde_json::from_str(&text)
            .with_context(|| format!("the DNSLinks `{}` are no object of names and paths", path.display()))?;
        links.extend(match read {
            Links::Under { domains } => domains,
            Links::Alone(links) => links,
        });
    }
    for flag in flags {
        let (name, path) = flag
            .split_once('=')
            .with_context(|| format!("`{flag}` is no DNSLink; write `name.example=/ipfs/bafy…`"))?;
        links.insert(name.to_owned(), path.to_owned());
    }
    Ok(links)
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the settings `{}` cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("the settings `{}` are not valid", path.display()))
}

/// `$XDG_DATA_HOME/kubelt`, or `~/.local/share/kubelt`.
pub(crate) fn default_data_dir() -> anyhow::Result<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = var("XDG_DATA_HOME").or_else(|| Some(var("HOME")?.join(".local/share")));
    Ok(base.context("no home directory is set; name one with `--data-dir`")?.join("kubelt"))
}

#[cfg(test)]
mod tests {
    use super::{File, NodeArgs, NodeConfig, labels};

    #[test]
    fn an_empty_file_is_enough_and_a_misspelt_setting_is_refused() {
        let file: File = toml::from_str("").expect("an empty file is valid");
        assert!(file.listen.is_none());
        assert!(toml::from_str::<File>("lisen = '127.0.0.1:1'").is_err());
        assert!(
            toml::from_str::<File>("[quota]\nblock_bytes = 5")
                .is_ok_and(|file| file.quota.block_bytes == 5 && file.quota.ops > 5)
        );
    }

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kubelt.toml");
        std::fs::write(&path, "data_dir = '/a'\nlisten = '127.0.0.1:1'\n[rates]\nrequests_per_second = 0")
            .expect("written");
        let args = NodeArgs { data_dir: Some("/b".into()), config: Some(path), ..NodeArgs::default() };
        let config = NodeConfig::resolve(args).expect("resolves");
        assert_eq!(config.data_dir.as_os_str(), "/b");
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.rates.requests_per_second, 0);
    }

    #[test]
    fn a_label_names_a_core_and_is_no_address() {
        let account = "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f";
        let read = |label: &str, core: &str| labels(&[(label.to_owned(), core.to_owned())].into());
        let found = read("acme", account).expect("a label");
        assert_eq!(read("acme", &found["acme"].to_string()).expect("a label"), found);
        for (label, core) in [("acme.org", account), (account, account), ("acme", "acme"), ("", account)] {
            assert!(read(label, core).is_err(), "{label}: {core}");
        }
    }

    #[test]
    fn a_host_is_no_url() {
        let args = NodeArgs {
            public_host: vec!["https://kubelt.example/".to_owned()],
            data_dir: Some("/a".into()),
            ..NodeArgs::default()
        };
        assert!(NodeConfig::resolve(args).is_err());
    }
}
