//! Nodes that find and reach each other: in one network without being told, and from home, past routers that translate
//! addresses.

use std::time::Duration;

use serde_json::Value;

use super::homes::{PORT, Router, home};
use super::wires::Badness;
use super::{Network, has, network, or_skip, wait};
use crate::cli::{Node, Person, noise};

/// What a node says of itself among its peers.
fn peers(person: &Person) -> Value {
    person.json(&["peers", "ls"])
}

fn id(person: &Person) -> String {
    peers(person)["id"].as_str().expect("it has one").to_owned()
}

/// What a node knows of a peer; nothing while it is not connected.
fn known(person: &Person, peer: &str, what: &str) -> Vec<String> {
    let list = peers(person);
    let all = list["peers"].as_array().expect("a list");
    let found = all.iter().find(|one| one["id"] == peer).and_then(|one| one[what].as_array());
    found.into_iter().flatten().map(|one| one.as_str().expect("is text").to_owned()).collect()
}

/// Where the connections with a peer lead; none while it is not connected.
fn ways(person: &Person, peer: &str) -> Vec<String> {
    known(person, peer, "addresses")
}

/// Whether others said of an address of this node that they reach it, or do not.
fn said(person: &Person, reached: bool) -> bool {
    let list = peers(person);
    list["tried"].as_array().is_some_and(|all| all.iter().any(|one| one["reached"] == reached))
}

/// Whether a peer says to the node in the street that it answers others in the DHT.
fn answers_in_the_dht(relay: &Node, person: &mut Person, peer: &str) -> bool {
    person.go_to(relay);
    known(person, peer, "protocols").iter().any(|protocol| protocol == "/ipfs/lan/kad/1.0.0")
}

#[test]
fn nodes_of_one_network_find_each_other_without_being_told() {
    let test = "nodes_of_one_network_find_each_other_without_being_told";
    let Some(network) = network(test, "mdns", 3) else { return };
    network.wires().worsen(Badness { delay: Duration::from_millis(3), lost: 5, ..Badness::default() });
    let asks = "[network]\nmdns = true\n";
    let nodes = [asks, asks, "[network]\nlisten = ['/ip4/0.0.0.0/tcp/0']\n"];
    let [one, two, deaf] = [1, 2, 3].map(|n| Node::start_at(nodes[n - 1], Some(network.place(n))));
    let mut ann = Person::at(&one.url);
    ann.go_to(&one);
    ann.run(&["wallet", "new", "main", "--passphrase-file", "right"]);
    ann.sign_in();
    let first = id(&ann);
    ann.write("site/index.html", noise(1));
    let published = ann.json(&["publish", "site", "--to", "@me/site", "--public"]);
    ann.go_to(&two);
    let second = id(&ann);
    wait("they are connected", || !ways(&ann, &first).is_empty());
    ann.sign_in();
    let what = format!("{}/index.html", published["cid"].as_str().expect("it has one"));
    assert!(has(&ann, &what, &noise(1)), "what one has published, the other gets");
    ann.go_to(&one);
    assert!(!ways(&ann, &second).is_empty());
    ann.go_to(&deaf);
    assert!(peers(&ann)["peers"].as_array().is_some_and(Vec::is_empty), "who does not ask hears of nobody");
}

/// The node in the street: everybody reaches it, and it relays.
fn relay(network: &Network) -> Node {
    let at = format!("/ip4/10.77.0.1/udp/{PORT}/quic-v1");
    let settings = format!("[network]\nlisten = ['{at}']\nannounce = ['{at}']\nrelay = true\n{LOCAL}");
    Node::start_at(&settings, Some(network.place(1)))
}

/// Here private addresses are the whole world.
const LOCAL: &str = "allow_local = true\ndht_scope = 'lan'\n";

/// A node at home, which knows the node in the street, and is reached through it if it is `kept` there.
fn at_home(network: &Network, n: usize, relay: &Node, kept: bool) -> Node {
    let street = relay.peer_address();
    let place = if kept { format!(", '{street}/p2p-circuit'") } else { String::new() };
    let settings = format!(
        "[network]\nlisten = ['/ip4/0.0.0.0/udp/{PORT}/quic-v1'{place}]\nbootstrap = ['{street}']\n{LOCAL}"
    );
    Node::start_at(&settings, Some(network.place(home(n))))
}

