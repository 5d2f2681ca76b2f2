use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kubelt_content::{
    Cid,
    ipns::{Generations, Name, NewRecord, Record, SecretKey},
};
use tokio::sync::mpsc;

use super::{NameRouting, Provider, ProviderRouting, Providers, RecordRouting, Routing, RoutingError};
use crate::limits::{NAME_MISS_KEPT, NAME_TTL_MIN};

#[derive(Debug)]
struct Others {
    record: Option<Record>,
    asked: AtomicUsize,
}

impl RecordRouting for Others {
    fn find_record<'a>(&'a self, _name: &'a Name) -> Routing<'a, Option<Record>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { self.record.clone() })
    }

    fn put_record<'a>(
        &'a self,
        _name: &'a Name,
        _record: Record,
    ) -> Routing<'a, Result<usize, RoutingError>> {
        Box::pin(async { Ok(1) })
    }
}

fn record(secret: &SecretKey, ttl: Duration) -> Record {
    let end = Duration::from_secs(4_000_000_000);
    let new = NewRecord { value: b"/ipfs/bafkqaaa", sequence: 1, validity_end: end, ttl };
    Record::create(secret, &new, Generations::V2).expect("a record")
}

#[tokio::test]
async fn a_name_is_looked_for_again_when_its_time_is_over() {
    let secret = SecretKey::from_seed(&[1; 32]);
    let cases = [(Some(record(&secret, Duration::ZERO)), NAME_TTL_MIN), (None, NAME_MISS_KEPT)];
    for (known, kept) in cases {
        let kept_ms = u64::try_from(kept.as_millis()).expect("short");
        let others = Arc::new(Others { record: known.clone(), asked: AtomicUsize::new(0) });
        let (routing, name) = (NameRouting::default(), secret.name());
        assert_eq!(routing.find(&name, 0).await, None, "nobody to ask");
        routing.by(others.clone());
        assert_eq!(routing.find(&name, 0).await, known);
        assert_eq!(routing.find(&name, kept_ms - 1).await, None, "asked just now");
        assert_eq!(others.asked.load(Ordering::SeqCst), 1);
        assert_eq!(routing.find(&name, kept_ms).await, known);
        assert_eq!(others.asked.load(Ordering::SeqCst), 2);
    }
}

#[derive(Debug)]
struct Has(&'static str);

impl ProviderRouting for Has {
    fn find_providers<'a>(&'a self, _cid: &'a Cid) -> Routing<'a, mpsc::Receiver<Provider>> {
        let (told, telling) = mpsc::channel(1);
        let provider = Provider { peer: self.0.to_owned(), addresses: Vec::new() };
        tokio::spawn(async move { told.send(provider).await });
        Box::pin(async { telling })
    }
}

#[tokio::test]
async fn all_that_are_asked_are_heard() {
    let providers = Providers::default();
    let cid: Cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".parse().expect("a CID");
    assert_eq!(providers.find(&cid).recv().await, None, "nobody is asked");
    providers.ask(Arc::new(Has("one")));
    providers.ask(Arc::new(Has("other")));
    let mut finding = providers.find(&cid);
    let mut found = Vec::new();
    while let Some(provider) = finding.recv().await {
        found.push(provider.peer);
    }
    found.sort();
    assert_eq!(found, ["one", "other"]);
}
