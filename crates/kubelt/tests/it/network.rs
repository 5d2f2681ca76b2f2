//! Nodes as processes in network namespaces of their own, with a switch between them: cables that are pulled, packets
//! that are late or lost, and a node that is killed in the middle. Only root may make such networks; nothing of it
//! listens or speaks outside of them.

mod homes;
mod reach;
mod wires;

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use self::wires::{Badness, Wires};
use crate::cli::{Node, Person, noise};
use crate::faults::say;

/// How long two nodes may take to become equal.
const PATIENCE: Duration = Duration::from_secs(120);

/// Namespaces whose only way out are cables to one switch. All are removed with this value.
struct Network {
    name: String,
    places: usize,
    wires: Option<Wires>,
}

/// A cable from the switch to a place.
struct Cable {
    place: usize,
    /// What the place calls it.
    name: &'static str,
    /// The address of the place on it, and how much of it is that of the network.
    address: String,
    /// Which cables hear each other: those of the same number.
    side: usize,
}

/// The cable of a place to the network that all are in.
fn street(place: usize) -> Cable {
    Cable { place, name: "cable0", address: format!("10.77.0.{place}/24"), side: 0 }
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split(' ')).output();
    let output = output.map_err(|error| format!("`ip` cannot be run ({error})"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("`ip {args}`: {}", said.trim())) }
}

impl Network {
    fn new(purpose: &str, cables: &[Cable]) -> Result<Self, String> {
        let id = std::process::id();
        let places = cables.iter().map(|cable| cable.place).max().unwrap_or(0);
        // Made first, so that what is there is removed when the rest fails.
        let mut network = Self { name: format!("kubelt-{id}-{purpose}"), places, wires: None };
        let seed = seed();
        say(&format!("network `{purpose}`: KUBELT_NETWORK_SEED={seed}"));
        let names: Vec<String> = (0..cables.len()).map(|n| format!("kb{id}{}{n}", &purpose[..1])).collect();
        let wires = Wires::new(&names, seed).map_err(|error| format!("no TAP devices ({error})"))?;
        for place in (1..=places).map(|n| network.place(n)) {
            ip(&format!("netns add {place}"))?;
            ip(&format!("-n {place} link set lo up"))?;
        }
        for (Cable { place, name, address, .. }, device) in cables.iter().zip(names) {
            let place = network.place(*place);
            ip(&format!("link set {device} netns {place} name {name}"))?;
            ip(&format!("-n {place} addr add {address} dev {name}"))?;
            ip(&format!("-n {place} link set {name} up"))?;
        }
        wires.part(&cables.iter().map(|cable| cable.side).collect::<Vec<_>>());
        network.wires.insert(wires).start();
        Ok(network)
    }

    fn place(&self, n: usize) -> String {
        format!("{}-{n}", self.name)
    }

    /// A node at a place, which listens for others on its cable.
    fn node(&self, n: usize) -> Node {
        let settings = format!("[network]\nreplicate_listen = '10.77.0.{n}:4749'\nallow_local = true\n");
        Node::start_at(&settings, Some(self.place(n)))
    }

    fn wires(&self) -> &Wires {
        self.wires.as_ref().expect("a network has them")
    }

    fn plug(&self, n: usize, how: &str) {
        ip(&format!("-n {} link set cable0 {how}", self.place(n))).expect("the cable is there");
    }
}

/// Another one for each run, unless one is named.
fn seed() -> u64 {
    let named = std::env::var("KUBELT_NETWORK_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos().into();
    named.unwrap_or_else(now)
}

impl Drop for Network {
    fn drop(&mut self) {
        for n in 1..=self.places {
            // It may never have been made.
            drop(ip(&format!("netns del {}", self.place(n))));
        }
    }
}

/// The network for a test; none, and the reason is said, where this machine has none to give.
fn network(test: &str, purpose: &str, places: usize) -> Option<Network> {
    or_skip(test, Network::new(purpose, &(1..=places).map(street).collect::<Vec<_>>()))
}

fn or_skip<T>(test: &str, made: Result<T, String>) -> Option<T> {
    made.inspect_err(|why| say(&format!("SKIPPED `{test}`: no network namespaces here, {why}"))).ok()
}

/// What somebody sees of their core at a node: its operations, newest first.
fn log(person: &Person) -> Value {
    person.json(&["log", "@me"])["ops"].clone()
}

/// Waits until something is so, by looking at it again and again.
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come to it that {what}");
    }
}

/// Somebody whose core is on all nodes.
fn everywhere(nodes: &[Node]) -> Person {
    let mut ann = Person::at(&nodes[0].url);
    ann.go_to(&nodes[0]);
    ann.run(&["wallet", "new", "main", "--passphrase-file", "right"]);
    ann.sign_in();
    let from = nodes[0].replicates();
    for node in &nodes[1..] {
        ann.go_to(node);
        let login = ann.json(&["login", "--wallet", "main", "--passphrase-file", "right", "--from", &from]);
        assert_eq!(login["retrieved"]["settled"], true, "{login}");
    }
    ann
}

fn has(ann: &Person, path: &str, bytes: &[u8]) -> bool {
    ann.output(&["get", path, "-o", "copy"]).status.success() && ann.read("copy") == bytes
}

