//! The node: its services, wired.

use std::sync::Arc;

use kubelt_core::{Account, CoreId, Genesis, schema::Exit};
use kubelt_store::Store;

use crate::{
    access::{Access, Reader},
    announced::Announced,
    chains::Chains,
    clock::Clock,
    collect::{Collector, Stamps},
    content::Content,
    cores::{Cores, LoadError},
    denylists::Denylists,
    dnslink::DnsLinks,
    doors::Doors,
    ens::EnsNames,
    exchange::Exchange,
    fetch::Fetcher,
    gates::{Gates, Trials},
    host_names::{HostNames, HostTable},
    identity::Identity,
    ipns::{Ipns, Stale},
    members::Members,
    mirrors::{Mirrors, Shelves},
    names::is_open,
    pins::Pins,
    receipts::Receipts,
    remote_pins::RemotePins,
    remotes::{HostFinder, Remotes},
    replicate::Replication,
    requests::Requests,
    resolve::Resolver,
    routing::{Peers, Providers},
    rpc::Rpc,
    session_table::SessionTable,
    sessions::Sessions,
    status::Status,
    wallet::Wallets,
    worker::{Waker, Worker, Workers},
};

/// The services of a node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Node {
    /// How the node is.
    pub status: Status,
    /// The node's own key.
    pub identity: Identity,
    /// Sign-in and sessions.
    pub sessions: Sessions,
    /// The chains that the node can ask.
    pub chains: Chains,
    /// The wallet faces of cores.
    pub wallets: Wallets,
    /// Cores, and writes to them.
    pub cores: Cores,
    /// Content.
    pub content: Content,
    /// Logs and whole cores, in and out.
    pub exchange: Exchange,
    /// What tools of IPFS do.
    pub rpc: Rpc,
    /// What goes on in the background, once it is started.
    pub workers: Workers,
    /// Content brought here from elsewhere.
    pub fetcher: Fetcher,
    /// Pins.
    pub pins: Pins,
    /// Content delivered to the pinning services of others.
    pub remote_pins: RemotePins,
    /// Cores that travel between nodes.
    pub replication: Replication,
    /// Other nodes that hold cores of this one.
    pub remotes: Remotes,
    /// Who holds a core, where no address is known.
    pub finder: HostFinder,
    /// What other cores have published, kept here.
    pub mirrors: Mirrors,
    /// Whether strangers can fetch what is published.
    pub receipts: Receipts,
    /// Cores of several people: who has which part in them.
    pub members: Members,
    /// What chains open to whom.
    pub gates: Gates,
    /// What waits for others to agree.
    pub requests: Requests,
    /// IPNS records and the names of cores.
    pub ipns: Ipns,
    /// DNSLinks.
    pub dnslinks: DnsLinks,
    /// Host names that lead to cores.
    pub host_names: HostNames,
    /// Names of the Ethereum Name Service.
    pub ens: EnsNames,
    /// Names resolved.
    pub resolver: Resolver,
    /// What this node tells others that it has.
    pub announced: Announced,
    /// Who is asked for content that is not here.
    pub providers: Providers,
    /// The peers that the node is connected to.
    pub peers: Peers,
}

impl Node {
    /// Wires the services over a store and a clock. Nothing goes on in the background before
    /// [`Workers::start`].
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        let table = SessionTable::new(store.clone());
        let doors = Doors::new(store.clone(), HostTable::open(store.clone(), clock.now_ms()));
        let stale = Arc::new(Stale::default());
        let cores = Cores::new(store.clone(), clock.clone(), table.clone(), doors.clone(), stale.clone());
        let chains = Chains::default();
        let trials = Trials::new(doors.gates.clone(), chains.clone(), Arc::clone(&clock));
        let access = Arc::new(Access::new(cores.clone(), doors.clone(), trials.clone()));
        let stamps = Stamps::new(Arc::clone(&clock));
        let (content, exchange) = contents(&store, &cores, &access, &chains, &stamps);
        let (providers, peers) = (Providers::default(), Peers::default());
        let fetcher = Fetcher::new(store.clone(), content.clone(), providers.clone(), peers.clone());
        let (pins, remote_pins) = pinning(&store, &cores, &content, &access, &clock, &fetcher);
        let (identity, replication, remotes) =
            replicating(&store, &cores, &content, &exchange, &access, &clock);
        fetcher.fetch_from_remotes(remotes.clone());
        let denylists = content.denylists().clone();
        let announced = Announced::new(store.clone(), cores.clone(), doors.clone(), denylists.clone());
        let ipns = Ipns::new(store.clone(), Arc::clone(&clock), cores.clone(), doors, stale);
        let receipts = Receipts::new(&content, &access, &ipns, &peers, &remotes, &remote_pins);
        let (dnslinks, ens) = (DnsLinks::new(Arc::clone(&clock)), EnsNames::new(Arc::clone(&clock)));
        let host_names = HostNames::new(&cores, &exchange, &access, dnslinks.clone(), Arc::clone(&clock));
        let finder = HostFinder::new(remotes.clone(), dnslinks.clone(), ens.clone(), providers.clone());
        let mirrors = mirroring(&exchange, &access, &clock, &identity, &remotes, &finder);
        let resolver = Resolver::new(ipns.clone(), dnslinks.clone(), denylists, Arc::clone(&clock));
        let rpc = Rpc::new(store.clone(), cores.clone(), content.clone(), Arc::clone(&clock));
        let wallets = Wallets::new(cores.clone(), chains.clone(), Arc::clone(&clock));
        let members = Members::new(&store, &cores, &chains, &trials, &clock, &remotes);
        let gates = Gates::new(Arc::clone(&access), trials.clone());
        let requests = Requests::new(&store, &cores, &clock, &table, &exchange);
        let sessions = Sessions::new(store.clone(), cores.clone(), chains.clone(), trials, clock, table);
        let collector = collecting(&store, &cores, &content, stamps);
        let workers = Workers::new(
            [ipns.worker(), ipns.spreader(), remote_pins.worker(), pins.worker(), remotes.worker()]
                .into_iter()
                .chain([mirrors.worker(), requests.worker(), host_names.worker(), collector]),
        );
        let status = Status::new(store, workers.clone());
        Self {
            status,
            identity,
            sessions,
            chains,
            wallets,
            cores,
            content,
            exchange,
            fetcher,
            pins,
            remote_pins,
            replication,
            remotes,
            finder,
            mirrors,
            receipts,
            members,
            gates,
            requests,
            rpc,
            workers,
            ipns,
            dnslinks,
            host_names,
            ens,
            resolver,
            announced,
            providers,
            peers,
        }
    }
}

