//! Sessions that were lost, ended by the wallet alone at another node; and tokens for shared cores.

use serde_json::Value;

use crate::cli::{Node, Person};

const LISTENS: &str = "[network]\nreplicate_listen = '127.0.0.1:0'\n";

fn signing<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--passphrase-file", "right"]].concat()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` is text in {value}")).to_owned()
}

#[test]
fn the_wallet_alone_ends_a_session_of_another_node_in_every_core() {
    let (home, away) = (Node::start_with(LISTENS), Node::start());
    let mut ann = Person::signed_in(&home.url);
    ann.run(&signing(&["core", "create", "@me/acme"]));
    ann.write("a.txt", "a");
    for place in ["@me/a.txt", "@acme/a.txt"] {
        ann.run(&["put", place, "a.txt", "--members"]);
    }
    let lost = text(&ann.json(&["whoami"]), "session");
    let token = text(&ann.json(&["session", "token"]), "token");
    // A second node gets both cores, and the machine with the first session is gone.
    ann.go_to(&away);
    ann.run(&signing(&["login", "--wallet", "main", "--from", &home.replicates()]));
    ann.run(&signing(&["use", "@acme"]));
    let core = text(&ann.json(&["core", "ls"])["cores"][0], "core");
    ann.run(&signing(&["invite", "accept", &core, "--as", "acme", "--from", &home.replicates()]));
    let listed = ann.run(&["session", "ls"]);
    assert!(listed.contains(&lost) && listed.contains("at another node"), "{listed}");
    let plain = ann.run(&signing(&["session", "end", &lost, "--wallet", "main"]));
    assert!(plain.contains("ended session"), "{plain}");
    let ends = |target: &str| {
        let ops = ann.json(&["log", target, "--limit", "50"]);
        ops["ops"].as_array().expect("a list").iter().filter(|op| op["verb"] == "logout").count()
    };
    assert!(ends("@acme") >= 1, "the shared core's own log says so");
    // The first node hears of it, and the token opens nothing there.
    for target in ["@me", "@acme"] {
        ann.run(&["remote", "sync", target]);
    }
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let asked =
        agent.get(format!("{}/-/session", home.url)).header("authorization", format!("Bearer {token}"));
    assert_eq!(asked.call().expect("the node answers").status().as_u16(), 401);
    assert!(!ann.run(&["session", "ls"]).contains(&lost));
}

#[test]
fn a_token_for_a_shared_core_does_what_it_is_for() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    ann.run(&signing(&["core", "create", "@me/acme"]));
    let new = ["token", "new", "--for", "publish", "--core", "@acme", "--path", "site", "--wallet", "main"];
    let made = ann.json(&signing(&new));
    let core = text(&made, "core");
    assert_eq!(text(&made, "path"), format!("/@{core}"));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let put = |place: &str| {
        let asked = agent.put(format!("{}{place}", node.url));
        let asked = asked.header("authorization", format!("Bearer {}", text(&made, "token")));
        asked.send("by a program").expect("the node answers").status().as_u16()
    };
    assert_eq!(put(&format!("/@{core}/-/content/site/a.txt")), 201);
    assert_eq!(put(&format!("/@{core}/-/content/other.txt")), 403);
    assert_eq!(put(&format!("{}/-/content/site/a.txt", text(&ann.json(&["whoami"])["core"], "path"))), 404);
    let listed = ann.run(&["token", "list"]);
    assert!(listed.contains(&format!("put content/site/** in {core}")), "{listed}");
    assert!(
        ann.fails(&signing(&["token", "new", "--for", "read", "--core", "@acme/site", "--wallet", "main"]))
            .contains("name the core alone")
    );
}
