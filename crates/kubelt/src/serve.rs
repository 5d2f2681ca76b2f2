//! `kubelt node`: the whole node, wired in one function.

use std::{io::IsTerminal as _, net::SocketAddr, path::Path, sync::Arc, time::Instant};

use anyhow::Context as _;
use kubelt_core::HostName;
use kubelt_http::{Hosts, HttpConfig, OwnPage, SecureListener, Tls, router, serve};
use kubelt_net::{DhtMode, Direct, Net, NetConfig, NodeDialer, direct_address, provider};
use kubelt_node::{FetchFor, Node, SystemClock, What};
use kubelt_store::{Mode, Options, Store};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
};

use crate::gateways::HttpGateways;
pub(crate) use crate::node_config::NodeArgs;
use crate::pinning_client::HttpPinning;
use crate::public_door::HttpDoor;
use crate::routers::{AllOf, Router};
use crate::{
    denylists::DenylistFiles,
    node_config::{NodeConfig, ReplicationConfig, TlsConfig},
    tls::{Shelf, keeper},
    txt_lookup::DnsLookup,
};

/// Threads for work that blocks: hashing of uploads, walks, exports.
const BLOCKING_THREADS_MAX: usize = 32;

/// Runs a node until it is told to stop (SIGINT, SIGTERM).
pub(crate) fn run(args: NodeArgs, json: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    init_log();
    let config = NodeConfig::resolve(args)?;
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("the async runtime did not start")?;
    runtime.block_on(node(config, json, began))
}

