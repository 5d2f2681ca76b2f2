use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{BadLink, DnsLinks, Looking, LookupError, TxtAnswer, TxtLookup, is_dns_name};
use crate::{clock::Clock, resolve::ResolveError};

#[derive(Debug, Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers from a list, and remembers what it was asked.
#[derive(Debug, Default)]
struct FakeDns {
    names: BTreeMap<&'static str, Vec<&'static str>>,
    asked: Mutex<Vec<String>>,
}

impl TxtLookup for FakeDns {
    fn txt<'a>(&'a self, name: &'a str) -> Looking<'a> {
        Box::pin(async move {
            self.asked.lock().push(name.to_owned());
            if name.ends_with("broken.example") {
                return Err(LookupError::Timeout);
            }
            let records = self.names.get(name).cloned().unwrap_or_default();
            let ttl = (!records.is_empty()).then_some(Duration::from_secs(100));
            Ok(TxtAnswer { records: records.into_iter().map(|text| text.as_bytes().to_vec()).collect(), ttl })
        })
    }

    fn alias<'a>(&'a self, name: &'a str) -> Looking<'a, Option<String>> {
        // A chain of names, and one that ends in a circle.
        let alias = name.strip_suffix(".chain.example").map(|n| match n.parse::<u8>() {
            Ok(n) => format!("{}.chain.example", n + 1),
            Err(_word) => "circle.chain.example".to_owned(),
        });
        Box::pin(async move { Ok(alias) })
    }
}

fn links(names: &[(&'static str, &[&'static str])]) -> (DnsLinks, Arc<FakeDns>, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let names = names.iter().map(|(name, texts)| (*name, texts.to_vec())).collect();
    let dns = Arc::new(FakeDns { names, asked: Mutex::default() });
    let links = DnsLinks::new(Arc::clone(&clock) as Arc<dyn Clock>);
    links.look_up_by(Arc::clone(&dns) as Arc<dyn TxtLookup>);
    (links, dns, clock)
}

#[tokio::test]
async fn the_label_is_asked_first_and_the_name_only_then() {
    let (links, dns, _) = links(&[
        ("_dnslink.one.example", &["other", "dnslink=/ipfs/bafkqaaa/b", "dnslink=/ipfs/bafkqaaa/a"]),
        ("one.example", &["dnslink=/ipfs/bafkqaaa/never"]),
        ("two.example", &["dnslink=/ipfs/bafkqaaa/name"]),
        ("_dnslink.bad.example", &["dnslink=nonsense", "dnslink=/ipfs/nonsense"]),
    ]);
    assert_eq!(links.link("one.example").await.expect("there").path, "/ipfs/bafkqaaa/a");
    assert_eq!(*dns.asked.lock(), ["_dnslink.one.example"]);
    assert_eq!(links.link("two.example").await.expect("there").path, "/ipfs/bafkqaaa/name");
    assert_eq!(dns.asked.lock()[1..], ["_dnslink.two.example", "two.example"]);
    assert!(matches!(links.link("bad.example").await, Err(ResolveError::NoLink(_))));
    assert!(matches!(links.link("broken.example").await, Err(ResolveError::Lookup { .. })));
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_say_and_failures_are_not() {
    let (links, dns, clock) = links(&[("_dnslink.one.example", &["dnslink=/ipfs/bafkqaaa"])]);
    let check = async |name: &str, asked: usize| {
        let _found = links.link(name).await;
        assert_eq!(std::mem::take(&mut *dns.asked.lock()).len(), asked, "{name}");
    };
    check("one.example", 1).await;
    clock.0.store(40_000, Ordering::Relaxed);
    check("one.example", 0).await;
    assert_eq!(links.link("one.example").await.expect("kept").ttl, Some(Duration::from_secs(60)));
    clock.0.store(100_000, Ordering::Relaxed);
    check("one.example", 1).await;
    // That there is none is kept, too.
    check("none.example", 2).await;
    check("none.example", 0).await;
    clock.0.fetch_add(60_000, Ordering::Relaxed);
    check("none.example", 2).await;
    check("broken.example", 1).await;
    check("broken.example", 1).await;
}

#[tokio::test]
async fn the_map_wins_and_is_checked() {
    let (links, dns, _) = links(&[("_dnslink.one.example", &["dnslink=/ipfs/bafkqaaa/dns"])]);
    let map = |name: &str, path: &str| BTreeMap::from([(name.to_owned(), path.to_owned())]);
    links.set(map("One.Example", "/ipfs/bafkqaaa/map")).expect("good");
    assert!(links.is_mapped("one.example"));
    assert_eq!(links.link("one.example").await.expect("there").path, "/ipfs/bafkqaaa/map");
    assert!(dns.asked.lock().is_empty());
    assert!(matches!(links.set(map("no name", "/ipfs/bafkqaaa")), Err(BadLink::Name(_))));
    assert!(matches!(links.set(map("a.example", "/ipfs/")), Err(BadLink::Path { .. })));
    assert!(links.is_mapped("one.example"), "what is refused changes nothing");
}

#[test]
fn dns_names_are_told_from_other_text() {
    for name in
        ["a.b", "en.wikipedia-on-ipfs.org", "_dnslink.example.org", "xn--nxasmq6b.example", "1.example"]
    {
        assert!(is_dns_name(name), "{name}");
    }
    let long = format!("{}.example", "a".repeat(64));
    for text in ["", "a", ".a.b", "a..b", "-a.b", "a-.b", "a b.c", "127.0.0.1", "a/b.c", "ü.example", &long]
    {
        assert!(!is_dns_name(text), "{text}");
    }
}

#[tokio::test]
async fn aliases_are_followed_so_far_and_in_no_circle() {
    let (links, ..) = links(&[]);
    let follow = async |name: &str| links.aliases(name, 3).await.expect("answers");
    assert_eq!(follow("1.chain.example").await, ["2.chain.example", "3.chain.example", "4.chain.example"]);
    assert_eq!(follow("word.chain.example").await, ["circle.chain.example"]);
    assert_eq!(follow("circle.chain.example").await, [""; 0]);
    assert_eq!(follow("plain.example").await, [""; 0]);
}
