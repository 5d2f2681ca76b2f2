//! What goes wrong, and what is said about it.

use std::net::TcpListener;

use crate::cli::{Node, Person};

#[test]
fn without_a_node_every_command_says_how_to_get_one() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let ann = Person::at(&url);
    ann.run(&["wallet", "new", "main", "--passphrase-file", "right"]);
    let expected = "error: no node at NODE: start one with `cargo xtask up` or `kubelt node`, or name another \
                    with `--node`";
    assert_eq!(ann.fails(&["login", "--wallet", "main", "--passphrase-file", "right"]), expected);
    assert_eq!(ann.fails(&["ls", "@0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"]), expected);
}

#[test]
fn a_wallet_opens_with_its_passphrase_only() {
    let node = Node::start();
    let ann = Person::at(&node.url);
    assert_eq!(
        ann.fails(&["login", "--wallet", "main", "--passphrase-file", "right"]),
        "error: there is no wallet `main`; make it with `kubelt wallet new main`"
    );
    ann.run(&["wallet", "new", "main", "--passphrase-file", "right"]);
    let error = ann.fails(&["login", "--wallet", "main", "--passphrase-file", "wrong"]);
    assert!(error.contains("the passphrase is wrong"), "{error}");
    assert_eq!(
        ann.fails(&["login", "--wallet", "main"]),
        "error: there is no terminal to ask for the passphrase; name a file with `--passphrase-file`"
    );
    assert!(
        ann.fails(&["wallet", "new", "main", "--passphrase-file", "right"]).contains("choose another name")
    );
    assert!(ann.fails(&["wallet", "remove", "main"]).contains("--yes"));
    ann.run(&["wallet", "remove", "main", "--yes"]);
    assert_eq!(ann.json(&["wallet", "list"]), serde_json::json!([]));
}

#[test]
fn who_is_not_signed_in_is_told_how_to() {
    let node = Node::start();
    let ann = Person::at(&node.url);
    ann.write("a.txt", "a");
    let expected = "error: not signed in at NODE; sign in with `kubelt login --wallet NAME`";
    for args in [
        &["ls", "@me"][..],
        &["put", "@me/a.txt", "a.txt"],
        &["publish", "a.txt", "--to", "@me/a.txt"],
        &["whoami"],
        &["logout"],
        &["session", "list"],
        &["core", "export", "@me", "-o", "me.car"],
        &["core", "import", "a.txt"],
    ] {
        assert_eq!(ann.fails(args), expected, "{args:?}");
    }
}

#[test]
fn a_session_that_has_ended_is_of_no_use() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    let session = ann.json(&["whoami"])["session"].as_str().expect("an id").to_owned();
    // The wallet itself ends it, from a machine that has no session.
    let end = ["session", "end", &session, "--wallet", "main", "--passphrase-file", "right"];
    let sessions = ann.read("config/sessions.json");
    ann.run(&end);
    ann.write("config/sessions.json", sessions);
    ann.write("a.txt", "a");
    for args in [&["put", "@me/a.txt", "a.txt"][..], &["whoami"], &["session", "list"]] {
        let error = ann.fails(args);
        assert!(error.ends_with("sign in with `kubelt login --wallet NAME` (unauthorized)"), "{error}");
    }
    ann.run(&["logout"]);
    assert!(ann.fails(&["logout"]).contains("not signed in"));
}

#[test]
fn the_core_of_another_is_closed() {
    let node = Node::start();
    let (ann, eve) = (Person::signed_in(&node.url), Person::signed_in(&node.url));
    ann.write("a.txt", "a");
    ann.run(&["put", "@me/a.txt", "a.txt", "--public"]);
    let theirs = format!("@{}", ann.json(&["whoami"])["account"].as_str().expect("an account"));
    let nobodys = "@0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f";
    eve.write("b.txt", "b");
    eve.write("dir/b.txt", "b");
    let at = |core: &str, args: &[&str]| {
        let args: Vec<String> = args.iter().map(|arg| arg.replace("@them", core)).collect();
        eve.fails(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for args in [
        &["put", "@them/b.txt", "b.txt"][..],
        &["publish", "dir", "--to", "@them/b", "--public"],
        &["rm", "@them/secret.txt"],
        &["get", "@them/secret.txt"],
    ] {
        let error = at(&theirs, args);
        assert!(error.ends_with("(not-found)"), "{error}");
        assert_eq!(error, at(nobodys, args), "a core that shows nothing looks like one that is not there");
    }
    let output = eve.pipe(&["put", &format!("{theirs}/b.txt"), "-"], b"b");
    assert!(String::from_utf8_lossy(&output.stderr).ends_with("(not-found)\n"), "{output:?}");
    assert_eq!(eve.run(&["get", &format!("{theirs}/a.txt")]), "a");
    ann.run(&["core", "export", "@me", "-o", "ann.car"]);
    eve.write("ann.car", ann.read("ann.car"));
    assert!(eve.fails(&["core", "import", "ann.car"]).ends_with("(forbidden)"));
}

#[test]
fn what_is_not_there_is_named() {
    let node = Node::start();
    let ann = Person::signed_in(&node.url);
    ann.write("dir/a.txt", "a");
    ann.run(&["publish", "dir", "--to", "@me/dir"]);
    for (args, expected) in [
        (&["publish", "nowhere", "--to", "@me/x"][..], "error: there is nothing at `nowhere`"),
        (&["publish", "dir", "--to", "@me"], "error: name a path in the core, such as `@me/site`"),
        (
            &["put", "@me/x", "dir"],
            "error: `dir` is a directory; put it there with `kubelt publish dir --to @me/x`",
        ),
        (
            &["get", "@me/dir"],
            "error: `@me/dir` is a directory; name one to write it to with `-o DIR`, or list it with \
             `kubelt ls @me/dir`",
        ),
        (
            &["get", "@me/dir/a.txt", "--range", "5-"],
            "error: the content has 1 bytes (range-not-satisfiable)",
        ),
        (
            &["verify", "nowhere.car"],
            "error: cannot read `nowhere.car`: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(ann.fails(args), expected);
    }
    assert!(ann.fails(&["get", "@me/dir/b.txt"]).ends_with("(not-found)"));
    assert!(ann.fails(&["put", "@me/a/../b", "dir/a.txt"]).ends_with("(bad-path)"));
    assert!(ann.fails(&["core", "import", "dir/a.txt"]).ends_with("(bad-car)"));
    let json = ann.fails(&["get", "@me/nothing", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&json).expect("with `--json` errors are JSON too");
    assert_eq!(error["error"]["type"], "urn:kubelt:problem:not-found");
}

#[test]
fn a_full_quota_ends_an_upload_at_once() {
    let node = Node::start_with("[quota]\nblock_bytes = 1000000\n");
    let ann = Person::signed_in(&node.url);
    ann.write("big.bin", crate::cli::noise(20));
    assert!(ann.fails(&["put", "@me/big.bin", "big.bin"]).ends_with("(quota-exceeded)"));
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let ann = Person::at("http://127.0.0.1:1");
    for args in [&["get"][..], &["get", "index.html"], &["wallet", "new", "My Wallet"], &["nonsense"]] {
        assert_eq!(ann.output(args).status.code(), Some(2), "{args:?}");
    }
}
