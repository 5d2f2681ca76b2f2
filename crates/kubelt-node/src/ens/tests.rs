use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use kubelt_core::{Account, BlockRef, EnsName};
use parking_lot::Mutex;

use super::{EnsFault, EnsNames, EnsPort};
use crate::{
    Clock,
    chains::Asking,
    limits::{ENS_KEPT_MS, ENS_MISSING_KEPT_MS},
};

const OLD: Account = Account::Eoa([1; 20]);
const NEW: Account = Account::Contract { chain: 1, address: [2; 20] };
const BLOCK: BlockRef = BlockRef { chain: 1, number: 7, hash: [7; 32] };

#[derive(Debug, Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A service that says of `alice.eth` what is set here, and nothing of other names.
#[derive(Debug)]
struct Service {
    alice: Mutex<Result<Account, EnsFault>>,
    asked: AtomicUsize,
}

impl EnsPort for Service {
    fn account<'a>(&'a self, name: &'a EnsName) -> Asking<'a, Result<(Account, BlockRef), EnsFault>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let said = match name.as_str() {
            "alice.eth" => self.alice.lock().clone(),
            _ => Err(EnsFault::Nowhere(name.clone())),
        };
        Box::pin(async { said.map(|account| (account, BLOCK)) })
    }

    fn text<'a>(
        &'a self,
        name: &'a EnsName,
        key: &'a str,
    ) -> Asking<'a, Result<(String, BlockRef), EnsFault>> {
        let said = (name.as_str(), key) == ("alice.eth", "kubelt");
        let said = said.then(|| "host=/dns/a.example/tcp/1".to_owned());
        Box::pin(async move { said.map(|text| (text, BLOCK)).ok_or(EnsFault::Unanswered) })
    }
}

fn names() -> (EnsNames, Arc<Hands>, Arc<Service>) {
    let clock = Arc::new(Hands::default());
    let names = EnsNames::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let service = Arc::new(Service { alice: Mutex::new(Ok(OLD)), asked: AtomicUsize::new(0) });
    names.look_up_by(Arc::clone(&service) as Arc<dyn EnsPort>);
    (names, clock, service)
}

async fn account(names: &EnsNames, name: &str) -> Result<Account, EnsFault> {
    names.account(name, || Ok(())).await.map(|named: super::NamedAccount| named.account)
}

#[tokio::test]
async fn a_name_that_changed_hands_leads_elsewhere_in_time() {
    let (names, clock, service) = names();
    assert_eq!(account(&names, "Alice.eth").await, Ok(OLD));
    *service.alice.lock() = Ok(NEW);
    clock.0.store(ENS_KEPT_MS - 1, Ordering::Relaxed);
    assert_eq!(account(&names, "alice.eth").await, Ok(OLD));
    assert_eq!(service.asked.load(Ordering::Relaxed), 1);
    clock.0.store(ENS_KEPT_MS, Ordering::Relaxed);
    assert_eq!(account(&names, "alice.eth").await, Ok(NEW));
}

#[tokio::test]
async fn what_was_not_answered_is_asked_again_and_what_is_not_there_is_not() {
    let (names, clock, service) = names();
    *service.alice.lock() = Err(EnsFault::Unanswered);
    assert_eq!(account(&names, "alice.eth").await, Err(EnsFault::Unanswered));
    *service.alice.lock() = Ok(NEW);
    assert_eq!(account(&names, "alice.eth").await, Ok(NEW));
    let asked = service.asked.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert!(matches!(account(&names, "bob.eth").await, Err(EnsFault::Nowhere(_))));
    }
    assert_eq!(service.asked.load(Ordering::Relaxed), asked + 1);
    clock.0.store(ENS_MISSING_KEPT_MS, Ordering::Relaxed);
    assert!(matches!(account(&names, "bob.eth").await, Err(EnsFault::Nowhere(_))));
    assert_eq!(service.asked.load(Ordering::Relaxed), asked + 2);
    // Who may not ask hears what is known, and makes nobody ask.
    let refuse = || Err(EnsFault::Busy);
    assert!(names.account("alice.eth", refuse).await.is_ok());
    assert_eq!(names.account("carol.eth", refuse).await, Err(EnsFault::Busy));
    assert_eq!(service.asked.load(Ordering::Relaxed), asked + 2);
}

#[tokio::test]
async fn without_a_chain_it_is_said_so() {
    let names = EnsNames::new(Arc::new(Hands::default()));
    assert_eq!(account(&names, "alice.eth").await, Err(EnsFault::NoChain));
    assert!(matches!(account(&names, "al ice.eth").await, Err(EnsFault::Name(_))));
    assert_eq!(names.hosts(&"alice.eth".parse().expect("a name")).await, Err(EnsFault::NoChain));
}

#[tokio::test]
async fn hosts_are_read_from_the_text_record() {
    let (names, ..) = names();
    let hosts = names.hosts(&"alice.eth".parse().expect("a name")).await.expect("has a record").hosts;
    assert_eq!(hosts.into_iter().collect::<Vec<_>>(), ["/dns/a.example/tcp/1"]);
}