#[test]
fn both_sides_of_a_cut_have_the_same_core_when_it_is_over() {
    let Some(network) = network("both_sides_of_a_cut_have_the_same_core_when_it_is_over", "cut", 3) else {
        return;
    };
    let delay = Duration::from_millis(40);
    network.wires().worsen(Badness { delay, lost: 10, late: 20, rate: None });
    let nodes = [1, 2, 3].map(|n| network.node(n));
    let mut ann = everywhere(&nodes);
    ann.write("before.txt", "before");
    ann.run(&["put", "@me/before.txt", "before.txt", "--public"]);
    for node in &nodes {
        ann.go_to(node);
        wait("all have what was written before the cut", || has(&ann, "@me/before.txt", b"before"));
    }

    network.plug(2, "down");
    let mut written = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        ann.go_to(node);
        let (file, path) = (format!("during-{n}.bin"), format!("@me/during/{n}"));
        let bytes = noise(1)[n * 1_000..].to_vec();
        ann.write(&file, &bytes);
        ann.run(&["put", &path, &file]);
        // All of them write the same path, too.
        ann.write("same.txt", format!("written at {n}"));
        ann.run(&["put", "@me/same.txt", "same.txt"]);
        written.push((path, bytes));
    }
    ann.go_to(&nodes[1]);
    assert!(!has(&ann, &written[0].0, &written[0].1), "the cable is out");

    network.plug(2, "up");
    let mut logs = Vec::new();
    for node in &nodes {
        ann.go_to(node);
        for (path, bytes) in &written {
            wait("all have what was written meanwhile", || has(&ann, path, bytes));
        }
    }
    wait("all have the same log", || {
        logs = nodes.iter().map(|node| (ann.go_to(node), log(&ann)).1).collect();
        logs.iter().all(|log| *log == logs[0])
    });
    assert!(logs[0].as_array().is_some_and(|ops| ops.len() > 6), "{}", logs[0]);
    let same = |node: &Node| {
        ann.go_to(node);
        ann.run(&["get", "@me/same.txt", "-o", "same"]);
        ann.read("same")
    };
    let same: Vec<Vec<u8>> = nodes.iter().map(same).collect();
    assert!(same.iter().all(|text| *text == same[0]));
}

#[test]
fn a_node_that_is_killed_in_mid_transfer_gets_the_rest_when_it_is_back() {
    let test = "a_node_that_is_killed_in_mid_transfer_gets_the_rest_when_it_is_back";
    let Some(network) = network(test, "kill", 2) else { return };
    // So slow that there is a middle.
    network.wires().worsen(Badness { rate: Some(7_500_000), ..Badness::default() });
    let mut nodes = [1, 2].map(|n| network.node(n));
    let mut ann = everywhere(&nodes);
    ann.go_to(&nodes[0]);
    ann.write("big.bin", noise(40));
    ann.run(&["put", "@me/big.bin", "big.bin"]);
    ann.go_to(&nodes[1]);
    let kept = |ann: &Person| ann.json(&["usage", "@me"])["usage"]["block_bytes"].as_u64().expect("a number");
    wait("a part has come", || kept(&ann) > 6 << 20);
    nodes[1].kill();

    let before = nodes[1].url.clone();
    nodes[1].restart();
    ann.stays_signed_in_at(&nodes[1].url);
    let at_restart = kept(&ann);
    assert!(at_restart > 6 << 20, "{before}: what had come is kept");
    assert!(at_restart < 40 << 20, "it was killed in the middle: {at_restart}");
    wait("the rest comes", || has(&ann, "@me/big.bin", &noise(40)));
    let remotes = ann.json(&["remote", "ls"]);
    let came = remotes["remotes"][0]["bytes"].as_u64().expect("a number");
    assert!(came < 36 << 20, "what was here came again: {remotes}");
}

#[test]
fn five_nodes_on_bad_links_that_were_parted_have_the_same_core_in_the_end() {
    let test = "five_nodes_on_bad_links_that_were_parted_have_the_same_core_in_the_end";
    let Some(network) = network(test, "part", 5) else { return };
    let delay = Duration::from_millis(25);
    network.wires().worsen(Badness { delay, lost: 20, late: 50, rate: None });
    let nodes = [1, 2, 3, 4, 5].map(|n| network.node(n));
    let mut ann = everywhere(&nodes);

    network.wires().part(&[0, 0, 1, 1, 1]);
    let before = network.wires().counted();
    let mut written = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        ann.go_to(node);
        let (file, path) = (format!("parted-{n}.bin"), format!("@me/parted/{n}"));
        let bytes = noise(1)[n * 1_000..].to_vec();
        ann.write(&file, &bytes);
        ann.run(&["put", &path, &file]);
        written.push((path, bytes));
    }
    // Within a side all goes on.
    ann.go_to(&nodes[4]);
    for (path, bytes) in &written[2..] {
        wait("a side has what it wrote", || has(&ann, path, bytes));
    }
    assert!(!has(&ann, &written[0].0, &written[0].1), "the other side is not heard");
    let parted = network.wires().counted();
    assert!(parted.cut > before.cut && parted.lost > 0 && parted.late > 0, "{parted:?}");

    network.wires().part(&[0; 5]);
    for node in &nodes {
        ann.go_to(node);
        for (path, bytes) in &written {
            wait("all have what both sides wrote", || has(&ann, path, bytes));
        }
    }
    wait("all have the same log", || {
        let logs: Vec<Value> = nodes.iter().map(|node| (ann.go_to(node), log(&ann)).1).collect();
        logs.iter().all(|log| *log == logs[0])
    });
}
