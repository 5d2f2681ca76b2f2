//! What is shown to whom.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kubelt_http::{CertificateStanding, Certificates};
use kubelt_net::NodeCertificates;
use kubelt_node::HostNames;
use parking_lot::RwLock;
use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::certificate::Certificate;

/// The certificates of a node; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hosts: HostNames,
    /// The node's own names.
    own: Vec<String>,
    shown: RwLock<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    /// The operator's, by name; `*.example.org` among them.
    given: HashMap<String, Arc<CertifiedKey>>,
    /// For clients that name nothing: the first of the operator's.
    usual: Option<Arc<CertifiedKey>>,
    /// Those that were issued, by name.
    issued: HashMap<String, Certificate>,
    /// Names for which they are shown: the node's own, and hosts of cores that strangers see something of.
    live: HashSet<String>,
    /// What is looked at just now, by name.
    proofs: HashMap<String, Proof>,
    standings: HashMap<String, CertificateStanding>,
}

/// What proves that this node is at a name.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) token: String,
    pub(super) answer: String,
    pub(super) certificate: Arc<CertifiedKey>,
}

impl Shelf {
    pub(crate) fn new(hosts: HostNames, own: Vec<String>) -> Self {
        Self(Arc::new(Inner { hosts, own, shown: RwLock::default() }))
    }

    /// The node's own names.
    pub(super) fn own(&self) -> &[String] {
        &self.0.own
    }

    /// Puts the operator's certificates in the place of those before.
    pub(super) fn give(&self, all: Vec<Certificate>) {
        let mut shown = self.0.shown.write();
        shown.usual = all.first().map(|certificate| Arc::clone(&certificate.key));
        let named = all.into_iter().flat_map(|certificate| {
            let key = certificate.key;
            certificate.names.into_iter().map(move |name| (name, Arc::clone(&key)))
        });
        shown.given = named.collect();
    }

    /// Whether the operator has given a certificate for a name.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.0.shown.read().given(name).is_some()
    }

    pub(super) fn issue(&self, name: &str, certificate: Certificate) {
        self.0.shown.write().issued.insert(name.to_owned(), certificate);
    }

    pub(super) fn issued(&self, name: &str) -> Option<Certificate> {
        self.0.shown.read().issued.get(name).cloned()
    }

    pub(super) fn set_live(&self, live: HashSet<String>) {
        let mut shown = self.0.shown.write();
        shown.standings.retain(|name, _| live.contains(name));
        shown.live = live;
    }

    pub(super) fn prove(&self, name: &str, proof: Option<Proof>) {
        let mut shown = self.0.shown.write();
        match proof {
            Some(proof) => shown.proofs.insert(name.to_owned(), proof),
            None => shown.proofs.remove(name),
        };
    }

    pub(super) fn tell(&self, name: &str, standing: CertificateStanding) {
        self.0.shown.write().standings.insert(name.to_owned(), standing);
    }
}

impl Shown {
    fn given(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let above = || self.given.get(&format!("*.{}", name.split_once('.')?.1));
        self.given.get(name).or_else(above)
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name().map(str::to_ascii_lowercase).as_deref())
    }
}

impl NodeCertificates for Shelf {
    fn own(&self) -> Vec<(String, bool)> {
        self.0.own.iter().map(|name| (name.clone(), self.find(Some(name)).is_some())).collect()
    }
}

impl Certificates for Shelf {
    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.shown.read();
        let Some(name) = name else { return shown.usual.clone() };
        if let Some(given) = shown.given(name) {
            return Some(Arc::clone(given));
        }
        let issued = shown.issued.get(name).filter(|_| shown.live.contains(name))?;
        // The worker that says which names are live comes round now and then; a host that is taken away is gone at once.
        let is_here = self.0.own.iter().any(|own| own == name) || self.0.hosts.find(name).is_some();
        is_here.then(|| Arc::clone(&issued.key))
    }

    fn tls_proof(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.0.shown.read().proofs.get(name).map(|proof| Arc::clone(&proof.certificate))
    }

    fn http_proof(&self, name: &str, token: &str) -> Option<String> {
        let shown = self.0.shown.read();
        shown.proofs.get(name).filter(|proof| proof.token == token).map(|proof| proof.answer.clone())
    }

    fn standing(&self, name: &str) -> Option<CertificateStanding> {
        let shown = self.0.shown.read();
        if shown.given(name).is_some() {
            return Some(CertificateStanding { until_ms: None, next_ms: None, failure: None });
        }
        shown.standings.get(name).cloned()
    }

    fn figures(&self) -> Vec<(&'static str, &'static str, u64)> {
        let shown = self.0.shown.read();
        let failing = shown.standings.values().filter(|standing| standing.failure.is_some()).count();
        let held = shown.live.iter().filter(|name| shown.issued.contains_key(*name)).count();
        vec![
            ("certificates_issued", "Names that hold a certificate by ACME", held as u64),
            (
                "certificates_failing",
                "Names for which none was issued when it was tried last",
                failing as u64,
            ),
        ]
    }
}
