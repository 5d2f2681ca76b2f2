//! Sees to it that every host that the node answers under has a certificate: the first one soon, each further one before
//! the last has ended.
//!
//! Which names those are is asked of [`HostNames`], never of a client: whoever names a host in a TLS handshake makes nobody
//! ask for a certificate. Where none is issued the last one stays, and it is tried again, less and less often.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use kubelt_http::CertificateStanding;
use kubelt_node::{
    Clock, HostNames,
    worker::{Progress, Step, Stepping, Waker, Work, Worker},
};
use sha2::{Digest as _, Sha256};

use super::{AcmeConfig, Shelf, certificate::Certificate, issuer::Issuer};
use crate::{
    limits::{
        ACME_LOOK_EVERY, ACME_NAMES_EVERY_MS, ACME_ORDERS_PER_HOUR_MAX, ACME_RENEWAL_LOOK_MS,
        ACME_RETRY_MAX_MS, ACME_RETRY_MIN_MS,
    },
    private_file::{create_private_dir, write_private},
};

const HOUR_MS: u64 = 60 * 60 * 1_000;

struct Keeper {
    hosts: HostNames,
    shelf: Shelf,
    issuer: Issuer,
    clock: Arc<dyn Clock>,
    /// A file for each name: the key, and behind it the chain.
    dir: PathBuf,
    names: HashMap<String, Name>,
    /// When names were looked up last, and after how many changes.
    looked: Option<(u64, u64)>,
    /// When orders were made within the last hour.
    orders: VecDeque<u64>,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Name {
    /// When a certificate is asked for; at once where it was never tried.
    due_ms: u64,
    /// When the authority is asked next when it wants the certificate renewed.
    ask_ms: u64,
    failures: u32,
    turn: u32,
    failure: Option<String>,
}

/// The worker that keeps certificates, in `dir` with the account that they are issued to.
pub(crate) fn keeper(
    config: AcmeConfig,
    hosts: HostNames,
    shelf: Shelf,
    clock: Arc<dyn Clock>,
    dir: &Path,
) -> Result<Worker> {
    let certificates = dir.join("certificates");
    create_private_dir(dir)
        .and_then(|()| create_private_dir(&certificates))
        .with_context(|| format!("`{}` cannot be made", certificates.display()))?;
    let issuer = Issuer::new(config, dir)?;
    let keeper = Keeper {
        hosts,
        shelf,
        issuer,
        clock,
        dir: certificates,
        names: HashMap::new(),
        looked: None,
        orders: VecDeque::new(),
    };
    Ok(Worker::new("certificates", &Waker::default(), keeper))
}

impl Work for Keeper {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let now_ms = self.clock.now_ms();
            self.look(now_ms).await?;
            let due =
                self.names.iter().filter(|(_, name)| name.due_ms <= now_ms).map(|(text, _)| text.clone());
            let due: Vec<String> = due.collect();
            progress.waiting(due.len() as u64);
            self.orders.retain(|at_ms| now_ms.saturating_sub(*at_ms) < HOUR_MS);
            // Authorities count orders, and shut out who makes too many.
            if self.orders.len() < ACME_ORDERS_PER_HOUR_MAX
                && let Some(name) = due.first()
            {
                progress.say(format!("a certificate for {name}"));
                self.order(name, now_ms).await;
                return Ok(Step::More);
            }
            self.ask_when(now_ms).await;
            Ok(Step::Idle(ACME_LOOK_EVERY))
        })
    }
}

impl Keeper {
    /// Looks which names there are, where that may have changed.
    async fn look(&mut self, now_ms: u64) -> Result<(), kubelt_node::LoadError> {
        let changes = self.hosts.changes();
        if self.looked.is_some_and(|(at_ms, seen)| seen == changes && now_ms < at_ms + ACME_NAMES_EVERY_MS) {
            return Ok(());
        }
        let mut live: HashSet<String> = self.hosts.shown().await?.iter().map(ToString::to_string).collect();
        live.extend(self.shelf.own().iter().cloned());
        live.retain(|name| !self.shelf.is_given(name));
        self.names.retain(|name, _| live.contains(name));
        for name in &live {
            if !self.names.contains_key(name) {
                let known = self.begin(name, now_ms);
                self.names.insert(name.clone(), known);
                self.tell(name);
            }
        }
        self.shelf.set_live(live);
        for name in self.names.keys().cloned().collect::<Vec<_>>() {
            self.tell(&name);
        }
        self.looked = Some((now_ms, changes));
        Ok(())
    }

    /// Takes up a name, with the certificate that it may have from before.
    fn begin(&self, name: &str, now_ms: u64) -> Name {
        let kept = self.shelf.issued(name).or_else(|| {
            let bytes = fs::read(self.file(name)).ok()?;
            Certificate::read(&bytes, &bytes)
                .inspect_err(|error| tracing::warn!(name, "a certificate cannot be read: {error:#}"))
                .ok()
        });
        match kept.filter(|certificate| certificate.until_ms > now_ms) {
            Some(certificate) => {
                let due_ms = renewal(name, &certificate, None);
                self.shelf.issue(name, certificate);
                Name { due_ms, ask_ms: now_ms, ..Name::default() }
            }
            None => Name::default(),
        }
    }

