//! What a receipt says of a real node: a stranger comes by its peers' door, and by no other.

use crate::cli::{Node, Person};

const LISTENS: &str = "[network]\nlisten = ['/ip4/127.0.0.1/tcp/0']\ndht = 'server'\ndht_scope = 'lan'\n";

#[test]
fn publishing_ends_with_what_strangers_get() {
    let first = Node::start_with(LISTENS);
    let bootstrap = format!("{LISTENS}bootstrap = ['{}']\n", first.peer_address());
    let node = Node::start_with(&bootstrap);
    let ann = Person::signed_in(&node.url);
    ann.write("site/index.html", "<p>hello");
    let published = ann.json(&["publish", "site", "--to", "@me/site", "--public"]);
    let reach = &published["reach"];
    assert_eq!(reach["reachable"], true, "{reach}");
    let way = |name: &str| {
        let ways = reach["ways"].as_array().expect("a list");
        ways.iter().find(|way| way["way"] == name).unwrap_or_else(|| panic!("`{name}` is not in {reach}"))
    };
    assert_eq!((&way("peer")["open"], &way("peer")["from"]), (&true.into(), &"machine".into()), "{reach}");
    assert_eq!(way("http-path")["step"], "address");
    assert_eq!(way("pinning")["step"], "setup");

    let said = ann.run(&["receipt", "@me/site/index.html"]);
    assert!(said.contains("open  this node, to peers 12D3"), "{said}");
    assert!(said.contains("strangers can fetch it now, but not from everywhere"), "{said}");
    ann.run(&["config", "@me", "exposure", r#"{"ipfs": false}"#]);
    let said = ann.run(&["receipt", "@me/site"]);
    assert!(said.contains("`config/exposure` closes the exit `ipfs` at the step `exposure`"), "{said}");
    assert!(said.ends_with("strangers cannot fetch it now\n"), "{said}");

    ann.write("secret.txt", "nobody's business");
    ann.run(&["put", "@me/secret.txt", "secret.txt"]);
    let private = ann.json(&["receipt", "@me/secret.txt"]);
    assert_eq!((&private["reachable"], private["ways"].as_array().map(Vec::len)), (&false.into(), Some(0)));
    let other = Person::signed_in(&node.url);
    let core = published["url"].as_str().and_then(|url| url.split('/').nth(3)).expect("it names the core");
    assert!(other.fails(&["receipt", &format!("{core}/site")]).contains("nothing here"));
}