/// The composition root: store, services, edge.
async fn node(mut config: NodeConfig, json: bool, began: Instant) -> anyhow::Result<()> {
    let options = Options { quota: config.quota, ..Options::default() };
    let store = Store::open(&config.data_dir, options)
        .with_context(|| format!("the store in `{}` did not open", config.data_dir.display()))?;
    report(&store);
    let node = Node::new(store, Arc::new(SystemClock));
    if node.status.mode() == Mode::ReadWrite {
        node.cores.settle().await.context("a write that was cut short could not be finished")?;
    }
    let denylists = DenylistFiles::open(config.denylists, node.content.denylists().clone())?;
    tokio::spawn(denylists.keep_up());
    node.cores.label(config.labels);
    node.dnslinks.set(config.dnslinks).context("a DNSLink of the settings is refused")?;
    if let Some(servers) = config.dns {
        node.dnslinks.look_up_by(Arc::new(DnsLookup::new(servers)));
    }
    node.chains.ask_by(Arc::new(config.chains.upstreams));
    if let Some(ens) = config.chains.ens {
        node.ens.look_up_by(Arc::new(ens));
    }
    node.remote_pins.deliver_by(Arc::new(HttpPinning::new(config.pinning_allow_local)));
    if let Some(url) = config.public_url {
        node.receipts.come_in_by(Arc::new(HttpDoor::new(url)));
    }
    let secured = secured(&node, config.tls, &config.public_hosts, &config.data_dir).await?;
    config.network.certificates = secured.shelf.clone().map(|shelf| shelf as _);
    let http = HttpConfig {
        hosts: Hosts { public: config.public_hosts },
        rates: config.rates,
        gateway: config.gateway,
        proxies: config.proxies,
        certificates: secured.shelf.map(|shelf| shelf as _),
        redirect_port: secured.redirect_port,
        pages: kubelt_pages::FILES.iter().map(own_page).collect(),
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on `{}`", config.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let net = connect(&node, &config.network, config.provide, config.routers).await?;
    node.fetcher.set_rules(config.fetch);
    if config.fetch.whom != FetchFor::Nobody {
        if let Some(net) = &net {
            node.fetcher.fetch_from_peers(Arc::new(net.clone()));
        }
        let gateways = HttpGateways::new(config.gateways, !config.replication.only_public);
        node.fetcher.fetch_from_gateways(Arc::new(gateways));
    }
    let replicas = replicate(&node, config.replication, net.as_ref()).await?;
    let stopped = stopped()?;
    announce((address, secured.address), net.as_ref(), &replicas, &config.data_dir, json, began);
    node.workers.start().await;
    let mut broken = None;
    let stop = async {
        tokio::select! {
            () = stopped => {}
            name = node.workers.broken() => broken = Some(name),
        }
    };
    let served = serve(listener, secured.listener, router(&node, http), stop).await;
    node.workers.stop().await;
    served.context("the listener failed")?;
    if let Some(name) = broken {
        anyhow::bail!(
            "the worker `{name}` panicked; the log says where. Start the node again, and report it"
        );
    }
    tracing::info!("stopped");
    Ok(())
}

fn own_page(file: &kubelt_pages::File) -> OwnPage {
    let kubelt_pages::File { path, media_type, hash, plain, gzip, brotli } = *file;
    OwnPage { path, media_type, hash, plain, gzip, brotli }
}

/// Where TLS is ended, and by what; nothing where a node speaks plain HTTP.
#[derive(Default)]
struct Secured {
    listener: Option<SecureListener>,
    address: Option<SocketAddr>,
    shelf: Option<Arc<Shelf>>,
    redirect_port: Option<u16>,
}

/// Tells the node its own names, listens for TLS, and has certificates kept for these names and the hosts of cores.
async fn secured(
    node: &Node,
    config: Option<TlsConfig>,
    public_hosts: &[String],
    data_dir: &Path,
) -> anyhow::Result<Secured> {
    let name = |host: &String| {
        host.rsplit_once(':').map_or(host.as_str(), |(name, _port)| name).to_ascii_lowercase()
    };
    let own: Vec<String> = public_hosts.iter().map(name).collect();
    node.host_names.known_as(own.clone());
    let Some(config) = config else { return Ok(Secured::default()) };
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on `{}` for TLS", config.listen))?;
    let address = listener.local_addr().context("the listener for TLS has no address")?;
    // What is no name of the DNS has no certificate.
    let own = own.into_iter().filter(|name| name.parse::<HostName>().is_ok()).collect();
    let shelf = Shelf::new(node.host_names.clone(), own);
    shelf.read_files(config.files)?;
    if let Some(acme) = config.acme {
        let (hosts, clock) = (node.host_names.clone(), Arc::new(SystemClock));
        node.workers.add(keeper(acme, hosts, shelf.clone(), clock, &data_dir.join("tls"))?);
    }
    let shelf = Arc::new(shelf);
    let tls = Tls::new(Arc::clone(&shelf) as _);
    Ok(Secured {
        listener: Some(SecureListener { listener, tls }),
        address: Some(address),
        shelf: Some(shelf),
        redirect_port: config.redirect_port,
    })
}

/// The node's network; none where the disk is read-only and the node never had a key.
async fn connect(
    node: &Node,
    config: &NetConfig,
    provide: What,
    routers: Vec<Router>,
) -> anyhow::Result<Option<Net>> {
    match node.identity.key().await {
        Ok(key) => {
            let net = Net::start(key, config).await?;
            net.serve_blocks(Arc::new(node.content.clone()));
            net.provide(Arc::new(node.announced.clone()));
            for router in &routers {
                node.providers.ask(Arc::new(router.clone()));
            }
            node.resolver.route_by(Arc::new(AllOf { network: Arc::new(net.clone()), routers }));
            node.providers.ask(Arc::new(net.clone()));
            node.peers.by(Arc::new(net.clone()));
            if config.dht != DhtMode::Off {
                node.workers.add(provider(net.clone(), node.announced.clone(), provide));
            }
            Ok(Some(net))
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the node has no key: it stays alone");
            Ok(None)
        }
    }
}

/// Lets the node replicate cores with others: it connects where somebody of it wants that, and listens where the
/// operator does. Gives where it listens.
async fn replicate(node: &Node, config: ReplicationConfig, net: Option<&Net>) -> anyhow::Result<Vec<String>> {
    let key = match node.identity.key().await {
        Ok(key) => key,
        // Said when the network was started.
        Err(_no_key) => return Ok(Vec::new()),
    };
    let direct = Direct::new(key).context("the node has no certificate to replicate with")?;
    let direct = if config.only_public { direct.only_public() } else { direct };
    let mut listening = Vec::new();
    if let Some(at) = config.listen {
        let listener =
            TcpListener::bind(at).await.with_context(|| format!("cannot listen on `{at}` to replicate"))?;
        let at = listener.local_addr().context("the listener has no address")?;
        listening.extend(direct_address(at, &key.public()));
        tokio::spawn(direct.clone().serve(listener, node.replication.clone()));
    }
    // An address that stands for all of the machine's leads nobody here.
    let usable = |address: &&String| !address.contains("/0.0.0.0/") && !address.contains("/::/");
    let reached = match config.addresses {
        addresses if addresses.is_empty() => listening.iter().filter(usable).cloned().collect(),
        addresses => addresses,
    };
    let mut dialer = NodeDialer::new(direct, reached);
    if let Some(net) = net {
        net.serve_replication(node.replication.clone());
        dialer = dialer.with_net(net.clone());
    }
    node.replication.carry_for(config.carry_for);
    node.remotes.dial_by(Arc::new(dialer));
    Ok(listening)
}

/// Says what opening the store met.
fn report(store: &Store) {
    let recovery = store.recovery();
    for bad in &recovery.bad {
        tracing::warn!(
            segment = bad.segment,
            offset = bad.offset,
            bytes = bad.len,
            "a damaged record was skipped; run `kubelt doctor`"
        );
    }
    if let Mode::ReadOnly { reason } = store.mode() {
        tracing::warn!(%reason, "the store is read-only");
    }
}

/// Says where the node is and what to do next.
#[allow(clippy::print_stdout, reason = "this is what the command prints")]
fn announce(
    (address, tls): (SocketAddr, Option<SocketAddr>),
    net: Option<&Net>,
    replicas: &[String],
    data_dir: &Path,
    json: bool,
    began: Instant,
) {
    let took = began.elapsed();
    let peer = net.map(|net| net.id().to_string());
    let peer_addresses: Vec<String> =
        net.map(Net::addresses).unwrap_or_default().iter().map(ToString::to_string).collect();
    if json {
        let line = serde_json::json!({
            "listening": format!("http://{address}"),
            "tls": tls,
            "data_dir": data_dir,
            "peer": peer,
            "peer_addresses": peer_addresses,
            "replicate_addresses": replicas,
            "ready_ms": took.as_secs_f64() * 1_000.0,
            "pid": std::process::id(),
        });
        println!("{line}");
        return;
    }
    println!("kubelt {} is ready at http://{address} ({} ms)", env!("CARGO_PKG_VERSION"), took.as_millis());
    if let Some(tls) = tls {
        println!("TLS: {tls}");
    }
    println!("console: http://{address}/_/");
    println!("data: {}", data_dir.display());
    for address in &peer_addresses {
        println!("peers: {address}");
    }
    for address in replicas {
        println!("replication: {address}");
    }
    println!();
    println!("Next, in another terminal:");
    println!("  kubelt wallet new main                                make a wallet for development");
    println!("  kubelt login --wallet main                            open your core");
    println!("  kubelt publish ./site --to @me/site --public          publish a directory");
    println!();
    println!("Stop with Ctrl-C.");
}

fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

/// Logs to stderr; `RUST_LOG` chooses what, `KUBELT_LOG_FORMAT=json` how.
fn init_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_unset| {
        tracing_subscriber::EnvFilter::new(
            "warn,kubelt=info,kubelt_node=info,kubelt_http=info,libp2p_kad=error",
        )
    });
    // Where stderr is a file on a full disk, a failed line must not become a panic, which telling of it would.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false);
    if std::env::var("KUBELT_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().init();
    } else {
        log.with_target(false).init();
    }
}
