//! Two nodes as processes: a core travels from one to the other, and what is in the way does not matter.

use std::net::TcpListener;
use std::process::Stdio;

use crate::cli::{Node, Person, noise};
use crate::proxy::{Fault, Proxy};

const LISTENS: &str = "[network]\nreplicate_listen = '127.0.0.1:0'\n";

#[test]
fn a_core_is_retrieved_by_signing_in_on_a_node_that_never_saw_the_wallet() {
    let (old, new) = (Node::start_with(LISTENS), Node::start());
    let ann = Person::signed_in(&old.url);
    ann.write("site/index.html", "<p>hello");
    ann.write("site/big.bin", noise(3));
    ann.run(&["publish", "site", "--to", "@me/site", "--public"]);
    ann.write("secret.txt", "nobody's business");
    ann.run(&["put", "@me/secret.txt", "secret.txt"]);

    let ann = ann.moved_to(&new.url);
    let address = old.replicates();
    let login = ann.json(&["login", "--wallet", "main", "--passphrase-file", "right", "--from", &address]);
    assert_eq!(login["retrieved"]["settled"], true, "{login}");
    assert_eq!(login["retrieved"]["host"], true, "{login}");
    ann.run(&["get", "@me/secret.txt", "-o", "copy.txt"]);
    assert_eq!(ann.read("copy.txt"), b"nobody's business");
    ann.run(&["get", "@me/site/big.bin", "-o", "copy.bin"]);
    assert_eq!(ann.read("copy.bin"), noise(3));
    let core = login["core"].as_str().expect("it has an id");
    assert_eq!(new.fetch(&format!("/@{core}/site/index.html")), (200, "<p>hello".to_owned()));
    assert_eq!(new.fetch(&format!("/@{core}/secret.txt")).0, 404);

    // What is written on the new node is on the old one, too.
    ann.write("later.txt", "later");
    ann.run(&["put", "@me/later.txt", "later.txt", "--public"]);
    let synced = ann.json(&["remote", "sync", "@me"]);
    assert_eq!(synced["settled"], true, "{synced}");
    assert_eq!(old.fetch(&format!("/@{core}/later.txt")), (200, "later".to_owned()));
    let listed = ann.json(&["remote", "ls"]);
    assert_eq!(listed["remotes"].as_array().map(Vec::len), Some(1), "{listed}");
    ann.run(&["remote", "rm", "@me"]);
    assert_eq!(ann.json(&["remote", "ls"])["remotes"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_node_that_was_killed_in_the_middle_gets_the_rest() {
    let (first, mut second) = (Node::start_with(LISTENS), Node::start_with(LISTENS));
    let ann = Person::signed_in(&first.url);
    // More than what may be on its way to the disk at once.
    ann.write("big.bin", noise(100));
    ann.run(&["put", "@me/big.bin", "big.bin"]);
    let mut ann = ann.moved_to(&second.url);
    ann.sign_in();
    let ann_there = ann.moved_to(&first.url);
    // Content goes up to the second node until the line is stuck; then that node is killed.
    let (place, id) = socket_of(&second.replicates());
    let proxy = Proxy::before(&place, 80 << 20, Fault::Stall);
    let stuck = format!("/ip4/127.0.0.1/tcp/{}/tls/p2p/{id}", port_of(&proxy.url));
    let mut adding = ann_there
        .command(&["remote", "add", "@me", &stuck])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it was built");
    proxy.wait();
    second.kill();
    adding.kill().expect("it waits for what does not come");
    adding.wait().expect("it was running");

    let before = second.url.clone();
    second.restart();
    ann = ann_there.moved_to(&before);
    ann.stays_signed_in_at(&second.url);
    let added = ann.json(&["remote", "add", "@me", &first.replicates()]);
    assert_eq!(added["settled"], true, "{added}");
    assert!(added["bytes"].as_u64().is_some_and(|bytes| bytes < 98 << 20), "nothing was kept: {added}");
    ann.run(&["get", "@me/big.bin", "-o", "copy.bin"]);
    assert!(ann.read("copy.bin") == noise(100));
}

#[test]
fn who_is_not_there_or_is_somebody_else_is_not_added() {
    let (node, other) = (Node::start_with(LISTENS), Node::start_with(LISTENS));
    let ann = Person::signed_in(&node.url);
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let (_, id) = socket_of(&other.replicates());
    let (there, own) = socket_of(&node.replicates());
    let cases = [
        (format!("/ip4/127.0.0.1/tcp/{}/tls/p2p/{id}", nobody.port()), "unreachable"),
        (format!("/ip4/127.0.0.1/tcp/{}/tls/p2p/{id}", port_of(&there)), "unreachable"),
        (other.replicates(), "no such core"),
        (format!("/ip4/127.0.0.1/tcp/{}/tls/p2p/{own}", port_of(&there)), "this node itself"),
        ("/ip4/127.0.0.1/tcp/1".to_owned(), "not the address of a node"),
    ];
    for (address, why) in cases {
        let said = ann.fails(&["remote", "add", "@me", &address]);
        assert!(said.contains(why), "{address}: {said}");
    }
    assert_eq!(ann.json(&["remote", "ls"])["remotes"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_core_is_found_by_a_name_and_in_the_dht() {
    let peers = "listen = ['/ip4/127.0.0.1/tcp/0']\ndht = 'server'\ndht_scope = 'lan'\n";
    let old = Node::start_with(&format!("{LISTENS}{peers}"));
    let ann = Person::signed_in(&old.url);
    ann.write("secret.txt", "nobody's business");
    ann.run(&["put", "@me/secret.txt", "secret.txt"]);
    let core = ann.json(&["whoami"])["core"]["core"].as_str().expect("it has an id").to_owned();
    let links = format!("[dnslink]\n'_kubelt.ann.example' = 'core={core} host={}'\n", old.replicates());
    let login = ["login", "--wallet", "main", "--passphrase-file", "right", "--from"];

    let by_name = Node::start_with(&links);
    let ann = ann.moved_to(&by_name.url);
    let retrieved = ann.json(&[&login[..], &["@ann.example"]].concat());
    assert_eq!(retrieved["retrieved"]["settled"], true, "{retrieved}");
    ann.run(&["get", "@me/secret.txt", "-o", "copy.txt"]);
    assert_eq!(ann.read("copy.txt"), b"nobody's business");

    // Nobody tells of it before its owner wants that.
    let in_dht = Node::start_with(&format!("[network]\n{peers}bootstrap = ['{}']\n", old.peer_address()));
    let ann = ann.moved_to(&in_dht.url);
    let said = ann.fails(&[&login[..], &["dht"]].concat());
    assert!(said.contains("`dht` names no node that holds the core"), "{said}");
    let ann = ann.moved_to(&old.url);
    ann.run(&["config", "@me", "announce", r#"{"dht": true}"#]);
    let ann = ann.moved_to(&in_dht.url);
    let retrieved = ann.json(&[&login[..], &["dht"]].concat());
    assert_eq!(retrieved["retrieved"]["settled"], true, "{retrieved}");
    ann.run(&["get", "@me/secret.txt", "-o", "copy.txt"]);
    assert_eq!(ann.read("copy.txt"), b"nobody's business");
}

#[test]
fn a_spare_host_steps_in_for_a_node_that_is_missing() {
    let node = Node::start_with(LISTENS);
    let (_, own) = socket_of(&node.replicates());
    let spare = Node::start_with(&format!("{LISTENS}carry_for = ['{own}']\n"));
    let ann = Person::signed_in(&node.url);
    ann.write("site/index.html", "<p>hello");
    let published = ann.json(&["publish", "site", "--to", "@me/site", "--public"]);
    ann.run(&["remote", "add", "@me", &spare.replicates(), "--spare"]);
    let before = ann.run(&["remote", "ls"]);
    assert!(before.contains("  spare") && before.contains("1 node holds all of it\n"), "{before}");
    ann.run(&["config", "@me", "copies", r#"{"wanted": 2}"#]);
    loop {
        let copies = &ann.json(&["remote", "ls"])["copies"];
        if copies["under_replicated"] == false {
            assert_eq!((&copies["wanted"], &copies["held"]), (&2.into(), &2.into()));
            break;
        }
    }
    let core = published["url"].as_str().and_then(|url| url.split('/').nth(3)).expect("it names the core");
    assert_eq!(spare.fetch(&format!("/{core}/site/index.html")), (200, "<p>hello".to_owned()));
    assert!(ann.run(&["remote", "ls"]).ends_with("2 nodes hold all of it, 2 wanted\n"));
}

/// The socket, and the id of the node, in an address.
fn socket_of(address: &str) -> (String, String) {
    let parts: Vec<&str> = address.split('/').collect();
    (format!("{}:{}", parts[2], parts[4]), parts[7].to_owned())
}

fn port_of(socket: &str) -> &str {
    socket.rsplit_once(':').expect("a socket has a port").1
}
