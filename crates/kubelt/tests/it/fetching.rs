//! Nodes as processes that fetch for their readers what only others have, whatever gateways say.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::cli::{Node, Person, noise};

const PEERS: &str = "[network]\nlisten = ['/ip4/127.0.0.1/tcp/0']\n";

/// A node that publishes a directory, and its CID.
fn publisher() -> (Node, String) {
    let node = Node::start_with(PEERS);
    let ann = Person::signed_in(&node.url);
    ann.write("site/index.html", "<p>hello");
    ann.write("site/big.bin", noise(3));
    let published = ann.json(&["publish", "site", "--to", "@me/site", "--public"]);
    let cid = published["cid"].as_str().expect("it has a CID").to_owned();
    (node, cid)
}

#[test]
fn who_is_signed_in_reads_what_only_another_node_has() {
    let (there, cid) = publisher();
    let here = Node::start();
    let bob = Person::signed_in(&here.url);
    bob.run(&["peers", "connect", &there.peer_address()]);
    let path = format!("/ipfs/{cid}/index.html");
    assert_eq!(here.fetch(&path).0, 404, "nobody is signed in");
    bob.run(&["get", &format!("{cid}/big.bin"), "-o", "copy.bin"]);
    assert_eq!(bob.read("copy.bin"), noise(3));
    let got = bob.json(&["get", &cid, "-o", "copy"]);
    assert_eq!(bob.read("copy/index.html"), b"<p>hello");
    assert_eq!(bob.read("copy/big.bin"), noise(3));
    assert_eq!(got["fetched"]["verified"], got["fetched"]["files"], "{got}");
    assert_eq!(here.fetch(&path).0, 404, "what one reader fetched is no other's");
    let (_, metrics) = here.fetch("/metrics");
    assert!(metrics.contains("kubelt_fetch_blocks{way=\"peer\"}"), "{metrics}");

    let pinned = bob.run(&["pin", "add", &cid, "--name", "site"]);
    assert!(pinned.starts_with(&format!("pinned {cid} as ")), "{pinned}");
    assert!(pinned.contains("fetched: ") && pinned.contains("from connected peers"), "{pinned}");
    assert_eq!(here.fetch(&path), (200, "<p>hello".to_owned()), "pins are for everybody");
    let listed = bob.run(&["pin", "ls"]);
    assert!(listed.contains("pinned") && listed.contains(&cid) && listed.contains("site"), "{listed}");
    let id = bob.json(&["pin", "ls"])["results"][0]["requestid"].as_str().expect("it has one").to_owned();
    bob.run(&["pin", "rm", &id]);
    assert_eq!(bob.json(&["pin", "ls"])["count"], 0);
    let refused = bob.fails(&["pin", "add", "no-cid"]);
    assert!(refused.contains("`no-cid` is no CID"), "{refused}");

    // An open gateway behind which nobody but that node is.
    let open = Node::start_with("[network]\nfetch = 'anybody'\n");
    Person::at(&open.url).run(&["peers", "connect", &there.peer_address()]);
    assert_eq!(open.fetch(&path), (200, "<p>hello".to_owned()));
    let nobody = Node::start_with("[network]\nfetch = 'nobody'\n");
    let bob = bob.moved_to(&nobody.url);
    bob.sign_in();
    bob.run(&["peers", "connect", &there.peer_address()]);
    let refused = bob.fails(&["get", &format!("{cid}/index.html"), "-o", "copy.html"]);
    assert!(refused.contains("nothing here"), "{refused}");
}

/// A gateway that answers each request by `answer`, which writes all of it.
fn gateway(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let answer = std::sync::Arc::new(answer);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), answer) = (client, std::sync::Arc::clone(&answer)) else { return };
            thread::spawn(move || serve(client, &*answer));
        }
    });
    url
}

fn serve(mut client: TcpStream, answer: &dyn Fn(&str, &mut TcpStream) -> std::io::Result<()>) -> Option<()> {
    let mut lines = BufReader::new(client.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    while lines.next()?.is_ok_and(|line| !line.is_empty()) {}
    // The node breaks off what it does not want.
    drop(answer(request.split(' ').nth(1)?, &mut client));
    Some(())
}

#[test]
fn gateways_that_lie_or_never_end_are_passed_over() {
    let (there, cid) = publisher();
    let honest = there.url.clone();
    let lies = gateway(|_, client| {
        client.write_all(b"HTTP/1.1 200 Said\r\ncontent-length: 6\r\nconnection: close\r\n\r\nforged")
    });
    let endless = gateway(|_, client| {
        client.write_all(b"HTTP/1.1 200 Said\r\nconnection: close\r\n\r\n")?;
        loop {
            client.write_all(&[7; 4_096])?;
        }
    });
    let to = honest.clone();
    let elsewhere = gateway(move |path, client| {
        let head = format!(
            "HTTP/1.1 302 Said\r\nlocation: {to}{path}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        client.write_all(head.as_bytes())
    });
    let bad = format!("[network]\nfetch = 'anybody'\ngateways = ['{lies}', '{endless}', '{elsewhere}']\n");
    let path = format!("/ipfs/{cid}/index.html");
    assert_eq!(Node::start_with(&bad).fetch(&path).0, 404, "none of them is believed or followed");
    let node = Node::start_with(&bad.replace("']\n", &format!("', '{honest}']\n")));
    assert_eq!(node.fetch(&path), (200, "<p>hello".to_owned()));
    let bob = Person::signed_in(&node.url);
    bob.run(&["get", &format!("{cid}/big.bin"), "-o", "copy.bin"]);
    assert_eq!(bob.read("copy.bin"), noise(3));
    let (_, metrics) = node.fetch("/metrics");
    assert!(metrics.contains("kubelt_fetch_blocks{way=\"gateway\"}"), "{metrics}");
}