    /// Has a certificate issued for a name.
    async fn order(&mut self, name: &str, now_ms: u64) {
        self.orders.push_back(now_ms);
        let turn = self.names.get(name).map_or(0, |known| known.turn);
        let before = self.shelf.issued(name);
        let issued = self.issuer.issue(&self.shelf, name, before.as_ref(), turn).await;
        self.shelf.prove(name, None);
        let kept = issued.and_then(|(pem, certificate)| {
            self.keep(name, &pem).context("the certificate cannot be kept")?;
            Ok(certificate)
        });
        let Some(known) = self.names.get_mut(name) else { return };
        match kept {
            Ok(certificate) => {
                tracing::info!(name, until_ms = certificate.until_ms, "a certificate was issued");
                *known = Name {
                    due_ms: renewal(name, &certificate, None),
                    ask_ms: now_ms,
                    turn,
                    ..Name::default()
                };
                self.shelf.issue(name, certificate);
            }
            Err(error) => {
                let pause_ms = ACME_RETRY_MIN_MS
                    .saturating_mul(3_u64.saturating_pow(known.failures))
                    .min(ACME_RETRY_MAX_MS);
                tracing::warn!(name, again_in_ms = pause_ms, "no certificate was issued: {error:#}");
                known.failure = Some(format!("{error:#}"));
                known.due_ms = now_ms + pause_ms;
                known.failures += 1;
                known.turn = known.turn.wrapping_add(1);
            }
        }
        self.tell(name);
    }

    /// Asks the authority of one certificate whether it wants it renewed before its time.
    async fn ask_when(&mut self, now_ms: u64) {
        let next = self.names.iter().find(|(_, name)| name.failures == 0 && name.ask_ms <= now_ms);
        let Some(text) = next.map(|(text, _)| text.clone()) else { return };
        if let Some(certificate) = self.shelf.issued(&text) {
            let wanted = self.issuer.renewal(&certificate).await;
            let due_ms = renewal(&text, &certificate, wanted);
            if let Some(name) = self.names.get_mut(&text) {
                name.due_ms = due_ms;
            }
        }
        if let Some(name) = self.names.get_mut(&text) {
            name.ask_ms = now_ms + ACME_RENEWAL_LOOK_MS;
        }
        self.tell(&text);
    }

    fn tell(&self, name: &str) {
        let Some(known) = self.names.get(name) else { return };
        let until_ms = self.shelf.issued(name).map(|certificate| certificate.until_ms);
        let standing =
            CertificateStanding { until_ms, next_ms: Some(known.due_ms), failure: known.failure.clone() };
        self.shelf.tell(name, standing);
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.pem"))
    }

    /// Keeps a certificate with its key, whole or not at all.
    fn keep(&self, name: &str, pem: &str) -> std::io::Result<()> {
        let fresh = self.dir.join(format!(".{name}.pem"));
        write_private(&fresh, pem.as_bytes())?;
        fs::rename(&fresh, self.file(name))
    }
}

/// When a certificate is renewed: within the span that its authority wants, or else when two thirds of its life are over;
/// for each name at a moment of its own, so that not all are renewed at once.
fn renewal(name: &str, certificate: &Certificate, wanted: Option<(u64, u64)>) -> u64 {
    let life_ms = certificate.until_ms.saturating_sub(certificate.from_ms);
    let usual = (certificate.from_ms + life_ms / 3 * 2 - life_ms / 20, certificate.from_ms + life_ms / 3 * 2);
    let (start, end) =
        wanted.filter(|(start, end)| start <= end && *end < certificate.until_ms).unwrap_or(usual);
    let sum = Sha256::digest(name.as_bytes());
    let (first, _) = sum.split_first_chunk::<8>().expect("32 bytes");
    start + u64::from_be_bytes(*first) % (end - start).max(1)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::{Certificate, renewal};

    fn certificate(names: &[&str]) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
        Certificate::read(made.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("a certificate")
    }

    #[test]
    fn a_certificate_is_renewed_early_or_when_its_authority_says() {
        let certificate = Certificate { from_ms: 0, until_ms: 90_000, ..certificate(&["a.example"]) };
        for name in ["a.example", "b.example", "c.example"] {
            let due_ms = renewal(name, &certificate, None);
            assert!((55_500..60_000).contains(&due_ms), "{name}: {due_ms}");
            assert!((10..20).contains(&renewal(name, &certificate, Some((10, 20)))));
            assert_eq!(renewal(name, &certificate, Some((5, 5))), 5);
            for odd in [(20, 10), (10, 90_000), (100_000, 200_000)] {
                assert_eq!(renewal(name, &certificate, Some(odd)), due_ms, "{odd:?}");
            }
        }
        let dues: std::collections::BTreeSet<u64> =
            ["a.example", "b.example", "c.example"].map(|name| renewal(name, &certificate, None)).into();
        assert_eq!(dues.len(), 3, "not all at once");
    }

    #[test]
    fn a_certificate_says_what_it_is_for_and_goes_with_its_key() {
        let read = certificate(&["A.example", "*.b.example"]);
        assert_eq!(read.names, ["a.example", "*.b.example"]);
        assert!(read.until_ms > read.from_ms);
        let (key, other) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let made = CertificateParams::new(["a.example".to_owned()])
            .expect("a name")
            .self_signed(&key)
            .expect("made");
        let pem = made.pem();
        for (chain, key) in [
            (pem.as_str(), other.serialize_pem()),
            (pem.as_str(), String::new()),
            ("", key.serialize_pem()),
            ("nonsense", key.serialize_pem()),
        ] {
            assert!(Certificate::read(chain.as_bytes(), key.as_bytes()).is_err());
        }
    }
}