/// Content, and logs in and out.
fn contents(
    store: &Store,
    cores: &Cores,
    access: &Arc<Access>,
    chains: &Chains,
    stamps: &Stamps,
) -> (Content, Exchange) {
    let (here, access) = (store.clone(), Arc::clone(access));
    let content =
        Content::new(here, cores.clone(), Arc::clone(&access), Denylists::default(), stamps.clone());
    let exchange = Exchange::new(store.clone(), cores.clone(), content.clone(), access, chains.clone());
    (content, exchange)
}

/// What frees the space of what nothing needs.
fn collecting(store: &Store, cores: &Cores, content: &Content, stamps: Stamps) -> Worker {
    let leases = content.leases.clone();
    let collector = Collector::new(store.clone(), cores.clone(), content.clone(), stamps, leases);
    Worker::new("collector", &Waker::default(), collector)
}

/// Pins here, and at the services of others.
fn pinning(
    store: &Store,
    cores: &Cores,
    content: &Content,
    access: &Arc<Access>,
    clock: &Arc<dyn Clock>,
    fetcher: &Fetcher,
) -> (Pins, RemotePins) {
    let (here, there) = (store.clone(), store.clone());
    let pins = Pins::new(here, cores.clone(), content.clone(), Arc::clone(clock), fetcher.clone());
    let remote_pins =
        RemotePins::new(there, cores.clone(), content.clone(), Arc::clone(access), Arc::clone(clock));
    (pins, remote_pins)
}

/// How cores travel between nodes.
fn replicating(
    store: &Store,
    cores: &Cores,
    content: &Content,
    exchange: &Exchange,
    access: &Arc<Access>,
    clock: &Arc<dyn Clock>,
) -> (Identity, Replication, Remotes) {
    let identity = Identity::new(store.clone());
    let replication = Replication::new(
        store.clone(),
        cores.clone(),
        content.clone(),
        exchange.clone(),
        Arc::clone(access),
        identity.clone(),
        Arc::clone(clock),
    );
    let remotes = Remotes::new(
        store.clone(),
        cores.clone(),
        Arc::clone(access),
        identity.clone(),
        Arc::clone(clock),
        replication.clone(),
    );
    (identity, replication, remotes)
}

/// What other cores have published.
fn mirroring(
    exchange: &Exchange,
    access: &Arc<Access>,
    clock: &Arc<dyn Clock>,
    identity: &Identity,
    remotes: &Remotes,
    finder: &HostFinder,
) -> Mirrors {
    let (store, cores) = (exchange.store.clone(), exchange.cores.clone());
    let shelves = Shelves { store, cores, clock: Arc::clone(clock) };
    let (access, exchange) = (Arc::clone(access), exchange.clone());
    Mirrors::new(shelves, access, exchange, identity.clone(), remotes.clone(), finder.clone())
}

/// A core as a reader may know it.
#[derive(Debug, Clone)]
pub struct CoreSummary {
    /// Its id.
    pub core: CoreId,
    /// How it began.
    pub genesis: Genesis,
    /// The account of a private or user core.
    pub account: Option<Account>,
    /// The core that it lies in, where that one names it.
    pub parent: Option<CoreId>,
    /// Whether the reader may know what it uses.
    pub tells_usage: bool,
}

impl Exchange {
    /// What `reader` may know of a core; none where it shows nothing to this reader.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn summary(&self, reader: &Reader, core: &CoreId) -> Result<Option<CoreSummary>, LoadError> {
        let door = self.access.door_for(reader, core, Exit::Http).await?;
        let shows = self.disclosure(reader, core).await? != crate::Disclosure::Nothing;
        if !shows && !is_open(&self.store, core, door)? && !self.access.has_part(reader, core).await? {
            return Ok(None);
        }
        let genesis = self.cores.genesis(core)?;
        let account = match &genesis {
            Genesis::Private { root } | Genesis::User { root, .. } => Some(root.clone()),
            Genesis::Shared { .. } => None,
        };
        let tells_usage = self.access.replicates(reader, core).await?;
        let is_child = self.access.is_child(core)?;
        let parent = genesis.parent().filter(|_| is_child);
        Ok(Some(CoreSummary { core: *core, genesis, account, parent, tells_usage }))
    }
}
