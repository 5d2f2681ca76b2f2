use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kubelt_content::Ipld;
use kubelt_core::{Account, Act, CoreId, EoaKey, Genesis, HostName, host_name::host_of_core};
use kubelt_store::{Options, Store};
use parking_lot::Mutex;

use super::{HostNameFault, HostTable, ProofKind};
use crate::{
    Ask, Clock, Looking, LookupError, Node, Reader, Session, TxtAnswer, TxtLookup, Write,
    limits::host_names::{HOST_GRACE_MS, HOST_LOOK_PROVED_MS, HOSTS_PER_CORE_MAX},
    worker::Step,
};

const HOST: &str = "widgets.acme.org";
const NODE: &str = "node.example";

#[derive(Debug)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A DNS that a test writes.
#[derive(Debug, Default)]
struct Dns {
    texts: Mutex<BTreeMap<String, Vec<String>>>,
    aliases: Mutex<BTreeMap<String, String>>,
    is_down: Mutex<bool>,
    asked: AtomicU64,
}

impl Dns {
    fn text(&self, host: &str, records: &[String]) {
        self.texts.lock().insert(format!("_kubelt.{host}"), records.to_vec());
    }

    fn alias(&self, from: &str, to: &str) {
        self.aliases.lock().insert(from.to_owned(), to.to_owned());
    }

    fn up(&self) -> Result<(), LookupError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.is_down.lock() { Err(LookupError::Failed("SERVFAIL".to_owned())) } else { Ok(()) }
    }
}

impl TxtLookup for Dns {
    fn txt<'a>(&'a self, name: &'a str) -> Looking<'a> {
        let records = self.texts.lock().get(name).cloned().unwrap_or_default();
        let records = records.into_iter().map(String::into_bytes).collect();
        Box::pin(async move { self.up().map(|()| TxtAnswer { records, ttl: None }) })
    }

    fn alias<'a>(&'a self, name: &'a str) -> Looking<'a, Option<String>> {
        let alias = self.aliases.lock().get(name).cloned();
        Box::pin(async move { self.up().map(|()| alias) })
    }
}

struct World {
    store: Store,
    clock: Arc<Hands>,
    dns: Arc<Dns>,
    node: Node,
    /// Two people, each with a private core.
    people: Vec<Arc<Session>>,
}

fn wallet(secret: u8) -> EoaKey {
    EoaKey::from_secret(&[secret; 32]).expect("a secret key")
}

fn start(store: &Store, clock: &Arc<Hands>, dns: &Arc<Dns>) -> Node {
    let node = Node::new(store.clone(), Arc::clone(clock) as Arc<dyn Clock>);
    node.dnslinks.look_up_by(Arc::clone(dns) as Arc<dyn TxtLookup>);
    node.host_names.known_as([NODE.to_owned()]);
    node
}

impl World {
    async fn new() -> Self {
        let (clock, dns) = (Arc::new(Hands(AtomicU64::new(1_800_000_000_000))), Arc::new(Dns::default()));
        let store = Store::memory(Options::default());
        let node = start(&store, &clock, &dns);
        let mut people = Vec::new();
        for key in [wallet(1), wallet(2)] {
            let made = node.sessions.challenge("localhost", Ask::of(key.account())).expect("a challenge");
            let signature = key.sign(made.message.as_bytes());
            people.push(
                node.sessions.open("localhost", &made.message, &signature).await.expect("a session").session,
            );
        }
        Self { store, clock, dns, node, people }
    }

    fn core(&self, person: usize) -> CoreId {
        self.people[person].core
    }

    async fn put(&self, person: usize, host: &str, value: Ipld) {
        let session = Arc::clone(&self.people[person]);
        let path = host.parse::<HostName>().expect("a host").path();
        let act = Act::Put { path, value };
        self.node.cores.write(session.core, Write::Act { session, act }).await.expect("written");
    }

    async fn bind(&self, person: usize, host: &str) {
        self.put(person, host, Ipld::Map(BTreeMap::new())).await;
    }

    /// Lets the worker do all that is due, once; gives how many look-ups the DNS has had.
    async fn settle(&self) -> u64 {
        let before = self.dns.asked.load(Ordering::Relaxed);
        let worker = self.node.workers.get("hosts").expect("a worker");
        while worker.step().await.expect("a step") == Step::More {}
        self.dns.asked.load(Ordering::Relaxed) - before
    }

