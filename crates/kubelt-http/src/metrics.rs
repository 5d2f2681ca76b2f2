//! Figures in the Prometheus text format.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kubelt_node::{Fetcher, HostNames, Mirrors, Node, Peers, Remotes, Status, worker::WorkerState};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{problem::ApiError, tls::Certificates};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabels {
    worker: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WayLabels {
    way: &'static str,
}

/// What the node counts.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    kept: Counter,
    seconds: Histogram,
    status: Status,
    peers: Peers,
    remotes: Remotes,
    mirrors: Mirrors,
    host_names: HostNames,
    certificates: Option<Arc<dyn Certificates>>,
    of_peers: Mutex<HashMap<&'static str, Gauge>>,
    fetcher: Fetcher,
    fetched_blocks: Family<WayLabels, Gauge>,
    fetched_bytes: Family<WayLabels, Gauge>,
    fetch_readers: Gauge,
    fetch_cache_bytes: Gauge,
    cores: Gauge,
    blocks: Gauge,
    block_bytes: Gauge,
    segments: Gauge,
    segment_bytes: Gauge,
    free_bytes: Gauge,
    commits: Gauge,
    transactions: Gauge,
    failed_commits: Gauge,
    worker_busy: Family<WorkerLabels, Gauge>,
    worker_steps: Family<WorkerLabels, Gauge>,
    worker_errors: Family<WorkerLabels, Gauge>,
    worker_waiting: Family<WorkerLabels, Gauge>,
}

impl Metrics {
    pub(crate) fn new(node: &Node, certificates: Option<Arc<dyn Certificates>>) -> Self {
        let mut registry = Registry::with_prefix("kubelt");
        let requests = Family::default();
        let seconds = Histogram::new([
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        ]);
        registry.register(
            "http_requests",
            "Requests answered, by method and status",
            Family::clone(&requests),
        );
        let kept = Counter::default();
        registry.register("http_kept_answers", "Requests answered from memory", kept.clone());
        registry.register("http_request_seconds", "Seconds until the head of an answer", seconds.clone());
        let mut of_workers = |name: &str, help: &str| {
            let family = Family::<WorkerLabels, Gauge>::default();
            registry.register(name, help, family.clone());
            family
        };
        let worker_busy = of_workers("worker_busy", "Whether a worker is at work");
        let worker_steps = of_workers("worker_steps", "Steps that a worker has done");
        let worker_errors = of_workers("worker_errors", "Steps of a worker that failed");
        let worker_waiting = of_workers("worker_waiting", "How much waits for a worker");
        let mut of_ways = |name: &str, help: &str| {
            let family = Family::<WayLabels, Gauge>::default();
            registry.register(name, help, family.clone());
            family
        };
        let fetched_blocks =
            of_ways("fetch_blocks", "Blocks had for pins and readers, by the way on which they came");
        let fetched_bytes = of_ways("fetch_bytes", "Bytes of those blocks");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let inner = Inner {
            cores: gauge("store_cores", "Cores on this node"),
            blocks: gauge("store_blocks", "Blocks stored"),
            block_bytes: gauge("store_block_bytes", "Bytes of the blocks stored"),
            segments: gauge("store_segments", "Segments"),
            segment_bytes: gauge("store_segment_bytes", "Bytes of the segments"),
            free_bytes: gauge("store_free_bytes", "Free bytes on the store's disk"),
            commits: gauge("store_commits", "Group commits since the start, one disk sync each"),
            transactions: gauge("store_transactions", "Transactions in those group commits"),
            fetch_readers: gauge("fetch_readers", "Readers that content is fetched for now"),
            fetch_cache_bytes: gauge(
                "fetch_cache_bytes",
                "Bytes of what was fetched for readers and is kept for a while",
            ),
            failed_commits: gauge("store_failed_commits", "Group commits that failed"),
            worker_busy,
            worker_steps,
            worker_errors,
            worker_waiting,
            registry: Mutex::new(registry),
            requests,
            kept,
            seconds,
            status: node.status.clone(),
            peers: node.peers.clone(),
            remotes: node.remotes.clone(),
            mirrors: node.mirrors.clone(),
            host_names: node.host_names.clone(),
            certificates,
            of_peers: Mutex::default(),
            fetcher: node.fetcher.clone(),
            fetched_blocks,
            fetched_bytes,
        };
        Self(Arc::new(inner))
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, method: &str, status: u16, took: Duration) {
        // Methods are an open set; whatever is not a known one is counted as one.
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
        let method = known.into_iter().find(|known| *known == method).unwrap_or("other");
        self.0.requests.get_or_create(&RequestLabels { method, status }).inc();
        self.0.seconds.observe(took.as_secs_f64());
    }

    /// Counts an answer that was kept.
    pub(crate) fn was_kept(&self) {
        self.0.kept.inc();
    }

    /// Figures of replication, and of the network, which is there only once it has begun.
    fn set_of_peers(&self) {
        let mut of_peers = self.0.of_peers.lock();
        let network = self.0.peers.network().map(|network| network.figures()).unwrap_or_default();
        let own = self.0.remotes.figures().into_iter().chain(self.0.mirrors.figures());
        let own = own.chain(self.0.host_names.figures());
        let own = own.chain(self.0.certificates.iter().flat_map(|certificates| certificates.figures()));
        for (name, help, value) in own.chain(network) {
            let gauge = of_peers.entry(name).or_insert_with(|| {
                let gauge = Gauge::default();
                self.0.registry.lock().register(name, help, gauge.clone());
                gauge
            });
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// All figures as text.
    pub(crate) fn text(&self) -> Result<String, ApiError> {
        let inner = &*self.0;
        let stats = inner.status.stats()?;
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&inner.cores, stats.cores);
        set(&inner.blocks, stats.blocks);
        set(&inner.block_bytes, stats.block_bytes);
        set(&inner.segments, stats.segments);
        set(&inner.segment_bytes, stats.segment_bytes);
        set(&inner.free_bytes, stats.free_bytes);
        set(&inner.commits, stats.groups);
        set(&inner.transactions, stats.transactions);
        set(&inner.failed_commits, stats.failed_groups);
        for worker in inner.status.workers() {
            let of = |family: &Family<WorkerLabels, Gauge>, value: u64| {
                let gauge = family.get_or_create_owned(&WorkerLabels { worker: worker.name });
                set(&gauge, value);
            };
            of(&inner.worker_busy, u64::from(worker.state == WorkerState::Busy));
            of(&inner.worker_steps, worker.steps);
            of(&inner.worker_errors, worker.errors);
            of(&inner.worker_waiting, worker.waiting);
        }
        let fetched = inner.fetcher.figures();
        for (way, blocks, bytes) in fetched.ways {
            let of = |family: &Family<WayLabels, Gauge>, value: u64| {
                set(&family.get_or_create_owned(&WayLabels { way: way.as_str() }), value);
            };
            of(&inner.fetched_blocks, blocks);
            of(&inner.fetched_bytes, bytes);
        }
        set(&inner.fetch_readers, fetched.readers);
        set(&inner.fetch_cache_bytes, fetched.cache_bytes);
        let mut text = String::new();
        self.set_of_peers();
        encode(&mut text, &inner.registry.lock()).expect("writing to a string does not fail");
        Ok(text)
    }
}
