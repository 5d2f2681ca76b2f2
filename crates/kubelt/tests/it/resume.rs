//! Uploads that are stopped, and go on.

use std::process::Stdio;

use crate::cli::{Node, Person, noise};
use crate::proxy::{Fault, Proxy};

#[test]
fn an_upload_that_was_killed_goes_on_where_it_was() {
    let node = Node::start();
    let proxy = Proxy::before(&node.url, 20 << 20, Fault::Stall);
    let ann = Person::signed_in(&proxy.url);
    ann.write("site/big.bin", noise(40));
    ann.write("site/a.txt", "a");
    let publish = ["publish", "site", "--to", "@me/site", "--public"];
    let mut first =
        ann.command(&publish).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it was built");
    proxy.wait();
    first.kill().expect("it waits for an answer that does not come");
    first.wait().expect("it was running");

    let ann = ann.moved_to(&node.url);
    ann.sign_in();
    let published = ann.json(&publish);
    let number = |field: &str| published[field].as_u64().expect("a number");
    assert!(number("blocks_known") > 0, "{published}");
    assert!(number("bytes_sent") < number("bytes"), "{published}");
    ann.run(&["get", "@me/site/big.bin", "-o", "big.bin"]);
    assert_eq!(ann.read("big.bin"), noise(40));
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let node = Node::start();
    let proxy = Proxy::before(&node.url, 12 << 20, Fault::BreakOnce);
    let ann = Person::signed_in(&proxy.url);
    ann.write("big.bin", noise(30));
    let put = ann.json(&["put", "@me/big.bin", "big.bin"]);
    proxy.wait();
    assert_eq!(put["size"], 30 << 20);
    assert_eq!(ann.json(&["get", "@me/big.bin", "-o", "copy.bin"])["verified"], true);
    assert_eq!(ann.read("copy.bin"), noise(30));
}

#[test]
fn a_car_that_was_killed_goes_on_where_it_was() {
    let node = Node::start();
    let proxy = Proxy::before(&node.url, 20 << 20, Fault::Stall);
    let ann = Person::signed_in(&proxy.url);
    let leaf = |i: u8| {
        kubelt_content::Block::new(kubelt_content::Codec::Raw, vec![i; 1 << 20].into()).expect("small")
    };
    let leaves: Vec<_> = (0..40).map(leaf).collect();
    let links: Vec<String> = leaves.iter().map(|leaf| format!("{{\"/\":\"{}\"}}", leaf.cid())).collect();
    let root =
        kubelt_content::Block::new(kubelt_content::Codec::DagJson, format!("[{}]", links.join(",")).into());
    let root = root.expect("small");
    let (mut writer, header) = kubelt_content::car::CarWriter::v1(&[*root.cid()]);
    let mut car = header.to_vec();
    for block in std::iter::once(&root).chain(&leaves) {
        writer.section(block).iter().for_each(|piece| car.extend_from_slice(piece));
    }
    ann.write("dag.car", car);
    let import = ["car", "import", "dag.car", "--to", "@me/dag", "--public"];
    let mut first =
        ann.command(&import).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it was built");
    proxy.wait();
    first.kill().expect("it waits for an answer that does not come");
    first.wait().expect("it was running");

    let ann = ann.moved_to(&node.url);
    ann.sign_in();
    let imported = ann.json(&import);
    let number = |field: &str| imported[field].as_u64().expect("a number");
    assert_eq!(number("blocks"), 41);
    assert!(number("blocks_known") > 0 && number("bytes_sent") < 40 << 20, "{imported}");
    assert_eq!(imported["published"][0]["cid"], root.cid().to_string());
}