    fn pass(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn names(&self, person: usize) -> String {
        format!("core={}", self.core(person))
    }
}

#[tokio::test]
async fn a_host_leads_to_a_core_that_binds_it_and_that_the_dns_names() {
    let world = World::new().await;
    let find = || world.node.host_names.find(HOST);
    world.dns.text(HOST, &[world.names(0)]);
    assert_eq!(world.settle().await, 0, "nobody binds it");
    assert_eq!(find(), None, "a record alone leads nowhere");
    world.bind(0, HOST).await;
    assert_eq!(find(), None, "nobody has asked the DNS yet");
    world.settle().await;
    assert_eq!(find(), Some(world.core(0)));
    assert_eq!(world.node.host_names.find("other.acme.org"), None);
    // The address of the core by its host.
    let resolve = async |name: &str| {
        world.node.cores.resolve_for(&Reader::Anonymous, &[name.to_owned()]).await.expect("resolves")
    };
    assert_eq!(resolve("Widgets.Acme.ORG").await, world.core(0));
    assert_ne!(resolve("other.acme.org").await, world.core(0));
    // A binding alone, with a record that does not come.
    world.bind(1, "mine.example").await;
    world.settle().await;
    assert_eq!(world.node.host_names.find("mine.example"), None);
    // What is cleared leads nowhere at once, whatever the DNS says.
    world.put(0, HOST, Ipld::Null).await;
    assert_eq!(find(), None);
}

#[tokio::test]
async fn of_two_cores_that_bind_one_host_the_dns_decides() {
    let world = World::new().await;
    let find = || world.node.host_names.find(HOST);
    world.bind(0, HOST).await;
    world.bind(1, HOST).await;
    world.dns.text(HOST, &[world.names(1)]);
    world.settle().await;
    assert_eq!(find(), Some(world.core(1)));
    let told = world.node.host_names.list(&Reader::Session(world.people[0].clone()), &world.core(0)).await;
    let told = &told.expect("told")[0];
    assert!(told.is_bound && !told.leads_here && told.proof.core() == Some(world.core(1)));
    // The record changes hands.
    world.dns.text(HOST, &[world.names(0)]);
    world.settle().await;
    assert_eq!(find(), Some(world.core(1)), "it is not asked at every step");
    world.pass(HOST_LOOK_PROVED_MS);
    world.settle().await;
    assert_eq!(find(), Some(world.core(0)));
    // Of several in one place every node takes the same.
    world.dns.text(HOST, &[world.names(0), world.names(1)]);
    world.pass(HOST_LOOK_PROVED_MS);
    world.settle().await;
    assert_eq!(find(), Some(world.core(0).min(world.core(1))));
}

#[tokio::test]
async fn an_alias_proves_a_host_only_where_it_names_the_core_and_this_node() {
    let world = World::new().await;
    let find = || world.node.host_names.find(HOST);
    world.bind(0, HOST).await;
    let check = async |to: &str, expected: Option<CoreId>, why: &str| {
        world.dns.alias(HOST, to);
        world.pass(HOST_LOOK_PROVED_MS * 8);
        world.settle().await;
        assert_eq!(find(), expected, "{why}");
    };
    let (own, other) = (world.core(0), world.core(1));
    check(NODE, None, "it says which node, and not which core").await;
    check(&host_of_core(&own, "elsewhere.example"), None, "another node").await;
    check(&host_of_core(&other, NODE), None, "another core, that does not bind it").await;
    check(&host_of_core(&own, NODE), Some(own), "core and node").await;
    check("elsewhere.example", None, "it points away again").await;
    world.dns.alias("cdn.acme.org", &host_of_core(&own, NODE));
    check("cdn.acme.org", Some(own), "over another name").await;
    let told =
        world.node.host_names.list(&Reader::Session(world.people[0].clone()), &own).await.expect("told");
    assert_eq!(told[0].proof.kind(), Some(ProofKind::Cname));
    // A text record that names another core wins.
    world.dns.text(HOST, &[world.names(1)]);
    check(&host_of_core(&own, NODE), None, "the text record names another core").await;
    // A host of this kind is one of its core by itself.
    assert_eq!(world.node.host_names.find(&host_of_core(&other, NODE)), Some(other));
}

#[tokio::test]
async fn a_proof_ends_with_its_record_and_outlives_a_silent_dns_for_a_day() {
    let world = World::new().await;
    let find = || world.node.host_names.find(HOST);
    world.bind(0, HOST).await;
    world.dns.text(HOST, &[world.names(0)]);
    world.settle().await;
    assert_eq!(find(), Some(world.core(0)));
    *world.dns.is_down.lock() = true;
    world.pass(HOST_GRACE_MS - 1);
    assert!(world.settle().await > 0);
    assert_eq!(find(), Some(world.core(0)), "a server that is down takes nobody's host away");
    world.pass(HOST_LOOK_PROVED_MS);
    world.settle().await;
    assert_eq!(find(), None, "not for ever");
    *world.dns.is_down.lock() = false;
    world.pass(HOST_LOOK_PROVED_MS * 8);
    world.settle().await;
    assert_eq!(find(), Some(world.core(0)));
    world.dns.text(HOST, &[]);
    world.pass(HOST_LOOK_PROVED_MS);
    world.settle().await;
    assert_eq!(find(), None, "that there is no record is an answer");
}

#[tokio::test]
async fn hosts_answer_at_once_after_a_start() {
    let world = World::new().await;
    world.bind(0, HOST).await;
    world.bind(0, "unproved.example").await;
    world.dns.text(HOST, &[world.names(0)]);
    world.settle().await;
    *world.dns.is_down.lock() = true;
    let again = start(&world.store, &world.clock, &world.dns);
    assert_eq!(again.host_names.find(HOST), Some(world.core(0)));
    assert_eq!(again.host_names.find("unproved.example"), None);
    // The rows are derived from the map, and say the same.
    let table = HostTable::open(world.store.clone(), 0);
    assert_eq!(table.of(&world.core(0)).len(), 2);
    world.put(0, "unproved.example", Ipld::Null).await;
    assert_eq!(HostTable::open(world.store.clone(), 0).of(&world.core(0)).len(), 1);
    // What the DNS has not said for long is not believed.
    world.pass(HOST_GRACE_MS);
    assert_eq!(start(&world.store, &world.clock, &world.dns).host_names.find(HOST), None);
}

#[tokio::test]
async fn a_core_has_so_many_hosts_looked_up_and_takes_nobody_elses_place() {
    let world = World::new().await;
    for n in 0..HOSTS_PER_CORE_MAX {
        world.bind(0, &format!("h{n:04}.example")).await;
    }
    world.bind(0, "z.example").await;
    world.bind(1, "z.example").await;
    world.dns.text("z.example", &[world.names(1)]);
    world.settle().await;
    assert_eq!(world.node.host_names.find("z.example"), Some(world.core(1)));
    let reader = Reader::Session(world.people[0].clone());
    let listed = world.node.host_names.list(&reader, &world.core(0)).await.expect("told");
    assert_eq!(listed.len(), HOSTS_PER_CORE_MAX);
    // Where one goes, there is room for another.
    world.put(0, "h0000.example", Ipld::Null).await;
    let listed = world.node.host_names.list(&reader, &world.core(0)).await.expect("told");
    assert!(listed.iter().any(|binding| binding.host.as_str() == "z.example"));
}

#[tokio::test]
async fn hosts_are_told_to_the_cores_own_people_alone() {
    let world = World::new().await;
    world.bind(0, HOST).await;
    let (core, host): (_, HostName) = (world.core(0), HOST.parse().expect("a host"));
    let nowhere = Genesis::Private { root: Account::Eoa([9; 20]) }.id();
    let admit = || Ok::<_, HostNameFault>(());
    for reader in [Reader::Anonymous, Reader::Session(world.people[1].clone())] {
        for core in [core, nowhere] {
            assert!(world.node.host_names.list(&reader, &core).await.expect("answers").is_empty());
            let checked = world.node.host_names.check(&reader, &core, &host, admit).await;
            assert!(matches!(checked, Err(HostNameFault::NotFound)));
        }
    }
    assert_eq!(world.dns.asked.load(Ordering::Relaxed), 0, "strangers make nobody ask the DNS");
    let own = Reader::Session(world.people[0].clone());
    world.dns.text(HOST, &[world.names(0)]);
    let checked = world.node.host_names.check(&own, &core, &host, admit).await.expect("told");
    assert!(checked.leads_here, "asking is enough to prove it");
    assert_eq!(world.node.host_names.find(HOST), Some(core));
    assert_eq!(checked.records[0].value, world.names(0));
    let unbound = "unbound.example".parse().expect("a host");
    let checked = world.node.host_names.check(&own, &core, &unbound, admit).await.expect("told");
    assert!(!checked.is_bound && !checked.leads_here);
}