/// Somebody with a core on a node at home that is reached through a relay; and by which address.
fn reached_at_home(node: &Node, relay: &Node) -> (Person, String) {
    let mut ann = Person::at(&node.url);
    ann.go_to(node);
    let is_kept = |address: &Value| address.as_str().is_some_and(|text| text.contains("p2p-circuit"));
    wait("the relay has a place for it", || {
        peers(&ann)["addresses"].as_array().is_some_and(|all| all.iter().any(is_kept))
    });
    ann.run(&["wallet", "new", "main", "--passphrase-file", "right"]);
    ann.sign_in();
    let address = format!("{}/p2p-circuit/p2p/{}", relay.peer_address(), id(&ann));
    (ann, address)
}

/// Signs in at another node, which retrieves the core from there.
fn retrieves(ann: &mut Person, node: &Node, from: &str) {
    ann.go_to(node);
    let login = ann.json(&["login", "--wallet", "main", "--passphrase-file", "right", "--from", from]);
    assert_eq!(login["retrieved"]["settled"], true, "{login}");
}

#[test]
fn nodes_behind_two_routers_meet_past_the_relay_and_go_on_without_it() {
    let test = "nodes_behind_two_routers_meet_past_the_relay_and_go_on_without_it";
    let made = Network::with_homes("home", &[Router::Plain, Router::Plain]);
    let Some(network) = or_skip(test, made) else { return };
    network.wires().worsen(Badness { delay: Duration::from_millis(10), lost: 2, ..Badness::default() });
    let mut relay = relay(&network);
    let (one, two) = (at_home(&network, 1, &relay, true), at_home(&network, 2, &relay, false));
    let (mut ann, address) = reached_at_home(&one, &relay);
    let first = id(&ann);
    ann.write("early.txt", "early");
    ann.run(&["put", "@me/early.txt", "early.txt"]);
    retrieves(&mut ann, &two, &address);
    assert!(has(&ann, "@me/early.txt", b"early"));
    wait("they meet past the relay", || {
        ways(&ann, &first).iter().any(|way| way.starts_with("/ip4/10.77.0.2/"))
    });

    relay.kill();
    ann.go_to(&one);
    ann.write("late.bin", noise(3));
    ann.run(&["put", "@me/late.bin", "late.bin"]);
    ann.go_to(&two);
    wait("what was written since comes without the relay", || has(&ann, "@me/late.bin", &noise(3)));
    assert!(ways(&ann, &first).iter().all(|way| !way.contains("p2p-circuit")), "{:?}", ways(&ann, &first));
}

#[test]
fn nodes_whose_routers_let_nobody_meet_go_on_through_the_relay() {
    let test = "nodes_whose_routers_let_nobody_meet_go_on_through_the_relay";
    let made = Network::with_homes("symmetric", &[Router::Symmetric, Router::Symmetric]);
    let Some(network) = or_skip(test, made) else { return };
    let relay = relay(&network);
    let (one, two) = (at_home(&network, 1, &relay, true), at_home(&network, 2, &relay, false));
    let (mut ann, address) = reached_at_home(&one, &relay);
    let first = id(&ann);
    // Several times what the relay lets through in one connection.
    let much = noise(10);
    ann.write("much.bin", &much);
    ann.run(&["put", "@me/much.bin", "much.bin"]);
    ann.go_to(&two);
    ann.json(&["login", "--wallet", "main", "--passphrase-file", "right", "--from", &address]);
    wait("it comes in pieces", || has(&ann, "@me/much.bin", &much));
    assert!(ways(&ann, &first).iter().all(|way| way.contains("p2p-circuit")), "{:?}", ways(&ann, &first));
}

#[test]
fn what_others_say_of_its_address_decides_whether_a_node_answers_in_the_dht() {
    let test = "what_others_say_of_its_address_decides_whether_a_node_answers_in_the_dht";
    let made = Network::with_homes("forward", &[Router::Forwarding, Router::Plain]);
    let Some(network) = or_skip(test, made) else { return };
    let relay = relay(&network);
    let (open, shut) = (at_home(&network, 1, &relay, false), at_home(&network, 2, &relay, false));
    let mut ann = Person::at(&open.url);
    ann.go_to(&open);
    wait("others reach the one", || said(&ann, true));
    let text = ann.run(&["peers", "ls"]);
    assert!(text.contains(&format!("/ip4/10.77.0.2/udp/{PORT}/quic-v1: reached by others")), "{text}");
    let other = id(&ann);
    wait("it answers in the DHT", || answers_in_the_dht(&relay, &mut ann, &other));
    ann.go_to(&shut);
    wait("others do not reach the other one", || said(&ann, false));
    assert!(!said(&ann, true));
    let other = id(&ann);
    assert!(!answers_in_the_dht(&relay, &mut ann, &other), "nor does it answer");
}
